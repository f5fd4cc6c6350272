/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One record as the body of a JSON line; called once per record by the chain. Written by hand
 * because it runs for every refused packet. Paths, claims and key names are the attacker's bytes:
 * none may end a string, a line or a terminal's good behaviour.
 */
#include "audit/audit_priv.h"

#include <arpa/inet.h>
#include <string.h>
#include <time.h>

static const char *const verdict_names[] = {
	[SZ_DENY] = "deny",
	[SZ_ALLOW] = "allow",
	[SZ_ASK] = "ask",
};

static const char *const type_names[SZ_AUDIT_TYPE_COUNT] = {
	[SZ_AUDIT_START] = "start",     [SZ_AUDIT_STOP] = "stop",
	[SZ_AUDIT_RELOAD] = "reload",   [SZ_AUDIT_DECISION] = "decision",
	[SZ_AUDIT_DENIAL] = "denial",   [SZ_AUDIT_REQUEST] = "request",
	[SZ_AUDIT_SUMMARY] = "summary", [SZ_AUDIT_LOST] = "lost",
	[SZ_AUDIT_REVOKE] = "revoke",   [SZ_AUDIT_BAN] = "ban",
	[SZ_AUDIT_ADMIN] = "admin",     [SZ_AUDIT_SEGMENT] = "segment",
	[SZ_AUDIT_KEY] = "key",         [SZ_AUDIT_SHED] = "shed",
	[SZ_AUDIT_REMOVED] = "removed",
};

const char *sz_audit_type_name(enum sz_audit_type t)
{
	return (size_t)t < SZ_AUDIT_TYPE_COUNT && type_names[t] ? type_names[t] : "unknown";
}

int sz_audit_utf8(const char *s, size_t n)
{
	const u8 *p = (const u8 *)s;
	u8 low = 0x80, high = 0xbf;
	int len, i;

	if (!n)
		return -1;
	if (p[0] < 0x80)
		return p[0] >= 0x20 && p[0] != 0x7f;
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	len = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	switch (p[0]) {
	case 0xc2: /* U+0080..U+009F are control characters that terminals obey */
	case 0xe0: /* shorter forms exist */
		low = 0xa0;
		break;
	case 0xed: /* surrogates */
		high = 0x9f;
		break;
	case 0xf0: /* shorter forms exist */
		low = 0x90;
		break;
	case 0xf4: /* beyond U+10FFFF */
		high = 0x8f;
		break;
	}
	for (i = 1; i < len; i++) {
		if ((size_t)i == n)
			return -1;
		if (p[i] < low || p[i] > high)
			return 0;
		low = 0x80;
		high = 0xbf;
	}
	return len;
}

static char *put_byte(char *o, u8 c)
{
	static const char hex[] = "0123456789abcdef";

	if (c == '"' || c == '\\') {
		*o++ = '\\';
		*o++ = (char)c;
		return o;
	}
	memcpy(o, "\\u00", 4);
	o[4] = hex[c >> 4];
	o[5] = hex[c & 15];
	return o + 6;
}

/* Room is there nearly always, and n is known when this is compiled: the copy is a few moves. */
static inline void add(struct sz_buf *b, const void *p, size_t n)
{
	if (b->cap - b->len <= n)
		sz_buf_reserve(b, n);
	memcpy(b->data + b->len, p, n);
	b->len += n;
}

#define ADD(b, literal) add(b, literal, sizeof(literal) - 1)

/* The string between its quotes; \u00XX stands for the byte XX and for nothing else. */
static void add_escaped(struct sz_buf *b, const char *s, size_t n)
{
	const char *end = s + n;
	char *o;
	int len;

	if (b->cap - b->len <= 6 * n)
		sz_buf_reserve(b, 6 * n);
	o = b->data + b->len;
	while (s < end) {
		if (*s >= ' ' && *s < 0x7f && *s != '"' && *s != '\\') {
			*o++ = *s++;
			continue;
		}
		len = *s == '"' || *s == '\\' ? 0 : sz_audit_utf8(s, (size_t)(end - s));
		if (len <= 0) {
			o = put_byte(o, (u8)*s++);
			continue;
		}
		while (len--)
			*o++ = *s++;
	}
	b->len = (size_t)(o - b->data);
}

static void add_text(struct sz_buf *b, const char *s)
{
	add(b, s, strlen(s));
}

static void add_number(struct sz_buf *b, u64 v)
{
	char t[20], *p = t + sizeof(t);

	do {
		*--p = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	add(b, p, (size_t)(t + sizeof(t) - p));
}

/* A member's name as a literal, with what stands around it. */
#define ADD_NAME(b, name) ADD(b, ",\"" name "\":")

#define ADD_BYTES(b, name, s, n)                                                                   \
	do {                                                                                       \
		ADD(b, ",\"" name "\":\"");                                                        \
		add_escaped(b, s, n);                                                              \
		ADD(b, "\"");                                                                      \
	} while (0)

#define ADD_STRING(b, name, s)                                                                     \
	do {                                                                                       \
		if (s)                                                                             \
			ADD_BYTES(b, name, s, strnlen(s, SZ_AUDIT_TEXT_MAX));                      \
	} while (0)

void sz_audit_hex(struct sz_buf *b, const u8 *p, size_t n)
{
	static const char hex[] = "0123456789abcdef";
	char *o;
	size_t i;

	if (b->cap - b->len <= 2 * n)
		sz_buf_reserve(b, 2 * n);
	o = b->data + b->len;
	for (i = 0; i < n; i++) {
		*o++ = hex[p[i] >> 4];
		*o++ = hex[p[i] & 15];
	}
	b->len += 2 * n;
}

/* Hex with the first byte first, whatever the machine's byte order. */
static void add_words(struct sz_buf *b, const u64 *w, size_t n, bool big_endian)
{
	u8 bytes[16];
	size_t i;

	for (i = 0; i < 8 * n; i++)
		bytes[i] = (u8)(w[i / 8] >> 8 * (big_endian ? 7 - i % 8 : i % 8));
	sz_audit_hex(b, bytes, 8 * n);
}

static void add_address(struct sz_buf *b, const struct sz_addr *a)
{
	static const u8 mapped[12] = { [10] = 0xff, [11] = 0xff };
	char s[SZ_ADDR_STRLEN];
	int i;

	if (memcmp(a->b, mapped, sizeof(mapped)) != 0) {
		ADD(b, "[");
		add_text(b, sz_addr_format(a, s));
		ADD(b, "]");
		return;
	}
	for (i = 12; i < 16; i++) {
		if (i > 12)
			ADD(b, ".");
		add_number(b, a->b[i]);
	}
}

static void add_endpoint(struct sz_buf *b, const struct sz_addr *a, u16 port)
{
	ADD(b, "\"");
	add_address(b, a);
	ADD(b, ":");
	add_number(b, ntohs(port));
	ADD(b, "\"");
}

/* The tree before this record: its whole subtrees, largest first; absent while it is empty. */
static void add_tree(struct sz_buf *b, const struct sz_audit_tree *t)
{
	unsigned k = SZ_AUDIT_LEVELS;

	if (!t->size)
		return;
	ADD(b, ",\"tree\":\"");
	while (k--)
		if (t->size >> k & 1)
			sz_audit_hex(b, t->node[k], SZ_AUDIT_HASH_LEN);
	ADD(b, "\"");
}

static void put_digits(char *p, unsigned digits, u64 v)
{
	while (digits--) {
		p[digits] = (char)('0' + v % 10);
		v /= 10;
	}
}

static void add_time(struct sz_buf *b, struct sz_audit_clock *c, u64 wall_ns)
{
	u64 second = wall_ns / 1000000000;
	char fraction[11] = ".000000000Z";
	struct tm tm;
	time_t t;

	if (second != c->second) {
		t = (time_t)second;
		gmtime_r(&t, &tm);
		memcpy(c->text, "0000-00-00T00:00:00", sizeof(c->text));
		put_digits(c->text, 4, (u64)tm.tm_year + 1900);
		put_digits(c->text + 5, 2, (u64)tm.tm_mon + 1);
		put_digits(c->text + 8, 2, (u64)tm.tm_mday);
		put_digits(c->text + 11, 2, (u64)tm.tm_hour);
		put_digits(c->text + 14, 2, (u64)tm.tm_min);
		put_digits(c->text + 17, 2, (u64)tm.tm_sec);
		c->second = second;
	}
	put_digits(fraction + 1, 9, wall_ns % 1000000000);
	add(b, c->text, sizeof(c->text) - 1);
	add(b, fraction, sizeof(fraction));
}

static void add_path(struct sz_buf *b, const char *path, size_t n)
{
	struct sz_buf masked = {0};

	if (sz_audit_mask(path, n, &masked))
		ADD_BYTES(b, "path", masked.data, masked.len);
	else
		ADD_BYTES(b, "path", path, n);
	sz_buf_done(&masked);
}

static void add_decision(struct sz_buf *b, const struct sz_audit_record *r)
{
	int http = sz_reason_http(r->reason);

	if (r->has_verdict)
		ADD_STRING(b, "verdict",
			   verdict_names[r->verdict < SZ_ARRAY_LEN(verdict_names) ? r->verdict
										  : SZ_DENY]);
	if (r->reason != SZ_R_NONE)
		ADD_STRING(b, "reason", sz_reason_label(r->reason));
	if (http) {
		ADD_NAME(b, "status");
		add_number(b, (u64)http);
	}
	ADD_STRING(b, "service", r->service);
	ADD_STRING(b, "route", r->route);
	ADD_STRING(b, "method", r->method);
	if (r->path)
		add_path(b, r->path, r->path_len < SZ_HEAD_MAX ? r->path_len : SZ_HEAD_MAX);
}

static void add_identity(struct sz_buf *b, const struct sz_audit_record *r)
{
	ADD_STRING(b, "principal", r->principal);
	if (r->principal_id) {
		ADD(b, ",\"principal_id\":\"");
		add_words(b, &r->principal_id, 1, true);
		ADD(b, "\"");
	}
	ADD_STRING(b, "iss", r->issuer);
	ADD_STRING(b, "sub", r->subject);
	ADD_STRING(b, "jti", r->jti);
	ADD_STRING(b, "kid", r->kid);
	ADD_STRING(b, "alg", r->alg);
	if (r->token.w[0] | r->token.w[1]) {
		ADD(b, ",\"token\":\"");
		add_words(b, r->token.w, 2, false);
		ADD(b, "\"");
	}
}

void sz_audit_format(struct sz_buf *b, struct sz_audit_clock *clock, u64 seq,
		     const struct sz_audit_record *r, const u8 last[SZ_AUDIT_HASH_LEN],
		     const struct sz_audit_tree *tree)
{
	ADD(b, "{\"seq\":");
	add_number(b, seq);
	ADD(b, ",\"time\":\"");
	add_time(b, clock, r->wall_ns);
	ADD(b, "\",\"type\":\"");
	add_text(b, sz_audit_type_name(r->type));
	ADD(b, "\"");
	if (r->type == SZ_AUDIT_SEGMENT) {
		ADD_NAME(b, "segment");
		add_number(b, r->count);
		ADD(b, ",\"prev\":\"");
		sz_audit_hex(b, last, SZ_AUDIT_HASH_LEN);
		ADD(b, "\"");
		add_tree(b, tree);
	}
	add_decision(b, r);
	add_identity(b, r);
	if (r->flow) {
		ADD_NAME(b, "src");
		add_endpoint(b, &r->flow->client, r->flow->client_port);
		ADD_NAME(b, "dst");
		add_endpoint(b, &r->flow->server, r->flow->server_port);
	}
	/* A total says so even where it is 0; everything else leaves out what is absent. */
	if (r->type == SZ_AUDIT_SUMMARY || r->type == SZ_AUDIT_LOST ||
	    r->type == SZ_AUDIT_SHED || r->type == SZ_AUDIT_REMOVED ||
	    (r->count && r->type != SZ_AUDIT_SEGMENT)) {
		ADD_NAME(b, "count");
		add_number(b, r->count);
	}
	if (r->latency_ns) {
		ADD_NAME(b, "latency_us");
		add_number(b, r->latency_ns / 1000);
		ADD(b, ".");
		add_number(b, r->latency_ns % 1000 / 100);
	}
	if (r->monitor)
		ADD(b, ",\"monitor\":true");
	if (r->explanation) {
		ADD(b, ",\"explanation\":\"");
		add_words(b, &r->explanation, 1, true);
		ADD(b, "\"");
	}
	ADD_STRING(b, "detail", r->detail);
	b->data[b->len] = '\0';
}
