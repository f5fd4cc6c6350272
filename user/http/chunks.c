/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Chunked bodies (RFC 9112 section 7.1), in pieces of any size. Called by the daemon for segments
 * of a chunked request. Extensions are refused: servers disagree about where they end. A refusal is
 * final; nothing fed later can undo it.
 */
#include "http/http_priv.h"

#include "subzero/rule.h"

enum chunk_state {
	CHUNK_SIZE = 0,
	CHUNK_SIZE_LF,
	CHUNK_DATA,    /* with left == 0: the CR behind the data */
	CHUNK_DATA_LF,
	CHUNK_LINE,    /* at the start of a trailer line, or of the empty line */
	CHUNK_NAME,
	CHUNK_VALUE,
	CHUNK_VALUE_LF,
	CHUNK_END_LF,
	CHUNK_DONE,
	CHUNK_BROKEN,
};

#define SIZE_DIGITS_MAX 16

void sz_http_chunks_init(struct sz_http_chunks *c)
{
	*c = (struct sz_http_chunks){ .state = CHUNK_SIZE };
}

void sz_http_chunks_resume(struct sz_http_chunks *c)
{
	*c = (struct sz_http_chunks){ .state = CHUNK_DATA };
}

bool sz_http_chunks_in_data(const struct sz_http_chunks *c)
{
	return c->state == CHUNK_DATA;
}

static enum chunk_state size_byte(struct sz_http_chunks *c, u8 b)
{
	int digit = sz_http_hex(b);

	if (b == '\r' && (c->line || !SZ_RULE(D_CHUNK_DIGIT)))
		return CHUNK_SIZE_LF;
	if ((SZ_RULE(D_CHUNK_HEX) && digit < 0) || c->line == SIZE_DIGITS_MAX)
		return CHUNK_BROKEN;
	c->line++;
	c->size = c->size << 4 | (u64)digit;
	return SZ_RULE(D_CHUNK_SIZE) && c->size > SZ_BODY_MAX ? CHUNK_BROKEN : CHUNK_SIZE;
}

static enum chunk_state size_end(struct sz_http_chunks *c)
{
	c->left = c->size;
	c->size = 0;
	c->line = 0;
	return c->left ? CHUNK_DATA : CHUNK_LINE;
}

static enum chunk_state trailer_byte(const struct sz_http_chunks *c, u8 b)
{
	switch (c->state) {
	case CHUNK_LINE:
		if (b == '\r')
			return CHUNK_END_LF;
		return !SZ_RULE(TRAILER_NAME) || sz_http_is_token(b) ? CHUNK_NAME : CHUNK_BROKEN;
	case CHUNK_NAME:
		if (b == ':')
			return CHUNK_VALUE;
		return sz_http_is_token(b) ? CHUNK_NAME : CHUNK_BROKEN;
	default:
		if (b == '\r')
			return CHUNK_VALUE_LF;
		return !SZ_RULE(TRAILER_VALUE) || sz_http_is_text(b) ? CHUNK_VALUE : CHUNK_BROKEN;
	}
}

/* The state behind one byte of framing. */
static enum chunk_state framing_byte(struct sz_http_chunks *c, u8 b)
{
	if (c->state >= CHUNK_LINE && ++c->trailers > SZ_HTTP_TRAILERS_MAX &&
	    SZ_RULE(TRAILERS_MAX))
		return CHUNK_BROKEN;
	switch (c->state) {
	case CHUNK_SIZE:
		return size_byte(c, b);
	case CHUNK_SIZE_LF:
		return !SZ_RULE(D_CHUNK_LINE) || b == '\n' ? size_end(c) : CHUNK_BROKEN;
	case CHUNK_DATA:
		return !SZ_RULE(D_CHUNK_END) || b == '\r' ? CHUNK_DATA_LF : CHUNK_BROKEN;
	case CHUNK_DATA_LF:
		return b == '\n' ? CHUNK_SIZE : CHUNK_BROKEN;
	case CHUNK_VALUE_LF:
		return b == '\n' ? CHUNK_LINE : CHUNK_BROKEN;
	case CHUNK_END_LF:
		return !SZ_RULE(D_CHUNK_LAST) || b == '\n' ? CHUNK_DONE : CHUNK_BROKEN;
	default:
		return trailer_byte(c, b);
	}
}

enum sz_http_status sz_http_chunks_feed(struct sz_http_chunks *c, const char *p, size_t n,
					size_t *ret_used)
{
	size_t at = 0;

	while (at < n && c->state < CHUNK_DONE) {
		if (c->state == CHUNK_DATA && c->left) {
			size_t data = c->left < n - at ? (size_t)c->left : n - at;

			c->left -= data;
			at += data;
			continue;
		}
		c->state = framing_byte(c, (u8)p[at++]);
	}
	*ret_used = at;
	if (c->state == CHUNK_BROKEN)
		return SZ_HTTP_BAD;
	return c->state == CHUNK_DONE ? SZ_HTTP_OK : SZ_HTTP_MORE;
}
