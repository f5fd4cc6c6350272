/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One case of `policy test`: the policy's own judge on a token and a request, relationships from
 * the file, and the comparison with what the case expects. Prints nothing.
 */
#include <stdio.h>
#include <string.h>

#include "ctl/policy_test.h"
#include "http/http.h"

struct outcome {
	const struct sz_conf_service *svc;
	struct sz_policy_ruling ruling;
	const char *verdict, *token, *reason, *route, *clause;
};

struct expect {
	const char *verdict, *token, *route, *reason, *clause;
	const json_t *explanation;
};

/* ---- what is expected ----------------------------------------------------------------------- */

static bool in_list(const char *s, const char *const *list)
{
	for (; *list; list++)
		if (!strcmp(s, *list))
			return true;
	return false;
}

static int check_names(struct sz_ptest *t, const struct expect *x, const json_t *lines,
		       const struct sz_conf_service *svc)
{
	static const char *const verdicts[] = {"allow", "deny", "ask", "step_up", NULL};
	static const char *const answers[] = {"allow", "deny", "ask", NULL};
	size_t i;
	u32 r;

	if (x->verdict && !in_list(x->verdict, verdicts))
		return sz_ptest_fail(t, lines, "verdict",
				     "'%.60s' is no verdict; write allow, deny, step_up or ask",
				     x->verdict);
	if (x->token && !in_list(x->token, answers))
		return sz_ptest_fail(t, lines, "token",
				     "'%.60s' is nothing a token alone leads to; write allow, deny "
				     "or ask",
				     x->token);
	for (r = 1; x->reason && r < SZ_REASON_MAX && strcmp(sz_reason_label(r), x->reason); r++)
		;
	if (x->reason && (r == SZ_REASON_MAX || !strcmp(x->reason, "unknown")))
		return sz_ptest_fail(t, lines, "reason",
				     "'%.60s' is no reason; 'subzeroctl counters --all' lists them",
				     x->reason);
	for (i = 0; x->route && i < svc->n_routes && strcmp(svc->routes[i].name, x->route); i++)
		;
	if (x->route && i == svc->n_routes && strcmp(x->route, "none"))
		return sz_ptest_fail(t, lines, "route",
				     "service \"%s\" has no route \"%.60s\"; 'subzeroctl policy "
				     "check' lists them",
				     svc->name, x->route);
	return 0;
}

static int read_expect(struct sz_ptest *t, const json_t *v, const json_t *lines,
		       const struct sz_conf_service *svc, struct expect *ret)
{
	const json_t *x = json_object_get(v, "expect"), *one;
	size_t i;

	lines = json_object_get(lines, "expect") ? json_object_get(lines, "expect") : lines;
	*ret = (struct expect){0};
	if (json_is_string(x)) {
		ret->verdict = json_string_value(x);
		return check_names(t, ret, lines, svc);
	}
	if (!json_object_size(x))
		return sz_ptest_fail(t, lines, NULL,
				     "a test needs expect: allow, deny, step_up, ask, or a mapping "
				     "of verdict, token, route, reason, clause and explanation");
	if (sz_ptest_only(t, x, lines, "expect", "verdict token route reason clause explanation") ||
	    sz_ptest_text(t, x, lines, "verdict", &ret->verdict) ||
	    sz_ptest_text(t, x, lines, "token", &ret->token) ||
	    sz_ptest_text(t, x, lines, "route", &ret->route) ||
	    sz_ptest_text(t, x, lines, "reason", &ret->reason) ||
	    sz_ptest_text(t, x, lines, "clause", &ret->clause))
		return -EINVAL;
	ret->explanation = json_object_get(x, "explanation");
	json_array_foreach((json_t *)ret->explanation, i, one)
	{
		if (!json_is_string(one))
			break;
	}
	if (ret->explanation && !json_is_string(ret->explanation) &&
	    (!json_array_size(ret->explanation) || i < json_array_size(ret->explanation)))
		return sz_ptest_fail(t, lines, "explanation",
				     "explanation is a text that must occur in it, or a list of "
				     "texts");
	return check_names(t, ret, lines, svc);
}

/* ---- the judge ------------------------------------------------------------------------------ */

static int ask_file(void *arg, const struct sz_policy_question *q, bool *ret, struct sz_error *e)
{
	struct sz_ptest *t = arg;
	struct sz_rebac_request req = {.context = q->context};
	struct sz_rebac_error why = {0};
	int err;

	if (!t->rebac.graph)
		return sz_error_set(e, -ENOENT, "the test file has no model of relationships");
	err = sz_rebac_check(t->rebac.graph, t->rebac.work, &req, q->user, q->relation, q->object,
			     ret, &why);
	return err ? sz_error_set(e, err, "%.400s", why.msg) : 0;
}

/* What the token alone leads to, for a request from this source. */
static const char *token_answer(const struct sz_policy *p, const struct outcome *o,
				const struct sz_ptest_ask *a)
{
	struct sz_policy_answer answer;
	u16 id = o->ruling.route;
	bool allow, ask;

	if (id == SZ_ROUTE_NONE)
		return "deny";
	if (o->svc->routes[id].public)
		return o->svc->routes[id].each ? "ask" : "allow";
	if (!a->claims)
		return "deny";
	sz_policy_for_token(p, o->svc, &a->who, &a->at, &answer);
	allow = answer.allow[id / 64] >> id % 64 & 1;
	ask = answer.ask[id / 64] >> id % 64 & 1;
	return allow ? "allow" : ask ? "ask" : "deny";
}

static void judge(const struct sz_policy *p, const struct sz_ptest_ask *a, struct outcome *o)
{
	struct sz_http_head *head = sz_calloc(1, sizeof(*head));
	enum sz_reason reason = SZ_R_BAD_REQUEST;
	struct sz_policy_request req;
	struct sz_error e = {""};
	const char *query;

	o->ruling = (struct sz_policy_ruling){.route = SZ_ROUTE_NONE};
	if (sz_http_head_parse(a->head.data, a->head.len, head, &reason, &e) != SZ_HTTP_OK) {
		sz_error_set(&o->ruling.why, 0, "the request cannot be read: %s", e.msg);
	} else if (head->upgrade) {
		reason = SZ_R_UPGRADE;
		sz_error_set(&o->ruling.why, 0, "the request asks for another protocol");
	} else {
		query = memchr(head->target, '?', head->target_len);
		req = (struct sz_policy_request){
			.method = head->method, .path = head->path, .path_len = head->path_len,
			.head = a->head.data, .head_len = head->head_len};
		if (query) {
			req.query = query + 1;
			req.query_len = (size_t)(head->target + head->target_len - req.query);
		}
		sz_policy_decide(p, o->svc, a->claims ? &a->who : NULL, &req, &a->at, &o->ruling);
		reason = o->ruling.reason;
	}
	free(head);
	o->token = token_answer(p, o, a);
	o->route = o->ruling.route == SZ_ROUTE_NONE ? "none"
						    : o->svc->routes[o->ruling.route].name;
	o->clause = o->ruling.clause;
	o->verdict = reason == SZ_R_TICKET ? "allow" : reason == SZ_R_STEP_UP ? "step_up" : "deny";
	if (reason == SZ_R_TICKET && o->svc->routes[o->ruling.route].public)
		reason = SZ_R_PUBLIC;
	else if (reason == SZ_R_TICKET && !o->svc->routes[o->ruling.route].each)
		reason = SZ_R_HIT;
	o->reason = sz_reason_label(reason);
}

/* ---- the comparison ------------------------------------------------------------------------- */

struct weighed {
	struct sz_buf expected, got;
	bool good;
};

static void weigh(struct weighed *w, const char *what, const char *want, const char *got)
{
	if (!want)
		return;
	sz_buf_printf(&w->expected, "%s%s %s", w->expected.len ? ", " : "", what, want);
	sz_buf_printf(&w->got, "%s%s %s", w->got.len ? ", " : "", what, got);
	w->good &= !strcmp(want, got);
}

static void weigh_text(struct weighed *w, const char *want, const struct sz_policy_ruling *r)
{
	if (!want || strstr(r->why.msg, want) || strstr(r->otherwise.msg, want))
		return;
	sz_buf_printf(&w->expected, "%san explanation with \"%s\"", w->expected.len ? ", " : "",
		      want);
	sz_buf_printf(&w->got, "%sanother explanation", w->got.len ? ", " : "");
	w->good = false;
}

static void compare(struct sz_ptest *t, const char *name, u32 line, const struct expect *x,
		    const struct outcome *o)
{
	bool ask = x->verdict && !strcmp(x->verdict, "ask");
	struct weighed w = {.good = true};
	json_t *one;
	size_t i;

	weigh(&w, "verdict", x->verdict, ask ? o->token : o->verdict);
	weigh(&w, "token", x->token, o->token);
	weigh(&w, "route", x->route, o->route);
	weigh(&w, "reason", x->reason, o->reason);
	weigh(&w, "clause", x->clause, o->clause);
	weigh_text(&w, json_string_value(x->explanation), &o->ruling);
	json_array_foreach((json_t *)x->explanation, i, one)
		weigh_text(&w, json_string_value(one), &o->ruling);
	if (!w.good && !x->reason)
		sz_buf_printf(&w.got, " (%s)", o->reason);
	t->passed += w.good;
	t->failed += !w.good;
	json_array_append_new(
		t->results,
		json_pack("{s:o, s:i, s:o, s:b, s:o, s:o, s:o, s:o}", "file",
			  sz_ctl_text(t->path, strlen(t->path)), "line", (int)line, "name",
			  sz_ctl_text(name, strlen(name)), "passed", w.good, "expected",
			  sz_ctl_text(w.expected.len ? w.expected.data : "", w.expected.len), "got",
			  sz_ctl_text(w.got.len ? w.got.data : "", w.got.len), "why",
			  sz_ctl_text(o->ruling.why.msg, strlen(o->ruling.why.msg)), "otherwise",
			  sz_ctl_text(o->ruling.otherwise.msg, strlen(o->ruling.otherwise.msg))));
	sz_buf_done(&w.expected);
	sz_buf_done(&w.got);
}

/* ---- one case ------------------------------------------------------------------------------- */

static int add_tables(struct sz_ptest *t, const json_t *v, const json_t *lines, json_t *all)
{
	const json_t *tables = json_object_get(v, "tables");
	const struct sz_conf *c = t->conf;
	const char *name;
	json_t *table;
	size_t i;

	lines = json_object_get(lines, "tables");
	if (tables && !json_is_object(tables))
		return sz_ptest_fail(t, lines, NULL, "tables is a mapping of names with tables");
	json_object_foreach((json_t *)tables, name, table)
	{
		for (i = 0; i < c->policy.n_tables && strcmp(c->policy.tables[i].name, name); i++)
			;
		if (i == c->policy.n_tables)
			return sz_ptest_fail(t, lines, name,
					     "%.200s has no table \"%.60s\" in policy.tables",
					     c->path, name);
		if (!json_is_object(table))
			return sz_ptest_fail(t, lines, name,
					     "table \"%.60s\" is a mapping of rows", name);
		json_object_set(all, name, table);
	}
	return 0;
}

/* The policy that counts for the case: *ret_own must be freed. */
static int take_policy(struct sz_ptest *t, const json_t *v, const json_t *lines,
		       struct sz_policy **ret, struct sz_policy **ret_own)
{
	json_t *all = json_object();
	int err = add_tables(t, t->file, t->lines, all);

	*ret_own = NULL;
	if (!err)
		err = add_tables(t, v, lines, all);
	if (!err && json_object_size(json_object_get(v, "tables")))
		err = sz_policy_new_tables(t->conf, all, ret_own, t->e);
	else if (!err && !t->policy)
		err = sz_policy_new_tables(t->conf, all, &t->policy, t->e);
	json_decref(all);
	*ret = *ret_own ? *ret_own : t->policy;
	if (!err)
		sz_policy_relations(*ret, ask_file, t);
	return err;
}

static int add_tuples(struct sz_ptest *t, const json_t *v, const json_t *lines, json_t *written)
{
	const json_t *tuples = json_object_get(v, "tuples");
	char where[256];

	if (!tuples || json_is_null(tuples))
		return 0;
	lines = json_object_get(lines, "tuples");
	if (!t->rebac.graph)
		return sz_ptest_fail(t, lines, NULL,
				     "tuples need a model; add model or model_file to the file");
	snprintf(where, sizeof(where), "%.200s:%u", t->path, sz_ptest_line(lines));
	return sz_ctl_rebac_tuples(&t->rebac, tuples, where, written, t->e) ? -EINVAL : 0;
}

static const struct sz_conf_service *take_service(struct sz_ptest *t, const json_t *v,
						  const json_t *lines)
{
	const struct sz_conf_service *svc;
	const char *name = NULL;

	if (sz_ptest_text(t, v, lines, "service", &name))
		return NULL;
	if (!name) {
		lines = t->lines;
		if (sz_ptest_text(t, t->file, lines, "service", &name))
			return NULL;
	}
	if (!name && t->conf->n_services == 1)
		return &t->conf->services[0];
	svc = name ? sz_conf_service_by_name(t->conf, name) : NULL;
	if (!name)
		sz_ptest_fail(t, lines, NULL, "which service? Add service: NAME");
	else if (!svc)
		sz_ptest_fail(t, lines, "service", "%.200s has no service \"%.64s\"",
			      t->conf->path, name);
	return svc;
}

int sz_ptest_case(struct sz_ptest *t, const json_t *v, const json_t *lines)
{
	struct sz_policy *policy = NULL, *own = NULL;
	json_t *written = NULL;
	struct sz_ptest_ask ask;
	struct expect x;
	struct outcome o = {0};
	const char *name;
	int err;

	if (sz_ptest_only(t, v, lines, "a test",
			  "name description service token token_header request tuples tables "
			  "expect") ||
	    sz_ptest_text(t, v, lines, "name", &name))
		return -EINVAL;
	if (!name)
		return sz_ptest_fail(t, lines, NULL, "a test needs a name");
	o.svc = take_service(t, v, lines);
	if (!o.svc || read_expect(t, v, lines, o.svc, &x) ||
	    sz_ptest_ask(t, v, lines, o.svc->name, &ask))
		return -EINVAL;
	written = json_array();
	err = take_policy(t, v, lines, &policy, &own);
	if (!err)
		err = add_tuples(t, v, lines, written);
	if (!err) {
		judge(policy, &ask, &o);
		compare(t, name, sz_ptest_line(lines), &x, &o);
	}
	sz_ctl_rebac_remove(&t->rebac, written);
	json_decref(written);
	sz_policy_free(own);
	sz_ptest_ask_done(&ask);
	return err ? -EINVAL : 0;
}
