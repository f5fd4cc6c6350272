/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Runs cases, many at a time in one thread: moves frames and sockets, takes each case's next step
 * when it is due, ends the case and has it judged. Never waits for one case alone.
 */
#include "attack.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#define LIVE_MAX     256
#define LEGIT_NS     40000000000ull /* a well-behaved client must have been served by then */
#define LINGER_NS    150000000ull   /* an attack's last frames are waited for this long */
#define HANDSHAKE_NS 400000000ull

static struct att_case *live[LIVE_MAX];
static u32 n_live;

struct att_case *att_engine_find(bool v6, const u8 *addr)
{
	u32 i;

	for (i = 0; i < n_live; i++)
		if (live[i]->v6 == v6 && !memcmp(live[i]->addr, addr, v6 ? 16 : 4))
			return live[i];
	return NULL;
}

/* ---- steps ---------------------------------------------------------------------------------- */

static void start_command(struct att_case *c, const struct att_step *s)
{
	const char *words[16];
	char *copy, *w;
	int n = 0;

	if (s->op == ATT_OP_REVOKE) {
		char jti[64];

		snprintf(jti, sizeof(jti), "%llx-%u-%d", (unsigned long long)c->seed, c->number,
			 s->off);
		c->child = att_ctl_start((const char *[]){"grants", "revoke", "--jti", jti, NULL});
		return;
	}
	copy = strdup(s->text);
	for (w = strtok(copy, " "); w && n < 15; w = strtok(NULL, " "))
		words[n++] = w;
	words[n] = NULL;
	c->child = att_ctl_start(words);
	free(copy);
}

static bool command_done(struct att_case *c, const struct att_step *s)
{
	int status;

	if (!c->child) {
		start_command(c, s);
		return false;
	}
	if (waitpid(c->child, &status, WNOHANG) != c->child)
		return false;
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		att_wrong(c, "subzeroctl failed: %d", status);
	c->child = 0;
	return true;
}

/* True when the step is over and the next one can begin. */
static bool step_done(struct att_case *c, const struct att_step *s, u64 now)
{
	struct att_conn *t = &c->conn;
	bool late = now - c->step_began > (u64)s->ms * 1000000, over = t->rst || t->fin;

	switch (s->op) {
	case ATT_OP_SYN:
		att_conn_syn(c, s->off);
		return true;
	case ATT_OP_UP:
		return t->up || t->rst || now - c->step_began > HANDSHAKE_NS;
	case ATT_OP_SEND:
	case ATT_OP_LOST:
		att_conn_step(c, s);
		return true;
	case ATT_OP_ANSWERS:
		return over || (s32)t->answers >= s->off || (late && !c->legit);
	case ATT_OP_ACKED:
		return over || (s32)(t->snd_una - t->base) >= s->off || late;
	case ATT_OP_PAUSE:
		return late;
	case ATT_OP_GATE:
		return s->gate();
	case ATT_OP_AGAIN:
		att_conn_init(c, (u32)s->off);
		return true;
	case ATT_OP_REVOKE:
	case ATT_OP_CTL:
		return command_done(c, s);
	}
	return true;
}

static bool served(const struct att_case *c)
{
	return c->conn.answers >= c->n_expect || c->conn.fin || c->conn.rst;
}

/* One turn of a case; true when it has ended. */
static bool turn(struct att_case *c, u64 now)
{
	if (!c->began) {
		c->began = c->step_began = now;
		att_conn_init(c, 0);
	}
	while (c->at_step < c->n_steps && step_done(c, &c->step[c->at_step], now)) {
		c->at_step++;
		c->step_began = now;
	}
	att_conn_tick(c, now);
	if (c->child)
		return false;
	if (c->legit && now - c->began > LEGIT_NS)
		return true;
	if (c->at_step < c->n_steps)
		return false;
	if (c->legit && !served(c))
		return false;
	return now - c->step_began > (c->legit ? 0 : LINGER_NS);
}

static void finish(struct att_case *c)
{
	att_recorder_finish(c);
	att_conn_abort(c);
	c->ended = att_now();
	att_judge(c);
}

/* ---- many ----------------------------------------------------------------------------------- */

static void move_frames(void)
{
	struct att_segment s;
	struct att_case *c;

	while (att_wire_receive(&s)) {
		c = att_engine_find(s.v6, s.from);
		if (c)
			att_conn_input(c, &s);
	}
}

static void wait_for_something(void)
{
	struct pollfd p[3] = {
		{.fd = att_lab.packets, .events = POLLIN},
		{.fd = att_lab.listeners[0], .events = POLLIN},
		{.fd = att_lab.listeners[1], .events = POLLIN},
	};

	if (poll(p, 3, 1) < 0 && errno != EINTR)
		att_die("poll: %s", strerror(errno));
}

static void one_turn(void (*done)(struct att_case *c, void *arg), void *arg)
{
	u64 now = att_now();
	u32 i;

	move_frames();
	att_recorder_accept(now);
	for (i = 0; i < n_live; i++)
		att_recorder_read(live[i], now);
	move_frames();
	for (i = 0; i < n_live;) {
		struct att_case *c = live[i];

		if (!turn(c, now)) {
			i++;
			continue;
		}
		finish(c);
		live[i] = live[--n_live];
		done(c, arg);
	}
	wait_for_something();
}

void att_engine_series(u32 at_once, struct att_case *(*next)(void *arg),
		       void (*done)(struct att_case *c, void *arg), void *arg)
{
	struct att_case *c;
	bool more = true;

	while (more || n_live) {
		while (more && n_live < at_once && n_live < LIVE_MAX) {
			c = next(arg);
			if (c)
				live[n_live++] = c;
			else
				more = false;
		}
		if (n_live)
			one_turn(done, arg);
	}
}

static void nothing(struct att_case *c, void *arg)
{
	(void)c;
	(void)arg;
}

void att_engine_run(struct att_case *c)
{
	live[n_live++] = c;
	while (n_live)
		one_turn(nothing, NULL);
}
