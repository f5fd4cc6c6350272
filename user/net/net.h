/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The event loop: one io_uring (SINGLE_ISSUER, DEFER_TASKRUN) and typed completions. Everything
 * the daemon waits for comes through here: rings, timers, signals, worker wake-ups, the control
 * socket, audit writes and their fsync. The only room that includes liburing.
 */
#ifndef SZ_NET_NET_H
#define SZ_NET_NET_H

#include <signal.h>
#include <sys/types.h>

#include "core/core.h"
#include "telemetry/telemetry.h"

struct sz_loop_ring; /* the loop */

/* The thread that makes the loop is the one that runs and frees it. */
int sz_net_new(unsigned entries, struct sz_loop_ring **ret, struct sz_error *e);
/* Finishes appends under way (their fn is called), cancels everything else without a call. */
void sz_net_free(struct sz_loop_ring *l);
/* Runs until sz_net_stop. Returns 0 or -errno of the ring itself. */
int sz_net_run(struct sz_loop_ring *l);
void sz_net_stop(struct sz_loop_ring *l);
/*
 * How long the loop was busy each time it had waited: from the kernel's answer until it asked
 * again. So long may have waited what came meanwhile. The loop's thread.
 */
const struct sz_hist *sz_net_pauses(const struct sz_loop_ring *l);

/* fn on every readiness of fd (multishot poll); it must read all there is before it returns. */
int sz_net_poll(struct sz_loop_ring *l, int fd, void (*fn)(void *arg), void *arg);
/* fn every period_ns (multishot timeout where the kernel has it, rearmed otherwise). */
int sz_net_every(struct sz_loop_ring *l, u64 period_ns, void (*fn)(void *arg), void *arg);
/* fn with the signal's number; blocks those signals in this thread (call before making others). */
int sz_net_signals(struct sz_loop_ring *l, const sigset_t *set, void (*fn)(int signo, void *arg),
		   void *arg);

#define SZ_NET_IN  1u
#define SZ_NET_OUT 2u
#define SZ_NET_ERR 4u /* always reported */
/*
 * fn as long as fd is ready for what is wanted (SZ_NET_IN, SZ_NET_OUT; 0: nothing), once in each
 * turn of the loop. The descriptor stays the caller's, who ends the watch before or right after
 * closing it; fn is not called again then. The loop frees what was not ended.
 */
struct sz_net_watch;
struct sz_net_watch *sz_net_watch_new(struct sz_loop_ring *l, int fd, unsigned want,
				      void (*fn)(unsigned events, void *arg), void *arg);
void sz_net_watch_want(struct sz_net_watch *w, unsigned want);
void sz_net_watch_end(struct sz_net_watch *w);

/* A timer that lives as long as the loop. NULL: no descriptor is left. */
struct sz_net_timer;
struct sz_net_timer *sz_net_timer_new(struct sz_loop_ring *l, void (*fn)(void *arg), void *arg);
/* fn once at this time of CLOCK_BOOTTIME, at once where it is past; 0: never. Replaces what was
 * set. */
void sz_net_timer_set(struct sz_net_timer *t, u64 at_ns);

/* Wakes the loop from any thread; fn runs in the loop. */
struct sz_net_wake;
struct sz_net_wake *sz_net_wake_new(struct sz_loop_ring *l, void (*fn)(void *arg), void *arg);
void sz_net_wake(struct sz_net_wake *w);

/*
 * Appends `n` bytes at offset `off` of fd, then fdatasync, as linked requests; fn gets 0 or -errno
 * once both are done. `p` must stay until then. Short writes are finished before the sync.
 */
int sz_net_append(struct sz_loop_ring *l, int fd, const void *p, size_t n, u64 off,
		  void (*fn)(int res, void *arg), void *arg);

/* ---- the control socket: one JSON object a line in, one out --------------------------------- */

struct sz_net_client; /* one connected peer */
/* Listens on a UNIX stream socket (mode 0600, directory made 0700 where missing; a stale socket is
 * removed). `fn` gets one whole line without its newline (at most 1 MiB; more closes the peer). */
int sz_net_listen(struct sz_loop_ring *l, const char *path,
		  void (*fn)(struct sz_net_client *c, const char *line, size_t n, void *arg),
		  void *arg, struct sz_error *e);
/* Queues bytes to the peer; safe only inside the loop. The peer may be gone: then nothing happens.
 */
void sz_net_send(struct sz_net_client *c, const void *p, size_t n);
uid_t sz_net_client_uid(const struct sz_net_client *c);
/* A peer is valid until `fn` returns. Who answers later holds it until the answer was queued. */
struct sz_net_client *sz_net_client_hold(struct sz_net_client *c);
void sz_net_client_release(struct sz_net_client *c);

/* ---- byte streams over TCP or UNIX: the HTTP server's ground --------------------------------- */

struct sz_net_stream; /* one connected peer */

struct sz_net_where {
	const char *path; /* of a UNIX socket (mode 0600); NULL: TCP */
	struct sz_addr addr; /* all zero: any */
	u16 port;            /* network order */
};

struct sz_net_stream_ops {
	/* A new peer; returns what the other two get as `user`, never NULL. */
	void *(*open)(struct sz_net_stream *s, void *arg);
	/* Bytes have come after sz_net_stream_read(), or the peer sends no more. */
	void (*input)(struct sz_net_stream *s, void *user, bool eof);
	void (*sent)(struct sz_net_stream *s, void *user); /* all that was written is on its way */
	void (*closed)(void *user); /* the stream is no more; not called from within the others */
};

/*
 * Listens. At most `max` peers: one more closes the oldest idle one, or is refused. Reading and
 * writing take turns: a stream that reads is not written to before its input has come.
 */
int sz_net_serve(struct sz_loop_ring *l, const struct sz_net_where *where, unsigned max,
		 const struct sz_net_stream_ops *ops, void *arg, struct sz_error *e);

void sz_net_stream_read(struct sz_net_stream *s); /* `input` will be called once */
/* What came and was not taken; good until anything else is done with the stream. */
const char *sz_net_stream_bytes(const struct sz_net_stream *s, size_t *ret_n);
void sz_net_stream_take(struct sz_net_stream *s, size_t n);
/* Takes over *b. `sent` will be called once, unless the peer is slow, which closes it. */
void sz_net_stream_write(struct sz_net_stream *s, struct sz_buf *b);
/* The peer gets the end of the stream, and a moment to close. */
void sz_net_stream_end(struct sz_net_stream *s);
void sz_net_stream_close(struct sz_net_stream *s); /* at once */
/* Closed unless set anew within `ns` (0: no limit). idle: it may be closed for somebody else. */
void sz_net_stream_wait(struct sz_net_stream *s, u64 ns, bool idle);

#endif
