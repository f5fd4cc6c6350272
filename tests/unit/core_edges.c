/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The tests of tests/bpf/core_edges.c on the native build, under the sanitizers. */
#define SCENE_NATIVE
#include "../bpf/core_edges.c"
