/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Requests with a token that is bound to a key (DPoP, RFC 9449). Each is decided here, by its own
 * proof: no grant is ever written for such a token, so the kernel hands over every request with it.
 * Called by stream.c for a whole head. Token and proof are checked by a worker (the token's
 * signature only once: verify/known.c); time, nonce and replay in the loop, just before the
 * request's ticket.
 */
#include "gateway/gateway_priv.h"

#include <arpa/inet.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "dpop/dpop.h"

struct bound {
	struct sz_work work;
	struct sz_gateway *g;
	struct sz_pending *p;
	struct sz_verifier *verifier; /* reference */
	const struct sz_conf_service *svc;
	struct sz_dpop_request req; /* its text lies in bytes[] */
	struct sz_decision decision;
	struct sz_question question;
	struct sz_digest digest; /* of the token */
	struct sz_known_token known;
	bool is_known;
	u64 generation; /* when it was submitted */
	struct sz_dpop_proof proof;
	u64 place;
	u64 asked_ns;
	bool working, waited;
	char bytes[];
};

static struct bound *bound_of(struct sz_work *w)
{
	return (struct bound *)((char *)w - offsetof(struct bound, work));
}

/*
 * The URIs of the service: as configured. Without any only the connection's own address is known
 * for sure; what Host says is the client's word, and a proof for another server must be of no use.
 */
static void prove(struct bound *b)
{
	char addr[SZ_ADDR_STRLEN], own[SZ_ADDR_STRLEN + 16];
	const struct sz_flow_key *key = &b->p->key;
	const char *list[] = {own};

	sz_addr_format(&key->server, addr);
	snprintf(own, sizeof(own), strchr(addr, ':') ? "http://[%s]:%u" : "http://%s:%u", addr,
		 ntohs(key->server_port));
	b->req.origins = b->svc->n_origins ? (const char *const *)b->svc->origins : list;
	b->req.n_origins = b->svc->n_origins ? b->svc->n_origins : 1;
	b->req.jkt = b->decision.jkt;
	b->decision.reason = sz_dpop_prove(&b->req, sz_verifier_conf(b->verifier)->dpop.algs,
					   &b->proof, &b->decision.detail);
}

/* In a worker. */
static void run(struct sz_work *w)
{
	struct bound *b = bound_of(w);
	struct sz_policy_moment at = {.now_ns = (s64)sz_wall_ns()};

	if (b->is_known)
		sz_verifier_decide_known(b->verifier, b->svc, &b->known, b->req.token,
					 b->req.token_len, &at, true, sz_revocations_check, b->g,
					 &b->decision);
	else
		sz_question_decide(&b->question, b->verifier, b->svc, &at, true);
	if (b->decision.reason == SZ_R_NONE)
		prove(b);
}

static void drop(struct sz_work *w)
{
	struct bound *b = bound_of(w);

	sz_decision_done(&b->decision);
	sz_question_forget(&b->question);
	sz_known_token_done(&b->known);
	sz_verifier_unref(b->verifier);
	free(b);
}

/* What voids grants voids what is known of tokens. */
static u64 generation(const struct sz_gateway *g)
{
	return (u64)__atomic_load_n(&g->cfg->policy_gen, __ATOMIC_ACQUIRE) << 32 |
	       __atomic_load_n(&g->cfg->key_gen, __ATOMIC_ACQUIRE);
}

/* Under the configuration as it is now; false: its service is gone. */
static bool submit(struct bound *b)
{
	b->svc = sz_conf_service_by_id(b->g->conf, b->p->svc->id);
	if (!b->svc)
		return false;
	b->verifier = sz_verifier_ref(b->g->verifier);
	b->generation = generation(b->g);
	b->is_known = sz_known_find(b->g->known, b->verifier, b->generation, &b->digest, &b->known);
	/* Somebody known waits for it. */
	b->work.class = b->is_known ? SZ_WORK_URGENT : SZ_WORK_NORMAL;
	sz_load_begin(b->g, &b->working);
	sz_pool_submit(b->g->pool, &b->work);
	return true;
}

/* The same once more; what an issuer was asked is by its number, which may be another's now. */
static bool renew(struct bound *b)
{
	if (b->verifier && sz_verifier_conf(b->verifier) != b->g->conf)
		sz_question_forget(&b->question);
	sz_decision_done(&b->decision);
	sz_known_token_done(&b->known);
	sz_verifier_unref(b->verifier);
	b->verifier = NULL;
	return submit(b);
}

static void done(struct sz_work *w)
{
	struct bound *b = bound_of(w);
	struct sz_gateway *g = b->g;
	struct sz_pending *p = b->p;
	struct sz_decision *d = &b->decision;

	sz_load_end(g, &b->working);
	/* What came meanwhile belongs behind what is put back now. */
	sz_guard_on_misses(g);
	if (p->orphaned) {
		sz_pending_free(g, p);
	} else if (b->verifier != g->verifier) {
		if (renew(b))
			return;
		sz_pending_free(g, p);
	} else if (sz_issuers_want(&b->question)) {
		b->waited = true;
		return;
	} else {
		sz_traced_token(p, d, w->began_ns, w->ended_ns);
		sz_traced_question(p, &b->question);
		if (d->reason == SZ_R_NONE)
			d->reason = sz_dpop_admit(g->dpop, &b->proof, b->place, sz_boot_ns(),
						  sz_wall_ns(), &d->detail);
		g->stats.known_tokens += b->is_known;
		if (d->reason == SZ_R_NONE) {
			sz_grant_name(g, d);
			sz_known_put(g->known, b->verifier, b->generation, &b->digest, d,
				     b->req.token_len);
			g->stats.verified++;
		} else {
			g->stats.refused++;
		}
		sz_stream_decided(g, p, d);
		if (!b->waited)
			sz_load_answered(g, b->asked_ns);
	}
	drop(w);
}

static struct bound *of_question(struct sz_question *q)
{
	return (struct bound *)((char *)q - offsetof(struct bound, question));
}

static void again(struct sz_question *q)
{
	struct bound *b = of_question(q);

	if (!b->p->orphaned && renew(b))
		return;
	sz_pending_free(b->g, b->p);
	drop(&b->work);
}

static void final(struct sz_question *q)
{
	done(&of_question(q)->work);
}

static void drop_question(struct sz_question *q)
{
	drop(&of_question(q)->work);
}

static void prepare_question(struct bound *b)
{
	sz_stream_token_digest(b->g, b->req.token, b->req.token_len, &b->digest);
	b->question = (struct sz_question){.gateway = b->g,
					   .decision = &b->decision,
					   .digest = &b->digest,
					   .token = b->req.token,
					   .len = b->req.token_len,
					   .again = again,
					   .final = final,
					   .drop = drop_question};
}

/* Names the request's place in its connection's stream. */
static u64 place_of(const struct sz_pending *p)
{
	crypto_generichash_state st;
	u8 h[16];
	u64 place;

	crypto_generichash_init(&st, NULL, 0, sizeof(h));
	crypto_generichash_update(&st, (const u8 *)&p->key, sizeof(p->key));
	if (p->first)
		crypto_generichash_update(&st, (const u8 *)&p->first->miss.birth_ns, sizeof(u64));
	crypto_generichash_update(&st, (const u8 *)&p->seq, sizeof(p->seq));
	crypto_generichash_final(&st, h, sizeof(h));
	memcpy(&place, h, sizeof(place));
	return place ? place : 1;
}

static const char *keep(char **at, const char *s, size_t n)
{
	char *to = *at;

	if (n)
		memcpy(to, s, n);
	*at += n;
	return to;
}

void sz_bound_verify(struct sz_gateway *g, struct sz_pending *p)
{
	const struct sz_http_head *http = p->http;
	size_t proof_len = http->proof && http->proof_len <= SZ_DPOP_MAX ? http->proof_len : 0;
	struct bound *b = sz_calloc(1, sizeof(*b) + http->token_len + proof_len + http->method_len +
					       http->target_len);
	char *at = b->bytes;

	b->req = (struct sz_dpop_request){
		.token = keep(&at, http->token, http->token_len),
		.token_len = http->token_len,
		.proof = keep(&at, http->proof, proof_len),
		.proof_len = proof_len,
		.method = keep(&at, http->method_text, http->method_len),
		.method_len = http->method_len,
		.target = keep(&at, http->target, http->target_len),
		.target_len = http->target_len,
	};
	b->g = g;
	b->p = p;
	b->place = place_of(p);
	b->asked_ns = p->last ? p->last->miss.time_ns : p->started_ns;
	b->work = (struct sz_work){.run = run, .done = done, .drop = drop};
	prepare_question(b);
	if (submit(b))
		return;
	sz_pending_free(g, p);
	free(b);
}

/* ---- nonces and challenges ------------------------------------------------------------------ */

static struct sz_dpop_conf conf_of(const struct sz_conf *c)
{
	return (struct sz_dpop_conf){.max_age_s = c->dpop.max_age_s,
				     .skew_s = c->dpop.skew_s,
				     .nonce_lifetime_s = c->dpop.nonce_lifetime_s,
				     .require_nonce = c->dpop.require_nonce,
				     .replay_entries = c->dpop.replay_entries};
}

void sz_bound_open(struct sz_gateway *g)
{
	struct sz_dpop_conf conf = conf_of(g->conf);

	g->dpop = sz_dpop_new(&conf, &g->wheel, &g->cfg->proof_mark_s, sz_boot_ns(), sz_wall_ns());
	g->known = sz_known_new(SZ_KNOWN_TOKENS, SZ_KNOWN_BYTES);
}

void sz_bound_configure(struct sz_gateway *g)
{
	struct sz_dpop_conf conf = conf_of(g->conf);

	sz_dpop_configure(g->dpop, &conf);
}

void sz_bound_challenge(struct sz_gateway *g, const struct sz_conf *c, struct sz_http_dpop *ret)
{
	size_t n = 0, i;
	u32 alg;

	*ret = (struct sz_http_dpop){0};
	g->nonce[0] = '\0';
	for (i = 0; i < c->n_issuers && c->issuers[i].dpop == SZ_DPOP_OFF; i++)
		;
	if (i == c->n_issuers)
		return;
	for (alg = 1; alg < SZ_ALG_COUNT; alg++)
		if (c->dpop.algs & SZ_ALG_BIT(alg) && n < sizeof(g->dpop_algs))
			n += (size_t)snprintf(g->dpop_algs + n, sizeof(g->dpop_algs) - n, "%s%s",
					      n ? " " : "", sz_alg_name((enum sz_alg)alg));
	ret->algs = g->dpop_algs;
	if (!g->dpop)
		return;
	sz_dpop_nonce(g->dpop, sz_boot_ns(), sz_wall_ns(), g->nonce);
	ret->nonce = g->nonce;
}

void sz_bound_tick(struct sz_gateway *g)
{
	char now[SZ_DPOP_NONCE_LEN + 1];
	struct sz_error e = {};

	if (!g->nonce[0])
		return;
	sz_dpop_nonce(g->dpop, sz_boot_ns(), sz_wall_ns(), now);
	if (strcmp(now, g->nonce) && sz_publish_answer(g, g->conf, SZ_R_DPOP_NONCE, &e))
		sz_log(SZ_LOG_WARNING, "%s", e.msg);
}
