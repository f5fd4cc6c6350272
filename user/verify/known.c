/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Tokens whose signature was verified before, for those that no grant can stand for: each request
 * with a token that is bound to a key is decided anew, and only the proof is new each time. Called
 * by the gateway's thread alone. It remembers what the token says and never what was decided: time,
 * revocation, binding and policy are looked at each time. Bounded in number and bytes; the one that
 * was not used for the longest time goes first.
 */
#include <stdlib.h>
#include <string.h>

#include "verify/verify_priv.h"

#include "subzero/rule.h"

#define BUCKETS 4096u /* a power of two */

struct entry {
	struct entry *hash_next;
	struct entry *older, *newer;
	struct sz_digest digest;
	struct sz_token token;
	size_t issuer, len;
};

struct sz_known {
	struct entry *bucket[BUCKETS];
	struct entry *oldest, *newest; /* by use */
	size_t n, bytes, n_max, bytes_max;
	struct sz_verifier *verifier;  /* reference; all entries are of it */
	u64 generation;
};

struct sz_known *sz_known_new(size_t n_max, size_t bytes_max)
{
	struct sz_known *k = sz_calloc(1, sizeof(*k));

	k->n_max = n_max;
	k->bytes_max = bytes_max;
	return k;
}

/* The digest is keyed: nobody chooses a bucket. */
static struct entry **slot_of(struct sz_known *k, const struct sz_digest *d)
{
	u64 h;

	memcpy(&h, d, sizeof(h));
	return &k->bucket[h % BUCKETS];
}

static void unlink_use(struct sz_known *k, struct entry *x)
{
	*(x->older ? &x->older->newer : &k->oldest) = x->newer;
	*(x->newer ? &x->newer->older : &k->newest) = x->older;
}

static void link_newest(struct sz_known *k, struct entry *x)
{
	x->newer = NULL;
	x->older = k->newest;
	*(k->newest ? &k->newest->newer : &k->oldest) = x;
	k->newest = x;
}

static void forget(struct sz_known *k, struct entry *x)
{
	struct entry **at = slot_of(k, &x->digest);

	while (*at != x)
		at = &(*at)->hash_next;
	*at = x->hash_next;
	unlink_use(k, x);
	k->n--;
	k->bytes -= x->len;
	sz_token_done(&x->token);
	free(x);
}

static void forget_all(struct sz_known *k)
{
	struct entry *x = k->oldest, *newer;

	for (; x; x = newer) {
		newer = x->newer;
		sz_token_done(&x->token);
		free(x);
	}
	memset(k->bucket, 0, sizeof(k->bucket));
	k->oldest = k->newest = NULL;
	k->n = k->bytes = 0;
}

/* What was verified under another snapshot or generation is as if it had never been. */
static void keep_to(struct sz_known *k, struct sz_verifier *v, u64 generation)
{
	if (k->verifier == v && k->generation == generation)
		return;
	if (!SZ_RULE(KNOWN_SNAPSHOT) && k->verifier)
		return;
	forget_all(k);
	sz_verifier_unref(k->verifier);
	k->verifier = sz_verifier_ref(v);
	k->generation = generation;
}

void sz_known_clear(struct sz_known *k)
{
	forget_all(k);
	sz_verifier_unref(k->verifier);
	k->verifier = NULL;
}

void sz_known_free(struct sz_known *k)
{
	if (!k)
		return;
	sz_known_clear(k);
	free(k);
}

static struct entry *find(struct sz_known *k, const struct sz_digest *d)
{
	struct entry *x = *slot_of(k, d);

	while (x && memcmp(&x->digest, d, sizeof(*d)))
		x = x->hash_next;
	return x;
}

static void share(const struct sz_token *t, struct sz_token *ret)
{
	*ret = *t;
	json_incref(ret->header);
	json_incref(ret->claims);
}

bool sz_known_find(struct sz_known *k, struct sz_verifier *v, u64 generation,
		   const struct sz_digest *d, struct sz_known_token *ret)
{
	struct entry *x;

	keep_to(k, v, generation);
	x = find(k, d);
	if (!x)
		return false;
	unlink_use(k, x);
	link_newest(k, x);
	share(&x->token, &ret->token);
	ret->issuer = x->issuer;
	return true;
}

void sz_known_put(struct sz_known *k, struct sz_verifier *v, u64 generation,
		  const struct sz_digest *d, const struct sz_decision *of, size_t len)
{
	struct entry *x, *newer;

	keep_to(k, v, generation);
	/* An issuer's answer is kept where it was asked for, and an API key has no signature. */
	if (!of->token.key || len > k->bytes_max || find(k, d))
		return;
	x = sz_calloc(1, sizeof(*x));
	x->digest = *d;
	x->issuer = of->issuer;
	x->len = len;
	share(&of->token, &x->token);
	x->hash_next = *slot_of(k, d);
	*slot_of(k, d) = x;
	link_newest(k, x);
	k->n++;
	k->bytes += len;
	for (x = k->oldest; k->n > k->n_max || k->bytes > k->bytes_max; x = newer) {
		newer = x->newer;
		forget(k, x);
	}
}

size_t sz_known_count(const struct sz_known *k)
{
	return k->n;
}

void sz_known_token_done(struct sz_known_token *t)
{
	sz_token_done(&t->token);
}
