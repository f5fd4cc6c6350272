/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Puts a held frame back on its interface. Called by the daemon after it wrote its verdict. The
 * frame runs sz_ingress again, so there is one decision path; nothing here admits anything.
 */
#include <bpf/bpf.h>
#include <unistd.h>

#include "kern/kern_priv.h"

#define ETH_HEADER 14u
/* A live frame shares one page with the kernel's own headers: this much is safe everywhere, */
#define PAGE_TAKEN_MAX 1024u
/* and this much is always taken: XDP headroom and the shared info behind the frame. */
#define PAGE_TAKEN_MIN (256u + 320u)

int sz_kern_inject(struct sz_kern *k, u32 ifindex, u8 *frame, size_t len)
{
	struct xdp_md ctx = { .data_end = (u32)len, .ingress_ifindex = ifindex };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = (u32)len,
		    .ctx_in = &ctx, .ctx_size_in = sizeof(ctx), .repeat = 1, .batch_size = 1,
		    .flags = BPF_F_TEST_XDP_LIVE_FRAMES);
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	int err;

	if (len < ETH_HEADER || k->prog_fd[SZ_PROG_INGRESS] < 0)
		return -EINVAL;
	if (len > page - PAGE_TAKEN_MIN)
		return -EMSGSIZE;
	if (!sz_frame_checksum(frame, len))
		return -EBADMSG;
	err = bpf_prog_test_run_opts(k->prog_fd[SZ_PROG_INGRESS], &opts);
	return err == -EINVAL && len > page - PAGE_TAKEN_MAX ? -EMSGSIZE : err;
}
