/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Lists and maps as they stand in an expression, with elements that may be left out ("?"). Called
 * by the evaluator.
 */
#include "cel_priv.h"

void sz_cel_run_list(struct run *r, const struct node *n, struct sz_cel_value *ret)
{
	struct sz_cel_value *v = sz_cel_take(r, n->n * sizeof(*v)), unknown = {0}, x;
	u32 i, count = 0;

	for (i = 0; i < n->n && !r->stop; i++) {
		sz_cel_run(r, kid_of(r->p, n, i), &x);
		if (x.type == SZ_CEL_ERROR) {
			*ret = x;
			return;
		}
		if (x.type == SZ_CEL_UNKNOWN) {
			sz_cel_unknown_merge(r, &x, &unknown);
			continue;
		}
		if (n->kid[i] & KID_OPTIONAL) {
			if (x.type != SZ_CEL_OPTIONAL) {
				r->pos = kid_of(r->p, n, i)->pos;
				sz_cel_error(r, ret, "an element behind '?' must be optional");
				return;
			}
			if (!x.opt)
				continue;
			x = *x.opt;
		}
		v[count++] = x;
	}
	if (unknown.type == SZ_CEL_UNKNOWN)
		*ret = unknown;
	else if (!r->stop)
		*ret = sz_cel_list(v, count);
}

/* One entry into m; false with *ret where the result is an error. */
static bool add_entry(struct run *r, const struct node *n, u32 i, struct sz_cel_map *m,
		      struct sz_cel_value *unknown, struct sz_cel_value *ret)
{
	struct entry *e = &m->e[m->n];

	sz_cel_run(r, kid_of(r->p, n, i), &e->key);
	if (e->key.type != SZ_CEL_ERROR)
		sz_cel_run(r, kid_of(r->p, n, i + 1), &e->value);
	if (e->key.type == SZ_CEL_ERROR || e->value.type == SZ_CEL_ERROR) {
		*ret = e->key.type == SZ_CEL_ERROR ? e->key : e->value;
		return false;
	}
	r->pos = kid_of(r->p, n, i)->pos;
	if (is_bad(&e->key) || is_bad(&e->value)) {
		if (is_bad(&e->key))
			sz_cel_unknown_merge(r, &e->key, unknown);
		if (is_bad(&e->value))
			sz_cel_unknown_merge(r, &e->value, unknown);
		return true;
	}
	if (!sz_cel_is_key(&e->key)) {
		sz_cel_error(r, ret, "a value of type %s cannot be a key",
			     sz_cel_type_label(&e->key));
		return false;
	}
	if (n->kid[i] & KID_OPTIONAL) {
		if (e->value.type != SZ_CEL_OPTIONAL) {
			sz_cel_error(r, ret, "the value of a key behind '?' must be optional");
			return false;
		}
		if (!e->value.opt)
			return true;
		e->value = *e->value.opt;
	}
	m->n++;
	return true;
}

static void finish_map(struct run *r, struct sz_cel_map *m, struct sz_cel_value *ret)
{
	bool partial = false;
	u32 i, twice;
	int err;

	err = sz_cel_map_seal(r->arena, m, &twice);
	if (err == -EINVAL) {
		sz_cel_error(r, ret, "the same key twice in a map");
	} else if (err) {
		r->stop = "the budget of memory is used up";
	} else {
		for (i = 0; i < m->n; i++)
			partial |= is_partial(&m->e[i].value);
		*ret = (struct sz_cel_value){
			.type = SZ_CEL_MAP, .partial = partial, .n = m->n, .map = m};
	}
}

void sz_cel_run_map(struct run *r, const struct node *n, struct sz_cel_value *ret)
{
	struct sz_cel_map *m = sz_cel_map_room(r->arena, n->n / 2);
	struct sz_cel_value unknown = {0};
	u32 i;

	if (!m)
		r->stop = "the budget of memory is used up";
	for (i = 0; i < n->n && !r->stop; i += 2)
		if (!add_entry(r, n, i, m, &unknown, ret))
			return;
	if (unknown.type == SZ_CEL_UNKNOWN)
		*ret = unknown;
	else if (!r->stop)
		finish_map(r, m, ret);
}
