/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * rebac read, write, delete, watch, import, export: the tuples that the daemon keeps. For people
 * and scripts; what goes in and out is what rebac check reads from files.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctl/ctl.h"

#define NS          1000000000ull
#define BATCH       5000   /* tuples of one import */
#define BATCH_BYTES 700000 /* of their text: a request has room for a megabyte */
#define PAGE        5000

/* ---- read and export ------------------------------------------------------------------------ */

static void show_key(const json_t *key, const char *before, const char *after)
{
	const json_t *condition = json_object_get(key, "condition");
	char *context;

	printf("%s%s %s %s", before, json_string_value(json_object_get(key, "user")),
	       json_string_value(json_object_get(key, "relation")),
	       json_string_value(json_object_get(key, "object")));
	if (condition) {
		context = json_dumps(json_object_get(condition, "context"), JSON_COMPACT);
		printf(" with %s %s", json_string_value(json_object_get(condition, "name")),
		       context ? context : "{}");
		free(context);
	}
	printf("%s\n", after);
}

static json_t *filter(struct sz_ctl *c)
{
	static const char *const names[] = {"user", "relation", "object"};
	json_t *key = json_object();
	const char *v;
	size_t i;

	for (i = 0; i < SZ_ARRAY_LEN(names); i++) {
		v = sz_ctl_value(&c->args, names[i]);
		if (v)
			json_object_set_new(key, names[i], json_string(v));
	}
	return key;
}

/* Every tuple that fits, page by page; fn returns 0 to go on. */
static int each_tuple(struct sz_ctl *c, int (*fn)(const json_t *tuple, void *arg), void *arg)
{
	json_t *token = NULL, *body, *v, *t;
	struct sz_error e;
	size_t i;
	int ret = SZ_CTL_OK;

	do {
		body = json_pack("{s:o, s:i}", "tuple_key", filter(c), "page_size", PAGE);
		if (token)
			json_object_set_new(body, "continuation_token", token);
		v = sz_ctl_store_api(c, "POST", "read", NULL, body, &e);
		if (!v)
			return sz_ctl_fail("%s", e.msg);
		json_array_foreach(json_object_get(v, "tuples"), i, t)
			if (!ret)
				ret = fn(t, arg);
		token = json_object_get(v, "continuation_token");
		token = json_string_length(token) ? json_incref(token) : NULL;
		json_decref(v);
	} while (token && !ret);
	json_decref(token);
	return ret;
}

static int show_tuple(const json_t *tuple, void *arg)
{
	(void)arg;
	show_key(json_object_get(tuple, "key"), "", "");
	return 0;
}

static int keep_tuple(const json_t *tuple, void *arg)
{
	json_array_append(arg, (json_t *)tuple);
	return 0;
}

int sz_ctl_cmd_rebac_read(struct sz_ctl *c)
{
	json_t *all;
	int ret;

	if (!c->json)
		return each_tuple(c, show_tuple, NULL);
	all = json_array();
	ret = each_tuple(c, keep_tuple, all);
	if (!ret)
		return sz_ctl_print_json(json_pack("{s:o}", "tuples", all));
	json_decref(all);
	return ret;
}

struct progress {
	const char *verb;
	bool shown;
	u64 n, began_ns, next_ns;
	u64 done, whole; /* bytes; whole 0: unknown */
	FILE *out;
};

static void tell(struct progress *p, bool end)
{
	u64 now = sz_boot_ns();
	double s = (double)(now - p->began_ns) / (double)NS;

	if (!p->shown || (!end && now < p->next_ns))
		return;
	p->next_ns = now + NS / 2;
	fprintf(stderr, "\r%s %llu tuples, %.0f/s", p->verb, p->n,
		s > 0 ? (double)p->n / s : 0);
	if (p->whole)
		fprintf(stderr, ", %.0f%%", 100.0 * (double)p->done / (double)p->whole);
	fprintf(stderr, "%s", end ? "   \n" : "   ");
	fflush(stderr);
}

static void begin(struct sz_ctl *c, struct progress *p)
{
	p->began_ns = sz_boot_ns();
	p->shown = !sz_ctl_has(&c->args, "quiet");
}

static int export_tuple(const json_t *tuple, void *arg)
{
	struct progress *p = arg;
	char *text = json_dumps(json_object_get(tuple, "key"), JSON_COMPACT);

	if (!text || fprintf(p->out, "%s\n", text) < 0) {
		free(text);
		return sz_ctl_fail("cannot write: %s", strerror(errno));
	}
	free(text);
	p->n++;
	tell(p, false);
	return 0;
}

int sz_ctl_cmd_rebac_export(struct sz_ctl *c)
{
	const char *path = c->args.n_words ? c->args.word[0] : "-";
	struct progress p = {.verb = "exported", .out = stdout};
	int ret;

	if (strcmp(path, "-")) {
		p.out = fopen(path, "we");
		if (!p.out)
			return sz_ctl_fail("cannot write %s: %s", path, strerror(errno));
	}
	begin(c, &p);
	ret = each_tuple(c, export_tuple, &p);
	if (p.out != stdout && fclose(p.out) && !ret)
		ret = sz_ctl_fail("cannot write %s: %s", path, strerror(errno));
	tell(&p, true);
	return ret;
}

/* ---- write and delete ----------------------------------------------------------------------- */

static int change(struct sz_ctl *c, bool remove)
{
	const char *const *word = c->args.word, *condition = sz_ctl_value(&c->args, "condition");
	const char *context = sz_ctl_value(&c->args, "context");
	json_t *key = json_pack("{s:s, s:s, s:s}", "user", word[0], "relation", word[1], "object",
				word[2]), *v, *side;
	struct sz_error e;

	if (!key)
		return sz_ctl_usage("the tuple is not UTF-8");
	if (condition && !remove) {
		v = context ? json_loads(context, JSON_REJECT_DUPLICATES, NULL) : json_object();
		if (!json_is_object(v)) {
			json_decref(v);
			json_decref(key);
			return sz_ctl_usage("--context takes a JSON object");
		}
		json_object_set_new(key, "condition", json_pack("{s:s, s:o}", "name", condition,
								"context", v));
	}
	side = json_pack("{s:[o]}", "tuple_keys", key);
	if (sz_ctl_has(&c->args, "ignore"))
		json_object_set_new(side, remove ? "on_missing" : "on_duplicate",
				    json_string("ignore"));
	v = sz_ctl_store_api(c, "POST", "write", NULL,
			     json_pack("{s:o}", remove ? "deletes" : "writes", side), &e);
	if (!v)
		return sz_ctl_fail("%s", e.msg);
	if (c->json)
		return sz_ctl_print_json(v);
	json_decref(v);
	return SZ_CTL_OK;
}

int sz_ctl_cmd_rebac_write(struct sz_ctl *c)
{
	return change(c, false);
}

int sz_ctl_cmd_rebac_delete(struct sz_ctl *c)
{
	return change(c, true);
}

/* ---- import --------------------------------------------------------------------------------- */

static int send_batch(struct sz_ctl *c, json_t **batch, struct progress *p)
{
	size_t n = json_array_size(*batch);
	struct sz_error e;
	json_t *v;

	if (!n)
		return SZ_CTL_OK;
	v = sz_ctl_store_api(c, "POST", "import", NULL, json_pack("{s:o}", "tuple_keys", *batch),
			     &e);
	*batch = json_array();
	if (!v)
		return sz_ctl_fail("after %llu tuples: %s", p->n, e.msg);
	json_decref(v);
	p->n += n;
	tell(p, false);
	return SZ_CTL_OK;
}

static int import_lines(struct sz_ctl *c, FILE *in, const char *path, struct progress *p)
{
	json_t *batch = json_array(), *v, *key;
	size_t room = 0, bytes = 0, line = 0;
	char *text = NULL;
	ssize_t n;
	int ret = SZ_CTL_OK;

	while (!ret && (n = getline(&text, &room, in)) > 0) {
		line++;
		p->done += (size_t)n;
		if (strspn(text, " \t\r\n") == (size_t)n)
			continue;
		v = json_loadb(text, (size_t)n, JSON_REJECT_DUPLICATES, NULL);
		key = json_object_get(v, "key"); /* {"key": {...}, "timestamp": ...} */
		if (!json_is_object(v)) {
			ret = sz_ctl_fail("%s:%zu: this line is no JSON object; %llu tuples are "
					  "imported", path, line, p->n);
			json_decref(v);
			break;
		}
		json_array_append(batch, key ? key : v);
		json_decref(v);
		bytes += (size_t)n;
		if (json_array_size(batch) == BATCH || bytes > BATCH_BYTES) {
			ret = send_batch(c, &batch, p);
			bytes = 0;
		}
	}
	if (!ret)
		ret = send_batch(c, &batch, p);
	json_decref(batch);
	free(text);
	return ret;
}

/* A list as a whole: JSON or YAML. */
static int import_list(struct sz_ctl *c, const char *path, struct progress *p)
{
	struct sz_error e;
	json_t *list = sz_ctl_rebac_read(path, &e), *v = list, *batch, *t;
	int ret = SZ_CTL_OK;
	size_t i;

	if (json_is_object(v))
		v = json_object_get(v, json_object_get(v, "tuple_keys") ? "tuple_keys" : "tuples");
	if (!json_is_array(v)) {
		ret = list ? sz_ctl_fail("%s holds no list of tuples", path)
			   : sz_ctl_fail("%s", e.msg);
		json_decref(list);
		return ret;
	}
	batch = json_array();
	json_array_foreach(v, i, t)
	{
		if (json_array_size(batch) == BATCH / 10 && !ret)
			ret = send_batch(c, &batch, p);
		if (ret)
			break;
		json_array_append(batch, json_object_get(t, "key") ? json_object_get(t, "key") : t);
	}
	if (!ret)
		ret = send_batch(c, &batch, p);
	json_decref(batch);
	json_decref(list);
	return ret;
}

static bool ends(const char *path, const char *with)
{
	size_t n = strlen(path), m = strlen(with);

	return n >= m && !strcmp(path + n - m, with);
}

/* 0 where it cannot be known, as of a pipe. */
static u64 size_of(FILE *f)
{
	struct stat st;

	return !fstat(fileno(f), &st) && S_ISREG(st.st_mode) ? (u64)st.st_size : 0;
}

int sz_ctl_cmd_rebac_import(struct sz_ctl *c)
{
	const char *path = c->args.word[0];
	struct progress p = {.verb = "imported"};
	FILE *file = NULL;
	int ret;

	begin(c, &p);
	if (ends(path, ".json") || ends(path, ".yaml") || ends(path, ".yml")) {
		ret = import_list(c, path, &p);
	} else {
		if (strcmp(path, "-")) {
			file = fopen(path, "re");
			if (!file)
				return sz_ctl_fail("cannot read %s: %s", path, strerror(errno));
			p.whole = size_of(file);
		}
		ret = import_lines(c, file ? file : stdin, path, &p);
		if (file)
			fclose(file);
	}
	tell(&p, true);
	if (!ret && c->json)
		return sz_ctl_print_json(json_pack("{s:I}", "imported", (json_int_t)p.n));
	return ret;
}

/* ---- watch ---------------------------------------------------------------------------------- */

static void show_change(struct sz_ctl *c, const json_t *v)
{
	const char *what = json_string_value(json_object_get(v, "operation"));
	char after[80], *text;

	if (c->json) {
		text = json_dumps(v, JSON_COMPACT | JSON_ENSURE_ASCII);
		printf("%s\n", text ? text : "{}");
		free(text);
		return;
	}
	snprintf(after, sizeof(after), "  (%s)",
		 json_string_value(json_object_get(v, "timestamp")));
	show_key(json_object_get(v, "tuple_key"), what && strstr(what, "DELETE") ? "- " : "+ ",
		 after);
}

int sz_ctl_cmd_rebac_watch(struct sz_ctl *c)
{
	const char *type = sz_ctl_value(&c->args, "type"), *from = sz_ctl_value(&c->args, "from");
	bool follow = !sz_ctl_has(&c->args, "once"), first = true;
	char query[512], token[128] = "";
	struct sz_error e;
	json_t *v, *list, *change;
	size_t i, n;

	if (from)
		snprintf(token, sizeof(token), "%s", from);
	for (;;) {
		snprintf(query, sizeof(query), "page_size=100&type=%.254s%s%s", type ? type : "",
			 *token ? "&continuation_token=" : "", token);
		v = sz_ctl_store_api(c, "GET", "changes", query, NULL, &e);
		if (!v)
			return sz_ctl_fail("%s", e.msg);
		list = json_object_get(v, "changes");
		n = json_array_size(list);
		json_array_foreach(list, i, change) show_change(c, change);
		snprintf(token, sizeof(token), "%s",
			 json_string_value(json_object_get(v, "continuation_token")));
		json_decref(v);
		fflush(stdout);
		if (ferror(stdout))
			return SZ_CTL_FAILED;
		if (!n && first && follow && !c->json)
			sz_ctl_note("waiting for changes; from here on: --from %s", token);
		first &= n > 0;
		if (n)
			continue;
		if (!follow) {
			sz_ctl_note("go on with --from %s", token);
			return SZ_CTL_OK;
		}
		usleep(300000);
	}
}
