/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The request-head scanner: reads the strict subset of HTTP/1.1 (RFC 9112) that every server reads
 * the same way, in one pass, eight bytes at a step. It says one of
 *
 *   CLEAN       whole head, nothing unusual: the kernel may decide on it
 *   PARTIAL     no end of head in these bytes
 *   UNUSUAL     legal or nearly so, but not in the subset: the daemon looks at it
 *   AMBIGUOUS   servers disagree about such bytes, or no server accepts them: 400
 *
 * All state lies in struct sz_scan (per-CPU map memory in BPF), never on the stack: the verifier
 * then knows nothing about it and checks each step once instead of once per position.
 *
 * The bytes lie in a buffer of SZ_FRAME_MAX with at least 32 readable bytes behind it.
 */
#ifndef SZ_HEAD_H
#define SZ_HEAD_H

#include "subzero/abi.h"
#include "subzero/compat.h"
#include "subzero/rule.h"

enum sz_head_status {
	SZ_HEAD_PARTIAL = 0,
	SZ_HEAD_CLEAN = 1,
	SZ_HEAD_UNUSUAL = 2,
	SZ_HEAD_AMBIGUOUS = 3,
	SZ_HEAD_LINE = 4, /* only in between: the request line is read, the headers are not */
};

#define SZ_HD_HOST       0x01u
#define SZ_HD_LENGTH     0x02u /* Content-Length */
#define SZ_HD_AUTH       0x04u /* Authorization */
#define SZ_HD_BEARER     0x08u /* and it is "Bearer" with one space */
#define SZ_HD_CHUNKED    0x10u /* Transfer-Encoding, whatever it says */
#define SZ_HD_UPGRADE    0x20u
#define SZ_HD_HTTP10     0x40u
#define SZ_HD_CONNECTION 0x80u  /* seen; may come twice */
#define SZ_HD_EXPECT     0x100u /* likewise */
#define SZ_HD_MANY       (SZ_HD_CONNECTION | SZ_HD_EXPECT)

enum sz_scan_state {
	SZ_SCAN_PATH,  /* in the path of the request target */
	SZ_SCAN_QUERY, /* behind its '?' */
	SZ_SCAN_EOL,   /* at the end of the request line */
	SZ_SCAN_NAME,  /* in a header's name, or at the empty line */
	SZ_SCAN_VALUE, /* in a header's value */
};

/* Result and state. Offsets are into the buffer. */
struct sz_scan {
	u64 content_length;
	u32 pos, end;
	u32 line;                 /* where the current header line begins */
	u32 value;                /* where its value begins (behind the colon) */
	u32 state;                /* enum sz_scan_state */
	u32 header;               /* SZ_HD_* of the current line, 0 = of no interest */
	u32 status;               /* enum sz_head_status; valid at the end */
	u32 unusual;              /* something unusual was seen */
	u32 flags;                /* SZ_HD_* */
	u32 method;               /* enum sz_method */
	u32 path_off, path_len;   /* without query */
	u32 target_len;           /* with it */
	u32 token_off, token_len; /* with SZ_HD_BEARER */
	u32 head_end;             /* first byte behind the empty line */
	u32 lines;
	u32 rest;                 /* first byte behind the request line */
	u32 line_only;            /* stop there */
	u32 guess;                /* length of a token to expect; 0: none */
	u32 guessed;              /* a token of that length was passed over and not read */
};

/* What a step needs: only pointers, so that it can lie on a BPF stack. */
struct sz_scan_arg {
	struct sz_scan *s;
	const u8 *buf;
};

#define SZ_LOW7 0x7f7f7f7f7f7f7f7full
#define SZ_HIGH 0x8080808080808080ull
#define SZ_ONES 0x0101010101010101ull
/* High bit of each byte of the 7-bit words x that is >= c. */
#define SZ_GE(x, c) ((x) + (0x80 - (c)) * SZ_ONES)

/* High bit set in every byte that is not [A-Za-z0-9-]. */
SZ_INLINE u64 sz_not_word(u64 w)
{
	u64 x = w & SZ_LOW7;
	u64 f = x | 0x20 * SZ_ONES;
	u64 alpha = SZ_GE(f, 'a') & ~SZ_GE(f, 'z' + 1);
	u64 digit = SZ_GE(x, '0') & ~SZ_GE(x, '9' + 1);
	u64 dash = SZ_GE(x, '-') & ~SZ_GE(x, '-' + 1);

	/* f maps 0x41..0x5a and 0x61..0x7a to letters; 0x01..0x1a map below 0x3b, never to one */
	return (~(alpha | digit | dash) | w) & SZ_HIGH;
}

/* High bit set in every byte below `low`, 0x7f or above. Exact. */
SZ_INLINE u64 sz_not_text(u64 w, u32 low)
{
	u64 x = w & SZ_LOW7;

	return (~SZ_GE(x, low) | SZ_GE(x, 0x7f) | w) & SZ_HIGH;
}

/*
 * Some high bit set where a byte is below 0x20, 0x7f or above, else none: of no use to find it, as
 * a borrow or carry goes on, but it begins only at such a byte.
 */
SZ_INLINE u64 sz_any_not_text(u64 w)
{
	return (w - 0x20 * SZ_ONES) | (w + SZ_ONES) | w;
}

/* High bit set in every byte that is c. Exact. */
SZ_INLINE u64 sz_is_byte(u64 w, u8 c)
{
	u64 y = w ^ c * SZ_ONES;

	return ~(((y & SZ_LOW7) + SZ_LOW7) | y) & SZ_HIGH;
}

/* Index of the lowest byte whose high bit is set in m; m != 0, no other bits. */
SZ_INLINE u32 sz_first(u64 m)
{
	return (u32)(((((m & -m) >> 7) - 1) & SZ_ONES) * SZ_ONES >> 56) & 7;
}

SZ_INLINE u8 sz_byte(const u8 *buf, u32 off)
{
	return buf[off & SZ_FRAME_MASK];
}

SZ_INLINE u64 sz_word(const u8 *buf, u32 off)
{
	return sz_load64(buf + (off & SZ_FRAME_MASK));
}

/* Eight characters as the little-endian word they load as. */
#define SZ_W8(a, b, c, d, e, f, g, h)                                                              \
	((u64)(a) | (u64)(b) << 8 | (u64)(c) << 16 | (u64)(d) << 24 | (u64)(e) << 32 |             \
	 (u64)(f) << 40 | (u64)(g) << 48 | (u64)(h) << 56)

SZ_INLINE long sz_scan_end(struct sz_scan *s, enum sz_head_status status)
{
	s->status = status;
	return 1;
}

/* Which header a name of n bytes at `line` is. The name holds only [A-Za-z0-9-]. */
SZ_INLINE u32 sz_scan_header(const struct sz_scan *s, const u8 *buf, u32 n)
{
	u64 a = sz_word(buf, s->line) | 0x20 * SZ_ONES, b, c;

	if (n < 8)
		a &= ~0ull >> (64 - 8 * n);
	if (n == 4 && a == SZ_W8('h', 'o', 's', 't', 0, 0, 0, 0))
		return SZ_HD_HOST;
	if (n == 7 && a == SZ_W8('u', 'p', 'g', 'r', 'a', 'd', 'e', 0))
		return SZ_HD_UPGRADE;
	if (n == 6 && a == SZ_W8('e', 'x', 'p', 'e', 'c', 't', 0, 0))
		return SZ_HD_EXPECT;
	if (n < 10)
		return 0;
	b = sz_word(buf, s->line + n - 8) | 0x20 * SZ_ONES;
	if (n == 10 && a == SZ_W8('c', 'o', 'n', 'n', 'e', 'c', 't', 'i') &&
	    b == SZ_W8('n', 'n', 'e', 'c', 't', 'i', 'o', 'n'))
		return SZ_HD_CONNECTION;
	if (n == 13 && a == SZ_W8('a', 'u', 't', 'h', 'o', 'r', 'i', 'z') &&
	    b == SZ_W8('r', 'i', 'z', 'a', 't', 'i', 'o', 'n'))
		return SZ_HD_AUTH;
	if (n == 14 && a == SZ_W8('c', 'o', 'n', 't', 'e', 'n', 't', '-') &&
	    b == SZ_W8('t', '-', 'l', 'e', 'n', 'g', 't', 'h'))
		return SZ_HD_LENGTH;
	c = sz_word(buf, s->line + 8) | 0x20 * SZ_ONES;
	if (n == 17 && a == SZ_W8('t', 'r', 'a', 'n', 's', 'f', 'e', 'r') &&
	    c == SZ_W8('-', 'e', 'n', 'c', 'o', 'd', 'i', 'n') &&
	    b == SZ_W8('e', 'n', 'c', 'o', 'd', 'i', 'n', 'g'))
		return SZ_HD_CHUNKED;
	return 0;
}

/* A header's name ended at `colon`: note which one it is; AMBIGUOUS when it may not come twice. */
SZ_INLINE long sz_scan_name(struct sz_scan *s, const u8 *buf, u32 colon)
{
	u32 h = sz_scan_header(s, buf, colon - s->line);

	s->value = colon + 1;
	s->header = h;
	s->state = SZ_SCAN_VALUE;
	s->pos = colon + 1;
	if (SZ_RULE(EXPECT) && h == SZ_HD_EXPECT)
		s->unusual = 1;
	if (SZ_RULE(DUPLICATE) && (h & s->flags & ~SZ_HD_MANY))
		return sz_scan_end(s, SZ_HEAD_AMBIGUOUS);
	s->flags |= h;
	if (h == SZ_HD_AUTH && s->guess) {
		u32 stop = s->value + 8 + s->guess;

		if (stop + 2 <= s->end && sz_byte(buf, stop) == '\r' &&
		    sz_byte(buf, stop + 1) == '\n') {
			s->pos = stop;
			s->guessed = 1;
		}
	}
	return 0;
}

#define SZ_LENGTH_DIGITS 13

/* Content-Length: one optional space, then only digits (RFC 9112 section 6.3). */
SZ_INLINE bool sz_scan_length(struct sz_scan *s, const u8 *buf, u32 end)
{
	u32 at = s->value, n, i;
	u64 v = 0;

	if (sz_byte(buf, at) == ' ')
		at++;
	n = end - at;
	if (n < 1 || (SZ_RULE(LENGTH_LONG) && n > SZ_LENGTH_DIGITS))
		return false;
	for (i = 0; i < SZ_LENGTH_DIGITS; i++) {
		u32 d;

		if (i >= n)
			break;
		d = (u32)sz_byte(buf, at + i) - '0';
		if (SZ_RULE(LENGTH_DIGITS) && d > 9)
			return false;
		v = v * 10 + d;
	}
	s->content_length = v;
	return !SZ_RULE(LENGTH_MAX) || v <= SZ_BODY_MAX;
}

/* Is there other white space around the value than one space before it? */
SZ_INLINE bool sz_scan_padded(const struct sz_scan *s, const u8 *buf, u32 end)
{
	u8 first = sz_byte(buf, s->value), second = sz_byte(buf, s->value + 1);
	u8 last = sz_byte(buf, end - 1);

	return end > s->value + 1 &&
	       (first == '\t' || (first == ' ' && (second == ' ' || second == '\t')) ||
		last == ' ' || last == '\t');
}

/* Connection: exactly "keep-alive" or "close"; others may name headers that then go missing. */
SZ_INLINE bool sz_scan_connection(const struct sz_scan *s, const u8 *buf, u32 end)
{
	u64 a = sz_word(buf, s->value) | 0x20 * SZ_ONES, b;

	if (end == s->value + 6)
		return (a & 0xffffffffffffull) == SZ_W8(' ', 'c', 'l', 'o', 's', 'e', 0, 0);
	b = sz_word(buf, s->value + 3) | 0x20 * SZ_ONES;
	return end == s->value + 11 && a == SZ_W8(' ', 'k', 'e', 'e', 'p', '-', 'a', 'l') &&
	       b == SZ_W8('e', 'p', '-', 'a', 'l', 'i', 'v', 'e');
}

/* High bit set in every byte that is not [0-9A-Fa-f:.]. */
SZ_INLINE u64 sz_not_address(u64 w)
{
	u64 x = w & SZ_LOW7, f = x | 0x20 * SZ_ONES;
	u64 alpha = SZ_GE(f, 'a') & ~SZ_GE(f, 'f' + 1);
	u64 digit = SZ_GE(x, '0') & ~SZ_GE(x, ':' + 1); /* ':' stands behind '9' */

	return (~(alpha | digit | sz_is_byte(w, '.')) | w) & SZ_HIGH;
}

/* Where a host name (64 bytes at most) or the address within brackets (48 at most) ends. */
SZ_COLD u32 sz_scan_host_end(const u8 *buf, u32 at, u32 end, u32 literal)
{
	u32 i;

	for (i = 0; i < 8; i++) {
		u64 w = sz_word(buf, at), m = sz_not_address(w);

		if (!literal)
			m = sz_not_word(w) & ~(sz_is_byte(w, '.') | sz_is_byte(w, '_'));
		else if (i >= 6)
			break;
		if (m) {
			at += sz_first(m);
			break;
		}
		at += 8;
	}
	return at < end ? at : end;
}

/* Host as every server reads it: a short name or an address, perhaps a port. */
SZ_COLD bool sz_scan_host(const struct sz_scan *s, const u8 *buf, u32 end)
{
	u32 at = s->value + (sz_byte(buf, s->value) == ' ');
	u32 literal = sz_byte(buf, at) == '[', stop, left;
	u64 x, m;

	at += literal;
	stop = sz_scan_host_end(buf, at, end, literal);
	if (stop <= at)
		return false;
	if (literal) {
		if (stop >= end || sz_byte(buf, stop) != ']')
			return false;
		stop++;
	}
	if (stop >= end)
		return true;
	left = end - stop - 1;
	if (sz_byte(buf, stop) != ':' || !left || left > 5)
		return false;
	x = sz_word(buf, stop + 1);
	m = (~(SZ_GE(x & SZ_LOW7, '0') & ~SZ_GE(x & SZ_LOW7, '9' + 1)) | x) & SZ_HIGH;
	return !(m & ~0ull >> (64 - 8 * left));
}

/* A header's value ended at `end`, where CRLF stands. */
SZ_INLINE long sz_scan_value(struct sz_scan *s, const u8 *buf, u32 end)
{
	u32 h = s->header;

	s->line = s->pos = end + 2;
	s->state = SZ_SCAN_NAME;
	if (++s->lines > SZ_HEADERS_MAX && SZ_RULE(HEADER_LINES))
		s->unusual = 1;
	if (h == SZ_HD_LENGTH && !sz_scan_length(s, buf, end) && SZ_RULE(LENGTH)) {
		/* More white space around it than one space before is legal, if rare. */
		if (!sz_scan_padded(s, buf, end))
			return sz_scan_end(s, SZ_HEAD_AMBIGUOUS);
		s->unusual = 1;
	}
	if (SZ_RULE(HOST_PADDED) && h == SZ_HD_HOST && sz_scan_padded(s, buf, end))
		s->unusual = 1;
	if (SZ_RULE(HOST_PLAIN) && h == SZ_HD_HOST && !sz_scan_host(s, buf, end))
		s->unusual = 1;
	if (SZ_RULE(HOST_EMPTY) && h == SZ_HD_HOST &&
	    (end == s->value || (end == s->value + 1 && sz_byte(buf, s->value) == ' ')))
		return sz_scan_end(s, SZ_HEAD_AMBIGUOUS);
	if (SZ_RULE(CONNECTION) && h == SZ_HD_CONNECTION && !sz_scan_connection(s, buf, end))
		s->unusual = 1;
	if (h == SZ_HD_AUTH) {
		u64 w = sz_word(buf, s->value) | 0x20 * SZ_ONES;

		if (end - s->value > 8 && w == SZ_W8(' ', 'b', 'e', 'a', 'r', 'e', 'r', ' ') &&
		    (!SZ_RULE(BEARER_SPACES) ||
		     (sz_byte(buf, s->value) == ' ' && sz_byte(buf, s->value + 7) == ' ' &&
		      sz_byte(buf, s->value + 8) != ' '))) {
			s->token_off = s->value + 8;
			s->token_len = end - s->token_off;
			s->flags |= SZ_HD_BEARER;
		} else if (SZ_RULE(OTHER_SCHEME)) {
			s->unusual = 1;
		}
	}
	return 0;
}

/* The empty line ended at `end`: judge the head as a whole. */
SZ_INLINE long sz_scan_finish(struct sz_scan *s, u32 end)
{
	s->head_end = end;
	if (SZ_RULE(TWO_LENGTHS) && (s->flags & SZ_HD_LENGTH) && (s->flags & SZ_HD_CHUNKED))
		return sz_scan_end(s, SZ_HEAD_AMBIGUOUS);
	if (SZ_RULE(HOST_MISSING) && !(s->flags & (SZ_HD_HOST | SZ_HD_HTTP10)))
		return sz_scan_end(s, SZ_HEAD_AMBIGUOUS);
	if (s->unusual || (SZ_RULE(CHUNKED) && (s->flags & SZ_HD_CHUNKED)))
		return sz_scan_end(s, SZ_HEAD_UNUSUAL);
	return sz_scan_end(s, SZ_HEAD_CLEAN);
}

/* The target ended at the space `at`: the version and CRLF must follow. */
SZ_INLINE long sz_scan_version(struct sz_scan *s, const u8 *buf, u32 at)
{
	u64 v = sz_word(buf, at + 1);

	s->target_len = at - s->path_off;
	if (s->state == SZ_SCAN_PATH)
		s->path_len = s->target_len;
	if (at + 11 > s->end) {
		/* Some servers take a line that ends earlier for a whole request (HTTP/0.9). */
		u32 left = s->end - at - 1, n = left < 7 ? left : 7;
		u64 odd = v ^ SZ_W8('H', 'T', 'T', 'P', '/', '1', '.', '0');

		odd &= left > 7 ? ~(1ull << 56) : n ? ~0ull >> (64 - 8 * n) : 0;
		if (SZ_RULE(VERSION_CUT) && (odd || (left > 8 && sz_byte(buf, at + 9) != '\r')))
			return sz_scan_end(s, SZ_HEAD_AMBIGUOUS);
		return sz_scan_end(s, SZ_HEAD_PARTIAL);
	}
	if (v == SZ_W8('H', 'T', 'T', 'P', '/', '1', '.', '0'))
		s->flags |= SZ_HD_HTTP10;
	else if (SZ_RULE(VERSION) && v != SZ_W8('H', 'T', 'T', 'P', '/', '1', '.', '1'))
		return sz_scan_end(s, SZ_HEAD_AMBIGUOUS);
	if (SZ_RULE(REQUEST_LINE_END) &&
	    (sz_byte(buf, at + 9) != '\r' || sz_byte(buf, at + 10) != '\n'))
		return sz_scan_end(s, SZ_HEAD_AMBIGUOUS);
	s->line = s->pos = s->rest = at + 11;
	s->state = SZ_SCAN_NAME;
	return s->line_only ? sz_scan_end(s, SZ_HEAD_LINE) : 0;
}

/* A byte in the path that is not [A-Za-z0-9-]. */
SZ_INLINE long sz_scan_path(struct sz_scan *s, const u8 *buf, u32 at, u8 c)
{
	u8 next;

	s->pos = at + 1;
	switch (c) {
	case '/':
		if (at + 1 >= s->end)
			return sz_scan_end(s, SZ_HEAD_PARTIAL);
		next = sz_byte(buf, at + 1);
		if (SZ_RULE(PATH_DOTS) && (next == '/' || next == '.'))
			s->unusual = 1;
		return 0;
	case ' ':
		return sz_scan_version(s, buf, at);
	case '?':
		s->path_len = at - s->path_off;
		s->state = SZ_SCAN_QUERY;
		return 0;
	case '_':
	case '.':
	case '~':
	case '!':
	case '$':
	case '&':
	case '\'':
	case '(':
	case ')':
	case '*':
	case '+':
	case ',':
	case '=':
	case ':':
	case '@':
		return 0;
	default:
		if (SZ_RULE(PATH_CONTROL) && (c < 0x20 || c == 0x7f))
			return sz_scan_end(s, SZ_HEAD_AMBIGUOUS);
		if (SZ_RULE(PATH_ENCODED))
			s->unusual = 1; /* % ; \ # and what should have been encoded */
		return 0;
	}
}

/* A byte in a header's value that is not printable ASCII. */
SZ_INLINE long sz_scan_text(struct sz_scan *s, const u8 *buf, u32 at, u8 c)
{
	if (c == '\r') {
		if (at + 1 >= s->end)
			return sz_scan_end(s, SZ_HEAD_PARTIAL);
		if (SZ_RULE(BARE_CR) && sz_byte(buf, at + 1) != '\n')
			return sz_scan_end(s, SZ_HEAD_AMBIGUOUS);
		return sz_scan_value(s, buf, at);
	}
	if (SZ_RULE(VALUE_CONTROL) && c != '\t' && c < 0x80)
		return sz_scan_end(s, SZ_HEAD_AMBIGUOUS);
	if (SZ_RULE(VALUE_BEYOND_ASCII))
		s->unusual = 1;
	s->pos = at + 1;
	return 0;
}

/* A byte in a header's name that is not [A-Za-z0-9-]. */
SZ_INLINE long sz_scan_name_byte(struct sz_scan *s, const u8 *buf, u32 at, u8 c)
{
	if (c == ':' && (at > s->line || !SZ_RULE(NAME_EMPTY)))
		return sz_scan_name(s, buf, at);
	if (c == '\r' && at == s->line) {
		if (at + 1 >= s->end)
			return sz_scan_end(s, SZ_HEAD_PARTIAL);
		if (SZ_RULE(HEAD_END) && sz_byte(buf, at + 1) != '\n')
			return sz_scan_end(s, SZ_HEAD_AMBIGUOUS);
		return sz_scan_finish(s, at + 2);
	}
	switch (c) {
	/* The other token characters (RFC 9110 section 5.6.2). */
	case '!':
	case '#':
	case '$':
	case '%':
	case '&':
	case '\'':
	case '*':
	case '+':
	case '.':
	case '^':
	case '_':
	case '`':
	case '|':
	case '~':
		if (SZ_RULE(NAME_PUNCTUATION))
			s->unusual = 1;
		s->pos = at + 1;
		return 0;
	default:
		return sz_scan_end(s, SZ_RULE(NAME_BYTES) ? SZ_HEAD_AMBIGUOUS : SZ_HEAD_UNUSUAL);
	}
}

SZ_LOOP_FN sz_scan_step(u64 i, void *arg)
{
	struct sz_scan *s = ((struct sz_scan_arg *)arg)->s;
	const u8 *buf = ((struct sz_scan_arg *)arg)->buf;
	u32 pos = s->pos, left = s->end - pos, state = s->state, at;
	u64 m, w;
	u8 c;

	(void)i;
	if (pos >= s->end)
		return sz_scan_end(s, SZ_HEAD_PARTIAL);
	if (state == SZ_SCAN_VALUE && left >= 32) {
		/* Most bytes of a head are header values: four words at once while all are text. */
		u64 w0 = sz_word(buf, pos), w1 = sz_word(buf, pos + 8);
		u64 w2 = sz_word(buf, pos + 16), w3 = sz_word(buf, pos + 24);

		if (!((sz_any_not_text(w0) | sz_any_not_text(w1) | sz_any_not_text(w2) |
		       sz_any_not_text(w3)) & SZ_HIGH)) {
			s->pos = pos + 32;
			return 0;
		}
	}
	w = sz_word(buf, pos);
	if (state == SZ_SCAN_PATH || state == SZ_SCAN_NAME)
		m = sz_not_word(w);
	else
		m = sz_not_text(w, state == SZ_SCAN_QUERY ? 0x21 : 0x20);
	if (SZ_RULE(QUERY_FRAGMENT) && state == SZ_SCAN_QUERY)
		m |= sz_is_byte(w, '#'); /* some servers cut the target there */
	if (left < 8)
		m &= ~0ull >> (64 - 8 * left);
	if (!m) {
		s->pos = pos + (left < 8 ? left : 8);
		return 0;
	}
	at = pos + sz_first(m);
	c = sz_byte(buf, at);
	switch (state) {
	case SZ_SCAN_PATH:
		return sz_scan_path(s, buf, at, c);
	case SZ_SCAN_QUERY:
		if (c == ' ')
			return sz_scan_version(s, buf, at);
		if (SZ_RULE(QUERY_BEYOND_ASCII))
			s->unusual = 1;
		s->pos = at + 1;
		return SZ_RULE(QUERY_CONTROL) && (c < 0x20 || c == 0x7f || c == '#') ?
			       sz_scan_end(s, SZ_HEAD_AMBIGUOUS) :
			       0;
	case SZ_SCAN_NAME:
		return sz_scan_name_byte(s, buf, at, c);
	default:
		return sz_scan_text(s, buf, at, c);
	}
}

/*
 * The method at pos; moves pos behind its space. Only a word of capitals can be a method here:
 * anything else is AMBIGUOUS. CONNECT and TRACE are never admitted; "PRI" is the HTTP/2 preface.
 */
SZ_INLINE long sz_scan_method(struct sz_scan *s, const u8 *buf)
{
	u64 w = sz_word(buf, s->pos);
	u32 left = s->end - s->pos, i, n;

	if (left >= 4 && (u32)w == (u32)SZ_W8('G', 'E', 'T', ' ', 0, 0, 0, 0)) {
		s->method = SZ_M_GET;
		n = 4;
	} else if (left >= 5 && (w & 0xffffffffffull) == SZ_W8('P', 'O', 'S', 'T', ' ', 0, 0, 0)) {
		s->method = SZ_M_POST;
		n = 5;
	} else if (left >= 4 && (u32)w == (u32)SZ_W8('P', 'U', 'T', ' ', 0, 0, 0, 0)) {
		s->method = SZ_M_PUT;
		n = 4;
	} else if (left >= 5 && (w & 0xffffffffffull) == SZ_W8('H', 'E', 'A', 'D', ' ', 0, 0, 0)) {
		s->method = SZ_M_HEAD;
		n = 5;
	} else if (left >= 7 &&
		   (w & 0xffffffffffffffull) == SZ_W8('D', 'E', 'L', 'E', 'T', 'E', ' ', 0)) {
		s->method = SZ_M_DELETE;
		n = 7;
	} else if (left >= 6 &&
		   (w & 0xffffffffffffull) == SZ_W8('P', 'A', 'T', 'C', 'H', ' ', 0, 0)) {
		s->method = SZ_M_PATCH;
		n = 6;
	} else if (left >= 8 && w == SZ_W8('O', 'P', 'T', 'I', 'O', 'N', 'S', ' ')) {
		s->method = SZ_M_OPTIONS;
		n = 8;
	} else {
		s->method = SZ_M_OTHER;
		for (i = 0; i < 8; i++) {
			u8 c = sz_byte(buf, s->pos + i);

			if (i >= left)
				return sz_scan_end(s, SZ_HEAD_PARTIAL);
			if (c == ' ' && i)
				return sz_scan_end(s, SZ_HEAD_UNUSUAL);
			if (SZ_RULE(METHOD_CAPITALS) && (c < 'A' || c > 'Z'))
				return sz_scan_end(s, SZ_HEAD_AMBIGUOUS);
		}
		return sz_scan_end(s, SZ_HEAD_UNUSUAL);
	}
	s->pos += n;
	return 0;
}

/* Begins with buf[off .. end), end <= SZ_FRAME_MAX: the method. False: the status is final. */
SZ_INLINE bool sz_head_begin(struct sz_scan *s, const u8 *buf, u32 off, u32 end)
{
	sz_memset(s, 0, sizeof(*s));
	s->pos = off;
	s->end = end;
	if (sz_scan_method(s, buf))
		return false;
	s->path_off = s->pos;
	if (s->pos >= end) {
		s->status = SZ_HEAD_PARTIAL;
		return false;
	}
	if (SZ_RULE(TARGET_FORM) && sz_byte(buf, s->pos) != '/') {
		/* absolute-form, authority-form, asterisk-form: the daemon knows which are allowed
		 */
		s->status = SZ_HEAD_UNUSUAL;
		return false;
	}
	return true;
}

SZ_INLINE void sz_head_go(struct sz_scan *s, const u8 *buf)
{
	struct sz_scan_arg arg = {s, buf};

	sz_loop(SZ_FRAME_MAX, sz_scan_step, &arg);
}

/* Scans the request line alone: LINE, or the status that the head has without more. */
SZ_INLINE void sz_head_scan_line(struct sz_scan *s, const u8 *buf, u32 off, u32 end)
{
	if (!sz_head_begin(s, buf, off, end))
		return;
	s->line_only = 1;
	sz_head_go(s, buf);
}

/*
 * Goes on behind it. With a guess at the length of the token, one that ends there is passed over:
 * then `guessed` is set, and the result is only good where those very bytes were scanned before.
 */
SZ_INLINE void sz_head_scan_rest(struct sz_scan *s, const u8 *buf, u32 guess)
{
	s->line_only = 0;
	s->status = SZ_HEAD_PARTIAL;
	s->guess = guess;
	sz_head_go(s, buf);
}

/* Scans all of buf[off .. end). The result is in *s. */
SZ_INLINE void sz_head_scan(struct sz_scan *s, const u8 *buf, u32 off, u32 end)
{
	if (sz_head_begin(s, buf, off, end))
		sz_head_go(s, buf);
}

#endif
