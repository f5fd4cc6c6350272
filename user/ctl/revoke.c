/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * revoke (and grants revoke): one thing that the options name, or all that a file names. A file is
 * read whole before anything is revoked.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ctl/ctl.h"
#include "revoke/revoke.h"

#define LINE_MAX_ (SZ_TOKEN_MAX + 4096) /* bytes of a line of a file */
#define CHUNK     65536                 /* names that are revoked together */

/* ---- one thing ------------------------------------------------------------------------------ */

/* "now", seconds since 1970, or how long ago. */
static int read_before(const char *s, u64 *ret)
{
	u64 now = sz_wall_ns() / 1000000000, ago;

	if (!strcmp(s, "now")) {
		*ret = now + 1;
		return 0;
	}
	if (!sz_ctl_parse_u64(s, 253402300799ull, ret) && *ret > 1000000000)
		return 0;
	if (sz_ctl_parse_duration(s, &ago) || ago >= now)
		return sz_ctl_usage(
			"--before '%s' is no time; write now, 2h (ago), or seconds since "
			"1970",
			s);
	*ret = now - ago;
	return 0;
}

static int add_times(struct sz_ctl *c, json_t *o)
{
	const char *duration = sz_ctl_value(&c->args, "for");
	const char *before = sz_ctl_value(&c->args, "before");
	u64 seconds;

	if (before && read_before(before, &seconds))
		return SZ_CTL_USAGE;
	if (before)
		json_object_set_new(o, "before", json_integer((json_int_t)seconds));
	if (duration && (sz_ctl_parse_duration(duration, &seconds) || !seconds))
		return sz_ctl_usage("--for '%s' is not a duration; write 30m, 12h, 7d", duration);
	if (duration)
		json_object_set_new(
			o, "until",
			json_integer((json_int_t)(sz_wall_ns() / 1000000000 + seconds)));
	return 0;
}

/* The options are the members of a file's line. */
static int read_options(struct sz_ctl *c, struct sz_revoke_item *ret)
{
	static const char *const names[] = {"token",   "jti", "subject", "issuer",
					    "session", "key", "kid"};
	json_t *o = json_object();
	struct sz_buf token = {0};
	struct sz_error e;
	int err = 0, exit_with = 0;
	size_t i;

	*ret = (struct sz_revoke_item){0};
	for (i = 0; i < SZ_ARRAY_LEN(names) && !err; i++) {
		const char *v = sz_ctl_value(&c->args, names[i]);

		if (!v)
			continue;
		if (!i)
			err = sz_ctl_token(v, &token, &e);
		json_object_set_new(o, names[i],
				    !i ? sz_ctl_text(token.data ? token.data : "", token.len)
				       : sz_ctl_text(v, strlen(v)));
	}
	if (err)
		exit_with = sz_ctl_fail("%s", e.msg);
	if (!exit_with)
		exit_with = add_times(c, o);
	if (!exit_with && sz_revoke_item_json(o, ret, &e))
		exit_with = sz_ctl_usage("what is to be revoked? %s", e.msg);
	sz_buf_done(&token);
	json_decref(o);
	return exit_with;
}

static int say_one(struct sz_ctl *c, const struct sz_revoke_item *i,
		   const struct sz_revoke_result *r)
{
	u64 took = r->names_ns + r->grants_ns;
	char hex[2 * sizeof(struct sz_id) + 1], s[SZ_CTL_TEXT_MAX];
	struct sz_id id = sz_revoke_item_id(i);

	sz_hex_encode(id.b, sizeof(id.b), hex);
	if (c->json)
		return sz_ctl_print_json(json_pack(
			"{s:s, s:s, s:I, s:I, s:I, s:o, s:o}", "id", hex, "kind",
			sz_revoke_kind_name(i->kind), "grants_revoked", (json_int_t)r->grants,
			"in_force_us", (json_int_t)(r->names_ns / 1000), "took_us",
			(json_int_t)(took / 1000), "until",
			i->until_s ? json_integer((json_int_t)i->until_s) : json_null(), "before",
			i->before_s ? json_integer((json_int_t)i->before_s) : json_null()));
	printf("%s revoked %s%s: %llu grants marked in %llu.%03llu ms (id %s)\n",
	       sz_revoke_kind_name(i->kind), i->until_s ? "until " : "for ever",
	       i->until_s ? sz_ctl_time((s64)i->until_s, s) : "", (unsigned long long)r->grants,
	       (unsigned long long)(took / 1000000), (unsigned long long)(took / 1000 % 1000), hex);
	return SZ_CTL_OK;
}

/* ---- a file --------------------------------------------------------------------------------- */

struct list {
	struct sz_revoke_item *item;
	size_t n, room;
};

static void list_done(struct list *l)
{
	for (size_t i = 0; i < l->n; i++)
		sz_revoke_item_done(&l->item[i]);
	free(l->item);
}

static int read_line(struct list *l, const char *line, size_t n, struct sz_error *e)
{
	json_t *o = sz_json_parse(line, n, e);
	int err;

	if (!o)
		return -EINVAL;
	if (l->n == l->room) {
		l->room = l->room ? 2 * l->room : 1024;
		l->item = sz_realloc(l->item, l->room, sizeof(*l->item));
	}
	err = sz_revoke_item_json(o, &l->item[l->n], e);
	l->n += !err;
	json_decref(o);
	return err;
}

static int read_file(const char *path, struct list *l)
{
	bool named = strcmp(path, "-");
	FILE *file = named ? fopen(path, "re") : NULL, *f = file ? file : stdin;
	char *line = sz_calloc(1, LINE_MAX_);
	unsigned long number = 0;
	struct sz_error e = {""};
	int ret = 0;

	if (named && !file) {
		free(line);
		return sz_ctl_fail("cannot open %s: %s", path, strerror(errno));
	}
	while (!ret && fgets(line, LINE_MAX_, f)) {
		size_t n = strlen(line);

		number++;
		if (n == LINE_MAX_ - 1 && line[n - 1] != '\n')
			ret = sz_ctl_fail(
				"%s:%lu: a line of more than %d bytes; nothing was revoked", path,
				number, LINE_MAX_ - 1);
		else if (strspn(line, " \t\r\n") != n && read_line(l, line, n, &e))
			ret = sz_ctl_fail("%s:%lu: %s; nothing was revoked", path, number, e.msg);
		else if (l->n > SZ_MAX_REVOKED)
			ret = sz_ctl_fail("%s: more than %d lines; nothing was revoked", path,
					  SZ_MAX_REVOKED);
	}
	if (!ret && ferror(f))
		ret = sz_ctl_fail("cannot read %s", path);
	if (file)
		fclose(file);
	free(line);
	return ret;
}

static void progress(const struct sz_ctl *c, size_t done, size_t all)
{
	if (!c->json && isatty(STDERR_FILENO))
		fprintf(stderr, "\r%zu of %zu names revoked%s", done, all, done == all ? "\n" : "");
}

static int revoke_file(struct sz_ctl *c, const char *path)
{
	struct sz_revoke_result r, sum = {0};
	struct list l = {0};
	struct sz_error e;
	size_t at, n;
	int ret = read_file(path, &l);

	if (!ret && sz_ctl_open(c, &e))
		ret = sz_ctl_fail("%s", e.msg);
	for (at = 0; !ret && at < l.n; at += n) {
		n = l.n - at < CHUNK ? l.n - at : CHUNK;
		if (sz_revoke_apply(c->kern, l.item + at, n, &r, &e))
			ret = sz_ctl_fail("%zu of %zu names were revoked, then: %s",
					  at + (size_t)r.names, l.n, e.msg);
		sum.names += r.names;
		sum.grants += r.grants;
		sum.names_ns += r.names_ns + r.grants_ns;
		progress(c, at + n, l.n);
	}
	if (!ret && c->json)
		ret = sz_ctl_print_json(json_pack("{s:I, s:I, s:I}", "names", (json_int_t)sum.names,
						  "grants_revoked", (json_int_t)sum.grants,
						  "took_us", (json_int_t)(sum.names_ns / 1000)));
	else if (!ret)
		printf("%llu names revoked, %llu grants marked in %llu ms\n",
		       (unsigned long long)sum.names, (unsigned long long)sum.grants,
		       (unsigned long long)(sum.names_ns / 1000000));
	list_done(&l);
	return ret;
}

int sz_ctl_cmd_revoke(struct sz_ctl *c)
{
	const char *path = sz_ctl_value(&c->args, "file");
	struct sz_revoke_result r;
	struct sz_revoke_item i;
	struct sz_error e;
	int ret;

	if (path && (sz_ctl_has(&c->args, "token") || sz_ctl_has(&c->args, "jti") ||
		     sz_ctl_has(&c->args, "subject") || sz_ctl_has(&c->args, "issuer") ||
		     sz_ctl_has(&c->args, "session") || sz_ctl_has(&c->args, "key") ||
		     sz_ctl_has(&c->args, "kid") || sz_ctl_has(&c->args, "for") ||
		     sz_ctl_has(&c->args, "before")))
		return sz_ctl_usage(
			"--file says everything by itself; leave the other options out");
	if (path)
		return revoke_file(c, path);
	ret = read_options(c, &i);
	if (!ret && sz_ctl_open(c, &e))
		ret = sz_ctl_fail("%s", e.msg);
	if (!ret && sz_revoke_apply(c->kern, &i, 1, &r, &e))
		ret = sz_ctl_fail("%s", e.msg);
	if (!ret)
		ret = say_one(c, &i, &r);
	sz_revoke_item_done(&i);
	return ret;
}
