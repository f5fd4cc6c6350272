/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * {"cmd":"status"}, {"cmd":"reload"}, {"cmd":"flush"}, {"cmd":"change_key"},
 * {"cmd":"record","type":"ban","detail":"…"}, {"cmd":"keys"}, {"cmd":"refresh_keys","issuer":"…"}:
 * {"cmd":"limits"}, {"cmd":"limit_set",…}, {"cmd":"limit_reset",…}: see docs/limits.md;
 * each answered by {"ok":true,…} or {"ok":false,"error":"…"}.
 */
#include "control/control.h"

#include <string.h>
#include <unistd.h>

#include "codec/codec.h"
#include "limits/limits.h"

struct sz_control {
	struct sz_gateway *gateway;
	struct sz_api *api;
};

/* Takes over `o`. */
static void answer(struct sz_net_client *c, json_t *o)
{
	char *text = json_dumps(o, JSON_COMPACT);

	if (text) {
		struct sz_buf line = {};

		sz_buf_printf(&line, "%s\n", text);
		sz_net_send(c, line.data, line.len);
		sz_buf_done(&line);
	}
	free(text);
	json_decref(o);
}

static void answer_error(struct sz_net_client *c, const char *why)
{
	answer(c, json_pack("{s:b, s:s}", "ok", 0, "error", why));
}

static void flushed(int res, void *arg)
{
	struct sz_net_client *c = arg;

	if (res)
		answer_error(c, "the audit log could not be written; the daemon's log says why");
	else
		answer(c, json_pack("{s:b}", "ok", 1));
	sz_net_client_release(c);
}

static void cmd_status(struct sz_gateway *g, struct sz_net_client *c, const json_t *req)
{
	json_t *o = sz_gateway_status(g);

	(void)req;
	json_object_set_new(o, "ok", json_true());
	answer(c, o);
}

static void cmd_reload(struct sz_gateway *g, struct sz_net_client *c, const json_t *req)
{
	struct sz_error e = {};

	(void)req;
	if (sz_gateway_reload(g, &e))
		answer_error(c, e.msg);
	else
		answer(c, json_pack("{s:b}", "ok", 1));
}

static void cmd_apikeys(struct sz_gateway *g, struct sz_net_client *c, const json_t *req)
{
	struct sz_error e = {};

	(void)req;
	if (sz_gateway_apikeys(g, &e))
		answer_error(c, e.msg);
	else
		answer(c, json_pack("{s:b}", "ok", 1));
}

static void cmd_flush(struct sz_gateway *g, struct sz_net_client *c, const json_t *req)
{
	(void)req;
	sz_gateway_flush(g, flushed, sz_net_client_hold(c));
}

static void cmd_change_key(struct sz_gateway *g, struct sz_net_client *c, const json_t *req)
{
	struct sz_error e = {};

	(void)req;
	if (sz_gateway_change_key(g, flushed, sz_net_client_hold(c), &e)) {
		answer_error(c, e.msg);
		sz_net_client_release(c);
	}
}

static void cmd_record(struct sz_gateway *g, struct sz_net_client *c, const json_t *req)
{
	const char *type = json_string_value(json_object_get(req, "type"));
	const char *detail = json_string_value(json_object_get(req, "detail"));

	if (!type || !detail) {
		answer_error(c, "'record' needs \"type\" and \"detail\"");
		return;
	}
	if (strcmp(type, "ban") && strcmp(type, "admin")) {
		answer_error(c, "\"type\" is \"ban\" or \"admin\"");
		return;
	}
	sz_gateway_record(g, type[0] == 'b' ? SZ_AUDIT_BAN : SZ_AUDIT_ADMIN, detail);
	answer(c, json_pack("{s:b}", "ok", 1));
}

/* ---- {"cmd":"api","method":"POST","path":"/stores","body":{...}} ----------------------------- */

static void api_answered(int status, const char *body, size_t n, void *arg)
{
	struct sz_net_client *c = arg;
	json_t *v = json_loadb(body, n, 0, NULL);

	answer(c, json_pack("{s:b, s:i, s:o}", "ok", 1, "status", status, "body",
			    v ? v : json_stringn_nocheck(body, n)));
	sz_net_client_release(c);
}

static void cmd_api(struct sz_api *api, struct sz_net_client *c, const json_t *req)
{
	const char *method = json_string_value(json_object_get(req, "method"));
	const char *path = json_string_value(json_object_get(req, "path"));
	const char *query = json_string_value(json_object_get(req, "query"));
	char *body = json_dumps(json_object_get(req, "body"), JSON_COMPACT);

	if (!method || !path)
		answer_error(c, "'api' needs \"method\" and \"path\"");
	else
		sz_api_call(api, method, path, query ? query : "", body ? body : "",
			    body ? strlen(body) : 0, api_answered, sz_net_client_hold(c));
	free(body);
}

static void cmd_keys(struct sz_gateway *g, struct sz_net_client *c, const json_t *req)
{
	(void)req;
	answer(c, json_pack("{s:b, s:o}", "ok", 1, "issuers", sz_gateway_providers(g)));
}

static void refreshed(int err, const char *words, void *arg)
{
	struct sz_net_client *c = arg;

	if (err)
		answer_error(c, words);
	else
		answer(c, json_pack("{s:b}", "ok", 1));
	sz_net_client_release(c);
}

static void cmd_refresh_keys(struct sz_gateway *g, struct sz_net_client *c, const json_t *req)
{
	const char *issuer = json_string_value(json_object_get(req, "issuer"));

	if (!sz_gateway_refresh_keys(g, issuer, refreshed, sz_net_client_hold(c)))
		return;
	sz_net_client_release(c);
	answer_error(c, issuer ? "no issuer of that name has keys that are fetched"
			       : "no issuer has keys that are fetched: all are files");
}

static void cmd_limits(struct sz_gateway *g, struct sz_net_client *c, const json_t *req)
{
	json_t *list = sz_gateway_limits(g);

	(void)req;
	if (list)
		answer(c, json_pack("{s:b, s:o}", "ok", 1, "limits", list));
	else
		answer_error(c, "the limits cannot be read from the kernel");
}

static void cmd_limit_set(struct sz_gateway *g, struct sz_net_client *c, const json_t *req)
{
	const char *name = json_string_value(json_object_get(req, "name"));
	const json_t *burst = json_object_get(req, "burst"), *dry = json_object_get(req, "dry_run");
	const json_t *rate = json_object_get(req, "rate");
	struct sz_limit_change change = {.rate = json_string_value(rate), .dry_run = -1};
	struct sz_error e = {};

	if (!name || (rate && !change.rate) || (dry && !json_is_boolean(dry)) ||
	    (burst && json_integer_value(burst) < 1)) {
		answer_error(c, "'limit_set' needs \"name\", and \"rate\" as text, \"burst\" as a "
				"number from 1 or \"dry_run\" as true or false");
		return;
	}
	change.burst = burst ? (u64)json_integer_value(burst) : 0;
	if (dry)
		change.dry_run = json_is_true(dry);
	if (sz_gateway_limit_set(g, name, &change, &e))
		answer_error(c, e.msg);
	else
		answer(c, json_pack("{s:b}", "ok", 1));
}

static void cmd_limit_reset(struct sz_gateway *g, struct sz_net_client *c, const json_t *req)
{
	const char *name = json_string_value(json_object_get(req, "name"));
	struct sz_limit_subject s = {
		.source = json_string_value(json_object_get(req, "source")),
		.principal = json_string_value(json_object_get(req, "principal")),
		.route = json_string_value(json_object_get(req, "route")),
	};
	bool one = s.source || s.principal || s.route;
	struct sz_error e = {};
	int n;

	if (!name) {
		answer_error(c, "'limit_reset' needs \"name\"");
		return;
	}
	n = sz_gateway_limit_reset(g, name, one ? &s : NULL, &e);
	if (n < 0)
		answer_error(c, e.msg);
	else
		answer(c, json_pack("{s:b, s:i}", "ok", 1, "buckets", n));
}

static const struct {
	const char *name;
	void (*fn)(struct sz_gateway *g, struct sz_net_client *c, const json_t *req);
} commands[] = {
	{"status", cmd_status},
	{"reload", cmd_reload},
	{"flush", cmd_flush},
	{"apikeys", cmd_apikeys},
	{"change_key", cmd_change_key},
	{"record", cmd_record},
	{"limits", cmd_limits},
	{"limit_set", cmd_limit_set},
	{"limit_reset", cmd_limit_reset},
	{"keys", cmd_keys},
	{"refresh_keys", cmd_refresh_keys},
};

static void on_line(struct sz_net_client *c, const char *line, size_t n, void *arg)
{
	uid_t uid = sz_net_client_uid(c);
	struct sz_error e = {};
	const char *cmd;
	struct sz_control *ctl = arg;
	json_t *req;
	size_t i;

	if (uid != 0 && uid != geteuid()) {
		answer_error(c, "only root and the daemon's own user may use this socket");
		return;
	}
	req = sz_json_parse(line, n, &e);
	if (!req) {
		answer_error(c, e.msg);
		return;
	}
	cmd = json_string_value(json_object_get(req, "cmd"));
	for (i = 0; cmd && i < SZ_ARRAY_LEN(commands); i++) {
		if (!strcmp(cmd, commands[i].name)) {
			commands[i].fn(ctl->gateway, c, req);
			break;
		}
	}
	if (cmd && !strcmp(cmd, "api"))
		cmd_api(ctl->api, c, req);
	else if (!cmd || i == SZ_ARRAY_LEN(commands))
		answer_error(c, "\"cmd\" is one of status, reload, flush, change_key, record, "
				"limits, limit_set, limit_reset, apikeys, api");
	json_decref(req);
}

int sz_control_listen(struct sz_loop_ring *loop, struct sz_gateway *g, struct sz_api *api,
		      struct sz_control **ret, struct sz_error *e)
{
	*ret = sz_calloc(1, sizeof(**ret));
	(*ret)->gateway = g;
	(*ret)->api = api;
	return sz_net_listen(loop, sz_gateway_control_path(g), on_line, *ret, e);
}

void sz_control_free(struct sz_control *c)
{
	free(c);
}
