/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Signed notes and checkpoints as C2SP describes them (signed-note and tlog-checkpoint, Ed25519):
 * keys as text, one note written, one note read. The daemon signs, everybody verifies. A note that
 * is not exactly in the form it would be written in is refused.
 */
#include "audit/audit_priv.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "codec/codec.h"
#include "hash/hash.h"

#define ED25519 0x01 /* signature type of the specification */
#define ID_LEN  4
#define PLUS    "PRIVATE+KEY+"

static const char dash[] = "\xe2\x80\x94 "; /* U+2014 and a space begin a signature line */

/* A key's name: what may stand between spaces and pluses, and in a JSON string as it is. */
bool sz_audit_name_ok(const char *s, size_t n)
{
	size_t i;

	if (!n || n >= SZ_AUDIT_NAME_MAX)
		return false;
	for (i = 0; i < n; i++)
		if (s[i] <= ' ' || s[i] > '~' || strchr("+\"\\", s[i]))
			return false;
	return true;
}

bool sz_audit_base64(const char *s, size_t n, u8 *ret, size_t len)
{
	size_t got, i;

	/* libsodium takes every byte above 0x7f for a slash. */
	for (i = 0; i < n; i++)
		if (s[i] & 0x80)
			return false;
	return n == sodium_base64_ENCODED_LEN(len, sodium_base64_VARIANT_ORIGINAL) - 1 &&
	       !sodium_base642bin(ret, len, s, n, NULL, &got, NULL,
				  sodium_base64_VARIANT_ORIGINAL) && got == len;
}

static void add_base64(struct sz_buf *b, const u8 *p, size_t n)
{
	char text[sodium_base64_ENCODED_LEN(128, sodium_base64_VARIANT_ORIGINAL)];

	sodium_bin2base64(text, sizeof(text), p, n, sodium_base64_VARIANT_ORIGINAL);
	sz_buf_add(b, text, strlen(text));
}

/* First bytes of SHA-256(name, LF, type, public key). */
static void key_id(const struct sz_audit_vkey *k, u8 ret[ID_LEN])
{
	char head[SZ_AUDIT_NAME_MAX + 2];
	u8 hash[SZ_SHA256_LEN];
	int n = snprintf(head, sizeof(head), "%s\n%c", k->name, ED25519);

	sz_sha256(head, (size_t)n, k->public, sizeof(k->public), hash);
	memcpy(ret, hash, ID_LEN);
}

/* NAME+ID+base64(type, 32 bytes): name and bytes. */
static bool read_key(const char *s, size_t n, char name[SZ_AUDIT_NAME_MAX], u8 id[ID_LEN],
		     u8 key[32])
{
	const char *first = memchr(s, '+', n), *second;
	size_t left;
	u8 typed[33];

	if (!first || !sz_audit_name_ok(s, (size_t)(first - s)))
		return false;
	left = n - (size_t)(first + 1 - s);
	if (left < 2 * ID_LEN + 1 || sz_hex_decode(first + 1, 2 * ID_LEN, id))
		return false;
	second = first + 1 + 2 * ID_LEN;
	left -= 2 * ID_LEN + 1;
	if (*second != '+' || !sz_audit_base64(second + 1, left, typed, sizeof(typed)) ||
	    typed[0] != ED25519)
		return false;
	memcpy(name, s, (size_t)(first - s));
	name[first - s] = '\0';
	memcpy(key, typed + 1, 32);
	sodium_memzero(typed, sizeof(typed));
	return true;
}

static void add_key(struct sz_buf *b, const struct sz_audit_vkey *k, const u8 key[32])
{
	char hex[2 * ID_LEN + 1];
	u8 typed[33] = { ED25519 };

	memcpy(typed + 1, key, 32);
	sz_hex_encode(k->id, ID_LEN, hex);
	sz_buf_printf(b, "%s+%s+", k->name, hex);
	add_base64(b, typed, sizeof(typed));
	sodium_memzero(typed, sizeof(typed));
}

int sz_audit_vkey_parse(const char *s, size_t n, struct sz_audit_vkey *ret, struct sz_error *e)
{
	u8 id[ID_LEN];

	*ret = (struct sz_audit_vkey){ 0 };
	if (!read_key(s, n, ret->name, ret->id, ret->public))
		return sz_error_set(e, -EINVAL,
				    "not a public key of the form NAME+HASH+BASE64 with Ed25519; "
				    "'subzeroctl audit key' prints it");
	key_id(ret, id);
	if (memcmp(id, ret->id, ID_LEN))
		return sz_error_set(e, -EINVAL,
				    "the public key of %s does not fit its own hash; copy it anew",
				    ret->name);
	return 0;
}

void sz_audit_vkey_format(const struct sz_audit_vkey *k, struct sz_buf *ret)
{
	add_key(ret, k, k->public);
}

bool sz_audit_vkey_same(const struct sz_audit_vkey *a, const struct sz_audit_vkey *b)
{
	return !strcmp(a->name, b->name) && !memcmp(a->public, b->public, sizeof(a->public));
}

void sz_audit_skey_generate(const char *name, struct sz_audit_skey *ret)
{
	*ret = (struct sz_audit_skey){ 0 };
	sz_audit_hash_init();
	snprintf(ret->vkey.name, sizeof(ret->vkey.name), "%s", name);
	crypto_sign_keypair(ret->vkey.public, ret->secret);
	key_id(&ret->vkey, ret->vkey.id);
}

int sz_audit_skey_parse(const char *s, size_t n, struct sz_audit_skey *ret, struct sz_error *e)
{
	u8 seed[32], id[ID_LEN];
	size_t plus = sizeof(PLUS) - 1;
	bool good;

	sz_audit_hash_init();
	*ret = (struct sz_audit_skey){ 0 };
	if (n && s[n - 1] == '\n')
		n--;
	good = n > plus && !memcmp(s, PLUS, plus) &&
	       read_key(s + plus, n - plus, ret->vkey.name, ret->vkey.id, seed);
	if (good) {
		crypto_sign_seed_keypair(ret->vkey.public, ret->secret, seed);
		key_id(&ret->vkey, id);
		good = !memcmp(id, ret->vkey.id, ID_LEN);
	}
	sodium_memzero(seed, sizeof(seed));
	if (good)
		return 0;
	sz_audit_skey_done(ret);
	return sz_error_set(e, -EBADMSG, "not a private key of the audit log");
}

void sz_audit_skey_format(const struct sz_audit_skey *k, struct sz_buf *ret)
{
	u8 seed[32];

	crypto_sign_ed25519_sk_to_seed(seed, k->secret);
	sz_buf_add(ret, PLUS, sizeof(PLUS) - 1);
	add_key(ret, &k->vkey, seed);
	sz_buf_add(ret, "\n", 1);
	sodium_memzero(seed, sizeof(seed));
}

void sz_audit_skey_done(struct sz_audit_skey *k)
{
	sodium_memzero(k, sizeof(*k));
}

void sz_audit_note_sign(const struct sz_audit_skey *k, const char *text, size_t n,
			struct sz_buf *ret)
{
	u8 signature[ID_LEN + crypto_sign_BYTES];

	memcpy(signature, k->vkey.id, ID_LEN);
	crypto_sign_detached(signature + ID_LEN, NULL, (const u8 *)text, n, k->secret);
	sz_buf_add(ret, text, n);
	sz_buf_printf(ret, "\n%s%s ", dash, k->vkey.name);
	add_base64(ret, signature, sizeof(signature));
	sz_buf_add(ret, "\n", 1);
}

void sz_audit_checkpoint_sign(const struct sz_audit_skey *k, u64 size,
			      const u8 root[SZ_AUDIT_HASH_LEN], struct sz_buf *ret)
{
	struct sz_buf text = {0};

	sz_buf_printf(&text, "%s\n%llu\n", k->vkey.name, (unsigned long long)size);
	add_base64(&text, root, SZ_AUDIT_HASH_LEN);
	sz_buf_add(&text, "\n", 1);
	sz_audit_note_sign(k, text.data, text.len, ret);
	sz_buf_done(&text);
}

const char *sz_audit_note_line(const char **p, const char *end, size_t *ret_n)
{
	const char *first = *p, *nl = memchr(first, '\n', (size_t)(end - first));

	if (!nl)
		return NULL;
	*ret_n = (size_t)(nl - first);
	*p = nl + 1;
	return first;
}

bool sz_audit_note_number(const char *s, size_t n, u64 *ret)
{
	size_t i;

	if (!n || (n > 1 && s[0] == '0'))
		return false;
	for (*ret = 0, i = 0; i < n; i++)
		if (s[i] < '0' || s[i] > '9' || __builtin_mul_overflow(*ret, 10u, ret) ||
		    __builtin_add_overflow(*ret, (u64)(s[i] - '0'), ret))
			return false;
	return true;
}

/* One signature line: name, key id and signature; false where it is none. */
static bool read_signature(const char *s, size_t n, const char **name, size_t *name_len,
			   u8 signature[ID_LEN + crypto_sign_BYTES])
{
	const char *space;

	if (n < sizeof(dash) || memcmp(s, dash, sizeof(dash) - 1))
		return false;
	*name = s + sizeof(dash) - 1;
	space = memchr(*name, ' ', n - (sizeof(dash) - 1));
	if (!space || !sz_audit_name_ok(*name, (size_t)(space - *name)))
		return false;
	*name_len = (size_t)(space - *name);
	return sz_audit_base64(space + 1, n - (size_t)(space + 1 - s), signature,
		      ID_LEN + crypto_sign_BYTES);
}

const char *sz_audit_note_skip(const char *p, const char *end)
{
	while ((size_t)(end - p) >= sizeof(dash) - 1 && !memcmp(p, dash, sizeof(dash) - 1)) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));

		if (!nl)
			return NULL;
		p = nl + 1;
	}
	return p;
}

ssize_t sz_audit_checkpoint_parse(const char *p, size_t n, struct sz_audit_checkpoint *ret)
{
	const char *end = p + n, *next = p, *s;
	size_t len;

	*ret = (struct sz_audit_checkpoint){ .text = p };
	s = sz_audit_note_line(&next, end, &len);
	if (!s)
		return -ENODATA;
	if (!sz_audit_name_ok(s, len))
		return -EBADMSG;
	memcpy(ret->origin, s, len);
	s = sz_audit_note_line(&next, end, &len);
	if (!s)
		return -ENODATA;
	if (!sz_audit_note_number(s, len, &ret->size))
		return -EBADMSG;
	s = sz_audit_note_line(&next, end, &len);
	if (!s)
		return -ENODATA;
	if (!sz_audit_base64(s, len, ret->root, sizeof(ret->root)))
		return -EBADMSG;
	ret->text_len = (size_t)(next - p);
	s = sz_audit_note_line(&next, end, &len);
	if (!s)
		return -ENODATA;
	if (len)
		return -EBADMSG;
	ret->signatures = next;
	s = sz_audit_note_skip(next, end);
	if (!s || (s == next && (size_t)(end - s) < sizeof(dash) - 1))
		return -ENODATA;
	if (s == next)
		return -EBADMSG;
	ret->signatures_len = (size_t)(s - next);
	return s - p;
}

bool sz_audit_note_ok(const struct sz_audit_note *note, const struct sz_audit_vkey *k)
{
	const char *p = note->signatures, *end = p + note->signatures_len, *s, *name;
	u8 signature[ID_LEN + crypto_sign_BYTES];
	size_t n, name_len;

	while (p < end && (s = sz_audit_note_line(&p, end, &n)))
		if (read_signature(s, n, &name, &name_len, signature) &&
		    name_len == strlen(k->name) && !memcmp(name, k->name, name_len) &&
		    !memcmp(signature, k->id, ID_LEN))
			return !crypto_sign_verify_detached(signature + ID_LEN,
							    (const u8 *)note->text, note->text_len,
							    k->public);
	return false;
}

bool sz_audit_checkpoint_ok(const struct sz_audit_checkpoint *c, const struct sz_audit_vkey *k)
{
	struct sz_audit_note note = {c->text, c->signatures, c->text_len, c->signatures_len};

	return !strcmp(c->origin, k->name) && sz_audit_note_ok(&note, k);
}
