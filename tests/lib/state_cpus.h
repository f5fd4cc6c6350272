/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Two CPUs at once on one flow, ticket, grant or bucket, in the kernel: two threads run the
 * programs at the same moment, many times over. Included by tests/bpf/guard_state.c alone.
 */
#ifndef SZ_TESTS_STATE_CPUS_H
#define SZ_TESTS_STATE_CPUS_H

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#define ROUNDS 2000

/* What one thread runs in each round. */
struct runner {
	pthread_t thread;
	int cpu, prog;
	u8 frame[2048], out[4096];
	u32 len;
	u32 act; /* of the last round */
};

static struct runner runners[2];
static atomic_uint round_go, round_done;

/* A spinning wait that lets others run where there are fewer CPUs than threads. */
static void wait_for(atomic_uint *n, u32 value)
{
	for (u32 i = 0; atomic_load(n) != value; i++)
		if (i > 20000)
			sched_yield();
}

static void *runner_loop(void *arg)
{
	struct runner *r = arg;
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(r->cpu, &set);
	pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
	for (u32 i = 1; i <= ROUNDS; i++) {
		LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = r->frame, .data_out = r->out,
			    .data_size_out = sizeof(r->out), .repeat = 1);

		wait_for(&round_go, i);
		o.data_size_in = r->len;
		r->act = bpf_prog_test_run_opts(r->prog, &o) ? ~0u : o.retval;
		atomic_fetch_add(&round_done, 1);
	}
	return NULL;
}

/* The CPUs of this machine, the same one twice where there is no other. */
static void runners_start(void)
{
	cpu_set_t set;
	int n = 0;

	ASSERT_EQ(sched_getaffinity(0, sizeof(set), &set), 0);
	atomic_store(&round_go, 0);
	for (int cpu = 0; cpu < CPU_SETSIZE && n < 2; cpu++)
		if (CPU_ISSET(cpu, &set))
			runners[n++].cpu = cpu;
	if (n == 1)
		runners[1].cpu = runners[0].cpu;
	for (n = 0; n < 2; n++) {
		runners[n].prog = machine.ingress;
		ASSERT_EQ(pthread_create(&runners[n].thread, NULL, runner_loop, &runners[n]), 0);
	}
}

static void runner_frame(int n, struct pkt_spec s)
{
	static u8 buf[PKT_MAX];

	runners[n].len = pkt_build(buf, &s);
	memcpy(runners[n].frame, buf, runners[n].len);
}

static void round_run(u32 i)
{
	atomic_store(&round_done, 0);
	atomic_store(&round_go, i);
	wait_for(&round_done, 2);
}

static void runners_stop(void)
{
	for (int n = 0; n < 2; n++)
		pthread_join(runners[n].thread, NULL);
}

static u32 passed(void)
{
	return (runners[0].act == XDP_PASS) + (runners[1].act == XDP_PASS);
}

#define SEG(at, text)                                                                              \
	(struct pkt_spec)                                                                          \
	{                                                                                          \
		.flags = PKT_ACK | PKT_PSH, .seq = scene_base + (u32)(at), .ack = scene_ack,       \
		.data = (text), .len = (u32)strlen(text)                                           \
	}

/* The flow is whole: nobody is inside, and it says what a single CPU would have made of it. */
static bool flow_is(u32 requests, u32 next)
{
	struct sz_flow f;

	return scene_flow(&f) && !(f.ver & 1) && f.requests == requests &&
	       f.next == scene_base + next && f.base == scene_base;
}

/* One connection after the other on the same addresses, as with ports that are used again. */
static void round_connect(u32 i)
{
	scene_connect_at(SCENE_BASE + 100000 * i);
}

TEST(one_request_on_two_cpus_is_admitted_and_counted_once)
{
	u32 both = 0, whole = 0;

	scene_begin();
	runners_start();
	for (u32 i = 1; i <= ROUNDS; i++) {
		round_connect(i);
		for (int n = 0; n < 2; n++)
			runner_frame(n, SEG(0, GET_A));
		round_run(i);
		both += passed() == 2;
		whole += flow_is(1, LEN(GET_A));
	}
	runners_stop();
	EXPECT_EQ(scene_count(SZ_R_HIT), ROUNDS);
	EXPECT_EQ(scene_hits(SCENE_PRINCIPAL, SCENE_ROUTE_A), ROUNDS);
	EXPECT_EQ(whole, ROUNDS);
	/* On its way from the half-open to the other map the flow is found all the time. */
	EXPECT_EQ(scene_count(SZ_R_UNKNOWN_FLOW), 0);
	/* The other copy repeats what was admitted, or was dropped for TCP to send again. */
	EXPECT_EQ(both, ROUNDS - scene_count(SZ_R_RACE));
}

TEST(two_requests_for_one_place_on_two_cpus_do_not_both_pass)
{
	static const char other[] = "GET /a/b HTTP/1.1\r\n" HOST_ AUTH_ "\r\n";
	static const char same_len[] = "GET /A HTTP/1.1\r\n" HOST_ AUTH_ "\r\n";
	u32 one = 0, whole = 0;

	scene_begin();
	scene_node("/A", true, SCENE_ROUTE_A, SCENE_GET_POST, 0);
	runners_start();
	for (u32 i = 1; i <= ROUNDS; i++) {
		round_connect(i);
		runner_frame(0, SEG(0, GET_A));
		runner_frame(1, SEG(0, i & 1 ? other : same_len));
		round_run(i);
		one += passed() == 1;
		whole += flow_is(1, LEN(GET_A)) || flow_is(1, sizeof(other) - 1);
	}
	runners_stop();
	EXPECT_EQ(one, ROUNDS);
	EXPECT_EQ(whole, ROUNDS);
	EXPECT_EQ(scene_count(SZ_R_HIT), ROUNDS);
}

TEST(one_time_ticket_on_two_cpus_is_used_once)
{
	static const char head[] = "GET /%61 HTTP/1.1\r\n" HOST_ AUTH_ "\r\n";
	struct sz_ticket t;
	struct sz_miss m;
	u32 gone = 0, whole = 0;

	scene_begin();
	runners_start();
	for (u32 i = 1; i <= ROUNDS; i++) {
		struct sz_ticket_key k = {.flow = scene_flow_key()};

		round_connect(i);
		EXPECT_EQ(DATA(0, head), SCENE_DROP);
		while (scene_miss(&m))
			;
		scene_ticket(0, head, sizeof(head) - 1, SZ_TK_REQUEST, 0);
		for (int n = 0; n < 2; n++)
			runner_frame(n, SEG(0, head));
		round_run(i);
		k.seq = scene_base;
		gone += machine_get("sz_tickets", &k, &t) != 0;
		whole += flow_is(1, sizeof(head) - 1);
	}
	runners_stop();
	EXPECT_EQ(scene_count(SZ_R_TICKET), ROUNDS);
	EXPECT_EQ(scene_hits(SCENE_PRINCIPAL, SCENE_ROUTE_A), ROUNDS);
	EXPECT_EQ(gone, ROUNDS);
	EXPECT_EQ(whole, ROUNDS);
}

/* The same bytes twice on one connection need two verdicts, also when they come at once. */
TEST(ticket_for_one_place_admits_no_second_copy_behind_it)
{
	static const char head[] = "GET /%61 HTTP/1.1\r\n" HOST_ AUTH_ "\r\n";
	u32 len = sizeof(head) - 1, behind = 0;
	struct sz_miss m;

	scene_begin();
	runners_start();
	for (u32 i = 1; i <= ROUNDS; i++) {
		round_connect(i);
		EXPECT_EQ(DATA(0, head), SCENE_DROP);
		scene_ticket(0, head, len, SZ_TK_REQUEST, 0);
		runner_frame(0, SEG(0, head));
		runner_frame(1, SEG(len, head));
		round_run(i);
		behind += runners[1].act != XDP_PASS;
		while (scene_miss(&m))
			;
	}
	runners_stop();
	EXPECT_EQ(behind, ROUNDS);
	EXPECT_EQ(scene_count(SZ_R_TICKET), ROUNDS);
}

TEST(limit_of_a_principal_holds_for_two_connections_on_two_cpus)
{
	u32 more = 0;

	scene_begin();
	scene_limit(SZ_LIMIT_ADMIT, SZ_BY_PRINCIPAL, SZ_R_LIMIT_PRINCIPAL, 3600 * SECOND, 0);
	runners_start();
	for (u32 i = 1; i <= ROUNDS; i++) {
		struct pkt_spec s[2];

		for (int n = 0; n < 2; n++) {
			struct client c = client(2 * i + (u32)n);

			handshake(c);
			s[n] = SEG(0, GET_A);
			s[n].seq = SCENE_BASE;
			s[n].ack = SCENE_ISS + 1;
			s[n].sport = c.port;
			s[n].host = c.host;
			runner_frame(n, s[n]);
		}
		scene_buckets_clear(); /* a full bucket: one request */
		round_run(i);
		more += passed() != 1;
	}
	runners_stop();
	EXPECT_EQ(more, 0);
	EXPECT_EQ(scene_count(SZ_R_HIT), ROUNDS);
}

TEST(acknowledgement_and_request_on_two_cpus_leave_the_flow_whole)
{
	static const char two[] = GET_A GET_A;
	u32 whole = 0, acked = 0, at = LEN(GET_A);

	scene_begin();
	runners_start();
	for (u32 i = 1; i <= ROUNDS; i++) {
		struct sz_flow f = {};

		round_connect(i);
		ASSERT_EQ(DATA(0, GET_A), SCENE_PASS);
		runner_frame(0, SEG(at, two));
		runners[1].prog = machine.egress;
		runner_frame(1, (struct pkt_spec){.reply = true, .flags = PKT_ACK,
						  .seq = scene_ack, .ack = scene_base + at});
		round_run(i);
		whole += flow_is(3, 3 * at);
		acked += scene_flow(&f) && (u32)f.server == scene_base + at;
	}
	runners_stop();
	EXPECT_EQ(whole, ROUNDS);
	EXPECT_EQ(acked, ROUNDS);
	EXPECT_EQ(scene_count(SZ_R_HIT), 3 * ROUNDS);
	EXPECT_EQ(scene_count(SZ_R_DESYNC), 0);
}

TEST(new_source_on_two_cpus_is_one_source)
{
	struct sz_addr a = scene_addr(false, 7);
	struct sz_source src = {};
	u32 wrong = 0;

	scene_begin();
	runners_start();
	for (u32 i = 1; i <= ROUNDS; i++) {
		machine_del("sz_sources", &a);
		for (int n = 0; n < 2; n++)
			runner_frame(n, (struct pkt_spec){.flags = PKT_SYN, .seq = i});
		round_run(i);
		wrong += machine_get("sz_sources", &a, &src) || src.syns != 2;
	}
	runners_stop();
	EXPECT_EQ(wrong, 0);
	EXPECT_EQ(scene_count(SZ_R_CONTROL), 2 * ROUNDS);
}

/* ---- the clock of the programs -------------------------------------------------------------- */

/*
 * CLOCK_BOOTTIME goes on in suspend; CLOCK_MONOTONIC does not, and would stretch every expiry. TCP
 * timestamps are of the latter: a SYN cookie answered in the server's place (cookie.h) has to tell
 * the server's own clock. That one reading is cut to milliseconds at once, so that no decision, all
 * of which are in nanoseconds, is made by it.
 */
static bool tells_tcp_time(const struct bpf_insn *call)
{
	return call[1].code == (BPF_ALU64 | BPF_DIV | BPF_K) && call[1].dst_reg == BPF_REG_0 &&
	       call[1].imm == 1000000;
}

TEST(programs_read_the_clock_that_goes_on_in_suspend)
{
	static const char *const names[] = {"sz_ingress", "sz_egress"};

	scene_begin();
	for (u32 p = 0; p < 2; p++) {
		struct bpf_program *prog = bpf_object__find_program_by_name(machine.obj, names[p]);
		const struct bpf_insn *insn = bpf_program__insns(prog);
		u32 boot = 0, tcp = 0, other = 0;

		for (size_t i = 0; i + 1 < bpf_program__insn_cnt(prog); i++) {
			if (insn[i].code != (BPF_JMP | BPF_CALL) || insn[i].src_reg)
				continue;
			boot += insn[i].imm == BPF_FUNC_ktime_get_boot_ns;
			if (insn[i].imm == BPF_FUNC_ktime_get_ns && tells_tcp_time(&insn[i]))
				tcp++;
			else
				other += insn[i].imm == BPF_FUNC_ktime_get_ns ||
					 insn[i].imm == BPF_FUNC_ktime_get_coarse_ns;
		}
		EXPECT_TRUE(boot > 0);
		EXPECT_EQ(tcp, p == 0); /* only where SYNs are answered */
		EXPECT_EQ(other, 0);
	}
}

TEST(times_in_the_maps_are_of_the_clock_the_daemon_reads)
{
	u64 before, after;
	struct sz_flow f;

	scene_begin();
	before = machine_now();
	scene_connect();
	after = machine_now();
	ASSERT_TRUE(scene_half(&f));
	EXPECT_TRUE(f.birth_ns >= before && f.birth_ns <= after);
}

#endif
