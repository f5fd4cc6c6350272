/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The worker pool: everything comes back once, in the right order, whoever is busy. Nothing here
 * depends on speed: gates hold workers until the test lets them go. tests/tsan/pool.c runs the same
 * under ThreadSanitizer.
 */
#include "harness.h"

#include <semaphore.h>
#include <unistd.h>

#include "pool/pool.h"

#define MANY 4000

static struct sz_loop_ring *loop;
static struct sz_pool *pool;

struct item {
	struct sz_work work;
	unsigned number;
	int runs, backs; /* runs: by the worker that has it */
	sem_t *wait;     /* the worker waits here first */
	sem_t *started;  /* and says here that it does */
	int again;       /* submit it again so often */
};

static struct item items[MANY];
static unsigned n_back, n_wanted, n_dropped;
static unsigned ran[MANY + 64], n_ran; /* what workers have run, in order */

static void item_run(struct sz_work *w)
{
	struct item *i = (struct item *)w;
	size_t at;

	if (i->started)
		sem_post(i->started);
	while (i->wait && sem_wait(i->wait))
		;
	i->runs++;
	/* Work that is submitted again makes it turn over, and then two workers may meet in a place. */
	at = __atomic_fetch_add(&n_ran, 1, __ATOMIC_RELAXED) % SZ_ARRAY_LEN(ran);
	__atomic_store_n(&ran[at], i->number, __ATOMIC_RELAXED);
}

static void item_done(struct sz_work *w)
{
	struct item *i = (struct item *)w;

	i->backs++;
	EXPECT_TRUE(w->queued_ns <= w->began_ns && w->began_ns <= w->ended_ns);
	if (i->again-- > 0) {
		sz_pool_submit(pool, w);
		return;
	}
	if (++n_back == n_wanted)
		sz_net_stop(loop);
}

static void item_drop(struct sz_work *w)
{
	(void)w;
	n_dropped++;
}

static struct item *item(unsigned n, enum sz_work_class c)
{
	items[n] = (struct item){.number = n};
	items[n].work = (struct sz_work){
		.run = item_run, .done = item_done, .drop = item_drop, .class = c};
	return &items[n];
}

static void submit(unsigned n, enum sz_work_class c)
{
	sz_pool_submit(pool, &item(n, c)->work);
}

/* SIGALRM ends a test program that hangs. */
static void begin(unsigned workers, u64 target_ns)
{
	struct sz_error e = {""};

	alarm(60);
	n_back = n_wanted = n_dropped = n_ran = 0;
	ASSERT_EQ(sz_net_new(64, &loop, &e), 0);
	ASSERT_EQ(sz_pool_new(loop,
			      &(struct sz_pool_options){.workers = workers,
							.target_ns = target_ns},
			      &pool, &e),
		  0);
}

/* Runs the loop until `n` more have come back. */
static void run_for(unsigned n)
{
	n_wanted = n_back + n;
	EXPECT_EQ(sz_net_run(loop), 0);
	EXPECT_EQ(n_back, n_wanted);
}

static void end(void)
{
	sz_pool_free(pool);
	sz_net_free(loop);
	alarm(0);
}

/* Keeps one worker busy until the gate is posted; returns once it is. */
static sem_t gate, gate_started;

static void hold_worker(unsigned n, enum sz_work_class c)
{
	struct item *i = item(n, c);

	sem_init(&gate, 0, 0);
	sem_init(&gate_started, 0, 0);
	i->wait = &gate;
	i->started = &gate_started;
	sz_pool_submit(pool, &i->work);
	while (sem_wait(&gate_started))
		;
}

TEST(all_work_comes_back_once_from_many_workers)
{
	struct sz_pool_stats s;
	u64 submitted = 0;

	begin(4, 0);
	for (unsigned i = 0; i < MANY; i++) {
		item(i, i % SZ_WORK_CLASSES)->again = i % 5 == 0 ? 3 : 0;
		sz_pool_submit(pool, &items[i].work);
	}
	run_for(MANY);
	for (unsigned i = 0; i < MANY; i++) {
		int times = i % 5 == 0 ? 4 : 1;

		if (items[i].runs != times || items[i].backs != times)
			EXPECT_EQ(items[i].runs, times);
	}
	sz_pool_look(pool, &s);
	for (unsigned c = 0; c < SZ_WORK_CLASSES; c++) {
		submitted += s.class[c].submitted;
		EXPECT_EQ(s.class[c].in_flight, 0);
		EXPECT_EQ(s.class[c].waiting, 0);
		EXPECT_EQ(sz_hist_count(s.class[c].wait), s.class[c].submitted);
		EXPECT_EQ(sz_hist_count(s.class[c].run), s.class[c].submitted);
	}
	EXPECT_EQ(submitted, MANY + MANY / 5 * 3);
	EXPECT_EQ(s.batched, submitted);
	EXPECT_EQ(s.workers, 4);
	end();
	EXPECT_EQ(n_dropped, 0);
}

TEST(sleeping_workers_are_woken_for_each_piece)
{
	begin(3, 0);
	for (unsigned i = 0; i < 300; i++) {
		submit(0, i % SZ_WORK_CLASSES);
		run_for(1);
	}
	end();
	EXPECT_EQ(n_back, 300);
}

TEST(higher_class_runs_first)
{
	begin(1, 0);
	hold_worker(0, SZ_WORK_NORMAL);
	for (unsigned i = 1; i <= 4; i++)
		submit(i, SZ_WORK_LATER);
	for (unsigned i = 5; i <= 8; i++)
		submit(i, SZ_WORK_NORMAL);
	for (unsigned i = 9; i <= 12; i++)
		submit(i, SZ_WORK_URGENT);
	sem_post(&gate);
	run_for(13);
	for (unsigned i = 0; i < 4; i++) {
		EXPECT_EQ(ran[1 + i], 9 + i);
		EXPECT_EQ(ran[5 + i], 5 + i);
		EXPECT_EQ(ran[9 + i], 1 + i);
	}
	end();
}

TEST(lower_class_is_passed_over_a_bounded_number_of_times)
{
	unsigned at[2] = {0, 0}, normal = 0, later = 0;

	begin(1, 0);
	hold_worker(0, SZ_WORK_URGENT);
	for (unsigned i = 1; i <= 200; i++)
		submit(i, SZ_WORK_URGENT);
	for (unsigned i = 201; i <= 205; i++)
		submit(i, SZ_WORK_NORMAL);
	for (unsigned i = 206; i <= 210; i++)
		submit(i, SZ_WORK_LATER);
	sem_post(&gate);
	run_for(211);
	for (unsigned i = 0; i < 211; i++) {
		bool is_later = ran[i] > 205, is_normal = !is_later && ran[i] > 200;

		if (is_normal) {
			EXPECT_TRUE(i - at[0] <= SZ_POOL_PASSES + 2);
			EXPECT_EQ(ran[i], 201 + normal++);
			at[0] = i;
		} else if (is_later) {
			EXPECT_TRUE(i - at[1] <= SZ_POOL_PASSES + 2);
			EXPECT_EQ(ran[i], 206 + later++);
			at[1] = i;
		}
	}
	EXPECT_EQ(normal, 5);
	EXPECT_EQ(later, 5);
	EXPECT_TRUE(at[0] > 64 && at[1] > 64); /* and not before its turn */
	end();
}

TEST(idle_worker_steals_from_a_busy_one)
{
	struct sz_pool_stats s;

	begin(2, 0);
	hold_worker(0, SZ_WORK_NORMAL);
	for (unsigned i = 1; i <= 100; i++)
		submit(i, SZ_WORK_NORMAL);
	run_for(100); /* all of them while one worker still stands at the gate */
	EXPECT_EQ(items[0].backs, 0);
	sz_pool_look(pool, &s);
	EXPECT_EQ(s.class[SZ_WORK_NORMAL].in_flight, 1);
	sem_post(&gate);
	run_for(1);
	end();
}

TEST(work_placed_with_a_busy_worker_is_counted_as_stolen)
{
	struct sz_pool_stats s;

	begin(2, 0);
	hold_worker(0, SZ_WORK_NORMAL);
	items[1] = (struct item){};
	sem_t second, started;
	sem_init(&second, 0, 0);
	sem_init(&started, 0, 0);
	item(1, SZ_WORK_NORMAL)->wait = &second;
	items[1].started = &started;
	sz_pool_submit(pool, &items[1].work);
	while (sem_wait(&started))
		;
	/* Both are held: these go to each in turn, and one of the two runs them all. */
	for (unsigned i = 2; i < 22; i++)
		submit(i, SZ_WORK_NORMAL);
	sz_pool_look(pool, &s);
	EXPECT_EQ(s.class[SZ_WORK_NORMAL].waiting, 20);
	sem_post(&second);
	run_for(21);
	sz_pool_look(pool, &s);
	EXPECT_TRUE(s.steals >= 10);
	sem_post(&gate);
	run_for(1);
	end();
}

TEST(more_work_than_the_queues_hold_keeps_its_order)
{
	struct sz_pool_stats s;

	begin(1, 0);
	hold_worker(0, SZ_WORK_NORMAL);
	for (unsigned i = 1; i < MANY; i++)
		submit(i, SZ_WORK_NORMAL);
	sz_pool_look(pool, &s);
	EXPECT_EQ(s.class[SZ_WORK_NORMAL].waiting, MANY - 1);
	EXPECT_EQ(s.class[SZ_WORK_NORMAL].in_flight, MANY);
	sem_post(&gate);
	run_for(MANY);
	for (unsigned i = 0; i < MANY; i++)
		if (ran[i] != i)
			ASSERT_EQ(ran[i], i);
	end();
}

TEST(batches_grow_while_they_stay_below_the_target)
{
	struct sz_pool_stats s;

	begin(1, 1000000000000ull); /* below it whatever happens */
	hold_worker(0, SZ_WORK_NORMAL);
	for (unsigned i = 1; i < 55; i++)
		submit(i, SZ_WORK_NORMAL);
	sem_post(&gate);
	run_for(55);
	sz_pool_look(pool, &s);
	EXPECT_EQ(s.batches, 10); /* 1 + 2 + ... + 10 */
	EXPECT_EQ(s.batched, 55);
	EXPECT_EQ(s.limit, 11);
	/* Nothing is kept back where there is nothing to wait for. */
	submit(0, SZ_WORK_NORMAL);
	run_for(1);
	sz_pool_look(pool, &s);
	EXPECT_EQ(s.batches, 11);
	EXPECT_EQ(s.limit, 11);
	end();
}

TEST(batches_stop_growing)
{
	struct sz_pool_stats s;

	begin(1, 1000000000000ull);
	hold_worker(0, SZ_WORK_NORMAL);
	for (unsigned i = 1; i < MANY; i++)
		submit(i, SZ_WORK_NORMAL);
	sem_post(&gate);
	run_for(MANY);
	sz_pool_look(pool, &s);
	EXPECT_EQ(s.limit, SZ_POOL_BATCH_MAX);
	end();
}

/* Takes longer than a batch that begins with it may wait. */
static void run_for_long(struct sz_work *w)
{
	u64 waited = w->began_ns - w->queued_ns;

	while (sz_boot_ns() - w->began_ns <= waited / SZ_POOL_SHARE + 1)
		;
	item_run(w);
}

TEST(result_that_has_waited_for_the_target_is_handed_back)
{
	struct sz_pool_stats s;

	begin(1, 1); /* above it whatever happens */
	hold_worker(0, SZ_WORK_NORMAL);
	for (unsigned i = 1; i < 20; i++) {
		item(i, SZ_WORK_NORMAL)->work.run = run_for_long;
		sz_pool_submit(pool, &items[i].work);
	}
	sem_post(&gate);
	run_for(20);
	sz_pool_look(pool, &s);
	EXPECT_EQ(s.batches, 20);
	EXPECT_EQ(s.limit, 1);
	end();
}

TEST(results_of_what_has_waited_for_long_are_gathered_for_longer)
{
	struct sz_pool_stats s;
	u64 until = sz_boot_ns() + 200000000;

	begin(1, 1); /* alone it would hand back each */
	hold_worker(0, SZ_WORK_NORMAL);
	for (unsigned i = 1; i < 100; i++)
		submit(i, SZ_WORK_NORMAL);
	while (sz_boot_ns() < until)
		;
	sem_post(&gate);
	run_for(100);
	sz_pool_look(pool, &s);
	EXPECT_TRUE(s.batches < 100);
	EXPECT_TRUE(s.limit > 1);
	end();
}

TEST(what_was_not_handed_back_is_dropped_at_the_end)
{
	begin(2, 0);
	hold_worker(0, SZ_WORK_LATER);
	for (unsigned i = 1; i < MANY; i++)
		submit(i, i % SZ_WORK_CLASSES);
	sem_post(&gate);
	end();
	EXPECT_EQ(n_dropped, MANY);
	EXPECT_EQ(n_back, 0);
}

TEST(number_of_workers_is_checked)
{
	struct sz_error e = {""};

	alarm(60);
	ASSERT_EQ(sz_net_new(64, &loop, &e), 0);
	EXPECT_EQ(sz_pool_new(loop, &(struct sz_pool_options){.workers = 0}, &pool, &e), -EINVAL);
	EXPECT_EQ(sz_pool_new(loop, &(struct sz_pool_options){.workers = SZ_WORKERS_MAX + 1},
			      &pool, &e),
		  -EINVAL);
	EXPECT_CONTAINS(e.msg, "1 to 64");
	sz_net_free(loop);
	sz_pool_free(NULL);
	alarm(0);
}

TEST(classes_have_names)
{
	EXPECT_STREQ(sz_work_class_name(SZ_WORK_URGENT), "urgent");
	EXPECT_STREQ(sz_work_class_name(SZ_WORK_NORMAL), "normal");
	EXPECT_STREQ(sz_work_class_name(SZ_WORK_LATER), "later");
	EXPECT_STREQ(sz_work_class_name(SZ_WORK_CLASSES), "?");
}
