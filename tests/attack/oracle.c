/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Judges a case: what the recorder got must split into requests that were to be admitted, on each
 * connection at most once, in order, byte for byte; the rest is the beginning of one request and
 * nothing more. A byte of a body may also be any that the client sent at that place: a body is
 * announced by its length, and its content is not decided.
 */
#include "attack.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Was this byte ever sent at this place of the stream of one of the case's connections? */
static bool was_sent(const struct att_case *c, u32 off, u8 byte)
{
	u32 i, b, d;

	for (b = 0; b < c->n_bases; b++) {
		for (i = 0; i < c->n_trace; i++) {
			const struct att_segment *s = &c->trace[i].s;

			d = c->bases[b] + off - s->seq;
			if (c->trace[i].out && d < s->len && s->data[d] == byte)
				return true;
		}
	}
	return false;
}

static struct att_request *same_head(struct att_case *c, const u8 *p, u32 head_len, s32 after)
{
	struct att_request *best = NULL;
	u32 i;

	for (i = 0; i < c->n_req; i++) {
		struct att_request *q = &c->req[i];

		if (q->head_len != head_len || memcmp(q->bytes, p, head_len))
			continue;
		if (!best || ((s32)best->slot <= after && (s32)q->slot > after))
			best = q;
	}
	return best;
}

/* The value of the only Authorization line of a head that the strict reader has accepted. */
static const u8 *token_of(const u8 *p, u32 n, u32 *ret_len)
{
	static const char name[] = "\r\nauthorization: bearer ";
	const u8 *found = NULL, *end;
	u32 i;

	for (i = 0; i + sizeof(name) - 1 < n; i++) {
		if (strncasecmp((const char *)p + i, name, sizeof(name) - 1))
			continue;
		if (found)
			return NULL;
		found = p + i + sizeof(name) - 1;
	}
	end = found ? memchr(found, '\r', n - (u32)(found - p)) : NULL;
	*ret_len = end ? (u32)(end - found) : 0;
	return end ? found : NULL;
}

static bool is_one(const char (*tokens)[ATT_TOKEN_MAX], u32 n, const u8 *p, u32 len)
{
	u32 i;

	for (i = 0; i < n; i++)
		if (len && strlen(tokens[i]) == len && !memcmp(tokens[i], p, len))
			return true;
	return false;
}

/*
 * A head that nobody wrote in one piece, put together from pieces of several: may it pass all the
 * same? The path must be one that the token of just this head opens.
 */
static bool admissible(const struct att_case *c, const u8 *p, const struct att_parsed *q)
{
	const char *path = (const char *)p + q->path_at;
	const u8 *token;
	u32 len = 0;

	if (memmem(path, q->path_len, "..", 2) || memmem(path, q->path_len, "//", 2))
		return false;
	if (q->path_len > 8 && !memcmp(path, "/health/", 8))
		return true;
	if (q->path_len < 7 || (memcmp(path, "/orders/", 8) && memcmp(path, "/each/", 6)))
		return false;
	token = token_of(p, q->head_len, &len);
	return token && (is_one(att_known, ATT_KNOWN_MAX, token, len) ||
			 is_one(c->fresh, ATT_FRESH_MAX, token, len));
}

static void judge_mixed(struct att_case *c, const u8 *p, u32 at, const struct att_parsed *q)
{
	u32 i;

	if (!admissible(c, p, q)) {
		att_wrong(c, "a request arrived that nothing permits: at byte %u", at);
		return;
	}
	for (i = 0; i < q->head_len; i++)
		if (!was_sent(c, at + i, p[i]))
			att_wrong(c, "byte %u is none that was sent there", at + i);
}

static void judge_request(struct att_case *c, const struct att_record *r, u32 at,
			  const struct att_parsed *parsed, s32 *slot)
{
	const u8 *p = r->bytes + at;
	struct att_request *q = same_head(c, p, parsed->head_len, *slot);
	u32 i;

	if (!q) {
		judge_mixed(c, p, at, parsed);
		return;
	}
	if (!q->allowed && !q->may) {
		att_wrong(c, "a request arrived that had to be refused: %s (%u)", q->path,
			  q->status);
		return;
	}
	/* Once on a connection; on another one the client may have sent it again. */
	if ((s32)q->slot <= *slot) {
		att_wrong(c, "a request arrived twice or out of order: %s", q->path);
		return;
	}
	q->arrived = true;
	*slot = (s32)q->slot;
	for (i = parsed->head_len; i < parsed->len; i++) {
		if (i < q->len && p[i] == q->bytes[i])
			continue;
		if (!was_sent(c, at + i, p[i])) {
			att_wrong(c, "byte %u of %s is none that was sent there", i, q->path);
			return;
		}
	}
}

/* What is left is the beginning of a request that is not whole yet. */
static void judge_rest(struct att_case *c, const struct att_record *r, u32 at)
{
	const u8 *p = r->bytes + at;
	u32 n = r->len - at, i;
	struct att_parsed parsed;

	if (!n)
		return;
	if (att_http_read(p, n, &parsed) == ATT_HTTP_MORE && parsed.head_len) {
		struct att_request *q = same_head(c, p, parsed.head_len, -1);

		if (!q)
			judge_mixed(c, p, at, &parsed);
		else if (!q->allowed && !q->may)
			att_wrong(c, "a head arrived that had to be refused: %s", q->path);
		return;
	}
	if (att_http_could_end(p, n)) {
		att_wrong(c, "what could be the end of a head arrived: at byte %u", at);
		return;
	}
	for (i = 0; i < n; i++) {
		if (!was_sent(c, at + i, p[i])) {
			att_wrong(c, "byte %u is none that was sent there", at + i);
			return;
		}
	}
}

static void judge_record(struct att_case *c, const struct att_record *r)
{
	struct att_parsed parsed;
	s32 slot = -1;
	u32 at = 0;

	while (at < r->len && !c->why[0]) {
		if (att_http_read(r->bytes + at, r->len - at, &parsed) != ATT_HTTP_OK)
			break;
		judge_request(c, r, at, &parsed, &slot);
		at += parsed.len;
		c->arrived++;
	}
	if (!c->why[0])
		judge_rest(c, r, at);
}

static void judge_answers(struct att_case *c)
{
	const struct att_conn *t = &c->conn;
	u32 i, n = t->answers < ATT_ANSWERS ? t->answers : ATT_ANSWERS;

	if (t->wrong_answer)
		att_wrong(c, "an answer came that belongs to another request");
	c->again = !c->why[0] && n && t->status[n - 1] == 503;
	if (n != c->n_expect)
		att_wrong(c, "%u answers came, the last %u, %u were due%s%s", n,
			  n ? t->status[n - 1] : 0, c->n_expect, t->rst ? ", reset" : "",
			  t->fin ? ", closed" : "");
	for (i = 0; i < n && i < c->n_expect; i++)
		if (t->status[i] != c->expect[i])
			att_wrong(c, "answer %u is %u, not %u", i, t->status[i], c->expect[i]);
}

void att_judge(struct att_case *c)
{
	struct att_record *r;

	for (r = c->records; r; r = r->next)
		judge_record(c, r);
	if (c->legit)
		judge_answers(c);
}

/* ---- for people ----------------------------------------------------------------------------- */

static void dump(const char *what, const u8 *p, u32 n)
{
	u32 i, k;

	printf("# %s, %u bytes\n", what, n);
	for (i = 0; i < n; i += 32) {
		printf("#   %5u ", i);
		for (k = i; k < i + 32; k++)
			printf(k < n ? "%02x" : "  ", k < n ? p[k] : 0);
		printf("  ");
		for (k = i; k < i + 32 && k < n; k++)
			putchar(p[k] >= 0x20 && p[k] < 0x7f ? p[k] : '.');
		putchar('\n');
	}
}

static void print_segment(const struct att_case *c, const struct att_trace *t)
{
	static const char letters[] = "FSRPAU";
	const struct att_segment *s = &t->s;
	u32 base = c->n_bases ? c->bases[c->n_bases - 1] : c->conn.isn + 1;
	char flags[8] = "", *f = flags;
	u32 i;

	for (i = 0; i < 6; i++)
		if (s->flags & 1 << i)
			*f++ = letters[i];
	*f = 0;
	printf("# %9.3f ms %s %-4s seq %u (%+d) ack %u len %u win %u%s", (double)t->at / 1e6,
	       t->out ? "->" : "<-", flags, s->seq, (s32)((t->out ? s->seq : s->ack) - base),
	       s->ack, s->len, s->window, s->mods || s->urgent ? " mods" : "");
	if (s->mods || s->urgent)
		printf(" %#x urg %u", s->mods, s->urgent);
	putchar('\n');
	if (s->len)
		dump("  payload", s->data, s->len);
}

void att_print_case(const struct att_case *c)
{
	const struct att_record *r;
	u32 i;

	printf("# seed %llu case %u%s%s: IPv%d%s%s, %u requests of %u bytes, %u steps\n",
	       (unsigned long long)c->seed, c->number, c->name ? " " : "", c->name ? c->name : "",
	       c->v6 ? 6 : 4, c->cookies ? ", cookies" : "", c->legit ? ", legitimate" : "",
	       c->n_slots, c->stream_len, c->n_steps);
	for (i = 0; i < c->n_req; i++)
		printf("#   version %u of slot %u: %s, %s, head %u of %u at %u%s\n", i,
		       c->req[i].slot, c->req[i].path, c->req[i].allowed ? "allowed" : "refused",
		       c->req[i].head_len, c->req[i].len, c->req[i].at,
		       c->req[i].arrived ? ", arrived" : "");
	for (i = 0; i < c->n_trace; i++)
		print_segment(c, &c->trace[i]);
	for (r = c->records; r; r = r->next)
		dump("recorded", r->bytes, r->len);
}
