/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a route asks for beyond scopes and claims: conditions in CEL, relationships, a step-up, a
 * score of risk; and the file's "policy" section. Called for each route and once for the file. The
 * texts are kept with the place they stand at: the policy room compiles them and names that place.
 */
#include <string.h>

#include "config/config_priv.h"

#define ROUTE(member)  .off = offsetof(struct sz_conf_route, member)
#define TOP(member)    .off = offsetof(struct sz_conf, policy.member)
#define CEL_MAX        8192 /* bytes of one expression */
#define STEP_AGE_MAX   (365 * 86400u)

/* Blanks at the beginning of the line that has this number, from 0. */
static u32 indent_of(const char *text, size_t n, size_t line)
{
	const char *p = text, *end = text + n;
	u32 blanks = 0;

	for (; line && p; line--) {
		p = memchr(p, '\n', (size_t)(end - p));
		p = p ? p + 1 : NULL;
	}
	while (p && p + blanks < end && p[blanks] == ' ')
		blanks++;
	return blanks;
}

/* Text of one expression, which may be a block over several lines. */
static int read_cel(struct sz_conf_reader *r, const char *key, yaml_node_t *v,
		    struct sz_conf_cel *ret)
{
	const char *s = (const char *)v->data.scalar.value;
	yaml_scalar_style_t style = v->data.scalar.style;
	size_t n = v->data.scalar.length, i;

	if (v->type != YAML_SCALAR_NODE)
		return sz_conf_fail(r, sz_conf_line(v),
				    "%s takes an expression; write it in single quotes", key);
	while (n && (s[n - 1] == '\n' || s[n - 1] == ' '))
		n--;
	if (!n)
		return sz_conf_fail(r, sz_conf_line(v),
				    "%s has no value; give one or remove the key", key);
	if (n > CEL_MAX)
		return sz_conf_fail(r, sz_conf_line(v), "%s is longer than %d bytes; shorten it",
				    key, CEL_MAX);
	for (i = 0; i < n; i++)
		if ((u8)s[i] < 0x20 && s[i] != '\n' && s[i] != '\t')
			return sz_conf_fail(r, sz_conf_line(v),
					    "%s contains a control character; remove it", key);
	*ret = (struct sz_conf_cel){.text = sz_strndup(s, n),
				    .file = sz_strdup(r->name),
				    .line = sz_conf_line(v),
				    .column = (u32)v->start_mark.column + 1};
	if (style == YAML_LITERAL_SCALAR_STYLE || style == YAML_FOLDED_SCALAR_STYLE) {
		ret->line++;
		ret->column = indent_of(r->text, r->text_n, ret->line - 1) + 1;
	} else if (style != YAML_PLAIN_SCALAR_STYLE) {
		ret->column++;
	}
	return 0;
}

int sz_conf_read_when(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
		     void *obj)
{
	struct sz_conf_route *t = obj;
	size_t n, i;

	if (sz_conf_list(r, f->key, v, SZ_CONF_CONDITIONS_MAX, &n))
		return -EINVAL;
	t->when = sz_calloc(n, sizeof(*t->when));
	t->n_when = n;
	for (i = 0; i < n; i++)
		if (read_cel(r, f->key, sz_conf_item(r, v, i), &t->when[i]))
			return -EINVAL;
	return 0;
}

/* ---- relationships -------------------------------------------------------------------------- */

static int read_template(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
			 void *obj)
{
	struct sz_conf_cel *ret = (struct sz_conf_cel *)(void *)((char *)obj + f->off);

	if (!sz_conf_scalar(r, f->key, v))
		return -EINVAL;
	return read_cel(r, f->key, v, ret);
}

#define RELATION(member) .off = offsetof(struct sz_conf_relation, member)
static const struct sz_conf_field relation_fields[] = {
	{"object", read_template, RELATION(object), .required = true},
	{"relation", sz_conf_read_text, RELATION(relation), .max = 50, .required = true},
	{"user", read_template, RELATION(user)},
	{"context", read_template, RELATION(context)},
};

int sz_conf_read_relation(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
			 void *obj)
{
	struct sz_conf_route *t = obj;
	size_t n = 1, i;

	if (v->type != YAML_MAPPING_NODE && sz_conf_list(r, f->key, v, SZ_CONF_CONDITIONS_MAX, &n))
		return -EINVAL;
	t->relations = sz_calloc(n, sizeof(*t->relations));
	t->n_relations = n;
	for (i = 0; i < n; i++) {
		yaml_node_t *item = sz_conf_item(r, v, i);

		t->relations[i].line = sz_conf_line(item);
		if (sz_conf_map(r, f->key, item, relation_fields, SZ_ARRAY_LEN(relation_fields),
				&t->relations[i]))
			return -EINVAL;
	}
	return 0;
}

/* ---- step-up and risk ----------------------------------------------------------------------- */

/* What is put between quotes in a header of the answer. */
static int check_acr(struct sz_conf_reader *r, yaml_node_t *v, const struct sz_conf_route *t)
{
	size_t all = 0;

	for (size_t i = 0; i < t->step_up.n_acr; i++) {
		const char *s = t->step_up.acr[i];

		all += strlen(s) + 1;
		for (; *s; s++)
			if (*s <= ' ' || *s > '~' || *s == '"' || *s == '\\')
				return sz_conf_fail(r, sz_conf_line(sz_conf_item(r, v, i)),
						    "acr value \"%.64s\" has a blank, quote, "
						    "backslash or other byte that no answer can "
						    "hold; write a plain name or URN",
						    t->step_up.acr[i]);
	}
	if (all > SZ_CONF_ACR_MAX)
		return sz_conf_fail(r, sz_conf_line(v),
				    "the acr values have more than %d bytes in all and do not fit "
				    "into the answer; name fewer",
				    SZ_CONF_ACR_MAX);
	return 0;
}

static int read_acr(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
		    void *obj)
{
	return sz_conf_read_texts(r, f, v, obj) ? -EINVAL : check_acr(r, v, obj);
}

static const struct sz_conf_field step_up_fields[] = {
	{"acr_values", read_acr, ROUTE(step_up.acr),
	 .n_off = offsetof(struct sz_conf_route, step_up.n_acr), .max = 8},
	{"max_age", sz_conf_read_s, ROUTE(step_up.max_age_s), .min = 1, .max = STEP_AGE_MAX},
};

int sz_conf_read_step_up(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
			void *obj)
{
	struct sz_conf_route *t = obj;

	if (sz_conf_map(r, f->key, v, step_up_fields, SZ_ARRAY_LEN(step_up_fields), obj))
		return -EINVAL;
	if (!t->step_up.n_acr && !t->step_up.max_age_s)
		return sz_conf_fail(r, sz_conf_line(v),
				    "step_up asks for nothing; add acr_values or max_age");
	t->step_up.on = true;
	return 0;
}

static const struct sz_conf_field risk_fields[] = {
	{"step_up", sz_conf_read_u32, ROUTE(risk.step_up), .min = 1, .max = SZ_CONF_WEIGHT_MAX},
	{"deny", sz_conf_read_u32, ROUTE(risk.deny), .min = 1, .max = SZ_CONF_WEIGHT_MAX},
};

int sz_conf_read_risk(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
		     void *obj)
{
	struct sz_conf_route *t = obj;

	if (sz_conf_map(r, f->key, v, risk_fields, SZ_ARRAY_LEN(risk_fields), obj))
		return -EINVAL;
	t->risk.line = sz_conf_line(v);
	if (!t->risk.step_up && !t->risk.deny)
		return sz_conf_fail(r, t->risk.line,
				    "risk names no threshold; add step_up, deny or both");
	if (t->risk.step_up && t->risk.deny && t->risk.step_up >= t->risk.deny)
		return sz_conf_fail(r, t->risk.line,
				    "risk.step_up is not below risk.deny and would never be "
				    "reached; lower it");
	return 0;
}

int sz_conf_check_policy(struct sz_conf_reader *r, const struct sz_conf_route *t)
{
	const char *asks = t->n_when        ? "when"
			   : t->n_relations ? "relation"
			   : t->step_up.on  ? "step_up"
			   : t->risk.line   ? "risk"
					    : NULL;

	if (t->public && asks)
		return sz_conf_fail(r, t->line,
				    "the route is public and asks for \"%s\"; remove \"public\" or "
				    "\"%s\"",
				    asks, asks);
	if (t->risk.step_up && !t->step_up.on)
		return sz_conf_fail(r, t->risk.line,
				    "risk.step_up needs \"step_up\" beside it, which says what the "
				    "client must do: acr_values, max_age or both");
	return 0;
}

int sz_conf_check_relation(struct sz_conf_reader *r, const struct sz_conf *c,
			   const struct sz_conf_route *t)
{
	if (!t->n_relations || (c->policy.store && c->rebac.on))
		return 0;
	return sz_conf_fail(r, t->line,
			    "the route asks for a relationship, but nobody keeps any; add \"rebac: "
			    "{}\", and the store's name as \"store\" under \"policy\"");
}

static void cel_done(struct sz_conf_cel *c)
{
	free(c->text);
	free(c->file);
}

void sz_conf_route_policy_done(struct sz_conf_route *t)
{
	size_t i;

	for (i = 0; i < t->n_when; i++)
		cel_done(&t->when[i]);
	free(t->when);
	for (i = 0; i < t->n_relations; i++) {
		cel_done(&t->relations[i].object);
		cel_done(&t->relations[i].user);
		cel_done(&t->relations[i].context);
		free(t->relations[i].relation);
	}
	free(t->relations);
	sz_conf_texts_free(t->step_up.acr, t->step_up.n_acr);
}

/* ---- the file's "policy" section ------------------------------------------------------------ */

#define SIGNAL(member) .off = offsetof(struct sz_conf_signal, member)

static int read_signal_when(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
			    void *obj)
{
	return read_cel(r, f->key, v, &((struct sz_conf_signal *)obj)->when);
}

static const struct sz_conf_field signal_fields[] = {
	{"name", sz_conf_read_text, SIGNAL(name), .max = 63, .required = true},
	{"when", .read = read_signal_when, .required = true},
	{"weight", sz_conf_read_u32, SIGNAL(weight), .min = 1, .max = SZ_CONF_WEIGHT_MAX,
	 .required = true},
};

static int read_signals(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
			void *obj)
{
	struct sz_conf *c = obj;
	size_t n, i;

	if (sz_conf_list(r, f->key, v, SZ_CONF_SIGNALS_MAX, &n))
		return -EINVAL;
	c->policy.signals = sz_calloc(n, sizeof(*c->policy.signals));
	c->policy.n_signals = n;
	for (i = 0; i < n; i++)
		if (sz_conf_map(r, "the signal", sz_conf_item(r, v, i), signal_fields,
				SZ_ARRAY_LEN(signal_fields), &c->policy.signals[i]))
			return -EINVAL;
	return 0;
}

/* A path as the file gives it: relative to the file itself. */
static char *beside(const char *conf, const char *s)
{
	const char *slash = strrchr(conf, '/');
	struct sz_buf b = {0};

	if (s[0] == '/' || !slash)
		return sz_strdup(s);
	sz_buf_printf(&b, "%.*s/%s", (int)(slash - conf), conf, s);
	return b.data;
}

static int read_tables(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
		       void *obj)
{
	struct sz_conf *c = obj;
	yaml_node_pair_t *p;
	size_t n;

	if (v->type != YAML_MAPPING_NODE)
		return sz_conf_fail(r, sz_conf_line(v),
				    "%s must be names with files; write \"name: FILE\" lines, like "
				    "employees: employees.json",
				    f->key);
	n = (size_t)(v->data.mapping.pairs.top - v->data.mapping.pairs.start);
	if (n > SZ_CONF_LIST_MAX)
		return sz_conf_fail(r, sz_conf_line(v),
				    "%s has %zu entries; at most %d are allowed", f->key, n,
				    SZ_CONF_LIST_MAX);
	c->policy.tables = sz_calloc(n + 1, sizeof(*c->policy.tables));
	for (p = v->data.mapping.pairs.start; p < v->data.mapping.pairs.top; p++) {
		struct sz_conf_table *t = &c->policy.tables[c->policy.n_tables];
		yaml_node_t *k = yaml_document_get_node(&r->doc, p->key);
		yaml_node_t *file = yaml_document_get_node(&r->doc, p->value);
		const char *name = sz_conf_scalar(r, "the name of a table", k), *s;

		if (!name)
			return -EINVAL;
		if (!sz_conf_is_name(name) || strpbrk(name, ".-"))
			return sz_conf_fail(r, sz_conf_line(k),
					    "table \"%.64s\" is not letters, digits and \"_\"; "
					    "write it like employees",
					    name);
		s = sz_conf_scalar(r, name, file);
		if (!s)
			return -EINVAL;
		*t = (struct sz_conf_table){
			.name = sz_strdup(name),
			.file = beside(r->name, s),
			.line = sz_conf_line(k),
		};
		c->policy.n_tables++;
	}
	return 0;
}

static int read_databases(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
			  void *obj)
{
	struct sz_conf *c = obj;
	size_t i;
	char *path;
	int err = sz_conf_read_texts(r, f, v, obj);

	c->policy.location_line = sz_conf_line(v);
	for (i = 0; !err && i < c->policy.n_locations; i++) {
		path = beside(r->name, c->policy.locations[i]);
		free(c->policy.locations[i]);
		c->policy.locations[i] = path;
	}
	return err;
}

static const struct sz_conf_field location_fields[] = {
	{"database", read_databases, TOP(locations), .required = true,
	 .n_off = offsetof(struct sz_conf, policy.n_locations), .max = SZ_CONF_LOCATIONS_MAX},
};

static int read_location(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
			 void *obj)
{
	return sz_conf_map(r, f->key, v, location_fields, SZ_ARRAY_LEN(location_fields), obj);
}

static const struct sz_conf_field policy_fields[] = {
	{"include", sz_conf_read_texts, TOP(include),
	 .n_off = offsetof(struct sz_conf, policy.n_include), .max = SZ_CONF_LIST_MAX},
	{"tables", .read = read_tables},
	{"location", .read = read_location},
	{"store", sz_conf_read_text, TOP(store), .max = 64},
	{"risk", .read = read_signals},
};

int sz_conf_read_policy(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
			void *obj)
{
	struct sz_conf *c = obj;

	c->policy.line = sz_conf_line(v);
	return sz_conf_map(r, f->key, v, policy_fields, SZ_ARRAY_LEN(policy_fields), obj);
}

void sz_conf_policy_done(struct sz_conf *c)
{
	size_t i;

	for (i = 0; i < c->policy.n_signals; i++) {
		free(c->policy.signals[i].name);
		cel_done(&c->policy.signals[i].when);
	}
	free(c->policy.signals);
	for (i = 0; i < c->policy.n_tables; i++) {
		free(c->policy.tables[i].name);
		free(c->policy.tables[i].file);
	}
	free(c->policy.tables);
	sz_conf_texts_free(c->policy.locations, c->policy.n_locations);
	sz_conf_texts_free(c->policy.include, c->policy.n_include);
	sz_conf_texts_free(c->policy.files, c->policy.n_files);
	free(c->policy.store);
}
