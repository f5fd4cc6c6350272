/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The HTTPS client against a server in this process: what it verifies, bounds and does not do. */
#include "harness.h"

#include <signal.h>

#include "https_server.h"

#include "fetch/fetch.h"

static struct sz_loop_ring *loop;
static struct sz_fetch *fetch;
static struct https_server server;
static struct https_request seen;
static const char *fields, *body;
static int status;

static struct {
	int calls, err, status;
	char body[4096], type[64], etag[SZ_FETCH_ETAG_MAX], words[512];
	size_t len;
	s64 max_age_s;
} got;

static void handle(const struct https_request *rq, char answer[HTTPS_TEXT_MAX], void *arg)
{
	(void)arg;
	seen = *rq;
	if (status)
		https_answer(answer, status, fields, body);
}

static void up(bool plain)
{
	struct sz_error e = {""};

	alarm(60);
	memset(&got, 0, sizeof(got));
	status = 200;
	fields = "";
	body = "{\"a\":1}";
	https_start(&server, handle, NULL, plain);
	if (sz_net_new(64, &loop, &e) || sz_fetch_new(loop, &fetch, &e)) {
		printf("# %s\n", e.msg);
		exit(1);
	}
}

static void down(void)
{
	sz_net_free(loop);
	sz_fetch_free(fetch);
	https_end(&server);
}

static void done(int err, const struct sz_fetch_answer *a, const struct sz_error *e, void *arg)
{
	int *left = arg;

	got.calls++;
	got.err = err;
	snprintf(got.words, sizeof(got.words), "%s", e->msg);
	if (!err) {
		got.status = a->status;
		got.len = a->len;
		got.max_age_s = a->max_age_s;
		snprintf(got.body, sizeof(got.body), "%s", a->body);
		snprintf(got.type, sizeof(got.type), "%s", a->type);
		snprintf(got.etag, sizeof(got.etag), "%s", a->etag);
	}
	if (!left || --*left == 0)
		sz_net_stop(loop);
}

static struct sz_fetch_request ask_for(const char *url)
{
	return (struct sz_fetch_request){
		.url = url, .ca_file = server.ca[0] ? server.ca : NULL, .timeout_ms = 10000,
		.max = 4000};
}

/* Starts it and runs the loop until it has ended. */
static int run(const struct sz_fetch_request *rq)
{
	struct sz_error e = {""};
	int err = sz_fetch_start(fetch, rq, done, NULL, NULL, &e);

	if (err)
		return err;
	EXPECT_EQ(sz_net_run(loop), 0);
	return got.err;
}

TEST(a_get_brings_status_type_age_tag_and_body)
{
	char url[256];
	struct sz_fetch_request rq;

	up(false);
	fields = "Cache-Control: public, max-age=600\r\nAge: 100\r\nETag: \"v1\"\r\n";
	rq = ask_for(https_url(&server, "/keys?x=1", url));
	rq.accept = "application/json";
	rq.if_none_match = "\"v0\"";
	EXPECT_EQ(run(&rq), 0);
	EXPECT_EQ(got.status, 200);
	EXPECT_STREQ(got.body, body);
	EXPECT_EQ(got.len, strlen(body));
	EXPECT_STREQ(got.type, "application/json");
	EXPECT_STREQ(got.etag, "\"v1\"");
	EXPECT_EQ(got.max_age_s, 500);
	EXPECT_STREQ(seen.method, "GET");
	EXPECT_STREQ(seen.path, "/keys?x=1");
	EXPECT_TRUE(strstr(seen.head, "If-None-Match: \"v0\"\r\n"));
	EXPECT_TRUE(strstr(seen.head, "Accept: application/json\r\n"));
	EXPECT_TRUE(strstr(seen.head, "User-Agent: subzero/"));
	EXPECT_TRUE(!strstr(seen.head, "Accept-Encoding"));
	EXPECT_EQ(got.calls, 1);
	down();
}

TEST(a_post_carries_its_form_and_authorization)
{
	char url[256];
	struct sz_fetch_request rq;

	up(false);
	rq = ask_for(https_url(&server, "/introspect", url));
	rq.form = "token=abc&token_type_hint=access_token";
	rq.authorization = "Basic eDp5";
	EXPECT_EQ(run(&rq), 0);
	EXPECT_STREQ(seen.method, "POST");
	EXPECT_STREQ(seen.body, rq.form);
	EXPECT_TRUE(strstr(seen.head, "Authorization: Basic eDp5\r\n"));
	EXPECT_TRUE(strstr(seen.head, "Content-Type: application/x-www-form-urlencoded\r\n"));
	rq.authorization = "Basic eDp5\r\nX: y";
	EXPECT_EQ(run(&rq), -EINVAL);
	down();
}

TEST(a_server_that_the_ca_did_not_sign_is_not_asked)
{
	struct https_server other;
	char url[256];
	struct sz_fetch_request rq;

	up(false);
	https_start(&other, handle, NULL, false);
	rq = ask_for(https_url(&other, "/", url)); /* trusts the first server's CA */
	EXPECT_EQ(run(&rq), -EPROTO);
	EXPECT_EQ(other.requests, 0);
	rq.ca_file = NULL; /* what the system trusts */
	EXPECT_EQ(run(&rq), -EPROTO);
	EXPECT_EQ(other.requests, 0);
	rq.ca_file = "/nonexistent.pem";
	EXPECT_EQ(run(&rq), -EPROTO);
	/* The right CA, but another name than the certificate's. */
	snprintf(url, sizeof(url), "https://127.0.0.2:%d/", other.port);
	rq.ca_file = other.ca;
	EXPECT_TRUE(run(&rq) != 0);
	EXPECT_EQ(other.requests, 0);
	https_end(&other);
	down();
}

TEST(an_answer_beyond_its_size_is_cut_off)
{
	static char big[8001];
	char url[256];
	struct sz_fetch_request rq;

	up(false);
	memset(big, 'x', 8000);
	body = big;
	rq = ask_for(https_url(&server, "/", url));
	EXPECT_EQ(run(&rq), -EFBIG);
	EXPECT_TRUE(strstr(got.words, "longer than 4000 bytes"));
	rq.max = 8000;
	EXPECT_EQ(run(&rq), 0);
	EXPECT_EQ(got.len, 8000);
	down();
}

TEST(a_redirect_is_an_answer_like_any_other)
{
	char url[256];
	struct sz_fetch_request rq;

	up(false);
	status = 302;
	fields = "Location: /elsewhere\r\n";
	rq = ask_for(https_url(&server, "/", url));
	EXPECT_EQ(run(&rq), 0);
	EXPECT_EQ(got.status, 302);
	EXPECT_EQ(server.requests, 1);
	down();
}

TEST(a_server_that_does_not_answer_costs_the_time_that_was_given)
{
	u64 began;
	char url[256];
	struct sz_fetch_request rq;

	up(false);
	server.deaf = true;
	rq = ask_for(https_url(&server, "/", url));
	rq.timeout_ms = 200;
	began = sz_boot_ns();
	EXPECT_EQ(run(&rq), -ETIMEDOUT);
	EXPECT_TRUE(sz_boot_ns() - began >= 190000000ull);
	server.deaf = false;
	down();
}

TEST(a_closed_port_and_a_connection_without_an_answer_are_errors)
{
	char url[256];
	struct sz_fetch_request rq;

	up(false);
	rq = ask_for(https_url(&server, "/", url));
	status = 0; /* closes without a word */
	EXPECT_EQ(run(&rq), -ECONNRESET);
	https_down(&server);
	EXPECT_EQ(run(&rq), -ECONNREFUSED);
	EXPECT_TRUE(strstr(got.words, "https://localhost:"));
	https_listen(&server, server.port);
	status = 200;
	EXPECT_EQ(run(&rq), 0);
	down();
}

TEST(words_about_a_failure_do_not_tell_the_query)
{
	char url[256];
	struct sz_fetch_request rq;

	up(false);
	rq = ask_for(https_url(&server, "/x?secret=1", url));
	https_down(&server);
	EXPECT_TRUE(run(&rq) != 0);
	EXPECT_TRUE(strstr(got.words, "/x:") && !strstr(got.words, "secret"));
	https_listen(&server, server.port);
	down();
}

TEST(plain_http_goes_to_this_host_alone_and_only_where_it_is_allowed)
{
	static const char *const refused[] = {
		"http://example.com/", "http://128.0.0.1/", "http://127.0.0.1.example.com/",
		"ftp://localhost/",    "file:///etc/passwd", "https://user@localhost/",
		"https://localhost/#x", "https://local host/", "https://localhost:0/",
		"https://localhost:65536/", "https://", "https:///x", "https://[::1",
		"https://a/\nb", "https://a\\b/", "//localhost/", "",
	};
	struct sz_error e;
	char url[256];
	struct sz_fetch_request rq;
	size_t i;

	up(true);
	rq = ask_for(https_url(&server, "/", url));
	EXPECT_EQ(run(&rq), -EINVAL);
	EXPECT_EQ(server.connections, 0);
	rq.loopback_http = true;
	EXPECT_EQ(run(&rq), 0);
	EXPECT_EQ(got.status, 200);
	for (i = 0; i < SZ_ARRAY_LEN(refused); i++)
		if (!EXPECT_EQ(sz_fetch_url_ok(refused[i], true, &e), -EINVAL))
			printf("# %s\n", refused[i]);
	EXPECT_EQ(sz_fetch_url_ok("http://127.8.9.1:80/x", true, &e), 0);
	EXPECT_EQ(sz_fetch_url_ok("http://[::1]:8080/x", true, &e), 0);
	EXPECT_EQ(sz_fetch_url_ok("https://example.com", false, &e), 0);
	down();
}

TEST(proxies_of_the_environment_are_not_used)
{
	struct https_server proxy;
	char url[256], at[256];
	struct sz_fetch_request rq;

	up(false);
	https_start(&proxy, handle, NULL, true);
	setenv("https_proxy", https_url(&proxy, "", at), 1);
	setenv("ALL_PROXY", at, 1);
	rq = ask_for(https_url(&server, "/", url));
	EXPECT_EQ(run(&rq), 0);
	EXPECT_EQ(proxy.connections, 0);
	unsetenv("https_proxy");
	unsetenv("ALL_PROXY");
	https_end(&proxy);
	down();
}

TEST(many_at_once_all_end_and_cancelled_ones_stay_silent)
{
	struct sz_fetch_call *calls[20];
	char url[256];
	struct sz_fetch_request rq;
	struct sz_error e = {""};
	int left = 10, i;

	up(false);
	rq = ask_for(https_url(&server, "/", url));
	for (i = 0; i < 20; i++)
		ASSERT_EQ(sz_fetch_start(fetch, &rq, done, &left, &calls[i], &e), 0);
	for (i = 0; i < 20; i += 2)
		sz_fetch_cancel(calls[i]);
	EXPECT_EQ(sz_net_run(loop), 0);
	EXPECT_EQ(got.calls, 10);
	/* And what is under way when everything goes is nobody's business any more. */
	ASSERT_EQ(sz_fetch_start(fetch, &rq, done, NULL, NULL, &e), 0);
	down();
	EXPECT_EQ(got.calls, 10);
}

TEST(how_long_an_answer_may_be_kept)
{
	static const struct {
		const char *value;
		s64 age;
	} cases[] = {
		{"max-age=300", 300},
		{"public, MAX-AGE=5 , must-revalidate", 5},
		{"max-age=\"60\"", 60},
		{"max-age=60, max-age=30", 30},
		{"private", -1},
		{"", -1},
		{",,", -1},
		{"no-store, max-age=300", 0},
		{"max-age=300, no-cache", 0},
		{"max-age", 0},
		{"max-age=", 0},
		{"max-age=-1", 0},
		{"max-age=1x", 0},
		{"max-age=99999999999999999999999", 31536000},
		{"x-max-age=5", -1},
	};
	size_t i;

	for (i = 0; i < SZ_ARRAY_LEN(cases); i++)
		if (!EXPECT_EQ(sz_fetch_max_age(cases[i].value, strlen(cases[i].value)),
			       cases[i].age))
			printf("# %s\n", cases[i].value);
}
