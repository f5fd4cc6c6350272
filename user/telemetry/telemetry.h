/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the daemon says about itself: readiness and life signs to the service manager (the
 * protocol of sd_notify(3)), latency histograms, and the text that metrics are told in. Called by
 * the daemon only.
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
	u64 sum; /* ns, exact */
	u64 n[SZ_HIST_BUCKETS]; /* below the span, the span, above the span */
};

void sz_hist_add(struct sz_hist *h, u64 ns);
/* p in 0..100. Nanoseconds; 0 when nothing was added. */
u64 sz_hist_percentile(const struct sz_hist *h, double p);
u64 sz_hist_count(const struct sz_hist *h);
u64 sz_hist_max(const struct sz_hist *h);
u64 sz_hist_sum(const struct sz_hist *h);
/* Samples known to be at most `ns`: those in buckets that end there or before, so that a sample
 * counts from at most 3.2 % above its value on. Never falls with ns. */
u64 sz_hist_below(const struct sz_hist *h, u64 ns);
void sz_hist_reset(struct sz_hist *h);

/* ---- the process and its machine, as /proc has them: process.c ------------------------------ */

#define SZ_PROCESS_THREADS (SZ_WORKERS_MAX + 1) /* the loop and its workers */

struct sz_process_thread {
	u64 cpu_ns;
	u64 wait_ns;      /* ready to run, without a CPU */
	u64 major_faults; /* pages that had to come from the disk */
};
struct sz_process {
	u64 cpu_ns, resident_bytes, virtual_bytes, open_fds, max_fds;
	double started_s; /* since 1970 */
	struct sz_process_thread thread[SZ_PROCESS_THREADS]; /* the loop's first */
	size_t n_threads;
	struct sz_process_thread io; /* all threads that the kernel made for io_uring */
};
int sz_process_read(struct sz_process *ret);
/* Of another process; limits and descriptors where that may be seen. */
int sz_process_read_pid(int pid, struct sz_process *ret);

struct sz_pressure {
	double ratio; /* of the last 10 s in which some task waited, 0 to 1 */
	u64 total_ns; /* since boot */
	double full;  /* in which all tasks waited; 0 where the kernel does not say */
};
/* `resource`: cpu, memory, io. -ENOENT where the kernel does not say. */
int sz_pressure_read(const char *resource, struct sz_pressure *ret);
/* The same of the process's own control group (version 2), "/proc/PID/cgroup" being its text. */
int sz_pressure_read_group(const char *cgroup, const char *resource, struct sz_pressure *ret);
/* The same from the file's text. */
int sz_pressure_parse(const char *text, struct sz_pressure *ret);

/* ---- metrics as text: expo.c ---------------------------------------------------------------- */

/*
 * Prometheus' exposition format 0.0.4, or OpenMetrics 1.0. A family comes first, then its samples:
 * labels, then the value that ends the sample. The same names and labels must not come twice.
 */
enum sz_expo_type { SZ_EXPO_COUNTER, SZ_EXPO_GAUGE, SZ_EXPO_HISTOGRAM };

struct sz_expo {
	struct sz_buf out;
	bool openmetrics;
	const char *name; /* of the family; a counter's ends with "_total" */
	enum sz_expo_type type;
	struct sz_buf labels; /* of the next sample */
};

void sz_expo_family(struct sz_expo *x, const char *name, enum sz_expo_type type, const char *help);
/* `value` may be any text; bytes that are not UTF-8 become '?'. */
void sz_expo_label(struct sz_expo *x, const char *name, const char *value);
void sz_expo_u64(struct sz_expo *x, u64 v);
void sz_expo_f64(struct sz_expo *x, double v);
/* Nanoseconds as seconds, exact to the last digit. */
void sz_expo_seconds(struct sz_expo *x, u64 ns);
/* Buckets from 1 us to 10 s in steps of 1, 2 and 5; in seconds. */
void sz_expo_hist(struct sz_expo *x, const struct sz_hist *h);
/* Ends the text; x->out holds it. */
void sz_expo_end(struct sz_expo *x);
void sz_expo_done(struct sz_expo *x); /* frees */

#endif
