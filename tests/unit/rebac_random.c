/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Random tuples under models that run in circles: every answer of rebac is compared with a second
 * evaluator, which follows each path by itself, remembers nothing, and so is slow and simple. What
 * is listed must be what is checked.
 */
#include "harness.h"

#include "rebac/rebac_priv.h"

#define TUPLES 24
#define NAMES  4

static u64 seed;

static u32 below(u32 n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (u32)((seed >> 32) * n >> 32);
}

static const char *const models[] = {
	/* unions only */
	"model\n schema 1.1\ntype user\ntype group\n relations\n"
	"  define owner: [user, user:*]\n"
	"  define member: [user, group#member, user:*] or owner or admin\n"
	"  define admin: [user, group#member] or admin from parent\n"
	"  define parent: [group]\n",
	/* circles through intersections */
	"model\n schema 1.1\ntype user\ntype group\n relations\n"
	"  define parent: [group]\n"
	"  define a: [user, group#b, group#c]\n"
	"  define b: [user, group#a, user:*] and c\n"
	"  define c: [user, group#b, group#a] or (a and d) or c from parent\n"
	"  define d: [user, group#b, group#d]\n",
	/* circles through exclusions */
	"model\n schema 1.1\ntype user\ntype group\n relations\n"
	"  define parent: [group]\n"
	"  define a: [user, user:*, group#b] but not b\n"
	"  define b: [user, group#c, group#b] or b from parent\n"
	"  define c: [user, group#a, user:*] but not (b but not a from parent)\n"
	"  define d: (a or b) and ([user, group#d] but not c)\n",
};

struct world {
	struct sz_rebac_model *m;
	struct sz_rebac_store *store;
	struct sz_rebac_graph *g;
	struct sz_rebac_work *w;
	struct sz_rebac_tuple t[TUPLES];
	char text[TUPLES][2][32];
	u32 n;
	u64 steps; /* of the slow one */
};

/* ---- the slow one --------------------------------------------------------------------------- */

struct path {
	const struct path *up;
	const char *object, *relation;
};

enum { SLOW_NO, SLOW_YES, SLOW_CYCLE };

static int slow(struct world *x, const struct path *up, const char *object, const char *relation,
		const char *user, u32 depth);

static int either(int a, int b)
{
	return a == SLOW_YES || b == SLOW_YES ? SLOW_YES : a > b ? a : b;
}

static int slow_this(struct world *x, const struct path *p, const char *user, u32 depth)
{
	char object[32];
	int all = SLOW_NO;
	u32 i;

	for (i = 0; i < x->n && all != SLOW_YES; i++) {
		const struct sz_rebac_tuple *t = &x->t[i];
		const char *hash = strchr(t->user, '#');

		if (strcmp(t->object, p->object) || strcmp(t->relation, p->relation))
			continue;
		if (!strcmp(t->user, user) ||
		    (!strcmp(t->user, "user:*") && !strncmp(user, "user:", 5)))
			return SLOW_YES;
		if (hash) {
			snprintf(object, sizeof(object), "%.*s", (int)(hash - t->user), t->user);
			all = either(all, slow(x, p, object, hash + 1, user, depth + 1));
		}
	}
	return all;
}

static int slow_op(struct world *x, const struct path *p, const struct rewrite *w, const char *user,
		   u32 depth)
{
	const struct rewrite *c;
	int all, one;
	u32 i;

	switch (w->op) {
	case OP_THIS:
		return slow_this(x, p, user, depth);
	case OP_COMPUTED:
		return slow(x, p, p->object, w->relation, user, depth);
	case OP_TTU:
		for (all = SLOW_NO, i = 0; i < x->n; i++)
			if (!strcmp(x->t[i].object, p->object) &&
			    !strcmp(x->t[i].relation, w->tupleset))
				all = either(all, slow(x, p, x->t[i].user, w->relation, user,
						       depth + 1));
		return all;
	case OP_UNION:
		for (all = SLOW_NO, c = w->first; c; c = c->next)
			all = either(all, slow_op(x, p, c, user, depth));
		return all;
	case OP_INTERSECTION:
		for (c = w->first; c; c = c->next) {
			one = slow_op(x, p, c, user, depth);
			if (one != SLOW_YES)
				return one;
		}
		return SLOW_YES;
	default:
		one = slow_op(x, p, w->first, user, depth);
		if (one != SLOW_YES)
			return one;
		one = slow_op(x, p, w->first->next, user, depth);
		return one == SLOW_CYCLE ? one : one == SLOW_YES ? SLOW_NO : SLOW_YES;
	}
}

static int slow(struct world *x, const struct path *up, const char *object, const char *relation,
		const char *user, u32 depth)
{
	struct path here = {up, object, relation};
	const struct path *p;
	char self[64];

	x->steps++;
	snprintf(self, sizeof(self), "%s#%s", object, relation);
	if (!strcmp(self, user))
		return SLOW_YES;
	for (p = up; p; p = p->up)
		if (!strcmp(p->object, object) && !strcmp(p->relation, relation))
			return SLOW_CYCLE;
	return slow_op(x, &here, sz_rebac_relation(sz_rebac_type(x->m, "group"), relation)->rewrite,
		       user, depth);
}

/* ---- worlds --------------------------------------------------------------------------------- */

static void make(struct world *x, const char *model, u64 number)
{
	struct relation *relations[8], *r;
	struct sz_rebac_error e;
	u32 n = 0, i, k;

	seed = (number + 1) * 0x9e3779b97f4a7c15ull;
	*x = (struct world){.store = sz_rebac_memory_new(), .w = sz_rebac_work_new(0)};
	if (!EXPECT_EQ(sz_rebac_model_parse(model, strlen(model), &x->m, &e), 0))
		printf("# %u:%u: %s\n", e.line, e.column, e.msg);
	ASSERT_TRUE(x->m);
	ASSERT_EQ(sz_rebac_graph_new(x->m, x->store, &x->g, &e), 0);
	for (r = sz_rebac_type(x->m, "group")->relations; r; r = r->next)
		relations[n++] = r;
	for (i = 4 + below(TUPLES - 4); i; i--) {
		struct sz_rebac_tuple *t = &x->t[x->n];
		const struct ref *ref;

		r = relations[below(n)];
		for (k = 0, ref = r->refs; ref; ref = ref->next)
			k++;
		for (k = below(k), ref = r->refs; k; k--)
			ref = ref->next;
		snprintf(x->text[x->n][0], 32, "group:%u", below(NAMES));
		if (ref->wildcard)
			snprintf(x->text[x->n][1], 32, "user:*");
		else
			snprintf(x->text[x->n][1], 32, "%s:%u%s%s", ref->type, below(NAMES),
				 ref->relation ? "#" : "", ref->relation ? ref->relation : "");
		*t = (struct sz_rebac_tuple){x->text[x->n][1], r->name, x->text[x->n][0], NULL,
					     NULL};
		x->n += !sz_rebac_write(x->g, t, &e);
	}
}

static void unmake(struct world *x)
{
	sz_rebac_graph_free(x->g);
	sz_rebac_model_free(x->m);
	sz_rebac_store_free(x->store);
	sz_rebac_work_free(x->w);
}

static void show(const struct world *x, const char *what, u64 number)
{
	u32 i;

	printf("# world %llu: %s\n", (unsigned long long)number, what);
	for (i = 0; i < x->n; i++)
		printf("#   %s %s %s\n", x->t[i].object, x->t[i].relation, x->t[i].user);
}

static bool has(const json_t *list, const char *name)
{
	const json_t *v;
	size_t i;

	json_array_foreach((json_t *)list, i,
			   v) if (!strcmp(json_string_value(v), name)) return true;
	return false;
}

/* All objects for one user and relation: each checked, the yes ones listed. */
static void compare(struct world *x, u64 number, const char *user, const char *relation)
{
	char object[32], what[128];
	struct sz_rebac_error e;
	json_t *objects;
	bool allowed;
	int expected;
	u32 i;

	ASSERT_EQ(sz_rebac_list_objects(x->g, x->w, NULL, user, relation, "group", 0, &objects, &e),
		  0);
	for (i = 0; i < NAMES; i++) {
		snprintf(object, sizeof(object), "group:%u", i);
		snprintf(what, sizeof(what), "%s#%s@%s", object, relation, user);
		ASSERT_EQ(sz_rebac_check(x->g, x->w, NULL, user, relation, object, &allowed, &e),
			  0);
		expected = slow(x, NULL, object, relation, user, 0) == SLOW_YES;
		if (!EXPECT_EQ(allowed, expected) || !EXPECT_EQ(has(objects, object), expected))
			show(x, what, number);
	}
	json_decref(objects);
}

/*
 * Who is listed has it; who has it is listed, or is one of "user:*", which is. Where it cannot be
 * told of "user:*", as that runs in a circle, those who have it for being in "user:*" are not
 * named.
 */
static void compare_users(struct world *x, u64 number, const char *relation)
{
	char object[32], user[32];
	struct sz_rebac_error e;
	json_t *users, *v;
	bool allowed;
	size_t k;
	u32 i;

	for (i = 0; i < NAMES; i++) {
		snprintf(object, sizeof(object), "group:%u", i);
		ASSERT_EQ(
			sz_rebac_list_users(x->g, x->w, NULL, object, relation, "user", &users, &e),
			0);
		json_array_foreach(users, k, v)
		{
			ASSERT_EQ(sz_rebac_check(x->g, x->w, NULL, json_string_value(v), relation,
						 object, &allowed, &e),
				  0);
			if (!EXPECT_TRUE(allowed))
				show(x, json_string_value(v), number);
		}
		for (k = 0; k < NAMES; k++) {
			snprintf(user, sizeof(user), "user:%zu", k);
			if (slow(x, NULL, object, relation, "user:*", 0) != SLOW_CYCLE &&
			    slow(x, NULL, object, relation, user, 0) == SLOW_YES &&
			    !EXPECT_TRUE(has(users, user) || has(users, "user:*")))
				show(x, user, number);
		}
		json_decref(users);
	}
}

static void run(const char *model, u64 n)
{
	static const char *const users[] = {"user:0", "user:1", "user:stranger", "user:*",
					    "group:1"};
	const struct relation *r;
	struct world x;
	char userset[32];
	u64 number;
	size_t i;

	for (number = 0; number < n && !test_failed; number++) {
		make(&x, model, number);
		for (r = sz_rebac_type(x.m, "group")->relations; r; r = r->next) {
			for (i = 0; i < SZ_ARRAY_LEN(users); i++)
				compare(&x, number, users[i], r->name);
			snprintf(userset, sizeof(userset), "group:2#%s", r->name);
			compare(&x, number, userset, r->name);
			compare_users(&x, number, r->name);
		}
		unmake(&x);
	}
}

TEST(unions_in_circles_are_answered_as_path_by_path)
{
	run(models[0], 1000);
}

TEST(intersections_in_circles_are_answered_as_path_by_path)
{
	run(models[1], 1000);
}

TEST(exclusions_in_circles_are_answered_as_path_by_path)
{
	run(models[2], 1000);
}
