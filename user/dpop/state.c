/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * When a proof is fresh, and the nonces. One clock judges all of it: CLOCK_BOOTTIME plus the
 * largest distance to the wall clock that was ever seen. It never goes back and never stands still,
 * so what has been forgotten as too old stays too old whatever is done to the wall clock. Belongs
 * to one thread.
 */
#include <sodium.h>
#include <string.h>

#include "codec/codec.h"
#include "dpop/dpop_priv.h"

#include "subzero/rule.h"

#define NS 1000000000ull

struct sz_dpop {
	struct sz_dpop_conf conf;
	struct sz_replay *replay;
	struct sz_wheel *wheel;
	u64 ended; /* in tables that are no more */
	u64 *mark;
	u64 offset_ns; /* of this room's clock to CLOCK_BOOTTIME */
	u64 horizon_s; /* proofs of this second and before need a nonce: they may be replays */
	u8 key[crypto_generichash_KEYBYTES]; /* of nonces; another one in each process */
};

static u64 clock_ns(struct sz_dpop *d, u64 boot_ns, u64 wall_ns)
{
	u64 offset = wall_ns > boot_ns ? wall_ns - boot_ns : 0;

	if (offset > d->offset_ns)
		d->offset_ns = offset;
	return boot_ns + d->offset_ns;
}

struct sz_dpop *sz_dpop_new(const struct sz_dpop_conf *conf, struct sz_wheel *wheel, u64 *mark,
			    u64 boot_ns, u64 wall_ns)
{
	struct sz_dpop *d = sz_calloc(1, sizeof(*d));

	d->conf = *conf;
	d->wheel = wheel;
	d->mark = mark;
	d->horizon_s = clock_ns(d, boot_ns, wall_ns) / NS + conf->skew_s;
	if (*mark > d->horizon_s)
		d->horizon_s = *mark;
	randombytes_buf(d->key, sizeof(d->key));
	return d;
}

void sz_dpop_configure(struct sz_dpop *d, const struct sz_dpop_conf *conf)
{
	/* A proof that was forgotten by a shorter window must not come back by a longer one. */
	if (conf->max_age_s > d->conf.max_age_s && *d->mark > d->horizon_s)
		d->horizon_s = *d->mark;
	if (conf->nonce_lifetime_s > d->conf.nonce_lifetime_s)
		randombytes_buf(d->key, sizeof(d->key));
	/* A table is of another size as soon as nothing would be forgotten with it. */
	if (conf->replay_entries != d->conf.replay_entries && d->replay &&
	    !sz_replay_live(d->replay)) {
		d->ended += sz_replay_ended(d->replay);
		sz_replay_free(d->replay);
		d->replay = NULL;
	}
	d->conf = *conf;
}

void sz_dpop_free(struct sz_dpop *d)
{
	if (!d)
		return;
	sz_replay_free(d->replay);
	sodium_memzero(d->key, sizeof(d->key));
	free(d);
}

/* ---- nonces: the time they were made at, and a keyed digest of it --------------------------- */

struct nonce {
	u8 turn[8];
	u8 mac[16];
};
_Static_assert(SZ_B64_ENCODED_LEN(sizeof(struct nonce)) == SZ_DPOP_NONCE_LEN, "nonce");

static u64 turn_s(const struct sz_dpop *d)
{
	return d->conf.nonce_lifetime_s / 4 ? d->conf.nonce_lifetime_s / 4 : 1;
}

static void make(const struct sz_dpop *d, u64 made_s, char ret[SZ_DPOP_NONCE_LEN + 1])
{
	struct nonce n;
	int i;

	for (i = 0; i < 8; i++)
		n.turn[i] = (u8)(made_s >> 8 * i);
	crypto_generichash(n.mac, sizeof(n.mac), n.turn, sizeof(n.turn), d->key, sizeof(d->key));
	sz_b64url_encode((const u8 *)&n, sizeof(n), ret);
}

void sz_dpop_nonce(struct sz_dpop *d, u64 boot_ns, u64 wall_ns, char ret[SZ_DPOP_NONCE_LEN + 1])
{
	u64 s = clock_ns(d, boot_ns, wall_ns) / NS;

	make(d, s - s % turn_s(d), ret);
}

/* Is it one of ours? The last second it is good for in *ret_end. */
static bool nonce_ok(const struct sz_dpop *d, const struct sz_dpop_proof *p, u64 now_s,
		     u64 *ret_end)
{
	char text[SZ_DPOP_NONCE_LEN + 1];
	struct nonce n;
	u64 made = 0;
	int i;

	if (!p->nonce_shape ||
	    sz_b64url_decode(p->nonce, SZ_DPOP_NONCE_LEN, (u8 *)&n, sizeof(n)) != sizeof(n))
		return false;
	for (i = 7; i >= 0; i--)
		made = made << 8 | n.turn[i];
	make(d, made, text);
	*ret_end = made + d->conf.nonce_lifetime_s;
	return !SZ_RULE(DPOP_NONCE) || (!sodium_memcmp(text, p->nonce, SZ_DPOP_NONCE_LEN) &&
					made <= now_s && *ret_end >= now_s);
}

/* ---- admitting ------------------------------------------------------------------------------ */

static enum sz_reason refuse(enum sz_reason r, struct sz_error *e, const char *what)
{
	sz_error_set(e, -EBADMSG, "the DPoP proof: %s", what);
	return r;
}

/* Is it of now? Until which second it can be used in *ret_end. */
static enum sz_reason fresh(const struct sz_dpop *d, const struct sz_dpop_proof *p, u64 now_s,
			    u64 wall_s, u64 *ret_end, struct sz_error *e)
{
	u64 iat = (u64)p->iat;

	if (p->has_nonce)
		return nonce_ok(d, p, now_s, ret_end)
			       ? SZ_R_NONE
			       : refuse(SZ_R_DPOP_NONCE, e, "its nonce is not one of ours, or old");
	if (d->conf.require_nonce)
		return refuse(SZ_R_DPOP_NONCE, e, "it has no nonce");
	if (SZ_RULE(DPOP_IAT) && iat > wall_s + d->conf.skew_s)
		return refuse(SZ_R_DPOP_PROOF, e, "its \"iat\" lies in the future");
	if (SZ_RULE(DPOP_IAT) && iat + d->conf.max_age_s < wall_s)
		return refuse(SZ_R_DPOP_PROOF, e, "its \"iat\" is too long ago");
	*ret_end = iat + d->conf.max_age_s;
	if (SZ_RULE(DPOP_HORIZON) && (iat <= d->horizon_s || *ret_end < now_s))
		return refuse(SZ_R_DPOP_NONCE, e,
			      "it may have been used before the daemon's start or a change of the "
			      "clock; a nonce shows that it was not");
	return SZ_R_NONE;
}

/*
 * When the second `end_s` of this room's clock is over, on CLOCK_BOOTTIME. A clock that is set
 * ahead later only makes it come sooner than that.
 */
static u64 boot_after(const struct sz_dpop *d, u64 end_s)
{
	u64 ns = end_s < UINT64_MAX / NS - 1 ? (end_s + 1) * NS : UINT64_MAX;

	return ns > d->offset_ns ? ns - d->offset_ns : 0;
}

enum sz_reason sz_dpop_admit(struct sz_dpop *d, const struct sz_dpop_proof *p, u64 place,
			     u64 boot_ns, u64 wall_ns, struct sz_error *e)
{
	u64 now_s = clock_ns(d, boot_ns, wall_ns) / NS, end = 0;
	enum sz_reason r = fresh(d, p, now_s, wall_ns / NS, &end, e);

	if (r != SZ_R_NONE)
		return r;
	if (!d->replay)
		d->replay = sz_replay_new(d->wheel, d->conf.replay_entries);
	switch (SZ_RULE(DPOP_REPLAY) ? sz_replay_add(d->replay, p, place, boot_after(d, end)) : 0) {
	case 0:
		break;
	case -EEXIST:
		return refuse(SZ_R_DPOP_REPLAY, e, "it was used before");
	case -EDQUOT:
		return refuse(SZ_R_LIMIT_PRINCIPAL, e, "too many of this key are remembered");
	default:
		return refuse(SZ_R_STATE_FULL, e,
			      "too many are remembered; raise dpop.replay_entries");
	}
	/* Told before the request passes: a later process knows how far the proofs went. */
	if (!p->has_nonce && (u64)p->iat > *d->mark)
		__atomic_store_n(d->mark, (u64)p->iat, __ATOMIC_RELEASE);
	return SZ_R_NONE;
}

struct sz_dpop_stats sz_dpop_stats(const struct sz_dpop *d)
{
	return (struct sz_dpop_stats){
		.live = d->replay ? sz_replay_live(d->replay) : 0,
		.capacity = d->conf.replay_entries,
		.ended = d->ended + (d->replay ? sz_replay_ended(d->replay) : 0),
	};
}
