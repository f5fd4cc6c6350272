/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The shim under the packet core: what differs between BPF, a native build (tests, fuzzers, the
 * daemon) and other packet frameworks. A native includer that uses subzero/guard.h provides the
 * sz_ctx_* functions and the map operations itself; everything else needs only what is here.
 */
#ifndef SZ_COMPAT_H
#define SZ_COMPAT_H

#include "subzero/types.h"

#define SZ_INLINE static inline __attribute__((always_inline, unused))

/* A function of its own in BPF, too: called from several places, or off the fast path. */
#define SZ_COLD static __attribute__((noinline, unused))

/* In front of a loop whose unrolled steps would fill the stack. */
#ifdef __clang__
#define SZ_NO_UNROLL _Pragma("clang loop unroll(disable)")
#else
#define SZ_NO_UNROLL
#endif

#ifdef __bpf__

#include <linux/bpf.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define sz_htons(x)         bpf_htons(x)
#define sz_htonl(x)         bpf_htonl(x)
#define sz_ntohs(x)         bpf_ntohs(x)
#define sz_ntohl(x)         bpf_ntohl(x)
#define sz_memcpy(d, s, n)  __builtin_memcpy(d, s, n)
#define sz_memset(d, c, n)  __builtin_memset(d, c, n)
#define sz_barrier()        barrier()
/* The compiler forgets what it knows of v, and so compares the register that is used next: older
 * verifiers do not carry a bound from one copy of a value to another. */
#define sz_opaque(v) barrier_var(v)
#define sz_cas(p, old, new) __sync_val_compare_and_swap(p, old, new)
#define sz_fetch_add(p, n)  __sync_fetch_and_add(p, n)
#define sz_load_acquire(p)  __sync_fetch_and_add(p, 0)
#define SZ_LOOP_FN          static __attribute__((unused)) long
/* Calls fn(i, arg) for i = 0.. until it returns 1, at most n times. */
#define sz_loop(n, fn, arg) bpf_loop(n, fn, arg, 0)

#else

#include <arpa/inet.h>
#include <string.h>

#define sz_htons(x)         htons(x)
#define sz_htonl(x)         htonl(x)
#define sz_ntohs(x)         ntohs(x)
#define sz_ntohl(x)         ntohl(x)
#define sz_memcpy(d, s, n)  memcpy(d, s, n)
#define sz_memset(d, c, n)  memset(d, c, n)
#define sz_barrier()        __asm__ volatile("" ::: "memory")
#define sz_opaque(v) ((void)(v))
#define sz_cas(p, old, new) __sync_val_compare_and_swap(p, old, new)
#define sz_fetch_add(p, n)  __sync_fetch_and_add(p, n)
#define sz_load_acquire(p)  __atomic_load_n(p, __ATOMIC_ACQUIRE)
#define SZ_LOOP_FN          static inline __attribute__((unused)) long
#define sz_loop(n, fn, arg)                                                                        \
	do {                                                                                       \
		for (u64 loop_i_ = 0, loop_n_ = (n); loop_i_ < loop_n_; loop_i_++)                 \
			if (fn(loop_i_, arg))                                                      \
				break;                                                             \
	} while (0)

#endif

/* Unaligned loads from memory the caller has bounds for; host order. */
SZ_INLINE u64 sz_load64(const void *p)
{
	u64 v;

	sz_memcpy(&v, p, 8);
	return v;
}

SZ_INLINE u32 sz_load32(const void *p)
{
	u32 v;

	sz_memcpy(&v, p, 4);
	return v;
}

SZ_INLINE u16 sz_load16(const void *p)
{
	u16 v;

	sz_memcpy(&v, p, 2);
	return v;
}

SZ_INLINE void sz_store16(void *p, u16 v)
{
	sz_memcpy(p, &v, 2);
}

SZ_INLINE void sz_store32(void *p, u32 v)
{
	sz_memcpy(p, &v, 4);
}

/* TCP sequence space (RFC 9293 section 3.4): a lies before b. */
SZ_INLINE bool sz_seq_before(u32 a, u32 b)
{
	return (s32)(a - b) < 0;
}

#endif
