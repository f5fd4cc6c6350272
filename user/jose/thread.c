/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What each thread keeps between two signatures, so that nothing is set up twice: contexts of
 * digests and keys (setting one up takes OpenSSL 3 to 4 us beside 14 us for an RSA signature), and
 * headers that were read before: an issuer writes the same one into every token. All of it is a
 * cache of fixed size: what is not there is made, and freed when its place is needed or the thread
 * ends. A key's number is never used again, so an entry never serves another key.
 */
#include <pthread.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/err.h>

#include "hash/hash.h"
#include "jose/jose_priv.h"

#define SLOTS       32  /* of keys, and of headers */
#define HEADER_MAX  512 /* characters of a header that is kept */
#define DIGESTS     2

struct prepared {
	u64 serial; /* 0: empty */
	enum sz_alg alg;
	EVP_PKEY_CTX *pkey;
	EVP_MAC_CTX *mac;
};

struct header {
	size_t n;
	char *text; /* as it was sent */
	json_t *json;
};

struct thread {
	EVP_MD_CTX *digest[DIGESTS];
	struct prepared prepared[SLOTS];
	struct header header[SLOTS];
	struct jose_numbers numbers;
};

static __thread struct thread *mine;
static pthread_key_t at_exit;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static EVP_MD *md[DIGESTS];
static EVP_MAC *hmac;

static void drop(struct prepared *p)
{
	EVP_PKEY_CTX_free(p->pkey);
	EVP_MAC_CTX_free(p->mac);
	memset(p, 0, sizeof(*p));
}

static void forget(struct header *h)
{
	free(h->text);
	json_decref(h->json);
	memset(h, 0, sizeof(*h));
}

static void thread_done(void *thread)
{
	struct thread *t = thread;
	int i;

	for (i = 0; i < DIGESTS; i++)
		EVP_MD_CTX_free(t->digest[i]);
	for (i = 0; i < SLOTS; i++) {
		drop(&t->prepared[i]);
		forget(&t->header[i]);
	}
	BN_free(t->numbers.sig);
	BN_free(t->numbers.base);
	BN_free(t->numbers.acc);
	BN_CTX_free(t->numbers.ctx);
	free(t);
	mine = NULL;
}

static void begin(void)
{
	md[0] = EVP_MD_fetch(NULL, "SHA2-384", NULL);
	md[1] = EVP_MD_fetch(NULL, "SHA2-512", NULL);
	hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	pthread_key_create(&at_exit, thread_done);
}

static struct thread *thread(void)
{
	if (mine)
		return mine;
	pthread_once(&once, begin);
	mine = sz_calloc(1, sizeof(*mine));
	pthread_setspecific(at_exit, mine);
	return mine;
}

/* ---- digests and keys ------------------------------------------------------------------------ */

bool jose_digest(const struct sz_alg_info *alg, const void *msg, size_t n, u8 out[64])
{
	int i = alg->hash_len == 48 ? 0 : 1;
	EVP_MD_CTX **ctx;

	if (alg->hash_len == SZ_SHA256_LEN) {
		sz_sha256(msg, n, NULL, 0, out);
		return true;
	}
	ctx = &thread()->digest[i];
	if (!*ctx)
		*ctx = EVP_MD_CTX_new();
	return *ctx && EVP_DigestInit_ex2(*ctx, md[i], NULL) && EVP_DigestUpdate(*ctx, msg, n) &&
	       EVP_DigestFinal_ex(*ctx, out, NULL);
}

struct jose_numbers *jose_numbers(void)
{
	struct jose_numbers *m = &thread()->numbers;

	m->ctx = m->ctx ? m->ctx : BN_CTX_new();
	m->sig = m->sig ? m->sig : BN_new();
	m->base = m->base ? m->base : BN_new();
	m->acc = m->acc ? m->acc : BN_new();
	return m->ctx && m->sig && m->base && m->acc ? m : NULL;
}

static struct prepared *place(const struct sz_jwk *key, enum sz_alg alg)
{
	struct prepared *p = &thread()->prepared[(key->serial * 7 + alg) % SLOTS];

	if (p->serial != key->serial || p->alg != alg)
		drop(p);
	return p;
}

static bool keep(struct prepared *p, const struct sz_jwk *key, enum sz_alg alg)
{
	p->serial = key->serial;
	p->alg = alg;
	return true;
}

EVP_PKEY_CTX *jose_pkey_ctx(const struct sz_jwk *key, enum sz_alg a)
{
	struct prepared *p = place(key, a);

	if (p->pkey)
		return p->pkey;
	p->pkey = EVP_PKEY_CTX_new_from_pkey(NULL, key->pkey, NULL);
	if (p->pkey && EVP_PKEY_verify_init(p->pkey) > 0 &&
	    EVP_PKEY_CTX_set_signature_md(p->pkey, sz_alg_info(a)->md()) > 0 && keep(p, key, a))
		return p->pkey;
	drop(p);
	return NULL;
}

bool jose_hmac(const struct sz_jwk *key, enum sz_alg a, const void *msg, size_t n, u8 out[64])
{
	const struct sz_alg_info *alg = sz_alg_info(a);
	struct prepared *p = place(key, a);
	char *name = (char *)(uintptr_t)EVP_MD_get0_name(alg->md());
	const OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0),
		OSSL_PARAM_construct_end(),
	};
	size_t len = 0;

	if (!p->mac) {
		p->mac = hmac ? EVP_MAC_CTX_new(hmac) : NULL;
		if (!p->mac || !EVP_MAC_init(p->mac, key->octets, key->octets_len, params)) {
			drop(p);
			return false;
		}
		keep(p, key, a);
	} else if (!EVP_MAC_init(p->mac, NULL, 0, NULL)) {
		return false;
	}
	return EVP_MAC_update(p->mac, msg, n) && EVP_MAC_final(p->mac, out, &len, 64) &&
	       len == alg->hash_len;
}

/* ---- headers --------------------------------------------------------------------------------- */

/* Which place: FNV-1a over words. Who makes two fall together only makes both slower. */
static struct header *header_place(const char *text, size_t n)
{
	u64 h = 0xcbf29ce484222325ull ^ n, w;

	for (; n >= 8; n -= 8, text += 8) {
		memcpy(&w, text, 8);
		h = (h ^ w) * 0x100000001b3ull;
		h ^= h >> 29;
	}
	w = 0;
	memcpy(&w, text, n);
	h = (h ^ w) * 0x100000001b3ull;
	return &thread()->header[(h >> 32) % SLOTS];
}

json_t *jose_header_known(const char *text, size_t n)
{
	struct header *h;

	if (!n || n > HEADER_MAX)
		return NULL;
	h = header_place(text, n);
	return h->n == n && !memcmp(h->text, text, n) ? json_incref(h->json) : NULL;
}

void jose_header_keep(const char *text, size_t n, json_t *json)
{
	struct header *h;

	if (n > HEADER_MAX)
		return;
	h = header_place(text, n);
	forget(h);
	h->n = n;
	h->text = sz_strndup(text, n);
	h->json = json_incref(json);
}
