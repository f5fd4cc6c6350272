/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the running kernel's verifier spends on the two programs. It gives up after a million
 * instructions, and every kernel counts differently: an optimisation of the compiler or of the
 * verifier must not be what lets the programs load. scripts/check-kernels makes its table from the
 * lines that begin with "# verifier".
 *
 * The stack of a chain of calls is bounded, too, and kernel 6.1 counts it more strictly than those
 * that come after: each frame rounded up to 32 bytes. That sum is made here on any kernel.
 */
#include "harness.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <time.h>
#include <unistd.h>

#define OBJECT      "build/subzero.bpf.o"
#define LOG_STATS   4      /* the kernel's BPF_LOG_STATS: the totals alone */
#define MAX_INSNS   700000 /* of the kernel's 1,000,000 */
#define MAX_SECONDS 30     /* a third of what systemd gives a service to start */
#define EMULATION   20     /* how much longer an emulated processor may take */
#define MAX_CHAIN   480    /* bytes of the 512 that a chain of calls may need */
#define MAX_CALLS   8      /* and frames in it */
#define LOOP_EXTRA  24     /* what the kernel adds to a frame for a loop it has put in line */
#define FUNCTIONS   256

struct stats {
	unsigned long insns, states, peak, frame, chain, micros;
};

/* A function of a loaded program, as the kernel numbers them. */
struct function {
	__u32 from, to; /* its instructions */
	unsigned frame;
	bool loops;
	bool calls[FUNCTIONS];
};

static const char *const names[2] = {"sz_ingress", "sz_egress"};
static char log_of[2][65536];
static struct function functions[2][FUNCTIONS];
static unsigned n_functions[2];
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

/* The one that instruction `at` belongs to. */
static unsigned function_at(const struct function *f, unsigned n, __u32 at)
{
	unsigned i;

	for (i = 0; i < n && at >= f[i].to; i++)
		;
	return i;
}

/* Fills f with the functions of a loaded program and who calls whom; returns their number. */
static unsigned read_calls(struct bpf_object *o, const char *name, struct function *f)
{
	int fd = bpf_program__fd(bpf_object__find_program_by_name(o, name));
	struct bpf_prog_info info = {};
	__u32 len = sizeof(info), i, n, bytes;
	struct bpf_func_info *at;
	struct bpf_insn *insn;

	if (!EXPECT_EQ(bpf_obj_get_info_by_fd(fd, &info, &len), 0))
		return 0;
	n = info.nr_func_info;
	bytes = info.xlated_prog_len;
	at = calloc(n, sizeof(*at));
	insn = calloc(1, bytes);
	ASSERT_TRUE(at && insn && n && n <= FUNCTIONS);
	info = (struct bpf_prog_info){.nr_func_info = n,
				      .func_info_rec_size = sizeof(*at),
				      .func_info = (__u64)(uintptr_t)at,
				      .xlated_prog_len = bytes,
				      .xlated_prog_insns = (__u64)(uintptr_t)insn};
	ASSERT_EQ(bpf_obj_get_info_by_fd(fd, &info, &len), 0);
	for (i = 0; i < n; i++) {
		f[i].from = at[i].insn_off;
		f[i].to = i + 1 < n ? at[i + 1].insn_off : bytes / (__u32)sizeof(*insn);
	}
	for (i = 0; i < bytes / sizeof(*insn); i++) {
		bool callback = insn[i].code == (BPF_LD | BPF_IMM | BPF_DW) &&
				insn[i].src_reg == BPF_PSEUDO_FUNC;
		struct function *from = &f[function_at(f, n, i)];
		__s32 ahead = insn[i].off; /* of a compiled program; imm is what it was made of */

		if (callback) {
			ahead = insn[i].imm;
			from->loops = true;
		} else if (insn[i].code != (BPF_JMP | BPF_CALL) ||
			   insn[i].src_reg != BPF_PSEUDO_CALL) {
			continue;
		}
		from->calls[function_at(f, n, i + 1 + (__u32)ahead)] = true;
	}
	free(at);
	free(insn);
	return n;
}

/* Once for all tests. */
static void load(void)
{
	struct bpf_object *o;
	double begun;
	int err, i;

	if (geteuid())
		SKIP("needs root");
	if (seconds > 0)
		return;
	o = bpf_object__open_file(OBJECT, NULL);
	ASSERT_TRUE(o != NULL);
	for (i = 0; i < 2; i++)
		ASSERT_TRUE(set_log(o, names[i], log_of[i], sizeof(log_of[i])));
	begun = now();
	err = bpf_object__load(o);
	seconds = now() - begun;
	for (i = 0; !err && i < 2; i++)
		n_functions[i] = read_calls(o, names[i], functions[i]);
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

/* Frames of all functions from the kernel's log, in its order. False: this kernel prints others. */
static bool read_frames(const char *log, struct function *f, unsigned n)
{
	const char *at = strstr(log, "stack depth ");
	unsigned i;

	if (!at || strstr(log, "stack depth max "))
		return false;
	at += strlen("stack depth ");
	for (i = 0; i < n; i++) {
		char *end;

		f[i].frame = (unsigned)strtoul(at, &end, 10);
		if (f[i].loops)
			f[i].frame -= LOOP_EXTRA;
		if (!EXPECT_TRUE(end != at && *end == (i + 1 < n ? '+' : *end)))
			return false;
		at = end + 1;
	}
	return true;
}

/* Bytes of the deepest chain of calls from function i on, as kernel 6.1 counts them. */
static unsigned deepest(const struct function *f, unsigned n, unsigned i, unsigned calls)
{
	unsigned most = 0, mine = f[i].frame ? (f[i].frame + 31) / 32 * 32 : 32, j, below;

	ASSERT_TRUE(calls <= MAX_CALLS);
	for (j = 0; j < n; j++) {
		if (!f[i].calls[j])
			continue;
		below = deepest(f, n, j, calls + 1);
		most = below > most ? below : most;
	}
	return mine + most;
}

static void within_the_bound(int which)
{
	const char *name = names[which], *log;
	struct stats s;

	load();
	log = log_of[which];
	s = (struct stats){
		.insns = number(log, "processed "),
		.states = number(log, "total_states "),
		.peak = number(log, "peak_states "),
		.frame = largest_frame(log),
		.chain = strstr(log, "stack depth max ") ? number(log, "stack depth max ") : 0,
		.micros = number(log, "verification time "),
	};
	if (read_frames(log, functions[which], n_functions[which]))
		s.chain = deepest(functions[which], n_functions[which], 0, 1);
	printf("# verifier %s insns %lu states %lu peak %lu frame %lu chain %lu ms %lu\n", name,
	       s.insns, s.states, s.peak, s.frame, s.chain, s.micros / 1000);
	EXPECT_TRUE(s.insns > 0);
	EXPECT_TRUE(s.frame > 0);
	EXPECT_TRUE(s.insns <= MAX_INSNS);
	EXPECT_TRUE(s.chain <= MAX_CHAIN);
}

TEST(sz_ingress_leaves_the_verifier_room_to_spare)
{
	within_the_bound(0);
}

TEST(sz_egress_leaves_the_verifier_room_to_spare)
{
	within_the_bound(1);
}

TEST(both_programs_load_well_within_the_time_of_a_service_start)
{
	load();
	printf("# verifier loading took %.2f s of processor time\n", seconds);
	EXPECT_TRUE(seconds < MAX_SECONDS * (getenv("SZ_EMULATED") ? EMULATION : 1));
}
