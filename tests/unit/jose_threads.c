/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Verification by several threads at once, with more keys than a thread keeps prepared, good and
 * bad tokens in turn: what one signature leaves in a context must not change the next verdict.
 * tests/tsan/jose_threads.c runs the same under ThreadSanitizer.
 */
#include "harness.h"

#include <pthread.h>

#include "jose/jose.h"

#define KEYS    40
#define THREADS 4

static struct sz_jwks *sets[KEYS];
static struct sz_buf tokens[KEYS], forged[KEYS];
static int wrong;

static const enum sz_alg algs[] = {SZ_ALG_EDDSA, SZ_ALG_ES256, SZ_ALG_ES384, SZ_ALG_ES512,
				   SZ_ALG_EDDSA, SZ_ALG_ES256, SZ_ALG_RS256, SZ_ALG_PS384};

/* Another character in the middle of the signature: still base64url, still as long. */
static void forge(const struct sz_buf *from, struct sz_buf *to)
{
	char *at;

	sz_buf_add(to, from->data, from->len);
	at = strrchr(to->data, '.') + 20;
	*at = *at == 'x' ? 'y' : 'x';
}

static void make_keys(void)
{
	json_t *private, *jwks, *claims = json_pack("{s:s}", "iss", "i");
	struct sz_error e = {""};

	for (int i = 0; i < KEYS; i++) {
		char *text;

		ASSERT_EQ(sz_key_generate(algs[i % 8], &private, &jwks, &e), 0);
		text = json_dumps(jwks, 0);
		ASSERT_EQ(sz_jwks_parse(text, strlen(text), ~0u, &sets[i], &e), 0);
		free(text);
		sz_buf_reset(&tokens[i]);
		ASSERT_EQ(sz_token_sign(private, claims, &tokens[i], &e), 0);
		forge(&tokens[i], &forged[i]);
		json_decref(private);
		json_decref(jwks);
	}
	json_decref(claims);
}

static void free_keys(void)
{
	for (int i = 0; i < KEYS; i++) {
		sz_jwks_free(sets[i]);
		sz_buf_done(&tokens[i]);
		sz_buf_done(&forged[i]);
	}
}

static void expect(int key, const struct sz_buf *token, int want)
{
	struct sz_buf payload = {};
	struct sz_error e;

	if (sz_jws_verify(token->data, token->len, sets[key], ~0u, &payload, &e) != want)
		__atomic_add_fetch(&wrong, 1, __ATOMIC_RELAXED);
	sz_buf_done(&payload);
}

static void *verify_all(void *arg)
{
	unsigned start = *(const unsigned *)arg;

	for (unsigned i = 0; i < 2 * KEYS; i++) {
		int k = (int)((start + i * 7) % KEYS);

		expect(k, &tokens[k], 0);
		expect(k, &forged[k], -EBADMSG);
		expect(k, &tokens[k], 0);
		/* Somebody else's key of the same kind: it has another kid. */
		expect(k, &tokens[(k + 8) % KEYS], -ENOKEY);
	}
	return NULL;
}

TEST(threads_with_many_keys_agree_on_good_and_bad_tokens)
{
	pthread_t t[THREADS];
	unsigned start[THREADS];

	make_keys();
	wrong = 0;
	for (unsigned i = 0; i < THREADS; i++) {
		start[i] = i * 11;
		ASSERT_EQ(pthread_create(&t[i], NULL, verify_all, &start[i]), 0);
	}
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	EXPECT_EQ(wrong, 0);
	verify_all(&start[1]);
	EXPECT_EQ(wrong, 0);
	free_keys();
}

/* A key set that is gone leaves nothing behind that a new one could be mistaken for. */
TEST(new_key_set_is_never_served_by_what_an_old_one_left)
{
	json_t *private, *jwks, *claims = json_pack("{s:s}", "iss", "i");
	struct sz_buf old = {}, token = {}, payload = {};
	struct sz_error e = {""};
	struct sz_jwks *set;

	for (int i = 0; i < 100; i++) {
		char *text;

		ASSERT_EQ(sz_key_generate(SZ_ALG_ES256, &private, &jwks, &e), 0);
		/* One kid for all of them. */
		json_object_set_new(private, "kid", json_string("k"));
		json_object_set_new(json_array_get(json_object_get(jwks, "keys"), 0), "kid",
				    json_string("k"));
		text = json_dumps(jwks, 0);
		ASSERT_EQ(sz_jwks_parse(text, strlen(text), ~0u, &set, &e), 0);
		free(text);
		sz_buf_reset(&token);
		ASSERT_EQ(sz_token_sign(private, claims, &token, &e), 0);
		EXPECT_EQ(sz_jws_verify(token.data, token.len, set, ~0u, &payload, &e), 0);
		if (old.len)
			EXPECT_EQ(sz_jws_verify(old.data, old.len, set, ~0u, &payload, &e),
				  -EBADMSG);
		sz_buf_reset(&old);
		sz_buf_add(&old, token.data, token.len);
		sz_jwks_free(set);
		json_decref(private);
		json_decref(jwks);
	}
	sz_buf_done(&old);
	sz_buf_done(&token);
	sz_buf_done(&payload);
	json_decref(claims);
}
