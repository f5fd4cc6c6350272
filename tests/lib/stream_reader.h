/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A server's view of the stream for tests/fuzz/guard.c: a small HTTP/1.1 reader of its own, which
 * shares no line with the product's. Included by that target alone, behind scene.h.
 */
#ifndef SZ_TESTS_STREAM_READER_H
#define SZ_TESTS_STREAM_READER_H

static void must(bool ok)
{
	if (!ok)
		abort();
}

enum { IN_HEAD, IN_BODY, IN_SIZE, IN_DATA, IN_CRLF, IN_TRAILER };

#define SPAN 32768u

struct reader {
	u32 pos, state, left, n;
	bool chunked, refused;
	u8 *body; /* marks of announced bytes; NULL: the daemon's trial run */
	u32 heads;
	char text[4096];
};

static bool allowed(const char *head)
{
	const char *path = strchr(head, ' '), *end = path ? strchr(path + 1, ' ') : NULL;
	u32 len = end ? (u32)strcspn(++path, "? ") : 0;

	if (!end || (strncmp(head, "GET ", 4) && strncmp(head, "POST ", 5)))
		return false;
	if (len == 4 && !strncmp(path, "/pub", 4))
		return true;
	if (strncmp(path, "/a", 2) || (len > 2 && path[2] != '/'))
		return false;
	return strcasestr(head, "\r\nAuthorization: Bearer " SCENE_GRANTED "\r\n") ||
	       strcasestr(head, "\r\nAuthorization: Bearer later\r\n");
}

static void announce(struct reader *r, u32 len, u32 state)
{
	r->left = len;
	r->state = len ? state : IN_HEAD;
	for (u32 i = 0; r->body && i < len && r->pos + i < SPAN; i++)
		r->body[r->pos + i] = 1;
}

static void read_head(struct reader *r)
{
	const char *length = strcasestr(r->text, "\r\nContent-Length:");

	r->heads++;
	r->chunked = strcasestr(r->text, "\r\nTransfer-Encoding:") != NULL;
	r->refused |= !allowed(r->text);
	if (r->chunked)
		r->state = IN_SIZE;
	else
		announce(r, length ? (u32)strtoul(length + 17, NULL, 10) : 0, IN_BODY);
}

/* The server takes one more byte. */
static void reader_take(struct reader *r, u8 c)
{
	r->pos++;
	if (r->state == IN_BODY || r->state == IN_DATA) {
		if (!--r->left)
			r->state = r->state == IN_BODY ? IN_HEAD : IN_CRLF;
		return;
	}
	must(r->n + 1 < sizeof(r->text));
	r->refused |= r->n > 16 && (r->state == IN_SIZE || r->state == IN_CRLF);
	r->text[r->n++] = (char)c;
	r->text[r->n] = 0;
	if (c != '\n')
		return;
	if (r->state == IN_HEAD) {
		if (r->n < 4 || memcmp(r->text + r->n - 4, "\r\n\r\n", 4))
			return;
		read_head(r);
	} else if (r->state == IN_SIZE) {
		u32 digits = (u32)strspn(r->text, "0123456789abcdefABCDEF");
		u32 size = (u32)strtoul(r->text, NULL, 16);

		r->refused |= !digits || digits > 8 || strcmp(r->text + digits, "\r\n");
		announce(r, size, IN_DATA);
		if (!size)
			r->state = IN_TRAILER;
	} else if (r->state == IN_CRLF) {
		r->refused |= strcmp(r->text, "\r\n") != 0;
		r->state = IN_SIZE;
	} else if (r->n == 2) {
		r->state = IN_HEAD;
	}
	must(!r->body || !r->refused);
	r->n = 0;
}

#endif
