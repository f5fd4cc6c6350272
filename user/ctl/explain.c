/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * explain: what would become of one request, and why. Reads the configuration and the keys as the
 * daemon would, runs the same scanner, verifier and policy, and looks up live revocations and
 * grants in the kernel. Changes nothing.
 */
#include <stdio.h>
#include <string.h>

#include "subzero/head.h"

#include "ctl/ctl.h"
#include "http/http.h"
#include "verify/verify.h"

struct explain {
	struct sz_ctl *c;
	struct sz_verifier *verifier;
	const struct sz_conf_service *svc;
	struct sz_buf token;   /* empty: none was given */
	struct sz_buf request; /* the head, as a client would send it */
	struct sz_scan scan;
	struct sz_http_head head;
	struct sz_decision decision;
	struct sz_policy_moment at;
	struct sz_policy_ruling ruling;
	bool maps;             /* the pinned maps could be read */
	bool public;           /* the route needs no token */
	enum sz_reason reason; /* final */
	u64 id;                /* of the explanation, likewise */
	json_t *steps;
};

static const char *pass_or_refuse(bool ok)
{
	return ok ? "ok" : "refused";
}

static void step(struct explain *x, const char *name, const char *result, const char *fmt, ...)
	SZ_PRINTF(4, 5);

static void step(struct explain *x, const char *name, const char *result, const char *fmt, ...)
{
	char text[1024];
	json_t *v = json_object();
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	json_object_set_new(v, "step", json_string(name));
	json_object_set_new(v, "result", json_string(result));
	json_object_set_new(v, "detail", sz_ctl_text(text, strlen(text)));
	json_array_append_new(x->steps, v);
}

/* ---- what is asked -------------------------------------------------------------------------- */

static int read_request(struct explain *x)
{
	const struct sz_ctl_args *a = &x->c->args;
	const char *method = sz_ctl_value(a, "method"), *path = sz_ctl_value(a, "path");
	const char *token = sz_ctl_value(a, "token"), *header;
	struct sz_error e;
	unsigned i;

	if (!sz_ctl_has(a, "service") || !path)
		return sz_ctl_usage("explain needs --service and --path");
	if (token && sz_ctl_token(token, &x->token, &e))
		return sz_ctl_fail("%s", e.msg);
	sz_buf_printf(&x->request, "%s %s HTTP/1.1\r\nHost: explain\r\n", method ? method : "GET",
		      path);
	if (x->token.len)
		sz_buf_printf(&x->request, "Authorization: Bearer %s\r\n", x->token.data);
	for (i = 0; (header = sz_ctl_value_at(a, "header", i)); i++)
		sz_buf_printf(&x->request, "%s\r\n", header);
	sz_buf_printf(&x->request, "\r\n");
	if (x->request.len > SZ_FRAME_MAX)
		return sz_ctl_usage("a request of more than %d bytes cannot be explained",
				    SZ_FRAME_MAX);
	return 0;
}

/* When and from where; now, and from an address that stands for none, unless it is said. */
static int read_moment(struct explain *x)
{
	const char *source = sz_ctl_value(&x->c->args, "source");
	const char *time = sz_ctl_value(&x->c->args, "time");
	u64 s;

	x->at.now_ns = (s64)sz_wall_ns();
	if (time && sz_ctl_parse_u64(time, INT64_MAX / 1000000000, &s))
		return sz_ctl_usage("--time '%s' is no number of seconds since 1970; try date +%%s",
				    time);
	if (time)
		x->at.now_ns = (s64)s * 1000000000;
	if (source && sz_addr_parse(source, &x->at.source))
		return sz_ctl_usage("--source '%s' is no address", source);
	return 0;
}

static int load(struct explain *x)
{
	const char *path = sz_ctl_value(&x->c->args, "config");
	const char *name = sz_ctl_value(&x->c->args, "service");
	struct sz_conf *conf;
	struct sz_error e;
	size_t i;

	conf = sz_conf_load(path ? path : SZ_CTL_CONFIG, &e);
	if (!conf || sz_verifier_new(conf, &x->verifier, &e))
		return sz_ctl_fail("%s", e.msg);
	x->svc = sz_conf_service_by_name(sz_verifier_conf(x->verifier), name);
	if (!x->svc) {
		struct sz_buf names = {0};

		conf = (struct sz_conf *)sz_verifier_conf(x->verifier);
		for (i = 0; i < conf->n_services; i++)
			sz_buf_printf(&names, "%s%s", i ? ", " : "", conf->services[i].name);
		sz_ctl_fail("no service is called '%s'; there are: %s", name,
			    names.data ? names.data : "none");
		sz_buf_done(&names);
		return SZ_CTL_FAILED;
	}
	x->maps = !sz_ctl_open(x->c, &e);
	step(x, "service", "ok", "%s, mode %s", x->svc->name,
	     x->svc->monitor ? "monitor" : "enforce");
	if (!x->maps)
		step(x, "maps", "skipped", "revocations and grants were not looked up: %s", e.msg);
	return 0;
}

/* ---- steps ---------------------------------------------------------------------------------- */

static void scan_head(struct explain *x)
{
	u8 *frame = sz_calloc(1, SZ_FRAME_MAX + 64);

	memcpy(frame, x->request.data, x->request.len);
	sz_head_scan(&x->scan, frame, 0, (u32)x->request.len);
	free(frame);
}

/* It ends before any route's clauses are looked at. */
static void end_before(struct explain *x, enum sz_reason reason)
{
	x->reason = reason;
	x->id = sz_policy_explain_before(sz_verifier_policy(x->verifier), x->svc, reason);
}

static bool explain_head(struct explain *x)
{
	static const char *const kernel[] = {
		[SZ_HEAD_PARTIAL] = "is put together by the daemon",
		[SZ_HEAD_CLEAN] = "is read by the kernel",
		[SZ_HEAD_UNUSUAL] = "is unusual: the daemon decides each such request",
		[SZ_HEAD_AMBIGUOUS] = "is ambiguous: the kernel answers 400",
	};
	enum sz_reason reason = SZ_R_BAD_REQUEST;
	struct sz_error e = {""};
	enum sz_http_status st;

	scan_head(x);
	st = sz_http_head_parse(x->request.data, x->request.len, &x->head, &reason, &e);
	if (st == SZ_HTTP_OK && x->scan.status != SZ_HEAD_AMBIGUOUS) {
		if (x->head.path_changed)
			step(x, "request", "ok", "the head %s; the path means %s",
			     kernel[x->scan.status], x->head.path);
		else
			step(x, "request", "ok", "the head %s", kernel[x->scan.status]);
		return true;
	}
	end_before(x, st == SZ_HTTP_BAD ? reason : SZ_R_BAD_REQUEST);
	step(x, "request", "refused", "the head %s%s%s", kernel[x->scan.status], *e.msg ? ": " : "",
	     e.msg);
	return false;
}

static bool revoked_now(u32 kind, const struct sz_id *id, u64 issued_s, void *arg)
{
	struct explain *x = arg;
	struct sz_revoked entry;

	(void)kind;
	if (!id)
		return true;
	return x->maps && !sz_map_get(x->c->kern, SZ_MAP_REVOKED, id, &entry) &&
	       sz_revoked_holds(&entry, issued_s, sz_wall_ns() / 1000000000);
}

static void explain_token(struct explain *x)
{
	struct sz_decision *d = &x->decision;
	char until[SZ_CTL_TEXT_MAX], id[SZ_CTL_TEXT_MAX];

	if (!x->token.len) {
		step(x, "token", "none", "no token was given (--token)");
		return;
	}
	(sz_ctl_has(&x->c->args, "dpop") ? sz_verifier_decide_bound : sz_verifier_decide)(
		x->verifier, x->svc, x->token.data, x->token.len, &x->at,
			   revoked_now, x, d);
	if (d->reason != SZ_R_NONE) {
		step(x, "token", "refused", "%s: %s", sz_reason_text(d->reason), d->detail.msg);
		return;
	}
	step(x, "token", "ok", "%s, key %s; signature, audience and times are right, until %s",
	     sz_alg_name(d->token.alg), d->token.kid ? d->token.kid : "without a name",
	     sz_ctl_time(d->token.exp, until));
	step(x, "claims", "ok", "issuer %s, subject %s, principal %s", d->token.issuer,
	     d->token.subject ? d->token.subject : "(none)",
	     sz_ctl_principal_hex(d->principal, id));
	step(x, "revocation", x->maps ? "ok" : "skipped", "%s",
	     x->maps ? "neither token, jti, subject nor issuer is revoked"
		     : "the maps could not be read");
}

static bool is_admitted(enum sz_reason r)
{
	return r == SZ_R_TICKET || r == SZ_R_HIT || r == SZ_R_PUBLIC;
}

static void tell_way(void *arg, const char *line)
{
	step(arg, "path", "ok", "%s", line);
}

/* A relationship, as the daemon's store knows it now. */
static int ask_daemon(void *arg, const struct sz_policy_question *q, bool *ret, struct sz_error *e)
{
	struct explain *x = arg;
	json_t *v, *body = json_pack("{s:{s:s, s:s, s:s}}", "tuple_key", "user", q->user,
				     "relation", q->relation, "object", q->object);

	if (q->context)
		json_object_set(body, "context", (json_t *)q->context);
	v = sz_ctl_named_store_api(x->c, sz_verifier_conf(x->verifier)->policy.store, "check", body,
				   e);
	if (!v)
		return -EREMOTEIO;
	*ret = json_is_true(json_object_get(v, "allowed"));
	step(x, "relation", *ret ? "ok" : "refused", "%s is %s%s of %s", q->user,
	     *ret ? "" : "not ", q->relation, q->object);
	json_decref(v);
	if (*ret)
		sz_ctl_relation_way(x->c, sz_verifier_conf(x->verifier)->policy.store, q, tell_way,
				    x);
	return 0;
}

/* The token alone is refused, perhaps by a later clause than the first that the request fails. */
static void explain_refused(struct explain *x, u16 route)
{
	struct sz_policy_explained by;

	if (!sz_policy_explain_token(sz_verifier_policy(x->verifier), x->svc, route,
				     x->decision.routes.refused.clause[route], &by)) {
		step(x, "decided", "ok", "in the kernel, by the token alone");
		return;
	}
	step(x, "decided", "ok", "in the kernel, by the token alone: %s (answered as %s)",
	     by.clause, sz_reason_label(SZ_R_NO_SCOPE));
	if (x->scan.status == SZ_HEAD_CLEAN)
		x->id = by.id;
}

/* Who decides it, and for how long. */
static void explain_where(struct explain *x, const struct sz_conf_route *route, u16 id)
{
	const struct sz_policy_answer *a = &x->decision.routes;
	bool ask = a->ask[id / 64] >> id % 64 & 1, allow = a->allow[id / 64] >> id % 64 & 1;
	char until[SZ_CTL_TEXT_MAX];

	if (x->ruling.reason == SZ_R_TICKET && x->scan.status == SZ_HEAD_CLEAN &&
	    sz_ctl_has(&x->c->args, "dpop")) {
		step(x, "decided", "ok", "by the daemon, for each request (its proof counts once)");
		return;
	}
	if (x->scan.status != SZ_HEAD_CLEAN) {
		step(x, "decided", "ok",
		     "by the daemon, for each request: the kernel does not read such a head");
		return;
	}
	if (route->each) {
		step(x, "decided", "ok", "by the daemon, for each request (decide: each)");
		return;
	}
	if (route->public || !x->token.len || x->decision.reason != SZ_R_NONE)
		return;
	if (!ask && !allow)
		explain_refused(x, id);
	else if (!ask)
		step(x, "decided", "ok", "in the kernel, by the token alone");
	else if (allow)
		step(x, "decided", "ok", "in the kernel, from sources that share %u bits with this",
		     a->source_bits);
	else
		step(x, "decided", "ok", "%s",
		     x->ruling.lasting ? "by the daemon, once for each request line; then in the "
					 "kernel"
				       : "by the daemon, for each request");
	if (a->until_ns != SZ_POLICY_FOREVER)
		step(x, "holds", "ok", "until %s at most, when a condition on the time may turn",
		     sz_ctl_time(a->until_ns / 1000000000, until));
}

/* What request.location holds. */
static void explain_location(struct explain *x)
{
	struct sz_buf place = {0};

	if (sz_ctl_has(&x->c->args, "source"))
		sz_policy_place(sz_verifier_policy(x->verifier), &x->at.source, &place);
	if (place.len)
		step(x, "location", "ok", "%s", place.data);
	sz_buf_done(&place);
}

/* What the daemon adds to the policy's word where that is yes: see ruling.c of the gateway. */
static void explain_beside(struct explain *x, const struct sz_policy_subject *who,
			   struct sz_policy_request *req)
{
	const struct sz_policy *policy = sz_verifier_policy(x->verifier);
	struct sz_policy_ruling raw, *r = &x->ruling;
	const char *clause = NULL;

	if (r->reason != SZ_R_TICKET)
		return;
	if (x->svc->routes[r->route].dpop == SZ_DPOP_REQUIRED &&
	    !sz_ctl_has(&x->c->args, "dpop")) {
		clause = SZ_POLICY_CLAUSE_DPOP;
		r->reason = SZ_R_DPOP_BINDING;
		sz_error_set(&r->why, 0, "the route needs a token that is bound to a key (DPoP)");
		sz_error_set(&r->otherwise, 0,
			     "the client must come with a DPoP token and its proof: try --dpop");
	} else if (x->head.path_changed) {
		req->path = x->head.target;
		req->path_len = req->query ? (size_t)(req->query - x->head.target) - 1
					   : x->head.target_len;
		sz_policy_decide(policy, x->svc, who, req, &x->at, &raw);
		if (raw.reason == SZ_R_TICKET && raw.route == r->route)
			return;
		clause = SZ_POLICY_CLAUSE_PATH;
		r->reason = SZ_R_NO_ROUTE;
		sz_error_set(&r->why, 0,
			     "the path as sent and its canonical form fall under different routes "
			     "or conditions");
		sz_error_set(&r->otherwise, 0, "the client must send the path as %.200s",
			     x->head.path);
	} else {
		return;
	}
	r->lasting = false;
	r->id = sz_policy_explanation(policy, x->svc, r->route, clause, r->reason);
}

/* In the order of the kernel: route, then token, then what the route asks for. */
static void explain_policy(struct explain *x)
{
	struct sz_policy_request req = {
		.method = x->head.method, .path = x->head.path, .path_len = x->head.path_len,
		.head = x->request.data, .head_len = x->head.head_len};
	const struct sz_policy *policy = sz_verifier_policy(x->verifier);
	const char *query = memchr(x->head.target, '?', x->head.target_len);
	const struct sz_conf_route *route = NULL;
	struct sz_policy_subject who;
	u16 id = SZ_ROUTE_NONE;
	enum sz_reason r;
	bool bad;

	if (query) {
		req.query = query + 1;
		req.query_len = (size_t)(x->head.target + x->head.target_len - req.query);
	}
	id = sz_policy_route(x->svc, &req);
	if (id != SZ_ROUTE_NONE)
		route = &x->svc->routes[id];
	bad = x->token.len && x->decision.reason != SZ_R_NONE;
	if (x->head.upgrade) {
		end_before(x, SZ_R_UPGRADE);
		step(x, "route", "refused", "%s", sz_reason_text(x->reason));
		return;
	}
	sz_policy_relations(sz_verifier_policy(x->verifier), ask_daemon, x);
	explain_location(x);
	if (bad || !x->token.len) {
		sz_policy_decide(policy, x->svc, NULL, &req, &x->at, &x->ruling);
		explain_beside(x, NULL, &req);
	} else {
		sz_verifier_subject(&x->decision.token, &who);
		sz_policy_decide(policy, x->svc, &who, &req, &x->at, &x->ruling);
		explain_beside(x, &who, &req);
	}
	r = x->ruling.reason;
	if (bad && (!route || !route->public)) {
		end_before(x, x->decision.reason);
		step(x, "route", "skipped", "%s%s; the token is refused first",
		     route ? "route " : "no route", route ? route->name : "");
		return;
	}
	if (r == SZ_R_NO_ROUTE && !x->token.len)
		r = SZ_R_NO_TOKEN; /* who sends no token is not told which routes exist */
	step(x, "route", pass_or_refuse(is_admitted(r)), "%s", x->ruling.why.msg);
	if (x->ruling.otherwise.msg[0])
		step(x, "otherwise", "none", "%s", x->ruling.otherwise.msg);
	x->reason = r;
	x->public = route && route->public;
	x->id = x->ruling.id;
	if (route && r == SZ_R_TICKET && x->scan.status == SZ_HEAD_CLEAN && !route->each)
		x->reason = route->public ? SZ_R_PUBLIC : SZ_R_HIT;
	if (route)
		explain_where(x, route, id);
}

/* The kernel's memory of a token counts where it reads the request itself. */
static void kernel_says(struct explain *x, enum sz_reason r)
{
	if (!x->public && x->scan.status == SZ_HEAD_CLEAN && x->reason != SZ_R_UPGRADE)
		end_before(x, r);
}

/* What the maps hold about this token for this service now. */
static void explain_kernel(struct explain *x)
{
	struct sz_grant_key key = {.service = x->svc->id};
	const struct sz_config *cfg;
	struct sz_denied denied;
	struct sz_grant grant;
	char s[SZ_CTL_TEXT_MAX];
	u64 now = sz_boot_ns();

	if (!x->maps || !x->token.len)
		return;
	cfg = sz_kern_config(x->c->kern);
	if (sz_ctl_token_digest(x->c, &x->token, &key.token)) {
		step(x, "kernel", "none", "the daemon has not configured the maps yet");
		return;
	}
	if (!sz_map_get(x->c->kern, SZ_MAP_GRANTS, &key, &grant) && grant.expires_ns > now &&
	    sz_grant_current(&grant, cfg)) {
		step(x, "kernel", grant.flags & SZ_GRANT_REVOKED ? "refused" : "ok",
		     grant.flags & SZ_GRANT_REVOKED
			     ? "its grant is marked as revoked: 401 (expires %s)"
			     : "it has a grant (expires %s)",
		     sz_ctl_until(grant.expires_ns, now, s));
		if (grant.flags & SZ_GRANT_REVOKED)
			kernel_says(x, SZ_R_REVOKED);
		return;
	}
	if (!sz_map_get(x->c->kern, SZ_MAP_DENIED, &key, &denied) && denied.expires_ns > now &&
	    denied.policy_gen == cfg->policy_gen && denied.key_gen == cfg->key_gen) {
		step(x, "kernel", "refused", "it is known as bad: %s",
		     sz_reason_text(denied.reason));
		kernel_says(x, (enum sz_reason)denied.reason);
		return;
	}
	if (cfg->heartbeat_ns + cfg->heartbeat_ttl_ns < now)
		step(x, "kernel", "none", "it has no grant, and the daemon is down: 503 for now");
	else
		step(x, "kernel", "none", "it has no grant yet: the daemon is asked first");
}

/* ---- the answer ----------------------------------------------------------------------------- */

static int conclude(struct explain *x)
{
	bool allowed = is_admitted(x->reason);
	int http = sz_reason_http(x->reason), ret = allowed ? SZ_CTL_OK : SZ_CTL_FAILED;
	const char *colour = !x->c->colour ? "" : allowed ? "\033[32m" : "\033[31m";
	char id[17];
	json_t *v;
	size_t i;

	if (x->c->json) {
		snprintf(id, sizeof(id), "%016llx", x->id);
		v = json_pack("{s:s, s:s, s:s, s:o, s:s, s:b, s:O}", "explanation", id, "verdict",
			      allowed ? "allow" : "deny", "reason", sz_reason_label(x->reason),
			      "status", http ? json_integer(http) : json_null(), "text",
			      sz_reason_text(x->reason), "monitor", x->svc->monitor, "steps",
			      x->steps);
		sz_ctl_print_json(v);
		return ret;
	}
	json_array_foreach(x->steps, i, v)
	{
		const char *detail = json_string_value(json_object_get(v, "detail"));
		struct sz_buf b = {0};

		sz_ctl_clean(&b, detail, strlen(detail));
		printf("%-11s %-8s %s\n", json_string_value(json_object_get(v, "step")),
		       json_string_value(json_object_get(v, "result")), b.data ? b.data : "");
		sz_buf_done(&b);
	}
	printf("\n%s%s%s: %s", colour, allowed ? "ALLOW" : "DENY", *colour ? "\033[0m" : "",
	       sz_reason_text(x->reason));
	if (http)
		printf(" (HTTP %d)", http);
	if (x->id)
		printf(", explanation %016llx", x->id);
	printf("%s\n", !allowed && x->svc->monitor ? "; passed all the same: monitor mode" : "");
	return ret;
}

int sz_ctl_cmd_explain(struct sz_ctl *c)
{
	struct explain *x;
	int ret;

	if (sz_ctl_has(&c->args, "id"))
		return sz_ctl_explain_id(c, sz_ctl_value(&c->args, "id"));
	x = sz_calloc(1, sizeof(*x)); /* a head is too large for the stack */
	x->c = c;
	x->steps = json_array();
	ret = read_request(x);
	if (!ret)
		ret = read_moment(x);
	if (!ret)
		ret = load(x);
	if (!ret) {
		if (explain_head(x)) {
			explain_token(x);
			explain_policy(x);
			explain_kernel(x);
		}
		ret = conclude(x);
	}
	sz_decision_done(&x->decision);
	sz_verifier_unref(x->verifier);
	json_decref(x->steps);
	sz_buf_done(&x->token);
	sz_buf_done(&x->request);
	free(x);
	return ret;
}
