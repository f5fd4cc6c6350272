/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Fixed-width types for code that is compiled both for BPF and natively. Included by every header
 * here; includes nothing but the kernel's own type header, which both compilers have.
 */
#ifndef SZ_TYPES_H
#define SZ_TYPES_H

#include <linux/types.h>

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
typedef __s32 s32;
typedef __s64 s64;

#ifndef __cplusplus
#include <stdbool.h>
#endif

#endif
