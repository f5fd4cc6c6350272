/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * DPoP proofs: what one must say about its request, when it is fresh, and that it counts once.
 */
#include <sodium.h>

#include "codec/codec.h"
#include "dpop/dpop.h"
#include "harness.h"
#include "jose/jose.h"

#define TOKEN "abc.def.ghi"
#define NOW   1700000000
#define NS    1000000000ull
#define BOOT  (5000 * NS)

static struct sz_error e;
static json_t *key, *other;
static char jkt[44];
static const char *const origins[] = {"https://api.example.com", "http://10.0.0.5:8080"};
static struct sz_dpop_proof proof;

static void keys(void)
{
	json_t *set;

	if (key)
		return;
	ASSERT_EQ(sz_key_generate(SZ_ALG_ES256, &key, &set, &e), 0);
	json_decref(set);
	ASSERT_EQ(sz_key_generate(SZ_ALG_ES256, &other, &set, &e), 0);
	json_decref(set);
	ASSERT_EQ(sz_jwk_thumbprint(key, jkt, &e), 0);
}

static json_t *claims(void)
{
	u8 hash[32];
	char ath[44];

	crypto_hash_sha256(hash, (const u8 *)TOKEN, strlen(TOKEN));
	sz_b64url_encode(hash, sizeof(hash), ath);
	return json_pack("{s:s, s:s, s:s, s:i, s:s}", "jti", "one", "htm", "GET", "htu",
			 "https://api.example.com/orders/7", "iat", NOW, "ath", ath);
}

static struct sz_dpop_request request(const struct sz_buf *jws)
{
	return (struct sz_dpop_request){.proof = jws->data,
					.proof_len = jws->len,
					.method = "GET",
					.method_len = 3,
					.target = "/orders/7?x=1",
					.target_len = 13,
					.origins = origins,
					.n_origins = 2,
					.token = TOKEN,
					.token_len = strlen(TOKEN),
					.jkt = jkt};
}

#define ALL SZ_ALG_ASYMMETRIC

/* The verdict on these claims, signed as a proof; takes them over. */
static enum sz_reason prove(json_t *c)
{
	struct sz_buf jws = {0};
	struct sz_dpop_request req;
	enum sz_reason r;

	EXPECT_EQ(sz_proof_sign(key, c, &jws, &e), 0);
	req = request(&jws);
	r = sz_dpop_prove(&req, ALL, &proof, &e);
	sz_buf_done(&jws);
	json_decref(c);
	return r;
}

/* The same with one claim replaced, or taken away where v is NULL. */
static enum sz_reason prove_with(const char *name, json_t *v)
{
	json_t *c = claims();

	if (v)
		json_object_set_new(c, name, v);
	else
		json_object_del(c, name);
	return prove(c);
}

TEST(proof_that_fits_its_request_is_good)
{
	keys();
	EXPECT_EQ(prove(claims()), SZ_R_NONE);
	EXPECT_EQ(proof.iat, NOW);
	EXPECT_TRUE(!proof.has_nonce && proof.key);
	EXPECT_EQ(prove_with("nonce", json_string("n")), SZ_R_NONE);
	EXPECT_TRUE(proof.has_nonce && !proof.nonce_shape);
}

TEST(each_claim_must_fit_the_request)
{
	static const char *const needed[] = {"jti", "htm", "htu", "iat", "ath"};
	char *long_jti = sz_calloc(1, 514);

	keys();
	memset(long_jti, 'x', 513);
	for (size_t i = 0; i < SZ_ARRAY_LEN(needed); i++) {
		EXPECT_EQ(prove_with(needed[i], NULL), SZ_R_DPOP_PROOF);
		EXPECT_EQ(prove_with(needed[i], json_true()), SZ_R_DPOP_PROOF);
		EXPECT_EQ(prove_with(needed[i], json_string("")), SZ_R_DPOP_PROOF);
	}
	EXPECT_EQ(prove_with("jti", json_string(long_jti)), SZ_R_DPOP_PROOF);
	EXPECT_EQ(prove_with("htm", json_string("POST")), SZ_R_DPOP_PROOF);
	EXPECT_EQ(prove_with("htm", json_string("get")), SZ_R_DPOP_PROOF);
	EXPECT_EQ(prove_with("iat", json_integer(-1)), SZ_R_DPOP_PROOF);
	EXPECT_EQ(prove_with("nonce", json_integer(1)), SZ_R_DPOP_PROOF);
	EXPECT_EQ(prove_with("ath", json_string("n4bQgYhMfWWaL-qgxVrQFaO_TxsrC4Is0V1sFbDwCgg")),
		  SZ_R_DPOP_PROOF);
	free(long_jti);
}

TEST(htu_is_compared_in_normal_form)
{
	static const char *const same[] = {
		"HTTPS://API.example.com:443/orders/7",
		"https://api.example.com/orders/7?q#f",
		"https://api.example.com/./orders/x/../%37",
		"https://api.example.com:/orders/7",
		"http://10.0.0.5:8080/orders/7",
	};
	static const char *const not[] = {
		"http://api.example.com/orders/7",
		"https://api.example.com/orders/7/",
		"https://api.example.com/orders/8",
		"https://api.example.com:8443/orders/7",
		"https://evil@api.example.com/orders/7",
		"https://api.example.com.evil/orders/7",
		"https://api.example.com/orders/%zz",
		"/orders/7",
		"https:///orders/7",
		"http://10.0.0.5/orders/7",
		"https://api.example.com/orders%2f7",
		"https://api.example.com/orders/7 ",
		"ftp://api.example.com/orders/7",
	};

	keys();
	for (size_t i = 0; i < SZ_ARRAY_LEN(same); i++)
		if (!EXPECT_EQ(prove_with("htu", json_string(same[i])), SZ_R_NONE))
			printf("# %s\n", same[i]);
	for (size_t i = 0; i < SZ_ARRAY_LEN(not); i++)
		if (!EXPECT_EQ(prove_with("htu", json_string(not[i])), SZ_R_DPOP_PROOF))
			printf("# %s\n", not[i]);
}

TEST(normal_forms_are_those_of_rfc_3986)
{
	static const char *const forms[][2] = {
		{"http://h", "http://h/"},
		{"http://h:80", "http://h/"},
		{"https://h:80/", "https://h:80/"},
		{"http://H/%7euser/%c3%a9%2F", "http://h/~user/%C3%A9%2F"},
		{"http://h/a/b/c/./../../g", "http://h/a/g"},
		{"http://h/../../a/..", "http://h/"},
		{"http://h/a/.", "http://h/a/"},
		{"http://h/a//b/...", "http://h/a//b/..."},
		{"http://h?q", "http://h/"},
		{"http://[2001:DB8::1]:8080/x", "http://[2001:db8::1]:8080/x"},
		{"http://h/a/%2E%2e/b", "http://h/b"},
	};
	static const char *const none[] = {"",
					   "http",
					   "http://",
					   "http:///",
					   "http://h:x/",
					   "http://h:65536",
					   "http://h:0",
					   "http://h%41/",
					   "http://[::1",
					   "http://[]/",
					   "http://h/\x80",
					   "http://h/%",
					   "http://h/%4",
					   "http://a b/",
					   "http://h:123456/"};
	struct sz_buf out = {0};

	for (size_t i = 0; i < SZ_ARRAY_LEN(forms); i++) {
		EXPECT_EQ(sz_dpop_uri(forms[i][0], strlen(forms[i][0]), &out), 0);
		EXPECT_EQ(out.len, strlen(forms[i][1]));
		if (!EXPECT_TRUE(!memcmp(out.data, forms[i][1], strlen(forms[i][1]))))
			printf("# %s\n", forms[i][0]);
	}
	for (size_t i = 0; i < SZ_ARRAY_LEN(none); i++)
		if (!EXPECT_EQ(sz_dpop_uri(none[i], strlen(none[i]), &out), -EINVAL))
			printf("# %s\n", none[i]);
	sz_buf_done(&out);
}

TEST(target_in_absolute_form_means_its_path)
{
	struct sz_buf jws = {0};
	struct sz_dpop_request req;
	json_t *c;

	keys();
	c = claims();
	EXPECT_EQ(sz_proof_sign(key, c, &jws, &e), 0);
	req = request(&jws);
	req.target = "http://other/orders/7?/";
	req.target_len = strlen(req.target);
	EXPECT_EQ(sz_dpop_prove(&req, ALL, &proof, &e), SZ_R_NONE);
	req.target = "http://other?/orders/7";
	req.target_len = strlen(req.target);
	EXPECT_EQ(sz_dpop_prove(&req, ALL, &proof, &e), SZ_R_DPOP_PROOF);
	req.target = "*";
	req.target_len = 1;
	EXPECT_EQ(sz_dpop_prove(&req, ALL, &proof, &e), SZ_R_DPOP_PROOF);
	json_decref(c);
	sz_buf_done(&jws);
}

/* What signs the header and these claims with `with`. */
static enum sz_reason prove_header(const json_t *with, json_t *header, u32 algs)
{
	struct sz_buf jws = {0};
	struct sz_dpop_request req;
	json_t *c = claims();
	enum sz_reason r;

	EXPECT_EQ(sz_jws_sign(with, header, c, &jws, &e), 0);
	req = request(&jws);
	r = sz_dpop_prove(&req, algs, &proof, &e);
	sz_buf_done(&jws);
	json_decref(c);
	json_decref(header);
	return r;
}

static json_t *public_of(const json_t *private)
{
	json_t *jwk = json_deep_copy(private);

	json_object_del(jwk, "d");
	return jwk;
}

#define HEADER(typ, jwk) json_pack("{s:s, s:o}", "typ", typ, "jwk", jwk)

TEST(proof_is_signed_by_the_public_key_it_brings)
{
	json_t *oct = json_pack("{s:s, s:s, s:s}", "kty", "oct", "alg", "HS256", "k",
				"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8");
	json_t *enc, *header;

	keys();
	enc = public_of(key);
	json_object_set_new(enc, "use", json_string("enc"));
	EXPECT_EQ(prove_header(key, HEADER("dpop+jwt", public_of(key)), ALL), SZ_R_NONE);
	EXPECT_EQ(prove_header(key, HEADER("jwt", public_of(key)), ALL), SZ_R_DPOP_PROOF);
	EXPECT_EQ(prove_header(key, HEADER("dpop+jwt", json_copy(key)), ALL), SZ_R_DPOP_PROOF);
	EXPECT_CONTAINS(e.msg, "private");
	EXPECT_EQ(prove_header(key, HEADER("dpop+jwt", enc), ALL), SZ_R_DPOP_PROOF);
	EXPECT_EQ(prove_header(key, HEADER("dpop+jwt", json_null()), ALL), SZ_R_DPOP_PROOF);
	EXPECT_EQ(prove_header(key, json_pack("{s:s}", "typ", "dpop+jwt"), ALL), SZ_R_DPOP_PROOF);
	header = HEADER("dpop+jwt", public_of(key));
	json_object_set_new(header, "crit", json_pack("[s]", "exp"));
	EXPECT_EQ(prove_header(key, header, ALL), SZ_R_DPOP_PROOF);
	/* Signed by another key than the one it brings, and the other way round. */
	EXPECT_EQ(prove_header(other, HEADER("dpop+jwt", public_of(key)), ALL), SZ_R_DPOP_PROOF);
	EXPECT_CONTAINS(e.msg, "signature");
	EXPECT_EQ(prove_header(other, HEADER("dpop+jwt", public_of(other)), ALL),
		  SZ_R_DPOP_BINDING);
	/* Algorithms: not allowed, symmetric. */
	EXPECT_EQ(prove_header(key, HEADER("dpop+jwt", public_of(key)), SZ_ALG_BIT(SZ_ALG_EDDSA)),
		  SZ_R_DPOP_PROOF);
	EXPECT_EQ(prove_header(oct, HEADER("dpop+jwt", json_copy(oct)), ~0u), SZ_R_DPOP_PROOF);
	EXPECT_CONTAINS(e.msg, "algorithm");
	json_decref(oct);
}

TEST(proof_that_is_missing_or_too_long_is_refused)
{
	struct sz_buf big = {0};
	struct sz_dpop_request req = request(&big);

	keys();
	EXPECT_EQ(sz_dpop_prove(&req, ALL, &proof, &e), SZ_R_DPOP_PROOF);
	sz_buf_reserve(&big, SZ_DPOP_MAX + 1);
	memset(big.data, 'a', SZ_DPOP_MAX + 1);
	req.proof = big.data;
	req.proof_len = SZ_DPOP_MAX + 1;
	EXPECT_EQ(sz_dpop_prove(&req, ALL, &proof, &e), SZ_R_DPOP_PROOF);
	EXPECT_CONTAINS(e.msg, "4096");
	sz_buf_done(&big);
}

/* ---- freshness, nonces, replay -------------------------------------------------------------- */

static const struct sz_dpop_conf conf = {
	.max_age_s = 60, .skew_s = 5, .nonce_lifetime_s = 300, .replay_entries = 1024};

static struct sz_dpop_proof proof_of(u64 n, s64 iat)
{
	struct sz_dpop_proof p = {.key = 1 + n / 256, .iat = iat};

	crypto_generichash(p.id, sizeof(p.id), (const u8 *)&n, sizeof(n), NULL, 0);
	return p;
}

static struct sz_wheel wheel;

static struct sz_dpop *start(const struct sz_dpop_conf *c, u64 *mark)
{
	if (!wheel.timers)
		sz_wheel_init(&wheel, BOOT, NULL);
	return sz_dpop_new(c, &wheel, mark, BOOT, NOW * NS);
}

/* At so many seconds after the start. */
static enum sz_reason admit(struct sz_dpop *d, const struct sz_dpop_proof *p, u64 place, u64 s)
{
	EXPECT_TRUE(!sz_wheel_run(&wheel, BOOT + s * NS, UINT32_MAX, NULL));
	return sz_dpop_admit(d, p, place, BOOT + s * NS, (NOW + s) * NS, &e);
}

TEST(proof_counts_once)
{
	u64 mark = 0;
	struct sz_dpop *d = start(&conf, &mark);
	struct sz_dpop_proof p = proof_of(1, NOW + 100), q = proof_of(2, NOW + 100);

	EXPECT_EQ(admit(d, &p, 7, 100), SZ_R_NONE);
	EXPECT_EQ(mark, NOW + 100);
	EXPECT_EQ(admit(d, &p, 7, 101), SZ_R_NONE); /* the same bytes sent again */
	EXPECT_EQ(admit(d, &p, 8, 101), SZ_R_DPOP_REPLAY);
	EXPECT_EQ(admit(d, &q, 8, 101), SZ_R_NONE);
	for (u64 s = 102; s <= 160; s++)
		EXPECT_EQ(admit(d, &p, 8, s), SZ_R_DPOP_REPLAY);
	EXPECT_EQ(admit(d, &p, 8, 161), SZ_R_DPOP_PROOF);
	sz_dpop_free(d);
}

TEST(proofs_are_forgotten_by_the_wheel_when_their_last_second_is_over)
{
	u64 mark = 0;
	struct sz_dpop *d = start(&conf, &mark);

	for (u64 n = 0; n < 40; n++) {
		struct sz_dpop_proof p = proof_of(n, (s64)(NOW + 80 + n));

		ASSERT_EQ(admit(d, &p, 1, 115), SZ_R_NONE);
	}
	EXPECT_EQ(wheel.timers, 40);
	for (u64 s = 116; s <= 190; s++) { /* the n-th is good until second 140 + n */
		u64 gone = s <= 140 ? 0 : s - 140 < 40 ? s - 140 : 40;

		sz_wheel_run(&wheel, BOOT + s * NS - 1, UINT32_MAX, NULL);
		EXPECT_EQ(sz_dpop_stats(d).live, 40 - (gone ? gone - 1 : 0) - (s > 180));
		sz_wheel_run(&wheel, BOOT + s * NS, UINT32_MAX, NULL);
		EXPECT_EQ(sz_dpop_stats(d).live, 40 - gone);
		EXPECT_EQ(sz_dpop_stats(d).ended, gone);
	}
	EXPECT_EQ(wheel.timers, 0);
	sz_dpop_free(d);
}

/* Remembered longer than needed, then, and never shorter. */
TEST(clock_that_is_set_ahead_or_back_makes_no_proof_good_twice)
{
	static const s64 jumps[] = {0, 30, 3600, -30, -3600, 86400 * 365};
	struct sz_error why;

	for (size_t i = 0; i < SZ_ARRAY_LEN(jumps); i++) {
		u64 mark = 0;
		struct sz_dpop *d = start(&conf, &mark);
		struct sz_dpop_proof p = proof_of(1, NOW + 100);

		ASSERT_EQ(admit(d, &p, 1, 100), SZ_R_NONE);
		for (u64 s = 101; s < 400; s++) {
			sz_wheel_run(&wheel, BOOT + s * NS, UINT32_MAX, NULL);
			for (int back = 0; back < 2; back++)
				EXPECT_TRUE(sz_dpop_admit(d, &p, 2, BOOT + s * NS,
							  (u64)((s64)(NOW + s) +
								(back ? 0 : jumps[i])) * NS,
							  &why) != SZ_R_NONE);
		}
		EXPECT_EQ(sz_dpop_stats(d).live, 0);
		sz_dpop_free(d);
	}
}

TEST(table_that_is_freed_leaves_no_timer_behind)
{
	u64 mark = 0;
	struct sz_dpop *d = start(&conf, &mark);
	struct sz_dpop_proof p = proof_of(1, NOW + 100);

	ASSERT_EQ(admit(d, &p, 1, 100), SZ_R_NONE);
	EXPECT_EQ(wheel.timers, 1);
	sz_dpop_free(d);
	EXPECT_EQ(wheel.timers, 0);
}

TEST(proof_is_of_now)
{
	u64 mark = 0;
	struct sz_dpop *d = start(&conf, &mark);
	struct sz_dpop_proof p = proof_of(1, NOW + 205), q = proof_of(2, NOW + 206),
			     r = proof_of(3, NOW + 140), s = proof_of(4, NOW + 139);

	EXPECT_EQ(admit(d, &p, 1, 200), SZ_R_NONE);
	EXPECT_EQ(admit(d, &q, 1, 200), SZ_R_DPOP_PROOF);
	EXPECT_EQ(admit(d, &r, 1, 200), SZ_R_NONE);
	EXPECT_EQ(admit(d, &s, 1, 200), SZ_R_DPOP_PROOF);
	sz_dpop_free(d);
}

static void set_nonce(struct sz_dpop *d, struct sz_dpop_proof *p, u64 s)
{
	char nonce[SZ_DPOP_NONCE_LEN + 1];

	sz_dpop_nonce(d, BOOT + s * NS, (NOW + s) * NS, nonce);
	memcpy(p->nonce, nonce, SZ_DPOP_NONCE_LEN);
	p->has_nonce = p->nonce_shape = true;
}

/* Whatever a process before this one has admitted, or a clock that was ahead. */
TEST(proof_that_may_be_older_than_the_process_needs_a_nonce)
{
	u64 mark = NOW + 50;
	struct sz_dpop *d = start(&conf, &mark);
	struct sz_dpop_proof p = proof_of(1, NOW + 50), q = proof_of(2, NOW + 51);

	EXPECT_EQ(admit(d, &p, 1, 51), SZ_R_DPOP_NONCE);
	EXPECT_EQ(admit(d, &q, 1, 51), SZ_R_NONE);
	set_nonce(d, &p, 51);
	EXPECT_EQ(admit(d, &p, 1, 51), SZ_R_NONE);
	EXPECT_EQ(admit(d, &p, 2, 51), SZ_R_DPOP_REPLAY);
	sz_dpop_free(d);
	mark = 0;
	d = start(&conf, &mark);
	p = proof_of(3, NOW + 5);
	EXPECT_EQ(admit(d, &p, 1, 2), SZ_R_DPOP_NONCE);
	EXPECT_EQ(admit(d, &p, 1, 10), SZ_R_DPOP_NONCE);
	sz_dpop_free(d);
}

TEST(clock_that_is_set_back_brings_no_proof_back)
{
	u64 mark = 0;
	struct sz_dpop *d = start(&conf, &mark);
	struct sz_dpop_proof p = proof_of(1, NOW + 100), q;

	EXPECT_EQ(admit(d, &p, 1, 100), SZ_R_NONE);
	/* Forgotten by now; then the wall clock goes back to where the proof was good. */
	q = proof_of(2, NOW + 1000);
	EXPECT_EQ(admit(d, &q, 1, 1000), SZ_R_NONE);
	EXPECT_EQ(sz_dpop_stats(d).live, 1);
	EXPECT_EQ(sz_dpop_admit(d, &p, 2, BOOT + 1001 * NS, (NOW + 100) * NS, &e), SZ_R_DPOP_NONCE);
	sz_dpop_free(d);
}

TEST(nonce_is_ours_and_not_old)
{
	struct sz_dpop_conf strict = conf;
	u64 mark = 0;
	struct sz_dpop *d, *foreign = start(&conf, &mark);
	struct sz_dpop_proof p = proof_of(1, NOW - 99999), q = proof_of(2, NOW + 100);

	strict.require_nonce = true;
	d = start(&strict, &mark);
	EXPECT_EQ(admit(d, &q, 1, 100), SZ_R_DPOP_NONCE);
	set_nonce(d, &p, 100);
	EXPECT_EQ(admit(d, &p, 1, 101), SZ_R_NONE); /* the nonce says when it was made, not "iat" */
	EXPECT_EQ(admit(d, &p, 2, 300), SZ_R_DPOP_REPLAY);
	EXPECT_EQ(admit(d, &p, 2, 401), SZ_R_DPOP_NONCE);
	set_nonce(d, &q, 100);
	EXPECT_EQ(admit(d, &q, 2, 10), SZ_R_DPOP_NONCE); /* of a time that is still to come */
	q.nonce[3] ^= 1;
	EXPECT_EQ(admit(d, &q, 2, 100), SZ_R_DPOP_NONCE);
	set_nonce(foreign, &q, 100);
	EXPECT_EQ(admit(d, &q, 2, 100), SZ_R_DPOP_NONCE);
	q.nonce_shape = false;
	EXPECT_EQ(admit(d, &q, 2, 100), SZ_R_DPOP_NONCE);
	sz_dpop_free(foreign);
	sz_dpop_free(d);
}

TEST(table_that_is_full_refuses_and_forgets_nothing)
{
	u64 mark = 0, n;
	struct sz_dpop *d = start(&conf, &mark);
	struct sz_dpop_proof p;

	for (n = 0; n < 1024; n++) {
		p = proof_of(n, NOW + 100);
		ASSERT_EQ(admit(d, &p, 1, 100), SZ_R_NONE);
	}
	p = proof_of(5000, NOW + 100);
	EXPECT_EQ(admit(d, &p, 1, 100), SZ_R_STATE_FULL);
	for (n = 0; n < 1024; n++) {
		p = proof_of(n, NOW + 100);
		ASSERT_EQ(admit(d, &p, 2, 160), SZ_R_DPOP_REPLAY);
	}
	p = proof_of(5000, NOW + 161);
	EXPECT_EQ(admit(d, &p, 1, 161), SZ_R_NONE);
	EXPECT_EQ(sz_dpop_stats(d).live, 1);
	sz_dpop_free(d);
}

TEST(one_key_does_not_take_the_whole_table)
{
	u64 mark = 0, n;
	struct sz_dpop *d = start(&conf, &mark);
	struct sz_dpop_proof p;

	for (n = 0; n < 256; n++) {
		p = proof_of(n, NOW + 100);
		p.key = 9;
		ASSERT_EQ(admit(d, &p, 1, 100), SZ_R_NONE);
	}
	p = proof_of(256, NOW + 100);
	p.key = 9;
	EXPECT_EQ(admit(d, &p, 1, 100), SZ_R_LIMIT_PRINCIPAL);
	p.key = 10;
	EXPECT_EQ(admit(d, &p, 1, 100), SZ_R_NONE);
	p = proof_of(257, NOW + 161);
	p.key = 9;
	EXPECT_EQ(admit(d, &p, 1, 161), SZ_R_NONE);
	sz_dpop_free(d);
}

TEST(longer_window_does_not_bring_forgotten_proofs_back)
{
	struct sz_dpop_conf longer = conf;
	u64 mark = 0;
	struct sz_dpop *d = start(&conf, &mark);
	struct sz_dpop_proof p = proof_of(1, NOW + 100), q = proof_of(2, NOW + 170), n;

	EXPECT_EQ(admit(d, &p, 1, 100), SZ_R_NONE);
	n = proof_of(3, 0);
	set_nonce(d, &n, 100);
	EXPECT_EQ(admit(d, &n, 1, 100), SZ_R_NONE);
	EXPECT_EQ(admit(d, &q, 1, 170), SZ_R_NONE);
	longer.max_age_s = 600;
	longer.nonce_lifetime_s = 3600;
	sz_dpop_configure(d, &longer);
	EXPECT_EQ(admit(d, &p, 2, 171), SZ_R_DPOP_NONCE);
	EXPECT_EQ(admit(d, &n, 2, 500), SZ_R_DPOP_NONCE);
	sz_dpop_free(d);
}

/* Against a plain list of everything that was ever admitted. */
TEST(random_proofs_at_random_times_are_admitted_once_each)
{
	static struct {
		u64 n;
		bool used;
	} seen[4096];
	struct sz_dpop_conf small = conf;
	u64 mark = 0, seed = 42, s = 100;
	struct sz_dpop *d = start(&small, &mark);
	int admitted = 0, replays = 0;

	for (int i = 0; i < 800000; i++) {
		u64 n;
		struct sz_dpop_proof p;
		enum sz_reason r;

		seed = seed * 6364136223846793005ull + 1442695040888963407ull;
		s += (seed >> 33) % 200 == 0;
		n = (seed >> 40) % 4096;
		p = proof_of(n, NOW + 80 + (s64)(n * 4000 / 4096));
		r = admit(d, &p, 1 + (u64)i, s);
		if (r == SZ_R_NONE) {
			admitted++;
			ASSERT_TRUE(!seen[n].used);
			seen[n].used = true;
		}
		replays += r == SZ_R_DPOP_REPLAY;
	}
	EXPECT_TRUE(admitted > 3000 && replays > 1000);
	sz_dpop_free(d);
}
