/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * kill -9 while tuples are written: nothing that was acknowledged is lost, nothing is half there. A
 * child writes and tells each write's number before and after; the parent ends it at a moment that
 * is drawn, opens the store and looks. Each write adds two tuples and removes one of the write
 * before, so a torn one would show.
 */
#include "harness.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/store.h"

#define ROUNDS 60

static const char model_text[] = "model\n  schema 1.1\ntype user\ntype document\n  relations\n"
				 "    define owner: [user]\n    define reader: [user]\n";

static char dir[32];
static u32 seed = 20251121;

static u32 below(u32 n)
{
	seed = seed * 1664525u + 1013904223u;
	return (u32)((u64)(seed >> 4) * n >> 28);
}

static struct sz_stores *open_stores(bool sync)
{
	struct sz_stores_options o = {.dir = dir, .no_sync = !sync};
	struct sz_stores *s;
	struct sz_error e = {""};

	if (sz_stores_open(&o, &s, &e)) {
		printf("# %s\n", e.msg);
		return NULL;
	}
	return s;
}

static int write_number(struct sz_store *s, u32 i)
{
	char now[32], before[32], user[32];
	struct sz_store_op ops[3] = {
		{.t = {user, "owner", now, NULL, NULL}},
		{.t = {user, "reader", now, NULL, NULL}},
		{.remove = true, .t = {"user:u", "owner", before, NULL, NULL}},
	};
	struct sz_store_write w = {.ops = ops, .n = i ? 3 : 2};
	struct sz_rebac_error e;

	snprintf(now, sizeof(now), "document:%u", i);
	snprintf(before, sizeof(before), "document:%u", i - 1);
	snprintf(user, sizeof(user), "user:u");
	return sz_store_write(s, &w, &e);
}

struct note {
	u32 number, done;
};

static void child(int fd, u32 from, bool sync)
{
	struct sz_stores *all = open_stores(sync);
	struct sz_store *s = all ? sz_store_get_named(all, "crash") : NULL;
	struct note n = {.number = from};

	if (!s)
		_exit(3);
	for (;; n.number++) {
		n.done = 0;
		if (write(fd, &n, sizeof(n)) != sizeof(n) || write_number(s, n.number))
			_exit(4);
		n.done = 1;
		if (write(fd, &n, sizeof(n)) != sizeof(n))
			_exit(4);
	}
}

/* Runs a child for a while; *ret_done writes are acknowledged, one more may have been under way. */
static bool run_child(u32 from, bool sync, u32 *ret_done, u32 *ret_begun)
{
	u32 notes = 1 + below(sync ? 60 : 400), spin = below(200000);
	int fd[2], status;
	struct note n;
	pid_t pid;
	u32 i;

	if (pipe(fd))
		return false;
	pid = fork();
	if (!pid) {
		close(fd[0]);
		child(fd[1], from, sync);
	}
	close(fd[1]);
	*ret_done = *ret_begun = from;
	for (i = 0; read(fd[0], &n, sizeof(n)) == sizeof(n); i++) {
		*(n.done ? ret_done : ret_begun) = n.number + 1;
		if (i == notes) {
			while (spin--)
				__asm__ volatile("" ::: "memory");
			kill(pid, SIGKILL);
		}
	}
	close(fd[0]);
	return waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) &&
	       WTERMSIG(status) == SIGKILL;
}

static bool has(const struct sz_store_view *v, struct sz_rebac_work *w, const char *relation, u32 i)
{
	char object[32];
	struct sz_rebac_error e;
	bool ret = false;

	snprintf(object, sizeof(object), "document:%u", i);
	EXPECT_EQ(sz_rebac_check(v->graph, w, NULL, "user:u", relation, object, &ret, &e), 0);
	return ret;
}

/* How many writes are there; each is there wholly, and none behind a missing one. */
static u32 look(struct sz_store *s, u32 done, u32 begun)
{
	struct sz_rebac_work *w = sz_rebac_work_new(0);
	char token[SZ_STORE_TOKEN_MAX] = "";
	struct sz_store_filter f = {0};
	struct sz_store_stats stats;
	struct sz_store_view v;
	u32 n = done, i, tuples = 0;
	json_t *page;

	if (!EXPECT_EQ(sz_store_begin(s, NULL, SZ_STORE_SHORT, &v), 0))
		return 0;
	while (n < begun && has(&v, w, "reader", n))
		n++;
	for (i = n > 50 ? n - 50 : 0; i < begun + 2; i++) {
		EXPECT_EQ(has(&v, w, "reader", i), i < n);
		EXPECT_EQ(has(&v, w, "owner", i), i + 1 == n);
	}
	sz_store_end(&v);
	sz_store_stats(s, &stats);
	EXPECT_EQ(stats.tuples, n ? n + 1 : 0);
	EXPECT_EQ(stats.changes, n ? 3 * (u64)n - 1 : 0);
	EXPECT_EQ(stats.generation, (u64)n + 1); /* and the model's */
	do {
		if (!EXPECT_EQ(sz_store_read(s, &f, 100, token, &page,
					     &(struct sz_rebac_error){0}), 0))
			break;
		tuples += (u32)json_array_size(page);
		json_decref(page);
	} while (*token);
	EXPECT_EQ(tuples, n ? n + 1 : 0);
	sz_rebac_work_free(w);
	return n;
}

TEST(nothing_acknowledged_is_lost_and_nothing_is_half_there)
{
	u32 n = 0, done, begun, round, caught = 0;
	char model[SZ_STORE_ID_LEN + 1], command[64];
	struct sz_store_info info;
	struct sz_rebac_error e;
	struct sz_stores *all;
	struct sz_store *s;

	alarm(250);
	strcpy(dir, "/tmp/sz-crash-XXXXXX");
	ASSERT_TRUE(mkdtemp(dir) != NULL);
	all = open_stores(true);
	ASSERT_EQ(sz_store_create(all, "crash", &info, &e), 0);
	s = sz_store_get(all, info.id);
	ASSERT_EQ(sz_store_model_write(s, model_text, strlen(model_text), model, &e), 0);
	sz_store_put(s);
	sz_stores_close(all);
	for (round = 0; round < ROUNDS; round++) {
		if (!EXPECT_TRUE(run_child(n, round & 1, &done, &begun)))
			break;
		all = open_stores(true);
		if (!EXPECT_TRUE(all != NULL))
			break;
		s = sz_store_get_named(all, "crash");
		n = look(s, done, begun);
		EXPECT_TRUE(n >= done && n <= begun);
		caught += begun > done;
		sz_store_put(s);
		sz_stores_close(all);
	}
	printf("# %u writes, %u of %u kills in the middle of one\n", n, caught, round);
	EXPECT_TRUE(caught > 0);
	snprintf(command, sizeof(command), "rm -r %s", dir);
	EXPECT_EQ(system(command), 0);
}
