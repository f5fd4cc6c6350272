/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * By which way somebody has a relation: the definitions and tuples from the object that was asked
 * about down to the user, one line each. Called by explain; asks the daemon's store as it is now,
 * and only where the answer was yes. Conditions of tuples count where a relation is checked, not
 * where a tuple is named.
 */
#include <string.h>

#include "ctl/ctl.h"
#include "policy/policy.h"

#define WAY_DEPTH 16 /* relations behind each other that are shown */
#define WAY_ASKS  64 /* questions to the daemon for one way */

struct way {
	struct sz_ctl *c;
	const char *store, *user;
	json_t *context; /* borrowed, may be NULL */
	void (*say)(void *arg, const char *line);
	void *arg;
	unsigned asks;
};

static bool way_of(struct way *w, const char *relation, const char *object, unsigned depth);

static json_t *ask(struct way *w, const char *what, const char *user, const char *relation,
		   const char *object)
{
	json_t *body;
	struct sz_error e;

	if (w->asks++ >= WAY_ASKS)
		return NULL;
	body = json_pack("{s:{s:s*, s:s, s:s}}", "tuple_key", "user", user, "relation", relation,
			 "object", object);
	if (user && w->context)
		json_object_set(body, "context", w->context);
	return sz_ctl_named_store_api(w->c, w->store, what, body, &e);
}

static void say(struct way *w, const char *fmt, ...) SZ_PRINTF(2, 3);
static void say(struct way *w, const char *fmt, ...)
{
	char line[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	w->say(w->arg, line);
}

/* Through all who have the relation that "object#relation" names, if the user is one of them. */
static bool way_through(struct way *w, const char *set, const char *relation, const char *object,
			unsigned depth)
{
	const char *hash = strrchr(set, '#');
	char *inner;
	json_t *v;
	bool yes;

	if (!hash || !strcmp(hash + 1, ""))
		return false;
	inner = sz_strndup(set, (size_t)(hash - set));
	v = ask(w, "check", w->user, hash + 1, inner);
	yes = json_is_true(json_object_get(v, "allowed"));
	json_decref(v);
	if (yes) {
		say(w, "%s of %s comes from %s of %s", relation, object, hash + 1, inner);
		way_of(w, hash + 1, inner, depth + 1);
	}
	free(inner);
	return yes;
}

/* Is "user:*" for this user? */
static bool is_everybody(const char *name, const char *user)
{
	const char *colon = strchr(name, ':');

	return colon && !strcmp(colon, ":*") && strchr(user, ':') &&
	       !strncmp(name, user, (size_t)(colon - name) + 1);
}

static bool way_of_leaf(struct way *w, const json_t *leaf, const char *relation,
			const char *object, unsigned depth)
{
	const json_t *users = json_object_get(json_object_get(leaf, "users"), "users");
	const json_t *sets = json_object_get(json_object_get(leaf, "tupleToUserset"), "computed");
	const json_t *one = json_object_get(json_object_get(leaf, "computed"), "userset"), *v;
	size_t i;

	json_array_foreach (users, i, v)
		if (!strcmp(json_string_value(v), w->user) ||
		    is_everybody(json_string_value(v), w->user)) {
			say(w, "%s of %s is given by the tuple %s %s %s", relation, object,
			    json_string_value(v), relation, object);
			return true;
		}
	json_array_foreach (users, i, v)
		if (way_through(w, json_string_value(v), relation, object, depth))
			return true;
	json_array_foreach (sets, i, v)
		if (way_through(w, json_string_value(json_object_get(v, "userset")), relation,
				object, depth))
			return true;
	return json_is_string(one) &&
	       way_through(w, json_string_value(one), relation, object, depth);
}

static bool way_of_node(struct way *w, const json_t *node, const char *relation,
			const char *object, unsigned depth)
{
	const json_t *any = json_object_get(json_object_get(node, "union"), "nodes");
	const json_t *all = json_object_get(json_object_get(node, "intersection"), "nodes");
	const json_t *base = json_object_get(json_object_get(node, "difference"), "base"), *v;
	size_t i;

	json_array_foreach (any, i, v)
		if (way_of_node(w, v, relation, object, depth))
			return true;
	if (any)
		return false;
	json_array_foreach (all, i, v)
		if (!way_of_node(w, v, relation, object, depth))
			return false;
	if (all)
		return true;
	if (base)
		return way_of_node(w, base, relation, object, depth);
	return way_of_leaf(w, json_object_get(node, "leaf"), relation, object, depth);
}

static bool way_of(struct way *w, const char *relation, const char *object, unsigned depth)
{
	bool found = false;
	json_t *v;

	if (depth >= WAY_DEPTH)
		return false;
	v = ask(w, "expand", NULL, relation, object);
	if (v)
		found = way_of_node(w, json_object_get(json_object_get(v, "tree"), "root"),
				    relation, object, depth);
	json_decref(v);
	return found;
}

void sz_ctl_relation_way(struct sz_ctl *c, const char *store, const struct sz_policy_question *q,
			 void (*fn)(void *arg, const char *line), void *arg)
{
	struct way w = {.c = c, .store = store, .user = q->user, .say = fn, .arg = arg,
			.context = (json_t *)q->context};

	way_of(&w, q->relation, q->object, 0);
}
