/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What is refused when the verifier is busy, and who is refused last: the limit of open questions
 * ("limits: adaptive") and priorities, of a service, a network, or of principals by their verified
 * claims. Called for the top of the file, for services and for networks.
 */
#include <string.h>

#include "config/config_priv.h"

#define TARGET_MS_MAX 10000
#define LIMIT_MAX     65536

#define OFF(member) .off = offsetof(struct sz_conf_adaptive, member)

static const struct sz_conf_field adaptive_fields[] = {
	{"target", sz_conf_read_ms, OFF(target_ms), .min = 1, .max = TARGET_MS_MAX},
	{"min", sz_conf_read_u32, OFF(min), .min = 1, .max = LIMIT_MAX},
	{"max", sz_conf_read_u32, OFF(max), .min = 1, .max = LIMIT_MAX},
	{"dry_run", sz_conf_read_bool, OFF(dry_run)},
};

int sz_conf_read_adaptive(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
			  void *obj)
{
	struct sz_conf_adaptive *a = &((struct sz_conf *)obj)->adaptive;
	const char *s;

	if (v->type == YAML_SCALAR_NODE) {
		s = sz_conf_scalar(r, f->key, v);
		if (!s)
			return -EINVAL;
		if (strcmp(s, "none"))
			return sz_conf_fail(r, sz_conf_line(v),
					    "adaptive \"%.64s\" is not known; write none, or "
					    "{target: 50ms, min: 64, max: 4096}",
					    s);
		a->on = false;
		return 0;
	}
	if (sz_conf_map(r, f->key, v, adaptive_fields, SZ_ARRAY_LEN(adaptive_fields), a))
		return -EINVAL;
	if (a->min > a->max)
		return sz_conf_fail(r, sz_conf_line(v),
				    "adaptive: min %u is above max %u; give a min of at most max",
				    a->min, a->max);
	return 0;
}

int sz_conf_read_priority(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
			  void *obj)
{
#define WORD(n, NAME, word, percent) [n] = (word),
	static const char *const words[] = {SZ_PRIORITY_LIST(WORD)};
	const char *s = sz_conf_scalar(r, f->key, v);
	u32 p;

	if (!s)
		return -EINVAL;
	for (p = SZ_PRIORITY_LOW; p < SZ_PRIORITY_COUNT; p++)
		if (!strcmp(words[p], s)) {
			*(enum sz_priority *)(void *)((char *)obj + f->off) = p;
			return 0;
		}
	return sz_conf_fail(r, sz_conf_line(v),
			    "priority \"%.64s\" is not known; write high, normal or low", s);
}

#undef OFF
#define OFF(member) .off = offsetof(struct sz_conf_priority, member)

static const struct sz_conf_field priority_fields[] = {
	{"priority", sz_conf_read_priority, OFF(priority), .required = true},
	{"issuer", sz_conf_read_text, OFF(issuer)},
	{"scopes", sz_conf_read_scopes, OFF(scopes), .max = SZ_CONF_LIST_MAX,
	 .n_off = offsetof(struct sz_conf_priority, n_scopes)},
	{"claims", sz_conf_read_claims, OFF(claims),
	 .n_off = offsetof(struct sz_conf_priority, n_claims)},
};

int sz_conf_read_priorities(struct sz_conf_reader *r, const struct sz_conf_field *f,
			    yaml_node_t *v, void *obj)
{
	struct sz_conf *c = obj;
	size_t n, i;

	if (sz_conf_list(r, f->key, v, SZ_CONF_LIST_MAX, &n))
		return -EINVAL;
	c->priorities = sz_calloc(n, sizeof(*c->priorities));
	c->n_priorities = n;
	for (i = 0; i < n; i++) {
		struct sz_conf_priority *p = &c->priorities[i];
		yaml_node_t *item = sz_conf_item(r, v, i);

		p->line = sz_conf_line(item);
		if (sz_conf_map(r, "the priority", item, priority_fields,
				SZ_ARRAY_LEN(priority_fields), p))
			return -EINVAL;
		if (!p->issuer && !p->n_scopes && !p->n_claims)
			return sz_conf_fail(r, p->line,
					    "this priority would be everybody's; add an issuer, "
					    "scopes or claims, or give it to a service");
	}
	return 0;
}

int sz_conf_check_priorities(struct sz_conf_reader *r, const struct sz_conf *c)
{
	for (size_t i = 0; i < c->n_priorities; i++) {
		const struct sz_conf_priority *p = &c->priorities[i];
		size_t k = 0;

		while (p->issuer && k < c->n_issuers && strcmp(c->issuers[k].issuer, p->issuer))
			k++;
		if (p->issuer && k == c->n_issuers)
			return sz_conf_fail(r, p->line,
					    "issuer \"%.100s\" is none of those under \"issuers\"; "
					    "write it as it stands there",
					    p->issuer);
	}
	return 0;
}

void sz_conf_priorities_free(struct sz_conf_priority *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(p[i].issuer);
		sz_conf_texts_free(p[i].scopes, p[i].n_scopes);
		for (size_t k = 0; k < p[i].n_claims; k++) {
			free(p[i].claims[k].name);
			free(p[i].claims[k].value);
		}
		free(p[i].claims);
	}
	free(p);
}
