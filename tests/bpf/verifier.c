/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the running kernel's verifier spends on the two programs. It gives up after a million
 * instructions, and every kernel counts differently: an optimisation of the compiler or of the
 * verifier must not be what lets the programs load. scripts/check-kernels makes its table from the
 * lines that begin with "# verifier".
 */
#include "harness.h"

#include <bpf/libbpf.h>
#include <time.h>
#include <unistd.h>

#define OBJECT      "build/subzero.bpf.o"
#define LOG_STATS   4      /* the kernel's BPF_LOG_STATS: the totals alone */
#define MAX_INSNS   700000 /* of the kernel's 1,000,000 */
#define MAX_SECONDS 30     /* a third of what systemd gives a service to start */
#define EMULATION   20     /* how much longer an emulated processor may take */

struct stats {
	unsigned long insns, states, peak, frame, chain, micros;
};

static char log_of[2][65536];
static double seconds;

/* Of this process alone: the verifier works in its system call. */
static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static bool set_log(struct bpf_object *o, const char *name, char *log, size_t len)
{
	struct bpf_program *p = bpf_object__find_program_by_name(o, name);

	return p && !bpf_program__set_log_level(p, LOG_STATS) &&
	       !bpf_program__set_log_buf(p, log, len);
}

/* Once for all tests. */
static void load(void)
{
	struct bpf_object *o;
	double begun;
	int err;

	if (geteuid())
		SKIP("needs root");
	if (seconds > 0)
		return;
	o = bpf_object__open_file(OBJECT, NULL);
	ASSERT_TRUE(o != NULL);
	ASSERT_TRUE(set_log(o, "sz_ingress", log_of[0], sizeof(log_of[0])));
	ASSERT_TRUE(set_log(o, "sz_egress", log_of[1], sizeof(log_of[1])));
	begun = now();
	err = bpf_object__load(o);
	seconds = now() - begun;
	bpf_object__close(o);
	ASSERT_EQ(err, 0);
}

static unsigned long number(const char *log, const char *what)
{
	const char *at = strstr(log, what);

	EXPECT_CONTAINS(log, what);
	return at ? strtoul(at + strlen(what), NULL, 10) : 0;
}

/*
 * Bytes of the largest frame of any function. The kernel prints "stack depth 112+8+0", or, from 7.x
 * on, "stack depth max 432" for the deepest chain of calls and " stack 112" for each function.
 */
static unsigned long largest_frame(const char *log)
{
	const char *between = strstr(log, "stack depth max ") ? " stack " : "+";
	const char *at = strstr(log, "stack depth "), *end = strstr(log, "processed ");
	unsigned long most, n;

	if (!EXPECT_TRUE(at && end))
		return 0;
	most = strtoul(at + strlen("stack depth "), NULL, 10);
	while ((at = strstr(at, between)) && at < end) {
		at += strlen(between);
		n = strtoul(at, NULL, 10);
		most = n > most ? n : most;
	}
	return most;
}

static void within_the_bound(const char *name, const char *log)
{
	struct stats s;

	load();
	s = (struct stats){
		.insns = number(log, "processed "),
		.states = number(log, "total_states "),
		.peak = number(log, "peak_states "),
		.frame = largest_frame(log),
		.chain = strstr(log, "stack depth max ") ? number(log, "stack depth max ") : 0,
		.micros = number(log, "verification time "),
	};
	printf("# verifier %s insns %lu states %lu peak %lu frame %lu chain %lu ms %lu\n", name,
	       s.insns, s.states, s.peak, s.frame, s.chain, s.micros / 1000);
	EXPECT_TRUE(s.insns > 0);
	EXPECT_TRUE(s.frame > 0);
	EXPECT_TRUE(s.insns <= MAX_INSNS);
}

TEST(sz_ingress_leaves_the_verifier_room_to_spare)
{
	within_the_bound("sz_ingress", log_of[0]);
}

TEST(sz_egress_leaves_the_verifier_room_to_spare)
{
	within_the_bound("sz_egress", log_of[1]);
}

TEST(both_programs_load_well_within_the_time_of_a_service_start)
{
	load();
	printf("# verifier loading took %.2f s of processor time\n", seconds);
	EXPECT_TRUE(seconds < MAX_SECONDS * (getenv("SZ_EMULATED") ? EMULATION : 1));
}
