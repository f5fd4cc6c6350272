/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Single values: text, paths, numbers, durations, sizes, rates. Called through the tables of known
 * keys. A number is never taken without its unit where it has one, and never rounded: what cannot
 * be held exactly is an error.
 */
#include <string.h>
#include <unistd.h>

#include "config/config_priv.h"

#define MEMBER(type, obj, f) ((type *)(void *)((char *)(obj) + (f)->off))

struct unit {
	const char *name;
	u64 factor;
};

static const struct unit durations[] = {
	{"ms", 1000000ull},          {"s", 1000000000ull},         {"m", 60 * 1000000000ull},
	{"h", 3600 * 1000000000ull}, {"d", 86400 * 1000000000ull},
};
static const struct unit sizes[] = {
	{"KiB", 1ull << 10},
	{"MiB", 1ull << 20},
	{"GiB", 1ull << 30},
};
static const struct unit periods[] = {
	{"/s", 1000000000ull},
	{"/m", 60 * 1000000000ull},
	{"/h", 3600 * 1000000000ull},
};

bool sz_conf_is_name(const char *s)
{
	size_t n = strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-");

	return n >= 1 && n <= 63 && !s[n];
}

/* Decimal digits up to *ret_end. */
static int parse_digits(const char *s, u64 *ret, const char **ret_end)
{
	const char *p = s;
	u64 v = 0;

	for (; *p >= '0' && *p <= '9'; p++)
		if (__builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, (u64)(*p - '0'), &v))
			return -EINVAL;
	*ret = v;
	*ret_end = p;
	return p == s ? -EINVAL : 0;
}

/* "10s" by the factors of `units`; *ret_unit is the one that was named. */
static int parse_quantity(const char *s, const struct unit *units, size_t n, u64 *ret,
			  const struct unit **ret_unit)
{
	const char *end;
	size_t i;

	if (parse_digits(s, ret, &end))
		return -EINVAL;
	for (i = 0; i < n; i++) {
		if (strcmp(end, units[i].name))
			continue;
		*ret_unit = &units[i];
		return 0;
	}
	return -EINVAL;
}

int sz_conf_read_text(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
		      void *obj)
{
	const char *s = sz_conf_scalar(r, f->key, v);

	if (!s)
		return -EINVAL;
	if (f->max && strlen(s) > f->max)
		return sz_conf_fail(r, sz_conf_line(v), "%s is longer than %llu bytes; shorten it",
				    f->key, f->max);
	*MEMBER(char *, obj, f) = sz_strdup(s);
	return 0;
}

int sz_conf_read_path(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
		      void *obj)
{
	const char *s = sz_conf_scalar(r, f->key, v);

	if (s && s[0] != '/')
		return sz_conf_fail(r, sz_conf_line(v),
				    "%s \"%.64s\" is not an absolute path; begin it with \"/\"",
				    f->key, s);
	return sz_conf_read_text(r, f, v, obj);
}

int sz_conf_read_file(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
		      void *obj)
{
	const char *s = sz_conf_scalar(r, f->key, v), *slash = strrchr(r->name, '/');
	struct sz_buf path = {0};
	char *cwd = NULL;

	if (!s)
		return -EINVAL;
	if (s[0] != '/' && r->name[0] != '/') {
		cwd = getcwd(NULL, 0);
		if (!cwd)
			return sz_conf_fail(r, sz_conf_line(v),
					    "the working directory cannot be told; "
					    "write %s as an absolute path",
					    f->key);
		sz_buf_printf(&path, "%s/", cwd);
		free(cwd);
	}
	if (s[0] != '/' && slash)
		sz_buf_add(&path, r->name, (size_t)(slash - r->name) + 1);
	sz_buf_printf(&path, "%s", s);
	*MEMBER(char *, obj, f) = path.data;
	return 0;
}

int sz_conf_read_texts(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
		       void *obj)
{
	size_t *count = (size_t *)(void *)((char *)obj + f->n_off), n, i;
	char ***texts = MEMBER(char **, obj, f);
	int err = sz_conf_list(r, f->key, v, f->max, &n);

	if (err)
		return err;
	*texts = sz_calloc(n, sizeof(**texts));
	*count = n;
	for (i = 0; i < n; i++) {
		const char *s = sz_conf_scalar(r, f->key, sz_conf_item(r, v, i));

		if (!s)
			return -EINVAL;
		(*texts)[i] = sz_strdup(s);
	}
	return 0;
}

int sz_conf_read_bool(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
		      void *obj)
{
	const char *s = sz_conf_scalar(r, f->key, v);

	if (!s)
		return -EINVAL;
	if (strcmp(s, "true") && strcmp(s, "false"))
		return sz_conf_fail(r, sz_conf_line(v),
				    "%s \"%.64s\" is neither true nor false; write one of the two",
				    f->key, s);
	*MEMBER(bool, obj, f) = s[0] == 't';
	return 0;
}

static int check_bounds(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
			u64 n, const char *unit)
{
	if (!f->max || (n >= f->min && n <= f->max))
		return 0;
	return sz_conf_fail(r, sz_conf_line(v),
			    "%s \"%.64s\" is out of range; write %llu%s to %llu%s", f->key,
			    v->data.scalar.value, f->min, unit, f->max, unit);
}

int sz_conf_read_u64(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
		     void *obj)
{
	const char *s = sz_conf_scalar(r, f->key, v), *end;
	u64 n;

	if (!s)
		return -EINVAL;
	if (parse_digits(s, &n, &end) || *end)
		return sz_conf_fail(r, sz_conf_line(v),
				    "%s \"%.64s\" is not a whole number; write digits only",
				    f->key, s);
	if (check_bounds(r, f, v, n, ""))
		return -EINVAL;
	*MEMBER(u64, obj, f) = n;
	return 0;
}

int sz_conf_read_u32(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
		     void *obj)
{
	struct sz_conf_field wide = *f;
	u64 n;
	int err;

	wide.off = 0;
	err = sz_conf_read_u64(r, &wide, v, &n);
	if (!err)
		*MEMBER(u32, obj, f) = (u32)n;
	return err;
}

/* A duration in whole `step` nanoseconds; the bounds of f count steps. */
static int read_duration(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
			 u64 step, const char *step_name, u64 *ret)
{
	const char *s = sz_conf_scalar(r, f->key, v);
	const struct unit *unit = &durations[0];
	u64 n;

	if (!s)
		return -EINVAL;
	if (!strcmp(s, "0"))
		n = 0;
	else if (parse_quantity(s, durations, SZ_ARRAY_LEN(durations), &n, &unit))
		return sz_conf_fail(r, sz_conf_line(v),
				    "%s \"%.64s\" is not a duration; write a "
				    "number and one of ms, s, m, h, d, like 30s",
				    f->key, s);
	if (__builtin_mul_overflow(n, unit->factor, &n))
		return sz_conf_fail(r, sz_conf_line(v),
				    "%s \"%.64s\" is too long; write a shorter duration",
				    f->key, s);
	if (n % step)
		return sz_conf_fail(r, sz_conf_line(v),
				    "%s \"%.64s\" is finer than one second; write whole seconds",
				    f->key, s);
	*ret = n / step;
	return check_bounds(r, f, v, *ret, step_name);
}

int sz_conf_read_ms(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
		    void *obj)
{
	u64 n;
	int err = read_duration(r, f, v, 1000000ull, "ms", &n);

	if (!err)
		*MEMBER(u32, obj, f) = (u32)n;
	return err;
}

int sz_conf_read_s(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
		   void *obj)
{
	u64 n;
	int err = read_duration(r, f, v, 1000000000ull, "s", &n);

	if (!err)
		*MEMBER(u32, obj, f) = (u32)n;
	return err;
}

int sz_conf_read_age(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
		     void *obj)
{
	const char *s = sz_conf_scalar(r, f->key, v);

	if (!s)
		return -EINVAL;
	if (strcmp(s, "none"))
		return read_duration(r, f, v, 1000000000ull, "s", MEMBER(u64, obj, f));
	*MEMBER(u64, obj, f) = 0;
	return 0;
}

int sz_conf_read_bytes(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
		       void *obj)
{
	const char *s = sz_conf_scalar(r, f->key, v);
	const struct unit *unit;
	u64 n;

	if (!s)
		return -EINVAL;
	if (parse_quantity(s, sizes, SZ_ARRAY_LEN(sizes), &n, &unit))
		return sz_conf_fail(r, sz_conf_line(v),
				    "%s \"%.64s\" is not a size; write a number "
				    "and one of KiB, MiB, GiB, like 256MiB",
				    f->key, s);
	if (__builtin_mul_overflow(n, unit->factor, &n) || n < f->min || n > f->max)
		return sz_conf_fail(r, sz_conf_line(v),
				    "%s \"%.64s\" is out of range; write %lluKiB to %lluGiB",
				    f->key, s, f->min >> 10, f->max >> 30);
	*MEMBER(u64, obj, f) = n;
	return 0;
}

/* ---- rates ---------------------------------------------------------------------------------- */

int sz_conf_rate_parse(const char *s, u64 burst, struct sz_conf_rate *ret)
{
	const struct unit *unit;
	u64 count;

	*ret = (struct sz_conf_rate){0};
	if (!strcmp(s, "0") || !strcmp(s, "none"))
		return 0;
	if (parse_quantity(s, periods, SZ_ARRAY_LEN(periods), &count, &unit))
		return -EINVAL;
	/* An interval is held in whole nanoseconds, rounded up: a long one keeps that below 1 %. */
	if (!count || count > unit->factor / SZ_RATE_INTERVAL_MIN)
		return -ERANGE;
	ret->interval_ns = (unit->factor + count - 1) / count;
	if (__builtin_mul_overflow(ret->interval_ns, burst ? burst : count, &ret->burst_ns) ||
	    ret->burst_ns >> 61)
		return -EOVERFLOW;
	return 0;
}

int sz_conf_read_rate_of(struct sz_conf_reader *r, const char *key, yaml_node_t *v, u64 burst,
			 struct sz_conf_rate *ret)
{
	const char *s = sz_conf_scalar(r, key, v);

	if (!s)
		return -EINVAL;
	switch (sz_conf_rate_parse(s, burst, ret)) {
	case 0:
		return 0;
	case -ERANGE:
		return sz_conf_fail(r, sz_conf_line(v),
				    "%s \"%.64s\" is out of range; write 1 to 10000000 a second, "
				    "or none for no limit",
				    key, s);
	case -EOVERFLOW:
		return sz_conf_fail(r, sz_conf_line(v),
				    "the burst of %s would take centuries to refill; "
				    "write a smaller one",
				    key);
	default:
		return sz_conf_fail(r, sz_conf_line(v),
				    "%s \"%.64s\" is not a rate; write a number and "
				    "/s, /m or /h, like 100/s, or none",
				    key, s);
	}
}
