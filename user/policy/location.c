/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * request.location: where the source of a request is. Unknown while the request is, since the same
 * token may come from anywhere; then it holds for the prefix that the databases' records cover. A
 * record that cannot be read stays unknown: what depends on it is refused and never remembered.
 */
#include <string.h>

#include "policy/policy_priv.h"

#define FIELDS_MAX 8

int sz_policy_locations(struct sz_policy *p, struct sz_error *e)
{
	const struct sz_conf *c = p->conf;
	struct sz_error why;
	size_t i;
	int err;

	for (i = 0; i < c->policy.n_locations; i++) {
		err = sz_geo_open(c->policy.locations[i], &p->locations[i], &why);
		if (err)
			return sz_error_set(e, err, "%.100s:%u: policy.location: %.380s", c->path,
					    c->policy.location_line, why.msg);
		p->n_locations++;
	}
	return 0;
}

void sz_policy_locations_done(struct sz_policy *p)
{
	u32 i;

	for (i = 0; i < p->n_locations; i++)
		sz_geo_close(p->locations[i]);
	p->n_locations = 0;
}

/* What all databases together say. */
static int find(const struct sz_policy *p, const struct sz_addr *source, struct sz_geo_place *ret)
{
	u32 i;
	int err = 0;

	memset(ret, 0, sizeof(*ret));
	for (i = 0; i < p->n_locations && !err; i++)
		err = sz_geo_find(p->locations[i], source, ret);
	return err;
}

struct field {
	const char *name;
	struct sz_cel_value value;
};

static void add_text(struct field *f, u32 *n, const char *name, const struct sz_geo_text *t)
{
	if (t->s)
		f[(*n)++] = (struct field){name, sz_cel_string(t->s, t->n)};
}

static u32 fields_of(const struct sz_geo_place *place, struct field f[FIELDS_MAX])
{
	u32 n = 0;

	add_text(f, &n, "country", &place->country);
	add_text(f, &n, "continent", &place->continent);
	add_text(f, &n, "region", &place->region);
	add_text(f, &n, "city", &place->city);
	if (place->has_asn)
		f[n++] = (struct field){"asn", sz_cel_int(place->asn)};
	add_text(f, &n, "organization", &place->organization);
	if (place->has_position) {
		f[n++] = (struct field){"latitude", sz_cel_double(place->latitude)};
		f[n++] = (struct field){"longitude", sz_cel_double(place->longitude)};
	}
	return n;
}

bool sz_policy_location(struct judge *j)
{
	struct sz_cel_value pairs[2 * FIELDS_MAX];
	struct field f[FIELDS_MAX];
	struct sz_geo_place place;
	u32 n, i;

	j->location_bits = 0;
	if (j->at->location && j->known != KNOWN_TOKEN) {
		j->location_bits = 128; /* said of this one source */
		return !sz_cel_from_json(&j->arena, j->at->location, &j->slots[SLOT_LOCATION]);
	}
	if ((j->known == KNOWN_TOKEN && (j->p->n_locations || j->at->location)) ||
	    find(j->p, &j->at->source, &place))
		return !sz_cel_unknown(&j->arena, "request.location", &j->slots[SLOT_LOCATION]);
	j->location_bits = place.bits;
	n = fields_of(&place, f);
	for (i = 0; i < n; i++) {
		pairs[2 * i] = sz_cel_string(f[i].name, strlen(f[i].name));
		pairs[2 * i + 1] = f[i].value;
	}
	return !sz_cel_map(&j->arena, pairs, n, &j->slots[SLOT_LOCATION]);
}

/* The prefix, as people write it. */
static void add_prefix(const struct sz_addr *source, u32 bits, struct sz_buf *ret)
{
	struct sz_addr net = *source;
	char text[SZ_ADDR_STRLEN];
	bool v4;
	u32 i;

	for (i = bits; i < 128; i++)
		net.b[i / 8] &= (u8)~(0x80u >> i % 8);
	v4 = strchr(sz_addr_format(&net, text), '.') && bits >= 96;
	sz_buf_printf(ret, " (of %s/%u)", text, v4 ? bits - 96 : bits);
}

void sz_policy_place(const struct sz_policy *p, const struct sz_addr *source, struct sz_buf *ret)
{
	struct field f[FIELDS_MAX];
	struct sz_geo_place place;
	u32 n, i;

	if (!p || !p->n_locations)
		return;
	if (find(p, source, &place)) {
		sz_buf_printf(ret, "the record of the address is damaged");
		return;
	}
	n = fields_of(&place, f);
	for (i = 0; i < n; i++) {
		sz_buf_printf(ret, "%s%s ", i ? ", " : "", f[i].name);
		if (f[i].value.type == SZ_CEL_STRING)
			sz_buf_printf(ret, "%.*s", sz_policy_shown(f[i].value.s, f[i].value.n),
				      f[i].value.s);
		else if (f[i].value.type == SZ_CEL_INT)
			sz_buf_printf(ret, "%lld", (long long)f[i].value.i);
		else
			sz_buf_printf(ret, "%.4f", f[i].value.d);
	}
	if (!n)
		sz_buf_printf(ret, "the address is in no database");
	add_prefix(source, place.bits, ret);
}
