/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Opaque tokens that are used often. How often the kernel's own counts tell: a worker looks at them
 * now and then while an answer of the issuer holds. The more a token is used, the sooner its issuer
 * is asked again, in the background, and the shorter the next answer holds: so a revocation at the
 * issuer is noticed soonest where it matters most, no client waits for the question, and the issuer
 * is asked once for SZ_IDP_USES uses at most. A token that is rarely used is let go. Nothing here
 * makes an answer hold longer: what cannot be renewed ends when it said. Called by guard.c with
 * every decision; belongs to the loop but for the counting.
 */
#include "gateway/gateway_priv.h"

#include <sodium.h>
#include <string.h>

#define BUCKETS 1024u
#define MAX     8192u      /* tokens that are watched; others are asked about when they are used */
#define BYTES   (16u << 20) /* and what they take */
#define SECOND  1000000000ull

enum state {
	STATE_FIRST, /* the count at the beginning is being read */
	STATE_WAIT,  /* for the timer */
	STATE_LOOK,  /* the count is being read */
	STATE_ASKED, /* it is being decided anew */
};

struct renewal {
	struct sz_timer timer;
	struct sz_work work;
	struct sz_gateway *g;
	struct renewal *hash_next;
	struct sz_grant_key key;
	enum state state;
	bool gone; /* nobody knows it any more, but a worker has it */
	size_t issuer;
	u32 n_routes;
	u64 principal;
	struct sz_addr source;
	u64 since_ns, until_ns; /* of the answer in force */
	s64 until_s;            /* the same by the wall clock */
	u64 first;              /* the count at since_ns */
	/* A worker's: */
	u64 count;
	bool granted; /* there is a grant, and it is not revoked */
	size_t len;
	char token[];
};

struct sz_renewals {
	struct renewal *bucket[BUCKETS];
	size_t n, bytes;
};

static struct renewal **slot_of(struct sz_renewals *r, const struct sz_grant_key *key)
{
	return &r->bucket[(key->token.w[0] ^ key->service) % BUCKETS]; /* a keyed digest */
}

static struct renewal *find(struct sz_renewals *r, const struct sz_grant_key *key)
{
	struct renewal *x = *slot_of(r, key);

	while (x && memcmp(&x->key, key, sizeof(*key)))
		x = x->hash_next;
	return x;
}

static bool with_worker(const struct renewal *x)
{
	return x->state == STATE_FIRST || x->state == STATE_LOOK;
}

static void wipe(struct renewal *x)
{
	sodium_memzero(x->token, x->len);
	free(x);
}

static void forget(struct sz_gateway *g, struct renewal *x)
{
	struct renewal **at = slot_of(g->renewals, &x->key);

	while (*at != x)
		at = &(*at)->hash_next;
	*at = x->hash_next;
	g->renewals->n--;
	g->renewals->bytes -= sizeof(*x) + x->len;
	sz_wheel_cancel(&g->wheel, &x->timer);
	if (with_worker(x))
		x->gone = true;
	else
		wipe(x);
}

static const struct sz_conf_introspection *conf_of(const struct renewal *x)
{
	return &x->g->conf->issuers[x->issuer].introspection;
}

/* ---- counting ------------------------------------------------------------------------------- */

static struct renewal *of_work(struct sz_work *w)
{
	return (struct renewal *)((char *)w - offsetof(struct renewal, work));
}

static u64 count_of(const struct renewal *x, u16 route, u64 *per_cpu)
{
	struct sz_hit_key key = {
		.principal = x->principal, .service = x->key.service, .route = route};
	u64 sum = 0;
	int i;

	if (sz_map_get(x->g->kern, SZ_MAP_HITS, &key, per_cpu))
		return 0;
	for (i = 0; i < sz_kern_cpus(); i++)
		sum += per_cpu[i];
	return sum;
}

/* In a worker. */
static void run(struct sz_work *w)
{
	struct renewal *x = of_work(w);
	u64 *per_cpu = sz_calloc((size_t)sz_kern_cpus(), sizeof(*per_cpu));
	struct sz_grant now;
	u32 i;

	x->granted = !sz_map_get(x->g->kern, SZ_MAP_GRANTS, &x->key, &now) &&
		     !(now.flags & SZ_GRANT_REVOKED);
	x->count = 0;
	for (i = 0; i < x->n_routes; i++)
		x->count += count_of(x, (u16)i, per_cpu);
	free(per_cpu);
}

/* ---- deciding ------------------------------------------------------------------------------- */

static void ask(struct renewal *x, const struct sz_idp_use *use)
{
	x->state = STATE_ASKED;
	/* Somebody may be asking already: sz_renewals_decided() comes then, too. */
	sz_guard_renew(x->g, &x->key, x->token, x->len, &x->source, use);
}

/* A question takes its time: the last look is well before the answer ends. */
static u64 last_look(const struct renewal *x)
{
	return x->since_ns + (x->until_ns - x->since_ns) / 4 * 3;
}

static void look_at(struct renewal *x, u64 at_ns)
{
	u64 last = last_look(x);

	x->state = STATE_WAIT;
	sz_wheel_set(&x->g->wheel, &x->timer, at_ns < last ? at_ns : last);
}

static void look(struct renewal *x, u64 now)
{
	const struct sz_conf_introspection *in = conf_of(x);
	struct sz_idp_use use = {.uses = x->count - x->first,
				 .over_ms = (now - x->since_ns) / 1000000,
				 .renewal = true};
	bool renews = sz_idp_renews(in, &use), last = now >= last_look(x);
	u64 life = (u64)sz_idp_answer_ttl(in, &use, true, 0, 0) * SECOND;

	if (!x->granted || x->count < x->first || now >= x->until_ns || (last && !renews))
		forget(x->g, x);
	else if (!renews)
		look_at(x, now + (u64)in->min_ttl_s * SECOND / 4 * 3);
	else if (!last && now < x->since_ns + life / 4 * 3)
		look_at(x, x->since_ns + life / 4 * 3);
	else
		ask(x, &use);
}

static void done(struct sz_work *w)
{
	struct renewal *x = of_work(w);
	bool first = x->state == STATE_FIRST;

	if (x->gone) {
		wipe(x);
		return;
	}
	x->state = STATE_WAIT;
	if (first) {
		x->first = x->count;
		look_at(x, x->since_ns + (u64)conf_of(x)->min_ttl_s * SECOND / 4 * 3);
	} else {
		look(x, sz_boot_ns());
	}
}

static void drop(struct sz_work *w)
{
	struct renewal *x = of_work(w);

	if (x->gone)
		wipe(x);
	else
		x->state = STATE_WAIT; /* it is freed with the others */
}

static void due(struct sz_timer *t, void *gateway)
{
	struct renewal *x = (struct renewal *)((char *)t - offsetof(struct renewal, timer));
	struct sz_gateway *g = gateway;

	x->state = STATE_LOOK;
	sz_pool_submit(g->pool, &x->work);
}

/* Also behind the last look, until the answer ends. */
static void try_again(struct renewal *x)
{
	x->state = STATE_WAIT;
	sz_wheel_set(&x->g->wheel, &x->timer, sz_boot_ns() + SECOND);
}

/* ---- what guard.c tells --------------------------------------------------------------------- */

static struct renewal *add(struct sz_gateway *g, const struct sz_job *j)
{
	struct sz_renewals *r = g->renewals;
	struct renewal *x, **slot;

	if (!r)
		r = g->renewals = sz_calloc(1, sizeof(*r));
	if (r->n >= MAX || r->bytes + sizeof(*x) + j->len > BYTES)
		return NULL;
	x = sz_calloc(1, sizeof(*x) + j->len);
	x->g = g;
	x->key = j->key;
	x->timer.fn = due;
	x->work = (struct sz_work){.run = run, .done = done, .drop = drop, .class = SZ_WORK_LATER};
	x->len = j->len;
	memcpy(x->token, j->token, j->len);
	slot = slot_of(r, &x->key);
	x->hash_next = *slot;
	*slot = x;
	r->n++;
	r->bytes += sizeof(*x) + x->len;
	return x;
}

/* An answer holds from now on. */
static void begin(struct sz_gateway *g, struct renewal *x, const struct sz_job *j)
{
	u64 now = sz_boot_ns(), until = sz_wall_to_boot_ns(j->decision.until_s);
	u64 shortest = (u64)g->conf->issuers[j->question.answer.issuer].introspection.min_ttl_s *
		       SECOND / 4;

	/* The answer that is known, for another request; or a worker looks at it now. */
	if (x && (with_worker(x) ||
		  (x->state == STATE_WAIT && x->until_s == j->decision.until_s)))
		return;
	/* Its token ends. */
	if (until <= now + shortest) {
		if (x)
			forget(g, x);
		return;
	}
	x = x ? x : add(g, j);
	if (!x)
		return;
	x->issuer = j->question.answer.issuer;
	x->n_routes = (u32)j->svc->n_routes;
	x->principal = j->decision.principal;
	x->source = j->at.source;
	x->since_ns = now;
	x->until_ns = until;
	x->until_s = j->decision.until_s;
	x->state = STATE_FIRST;
	sz_wheel_cancel(&g->wheel, &x->timer);
	sz_pool_submit(g->pool, &x->work);
}

void sz_renewals_decided(struct sz_gateway *g, const struct sz_job *j, bool down)
{
	struct renewal *x = g->renewals ? find(g->renewals, &j->key) : NULL;

	if (j->decision.reason == SZ_R_NONE && j->question.answer.text)
		begin(g, x, j);
	else if (x && down && x->state == STATE_ASKED)
		try_again(x); /* the answer in force goes on */
	else if (x && !down)
		forget(g, x);
}

void sz_renewals_clear(struct sz_gateway *g)
{
	size_t i;

	for (i = 0; g->renewals && i < BUCKETS; i++)
		while (g->renewals->bucket[i])
			forget(g, g->renewals->bucket[i]);
}

void sz_renewals_free(struct sz_renewals *r)
{
	struct renewal *x;
	size_t i;

	for (i = 0; r && i < BUCKETS; i++) {
		while ((x = r->bucket[i])) {
			r->bucket[i] = x->hash_next;
			wipe(x);
		}
	}
	free(r);
}
