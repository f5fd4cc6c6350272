/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The tests of tests/unit/jose_threads.c once more, where races are seen. */
#include "../unit/jose_threads.c"
