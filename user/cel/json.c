/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Values from and to JSON: plain, as a token's claims are, and typed, as test cases are. Called by
 * those who bind variables and show results, never by an evaluation.
 */
#include <math.h>

#include "codec/codec.h"
#include "cel_priv.h"

#define PARTS_MAX 1000000

static int copy_string(struct sz_cel_arena *a, const json_t *v, struct sz_cel_value *ret)
{
	size_t n = json_string_length(v);
	char *s = n <= UINT32_MAX ? sz_cel_alloc(a, n) : NULL;

	if (!s && n)
		return -ENOMEM;
	if (n)
		memcpy(s, json_string_value(v), n);
	*ret = sz_cel_string(s, n);
	return 0;
}

static int plain(struct sz_cel_arena *a, const json_t *v, u32 depth, struct sz_cel_value *ret);

static int plain_list(struct sz_cel_arena *a, const json_t *v, u32 depth, struct sz_cel_value *ret)
{
	size_t n = json_array_size(v), i;
	struct sz_cel_value *e = sz_cel_alloc(a, n * sizeof(*e));
	int err = 0;

	if (!e)
		return -ENOMEM;
	for (i = 0; i < n && !err; i++)
		err = plain(a, json_array_get(v, i), depth + 1, &e[i]);
	*ret = (struct sz_cel_value){.type = SZ_CEL_LIST, .n = (u32)n, .list = e};
	return err;
}

static int plain_map(struct sz_cel_arena *a, const json_t *v, u32 depth, struct sz_cel_value *ret)
{
	size_t n = json_object_size(v);
	struct sz_cel_map *m = sz_cel_map_room(a, (u32)n);
	const char *key;
	u32 i = 0, twice;
	json_t *member;
	int err = 0;
	char *s;

	if (!m)
		return -ENOMEM;
	json_object_foreach((json_t *)v, key, member)
	{
		size_t len = strlen(key);

		s = sz_cel_alloc(a, len);
		if (!s && len)
			return -ENOMEM;
		if (len)
			memcpy(s, key, len);
		m->e[i].key = sz_cel_string(s, len);
		err = plain(a, member, depth + 1, &m->e[i].value);
		if (err)
			return err;
		i++;
	}
	m->n = i;
	err = sz_cel_map_seal(a, m, &twice);
	*ret = (struct sz_cel_value){.type = SZ_CEL_MAP, .n = i, .map = m};
	return err;
}

static int plain(struct sz_cel_arena *a, const json_t *v, u32 depth, struct sz_cel_value *ret)
{
	if (depth > SZ_CEL_DEPTH_MAX)
		return -EINVAL;
	switch (json_typeof(v)) {
	case JSON_OBJECT:
		return plain_map(a, v, depth, ret);
	case JSON_ARRAY:
		return plain_list(a, v, depth, ret);
	case JSON_STRING:
		return copy_string(a, v, ret);
	case JSON_INTEGER:
		*ret = sz_cel_int(json_integer_value(v));
		return 0;
	case JSON_REAL:
		*ret = sz_cel_double(json_real_value(v));
		return 0;
	case JSON_TRUE:
	case JSON_FALSE:
		*ret = sz_cel_bool(json_is_true(v));
		return 0;
	default:
		*ret = (struct sz_cel_value){.type = SZ_CEL_NULL};
		return 0;
	}
}

int sz_cel_from_json(struct sz_cel_arena *a, const json_t *v, struct sz_cel_value *ret)
{
	return plain(a, v, 0, ret);
}

/* ---- typed ---------------------------------------------------------------------------------- */

static int typed(struct sz_cel_arena *a, const json_t *v, u32 depth, struct sz_cel_value *ret);

/* A number as a string, which jansson could not hold; or as a number. */
static int typed_number(const char *kind, const json_t *v, struct sz_cel_value *ret)
{
	const char *s = json_string_value(v);
	char *end = NULL;

	errno = 0;
	if (json_is_number(v)) {
		*ret = !strcmp(kind, "double") ? sz_cel_double(json_number_value(v))
		       : !strcmp(kind, "int")  ? sz_cel_int(json_integer_value(v))
					       : sz_cel_uint((u64)json_integer_value(v));
		return json_is_integer(v) || !strcmp(kind, "double") ? 0 : -EINVAL;
	}
	if (!s || !*s)
		return -EINVAL;
	if (!strcmp(kind, "int"))
		*ret = sz_cel_int(strtoll(s, &end, 10));
	else if (!strcmp(kind, "uint"))
		*ret = sz_cel_uint(strtoull(s, &end, 10));
	else
		*ret = sz_cel_double(strtod(s, &end));
	return *end || (errno == ERANGE && ret->type != SZ_CEL_DOUBLE) ? -EINVAL : 0;
}

static int typed_bytes(struct sz_cel_arena *a, const json_t *v, struct sz_cel_value *ret)
{
	size_t n = json_string_length(v);
	u8 *p = sz_cel_alloc(a, n / 2 + 1);

	if (!p)
		return -ENOMEM;
	if (!json_is_string(v) || sz_hex_decode(json_string_value(v), n, p))
		return -EINVAL;
	*ret = sz_cel_bytes((char *)p, n / 2);
	return 0;
}

static int typed_list(struct sz_cel_arena *a, const json_t *v, u32 depth, struct sz_cel_value *ret)
{
	size_t n = json_array_size(v), i;
	struct sz_cel_value *e = sz_cel_alloc(a, n * sizeof(*e));
	int err = json_is_array(v) ? 0 : -EINVAL;

	if (!e)
		return -ENOMEM;
	for (i = 0; i < n && !err; i++)
		err = typed(a, json_array_get(v, i), depth + 1, &e[i]);
	*ret = (struct sz_cel_value){.type = SZ_CEL_LIST, .n = (u32)n, .list = e};
	return err;
}

static int typed_map(struct sz_cel_arena *a, const json_t *v, u32 depth, struct sz_cel_value *ret)
{
	size_t n = json_array_size(v), i;
	struct sz_cel_value *pairs = sz_cel_alloc(a, 2 * n * sizeof(*pairs));
	int err = json_is_array(v) ? 0 : -EINVAL;

	if (!pairs)
		return -ENOMEM;
	for (i = 0; i < n && !err; i++) {
		const json_t *pair = json_array_get(v, i);

		err = json_array_size(pair) == 2 ? 0 : -EINVAL;
		if (!err)
			err = typed(a, json_array_get(pair, 0), depth + 1, &pairs[2 * i]);
		if (!err)
			err = typed(a, json_array_get(pair, 1), depth + 1, &pairs[2 * i + 1]);
	}
	return err ? err : sz_cel_map(a, pairs, (u32)n, ret);
}

/* The kinds whose text form is read as the language would. */
static int typed_text(struct sz_cel_arena *a, const char *kind, const json_t *v,
		      struct sz_cel_value *ret)
{
	const char *s = json_string_value(v);
	size_t n = json_string_length(v);
	struct sz_cel_net *net;
	struct text name = {s, (u32)n};
	u32 ns;
	s64 t;

	if (!s)
		return -EINVAL;
	if (!strcmp(kind, "timestamp")) {
		if (sz_cel_time_parse(s, n, &t, &ns))
			return -EINVAL;
		*ret = sz_cel_timestamp(t, ns);
	} else if (!strcmp(kind, "duration")) {
		if (sz_cel_duration_parse(s, n, &t))
			return -EINVAL;
		*ret = sz_cel_duration(t);
	} else if (!strcmp(kind, "type")) {
		return sz_cel_type_name(&name, ret) ? 0 : -EINVAL;
	} else if (!strcmp(kind, "ip") || !strcmp(kind, "cidr")) {
		net = sz_cel_alloc(a, sizeof(*net));
		if (!net || sz_cel_net_parse(s, n, *kind == 'c', net))
			return net ? -EINVAL : -ENOMEM;
		ret->type = *kind == 'c' ? SZ_CEL_CIDR : SZ_CEL_IP;
		ret->net = net;
	} else {
		return -EINVAL;
	}
	return 0;
}

static int typed_optional(struct sz_cel_arena *a, const json_t *v, u32 depth,
			  struct sz_cel_value *ret)
{
	struct sz_cel_value *opt;

	*ret = (struct sz_cel_value){.type = SZ_CEL_OPTIONAL};
	if (json_is_null(v))
		return 0;
	opt = sz_cel_alloc(a, sizeof(*opt));
	ret->opt = opt;
	return opt ? typed(a, v, depth + 1, opt) : -ENOMEM;
}

static int typed(struct sz_cel_arena *a, const json_t *v, u32 depth, struct sz_cel_value *ret)
{
	const char *kind = json_object_iter_key(json_object_iter((json_t *)v));
	const json_t *inner = kind ? json_object_get(v, kind) : NULL;

	*ret = (struct sz_cel_value){0};
	if (!inner || json_object_size(v) != 1 || depth > SZ_CEL_DEPTH_MAX)
		return -EINVAL;
	if (!strcmp(kind, "int") || !strcmp(kind, "uint") || !strcmp(kind, "double"))
		return typed_number(kind, inner, ret);
	if (!strcmp(kind, "string"))
		return json_is_string(inner) ? copy_string(a, inner, ret) : -EINVAL;
	if (!strcmp(kind, "bytes_hex"))
		return typed_bytes(a, inner, ret);
	if (!strcmp(kind, "list"))
		return typed_list(a, inner, depth, ret);
	if (!strcmp(kind, "map"))
		return typed_map(a, inner, depth, ret);
	if (!strcmp(kind, "optional"))
		return typed_optional(a, inner, depth, ret);
	if (!strcmp(kind, "null") || !strcmp(kind, "bool")) {
		*ret = sz_cel_bool(json_is_true(inner));
		if (*kind == 'n')
			*ret = (struct sz_cel_value){.type = SZ_CEL_NULL};
		return *kind == 'n' ? (json_is_null(inner) ? 0 : -EINVAL)
				    : (json_is_boolean(inner) ? 0 : -EINVAL);
	}
	return typed_text(a, kind, inner, ret);
}

int sz_cel_from_typed(struct sz_cel_arena *a, const json_t *v, struct sz_cel_value *ret)
{
	return typed(a, v, 0, ret);
}

static json_t *wrap(const char *kind, json_t *v)
{
	return json_pack("{s:o}", kind, v);
}

static json_t *to_typed(const struct sz_cel_value *v, u32 *left);

static json_t *list_json(const struct sz_cel_value *v, u32 *left)
{
	json_t *a = json_array(), *e;
	u32 i;

	for (i = 0; i < v->n; i++) {
		e = to_typed(&v->list[i], left);
		if (!e) {
			json_decref(a);
			return NULL;
		}
		json_array_append_new(a, e);
	}
	return wrap("list", a);
}

static json_t *map_json(const struct sz_cel_value *v, u32 *left)
{
	json_t *a = json_array(), *key, *value;
	u32 i;

	for (i = 0; i < v->n; i++) {
		key = to_typed(&v->map->e[i].key, left);
		value = to_typed(&v->map->e[i].value, left);
		if (!key || !value) {
			json_decref(key);
			json_decref(value);
			json_decref(a);
			return NULL;
		}
		json_array_append_new(a, json_pack("[o, o]", key, value));
	}
	return wrap("map", a);
}

static json_t *optional_json(const struct sz_cel_value *v, u32 *left)
{
	json_t *inner = v->opt ? to_typed(v->opt, left) : json_null();

	return inner ? wrap("optional", inner) : NULL;
}

static json_t *bytes_json(const struct sz_cel_value *v)
{
	char *hex = sz_calloc((size_t)v->n * 2 + 1, 1);
	json_t *ret;

	if (v->n)
		sz_hex_encode((const u8 *)v->s, v->n, hex);
	ret = wrap("bytes_hex", json_string(hex));
	free(hex);
	return ret;
}

static json_t *text_json(const char *kind, const struct sz_cel_value *v)
{
	struct sz_buf b = {0};
	json_t *ret;

	sz_cel_print(v, &b);
	ret = wrap(kind, json_stringn(b.data ? b.data : "", b.len));
	sz_buf_done(&b);
	return ret;
}

static json_t *double_json(double d)
{
	struct sz_buf b = {0};
	json_t *ret;

	if (isnan(d) || isinf(d))
		return wrap("double", json_string(isnan(d) ? "nan" : d < 0 ? "-inf" : "inf"));
	sz_cel_double_text(d, false, &b);
	ret = wrap("double", json_string(b.data));
	sz_buf_done(&b);
	return ret;
}

static json_t *to_typed(const struct sz_cel_value *v, u32 *left)
{
	char text[SZ_ADDR_STRLEN + 4];

	if (!*left)
		return NULL;
	--*left;
	switch (v->type) {
	case SZ_CEL_NULL:
		return wrap("null", json_null());
	case SZ_CEL_BOOL:
		return wrap("bool", json_boolean(v->b));
	case SZ_CEL_INT:
	case SZ_CEL_UINT:
		snprintf(text, sizeof(text), v->type == SZ_CEL_INT ? "%lld" : "%llu",
			 (long long)v->i);
		return wrap(v->type == SZ_CEL_INT ? "int" : "uint", json_string(text));
	case SZ_CEL_DOUBLE:
		return double_json(v->d);
	case SZ_CEL_STRING:
		return wrap("string", json_stringn(v->n ? v->s : "", v->n));
	case SZ_CEL_BYTES:
		return bytes_json(v);
	case SZ_CEL_LIST:
		return list_json(v, left);
	case SZ_CEL_MAP:
		return map_json(v, left);
	case SZ_CEL_TIMESTAMP:
		sz_cel_time_text(v->i, v->n, text);
		return wrap("timestamp", json_string(text));
	case SZ_CEL_DURATION:
		sz_cel_duration_text(v->i, text);
		return wrap("duration", json_string(text));
	case SZ_CEL_TYPE:
		return text_json("type", v);
	case SZ_CEL_OPTIONAL:
		return optional_json(v, left);
	case SZ_CEL_IP:
	case SZ_CEL_CIDR:
		sz_cel_net_text(v, text);
		return wrap(v->type == SZ_CEL_IP ? "ip" : "cidr", json_string(text));
	default:
		return NULL;
	}
}

json_t *sz_cel_to_typed(const struct sz_cel_value *v)
{
	u32 left = PARTS_MAX; /* small values may have many parts: [x, x] of [y, y] and so on */

	return to_typed(v, &left);
}
