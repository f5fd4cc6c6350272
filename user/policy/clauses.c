/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The clauses of a route that are no plain condition: the score of risk, the step-up (RFC 9470) and
 * relationships. Called by the judge, in the order in which a route is judged.
 */
#include <stdio.h>
#include <string.h>

#include "policy/policy_priv.h"

#include "subzero/rule.h"

#define NS 1000000000ll

/* ---- risk ----------------------------------------------------------------------------------- */

static enum outcome weigh(const struct sz_conf_route *t, u64 score, bool *ret_step_up)
{
	*ret_step_up = t->risk.step_up && score >= t->risk.step_up;
	return t->risk.deny && score >= t->risk.deny ? OUT_DENY : OUT_ALLOW;
}

/* The signals that count towards the score, for people. */
static void say_score(struct judge *j, const struct sz_conf_route *t, u64 score,
		      const struct sz_buf *names)
{
	char why[300], other[200], clause[CLAUSE_MAX];

	snprintf(why, sizeof(why), "route \"%.*s\": the risk is %llu of at most %u%s%.*s",
		 SHOWN(t->name), score, t->risk.deny - 1, names->len ? ": " : "",
		 sz_policy_shown(names->data ? names->data : "", names->len),
		 names->data ? names->data : "");
	snprintf(other, sizeof(other), "signals that weigh at least %llu less must not apply",
		 score - t->risk.deny + 1);
	sz_policy_clause(t, CLAUSE_RISK, 0, clause);
	sz_policy_say(j, SZ_R_RISK, clause, why, other);
}

/*
 * The score lies between what is sure and what is possible; where both come to the same, so does
 * all between. A signal that cannot be evaluated counts: nobody lowers a score by an error.
 */
enum outcome sz_policy_risk(struct judge *j, const struct sz_conf_route *t, bool *ret_step_up)
{
	const struct sz_conf *c = j->p->conf;
	struct sz_buf names = {0};
	bool step_low, step_high;
	enum outcome low, high;
	u64 sure = 0, possible = 0;
	size_t i;

	for (i = 0; i < c->policy.n_signals; i++) {
		const struct sz_conf_signal *s = &c->policy.signals[i];
		struct sz_cel_error e;
		struct sz_cel_value v;

		sz_policy_eval(j, j->p->signals[i], &v, &e);
		if (v.type == SZ_CEL_BOOL && !v.b)
			continue;
		possible += s->weight;
		if (v.type == SZ_CEL_UNKNOWN)
			continue;
		sure += s->weight;
		sz_buf_printf(&names, "%s%s %u", names.len ? ", " : "", s->name, s->weight);
	}
	low = weigh(t, sure, &step_low);
	high = weigh(t, possible, &step_high);
	*ret_step_up = step_low;
	if (low != high || step_low != step_high) {
		low = OUT_ASK;
		*ret_step_up = true; /* perhaps */
	} else if (low == OUT_DENY) {
		say_score(j, t, sure, &names);
	}
	sz_buf_done(&names);
	return low;
}

/* ---- step-up -------------------------------------------------------------------------------- */

static bool has_acr(const struct sz_conf_route *t, const json_t *claims)
{
	const json_t *acr = json_object_get(claims, "acr");
	size_t i;

	for (i = 0; i < t->step_up.n_acr; i++)
		if (json_is_string(acr) && !strcmp(json_string_value(acr), t->step_up.acr[i]))
			return true;
	return !t->step_up.n_acr;
}

static void say_step_up(struct judge *j, const struct sz_conf_route *t, bool acr)
{
	const json_t *have = json_object_get(j->who->claims, acr ? "auth_time" : "acr");
	char *text = have ? json_dumps(have, JSON_ENCODE_ANY) : NULL;
	char why[300], other[200], clause[CLAUSE_MAX];

	if (acr)
		snprintf(why, sizeof(why),
			 "route \"%.*s\" needs a sign-in of the last %u s; the token's auth_time "
			 "is %.40s",
			 SHOWN(t->name), t->step_up.max_age_s, text ? text : "not there");
	else
		snprintf(why, sizeof(why),
			 "route \"%.*s\" needs acr %.80s%s; the token's acr is %.60s",
			 SHOWN(t->name), t->step_up.acr[0],
			 t->step_up.n_acr > 1 ? " or another that it names" : "",
			 text ? text : "not there");
	snprintf(other, sizeof(other),
		 "the user must sign in again%s, and the client come with the new token",
		 acr ? "" : " with a stronger method");
	sz_policy_clause(t, CLAUSE_STEP_UP, 0, clause);
	sz_policy_say(j, SZ_R_STEP_UP, clause, why, other);
	free(text);
}

/* RFC 9470 section 4: by the claims acr and auth_time. Never unknown: they are the token's. */
enum outcome sz_policy_step_up(struct judge *j, const struct sz_conf_route *t)
{
	const json_t *when = json_object_get(j->who->claims, "auth_time");
	bool acr = has_acr(t, j->who->claims);
	double since = json_is_number(when) ? json_number_value(when) : -1;
	s64 until;

	if (!acr || (t->step_up.max_age_s && !(since >= 0 && since < 9e9))) {
		say_step_up(j, t, acr);
		return OUT_DENY;
	}
	if (!t->step_up.max_age_s)
		return OUT_ALLOW;
	until = ((s64)since + t->step_up.max_age_s) * NS;
	if (SZ_RULE(D_STEP_AGE) && until <= j->at->now_ns) {
		say_step_up(j, t, true);
		return OUT_DENY;
	}
	if (until < j->until_ns)
		j->until_ns = until;
	return OUT_ALLOW;
}

/* ---- relationships -------------------------------------------------------------------------- */

static void say_relation(struct judge *j, const struct sz_conf_route *t, size_t i,
			 const struct sz_policy_question *q)
{
	char why[400], other[300], clause[CLAUSE_MAX];

	sz_policy_clause(t, CLAUSE_RELATION, i, clause);
	snprintf(why, sizeof(why), "route \"%.*s\" needs %.*s to be %.*s of %.*s, and it is not",
		 SHOWN(t->name), SHOWN(q->user), SHOWN(q->relation), SHOWN(q->object));
	snprintf(other, sizeof(other),
		 "a tuple must make %.*s %.*s of %.*s: see subzeroctl rebac expand",
		 SHOWN(q->user), SHOWN(q->relation), SHOWN(q->object));
	sz_policy_say(j, SZ_R_RELATION, clause, why, other);
}

static enum outcome broken(struct judge *j, const struct sz_conf_route *t, size_t i,
			   const char *what)
{
	char why[400], clause[CLAUSE_MAX];

	sz_policy_clause(t, CLAUSE_RELATION, i, clause);
	snprintf(why, sizeof(why), "route \"%.*s\": the relationship cannot be looked up: %.250s",
		 SHOWN(t->name), what);
	sz_policy_say(j, SZ_R_POLICY_ERROR, clause, why, NULL);
	return OUT_DENY;
}

/* The context as JSON: what CEL and JSON have in common. */
static json_t *plain_json(const struct sz_cel_value *v, u32 depth)
{
	const struct sz_cel_value *key, *value;
	json_t *ret, *child;
	struct sz_buf text = {0};
	u32 i;

	if (depth > 16)
		return NULL;
	switch (v->type) {
	case SZ_CEL_BOOL:
		return json_boolean(v->b);
	case SZ_CEL_INT:
		return json_integer(v->i);
	case SZ_CEL_DOUBLE:
		return json_real(v->d);
	case SZ_CEL_STRING:
		return json_stringn(v->s ? v->s : "", v->n);
	case SZ_CEL_TIMESTAMP:
	case SZ_CEL_IP:
		sz_cel_text(v, &text);
		ret = json_stringn(text.data, text.len);
		sz_buf_done(&text);
		return ret;
	case SZ_CEL_LIST:
		ret = json_array();
		for (i = 0; i < v->n; i++) {
			child = plain_json(&v->list[i], depth + 1);
			if (!child || json_array_append_new(ret, child))
				goto bad;
		}
		return ret;
	case SZ_CEL_MAP:
		ret = json_object();
		for (i = 0; i < v->n; i++) {
			sz_cel_map_at(v, i, &key, &value);
			child = key->type == SZ_CEL_STRING ? plain_json(value, depth + 1) : NULL;
			if (!child ||
			    json_object_setn_new(ret, key->s ? key->s : "", key->n, child))
				goto bad;
		}
		return ret;
	default:
		return NULL;
	}
bad:
	json_decref(ret);
	return NULL;
}

static enum outcome context_of(struct judge *j, const struct sz_cel_program *p, json_t **ret,
			       const char **ret_wrong)
{
	struct sz_cel_value v;
	struct sz_cel_error e;

	*ret = NULL;
	if (!p)
		return OUT_ALLOW;
	sz_policy_eval(j, p, &v, &e);
	if (v.type == SZ_CEL_UNKNOWN || v.partial)
		return OUT_ASK;
	if (v.type == SZ_CEL_MAP)
		*ret = plain_json(&v, 0);
	*ret_wrong = "the context is no map of plain values";
	return *ret ? OUT_ALLOW : OUT_DENY;
}

enum outcome sz_policy_relation(struct judge *j, const struct sz_conf_route *t, size_t i)
{
	const struct relation *r = &j->compiled->routes[j->route].relations[i];
	struct sz_policy_question q = {.relation = t->relations[i].relation};
	struct sz_buf user = {0}, object = {0};
	enum outcome out = OUT_ASK;
	struct sz_error e = {""};
	const char *wrong = "";
	json_t *context = NULL;
	bool yes = false;
	int known;

	/* Tuples come and go, and a grant does not notice: they are asked for with the request. */
	if (j->known == KNOWN_TOKEN)
		return OUT_ASK;
	j->relation = true;
	known = sz_policy_fill(j, &r->user, &user, &e);
	if (known > 0)
		known = sz_policy_fill(j, &r->object, &object, &e);
	if (known > 0)
		out = context_of(j, r->context, &context, &wrong);
	q.user = user.data ? user.data : "";
	q.object = object.data ? object.data : "";
	q.context = context;
	if (known < 0) {
		out = broken(j, t, i, e.msg);
	} else if (out == OUT_DENY) {
		out = broken(j, t, i, wrong);
	} else if (out == OUT_ALLOW) {
		if (!j->p->relation)
			out = broken(j, t, i, "there is no store of relationships");
		else if (j->p->relation(j->p->relation_arg, &q, &yes, &e))
			out = broken(j, t, i, e.msg);
		else if (SZ_RULE(D_RELATION) && !yes)
			out = OUT_DENY, say_relation(j, t, i, &q);
	}
	json_decref(context);
	sz_buf_done(&user);
	sz_buf_done(&object);
	return out;
}
