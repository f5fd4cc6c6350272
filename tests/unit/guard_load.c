/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The tests of tests/bpf/guard_load.c on the native build, under the sanitizers. */
#define SCENE_NATIVE
#include "../bpf/guard_load.c"
