/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Fuzz inputs as scripts: a list of steps, each eight bytes, then what its payload is put together
 * from: pieces of a menu of HTTP, and literal bytes. The mutator moves whole steps and changes
 * fields, so that a mutation of a deep session is still a session. A target includes this and says
 * what the steps mean; any bytes are a script.
 */
#ifndef SZ_TESTS_SCRIPT_H
#define SZ_TESTS_SCRIPT_H

#include <string.h>

#include "scene.h"

struct script_step {
	u8 code;   /* what happens */
	u8 who;    /* to whom, or to which of several */
	u8 place;  /* where in the stream */
	u8 bits;
	u8 a, b;
	u8 pieces; /* of the payload, modulo 16: two bytes each, menu entry and cut */
	u8 lit;    /* literal bytes, modulo 64 */
};

struct script {
	const u8 *at;
	size_t left;
	struct script_step step;
	const u8 *piece, *lit;
};

#define SCRIPT_LATER   "GET /a HTTP/1.1\r\n" HOST_ "Authorization: Bearer later\r\n\r\n"
#define SCRIPT_CHUNKED "POST /a HTTP/1.1\r\n" HOST_ AUTH_ "Transfer-Encoding: chunked\r\n\r\n"
#define SCRIPT_X32     "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define SCRIPT_X256                                                                                \
	SCRIPT_X32 SCRIPT_X32 SCRIPT_X32 SCRIPT_X32 SCRIPT_X32 SCRIPT_X32 SCRIPT_X32 SCRIPT_X32

/* Add at the end: inputs that are kept name entries by number. */
static const char *const script_menu[] = {
	GET_A,
	GET_PUB,
	GET_NO_TOKEN,
	POST_A("5"),
	POST_PUB("20"),
	"hello",
	"\r\n",
	"5\r\nhello",
	"0\r\n\r\n",
	"\r\n5\r\nhello\r\n0\r\n\r\n",
	SCRIPT_CHUNKED,
	SCRIPT_LATER,
	"GET /other HTTP/1.1\r\n" HOST_,
	AUTH_ "\r\n",
	"GET /a HTTP/1.1\r\n",
	HOST_ AUTH_,
	"\r\n1\r\nx",
	POST_A("300"),
	"GET /a/%41 HTTP/1.1\r\n" HOST_ AUTH_ "\r\n",
	"GET /other HTTP/1.1\r\n" HOST_ AUTH_ "\r\n",
	"X: y\r\n",
	"ffffffff\r\n",
	"POST /a HTTP/1.1\r\n" HOST_ AUTH_ "Content-Length: 0\r\n\r\n",
	"POST /pub HTTP/1.1\r\n" HOST_ "Content-Length: 1\r\n\r\nx",
	"01234567890123456789",
	"GET /ask HTTP/1.1\r\n" HOST_ AUTH_ "\r\n",
	"GET /a HTTP/1.0\r\nAuthorization: Bearer third\r\n\r\n",
	"GET /pub/ask HTTP/1.1\r\n" HOST_ "\r\n",
	"PUT ",
	"HEAD ",
	"DELETE ",
	"PATCH ",
	"OPTIONS ",
	"TRACE ",
	"/a HTTP/1.1\r\n",
	"/pub?q HTTP/1.1\r\n",
	"* HTTP/1.1\r\n",
	"Host: h\r\n",
	"Connection: keep-alive\r\n",
	"Connection: close\r\n",
	"Connection: x\r\n",
	"Upgrade: websocket\r\n",
	"Expect: 100-continue\r\n",
	"Transfer-Encoding: chunked\r\n",
	"Content-Length: 5\r\n",
	"Content-Length:  5\r\n",
	"Content-Length: 1099511627777\r\n",
	"Content-Length: 1000000000\r\n",
	"Authorization: Basic x\r\n",
	"Authorization: Bearer later\r\n",
	"X" SCRIPT_X32 ": " SCRIPT_X256 "\r\n",
	"/" SCRIPT_X256,
	"GET /a/b/c?d=e HTTP/1.1\r\n" HOST_ AUTH_ "\r\n",
	"POST /pub HTTP/1.1\r\n" HOST_ "Content-Length: 1000000000\r\n\r\n",
	"\r\n0\r\n\r\n",
	"\r\n1fffffff\r\n",
	" ",
	"\t",
	"\r",
	"%",
	"//",
	"\x80",
	"\x01",
	SCRIPT_X256,
};
#define SCRIPT_MENU (sizeof(script_menu) / sizeof(*script_menu))
#define SCRIPT_LITERAL SCRIPT_MENU /* the piece that stands for the literal bytes */

/* Reads the next step; false at the end. */
static inline bool script_next(struct script *s)
{
	size_t n;

	if (s->left < sizeof(s->step))
		return false;
	memcpy(&s->step, s->at, sizeof(s->step));
	s->at += sizeof(s->step);
	s->left -= sizeof(s->step);
	n = 2u * (s->step.pieces & 15);
	if (n > s->left)
		n = s->left & ~1ull;
	s->step.pieces = (u8)(n / 2);
	s->piece = s->at;
	s->at += n;
	s->left -= n;
	n = s->step.lit & 63;
	if (n > s->left)
		n = s->left;
	s->step.lit = (u8)n;
	s->lit = s->at;
	s->at += n;
	s->left -= n;
	return true;
}

/* The step's payload; a piece that does not fit any more is left out. Returns its length. */
static inline u32 script_payload(const struct script *s, u8 *to, u32 max)
{
	u32 n = 0, i;

	for (i = 0; i < s->step.pieces; i++) {
		u32 which = s->piece[2 * i] % (SCRIPT_MENU + 1), cut = s->piece[2 * i + 1];
		const void *from = which == SCRIPT_LITERAL ? (const void *)s->lit :
							     script_menu[which];
		u32 len = which == SCRIPT_LITERAL ? s->step.lit : (u32)strlen(script_menu[which]);
		u32 skip = cut >= 192 ? (cut - 192) * len / 64 : 0;

		if (cut >= 128 && cut < 192)
			len = (cut - 128) * len / 64;
		if (n + len - skip > max)
			break;
		memcpy(to + n, (const u8 *)from + skip, len - skip);
		n += len - skip;
	}
	return n;
}

/* ---- the mutator ---- */

#define SCRIPT_STEPS 128

size_t LLVMFuzzerMutate(u8 *data, size_t size, size_t max);
size_t LLVMFuzzerCustomMutator(u8 *data, size_t size, size_t max, unsigned int seed);
size_t LLVMFuzzerCustomCrossOver(const u8 *one, size_t n_one, const u8 *two, size_t n_two, u8 *out,
				 size_t max, unsigned int seed);

static u32 script_random_state;

static inline u32 script_random(u32 below)
{
	script_random_state = script_random_state * 1664525u + 1013904223u;
	return (script_random_state >> 8) % below;
}

/* Where the steps begin; starts[n] is the end of the last. */
static inline u32 script_starts(const u8 *data, size_t size, size_t starts[SCRIPT_STEPS + 1])
{
	struct script s = {.at = data, .left = size};
	u32 n = 0;

	starts[0] = 0;
	while (n < SCRIPT_STEPS && script_next(&s))
		starts[++n] = (size_t)(s.at - data);
	return n;
}

/* A step of any kind, mostly plain, into to[]; returns its length. */
static inline size_t script_invent(u8 *to)
{
	static const u8 plain[] = {0, 1, 3, 4, 10, 11, 12, 13, 14, 15, 17, 25, 27, 53};
	struct script_step s = {.code = (u8)script_random(256), .who = (u8)script_random(8)};
	size_t n = sizeof(s);
	u32 i;

	if (script_random(4) == 0)
		s.place = (u8)script_random(256);
	if (script_random(4) == 0)
		s.bits = (u8)script_random(256);
	if (script_random(2) == 0)
		s.a = (u8)script_random(256);
	if (script_random(2) == 0)
		s.b = (u8)script_random(256);
	s.pieces = (u8)script_random(script_random(3) ? 3 : 8);
	memcpy(to, &s, n);
	for (i = 0; i < s.pieces; i++) {
		to[n++] = script_random(2) ? plain[script_random(sizeof(plain))] :
					     (u8)script_random(SCRIPT_MENU + 1);
		to[n++] = (u8)(script_random(4) ? 0 : script_random(256));
	}
	return n;
}

static inline size_t script_insert(u8 *data, size_t size, size_t max, size_t at, const u8 *what,
				   size_t n)
{
	if (size + n > max)
		return size;
	memmove(data + at + n, data + at, size - at);
	memcpy(data + at, what, n);
	return size + n;
}

/* One piece or one field of the step at data[at .. end) becomes another. */
static inline void script_alter(u8 *data, size_t at, size_t end)
{
	u32 n = data[at + 6] & 15;

	if (n && at + 8 + 2 * n <= end && script_random(2)) {
		size_t piece = at + 8 + 2 * script_random(n) + script_random(2);

		data[piece] = (u8)script_random(256);
	} else {
		data[at + script_random(6)] = (u8)script_random(script_random(2) ? 256 : 8);
	}
}

size_t LLVMFuzzerCustomMutator(u8 *data, size_t size, size_t max, unsigned int seed)
{
	static u8 copy[8 + 2 * 16 + 64];
	size_t starts[SCRIPT_STEPS + 1], at, len;
	u32 n, i;

	script_random_state = seed;
	n = script_starts(data, size, starts);
	size = starts[n];
	if (!n)
		return script_insert(data, 0, max, 0, copy, script_invent(copy));
	i = script_random(n);
	at = starts[i];
	len = starts[i + 1] - at;
	switch (script_random(12)) {
	case 0:
	case 1:
	case 2:
		return script_insert(data, size, max, starts[script_random(n + 1)], copy,
				     script_invent(copy));
	case 3:
		memmove(data + at, data + at + len, size - at - len);
		return n > 1 ? size - len : size;
	case 4:
	case 5:
		memcpy(copy, data + at, len);
		return script_insert(data, size, max, starts[script_random(n + 1)], copy, len);
	case 6: /* moves it to the end */
		memcpy(copy, data + at, len);
		memmove(data + at, data + at + len, size - at - len);
		memcpy(data + size - len, copy, len);
		return size;
	case 7:
		return LLVMFuzzerMutate(data, size, max);
	default:
		script_alter(data, at, at + len);
		return size;
	}
}

/* The beginning of one and the end of the other, cut between steps. */
size_t LLVMFuzzerCustomCrossOver(const u8 *one, size_t n_one, const u8 *two, size_t n_two, u8 *out,
				 size_t max, unsigned int seed)
{
	size_t starts[SCRIPT_STEPS + 1], head, tail;
	u32 n;

	script_random_state = seed;
	n = script_starts(one, n_one, starts);
	head = starts[script_random(n + 1)];
	n = script_starts(two, n_two, starts);
	tail = starts[script_random(n + 1)];
	if (head > max)
		head = 0;
	memcpy(out, one, head);
	n_two = n_two - tail > max - head ? max - head : n_two - tail;
	memcpy(out + head, two + tail, n_two);
	return head + n_two;
}

#endif
