/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * audit verify and tail: reads the log's files; needs neither maps nor daemon. tail shows and does
 * not verify.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "audit/audit.h"
#include "ctl/ctl.h"

#define AUDIT_DIR "/var/lib/subzero/audit"
#define FOLLOW_NS 200000000
#define LINES_MAX 1000000

const char *sz_ctl_audit_dir(struct sz_ctl *c)
{
	if (c->args.n_words)
		return c->args.word[0];
	return sz_ctl_conf(c) ? c->conf->audit.dir : AUDIT_DIR;
}

/* ---- verify --------------------------------------------------------------------------------- */

static void show_progress(u64 records, u64 bytes, u64 total, void *arg)
{
	(void)arg;
	fprintf(stderr, "\r%llu records, %llu%% ", (unsigned long long)records,
		(unsigned long long)(total ? bytes * 100 / total : 100));
	fflush(stderr);
}

static int verify_json(const struct sz_audit_report *r, const char *dir, bool good,
		       const struct sz_error *e)
{
	char hash[2 * SZ_AUDIT_HASH_LEN + 1], root[2 * SZ_AUDIT_HASH_LEN + 1];
	json_t *types = json_object(), *v;
	struct sz_buf key = {0};
	int t;

	for (t = 1; t < SZ_AUDIT_TYPE_COUNT; t++)
		json_object_set_new(types, sz_audit_type_name((enum sz_audit_type)t),
				    json_integer((json_int_t)r->by_type[t]));
	sz_hex_encode(r->last, sizeof(r->last), hash);
	v = json_pack("{s:b, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:s, s:o}", "ok", good, "dir",
		      dir, "records", (json_int_t)r->records, "segments", (json_int_t)r->segments,
		      "first_seq", (json_int_t)r->first_seq, "last_seq", (json_int_t)r->last_seq,
		      "torn_bytes", (json_int_t)r->torn_bytes, "admitted", (json_int_t)r->admitted,
		      "denied", (json_int_t)r->denied, "last_hash", hash, "types", types);
	sz_hex_encode(r->root, sizeof(r->root), root);
	if (r->checkpoints && r->key.name[0])
		sz_audit_vkey_format(&r->key, &key);
	json_object_update_new(v, json_pack("{s:I, s:I}", "removed_records", (json_int_t)r->removed,
					    "removed_segments", (json_int_t)r->removed_segments));
	json_object_update_new(v, json_pack("{s:s, s:I, s:I, s:I, s:s?, s:b}", "root", root,
					    "checkpoints", (json_int_t)r->checkpoints, "signed_seq",
					    (json_int_t)r->signed_seq, "keys", (json_int_t)r->keys,
					    "key", key.data, "trusted", r->trusted));
	sz_buf_done(&key);
	json_object_set_new(v, "error", good ? json_null() : sz_ctl_text(e->msg, strlen(e->msg)));
	return sz_ctl_print_json(v);
}

static void verify_signed(const struct sz_audit_report *r)
{
	struct sz_buf key = {0};

	if (!r->checkpoints) {
		printf("not signed: no checkpoint yet\n");
		return;
	}
	sz_audit_vkey_format(&r->key, &key);
	printf("signed: records 1 to %llu, by %llu checkpoint%s and %llu key%s, last %s\n",
	       (unsigned long long)r->signed_seq, (unsigned long long)r->checkpoints,
	       r->checkpoints == 1 ? "" : "s", (unsigned long long)r->keys,
	       r->keys == 1 ? "" : "s", key.data);
	if (r->last_seq > r->signed_seq)
		printf("not signed yet: records %llu to %llu\n",
		       (unsigned long long)r->signed_seq + 1, (unsigned long long)r->last_seq);
	sz_buf_done(&key);
}

static void verify_text(const struct sz_audit_report *r, const char *dir)
{
	char hash[2 * SZ_AUDIT_HASH_LEN + 1];
	int t;

	printf("%s: %llu records in %llu segments, %llu to %llu\n", dir,
	       (unsigned long long)r->records, (unsigned long long)r->segments,
	       (unsigned long long)r->first_seq, (unsigned long long)r->last_seq);
	for (t = 1; t < SZ_AUDIT_TYPE_COUNT; t++)
		if (r->by_type[t])
			printf("  %-12s %llu\n", sz_audit_type_name((enum sz_audit_type)t),
			       (unsigned long long)r->by_type[t]);
	printf("admitted in the kernel: %llu, denied: %llu\n", (unsigned long long)r->admitted,
	       (unsigned long long)r->denied);
	if (r->removed)
		printf("removed by retention: records 1 to %llu, in %llu segments\n",
		       (unsigned long long)r->removed, (unsigned long long)r->removed_segments);
	if (r->torn_bytes)
		printf("an unfinished last line of %llu bytes: a crash in the middle of a write, "
		       "nothing acknowledged is lost\n",
		       (unsigned long long)r->torn_bytes);
	verify_signed(r);
	sz_hex_encode(r->last, sizeof(r->last), hash);
	printf("last hash: %s\n", hash);
}

int sz_ctl_cmd_audit_verify(struct sz_ctl *c)
{
	bool progress = isatty(STDERR_FILENO) && !c->json;
	struct sz_audit_report report = {0};
	const char *dir = sz_ctl_audit_dir(c);
	struct sz_audit_checkpoint outside;
	struct sz_audit_trust trust = {0};
	struct sz_audit_vkey key;
	struct sz_buf note = {0};
	struct sz_error e = {""};
	int err = 0;

	if (sz_ctl_value(&c->args, "key")) {
		trust.key = &key;
		err = sz_ctl_audit_key(sz_ctl_value(&c->args, "key"), &key, &e);
	}
	if (!err && sz_ctl_value(&c->args, "checkpoint")) {
		trust.checkpoint = &outside;
		err = sz_ctl_audit_checkpoint(sz_ctl_value(&c->args, "checkpoint"), &note, &outside,
					      &e);
	}
	if (err) {
		sz_buf_done(&note);
		return sz_ctl_fail("%s", e.msg);
	}
	err = sz_audit_verify(dir, &trust, &report, progress ? show_progress : NULL, NULL, &e);
	sz_buf_done(&note);
	if (progress)
		fprintf(stderr, "\r\033[K");
	if (err && err != -EBADMSG)
		return sz_ctl_fail("%s", e.msg);
	if (c->json) {
		verify_json(&report, dir, !err, &e);
		return err ? SZ_CTL_FAILED : SZ_CTL_OK;
	}
	if (report.records)
		verify_text(&report, dir);
	if (err)
		return sz_ctl_fail("THE LOG IS BROKEN: %s", e.msg);
	printf("the chain is whole%s\n", report.checkpoints ? ", and every checkpoint fits" : "");
	if (report.checkpoints && !trust.key)
		sz_ctl_note(
			"its keys are the log's own word; --key compares with one that was kept "
			"elsewhere");
	return SZ_CTL_OK;
}

/* ---- tail ----------------------------------------------------------------------------------- */

static void add_member(struct sz_buf *b, const json_t *v, const char *key, const char *before)
{
	const json_t *m = json_object_get(v, key);

	if (json_is_integer(m))
		sz_buf_printf(b, "%s%lld", before, (long long)json_integer_value(m));
	else if (json_is_real(m))
		sz_buf_printf(b, "%s%.1f", before, json_real_value(m));
	else if (json_is_string(m)) {
		sz_buf_printf(b, "%s", before);
		sz_ctl_clean(b, json_string_value(m), json_string_length(m));
	}
}

/* One record as a line for people: when, what, why, who, where from. */
void sz_ctl_audit_print(struct sz_ctl *c, const char *line, size_t n)
{
	json_t *v = c->json ? NULL : json_loadb(line, n, JSON_ALLOW_NUL, NULL);
	const char *time = json_string_value(json_object_get(v, "time"));
	const char *type = json_string_value(json_object_get(v, "type"));
	struct sz_buf b = {0};

	if (!time || !type || strlen(time) < 23) {
		fwrite(line, 1, n, stdout); /* --json, or no record at all: as it stands */
		putchar('\n');
		json_decref(v);
		return;
	}
	sz_buf_printf(&b, "%.10s %.12s  %-8s", time, time + 11, type);
	add_member(&b, v, "verdict", " ");
	add_member(&b, v, "reason", " ");
	add_member(&b, v, "status", " ");
	add_member(&b, v, "service", "  ");
	add_member(&b, v, "method", " ");
	add_member(&b, v, "path", " ");
	if (!json_object_get(v, "path"))
		add_member(&b, v, "route", " ");
	add_member(&b, v, "principal", "  ");
	add_member(&b, v, "src", "  from ");
	add_member(&b, v, "count", "  count ");
	add_member(&b, v, "latency_us", "  ");
	if (json_object_get(v, "latency_us"))
		sz_buf_printf(&b, " us");
	add_member(&b, v, "explanation", "  explanation ");
	add_member(&b, v, "detail", "  ");
	printf("%s\n", b.data);
	sz_buf_done(&b);
	json_decref(v);
}

static u64 line_seq(const char *line)
{
	unsigned long long seq = 0;

	return sscanf(line, "{\"seq\":%llu", &seq) == 1 ? seq : 0;
}

/* Prints the whole lines of b that come after *seq; returns the bytes they take. */
static size_t print_lines(struct sz_ctl *c, const struct sz_buf *b, u64 *seq)
{
	size_t used = 0;
	const char *end;

	while (used < b->len && (end = memchr(b->data + used, '\n', b->len - used)) != NULL) {
		const char *line = b->data + used;
		u64 n = line_seq(line);

		if (!n || n > *seq)
			sz_ctl_audit_print(c, line, (size_t)(end - line));
		*seq = n > *seq ? n : *seq;
		used = (size_t)(end - b->data) + 1;
	}
	fflush(stdout);
	return used;
}

/* New lines of one segment from *off on; a torn last line waits until it is whole. */
static int follow_segment(struct sz_ctl *c, const char *dir, u32 segment, u64 *off, u64 *seq)
{
	struct sz_buf b = {0};
	char path[4096];
	ssize_t n;
	int fd;

	sz_audit_segment_path(dir, segment, path, sizeof(path));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	do {
		sz_buf_reserve(&b, 65536);
		n = pread(fd, b.data + b.len, 65536, (off_t)(*off + b.len));
		if (n > 0)
			b.len += (size_t)n;
	} while (n > 0);
	if (b.len)
		*off += print_lines(c, &b, seq);
	close(fd);
	sz_buf_done(&b);
	return 0;
}

static int follow(struct sz_ctl *c, const char *dir, const struct sz_audit_state *from, u64 seq)
{
	const struct timespec pause = {.tv_nsec = FOLLOW_NS};
	u32 segment = from->segment ? from->segment : 1;
	u64 off = from->segment ? from->size : 0;
	char path[4096];
	int err = 0;

	while (!err && !ferror(stdout)) {
		bool next;

		/* The next segment is looked for first: once it exists, this one is finished. */
		sz_audit_segment_path(dir, segment + 1, path, sizeof(path));
		next = !access(path, F_OK);
		err = follow_segment(c, dir, segment, &off, &seq);
		if (next) {
			segment++;
			off = 0;
		} else {
			nanosleep(&pause, NULL);
		}
	}
	return err ? sz_ctl_fail("cannot follow %s: %s", dir, strerror(-err)) : SZ_CTL_OK;
}

int sz_ctl_cmd_audit_tail(struct sz_ctl *c)
{
	const char *dir = sz_ctl_audit_dir(c), *lines = sz_ctl_value(&c->args, "lines");
	bool keep_on = sz_ctl_has(&c->args, "follow");
	struct sz_audit_state state = {0};
	struct sz_buf b = {0};
	struct sz_error e;
	u64 n = 10, seq = 0;

	if (lines && sz_ctl_parse_u64(lines, LINES_MAX, &n))
		return sz_ctl_usage("-n '%s' is not a number of records up to %d", lines,
				    LINES_MAX);
	/* Where the log stands comes first, so that nothing falls between the two. */
	if (keep_on && sz_audit_scan(dir, &state, &e))
		return sz_ctl_fail("%s", e.msg);
	if (n && sz_audit_tail(dir, (unsigned)n, &b, &e)) {
		sz_buf_done(&b);
		return sz_ctl_fail("%s", e.msg);
	}
	seq = state.next_seq ? state.next_seq - 1 : 0;
	if (b.len) {
		u64 shown = 0;

		print_lines(c, &b, &shown);
		seq = shown > seq ? shown : seq;
	}
	sz_buf_done(&b);
	return keep_on ? follow(c, dir, &state, seq) : SZ_CTL_OK;
}
