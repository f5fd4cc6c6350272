/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Questions about opaque tokens (RFC 7662) to a provider in this process: how the gateway says who
 * it is, what is asked once only, what is kept and for how long, and a provider that fails.
 */
#include "harness.h"

#include <sodium.h>
#include <sys/stat.h>

#include "https_server.h"

#include "codec/codec.h"
#include "idp/idp_priv.h"

static struct https_server server;
static struct sz_loop_ring *loop;
static struct sz_idp *idp;
static struct sz_conf *conf;
static char dir[64];
static json_t *gateway_key;
static const char *reply;
static int status, notes;
static struct https_request seen;
static struct sz_error e;

static void handle(const struct https_request *rq, char answer[HTTPS_TEXT_MAX], void *arg)
{
	(void)arg;
	seen = *rq;
	https_answer(answer, status, "", reply);
}

static void on_note(const char *what, void *arg)
{
	(void)what;
	(void)arg;
	notes++;
}

static void put(const char *name, const char *text, unsigned mode)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	fputs(text, f);
	fclose(f);
	chmod(path, mode);
}

static void tick(void *arg)
{
	(void)arg;
	sz_idp_tick(idp);
}

static struct sz_conf *parse(const char *how)
{
	char url[256], text[2048];
	struct sz_conf *c;
	int n = snprintf(text, sizeof(text),
			 "interfaces: [eth0]\nstate_dir: %s\nissuers:\n- issuer: https://i.test\n"
			 "  audiences: [api]\n  provider: {ca_file: %s}\n"
			 "  introspection: {endpoint: \"%s\", client_id: \"gw:1 %%\", timeout: 1s, "
			 "failures: 2, pause: 100ms, max_ttl: 60s, inactive_ttl: 5s, %s}\n"
			 "services:\n- {name: s, address: \"10.0.0.1:80\", routes: [{path: /}]}\n",
			 dir, server.ca, https_url(&server, "/i", url), how);

	c = sz_conf_parse(text, (size_t)n, "t.yaml", &e);
	if (!c) {
		printf("# %s\n", e.msg);
		exit(1);
	}
	return c;
}

static void begin(const char *how)
{
	struct sz_idp_hooks hooks = {.note = on_note};
	char text[256];
	json_t *set;
	char *key;

	alarm(60);
	sz_log_level_set(SZ_LOG_ERR);
	notes = 0;
	status = 200;
	reply = "{\"active\":true}";
	strcpy(dir, "/tmp/subzero-ask.XXXXXX");
	if (!mkdtemp(dir) || sz_key_generate(SZ_ALG_ES256, &gateway_key, &set, &e))
		exit(1);
	json_decref(set);
	put("secret", "s3cret/+ \n", 0600);
	key = json_dumps(gateway_key, 0);
	put("key", key, 0600);
	free(key);
	https_start(&server, handle, NULL, false);
	snprintf(text, sizeof(text), how, dir);
	conf = parse(text);
	if (sz_net_new(64, &loop, &e) || sz_idp_new(loop, &hooks, &idp, &e) ||
	    sz_idp_configure(idp, conf, &e)) {
		printf("# %s\n", e.msg);
		exit(1);
	}
	sz_net_every(loop, 5000000, tick, NULL);
}

static void end(void)
{
	char command[128];

	sz_net_free(loop);
	sz_idp_free(idp);
	sz_conf_free(conf);
	https_end(&server);
	json_decref(gateway_key);
	snprintf(command, sizeof(command), "rm -r %s", dir);
	if (system(command))
		printf("# %s\n", command);
}

#define SECRET "client_secret_file: %s/secret"
#define POST   "auth: client_secret_post, " SECRET
#define KEY    "auth: private_key_jwt, client_key_file: %s/key"

struct asked {
	struct sz_idp_wait w;
	int told;
	enum sz_idp_outcome o;
	char text[256], why[512];
	s64 until_s;
};

static int left;

static void on_told(struct sz_idp_wait *w, enum sz_idp_outcome o, const struct sz_idp_answer *a,
		    const struct sz_error *why)
{
	struct asked *x = (struct asked *)w;

	x->told++;
	x->o = o;
	if (a) {
		snprintf(x->text, sizeof(x->text), "%.*s", (int)a->len, a->text);
		x->until_s = a->until_s;
	}
	if (why)
		snprintf(x->why, sizeof(x->why), "%s", why->msg);
	if (!--left)
		sz_net_stop(loop);
}

static struct sz_idp_use use;
static bool recent;
static struct sz_idp_answer was;

static enum sz_idp_ask ask(struct asked *x, const char *token)
{
	struct sz_digest d = {.w = {strlen(token), 0}};

	memcpy(&d.w[1], token, strlen(token) < 8 ? strlen(token) : 8);
	*x = (struct asked){.w = {.fn = on_told}};
	return sz_idp_introspect(idp, 0, &d, token, strlen(token), &use, &x->w, &was, &recent);
}

/* Asks and waits for what comes. */
static struct asked once(const char *token)
{
	static struct asked x;

	left = 1;
	if (EXPECT_EQ(ask(&x, token), SZ_IDP_WAITING) && !recent)
		EXPECT_EQ(sz_net_run(loop), 0);
	return x;
}

static struct sz_idp_stats stats(void)
{
	struct sz_idp_stats s = {0};

	EXPECT_TRUE(sz_idp_look(idp, 0, &s));
	return s;
}

static s64 now_s(void)
{
	return (s64)(sz_wall_ns() / 1000000000ull);
}

/* ---- who asks ------------------------------------------------------------------------------- */

TEST(a_secret_in_the_header_is_encoded_like_a_form_first)
{
	struct asked x;

	begin(SECRET);
	x = once("to/k=en+~");
	EXPECT_EQ(x.o, SZ_IDP_ANSWER);
	EXPECT_STREQ(seen.method, "POST");
	EXPECT_STREQ(seen.path, "/i");
	EXPECT_STREQ(seen.body, "token=to%2Fk%3Den%2B~&token_type_hint=access_token");
	/* base64("gw%3A1%20%25:s3cret%2F%2B%20") */
	EXPECT_TRUE(strstr(seen.head, "Authorization: Basic "
			   "Z3clM0ExJTIwJTI1OnMzY3JldCUyRiUyQiUyMA==\r\n"));
	EXPECT_TRUE(strstr(seen.head, "Accept: application/json\r\n"));
	end();
}

TEST(a_secret_in_the_form)
{
	begin(POST);
	once("abc");
	EXPECT_STREQ(seen.body, "token=abc&token_type_hint=access_token&client_id=gw%3A1%20%25&"
				"client_secret=s3cret%2F%2B%20");
	EXPECT_TRUE(!strstr(seen.head, "Authorization"));
	end();
}

TEST(an_assertion_is_signed_with_the_gateway_s_own_key)
{
	struct sz_token t = {0};
	char *at, jtis[2][64];
	int i;

	begin(KEY);
	for (i = 0; i < 2; i++) {
		once(i ? "abd" : "abc");
		EXPECT_TRUE(strstr(seen.body, "client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3A"
					      "client-assertion-type%3Ajwt-bearer&"));
		at = strstr(seen.body, "client_assertion=");
		at = strstr(at, "=") + 1;
		ASSERT_EQ(sz_token_peek(at, strlen(at), &t, &e), 0);
		EXPECT_STREQ(t.issuer, "gw:1 %");
		EXPECT_STREQ(t.subject, "gw:1 %");
		EXPECT_STREQ(json_string_value(json_object_get(t.claims, "aud")), "https://i.test");
		EXPECT_TRUE(t.exp > now_s() && t.exp <= now_s() + 60);
		EXPECT_STREQ(json_string_value(json_object_get(t.header, "typ")), "JWT");
		snprintf(jtis[i], sizeof(jtis[i]), "%s", t.jti);
		sz_token_done(&t);
	}
	EXPECT_TRUE(strcmp(jtis[0], jtis[1]) != 0);
	end();
}

TEST(files_that_hold_no_secret_are_refused)
{
	static const struct {
		const char *name, *text;
		unsigned mode;
		const char *how, *says;
	} cases[] = {
		{"secret", "x", 0604, SECRET, "may be read by anybody"},
		{"secret", "\n", 0600, SECRET, "is empty"},
		{"key", "{}", 0600, KEY, "not a private JWK"},
		{"key", "x", 0600, KEY, "not a private JWK"},
	};
	struct sz_conf *c;
	char text[256];
	size_t i;

	begin(SECRET);
	for (i = 0; i < SZ_ARRAY_LEN(cases); i++) {
		put(cases[i].name, cases[i].text, cases[i].mode);
		snprintf(text, sizeof(text), cases[i].how, dir);
		c = parse(text);
		e.msg[0] = 0;
		EXPECT_TRUE(sz_idp_check(c, &e) < 0);
		EXPECT_CONTAINS(e.msg, cases[i].says);
		EXPECT_TRUE(sz_idp_configure(idp, c, &e) < 0);
		sz_conf_free(c);
	}
	EXPECT_EQ(once("abc").o, SZ_IDP_ANSWER); /* and the old configuration goes on */
	end();
}

/* ---- what is asked, and kept ---------------------------------------------------------------- */

TEST(equal_tokens_share_a_question_and_others_do_not)
{
	static struct asked x[10];
	int i;

	begin(SECRET);
	left = 10;
	for (i = 0; i < 10; i++)
		EXPECT_EQ(ask(&x[i], i < 8 ? "same" : i == 8 ? "other" : "third"), SZ_IDP_WAITING);
	EXPECT_EQ(stats().in_flight, 3);
	EXPECT_EQ(sz_net_run(loop), 0);
	EXPECT_EQ(server.requests, 3);
	for (i = 0; i < 10; i++)
		EXPECT_TRUE(x[i].told == 1 && x[i].o == SZ_IDP_ANSWER);
	EXPECT_EQ(stats().in_flight, 0);
	end();
}

TEST(an_answer_is_kept_until_its_end_and_no_longer)
{
	char text[128];
	struct asked x;

	begin(SECRET);
	snprintf(text, sizeof(text), "{\"active\":true,\"exp\":%lld}", (long long)now_s() + 1000);
	reply = text;
	x = once("long");
	EXPECT_TRUE(x.until_s >= now_s() + 59 && x.until_s <= now_s() + 60);
	once("long");
	EXPECT_TRUE(recent);
	EXPECT_EQ(was.until_s, x.until_s);
	EXPECT_EQ(server.requests, 1);
	snprintf(text, sizeof(text), "{\"active\":true,\"exp\":%lld}", (long long)now_s() + 2);
	x = once("brief");
	EXPECT_TRUE(x.until_s <= now_s() + 2);
	/* One that is over already is told, and asked about again. */
	snprintf(text, sizeof(text), "{\"active\":true,\"exp\":1}");
	once("past");
	once("past");
	EXPECT_TRUE(!recent);
	EXPECT_EQ(server.requests, 4);
	reply = "{\"active\":false}";
	x = once("inactive");
	EXPECT_EQ(x.o, SZ_IDP_ANSWER);
	EXPECT_TRUE(x.until_s <= now_s() + 5);
	EXPECT_EQ(stats().inactive, 1);
	end();
}

TEST(how_long_an_answer_is_good)
{
	struct sz_conf_introspection in = {.max_ttl_s = 60, .min_ttl_s = 10, .inactive_ttl_s = 5};
	struct sz_idp_use none = {0};

	EXPECT_EQ(sz_idp_answer_ttl(&in, &none, true, 0, 1000), 60);
	EXPECT_EQ(sz_idp_answer_ttl(&in, &none, true, 1030, 1000), 30);
	EXPECT_EQ(sz_idp_answer_ttl(&in, &none, true, 5000, 1000), 60);
	EXPECT_EQ(sz_idp_answer_ttl(&in, &none, true, 900, 1000), 0);
	EXPECT_EQ(sz_idp_answer_ttl(&in, &none, false, 1002, 1000), 5);
	EXPECT_TRUE(!sz_idp_renews(&in, &none));
}

TEST(the_more_a_token_is_used_the_shorter_an_answer_is_good)
{
	static const struct {
		u64 uses, over_ms;
		s64 ttl;
	} cases[] = {
		{0, 60000, 60},    {1, 60000, 60},   {16, 60000, 60}, {17, 60000, 57},
		{32, 60000, 30},   {64, 60000, 15},  {96, 60000, 10}, {97, 60000, 10},
		{1000000, 60000, 10}, {2, 1000, 10}, {UINT64_MAX, 1, 10},
		{1, UINT64_MAX, 60},  {UINT64_MAX, UINT64_MAX, 10}, {5, 0, 60},
	};
	struct sz_conf_introspection in = {.max_ttl_s = 60, .min_ttl_s = 10, .inactive_ttl_s = 5};
	struct sz_conf_introspection one = {.max_ttl_s = 60, .min_ttl_s = 60};
	s64 last = 60;

	for (size_t i = 0; i < SZ_ARRAY_LEN(cases); i++) {
		struct sz_idp_use u = {.uses = cases[i].uses, .over_ms = cases[i].over_ms};

		EXPECT_EQ(sz_idp_answer_ttl(&in, &u, true, 0, 1000), cases[i].ttl);
		EXPECT_EQ(sz_idp_renews(&in, &u), cases[i].ttl < 60);
		/* Never beyond the token's own end, and what is not active knows no use. */
		EXPECT_EQ(sz_idp_answer_ttl(&in, &u, true, 1003, 1000), 3);
		EXPECT_EQ(sz_idp_answer_ttl(&in, &u, false, 0, 1000), 5);
		EXPECT_EQ(sz_idp_answer_ttl(&one, &u, true, 0, 1000), 60);
		EXPECT_TRUE(!sz_idp_renews(&one, &u));
	}
	for (u64 n = 1; n < 5000; n++) {
		struct sz_idp_use u = {.uses = n, .over_ms = 30000};
		s64 ttl = sz_idp_answer_ttl(&in, &u, true, 0, 1000);

		ASSERT_TRUE(ttl <= last && ttl >= 10);
		last = ttl;
	}
}

TEST(an_answer_holds_while_the_next_one_is_asked_for)
{
	struct asked first, second;

	begin(SECRET);
	reply = "{\"active\":true,\"sub\":\"one\"}";
	once("hot");
	EXPECT_EQ(stats().renewals, 0);
	use = (struct sz_idp_use){.renewal = true, .uses = 1000, .over_ms = 1000};
	left = 1;
	EXPECT_EQ(ask(&first, "hot"), SZ_IDP_WAITING);
	EXPECT_TRUE(!recent);
	EXPECT_EQ(stats().in_flight, 1);
	use = (struct sz_idp_use){0};
	EXPECT_EQ(ask(&second, "hot"), SZ_IDP_WAITING);
	EXPECT_TRUE(recent); /* the old one, at once */
	reply = "{\"active\":true,\"sub\":\"two\"}";
	EXPECT_EQ(sz_net_run(loop), 0);
	EXPECT_EQ(server.requests, 2);
	EXPECT_EQ(stats().renewals, 1);
	EXPECT_CONTAINS(first.text, "two");
	EXPECT_TRUE(first.until_s <= now_s() + 10); /* by its use: the shortest */
	EXPECT_EQ(ask(&second, "hot"), SZ_IDP_WAITING);
	EXPECT_TRUE(recent && strstr(was.text, "two"));
	end();
}

TEST(a_renewal_that_fails_leaves_the_answer_as_it_is)
{
	struct asked x;

	begin(SECRET);
	once("hot");
	reply = "{}";
	use = (struct sz_idp_use){.renewal = true, .uses = 1000, .over_ms = 1000};
	left = 1;
	EXPECT_EQ(ask(&x, "hot"), SZ_IDP_WAITING);
	EXPECT_EQ(sz_net_run(loop), 0);
	EXPECT_EQ(x.o, SZ_IDP_FAILED);
	use = (struct sz_idp_use){0};
	EXPECT_EQ(ask(&x, "hot"), SZ_IDP_WAITING);
	EXPECT_TRUE(recent);
	/* An answer that made no sense, while the next one is asked for: that goes on. */
	use = (struct sz_idp_use){.renewal = true};
	left = 1;
	reply = "{\"active\":true}";
	EXPECT_EQ(ask(&x, "hot"), SZ_IDP_WAITING);
	sz_idp_bad_answer(idp, 0, &(struct sz_digest){.w = {3, 'h' | 'o' << 8 | 't' << 16}});
	EXPECT_EQ(sz_net_run(loop), 0);
	EXPECT_EQ(x.o, SZ_IDP_ANSWER);
	use = (struct sz_idp_use){0};
	end();
}

/* ---- a provider that fails ------------------------------------------------------------------ */

static void wait_ns(u64 ns)
{
	struct timespec t = {.tv_nsec = (long)ns};

	nanosleep(&t, NULL);
}

TEST(what_is_no_answer_is_a_failure_of_the_provider)
{
	static const struct {
		int status;
		const char *reply, *says;
	} cases[] = {
		{401, "{}", "does not know this client"},
		{500, "{\"active\":true}", "status 500"},
		{302, "", "status 302"},
		{200, "", "RFC 7662 does not know"},
		{200, "{}", "no \"active\""},
		{200, "{\"active\":\"yes\"}", "no \"active\""},
		{200, "[]", "RFC 7662 does not know"},
	};
	struct asked x;
	size_t i;

	for (i = 0; i < SZ_ARRAY_LEN(cases); i++) {
		begin(SECRET);
		status = cases[i].status;
		reply = cases[i].reply;
		x = once("abc");
		EXPECT_EQ(x.o, SZ_IDP_FAILED);
		EXPECT_CONTAINS(x.why, cases[i].says);
		EXPECT_TRUE(!strstr(x.why, "s3cret"));
		EXPECT_EQ(stats().question_failures, 1);
		end();
	}
}

TEST(failures_open_the_breaker_and_one_success_closes_it)
{
	struct asked x;
	u64 began;

	begin(SECRET);
	status = 503;
	EXPECT_EQ(once("a").o, SZ_IDP_FAILED);
	EXPECT_EQ(stats().breaker, SZ_BREAKER_CLOSED);
	EXPECT_EQ(once("b").o, SZ_IDP_FAILED);
	began = sz_boot_ns();
	EXPECT_EQ(stats().breaker, SZ_BREAKER_OPEN);
	EXPECT_EQ(notes, 1);
	EXPECT_EQ(ask(&x, "c"), SZ_IDP_DOWN);
	EXPECT_EQ(server.requests, 2);
	while (stats().breaker == SZ_BREAKER_OPEN)
		wait_ns(5000000);
	EXPECT_TRUE(sz_boot_ns() - began >= 95000000);
	EXPECT_EQ(once("d").o, SZ_IDP_FAILED); /* the one question */
	EXPECT_EQ(stats().breaker, SZ_BREAKER_OPEN);
	status = 200;
	while (stats().breaker == SZ_BREAKER_OPEN)
		wait_ns(5000000);
	EXPECT_EQ(once("e").o, SZ_IDP_ANSWER);
	EXPECT_EQ(stats().breaker, SZ_BREAKER_CLOSED);
	EXPECT_STREQ(stats().question_error, "");
	end();
}

TEST(half_open_a_crowd_makes_one_question)
{
	static struct asked same[2], other[50];
	unsigned before, i;
	char token[16];

	begin(SECRET);
	status = 503;
	EXPECT_EQ(once("a").o, SZ_IDP_FAILED);
	EXPECT_EQ(once("b").o, SZ_IDP_FAILED);
	while (stats().breaker == SZ_BREAKER_OPEN)
		wait_ns(5000000);
	EXPECT_EQ(stats().breaker, SZ_BREAKER_HALF_OPEN);
	status = 200;
	before = (unsigned)server.requests;
	EXPECT_EQ(ask(&same[0], "c"), SZ_IDP_WAITING);
	for (i = 0; i < SZ_ARRAY_LEN(other); i++) {
		snprintf(token, sizeof(token), "c%u", i);
		EXPECT_EQ(ask(&other[i], token), SZ_IDP_DOWN);
	}
	EXPECT_EQ(ask(&same[1], "c"), SZ_IDP_WAITING); /* shares it */
	left = 2;
	EXPECT_EQ(sz_net_run(loop), 0);
	EXPECT_TRUE(same[0].o == SZ_IDP_ANSWER && same[1].o == SZ_IDP_ANSWER);
	EXPECT_EQ((unsigned)server.requests - before, 1);
	EXPECT_EQ(stats().refused, SZ_ARRAY_LEN(other));
	EXPECT_EQ(stats().breaker, SZ_BREAKER_CLOSED);
	end();
}

TEST(an_answer_that_makes_no_sense_later_counts_against_the_provider)
{
	struct sz_digest d = {.w = {3, 0}};

	begin(SECRET);
	memcpy(&d.w[1], "abc", 3);
	once("abc");
	sz_idp_bad_answer(idp, 0, &d);
	EXPECT_EQ(stats().question_failures, 1);
	once("abc");
	EXPECT_TRUE(!recent);
	sz_idp_bad_answer(idp, 0, &d);
	sz_idp_bad_answer(idp, 0, &d); /* it is forgotten already */
	EXPECT_EQ(stats().question_failures, 2);
	end();
}

TEST(a_provider_that_is_silent_costs_the_time_that_was_given)
{
	struct asked x;
	u64 began;

	begin(SECRET);
	server.deaf = true;
	began = sz_boot_ns();
	x = once("abc");
	EXPECT_EQ(x.o, SZ_IDP_FAILED);
	EXPECT_TRUE(sz_boot_ns() - began >= 900000000ull);
	server.deaf = false;
	end();
}

TEST(more_than_may_wait_are_turned_away_and_the_others_are_told_at_the_end)
{
	static struct asked x[4];
	int i;

	begin("max_waiting: 3, " SECRET);
	server.deaf = true;
	left = 100;
	for (i = 0; i < 3; i++)
		EXPECT_EQ(ask(&x[i], i ? "same" : "other"), SZ_IDP_WAITING);
	EXPECT_EQ(ask(&x[3], "same"), SZ_IDP_DOWN);
	EXPECT_EQ(stats().refused, 1);
	server.deaf = false;
	end();
	for (i = 0; i < 3; i++)
		EXPECT_TRUE(x[i].told == 1 && x[i].o == SZ_IDP_ENDED);
}

TEST(a_reload_ends_questions_that_were_asked_in_another_s_name)
{
	struct sz_conf *old;
	char text[256];
	struct asked x;

	begin(SECRET);
	server.deaf = true;
	left = 100;
	EXPECT_EQ(ask(&x, "abc"), SZ_IDP_WAITING);
	snprintf(text, sizeof(text), POST, dir);
	old = conf;
	conf = parse(text);
	EXPECT_EQ(sz_idp_configure(idp, conf, &e), 0);
	sz_conf_free(old);
	EXPECT_EQ(x.o, SZ_IDP_FAILED);
	server.deaf = false;
	EXPECT_EQ(once("abc").o, SZ_IDP_ANSWER);
	EXPECT_TRUE(strstr(seen.body, "client_secret="));
	end();
}
