/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The strict request-head parser beside others: it agrees with the kernel's scanner, and refuses
 * what servers reject. Requests written by others are read from the directory SUBZERO_VECTORS
 * names; those tests are skipped where it is absent.
 */
#include "codec/codec.h"
#include "harness.h"
#include "http/http.h"
#include "subzero/head.h"

static struct sz_http_head head;
static enum sz_reason reason;
static struct sz_error error;

static enum sz_http_status parse_n(const char *p, size_t n)
{
	/* An exact copy on the heap: a read beyond it is an error the sanitizer sees. */
	char *copy = malloc(n ? n : 1);
	enum sz_http_status status;

	memcpy(copy, p, n);
	reason = SZ_R_NONE;
	error.msg[0] = '\0';
	status = sz_http_head_parse(copy, n, &head, &reason, &error);
	if (status == SZ_HTTP_OK) {
		/* Let the pieces point into the caller's bytes, which outlive the copy. */
		head.method_text = p + (head.method_text - copy);
		head.target = p + (head.target - copy);
		head.token = head.token ? p + (head.token - copy) : NULL;
	}
	free(copy);
	return status;
}

static enum sz_http_status parse(const char *text)
{
	return parse_n(text, strlen(text));
}

/* ---- beside the kernel's scanner ------------------------------------------------------------ */

static struct sz_scan scan;

static void scanner_reads(const char *p, size_t n)
{
	static u8 frame[SZ_FRAME_MAX + 32];

	memset(frame, 0, sizeof(frame));
	memcpy(frame, p, n);
	sz_head_scan(&scan, frame, 0, (u32)n);
}

static void agrees(const char *p, size_t n)
{
	enum sz_http_status status = parse_n(p, n);

	scanner_reads(p, n);
	if (scan.status != SZ_HEAD_CLEAN) {
		EXPECT_TRUE(status != SZ_HTTP_OK || scan.status == SZ_HEAD_UNUSUAL);
		return;
	}
	ASSERT_EQ(status, SZ_HTTP_OK);
	EXPECT_EQ(head.method, scan.method);
	EXPECT_EQ(head.path_changed, false);
	EXPECT_EQ(head.path_len, scan.path_len);
	EXPECT_MEMEQ(head.path, p + scan.path_off, scan.path_len);
	EXPECT_EQ(head.target - p, scan.path_off);
	EXPECT_EQ(head.target_len, scan.target_len);
	EXPECT_EQ(head.has_length, (scan.flags & SZ_HD_LENGTH) != 0);
	EXPECT_EQ(head.content_length, scan.content_length);
	EXPECT_EQ(head.has_auth, (scan.flags & SZ_HD_AUTH) != 0);
	EXPECT_EQ(head.upgrade, (scan.flags & SZ_HD_UPGRADE) != 0);
	EXPECT_EQ(head.http10, (scan.flags & SZ_HD_HTTP10) != 0);
	EXPECT_EQ(head.chunked || head.expect_continue, false);
	EXPECT_EQ(head.head_len, scan.head_end);
	if (head.token) {
		EXPECT_EQ(head.token - p, scan.token_off);
		EXPECT_EQ(head.token_len, scan.token_len);
	}
}

TEST(what_the_kernel_calls_clean_is_read_alike)
{
	static const char *const methods[] = { "GET", "HEAD", "POST", "PUT", "DELETE", "PATCH",
					       "OPTIONS" };
	static const char *const targets[] = { "/", "/a", "/a/b_c.d~e/", "/a?b/c%zz;/../d",
					       "/!$&'()*+,=:@-", "/a?", "/x?\\\"<>^`{|}" };
	static const char *const lines[] = { "", "Content-Length: 0\r\n", "Content-Length:0042\r\n",
					     "Authorization: Bearer a.b.c\r\n",
					     "authorization: bearer x==\r\n", "Upgrade: h2c\r\n",
					     "Connection: keep-alive\r\nConnection: close\r\n",
					     "X: \r\nY:\r\nX-Y-Z:z z\r\n" };
	char text[512];

	for (size_t m = 0; m < SZ_ARRAY_LEN(methods); m++)
		for (size_t t = 0; t < SZ_ARRAY_LEN(targets); t++)
			for (size_t l = 0; l < SZ_ARRAY_LEN(lines); l++)
				for (int v = 0; v < 2; v++) {
					int n = snprintf(text, sizeof(text),
							 "%s %s HTTP/1.%d\r\nHost: h\r\n%s\r\nbody",
							 methods[m], targets[t], v, lines[l]);
					agrees(text, (size_t)n);
					if (!EXPECT_EQ(scan.status, SZ_HEAD_CLEAN))
						printf("# %s\n", text);
				}
}

TEST(what_the_kernel_calls_ambiguous_is_refused)
{
	static const char text[] = "GET /a?b HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n"
				   "Authorization: Bearer t\r\nUpgrade: x\r\nX: y\r\n\r\n";
	char changed[sizeof(text)];
	int ambiguous = 0;

	/* Every byte replaced by every value. */
	for (size_t i = 0; i + 1 < sizeof(text); i++)
		for (int c = 0; c < 256; c++) {
			memcpy(changed, text, sizeof(text));
			changed[i] = (char)c;
			agrees(changed, sizeof(text) - 1);
			ambiguous += scan.status == SZ_HEAD_AMBIGUOUS;
		}
	EXPECT_TRUE(ambiguous > 1000);
}

/* ---- requests written by others ------------------------------------------------------------- */

static json_t *vectors(const char *name)
{
	const char *dir = getenv("SUBZERO_VECTORS");
	char path[512];
	json_t *v;

	snprintf(path, sizeof(path), "%s/http/%s", dir ? dir : "../shared/data", name);
	v = json_load_file(path, 0, NULL);
	if (!v)
		SKIP("test vectors not found; set SUBZERO_VECTORS to their directory");
	return v;
}

static char raw[8192];

static size_t unhex(const json_t *v, const char *member)
{
	const char *hex = json_string_value(json_object_get(v, member));
	size_t n = hex ? strlen(hex) : 0;

	ASSERT_TRUE(hex && n / 2 + 64 < sizeof(raw) && !sz_hex_decode(hex, n, (u8 *)raw));
	raw[n / 2] = '\0';
	return n / 2;
}

/* Is the whole of p[0..n) one or more complete requests for us? */
static bool accepts(const char *p, size_t n)
{
	for (size_t used; n; p += used, n -= used) {
		if (parse_n(p, n) != SZ_HTTP_OK)
			return false;
		used = head.head_len;
		if (head.chunked) {
			struct sz_http_chunks c;
			size_t body;

			sz_http_chunks_init(&c);
			if (sz_http_chunks_feed(&c, p + used, n - used, &body) != SZ_HTTP_OK)
				return false;
			used += body;
		}
		if (head.content_length > n - used)
			return false;
		used += head.content_length;
	}
	return true;
}

TEST(requests_that_servers_reject_are_not_accepted)
{
	json_t *all = vectors("llhttp_requests.json"), *v;
	int rejected = 0, accepted = 0, total = 0;
	size_t i;

	json_array_foreach(all, i, v) {
		const char *name = json_string_value(json_object_get(v, "name"));
		size_t n = unhex(v, "request_hex");
		bool ok = accepts(raw, n);

		agrees(raw, n);
		if (!strcmp(json_string_value(json_object_get(v, "consensus")), "accept")) {
			total++;
			accepted += ok;
			if (!ok)
				printf("# stricter than servers: %s: %s\n", name, error.msg);
			continue;
		}
		/* A method nobody implements is the server's to refuse: its framing is plain. */
		if (ok && parse_n(raw, n) == SZ_HTTP_OK && head.method == SZ_M_OTHER)
			ok = head.chunked || head.has_length;
		if (!EXPECT_EQ(ok, false))
			printf("# accepted: %s\n", name);
		rejected += !ok;
	}
	printf("# accepted %d of the %d requests that servers accept\n", accepted, total);
	EXPECT_TRUE(rejected > 0 && accepted * 10 > total * 8);
	json_decref(all);
}

static void replace(const char *what, const char *with_text)
{
	char *at;

	while ((at = strstr(raw, what))) {
		char rest[sizeof(raw)];

		strcpy(rest, at + strlen(what));
		strcpy(at, with_text);
		strcat(raw, rest);
	}
}

TEST(heads_that_smuggle_a_length_are_refused)
{
	json_t *all = vectors("smuggler_default.json"), *v;
	int refusals = 0, harmless = 0;
	size_t i;

	json_array_foreach(all, i, v) {
		const char *name = json_string_value(json_object_get(v, "name"));

		unhex(v, "head_hex");
		replace("__METHOD__", "POST");
		replace("__ENDPOINT__", "/");
		replace("__HOST__", "h");
		replace("__REPLACE_CL__", "4");
		replace("__RANDOM__", "1");
		strcat(raw, "\r\n");
		agrees(raw, strlen(raw));
		if (parse(raw) != SZ_HTTP_OK) {
			refusals++;
			continue;
		}
		/* Only where the whole trick lies inside the value of one field "X". */
		harmless++;
		EXPECT_TRUE(!strncmp(name, "xprespace-", 10) && strstr(raw, "\r\nX: X"));
		EXPECT_TRUE(!head.chunked && head.has_length && head.content_length == 4);
	}
	printf("# refused %d, harmless %d\n", refusals, harmless);
	EXPECT_TRUE(refusals > 0);
	json_decref(all);
}
