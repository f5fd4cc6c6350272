/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The tests of tests/unit/pool.c once more, where every access that threads race for is seen. */
#include "../unit/pool.c"
