/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Unknown values: each names the paths it depends on. What is selected from one path is a longer
 * path; what is computed from several depends on all of them.
 */
#include "cel_priv.h"

#define PATH_MAX_BYTES 1024

struct sz_cel_unknown {
	u32 n;
	bool attribute; /* one path, which a selection makes longer */
	const char *path[];
};

static struct sz_cel_unknown *fresh(struct sz_cel_arena *a, u32 n)
{
	struct sz_cel_unknown *u;

	u = sz_cel_alloc(a, sizeof(*u) + n * sizeof(u->path[0]));
	if (u)
		u->n = n;
	return u;
}

int sz_cel_unknown(struct sz_cel_arena *a, const char *path, struct sz_cel_value *ret)
{
	size_t n = strlen(path) + 1;
	struct sz_cel_unknown *u = fresh(a, 1);
	char *copy = sz_cel_alloc(a, n);

	if (!u || !copy)
		return -ENOMEM;
	memcpy(copy, path, n);
	u->path[0] = copy;
	u->attribute = true;
	*ret = (struct sz_cel_value){.type = SZ_CEL_UNKNOWN, .unknown = u};
	return 0;
}

const char *sz_cel_unknown_path(const struct sz_cel_value *v, u32 i)
{
	return v->type == SZ_CEL_UNKNOWN && i < v->unknown->n ? v->unknown->path[i] : NULL;
}

static bool has_path(const struct sz_cel_unknown *u, u32 n, const char *path)
{
	u32 i;

	for (i = 0; i < n; i++)
		if (!strcmp(u->path[i], path))
			return true;
	return false;
}

static bool has_all(const struct sz_cel_unknown *u, const struct sz_cel_unknown *of)
{
	u32 i;

	for (i = 0; i < of->n; i++)
		if (!has_path(u, u->n, of->path[i]))
			return false;
	return true;
}

void sz_cel_unknown_merge(struct run *r, const struct sz_cel_value *x, struct sz_cel_value *ret)
{
	const struct sz_cel_unknown *a = ret->type == SZ_CEL_UNKNOWN ? ret->unknown : NULL;
	const struct sz_cel_unknown *b = x->unknown;
	struct sz_cel_unknown *u;
	u32 i, n = a ? a->n : 0;

	if (!pay(r, 1 + (u64)n * b->n / 16) || (a && !a->attribute && has_all(a, b)))
		return;
	u = sz_cel_take(r, sizeof(*u) + (n + b->n) * sizeof(u->path[0]));
	if (!u)
		return;
	for (i = 0; i < n; i++)
		u->path[u->n++] = a->path[i];
	for (i = 0; i < b->n; i++)
		if (!has_path(u, n, b->path[i]))
			u->path[u->n++] = b->path[i];
	*ret = (struct sz_cel_value){.type = SZ_CEL_UNKNOWN, .unknown = u};
}

void sz_cel_unknown_use(struct run *r, struct sz_cel_value *ret)
{
	struct sz_cel_value x = *ret;

	if (x.type != SZ_CEL_UNKNOWN || !x.unknown->attribute)
		return;
	ret->type = SZ_CEL_NULL;
	sz_cel_unknown_merge(r, &x, ret);
}

void sz_cel_unknown_select(struct run *r, const struct sz_cel_value *x, const char *field, u32 n,
			   struct sz_cel_value *ret)
{
	const struct sz_cel_unknown *from = x->unknown;
	size_t len = strlen(from->path[0]);
	struct sz_cel_unknown *u;
	char *path;

	*ret = *x;
	if (!from->attribute || len + n + 2 > PATH_MAX_BYTES || memchr(field, 0, n))
		return;
	u = sz_cel_take(r, sizeof(*u) + sizeof(u->path[0]));
	path = sz_cel_take(r, len + n + 2);
	if (!u || !path)
		return;
	memcpy(path, from->path[0], len);
	path[len] = '.';
	memcpy(path + len + 1, field, n);
	u->n = 1;
	u->attribute = true;
	u->path[0] = path;
	ret->unknown = u;
}

void sz_cel_unknown_inside(struct run *r, const struct sz_cel_value *v, struct sz_cel_value *ret)
{
	u32 i;

	if (v->type == SZ_CEL_UNKNOWN)
		sz_cel_unknown_merge(r, v, ret);
	if (!v->partial || !pay(r, v->n))
		return;
	for (i = 0; v->type == SZ_CEL_LIST && i < v->n; i++)
		sz_cel_unknown_inside(r, &v->list[i], ret);
	for (i = 0; v->type == SZ_CEL_MAP && i < v->n; i++)
		sz_cel_unknown_inside(r, &v->map->e[i].value, ret);
	if (v->type == SZ_CEL_OPTIONAL && v->opt)
		sz_cel_unknown_inside(r, v->opt, ret);
}
