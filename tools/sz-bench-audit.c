/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How many audit records a second: first the daemon's own work on a record (text, chain, tree) on
 * one core, then the whole way to the disk through the journal, with its group commit, fdatasync
 * and checkpoints. For people; prints one JSON object. It writes to a directory that it makes and
 * removes, and never to a log that is there.
 *
 *   sz-bench-audit [-d SECONDS] [-s DIR]     DIR: where to make the directory (default /var/tmp)
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "audit/audit_priv.h"
#include "gateway/gateway_priv.h"
#include "hash/hash.h"

#define TICK_NS 1000000
#define MARKS   65536 /* ticks in flight; a power of two */

struct mark {
	u64 seq, time_ns;
};

struct bench {
	struct sz_loop_ring *loop;
	struct sz_journal *journal;
	struct sz_conf conf;
	u64 end_ns, added, bytes, full_ticks, ticks;
	struct mark marks[MARKS];
	u64 first_mark, n_marks;
	struct sz_hist latency;
	bool ending;
};

/* Two kinds, as a gateway under fire writes them: refusals by the kernel, and decisions. */
static void fill(struct sz_audit_record *r, const struct sz_flow_key *flow, u64 i)
{
	*r = (struct sz_audit_record){
		.type = SZ_AUDIT_DENIAL, .wall_ns = 1795262400123456789ull + i * 1000,
		.has_verdict = true, .reason = SZ_R_NO_TOKEN, .service = "shop", .route = "orders",
		.method = "GET", .path = "/orders/7?page=2", .path_len = 16, .flow = flow };
	if (i % 4)
		return;
	r->type = SZ_AUDIT_DECISION;
	r->reason = SZ_R_BAD_TOKEN;
	r->kid = "2026-11";
	r->alg = "EdDSA";
	r->token.w[0] = i;
	r->latency_ns = 412300;
	r->detail = "the signature does not fit";
}

static struct sz_flow_key some_flow(void)
{
	struct sz_flow_key f = { .client_port = htons(40312), .server_port = htons(80) };

	f.client.b[10] = f.client.b[11] = f.server.b[10] = f.server.b[11] = 0xff;
	f.client.b[12] = 203;
	f.server.b[12] = 192;
	return f;
}

static double cpu_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- one core, no disk ---------------------------------------------------------------------- */

struct stages {
	double bytes, add, text, chain, leaf, push; /* bytes and ns for each record */
};

static void measure_stages(struct stages *s)
{
	enum { N = 400000 };
	static const u8 zeros[SZ_AUDIT_HASH_LEN];
	struct sz_flow_key flow = some_flow();
	struct sz_audit *a = sz_audit_new(1, zeros);
	struct sz_audit_clock clock = { .second = UINT64_MAX };
	struct sz_audit_tree tree = { 0 };
	struct sz_audit_record r;
	struct sz_buf b = { 0 };
	u8 hash[SZ_AUDIT_HASH_LEN] = { 0 };
	double t;

	t = cpu_s();
	for (u64 i = 0; i < N; i++) {
		fill(&r, &flow, i);
		sz_audit_add(a, &r);
		if (i % 4096 == 4095) {
			sz_buf_reset(&b);
			sz_audit_take(a, &b);
			s->bytes += (double)b.len / N;
		}
	}
	s->add = (cpu_s() - t) * 1e9 / N;
	t = cpu_s();
	for (u64 i = 0; i < N; i++) {
		fill(&r, &flow, i);
		sz_buf_reset(&b);
		sz_audit_format(&b, &clock, i + 1, &r, zeros, &tree);
	}
	s->text = (cpu_s() - t) * 1e9 / N;
	t = cpu_s();
	for (u64 i = 0; i < N; i++)
		sz_audit_hash(hash, b.data, (size_t)s->bytes - 76, hash);
	s->chain = (cpu_s() - t) * 1e9 / N;
	t = cpu_s();
	for (u64 i = 0; i < N; i++) {
		b.data[0] = (char)i;
		sz_audit_tree_leaf(b.data, (size_t)s->bytes - 1, hash);
	}
	s->leaf = (cpu_s() - t) * 1e9 / N;
	t = cpu_s();
	for (u64 i = 0; i < N; i++)
		sz_audit_tree_push(&tree, hash);
	s->push = (cpu_s() - t) * 1e9 / N;
	sz_buf_done(&b);
	sz_audit_free(a);
}

/* ---- all the way to the disk ---------------------------------------------------------------- */

static void stopped(int res, void *arg)
{
	struct bench *b = arg;

	if (res)
		fprintf(stderr, "sz-bench-audit: the log could not be written: %s\n",
			strerror(-res));
	sz_net_stop(b->loop);
}

static void settle(struct bench *b, u64 now)
{
	while (b->n_marks && b->marks[b->first_mark % MARKS].seq <= sz_journal_synced(b->journal)) {
		sz_hist_add(&b->latency, now - b->marks[b->first_mark % MARKS].time_ns);
		b->first_mark++;
		b->n_marks--;
	}
}

/* As much as there is room and time for until the next tick. */
static void on_tick(void *arg)
{
	struct bench *b = arg;
	struct sz_flow_key flow = some_flow();
	struct sz_audit_record r;
	u64 start = sz_boot_ns(), now = start;

	settle(b, now);
	sz_journal_tick(b->journal, &b->conf);
	b->ticks++;
	b->full_ticks += sz_journal_full(b->journal);
	while (now < start + TICK_NS && now < b->end_ns && !sz_journal_full(b->journal)) {
		for (int i = 0; i < 64; i++) {
			fill(&r, &flow, b->added++);
			sz_journal_add(b->journal, &r);
		}
		now = sz_boot_ns();
	}
	if (b->n_marks < MARKS)
		b->marks[(b->first_mark + b->n_marks++) % MARKS] =
			(struct mark){ sz_journal_seq(b->journal), start };
	if (now >= b->end_ns && !b->ending) {
		b->ending = true;
		sz_journal_when_synced(b->journal, stopped, b);
	}
}

static void remove_all(const char *dir)
{
	char path[4096];
	struct dirent *e;
	DIR *d = opendir(dir);

	while (d && (e = readdir(d))) {
		snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		if (!strcmp(e->d_name, "log"))
			remove_all(path);
		unlink(path);
	}
	if (d)
		closedir(d);
	rmdir(dir);
}

static u64 dir_bytes(struct bench *b)
{
	struct sz_audit_state s;
	struct sz_error e;

	if (sz_audit_scan(b->conf.audit.dir, &s, &e))
		return 0;
	return (s.segment - 1) * b->conf.audit.rotate_bytes + s.size;
}

static int measure_disk(struct bench *b, const char *where, double seconds, struct sz_error *e)
{
	char state[4096], dir[4200];
	int err;

	snprintf(state, sizeof(state), "%s/sz-bench-audit-XXXXXX", where);
	if (!mkdtemp(state))
		return sz_error_set(e, -errno, "cannot make %s: %s", state, strerror(errno));
	snprintf(dir, sizeof(dir), "%s/log", state);
	b->conf.state_dir = state;
	b->conf.audit.dir = dir;
	b->conf.audit.rotate_bytes = 256ull << 20;
	err = sz_net_new(64, &b->loop, e);
	if (!err)
		err = sz_journal_open(b->loop, &b->conf, &b->journal, e);
	if (!err)
		err = sz_net_every(b->loop, TICK_NS, on_tick, b);
	if (!err) {
		struct rusage before, after;
		u64 start = sz_boot_ns();
		double cpu = cpu_s(), wall;

		b->end_ns = start + (u64)(seconds * 1e9);
		getrusage(RUSAGE_SELF, &before);
		err = sz_net_run(b->loop);
		wall = (double)(sz_boot_ns() - start) / 1e9;
		getrusage(RUSAGE_SELF, &after);
		cpu = cpu_s() - cpu;
		b->bytes = dir_bytes(b);
		printf(" \"disk\": {\"seconds\": %.2f, \"records\": %llu, \"records_per_s\": %.0f, "
		       "\"mb_per_s\": %.1f,\n  \"loop_cpu_ns_per_record\": %.0f, "
		       "\"records_per_cpu_s\": %.0f, \"waiting_for_disk\": %.2f,\n"
		       "  \"commit_ms\": {\"p50\": %.1f, \"p99\": %.1f, \"max\": %.1f},\n"
		       "  \"all_threads_cpu_s\": %.2f}}\n",
		       wall, (unsigned long long)b->added, (double)b->added / wall,
		       (double)b->bytes / wall / 1e6, cpu * 1e9 / (double)b->added,
		       (double)b->added / cpu, (double)b->full_ticks / (double)b->ticks,
		       (double)sz_hist_percentile(&b->latency, 50) / 1e6,
		       (double)sz_hist_percentile(&b->latency, 99) / 1e6,
		       (double)sz_hist_max(&b->latency) / 1e6,
		       (double)(after.ru_utime.tv_sec - before.ru_utime.tv_sec +
				after.ru_stime.tv_sec - before.ru_stime.tv_sec) +
			       (double)(after.ru_utime.tv_usec - before.ru_utime.tv_usec +
					after.ru_stime.tv_usec - before.ru_stime.tv_usec) / 1e6);
	}
	sz_net_free(b->loop);
	sz_journal_free(b->journal);
	remove_all(state);
	return err;
}

int main(int argc, char **argv)
{
	static struct bench b;
	struct stages s = { 0 };
	struct sz_error e = { "" };
	const char *where = "/var/tmp";
	double seconds = 5;
	int o;

	while ((o = getopt(argc, argv, "d:s:")) != -1) {
		if (o == 'd') {
			seconds = atof(optarg);
		} else if (o == 's') {
			where = optarg;
		} else {
			fputs("usage: sz-bench-audit [-d SECONDS] [-s DIR]\n", stderr);
			return 2;
		}
	}
	sz_audit_hash_init();
	measure_stages(&s);
	printf("{\"record_bytes\": %.0f,\n \"core_ns\": {\"add\": %.0f, \"text\": %.0f, "
	       "\"chain\": %.0f, \"leaf\": %.0f, \"tree\": %.0f},\n \"core_records_per_s\": "
	       "%.0f,\n",
	       s.bytes, s.add, s.text, s.chain, s.leaf, s.push, 1e9 / s.add);
	if (measure_disk(&b, where, seconds, &e)) {
		fprintf(stderr, "sz-bench-audit: %s\n", e.msg);
		return 1;
	}
	return 0;
}
