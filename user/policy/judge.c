/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The judge: one route, clause by clause, in any of the three states of knowledge. There is no
 * other place that decides, so an early answer and a late one cannot come from different rules.
 *
 * The order is fixed: scopes, claims, conditions, risk, step-up, relationships. The first clause
 * that refuses is the one that is told.
 */
#include <stdio.h>
#include <string.h>

#include "policy/policy_priv.h"

#include "subzero/rule.h"

void sz_policy_judge_init(struct judge *j, const struct sz_policy *p,
			  const struct sz_conf_service *svc, const struct sz_policy_subject *who,
			  const struct sz_policy_request *req, const struct sz_policy_moment *at,
			  enum known known)
{
	size_t i;

	*j = (struct judge){
		.p = p, .svc = svc, .who = who, .req = req, .at = at, .known = known};
	for (i = 0; p && i < p->conf->n_services; i++)
		if (p->services[i].id == svc->id)
			j->compiled = &p->services[i];
	sz_cel_arena_init(&j->arena, SZ_POLICY_BYTES);
	sz_cel_arena_init(&j->scratch, SZ_POLICY_BYTES);
}

void sz_policy_judge_done(struct judge *j)
{
	sz_cel_arena_done(&j->arena);
	sz_cel_arena_done(&j->scratch);
}

/* ---- what is said about it ------------------------------------------------------------------ */

int sz_policy_shown(const char *s, size_t n)
{
	const size_t most = 120;

	if (n <= most)
		return (int)n;
	n = most;
	while (n && ((u8)s[n] & 0xc0) == 0x80)
		n--;
	return (int)n;
}

void sz_policy_say(struct judge *j, enum sz_reason reason, const char *clause, const char *why,
		   const char *otherwise)
{
	j->reason = reason;
	snprintf(j->clause, sizeof(j->clause), "%s", clause);
	if (j->why)
		sz_error_set(j->why, 0, "%s", why);
	if (j->otherwise)
		sz_error_set(j->otherwise, 0, "%s", otherwise ? otherwise : "");
}

/* A token's bits are made for every route of its service, and nobody asks why. */
static bool nobody_asks(struct judge *j, enum sz_reason reason)
{
	j->reason = reason;
	return !j->why;
}

/* "the token has orders:list", from whichever claims hold scopes. */
static void add_scopes(struct sz_buf *b, const json_t *claims)
{
	const json_t *list = json_object_get(claims, "scope"),
		     *scp = json_object_get(claims, "scp");

	if (json_is_string(list))
		sz_buf_printf(b, "%s", json_string_value(list));
	if (json_is_string(scp))
		sz_buf_printf(b, "%s%s", b->len ? " " : "", json_string_value(scp));
	for (size_t i = 0; i < json_array_size(scp) && b->len <= 120; i++)
		if (json_is_string(json_array_get(scp, i)))
			sz_buf_printf(b, "%s%s", b->len ? " " : "",
				      json_string_value(json_array_get(scp, i)));
	if (!b->len)
		sz_buf_printf(b, "no scopes");
}

static void say_scope(struct judge *j, const struct sz_conf_route *t, size_t i)
{
	const char *scope = t->scopes[i];
	struct sz_buf has = {0};
	char why[460], clause[CLAUSE_MAX], other[200];

	if (nobody_asks(j, SZ_R_NO_SCOPE))
		return;
	add_scopes(&has, j->who->claims);
	sz_policy_clause(t, CLAUSE_SCOPE, i, clause);
	snprintf(why, sizeof(why), "route \"%.*s\" needs scope %.*s; the token has %.*s",
		 SHOWN(t->name), SHOWN(scope), sz_policy_shown(has.data ? has.data : "", has.len),
		 has.data ? has.data : "");
	snprintf(other, sizeof(other), "the token must have scope %.*s", SHOWN(scope));
	sz_policy_say(j, SZ_R_NO_SCOPE, clause, why, other);
	sz_buf_done(&has);
}

static void say_claim(struct judge *j, const struct sz_conf_route *t, size_t i)
{
	const struct sz_conf_claim *want = &t->claims[i];
	char why[512], clause[CLAUSE_MAX], other[300], *text;
	const json_t *v;

	if (nobody_asks(j, SZ_R_NO_SCOPE))
		return;
	v = sz_policy_claim(j->who->claims, want->name);
	text = v ? json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(15)) : NULL;
	sz_policy_clause(t, CLAUSE_CLAIM, i, clause);
	snprintf(why, sizeof(why), "route \"%.*s\" needs claim %.*s = %.*s; the token has %.*s",
		 SHOWN(t->name), SHOWN(want->name), SHOWN(want->value),
		 SHOWN(text ? text : "no such claim"));
	snprintf(other, sizeof(other), "the token must have claim %.*s = %.*s", SHOWN(want->name),
		 SHOWN(want->value));
	sz_policy_say(j, SZ_R_NO_SCOPE, clause, why, other);
	free(text);
}

static void say_condition(struct judge *j, const struct sz_conf_route *t, size_t i,
			  const struct sz_cel_error *e)
{
	const struct sz_conf_cel *c = &t->when[i];
	char why[500], clause[CLAUSE_MAX], other[300];

	if (nobody_asks(j, e ? SZ_R_POLICY_ERROR : SZ_R_CONDITION))
		return;
	sz_policy_clause(t, CLAUSE_WHEN, i, clause);
	snprintf(other, sizeof(other), "the condition on line %u must be true: %.*s", c->line,
		 SHOWN(c->text));
	if (e) {
		snprintf(why, sizeof(why),
			 "route \"%.*s\": the condition on line %u cannot be evaluated: %.150s: "
			 "%.*s",
			 SHOWN(t->name), c->line, e->msg, SHOWN(c->text));
		sz_policy_say(j, SZ_R_POLICY_ERROR, clause, why, other);
		return;
	}
	snprintf(why, sizeof(why), "route \"%.*s\": the condition on line %u is false: %.*s",
		 SHOWN(t->name), c->line, SHOWN(c->text));
	sz_policy_say(j, SZ_R_CONDITION, clause, why, other);
}

/* What the token was asked for and has: "scopes a b, claim department = ops". */
static void say_allowed(struct judge *j, const struct sz_conf_route *t)
{
	struct sz_buf b = {0}, why = {0};
	size_t i;

	for (i = 0; i < t->n_scopes; i++)
		sz_buf_printf(&b, "%s%s",
			      i                 ? " "
			      : t->n_scopes > 1 ? "scopes "
						: "scope ",
			      t->scopes[i]);
	for (i = 0; i < t->n_claims; i++)
		sz_buf_printf(&b, "%sclaim %s = %s", b.len ? ", " : "", t->claims[i].name,
			      t->claims[i].value);
	if (b.len)
		sz_buf_printf(&why, "route \"%.*s\" needs %.*s; the token has all of it",
			      SHOWN(t->name), sz_policy_shown(b.data, b.len), b.data);
	else
		sz_buf_printf(&why, "route \"%.*s\" takes any valid token", SHOWN(t->name));
	if (t->n_when || t->n_relations || t->step_up.on || t->risk.line)
		sz_buf_printf(&why, "; every condition is met");
	sz_policy_say(j, SZ_R_TICKET, "all", why.data, NULL);
	sz_buf_done(&b);
	sz_buf_done(&why);
}

/* ---- clauses -------------------------------------------------------------------------------- */

static enum outcome scopes_and_claims(struct judge *j, const struct sz_conf_route *t)
{
	for (size_t i = 0; i < t->n_scopes; i++)
		if (SZ_RULE(SCOPES) && !sz_policy_has_scope(j->who->claims, t->scopes[i])) {
			say_scope(j, t, i);
			j->number = sz_policy_clause_number(t, CLAUSE_SCOPE, i);
			return OUT_DENY;
		}
	for (size_t i = 0; i < t->n_claims; i++)
		if (SZ_RULE(CLAIMS) && !sz_policy_has_claim(j->who->claims, &t->claims[i])) {
			say_claim(j, t, i);
			j->number = sz_policy_clause_number(t, CLAUSE_CLAIM, i);
			return OUT_DENY;
		}
	return OUT_ALLOW;
}

static enum outcome condition(struct judge *j, const struct sz_conf_route *t, size_t i)
{
	struct sz_cel_error e;
	struct sz_cel_value v;

	sz_policy_eval(j, j->compiled->routes[j->route].when[i], &v, &e);
	if (v.type == SZ_CEL_UNKNOWN)
		return OUT_ASK;
	if (v.type == SZ_CEL_BOOL && (v.b || !SZ_RULE(D_CONDITION)))
		return OUT_ALLOW;
	if (v.type != SZ_CEL_BOOL && v.type != SZ_CEL_ERROR)
		snprintf(e.msg, sizeof(e.msg), "its value is no bool");
	say_condition(j, t, i, v.type == SZ_CEL_BOOL ? NULL : &e);
	return OUT_DENY;
}

static bool has_more(const struct sz_conf_route *t)
{
	return t->n_when || t->n_relations || t->step_up.on || t->risk.line;
}

/* Keeps the first answer that is not "allow"; behind "ask" only a sure refusal counts. */
static bool settles(enum outcome o, enum outcome *so_far)
{
	if (o == OUT_DENY) {
		*so_far = OUT_DENY;
		return true;
	}
	if (o == OUT_ASK)
		*so_far = OUT_ASK;
	return false;
}

/* What was found to bound a verdict holds only for a verdict that rests on it. */
struct bounds {
	s64 until_ns;
	u32 source_bits;
};

static struct bounds fresh_bounds(struct judge *j)
{
	struct bounds b = {j->until_ns, j->source_bits};

	j->until_ns = SZ_POLICY_FOREVER;
	j->source_bits = 0;
	return b;
}

static void join_bounds(struct judge *j, const struct bounds *b)
{
	if (b->until_ns < j->until_ns)
		j->until_ns = b->until_ns;
	if (b->source_bits > j->source_bits)
		j->source_bits = b->source_bits;
}

/*
 * One clause with bounds of its own. A refusal behind a question still waits for it where the order
 * of reasons is told to somebody: with the request line known.
 */
static bool clause(struct judge *j, const struct sz_conf_route *t, enum clause_kind kind, size_t i,
		   enum outcome *so_far, bool *step_up)
{
	struct bounds before = fresh_bounds(j);
	enum outcome o = OUT_ALLOW;

	switch (kind) {
	case CLAUSE_WHEN:
		o = condition(j, t, i);
		break;
	case CLAUSE_RISK:
		o = sz_policy_risk(j, t, step_up);
		break;
	case CLAUSE_STEP_UP:
		o = sz_policy_step_up(j, t);
		/* Its answer is not among the kernel's bits. */
		if (o == OUT_DENY && j->known == KNOWN_TOKEN)
			o = OUT_ASK;
		break;
	case CLAUSE_RELATION:
		o = sz_policy_relation(j, t, i);
		break;
	case CLAUSE_SCOPE: /* see scopes_and_claims() */
	case CLAUSE_CLAIM:
		break;
	}
	if (settles(o, so_far)) {
		j->number = sz_policy_clause_number(t, kind, i) |
			    (j->reason == SZ_R_POLICY_ERROR ? SZ_POLICY_CLAUSE_BROKEN : 0);
		/* Which refusal it is rests on the clauses before it. */
		if (j->known != KNOWN_TOKEN)
			join_bounds(j, &before);
		return true;
	}
	join_bounds(j, &before);
	return *so_far == OUT_ASK && j->known != KNOWN_TOKEN;
}

static enum outcome conditions(struct judge *j, const struct sz_conf_route *t)
{
	enum outcome out = OUT_ALLOW;
	bool step_up = t->step_up.on;
	size_t i;

	for (i = 0; i < t->n_when; i++)
		if (clause(j, t, CLAUSE_WHEN, i, &out, NULL))
			return out;
	if (t->risk.line) {
		bool risky = false;

		if (clause(j, t, CLAUSE_RISK, 0, &out, &risky))
			return out;
		if (t->risk.step_up)
			step_up = risky;
	}
	if (step_up && clause(j, t, CLAUSE_STEP_UP, 0, &out, NULL))
		return out;
	for (i = 0; i < t->n_relations; i++)
		if (clause(j, t, CLAUSE_RELATION, i, &out, NULL))
			return out;
	return out;
}

enum outcome sz_policy_judge(struct judge *j, u16 route)
{
	const struct sz_conf_route *t = &j->svc->routes[route];
	enum outcome out;

	j->route = route;
	j->reason = SZ_R_TICKET;
	j->until_ns = SZ_POLICY_FOREVER;
	j->source_bits = 0;
	j->relation = false;
	out = scopes_and_claims(j, t);
	if (out == OUT_ALLOW && has_more(t)) {
		if (!j->compiled || !(j->prepared || (j->prepared = sz_policy_slots(j)))) {
			sz_policy_say(j, SZ_R_POLICY_ERROR, POLICY_CLAUSE_MEMORY,
				      "the token or the request is too large for conditions", NULL);
			j->number = SZ_POLICY_CLAUSE_BEYOND;
			return OUT_DENY;
		}
		out = conditions(j, t);
	}
	if (out == OUT_ALLOW && j->why)
		say_allowed(j, t);
	return out;
}
