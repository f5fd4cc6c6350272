/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a case sends: requests whose verdict is known beforehand, other versions of them for the
 * same place in the stream, and the steps. Two versions of one request differ in such a way that no
 * mixture of their bytes is a request that could be admitted and is neither of them.
 */
#include "attack.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

char att_known[ATT_KNOWN_MAX][ATT_TOKEN_MAX];

/* How each class ends: the status of the answer, and whether the server gets the request. */
static const struct {
	bool allowed;
	u16 status;
} endings[ATT_CLASSES] = {
	[ATT_KNOWN] = {true, 200},     [ATT_FRESH] = {true, 200},
	[ATT_PUBLIC] = {true, 200},    [ATT_NO_SCOPE] = {false, 403},
	[ATT_ADMIN] = {false, 403},    [ATT_FORGED] = {false, 401},
	[ATT_EXPIRED] = {false, 401},  [ATT_NO_TOKEN] = {false, 401},
	[ATT_NO_ROUTE] = {false, 403}, [ATT_AMBIGUOUS] = {false, 400},
};

/*
 * Heads that servers read differently. A line that stands in place of the framing lines, or the
 * request line's end; %s is nothing or the path.
 */
static const char *const ambiguities[ATT_AMBIGUITIES] = {
	"Content-Length: 5\r\nContent-Length: 6\r\n",
	"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
	"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
	"Transfer-Encoding: xchunked\r\n",
	"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
	"Content-Length: +5\r\n",
	"Content-Length: 0x5\r\n",
	"Content-Length: 5, 5\r\n",
	"Content-Length : 5\r\n",
	"X-A: b\nContent-Length: 5\r\n",
	"X-A: b\r\n Content-Length: 5\r\n",
	"X-A: b\rContent-Length: 5\r\n",
	"Host: other.test\r\n",
	"Authorization: Bearer x\r\n",
	"Content-Length: 99999999999999999999\r\n",
	"Transfer-Encoding : chunked\r\n",
};

void att_wrong(struct att_case *c, const char *fmt, ...)
{
	va_list ap;

	if (c->why[0])
		return;
	va_start(ap, fmt);
	vsnprintf(c->why, sizeof(c->why), fmt, ap);
	va_end(ap);
}

void att_case_init(struct att_case *c, u64 seed, u32 number)
{
	u32 i;

	memset(c, 0, sizeof(*c));
	c->seed = seed;
	c->number = number;
	c->rng.state = seed * 0x100000001b3ull ^ (u64)number << 20;
	for (i = 0; i < 3; i++)
		att_rand(&c->rng);
	c->stream = att_alloc(ATT_STREAM_MAX);
	c->evil = att_alloc(ATT_STREAM_MAX);
	c->ts_wanted = true;
	c->recover = true;
}

void att_case_address(struct att_case *c)
{
	if (c->v6) {
		memcpy(c->addr, "\xfd\x00\x00\x98", 4);
		c->addr[12] = (u8)(c->number >> 24);
		c->addr[13] = (u8)(c->number >> 16);
	} else {
		memset(c->addr, 0, sizeof(c->addr));
		c->addr[0] = 10;
		c->addr[1] = 98;
	}
	c->addr[c->v6 ? 14 : 2] = (u8)(c->number >> 8);
	c->addr[c->v6 ? 15 : 3] = (u8)c->number;
}

void att_case_done(struct att_case *c)
{
	struct att_record *r;
	u32 i;

	for (i = 0; i < c->n_req; i++)
		free(c->req[i].bytes);
	for (i = 0; i < c->n_blobs; i++)
		free(c->blobs[i]);
	while ((r = c->records)) {
		c->records = r->next;
		free(r->bytes);
		free(r);
	}
	free(c->blobs);
	free(c->trace);
	free(c->step);
	free(c->stream);
	free(c->evil);
}

u8 *att_story_blob(struct att_case *c, const void *bytes, u32 len)
{
	u8 *p = att_alloc(len);

	if (!(c->n_blobs & (c->n_blobs - 1))) {
		c->blobs = realloc(c->blobs, (c->n_blobs ? 2 * c->n_blobs : 1) * sizeof(*c->blobs));
		if (!c->blobs)
			att_die("out of memory");
	}
	c->blobs[c->n_blobs++] = p;
	if (len)
		memcpy(p, bytes, len);
	return p;
}

/* ---- writing a request ---------------------------------------------------------------------- */

struct text {
	u8 *p;
	u32 n, room;
};

__attribute__((format(printf, 2, 3))) static void add(struct text *t, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf((char *)t->p + t->n, t->room - t->n, fmt, ap);
	va_end(ap);
	if (n < 0 || (u32)n >= t->room - t->n)
		att_die("a request is too long");
	t->n += (u32)n;
}

static void add_body_bytes(struct att_case *c, struct text *t, u32 n, bool nasty)
{
	static const char evil[] = "GET /admin/x HTTP/1.1\r\nHost: a\r\n\r\n0\r\n\r\n";
	u32 i;

	if (t->n + n >= t->room)
		att_die("a body is too long");
	for (i = 0; i < n; i++)
		t->p[t->n + i] = nasty ? (u8)evil[i % (sizeof(evil) - 1)]
				       : (u8)('a' + att_below(&c->rng, 26));
	t->n += n;
}

static void add_body(struct att_case *c, struct text *t, const struct att_shape *s)
{
	u32 left = s->body_len, n;

	if (s->body == ATT_B_LENGTH)
		add_body_bytes(c, t, left, s->nasty_body);
	if (s->body != ATT_B_CHUNKED)
		return;
	while (left) {
		n = 1 + att_below(&c->rng, left);
		add(t, att_one_in(&c->rng, 2) ? "%x\r\n" : "%X\r\n", n);
		add_body_bytes(c, t, n, s->nasty_body);
		add(t, "\r\n");
		left -= n;
	}
	add(t, s->trailers ? "0\r\nX-Sum: 1\r\n\r\n" : "0\r\n\r\n");
}

static const char *token_for(struct att_case *c, const struct att_shape *s,
			     char made[ATT_TOKEN_MAX])
{
	char id[64];
	u32 k = s->token % ATT_FRESH_MAX;
	static const enum att_token_kind kinds[ATT_CLASSES] = {
		[ATT_NO_SCOPE] = ATT_T_NO_SCOPE,
		[ATT_FORGED] = ATT_T_FORGED,
		[ATT_EXPIRED] = ATT_T_EXPIRED,
	};

	snprintf(id, sizeof(id), "%llx-%u-%u", (unsigned long long)c->seed, c->number,
		 s->class == ATT_FRESH ? k : 100 + c->n_slots);
	switch (s->class) {
	case ATT_NO_TOKEN:
	case ATT_PUBLIC:
		return NULL;
	case ATT_FRESH:
		if (!c->fresh[k][0])
			att_token_mint(ATT_T_GOOD, id, c->fresh[k]);
		return c->fresh[k];
	case ATT_NO_SCOPE:
	case ATT_FORGED:
	case ATT_EXPIRED:
		att_token_mint(kinds[s->class], id, made);
		return made;
	default:
		return att_known[s->token % ATT_KNOWN_MAX];
	}
}

static const char *base_path(const struct att_shape *s)
{
	if (s->class == ATT_PUBLIC)
		return "/health";
	if (s->class == ATT_ADMIN)
		return "/admin";
	if (s->class == ATT_NO_ROUTE)
		return "/nowhere";
	return s->each ? "/each" : "/orders";
}

static void write_head(struct att_case *c, struct text *t, const struct att_shape *s, char *path,
		       size_t room)
{
	static const char *const methods[] = {"POST", "PUT", "DELETE", "PATCH"};
	char made[ATT_TOKEN_MAX];
	const char *token = token_for(c, s, made);
	bool late = att_one_in(&c->rng, 2);
	u32 i;

	snprintf(path, room, "%s/%s%llx-%u-%u", base_path(s), s->odd_path ? "%41/" : "",
		 (unsigned long long)c->seed, c->number, c->n_slots);
	add(t, "%s %s HTTP/1.1\r\nHost: api.test\r\n",
	    s->body ? methods[att_below(&c->rng, 4)] : "GET", path);
	if (token && !late)
		add(t, "Authorization: Bearer %s\r\n", token);
	if (s->pad) {
		add(t, "X-Pad: ");
		for (i = 0; i < s->pad; i++)
			add(t, "p");
		add(t, "\r\n");
	}
	if (token && late)
		add(t, "authorization: bearer %s\r\n", token);
	if (s->class == ATT_AMBIGUOUS)
		add(t, "%s", ambiguities[s->ambiguity % ATT_AMBIGUITIES]);
	else if (s->body == ATT_B_LENGTH)
		add(t, "Content-Length: %u\r\n", s->body_len);
	else if (s->body == ATT_B_CHUNKED)
		add(t, "Transfer-Encoding: chunked\r\n");
	add(t, "\r\n");
}

u32 att_story_add(struct att_case *c, const struct att_shape *s)
{
	u32 i = c->n_req++;
	struct att_request *q = &c->req[i];
	struct text t = {.room = 128 * 1024};

	if (i >= ATT_REQUESTS)
		att_die("too many requests in a case");
	t.p = att_alloc(t.room);
	write_head(c, &t, s, q->path, sizeof(q->path));
	q->head_len = t.n;
	if (s->class == ATT_AMBIGUOUS)
		add(&t, "abcde");
	else
		add_body(c, &t, s);
	q->bytes = t.p;
	q->len = t.n;
	q->slot = c->n_slots++;
	q->at = c->stream_len;
	q->allowed = endings[s->class].allowed;
	q->status = endings[s->class].status;
	if (c->stream_len + q->len > ATT_STREAM_MAX)
		att_die("a stream is too long");
	memcpy(c->stream + q->at, q->bytes, q->len);
	memcpy(c->evil + q->at, q->bytes, q->len);
	c->stream_len += q->len;
	return i;
}

/* ---- other versions ------------------------------------------------------------------------- */

struct att_request *att_story_version(struct att_case *c, u32 of, bool allowed)
{
	struct att_request *q = &c->req[c->n_req++];

	if (c->n_req > ATT_REQUESTS)
		att_die("too many requests in a case");
	*q = c->req[of];
	q->bytes = att_alloc(q->len);
	memcpy(q->bytes, c->req[of].bytes, q->len);
	q->allowed = allowed;
	q->arrived = false;
	return q;
}

static u8 *find(struct att_request *q, const char *what)
{
	return memmem(q->bytes, q->head_len, what, strlen(what));
}

void att_story_refused_version(struct att_case *c, u32 of, u32 how)
{
	struct att_request *q = att_story_version(c, of, false);
	u8 *token = find(q, "earer "), *path = find(q, "/orders/");

	if (path && (how & 1 || !token)) {
		memcpy(path, "/admin/0", 8);
	} else if (token) {
		/* In the middle of the signature, where every bit counts. */
		u8 *end = memchr(token, '\r', q->head_len - (u32)(token - q->bytes));

		end[-40] = end[-40] == 'A' ? 'B' : 'A';
	} else {
		memcpy(strchr((char *)q->bytes, '/'), "/adm", 4);
	}
	memcpy(c->evil + q->at, q->bytes, q->len);
}

void att_story_other_version(struct att_case *c, u32 of)
{
	struct att_request *q = att_story_version(c, of, c->req[of].allowed);
	u8 *pad = find(q, "X-Pad: ");

	if (pad)
		pad[7] = 'q';
	else
		memcpy(find(q, "api.test"), "b", 1);
	memcpy(c->evil + q->at, q->bytes, q->len);
}

/* ---- what is expected, and steps ------------------------------------------------------------- */

void att_story_expect(struct att_case *c)
{
	u32 i;

	c->n_expect = 0;
	for (i = 0; i < c->n_req && c->n_expect < ATT_ANSWERS; i++) {
		if (c->req[i].slot != c->n_expect) /* another version */
			continue;
		c->expect_path[c->n_expect] = c->req[i].path;
		c->expect[c->n_expect++] = c->req[i].status;
		if (!c->req[i].allowed)
			return;
	}
}

struct att_step *att_story_step(struct att_case *c, enum att_op op)
{
	if (c->n_steps == c->room_steps) {
		c->room_steps = c->room_steps ? 2 * c->room_steps : 32;
		c->step = realloc(c->step, c->room_steps * sizeof(*c->step));
		if (!c->step)
			att_die("out of memory");
	}
	c->step[c->n_steps] = (struct att_step){.op = op, .ms = 300};
	return &c->step[c->n_steps++];
}

struct att_step *att_story_send(struct att_case *c, s32 off, u32 len)
{
	struct att_step *s = att_story_step(c, ATT_OP_SEND);

	s->off = off;
	s->len = len;
	return s;
}
