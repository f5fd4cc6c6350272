/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Traces: what a head says of them (the cases of W3C Trace Context), which requests are traced, the
 * bounds of the queue, and what never is in a span. The collector's side is an integration test.
 */
#include "harness.h"

#include "trace/trace_priv.h"

#define ID   "0af7651916cd43dd8448eb211c80319c"
#define SPAN "b7ad6b7169203331"
#define GOOD "00-" ID "-" SPAN "-01"

static bool parse(const char *s, struct sz_trace_parent *ret)
{
	return sz_trace_parent_parse(s, strlen(s), ret);
}

TEST(a_traceparent_is_read_as_the_specification_has_it)
{
	static const char *const bad[] = {
		"", "00", GOOD "-", GOOD "0", "0" GOOD, "00-" ID "-" SPAN, "00-" ID "-" SPAN "-0",
		"ff-" ID "-" SPAN "-01", "0g-" ID "-" SPAN "-01", "00_" ID "-" SPAN "-01",
		"00-00000000000000000000000000000000-" SPAN "-01",
		"00-" ID "-0000000000000000-01", "00-0AF7651916cd43dd8448eb211c80319c-" SPAN "-01",
		"00-" ID "-B7ad6b7169203331-01", "00-" ID "-" SPAN "-0x", "01-" ID "-" SPAN "-01x",
		"00-" ID "-" SPAN "-01-more",
	};
	struct sz_trace_parent p;

	EXPECT_TRUE(parse(GOOD, &p));
	EXPECT_TRUE(p.sampled);
	EXPECT_EQ(p.trace[0], 0x0a);
	EXPECT_EQ(p.span[7], 0x31);
	EXPECT_TRUE(parse("00-" ID "-" SPAN "-00", &p) && !p.sampled);
	EXPECT_TRUE(parse("00-" ID "-" SPAN "-fe", &p) && !p.sampled);
	EXPECT_TRUE(parse("00-" ID "-" SPAN "-ff", &p) && p.sampled);
	EXPECT_TRUE(parse("cc-" ID "-" SPAN "-01", &p));
	EXPECT_TRUE(parse("cc-" ID "-" SPAN "-01-what.comes.later", &p));
	for (size_t i = 0; i < SZ_ARRAY_LEN(bad); i++)
		if (parse(bad[i], &p)) {
			printf("# %s\n", bad[i]);
			EXPECT_TRUE(false);
		}
	for (size_t n = 0; n < strlen(GOOD); n++)
		EXPECT_TRUE(!sz_trace_parent_parse(GOOD, n, &p));
}

static struct sz_trace_head head_of(const char *s)
{
	struct sz_trace_head h;

	sz_trace_head_read(s, strlen(s), &h);
	return h;
}

TEST(a_head_gives_method_path_and_one_parent)
{
	struct sz_trace_head h = head_of("POST /a/b?secret=1 HTTP/1.1\r\nHost: h\r\n"
					 "TraceParent: \t" GOOD " \r\n\r\n");

	EXPECT_EQ(h.method_len, 4);
	EXPECT_EQ(h.path_len, 4);
	EXPECT_MEMEQ(h.path, "/a/b", 4);
	EXPECT_TRUE(h.has_parent && h.parent.sampled);
	EXPECT_TRUE(!head_of("GET / HTTP/1.1\r\ntraceparent: " GOOD "\r\ntraceparent: " GOOD
			     "\r\n\r\n").has_parent);
	EXPECT_TRUE(!head_of("GET / HTTP/1.1\r\ntraceparent: " GOOD "\r\ntraceparent: x\r\n\r\n")
			     .has_parent);
	/* In the body, in another field, or cut off: none. */
	EXPECT_TRUE(!head_of("GET / HTTP/1.1\r\n\r\ntraceparent: " GOOD "\r\n").has_parent);
	EXPECT_TRUE(!head_of("GET / HTTP/1.1\r\nx-traceparent: " GOOD "\r\n\r\n").has_parent);
	EXPECT_TRUE(!head_of("GET / HTTP/1.1\r\ntraceparent : " GOOD "\r\n\r\n").has_parent);
	EXPECT_TRUE(!head_of("GET / HTTP/1.1\r\ntraceparent: " GOOD).has_parent);
	EXPECT_TRUE(head_of("GET / HTTP/1.1\r\ntraceparent: " GOOD "\r\nHost: cut").has_parent);
	EXPECT_TRUE(head_of("").method == NULL);
	EXPECT_TRUE(head_of(" \r\n").method == NULL);
}

TEST(text_of_clients_is_json_whatever_it_holds)
{
	static const char odd[] = "a\"\\\x01\x7f\xff\xc3\xa4\xed\xa0\x80\xf4\x90\x80\x80z";
	struct sz_buf b = {0};

	sz_trace_text(&b, odd, sizeof(odd) - 1);
	EXPECT_STREQ(b.data, "\"a\\\"\\\\\\u0001\\u007f\xef\xbf\xbd\xc3\xa4"
			     "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"
			     "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdz\"");
	sz_buf_done(&b);
}

/* ---- the exporter --------------------------------------------------------------------------- */

static struct sz_loop_ring *loop;
static struct sz_trace *trace;
static struct sz_conf conf;

static void begin(double sampling, bool follow)
{
	struct sz_error e = {""};

	conf = (struct sz_conf){.tracing = {.endpoint = (char *)"http://127.0.0.1:1/v1/traces",
					    .sampling = sampling, .follow = follow, .queue = 50}};
	ASSERT_EQ(sz_net_new(64, &loop, &e), 0);
	ASSERT_EQ(sz_trace_new(loop, &conf, &trace, &e), 0);
}

static void end(void)
{
	sz_net_free(loop);
	sz_trace_free(trace);
}

static unsigned traced(const char *head, unsigned n)
{
	unsigned count = 0;

	while (n--) {
		struct sz_trace_request *r = sz_trace_begin(trace, head, strlen(head), 1);

		count += r != NULL;
		free(r);
	}
	return count;
}

#define PLAIN  "GET / HTTP/1.1\r\n\r\n"
#define ASKED  "GET / HTTP/1.1\r\ntraceparent: " GOOD "\r\n\r\n"
#define UNASKED "GET / HTTP/1.1\r\ntraceparent: 00-" ID "-" SPAN "-00\r\n\r\n"

TEST(sampling_is_a_share_and_a_clients_word_goes_before_it)
{
	unsigned some;

	begin(0, true);
	EXPECT_EQ(traced(PLAIN, 1000), 0);
	EXPECT_EQ(traced(ASKED, 10), 10);
	end();
	begin(1, true);
	EXPECT_EQ(traced(PLAIN, 10), 10);
	EXPECT_EQ(traced(UNASKED, 1000), 0);
	end();
	begin(0.25, true);
	some = traced(PLAIN, 40000);
	/* Ten standard deviations on either side. */
	EXPECT_TRUE(some > 10000 - 870 && some < 10000 + 870);
	end();
	begin(0, false);
	EXPECT_EQ(traced(ASKED, 1000), 0);
	end();
	begin(1, false);
	EXPECT_EQ(traced(UNASKED, 10), 10);
	end();
}

TEST(a_parent_that_is_ignored_is_not_in_the_trace)
{
	struct sz_trace_request *r;

	begin(1, false);
	r = sz_trace_begin(trace, ASKED, strlen(ASKED), 1);
	ASSERT_TRUE(r != NULL);
	EXPECT_TRUE(!r->has_parent);
	EXPECT_TRUE(r->trace[0] != 0x0a || r->trace[1] != 0xf7 || r->trace[2] != 0x65);
	EXPECT_STREQ(r->method, "GET");
	free(r);
	end();
}

TEST(the_queue_is_bounded)
{
	struct sz_trace_stats s;
	unsigned i;

	begin(1, true);
	for (i = 0; i < 1000; i++) {
		struct sz_trace_request *r = sz_trace_begin(trace, PLAIN, strlen(PLAIN), 1);

		if (r)
			sz_trace_end(trace, r, 2);
	}
	sz_trace_look(trace, &s);
	EXPECT_TRUE(s.waiting <= 50 && s.waiting > 40);
	EXPECT_EQ(s.dropped + s.waiting, 1000);
	end();
}

TEST(without_an_endpoint_there_is_nothing)
{
	struct sz_error e = {""};
	struct sz_conf off = {.path = NULL};
	struct sz_trace *t = (struct sz_trace *)1;

	EXPECT_EQ(sz_trace_new(NULL, &off, &t, &e), 0);
	EXPECT_TRUE(t == NULL);
}
