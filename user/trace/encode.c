/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Spans in the JSON form of OTLP 1 (opentelemetry-proto: ids in hex, 64-bit numbers as strings,
 * enumerations as numbers), with attributes by the semantic conventions for HTTP 1.x. Called by
 * export.c. Bytes of clients are escaped, cut and never hold a query.
 */
#include <arpa/inet.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "codec/codec.h"
#include "trace/trace_priv.h"

enum { KIND_INTERNAL = 1, KIND_SERVER = 2, KIND_CLIENT = 3 };
#define FLAGS_LOCAL  0x101 /* sampled; the parent is known to be of this process, */
#define FLAGS_REMOTE 0x301 /* or of another one */
#define STATUS_ERROR 2

/* The length of the UTF-8 sequence at s; 0 where there is none (RFC 3629). */
static size_t utf8(const char *s, size_t n)
{
	const u8 *p = (const u8 *)s;
	size_t len = p[0] < 0x80	? 1
		     : p[0] >> 5 == 6	? 2
		     : p[0] >> 4 == 14	? 3
		     : p[0] >> 3 == 30	? 4
					: 0;
	u32 c, i;

	if (!len || len > n)
		return 0;
	c = len == 1 ? p[0] : p[0] & (0x7fu >> len);
	for (i = 1; i < len; i++) {
		if (p[i] >> 6 != 2)
			return 0;
		c = c << 6 | (p[i] & 0x3f);
	}
	if ((len == 2 && c < 0x80) || (len == 3 && (c < 0x800 || (c >= 0xd800 && c < 0xe000))) ||
	    (len == 4 && (c < 0x10000 || c > 0x10ffff)))
		return 0;
	return len;
}

void sz_trace_text(struct sz_buf *b, const char *s, size_t n)
{
	size_t len;

	sz_buf_add(b, "\"", 1);
	for (; n; s += len, n -= len) {
		len = utf8(s, n);
		if (!len) {
			sz_buf_add(b, "\xef\xbf\xbd", 3);
			len = 1;
		} else if (*s == '"' || *s == '\\') {
			sz_buf_add(b, "\\", 1);
			sz_buf_add(b, s, 1);
		} else if ((u8)*s < ' ' || *s == 0x7f) {
			sz_buf_printf(b, "\\u%04x", (u8)*s);
		} else {
			sz_buf_add(b, s, len);
		}
	}
	sz_buf_add(b, "\"", 1);
}

/* ---- attributes: a comma in front of each but the first -------------------------------------- */

static void key(struct sz_buf *b, const char *name)
{
	sz_buf_printf(b, "%s{\"key\":\"%s\",\"value\":{", b->data[b->len - 1] == '[' ? "" : ",",
		      name);
}

static void text(struct sz_buf *b, const char *name, const char *s, size_t n)
{
	key(b, name);
	sz_buf_printf(b, "\"stringValue\":");
	sz_trace_text(b, s, n);
	sz_buf_printf(b, "}}");
}

static void word(struct sz_buf *b, const char *name, const char *s)
{
	if (s && *s)
		text(b, name, s, strlen(s));
}

static void number(struct sz_buf *b, const char *name, u64 v)
{
	key(b, name);
	sz_buf_printf(b, "\"intValue\":\"%llu\"}}", (unsigned long long)v);
}

static void address(struct sz_buf *b, const char *name, const char *port_name,
		    const struct sz_addr *a, u16 port, bool *ret_v4)
{
	static const u8 mapped[12] = {[10] = 0xff, [11] = 0xff};
	char s[INET6_ADDRSTRLEN] = "";

	*ret_v4 = !memcmp(a->b, mapped, sizeof(mapped));
	inet_ntop(*ret_v4 ? AF_INET : AF_INET6, *ret_v4 ? a->b + 12 : a->b, s, sizeof(s));
	word(b, name, s);
	number(b, port_name, ntohs(port));
}

/* ---- spans ---------------------------------------------------------------------------------- */

struct span {
	const u8 *id, *parent; /* parent NULL: none */
	const char *name;
	int kind;
	unsigned flags;
	u64 began_ns, ended_ns;
};

static void hex(struct sz_buf *b, const u8 *p, size_t n)
{
	char s[33];

	sz_hex_encode(p, n, s);
	sz_buf_add(b, s, 2 * n);
}

static void begin(struct sz_buf *b, const struct sz_trace_request *r, const struct span *s)
{
	u64 ended = s->ended_ns > s->began_ns ? s->ended_ns : s->began_ns;

	sz_buf_printf(b, "%s{\"traceId\":\"", b->len ? "," : "");
	hex(b, r->trace, sizeof(r->trace));
	sz_buf_printf(b, "\",\"spanId\":\"");
	hex(b, s->id, 8);
	if (s->parent) {
		sz_buf_printf(b, "\",\"parentSpanId\":\"");
		hex(b, s->parent, 8);
	}
	sz_buf_printf(b, "\",\"flags\":%u,\"name\":", s->flags);
	sz_trace_text(b, s->name, strlen(s->name));
	sz_buf_printf(b,
		      ",\"kind\":%d,\"startTimeUnixNano\":\"%llu\",\"endTimeUnixNano\":\"%llu\","
		      "\"attributes\":[",
		      s->kind, (unsigned long long)(s->began_ns + (u64)r->wall_ns),
		      (unsigned long long)(ended + (u64)r->wall_ns));
}

static void end(struct sz_buf *b, const char *error)
{
	sz_buf_printf(b, "],\"status\":{");
	if (error)
		sz_buf_printf(b, "\"code\":%d,\"message\":\"%s\"", STATUS_ERROR, error);
	sz_buf_printf(b, "}}");
}

/* One of a small number: methods that everybody knows, and routes of the configuration. */
static const char *known_method(const char *m)
{
	static const char *const names[] = {"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH",
					    "OPTIONS", "CONNECT", "TRACE"};
	size_t i;

	for (i = 0; i < SZ_ARRAY_LEN(names); i++)
		if (!strcmp(m, names[i]))
			return names[i];
	return NULL;
}

static void add_request(struct sz_buf *b, const struct sz_trace_request *r)
{
	const char *method = known_method(r->method);
	int status = r->decided && !r->allowed ? sz_reason_http(r->reason) : 0;
	bool v4;

	if (r->method[0]) {
		word(b, "http.request.method", method ? method : "_OTHER");
		text(b, "url.path", r->path, r->path_len);
	}
	word(b, "url.scheme", "http");
	word(b, "http.route", r->route);
	if (status)
		number(b, "http.response.status_code", (u64)status);
	if (status >= 500)
		word(b, "error.type", sz_reason_label(r->reason));
	address(b, "client.address", "client.port", &r->flow.client, r->flow.client_port, &v4);
	address(b, "server.address", "server.port", &r->flow.server, r->flow.server_port, &v4);
	word(b, "network.transport", "tcp");
	word(b, "network.type", v4 ? "ipv4" : "ipv6");
	word(b, "network.protocol.name", "http");
	word(b, "subzero.service", r->service);
	word(b, "subzero.verdict", !r->decided ? "none" : r->allowed ? "allow" : "deny");
	if (r->decided && r->reason != SZ_R_NONE)
		word(b, "subzero.reason", sz_reason_label(r->reason));
}

static const struct {
	const char *name;
	int kind;
} steps[SZ_TRACE_STEPS] = {
	[SZ_TRACE_INTROSPECT] = {"subzero.introspect", KIND_CLIENT},
	[SZ_TRACE_VERIFY] = {"subzero.verify", KIND_INTERNAL},
	[SZ_TRACE_POLICY] = {"subzero.policy", KIND_INTERNAL},
	[SZ_TRACE_REINJECT] = {"subzero.reinject", KIND_INTERNAL},
};

unsigned sz_trace_encode(struct sz_buf *b, const struct sz_trace_request *r, u64 ended_ns,
			 const u8 (*ids)[8])
{
	const char *method = known_method(r->method);
	int status = r->decided && !r->allowed ? sz_reason_http(r->reason) : 0;
	char name[sizeof(r->route) + 16];
	struct span s = {.id = r->span, .parent = r->has_parent ? r->parent : NULL, .name = name,
			 .kind = KIND_SERVER, .flags = r->has_parent ? FLAGS_REMOTE : FLAGS_LOCAL,
			 .began_ns = r->began_ns, .ended_ns = ended_ns};
	unsigned n = 1, i;

	snprintf(name, sizeof(name), "%s%s%s", method ? method : "HTTP", r->route[0] ? " " : "",
		 r->route);
	begin(b, r, &s);
	add_request(b, r);
	end(b, status >= 500 ? sz_reason_label(r->reason) : NULL);
	for (i = 0; i < SZ_TRACE_STEPS; i++) {
		if (!r->step[i].began_ns)
			continue;
		s = (struct span){.id = ids[i], .parent = r->span, .name = steps[i].name,
				  .kind = steps[i].kind, .flags = FLAGS_LOCAL,
				  .began_ns = r->step[i].began_ns, .ended_ns = r->step[i].ended_ns};
		begin(b, r, &s);
		if (i == SZ_TRACE_VERIFY)
			word(b, "subzero.token.issuer", r->issuer);
		end(b, NULL);
		n++;
	}
	return n;
}

void sz_trace_envelope(struct sz_buf *b, const struct sz_buf *spans)
{
	char host[256] = "";

	gethostname(host, sizeof(host) - 1);
	sz_buf_printf(b, "{\"resourceSpans\":[{\"resource\":{\"attributes\":[");
	word(b, "service.name", "subzero");
	word(b, "service.version", SZ_VERSION);
	word(b, "host.name", host);
	number(b, "process.pid", (u64)getpid());
	sz_buf_printf(b, "]},\"scopeSpans\":[{\"scope\":{\"name\":\"subzero.miss\",\"version\":\""
			 SZ_VERSION "\"},\"spans\":[");
	sz_buf_add(b, spans->data, spans->len);
	sz_buf_printf(b, "]}]}]}");
}

u64 sz_trace_rejected(const char *body, size_t n)
{
	json_t *v = n ? json_loadb(body, n, 0, NULL) : NULL;
	const json_t *r = json_object_get(json_object_get(v, "partialSuccess"), "rejectedSpans");
	long long rejected = json_is_integer(r)  ? json_integer_value(r)
			     : json_is_string(r) ? strtoll(json_string_value(r), NULL, 10)
						 : 0;

	json_decref(v);
	return rejected > 0 ? (u64)rejected : 0;
}
