/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the daemon says about itself: readiness and life signs to the service manager (the
 * protocol of sd_notify(3)), and latency histograms. Called by the daemon only.
 */
#ifndef SZ_TELEMETRY_TELEMETRY_H
#define SZ_TELEMETRY_TELEMETRY_H

#include "core/core.h"

/*
 * Sends `state` ("READY=1", "WATCHDOG=1", "STATUS=..."; several are separated by newlines) to the
 * datagram socket NOTIFY_SOCKET names, a path or '@' and an abstract name. Never blocks. 0 when
 * sent or when the variable is not set, -EAGAIN when the manager's queue is full, else -errno.
 */
int sz_notify(const char *state);

/* The watchdog's deadline in ns as WATCHDOG_USEC and WATCHDOG_PID say, 0 when there is none for
 * this process. Send "WATCHDOG=1" at half of it. */
u64 sz_notify_watchdog_ns(void);

/*
 * Latencies from 512 ns to 17 s in buckets a 32nd of a power of two wide: a percentile is within
 * 1.6 % of the true value; below and above that span it is the span's end or the exact maximum.
 * Start with all zero. One thread at a time.
 */
#define SZ_HIST_MIN_SHIFT 9
#define SZ_HIST_MAX_SHIFT 34
#define SZ_HIST_STEPS 32
#define SZ_HIST_BUCKETS ((SZ_HIST_MAX_SHIFT - SZ_HIST_MIN_SHIFT) * SZ_HIST_STEPS + 2)

struct sz_hist {
	u64 count;
	u64 max; /* ns, exact */
	u64 n[SZ_HIST_BUCKETS]; /* below the span, the span, above the span */
};

void sz_hist_add(struct sz_hist *h, u64 ns);
/* p in 0..100. Nanoseconds; 0 when nothing was added. */
u64 sz_hist_percentile(const struct sz_hist *h, double p);
u64 sz_hist_count(const struct sz_hist *h);
u64 sz_hist_max(const struct sz_hist *h);
void sz_hist_reset(struct sz_hist *h);

#endif
