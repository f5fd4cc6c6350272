/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Names into the map, and grants by their names: see revoke.h for the order and why. A walk over
 * the grants looks each of them up in a table of what is being revoked, so that a thousand names
 * cost one walk.
 */
#include "revoke/revoke.h"

#include <string.h>

#include "codec/codec.h"
#include "jose/jose.h"

#include "subzero/digest.h"

/* A name as grants have it. Of a "kid" grants know nothing: all of its issuer's are dropped. */
struct probe {
	struct sz_id id;
	const struct sz_revoke_item *item; /* NULL: free */
};

struct marking {
	struct sz_kern *kern;
	struct probe *table;
	size_t mask;
	struct sz_map_cursor place;
	u64 grants;
	int err;
};

/* Which member of a grant a kind is found by, and the name that stands there. */
static struct sz_id probe_id(const struct sz_revoke_item *i)
{
	struct sz_id id = {0};
	u64 principal;

	switch (i->kind) {
	case SZ_REVOKE_ISSUER_JTI:
		return sz_revoke_id(SZ_REVOKE_JTI, i->value, i->len);
	case SZ_REVOKE_SUBJECT_BEFORE:
		return sz_revoke_id(SZ_REVOKE_SUBJECT, i->value, i->len);
	case SZ_REVOKE_ISSUER_BEFORE:
		return sz_revoke_id(SZ_REVOKE_ISSUER, i->value, i->len);
	case SZ_REVOKE_KID:
		return sz_revoke_id(SZ_REVOKE_ISSUER, i->issuer, strlen(i->issuer));
	case SZ_REVOKE_PRINCIPAL:
	case SZ_REVOKE_PRINCIPAL_BEFORE:
		principal = sz_principal_id(i->issuer, i->value);
		memcpy(id.b, &principal, sizeof(principal));
		return id;
	default:
		return sz_revoke_item_id(i);
	}
}

/*
 * Its subject, or its issuer: the same token with its signature in another form may have a grant,
 * too, which nobody can find by a digest.
 */
static struct sz_id owner_of(const struct sz_revoke_item *i)
{
	struct sz_token t = {0};
	struct sz_error ignored;
	struct sz_id id = {0};

	if (!sz_token_peek(i->value, i->len, &t, &ignored)) {
		if (t.subject)
			id = sz_revoke_id(SZ_REVOKE_SUBJECT, t.subject, strlen(t.subject));
		else if (t.issuer)
			id = sz_revoke_id(SZ_REVOKE_ISSUER, t.issuer, strlen(t.issuer));
	}
	sz_token_done(&t);
	return id;
}

/* The name whose serial number voids the grants: one that every grant of it has. */
static struct sz_id serial_id(const struct sz_revoke_item *i)
{
	if (i->kind == SZ_REVOKE_TOKEN)
		return owner_of(i);
	if (i->kind == SZ_REVOKE_PRINCIPAL || i->kind == SZ_REVOKE_PRINCIPAL_BEFORE)
		return sz_revoke_id(SZ_REVOKE_SUBJECT, i->value, i->len);
	return probe_id(i);
}

static void raise(u32 *serial)
{
	__atomic_add_fetch(serial, 1, __ATOMIC_SEQ_CST);
}

static void raise_epoch(struct sz_kern *k)
{
	__atomic_add_fetch(&sz_kern_config(k)->revoke_epoch, 1, __ATOMIC_SEQ_CST);
}

static void void_grants(struct sz_kern *k, const struct sz_revoke_item *i)
{
	struct sz_config *cfg = sz_kern_config(k);
	struct sz_id id = serial_id(i);

	if (i->kind == SZ_REVOKE_KEY)
		raise(&cfg->key_serial[sz_key_slot(&id)]);
	else if (sz_name_slot(&id)) /* slot 0 is that of names which grants do not have */
		raise(&cfg->name_serial[sz_name_slot(&id)]);
}

/* ---- one token ------------------------------------------------------------------------------ */

static int compare_u32(const void *a, const void *b)
{
	u32 x = *(const u32 *)a, y = *(const u32 *)b;

	return x < y ? -1 : x > y;
}

struct ids {
	u32 *id;
	size_t n, room;
};

static int add_service(const void *key, const void *value, void *arg)
{
	const struct sz_service *svc = value;
	struct ids *s = arg;

	(void)key;
	if (s->n == s->room) {
		s->room = s->room ? 2 * s->room : 64;
		s->id = sz_realloc(s->id, s->room, sizeof(*s->id));
	}
	s->id[s->n++] = svc->id;
	return 0;
}

size_t sz_revoke_services(struct sz_kern *k, u32 **ret)
{
	struct ids s = {0};
	size_t n = 0, i;

	sz_map_each(k, SZ_MAP_SERVICES, add_service, &s);
	if (s.n)
		qsort(s.id, s.n, sizeof(*s.id), compare_u32);
	for (i = 0; i < s.n; i++)
		if (s.id[i] && (!n || s.id[n - 1] != s.id[i]))
			s.id[n++] = s.id[i];
	*ret = s.id;
	return n;
}

int sz_revoke_digest(struct sz_kern *k, const char *token, size_t n, struct sz_digest *ret)
{
	const struct sz_config *cfg = sz_kern_config(k);
	u8 *frame;

	if (!cfg->abi || n > SZ_TOKEN_MAX)
		return -ENODATA;
	frame = sz_calloc(1, SZ_FRAME_MAX + 64);
	memcpy(frame, token, n);
	sz_token_digest(cfg->key, frame, 0, (u32)n, ret);
	free(frame);
	return 0;
}

/* The grant as it is now: the daemon may have renewed or removed it since it was listed. */
static int mark(struct marking *m, const struct sz_grant_key *key, const struct sz_revoke_item *i)
{
	u64 until = i->until_s ? sz_wall_to_boot_ns((s64)i->until_s) : UINT64_MAX;
	struct sz_grant g;
	int err = sz_map_get(m->kern, SZ_MAP_GRANTS, key, &g);

	if (err)
		return err == -ENOENT ? 0 : err;
	g.flags |= SZ_GRANT_REVOKED;
	/* When the revocation ends, the grant is void and the daemon is asked again. */
	if (until < g.expires_ns)
		g.expires_ns = until;
	err = sz_map_put(m->kern, SZ_MAP_GRANTS, key, &g);
	m->grants += !err;
	return err;
}

static int revoke_token(struct marking *m, const struct sz_revoke_item *i)
{
	const struct sz_config *cfg = sz_kern_config(m->kern);
	struct sz_denied denied = {.expires_ns = i->until_s ? sz_wall_to_boot_ns((s64)i->until_s)
							    : UINT64_MAX,
				   .policy_gen = cfg->policy_gen,
				   .key_gen = cfg->key_gen,
				   .reason = SZ_R_REVOKED};
	struct sz_grant_key key = {0};
	size_t n, k;
	u32 *ids;
	int err = 0, last;

	if (sz_revoke_digest(m->kern, i->value, i->len, &key.token))
		return 0;
	n = sz_revoke_services(m->kern, &ids);
	for (k = 0; k < n; k++) {
		key.service = ids[k];
		last = mark(m, &key, i);
		if (!last)
			last = sz_map_put(m->kern, SZ_MAP_DENIED, &key, &denied);
		err = err ? err : last;
	}
	free(ids);
	return err;
}

/* ---- all others: one walk ------------------------------------------------------------------- */

static void table_add(struct marking *m, const struct sz_revoke_item *item)
{
	struct sz_id id = probe_id(item);
	u64 h;

	memcpy(&h, id.b, sizeof(h));
	while (m->table[h & m->mask].item)
		h++;
	m->table[h & m->mask] = (struct probe){id, item};
}

static bool fits(const struct sz_revoke_item *i, const struct sz_grant *g)
{
	struct sz_id iss;

	if (sz_revoke_is_before(i->kind) && g->issued_s >= i->before_s)
		return false;
	if (i->kind != SZ_REVOKE_ISSUER_JTI)
		return true;
	iss = sz_revoke_id(SZ_REVOKE_ISSUER, i->issuer, strlen(i->issuer));
	return !memcmp(&iss, &g->issuer, sizeof(iss));
}

/* What the grant is to be marked for: the revocation that lasts longest. */
static const struct sz_revoke_item *find(const struct marking *m, const struct sz_grant *g)
{
	struct sz_id principal = {0};
	const struct sz_id *const ids[] = {&g->jti,     &g->subject, &g->issuer,
					   &g->session, &g->key,     &principal};
	const struct sz_revoke_item *best = NULL, *i;
	size_t k;
	u64 h;

	memcpy(principal.b, &g->principal, sizeof(g->principal));
	for (k = 0; k < SZ_ARRAY_LEN(ids); k++) {
		memcpy(&h, ids[k]->b, sizeof(h));
		for (; (i = m->table[h & m->mask].item); h++)
			if (!memcmp(&m->table[h & m->mask].id, ids[k], sizeof(*ids[k])) &&
			    fits(i, g) &&
			    (!best || best->kind == SZ_REVOKE_KID ||
			     (best->until_s && (!i->until_s || i->until_s > best->until_s))))
				best = i;
	}
	return best;
}

static int mark_matching(const void *key, const void *value, void *arg)
{
	struct marking *m = arg;
	const struct sz_revoke_item *i = find(m, value);
	int err = 0;

	if (!i)
		return 0;
	if (i->kind == SZ_REVOKE_KID) /* which of them it signed only the daemon can tell */
		m->grants += !sz_map_del(m->kern, SZ_MAP_GRANTS, key);
	else
		err = mark(m, key, i);
	if (err && !m->err)
		m->err = err; /* the others must still be marked */
	return 0;
}

static void table_make(struct marking *m, const struct sz_revoke_item *items, size_t n)
{
	size_t i;

	for (m->mask = 1; m->mask < 2 * n; m->mask = m->mask << 1 | 1)
		;
	m->table = sz_calloc(m->mask + 1, sizeof(*m->table));
	m->place.done = true; /* for tokens nobody has to walk */
	for (i = 0; i < n; i++)
		if (items[i].kind != SZ_REVOKE_TOKEN) {
			table_add(m, &items[i]);
			m->place.done = false;
		}
}

static int mark_tokens(struct marking *m, const struct sz_revoke_item *items, size_t n)
{
	int err = 0, last;
	size_t i;

	for (i = 0; i < n; i++) {
		last = items[i].kind == SZ_REVOKE_TOKEN ? revoke_token(m, &items[i]) : 0;
		err = err ? err : last;
	}
	return err;
}

/* At least `max` grants more, where there are as many. */
static void walk(struct marking *m, u32 max)
{
	int err = m->place.done ? 0
				: sz_map_each_step(m->kern, SZ_MAP_GRANTS, &m->place, max,
						   mark_matching, m);

	if (err && !m->err)
		m->err = err;
	m->place.done |= err != 0;
}

static int put_name(struct sz_kern *k, const struct sz_revoke_item *i)
{
	struct sz_revoked entry = {.until_s = i->until_s, .before_s = i->before_s, .kind = i->kind};
	struct sz_id id = sz_revoke_item_id(i);
	struct sz_revoked old;

	/* An instant only moves forward, and what is for ever stays so. */
	if (!sz_map_get(k, SZ_MAP_REVOKED, &id, &old)) {
		if (old.before_s > entry.before_s)
			entry.before_s = old.before_s;
		if (entry.until_s && (!old.until_s || old.until_s > entry.until_s))
			entry.until_s = old.until_s;
	}
	return sz_map_put(k, SZ_MAP_REVOKED, &id, &entry);
}

static int fault(int names, int grants, struct sz_error *e)
{
	if (names == -E2BIG)
		return sz_error_set(e, names,
				    "the list of revocations is full; make room with "
				    "'subzeroctl revocations clear'");
	if (names)
		return sz_error_set(e, names, "cannot write sz_revoked: %s", strerror(-names));
	if (grants)
		return sz_error_set(e, grants,
				    "revoked for new verifications, but not every grant "
				    "could be marked: %s; repeat it",
				    strerror(-grants));
	return 0;
}

/*
 * A void grant sends its client to the daemon, a marked one refuses at once. So for a few names the
 * first FIRST grants are marked before the serial numbers go up: where there are not many that is
 * all of them, and where there are it costs less than a millisecond.
 */
#define FEW   8
#define FIRST 2048

int sz_revoke_apply(struct sz_kern *k, const struct sz_revoke_item *items, size_t n,
		    struct sz_revoke_result *ret, struct sz_error *e)
{
	struct marking m = {.kern = k};
	u64 began = sz_boot_ns();
	int err = 0, tokens;
	size_t i, done;

	*ret = (struct sz_revoke_result){0};
	for (done = 0; done < n && !err; done += !err) {
		err = put_name(k, &items[done]);
		if (!err && n > FEW)
			void_grants(k, &items[done]);
	}
	table_make(&m, items, done);
	tokens = mark_tokens(&m, items, done);
	if (n <= FEW)
		walk(&m, FIRST);
	for (i = 0; n <= FEW && i < done; i++)
		void_grants(k, &items[i]);
	ret->names = done;
	ret->names_ns = sz_boot_ns() - began;
	while (!m.place.done)
		walk(&m, UINT32_MAX);
	raise_epoch(k);
	free(m.table);
	ret->grants = m.grants;
	ret->grants_ns = sz_boot_ns() - began - ret->names_ns;
	return fault(err, tokens ? tokens : m.err, e);
}
