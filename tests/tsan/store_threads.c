/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The tests of tests/unit/store_threads.c, where every access that two threads race for is seen. */
#include "../unit/store_threads.c"
