/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * apikey add, list, show, revoke, rotate and import. The store is changed here, one command at a
 * time; the daemon reads it anew when it is told. A key is printed once and never again.
 */
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "apikey/apikey.h"
#include "ctl/ctl.h"
#include "revoke/revoke.h"

#define LINE_MAX_    65536
#define SERVICES_MAX 32

struct opened {
	char *path;
	int lock;
	struct sz_apikeys *s;
};

static void close_store(struct opened *o)
{
	sz_apikeys_free(o->s);
	if (o->lock >= 0)
		close(o->lock);
	free(o->path);
}

/* With `change` nobody else changes it meanwhile. */
static int open_store(struct sz_ctl *c, bool change, struct opened *ret)
{
	const char *path = sz_ctl_value(&c->args, "file");
	struct sz_buf lock = {0};
	struct sz_error e = {""};

	*ret = (struct opened){.lock = -1};
	if (!path && !sz_ctl_conf(c))
		return sz_ctl_fail(
			"where are the API keys? Name the configuration (--config) or the "
			"store (--file): %.300s",
			c->conf_error.msg);
	ret->path = sz_strdup(path ? path : sz_ctl_conf(c)->api_keys.file);
	if (sodium_init() < 0)
		return sz_ctl_fail("libsodium cannot start: no source of randomness");
	if (change) {
		sz_buf_printf(&lock, "%s.lock", ret->path);
		ret->lock = open(lock.data, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
		if (ret->lock < 0 || flock(ret->lock, LOCK_EX)) {
			int fail = sz_ctl_fail("cannot lock %s: %s", lock.data, strerror(errno));

			sz_buf_done(&lock);
			return fail;
		}
		sz_buf_done(&lock);
	}
	if (sz_apikeys_load(ret->path, &ret->s, &e))
		return sz_ctl_fail("%s", e.msg);
	return 0;
}

/* Written; the daemon reads it, where there is one. */
static int save(struct sz_ctl *c, const struct opened *o)
{
	struct sz_error e = {""};
	json_t *answer;

	if (sz_apikeys_save(o->s, o->path, &e))
		return sz_ctl_fail("%s", e.msg);
	answer = sz_ctl_ask(c, json_pack("{s:s}", "cmd", "apikeys"), 10, &e);
	if (!answer)
		fprintf(stderr,
			"subzeroctl: the store is written, but the daemon did not read it: %s\n",
			e.msg);
	json_decref(answer);
	return 0;
}

static s64 now_s(void)
{
	return (s64)(sz_wall_ns() / 1000000000);
}

/* ---- add, import ---------------------------------------------------------------------------- */

static int read_claims(struct sz_ctl *c, json_t *claims)
{
	const char *v;
	unsigned i;

	for (i = 0; (v = sz_ctl_value_at(&c->args, "claim", i)) != NULL; i++) {
		const char *eq = strchr(v, '=');
		char name[128];
		json_t *value;

		if (!eq || eq == v || (size_t)(eq - v) >= sizeof(name))
			return sz_ctl_usage("--claim '%s' is not name=value", v);
		memcpy(name, v, (size_t)(eq - v));
		name[eq - v] = '\0';
		value = json_loads(eq + 1, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
		if (!value)
			value = sz_ctl_text(eq + 1, strlen(eq + 1));
		if (json_object_set_new(claims, name, value))
			return sz_ctl_usage("--claim '%s' is not valid UTF-8", v);
	}
	return 0;
}

static int say_new(struct sz_ctl *c, const char *key)
{
	char id[SZ_APIKEY_ID_LEN + 1] = "";

	memcpy(id, key + 3, SZ_APIKEY_ID_LEN);
	if (c->json)
		return sz_ctl_print_json(json_pack("{s:s, s:s}", "id", id, "key", key));
	printf("%s\n", key);
	fprintf(stderr, "This key is shown only now. Its id is %s.\n", id);
	return SZ_CTL_OK;
}

int sz_ctl_cmd_apikey_add(struct sz_ctl *c)
{
	const char *duration = sz_ctl_value(&c->args, "for"), *services[SERVICES_MAX];
	struct sz_apikey_wish w = {.sub = sz_ctl_value(&c->args, "sub"),
				   .name = sz_ctl_value(&c->args, "name"),
				   .scope = sz_ctl_value(&c->args, "scope"),
				   .services = services,
				   .now = now_s()};
	char key[SZ_APIKEY_LEN + 1];
	json_t *claims = json_object();
	struct sz_error e = {""};
	struct opened o = {.lock = -1};
	u64 seconds = 0;
	int ret;

	while (w.n_services < SERVICES_MAX &&
	       (services[w.n_services] =
			sz_ctl_value_at(&c->args, "service", (unsigned)w.n_services)))
		w.n_services++;
	w.claims = claims;
	ret = !w.sub ? sz_ctl_usage("apikey add needs --sub, whom the key stands for")
		     : read_claims(c, claims);
	if (!ret && duration && (sz_ctl_parse_duration(duration, &seconds) || !seconds))
		ret = sz_ctl_usage("--for '%s' is not a duration; write 12h, 90d", duration);
	w.expires_s = seconds ? w.now + (s64)seconds : 0;
	if (!ret)
		ret = open_store(c, true, &o);
	if (!ret && sz_apikeys_add(o.s, &w, key, &e))
		ret = sz_ctl_fail("%s", e.msg);
	if (!ret)
		ret = save(c, &o);
	if (!ret) {
		sz_ctl_record(c, "admin", "API key %.16s added for %.100s", key + 3, w.sub);
		ret = say_new(c, key);
	}
	sodium_memzero(key, sizeof(key));
	close_store(&o);
	json_decref(claims);
	return ret;
}

/* {"sub", "name", "scope", "claims": {}, "services": [], "expires": seconds} */
static int import_line(struct opened *o, const json_t *v, char key[SZ_APIKEY_LEN + 1],
		       struct sz_error *e)
{
	const json_t *list = json_object_get(v, "services"), *claims = json_object_get(v, "claims");
	const char *services[SERVICES_MAX];
	struct sz_apikey_wish w = {
		.sub = json_string_value(json_object_get(v, "sub")),
		.name = json_string_value(json_object_get(v, "name")),
		.scope = json_string_value(json_object_get(v, "scope")),
		.claims = claims,
		.services = services,
		.now = now_s(),
		.expires_s = json_integer_value(json_object_get(v, "expires")),
	};

	if (!w.sub || (claims && !json_is_object(claims)) || json_array_size(list) > SERVICES_MAX)
		return sz_error_set(e, -EINVAL,
				    "a line is {\"sub\", \"name\", \"scope\", \"claims\", "
				    "\"services\", \"expires\"}; only sub is required");
	for (; w.n_services < json_array_size(list); w.n_services++) {
		services[w.n_services] = json_string_value(json_array_get(list, w.n_services));
		if (!services[w.n_services])
			return sz_error_set(e, -EINVAL, "\"services\" must be names");
	}
	return sz_apikeys_add(o->s, &w, key, e);
}

int sz_ctl_cmd_apikey_import(struct sz_ctl *c)
{
	const char *path = c->args.word[0];
	bool named = strcmp(path, "-");
	FILE *file = named ? fopen(path, "re") : NULL, *f = file ? file : stdin;
	char *line = sz_calloc(1, LINE_MAX_), key[SZ_APIKEY_LEN + 1];
	json_t *made = json_array(), *v;
	struct opened o = {.lock = -1};
	struct sz_error e = {""};
	unsigned long number = 0;
	size_t i;
	int ret = file || !named ? open_store(c, true, &o)
				 : sz_ctl_fail("cannot open %s: %s", path, strerror(errno));

	while (!ret && fgets(line, LINE_MAX_, f)) {
		number++;
		if (strspn(line, " \t\r\n") == strlen(line))
			continue;
		v = sz_json_parse(line, strlen(line), &e);
		if (!v || import_line(&o, v, key, &e))
			ret = sz_ctl_fail("%s:%lu: %s; no key was made", path, number, e.msg);
		else
			json_array_append_new(
				made, json_pack("{s:s#, s:s, s:s}", "id", key + 3, SZ_APIKEY_ID_LEN,
						"key", key, "sub",
						json_string_value(json_object_get(v, "sub"))));
		json_decref(v);
	}
	if (!ret)
		ret = save(c, &o);
	/* One line for each line, so that keys and owners can be told apart. */
	for (i = 0; !ret && i < json_array_size(made); i++) {
		char *text = json_dumps(json_array_get(made, i), JSON_COMPACT);

		printf("%s\n", text);
		free(text);
	}
	if (!ret)
		sz_ctl_record(c, "admin", "%zu API keys imported", json_array_size(made));
	sodium_memzero(key, sizeof(key));
	if (file)
		fclose(file);
	close_store(&o);
	json_decref(made);
	free(line);
	return ret;
}

/* ---- list, show ----------------------------------------------------------------------------- */

static const char *state_of(const struct sz_apikey *k)
{
	if (k->revoked_s && k->revoked_s <= now_s())
		return "revoked";
	return k->expires_s && k->expires_s <= now_s() ? "expired" : "active";
}

static const char *claim(const struct sz_apikey *k, const char *name)
{
	const char *s = json_string_value(json_object_get(k->claims, name));

	return s ? s : "-";
}

static const struct sz_ctl_column columns[] = {
	{"id", "ID", 0},
	{"name", "NAME", SZ_CTL_SHRINK},
	{"sub", "SUBJECT", SZ_CTL_SHRINK},
	{"scope", "SCOPES", SZ_CTL_SHRINK},
	{"state", "STATE", 0},
	{"expires", "EXPIRES", 0},
};

int sz_ctl_cmd_apikey_list(struct sz_ctl *c)
{
	struct opened o = {.lock = -1};
	char s[SZ_CTL_TEXT_MAX];
	struct sz_ctl_table t;
	size_t i;
	int ret = open_store(c, false, &o);

	if (ret)
		goto out;
	sz_ctl_table_init(&t, columns, SZ_ARRAY_LEN(columns));
	for (i = 0; i < sz_apikeys_count(o.s); i++) {
		const struct sz_apikey *k = sz_apikeys_at(o.s, i);
		const char *state = state_of(k);

		sz_ctl_cell_text(&t, k->id);
		sz_ctl_cell_text(&t, k->name ? k->name : "-");
		sz_ctl_cell_text(&t, claim(k, "sub"));
		sz_ctl_cell_text(&t, claim(k, "scope"));
		sz_ctl_cell_text(&t, state);
		sz_ctl_cell_colour(&t, state[0] == 'a' ? SZ_CTL_GREEN : SZ_CTL_DIM);
		sz_ctl_cell(&t, k->expires_s ? json_integer(k->expires_s) : NULL, "%s",
			    k->expires_s ? sz_ctl_time(k->expires_s, s) : "never");
	}
	ret = sz_ctl_print(c, &t, "there are no API keys");
out:
	close_store(&o);
	return ret;
}

int sz_ctl_cmd_apikey_show(struct sz_ctl *c)
{
	const char *id = c->args.word[0];
	struct opened o = {.lock = -1};
	const struct sz_apikey *k;
	json_t *v, *services;
	size_t i;
	char *text;
	int ret = open_store(c, false, &o);

	if (ret)
		goto out;
	k = sz_apikeys_by_id(o.s, id);
	if (!k) {
		ret = sz_ctl_fail("there is no API key %s; see 'subzeroctl apikey list'", id);
		goto out;
	}
	services = json_array();
	for (i = 0; i < k->n_services; i++)
		json_array_append_new(services, json_string(k->services[i]));
	v = json_pack("{s:s, s:s*, s:s, s:O, s:o, s:I, s:o, s:o}", "id", k->id, "name", k->name,
		      "state", state_of(k), "claims", k->claims, "services", services, "created",
		      (json_int_t)k->created_s, "expires",
		      k->expires_s ? json_integer(k->expires_s) : json_null(), "revoked",
		      k->revoked_s ? json_integer(k->revoked_s) : json_null());
	if (c->json) {
		ret = sz_ctl_print_json(v);
		goto out;
	}
	text = json_dumps(v, JSON_INDENT(2) | JSON_ENSURE_ASCII);
	printf("%s\n", text);
	free(text);
	json_decref(v);
out:
	close_store(&o);
	return ret;
}

/* ---- revoke, rotate ------------------------------------------------------------------------- */

/* In the kernel at once, whether the daemon has read the store yet or not. */
static int revoke_grants(struct sz_ctl *c, const char *id, struct sz_revoke_result *r)
{
	char value[SZ_APIKEY_ID_LEN + 1], issuer[] = SZ_APIKEY_ISSUER;
	struct sz_revoke_item i = {.kind = SZ_REVOKE_ISSUER_JTI,
				   .issuer = issuer,
				   .value = value,
				   .len = SZ_APIKEY_ID_LEN,
				   .until_s = (u64)now_s() + 2 * 86400};
	struct sz_error e = {""};

	snprintf(value, sizeof(value), "%s", id);
	*r = (struct sz_revoke_result){0};
	/* Without maps there is nothing in the kernel to end. */
	if (sz_ctl_open(c, &e))
		return 0;
	return sz_revoke_apply(c->kern, &i, 1, r, &e) ? sz_ctl_fail("%s", e.msg) : 0;
}

int sz_ctl_cmd_apikey_revoke(struct sz_ctl *c)
{
	const char *id = c->args.word[0];
	struct sz_revoke_result r = {0};
	struct opened o = {.lock = -1};
	int ret = open_store(c, true, &o);

	if (!ret && sz_apikeys_end(o.s, id, now_s(), 0))
		ret = sz_ctl_fail("there is no API key %s; see 'subzeroctl apikey list'", id);
	if (!ret)
		ret = revoke_grants(c, id, &r);
	if (!ret)
		ret = save(c, &o);
	if (!ret) {
		sz_ctl_record(c, "admin", "API key %s revoked", id);
		if (c->json)
			ret = sz_ctl_print_json(json_pack("{s:s, s:I}", "revoked", id,
							  "grants_revoked", (json_int_t)r.grants));
		else
			printf("%s revoked: %llu grants marked\n", id,
			       (unsigned long long)r.grants);
	}
	close_store(&o);
	return ret;
}

int sz_ctl_cmd_apikey_rotate(struct sz_ctl *c)
{
	const char *id = c->args.word[0], *grace = sz_ctl_value(&c->args, "grace");
	struct sz_revoke_result r = {0};
	char key[SZ_APIKEY_LEN + 1];
	struct sz_apikey_wish w = {.now = now_s()};
	struct opened o = {.lock = -1};
	const struct sz_apikey *k;
	struct sz_error e = {""};
	json_t *claims = NULL;
	u64 seconds = 0;
	int ret = grace && sz_ctl_parse_duration(grace, &seconds)
			  ? sz_ctl_usage("--grace '%s' is not a duration; write 1h, 7d", grace)
			  : open_store(c, true, &o);

	if (ret)
		goto out;
	k = sz_apikeys_by_id(o.s, id);
	if (!k || strcmp(state_of(k), "active")) {
		ret = sz_ctl_fail("there is no active API key %s; see 'subzeroctl apikey list'",
				  id);
		goto out;
	}
	claims = json_deep_copy(k->claims);
	w.sub = json_string_value(json_object_get(claims, "sub"));
	w.scope = json_string_value(json_object_get(claims, "scope"));
	w.claims = claims;
	w.name = k->name;
	w.services = (const char *const *)k->services;
	w.n_services = k->n_services;
	w.expires_s = k->expires_s;
	sz_apikeys_end(o.s, id, seconds ? 0 : w.now, seconds ? w.now + (s64)seconds : 0);
	if (sz_apikeys_add(o.s, &w, key, &e))
		ret = sz_ctl_fail("%s", e.msg);
	if (!ret && !seconds)
		ret = revoke_grants(c, id, &r);
	if (!ret)
		ret = save(c, &o);
	if (!ret) {
		sz_ctl_record(c, "admin", "API key %s rotated: %.16s takes its place", id, key + 3);
		ret = say_new(c, key);
	}
	sodium_memzero(key, sizeof(key));
out:
	json_decref(claims);
	close_store(&o);
	return ret;
}
