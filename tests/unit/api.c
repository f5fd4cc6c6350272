/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The local API: paths, fields, tokens, scopes; over HTTP and from the control socket. */
#include "harness.h"

#include <pthread.h>
#include <sodium.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "api/api_priv.h"

static struct sz_loop_ring *loop;
static struct sz_net_wake *client_done;
static char dir[32], tokens[64], path[64], secret[64];
static char got[8192];
static const char *script;
static int calls;

/* ---- handlers ------------------------------------------------------------------------------- */

static void on_echo(struct sz_api_request *q, void *arg)
{
	EXPECT_TRUE(arg == &calls);
	calls++;
	sz_api_answer(q, 200, json_pack("{s:s, s:s?, s:s?}", "client", q->client, "first",
					q->param[0], "second", q->param[1]));
}

static void on_form(struct sz_api_request *q, void *arg)
{
	const char *token = NULL;
	int err = sz_api_form(q, "token", &token);

	(void)arg;
	sz_api_answer(q, 200, json_pack("{s:i, s:s?}", "error", err, "token", token));
}

static void on_json(struct sz_api_request *q, void *arg)
{
	struct sz_error e;
	json_t *v = sz_api_json(q, &e);

	(void)arg;
	if (v)
		sz_api_answer(q, 201, v);
	else
		sz_api_fail(q, 400, "validation_error", "%s", e.msg);
}

static char acted[512];

static void on_act(const char *words, void *arg)
{
	EXPECT_TRUE(arg == &calls);
	snprintf(acted, sizeof(acted), "%s", words);
}

static struct sz_api *make_api(void)
{
	struct sz_api *api = sz_api_new();

	acted[0] = 0;
	sz_api_on_act(api, on_act, &calls);
	sz_api_register(api, "GET", "/open", NULL, on_echo, &calls);
	sz_api_register(api, "GET", "/things/{id}", "things:read", on_echo, &calls);
	sz_api_register(api, "POST", "/things/{id}/parts/{part}", "things:write", on_echo, &calls);
	sz_api_register(api, "POST", "/form", NULL, on_form, NULL);
	sz_api_register(api, "POST", "/json", NULL, on_json, NULL);
	return api;
}

/* ---- over HTTP ------------------------------------------------------------------------------ */

static void stop(void *arg)
{
	(void)arg;
	sz_net_stop(loop);
}

static void *client(void *arg)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	size_t n = 0;
	ssize_t r;

	(void)arg;
	strcpy(sa.sun_path, path);
	if (!connect(fd, (struct sockaddr *)&sa, sizeof(sa))) {
		send(fd, script, strlen(script), MSG_NOSIGNAL);
		while (n < sizeof(got) - 1 && (r = recv(fd, got + n, sizeof(got) - 1 - n, 0)) > 0)
			n += (size_t)r;
	}
	got[n] = 0;
	close(fd);
	sz_net_wake(client_done);
	return NULL;
}

static void serve(const char *s)
{
	struct sz_conf conf = {.api = {.on = true, .path = path, .tokens = tokens}};
	struct sz_error e = {""};
	struct sz_api *api = make_api();
	pthread_t t;

	alarm(60);
	calls = 0;
	script = s;
	ASSERT_EQ(sz_net_new(32, &loop, &e), 0);
	client_done = sz_net_wake_new(loop, stop, NULL);
	if (!EXPECT_EQ(sz_api_listen(api, loop, &conf, &e), 0))
		printf("# %s\n", e.msg);
	pthread_create(&t, NULL, client, NULL);
	EXPECT_EQ(sz_net_run(loop), 0);
	pthread_join(t, NULL);
	sz_net_free(loop);
	sz_api_free(api);
}

static void ask(const char *line, const char *fields, const char *body)
{
	static char text[8192];

	snprintf(text, sizeof(text), "%s HTTP/1.1\r\nHost: a\r\n%sConnection: close\r\n"
		 "Content-Length: %zu\r\n\r\n%s", line, fields, strlen(body), body);
	serve(text);
}

static void ask_as(const char *line, const char *who)
{
	char fields[256];

	snprintf(fields, sizeof(fields), "Authorization: %s\r\n", who);
	ask(line, fields, "");
}

static void write_tokens(s64 expires_s)
{
	struct sz_api_token t = {.name = "ci", .n_scopes = 1, .expires_s = expires_s};
	struct sz_api_tokens all = {.token = &t, .n = 1};
	struct sz_error e;

	if (!dir[0]) {
		strcpy(dir, "/tmp/sz-api-XXXXXX");
		ASSERT_TRUE(mkdtemp(dir) != NULL);
		snprintf(tokens, sizeof(tokens), "%s/tokens", dir);
		snprintf(path, sizeof(path), "%s/sock", dir);
		sz_api_secret_make(secret, t.digest);
	}
	crypto_generichash(t.digest, sizeof(t.digest), (const u8 *)secret, strlen(secret), NULL, 0);
	strcpy(t.scopes[0], "things:read");
	ASSERT_EQ(sz_api_tokens_write(tokens, &all, &e), 0);
}

static const char *bearer(void)
{
	static char text[128];

	snprintf(text, sizeof(text), "Bearer %s", secret);
	return text;
}

static const char *basic(const char *before)
{
	static char text[256];
	char plain[128];

	snprintf(plain, sizeof(plain), "%s%s", before, secret);
	strcpy(text, "Basic ");
	sodium_bin2base64(text + 6, sizeof(text) - 6, (const u8 *)plain, strlen(plain),
			  sodium_base64_VARIANT_ORIGINAL);
	return text;
}

TEST(without_a_token_only_what_is_open_is_answered)
{
	write_tokens(0);
	ask("GET /open", "", "");
	EXPECT_CONTAINS(got, "HTTP/1.1 200 OK");
	EXPECT_CONTAINS(got, "\"client\":\"\"");
	ask("GET /healthz", "", "");
	EXPECT_CONTAINS(got, "SERVING");
	ask("GET /things/1", "", "");
	EXPECT_CONTAINS(got, "HTTP/1.1 401 ");
	EXPECT_CONTAINS(got, "WWW-Authenticate: Bearer");
	EXPECT_EQ(calls, 0);
	ask("GET /nothing", "", ""); /* what there is is not told */
	EXPECT_CONTAINS(got, "HTTP/1.1 401 ");
}

TEST(a_token_opens_what_it_has_the_scope_for)
{
	write_tokens(0);
	ask_as("GET /things/a%20b", bearer());
	EXPECT_CONTAINS(got, "HTTP/1.1 200 ");
	EXPECT_CONTAINS(got, "\"client\":\"ci\"");
	EXPECT_CONTAINS(got, "\"first\":\"a b\"");
	ask_as("GET /things/1", basic("anybody:"));
	EXPECT_CONTAINS(got, "HTTP/1.1 200 ");
	EXPECT_STREQ(acted, ""); /* what may be asked is no act */
	ask_as("POST /things/1/parts/2", bearer());
	EXPECT_CONTAINS(got, "HTTP/1.1 403 ");
	EXPECT_CONTAINS(got, "things:write");
	EXPECT_STREQ(acted, "API token ci: POST /things/1/parts/2 was refused: it needs the scope "
			    "things:write");
	EXPECT_EQ(calls, 0);
	ask_as("POST /things/1", bearer());
	EXPECT_CONTAINS(got, "HTTP/1.1 405 ");
	ask_as("GET /things/1/2", bearer());
	EXPECT_CONTAINS(got, "HTTP/1.1 404 ");
	ask_as("GET /things/", bearer());
	EXPECT_CONTAINS(got, "HTTP/1.1 404 ");
}

TEST(what_is_not_quite_the_secret_is_no_token)
{
	char text[256];

	write_tokens(0);
	snprintf(text, sizeof(text), "Bearer %.*s", (int)strlen(secret) - 1, secret);
	ask_as("GET /things/1", text);
	EXPECT_CONTAINS(got, "HTTP/1.1 401 ");
	snprintf(text, sizeof(text), "Bearer %sx", secret);
	ask_as("GET /things/1", text);
	EXPECT_CONTAINS(got, "HTTP/1.1 401 ");
	snprintf(text, sizeof(text), "Token %s", secret);
	ask_as("GET /things/1", text);
	EXPECT_CONTAINS(got, "HTTP/1.1 401 ");
	ask_as("GET /things/1", basic(""));
	EXPECT_CONTAINS(got, "HTTP/1.1 401 ");
	ask_as("GET /things/1", "Basic !!!");
	EXPECT_CONTAINS(got, "HTTP/1.1 401 ");
	ask_as("GET /things/1", "Bearer");
	EXPECT_CONTAINS(got, "HTTP/1.1 401 ");
}

TEST(an_expired_token_counts_no_more)
{
	write_tokens(1000);
	ask_as("GET /things/1", bearer());
	EXPECT_CONTAINS(got, "HTTP/1.1 401 ");
	write_tokens(INT64_MAX);
	ask_as("GET /things/1", bearer());
	EXPECT_CONTAINS(got, "HTTP/1.1 200 ");
}

TEST(a_file_that_others_may_read_or_that_is_wrong_or_gone_opens_nothing)
{
	FILE *f;

	write_tokens(0);
	chmod(tokens, 0644);
	ask_as("GET /things/1", bearer());
	EXPECT_CONTAINS(got, "HTTP/1.1 401 ");
	f = fopen(tokens, "w");
	fputs("{\"tokens\": [{\"name\": \"ci\"}]}", f);
	fclose(f);
	chmod(tokens, 0600);
	ask_as("GET /things/1", bearer());
	EXPECT_CONTAINS(got, "HTTP/1.1 401 ");
	unlink(tokens);
	ask_as("GET /things/1", bearer());
	EXPECT_CONTAINS(got, "HTTP/1.1 401 ");
}

TEST(who_is_not_known_is_not_read_much_of)
{
	static char text[20000];

	write_tokens(0);
	snprintf(text, sizeof(text),
		 "POST /json HTTP/1.1\r\nHost: a\r\nContent-Length: 16385\r\n\r\n");
	serve(text);
	EXPECT_CONTAINS(got, "HTTP/1.1 413 ");
	EXPECT_CONTAINS(got, "exceeded_limit");
}

#define FORM "Content-Type: application/x-www-form-urlencoded; charset=utf-8\r\n"

TEST(form_fields_are_decoded_and_there_once)
{
	write_tokens(0);
	ask("POST /form", FORM, "a=b&token=x%3Dy+z&c");
	EXPECT_CONTAINS(got, "\"token\":\"x=y z\"");
	ask("POST /form", FORM, "to%6ben=1");
	EXPECT_CONTAINS(got, "\"token\":\"1\"");
	ask("POST /form", FORM, "token");
	EXPECT_CONTAINS(got, "\"token\":\"\"");
	ask("POST /form", FORM, "x=1");
	EXPECT_CONTAINS(got, "\"error\":-2");
	ask("POST /form", FORM, "token=1&token=2");
	EXPECT_CONTAINS(got, "\"error\":-22");
	ask("POST /form", FORM, "token=%0");
	EXPECT_CONTAINS(got, "\"error\":-22");
	ask("POST /form", FORM, "token=%00");
	EXPECT_CONTAINS(got, "\"error\":-22");
	ask("POST /form", "Content-Type: application/x-www-form-urlencodedx\r\n", "token=1");
	EXPECT_CONTAINS(got, "\"error\":-22");
}

TEST(json_is_an_object_without_doubles)
{
	write_tokens(0);
	ask("POST /json", "", "{\"a\": [1]}");
	EXPECT_CONTAINS(got, "HTTP/1.1 201 ");
	EXPECT_CONTAINS(got, "{\"a\":[1]}");
	ask("POST /json", "", "");
	EXPECT_CONTAINS(got, "HTTP/1.1 201 ");
	ask("POST /json", "", "[1]");
	EXPECT_CONTAINS(got, "HTTP/1.1 400 ");
	ask("POST /json", "", "{\"a\":1,\"a\":2}");
	EXPECT_CONTAINS(got, "HTTP/1.1 400 ");
	ask("POST /json", "", "{\"a\":");
	EXPECT_CONTAINS(got, "validation_error");
}

/* ---- from the control socket ---------------------------------------------------------------- */

static int replied;

static void reply(int status, const char *body, size_t n, void *arg)
{
	EXPECT_TRUE(arg == &replied);
	EXPECT_EQ(strlen(body), n);
	snprintf(got, sizeof(got), "%s", body);
	replied = status;
}

TEST(the_control_socket_may_all_and_gets_the_same_answers)
{
	struct sz_api *api = make_api();

	sz_api_call(api, "POST", "/things/1/parts/2", "", "", 0, reply, &replied);
	EXPECT_EQ(replied, 200);
	EXPECT_CONTAINS(got, "\"client\":\"root\"");
	EXPECT_CONTAINS(got, "\"second\":\"2\"");
	sz_api_call(api, "POST", "/nothing", "", "", 0, reply, &replied);
	EXPECT_EQ(replied, 404);
	sz_api_call(api, "POST", "/form", "", "token=1", 7, reply, &replied);
	EXPECT_CONTAINS(got, "-22"); /* no header says that it is a form */
	sz_api_call(api, "GET", "/nothing/\xff\xfe", "", "", 0, reply, &replied);
	EXPECT_EQ(replied, 404);
	EXPECT_CONTAINS(got, "/nothing/??");
	sz_api_free(api);
	unlink(tokens);
	rmdir(dir);
}
