/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Exactness of limits: two threads on two CPUs send far more than one bucket of the kernel's
 * program admits, for seconds, also while its rate changes. Nothing here depends on how fast or
 * even the machine is: what was admitted is compared with how far the bucket's word has moved, and
 * the time in which nobody asked is measured.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include "scene.h"

#include "subzero/bucket.h"

#define SECOND  1000000000ull
#define PHASES  4
#define MARKS   (2 * PHASES + 1) /* 2p: phase p. 2p + 1: its rate gives way to the next */
#define PATIENT (60 * SECOND)

struct rate {
	u64 per_second, burst; /* requests */
};

/* A thread that sends, and what it saw under each mark. Times are of CLOCK_BOOTTIME. */
struct sender {
	pthread_t thread;
	int cpu;
	u8 host;
	u16 port;
	u32 seq;
	u64 admitted[MARKS], refused[MARKS];
	u64 idle_ns[MARKS]; /* in which the bucket may have been full as far as this one knows */
};

static struct {
	struct sender sender[2];
	int (*attempt)(struct sender *s); /* XDP action that decides; -1: it did not get so far */
	int refusal;                      /* that action, where the limit refuses */
	atomic_uint mark, stop;
	_Atomic u64 cost, burst; /* of the mark; ns */
	struct sz_limit *limit;  /* mapped */
	u64 *tat;                /* the one bucket, mapped */
} rig;

/* What one phase came to. */
struct span {
	u64 begin, end; /* of the phase */
	u64 from, to;   /* the bucket's word, no earlier than `begin` */
	u64 cost, burst;
};

static int run_frame(int prog, struct pkt_spec s)
{
	static _Thread_local u8 frame[PKT_MAX], out[4096];
	LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = frame, .data_out = out,
		    .data_size_out = sizeof(out), .repeat = 1);

	o.data_size_in = pkt_build(frame, &s);
	return bpf_prog_test_run_opts(prog, &o) ? -1 : (int)o.retval;
}

static int attempt_syn(struct sender *s)
{
	return run_frame(machine.ingress, (struct pkt_spec){.flags = PKT_SYN, .seq = ++s->seq,
							    .host = 8, .sport = s->port});
}

/* One request on a connection of its own: a refused one closes it. */
static int attempt_request(struct sender *s)
{
	u32 base = s->seq += 100000;
	int r;

	s->port = (u16)(20000 + (s->port + 1) % 40000);
	run_frame(machine.ingress, (struct pkt_spec){.flags = PKT_SYN, .seq = base - 1,
						     .host = s->host, .sport = s->port});
	run_frame(machine.egress, (struct pkt_spec){.flags = PKT_SYN | PKT_ACK, .seq = SCENE_ISS,
						    .ack = base, .host = s->host,
						    .sport = s->port, .reply = true});
	r = run_frame(machine.ingress,
		      (struct pkt_spec){.flags = PKT_ACK | PKT_PSH, .seq = base,
					.ack = SCENE_ISS + 1, .data = GET_A, .len = LEN(GET_A),
					.host = s->host, .sport = s->port});
	return r == XDP_DROP ? -1 : r; /* the flow was pushed out of its map, or the like */
}

static void add_idle(struct sender *s, u32 from, u32 a, u32 b, u64 ns)
{
	s->idle_ns[from] += ns;
	if (a != from)
		s->idle_ns[a] += ns;
	if (b != a)
		s->idle_ns[b] += ns;
}

/*
 * Sends until it is told to stop. After an attempt that was refused the bucket is not full for a
 * burst's time less one request, after one that was admitted not for one request's: what goes by
 * beyond that until the next attempt may have been lost. (A loss of SZ_BUCKET_TRIES
 * compare-and-swaps in a row is a refusal, too; it means that as many were admitted within this
 * attempt, and the burst that the lower bound leaves covers it.)
 */
static void *sender_loop(void *arg)
{
	struct sender *s = arg;
	u64 before, after, last = machine_now(), hold = 0;
	u32 a, b, from = atomic_load(&rig.mark);
	bool stop;
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(s->cpu, &set);
	pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
	do {
		u64 cost = atomic_load(&rig.cost), burst = atomic_load(&rig.burst);
		int act;

		stop = atomic_load(&rig.stop);
		a = atomic_load(&rig.mark);
		before = machine_now();
		act = rig.attempt(s);
		after = machine_now();
		b = atomic_load(&rig.mark);
		if (act != XDP_PASS && act != rig.refusal)
			continue;
		add_idle(s, from, a, b, after - last > hold ? after - last - hold : 0);
		s->admitted[a == b ? a : a | 1] += act == XDP_PASS;
		s->refused[a == b ? a : a | 1] += act != XDP_PASS;
		hold = a != b || a & 1 ? 0 : act == XDP_PASS ? cost : burst - cost;
		last = before;
		from = b;
	} while (!stop);
	return NULL;
}

static void *map_memory(const char *name)
{
	struct bpf_map *map = bpf_object__find_map_by_name(machine.obj, name);
	size_t size = (size_t)((bpf_map__value_size(map) + 7) & ~7u) * bpf_map__max_entries(map);
	void *p = mmap(NULL, (size + 4095) & ~4095ull, PROT_READ | PROT_WRITE, MAP_SHARED,
		       bpf_map__fd(map), 0);

	ASSERT_TRUE(p != MAP_FAILED);
	return p;
}

static u64 *find_bucket(u32 id)
{
	struct sz_bucket_set *sets = map_memory("sz_buckets");

	for (u32 i = 0; i < SZ_BUCKET_TABLES * scene.cfg.bucket_sets; i++)
		for (u32 w = 0; w < SZ_BUCKET_WAYS; w++)
			if (sets[i].tag[w] && sets[i].key[w].limit == id)
				return &sets[i].tat[w];
	return NULL;
}

static u64 word(void)
{
	return __atomic_load_n(rig.tat, __ATOMIC_SEQ_CST);
}

/* Threads on the CPUs of this machine, on the same one twice where there is no other. */
static void senders_start(void)
{
	cpu_set_t set;
	int n = 0;

	ASSERT_EQ(sched_getaffinity(0, sizeof(set), &set), 0);
	atomic_store(&rig.stop, 0);
	memset(rig.sender, 0, sizeof(rig.sender));
	for (int cpu = 0; cpu < CPU_SETSIZE && n < 2; cpu++)
		if (CPU_ISSET(cpu, &set))
			rig.sender[n++].cpu = cpu;
	if (n == 1)
		rig.sender[1].cpu = rig.sender[0].cpu;
	for (n = 0; n < 2; n++) {
		rig.sender[n].host = (u8)(20 + n);
		rig.sender[n].port = (u16)(20000 + n);
		ASSERT_EQ(pthread_create(&rig.sender[n].thread, NULL, sender_loop, &rig.sender[n]),
			  0);
	}
}

/* The rate as `subzeroctl limits set` writes it, under load. */
static void phase_begin(u32 p, const struct rate *r, struct span *sp)
{
	sp->cost = SECOND / r->per_second;
	sp->burst = sp->cost * r->burst;
	sz_limit_store_rate(rig.limit, sp->cost, sp->burst);
	atomic_store(&rig.cost, sp->cost);
	atomic_store(&rig.burst, sp->burst);
	sp->begin = machine_now();
	sp->from = word();
	if (sp->from < sp->begin)
		sp->from = sp->begin;
	atomic_store(&rig.mark, 2 * p);
}

/* At least `ns` long, and until the bucket is empty: the load is more than the limit. */
static void phase_run(u32 p, struct span *sp, u64 ns)
{
	u64 now, tat;

	do {
		struct timespec t = {.tv_nsec = 1000000};

		nanosleep(&t, NULL);
		tat = word();
		now = machine_now();
	} while (now < sp->begin + PATIENT &&
		 (now < sp->begin + ns || tat + 2 * sp->cost < now + sp->burst));
	EXPECT_TRUE(now < sp->begin + PATIENT);
	atomic_store(&rig.mark, 2 * p + 1);
	sp->to = word();
	sp->end = machine_now();
}

static void load(const struct rate *rates, struct span *sp, u32 n, u64 ns)
{
	rig.limit->flags = 0;
	atomic_store(&rig.mark, MARKS - 1);
	for (u32 p = 0; p < n; p++) {
		phase_begin(p, &rates[p], &sp[p]);
		if (!p)
			senders_start();
		phase_run(p, &sp[p], ns);
	}
	atomic_store(&rig.stop, 1);
	for (int i = 0; i < 2; i++)
		pthread_join(rig.sender[i].thread, NULL);
}

/* The phase's bounds; `most` is the largest cost of a request in any phase. */
static void expect_exact(u32 p, const struct span *sp, const struct rate *r, u64 most)
{
	const struct sender *s = rig.sender;
	u64 n = s[0].admitted[2 * p] + s[1].admitted[2 * p], moved = sp->to - sp->from;
	u64 idle = s[0].idle_ns[2 * p] < s[1].idle_ns[2 * p] ? s[0].idle_ns[2 * p]
							     : s[1].idle_ns[2 * p];
	u64 t = sp->end - sp->begin, limit = sp->end + sp->burst;
	double due = (double)r->per_second * (double)t / SECOND;

	printf("# phase %u: %llu of %.0f + %llu admitted, %llu refused, %llu us idle at most\n", p,
	       n, due, r->burst, s[0].refused[2 * p] + s[1].refused[2 * p], idle / 1000);
	/* No request is paid twice or not at all; one in flight on each CPU as a phase begins and
	 * ends belongs to neither. */
	EXPECT_TRUE(n * sp->cost <= moved);
	EXPECT_TRUE(n * sp->cost + idle + 4 * most >= moved);
	/* Nothing is lent beyond the burst. What was used before the change stays used. */
	EXPECT_TRUE(sp->to <= (limit > sp->from ? limit : sp->from));
	/* What is promised: 1 % or a burst. */
	EXPECT_TRUE((double)n <= 1.01 * due + (double)r->burst);
	EXPECT_TRUE((double)n + (double)r->burst + (double)(idle + 4 * most) / (double)sp->cost +
			    (double)(sp->from - sp->begin) / (double)sp->cost >=
		    0.99 * due);
	EXPECT_TRUE(s[0].refused[2 * p] + s[1].refused[2 * p] > 0);
}

/* Sets the rig for a limit; its bucket is there before two CPUs ask for it. */
static void rig_begin(u32 stage, u32 by, u32 reason)
{
	u32 slot;

	scene_begin();
	slot = scene_limit(stage, by, reason, SECOND / 1000, SECOND);
	rig.limit = (struct sz_limit *)map_memory("sz_limits") + slot;
	rig.attempt = stage == SZ_LIMIT_SYN ? attempt_syn : attempt_request;
	rig.refusal = stage == SZ_LIMIT_SYN ? XDP_DROP : XDP_TX;
	rig.sender[0].host = 30;
	rig.sender[0].port = 19000;
	EXPECT_EQ(rig.attempt(&rig.sender[0]), XDP_PASS);
	rig.tat = by ? find_bucket(rig.limit->id) : &rig.limit->tat;
	ASSERT_TRUE(rig.tat != NULL && word());
}

static void one_rate(u32 stage, u32 by, u32 reason, struct rate r)
{
	struct span sp;

	rig_begin(stage, by, reason);
	load(&r, &sp, 1, 3 * SECOND);
	expect_exact(0, &sp, &r, sp.cost);
	EXPECT_EQ(scene_limit_count((u32)(rig.limit->id - 1000), SCENE_SPARE), 0);
	/* The program's own figure: each admission is in it once. */
	EXPECT_EQ(scene_limit_count((u32)(rig.limit->id - 1000), SCENE_ADMITTED),
		  1 + rig.sender[0].admitted[0] + rig.sender[1].admitted[0] +
			  rig.sender[0].admitted[1] + rig.sender[1].admitted[1]);
	EXPECT_EQ(scene_count(reason), rig.sender[0].refused[0] + rig.sender[1].refused[0] +
					       rig.sender[0].refused[1] + rig.sender[1].refused[1]);
}

TEST(bucket_of_a_source_is_exact_on_two_cpus)
{
	one_rate(SZ_LIMIT_SYN, SZ_BY_SOURCE, SZ_R_SYN_LIMIT, (struct rate){5000, 500});
}

TEST(bucket_of_a_principal_is_exact_on_two_cpus)
{
	one_rate(SZ_LIMIT_ADMIT, SZ_BY_PRINCIPAL, SZ_R_LIMIT_PRINCIPAL, (struct rate){1000, 100});
}

TEST(bucket_of_a_service_is_exact_on_two_cpus)
{
	one_rate(SZ_LIMIT_ADMIT, 0, SZ_R_LIMIT_SERVICE, (struct rate){1000, 20});
}

TEST(limit_that_changes_under_load_hands_out_nothing_and_holds_at_once)
{
	/* Lower, higher with less burst, and lower with more: bursts of 100, 100, 20, 300 ms. */
	static const struct rate rates[PHASES] = {{2000, 200}, {500, 50}, {5000, 100}, {1000, 300}};
	u64 all = 0, first, paid = 0;
	struct span sp[PHASES];

	rig_begin(SZ_LIMIT_SYN, SZ_BY_SOURCE, SZ_R_SYN_LIMIT);
	load(rates, sp, PHASES, SECOND / 2);
	first = sp[0].from;
	for (u32 p = 0; p < PHASES; p++) {
		u64 n = rig.sender[0].admitted[2 * p] + rig.sender[1].admitted[2 * p];
		u64 had = sp[p].from - sp[p].begin, t = sp[p].end - sp[p].begin;

		expect_exact(p, &sp[p], &rates[p], SECOND / 500);
		/* What the bucket lacked at the change it lacks still: no burst for nothing. */
		EXPECT_TRUE(n * sp[p].cost <=
			    (t + sp[p].burst > had ? t + sp[p].burst - had : 0));
		paid += n * sp[p].cost;
		/* And what came in between was paid at one of the two rates. */
		all += rig.sender[0].admitted[2 * p + 1] + rig.sender[1].admitted[2 * p + 1];
	}
	EXPECT_TRUE(paid + all * (SECOND / 5000) <= word() - first);
	EXPECT_TRUE(word() <= machine_now() + SECOND / 10 * 3);
}
