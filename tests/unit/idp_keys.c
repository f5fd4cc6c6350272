/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * An issuer's keys over the network, against a provider in this process: discovery, refresh,
 * rotation, keys that are not there, a provider that is down, what is kept on disk.
 */
#include "harness.h"

#include <dirent.h>

#include "idp_ground.h"

#define PROVIDER                                                                                   \
	"  provider: {ca_file: %2$s, timeout: 2s, refresh_min: 1s, refresh_max: 1h, "              \
	"refetch: 200ms, max_waiting: 2000, max_stale: 1d}\n"
#define OIDC  "  discovery: true\n" PROVIDER
#define OAUTH "  discovery: oauth\n" PROVIDER
#define URI   "  jwks_uri: %1$s/keys\n" PROVIDER
#define MOVED "  jwks_uri: %1$s/moved\n" PROVIDER

static bool fetched(void)
{
	return ground.key_calls > 0;
}

static bool failed(void)
{
	return ground_stats().fetch_failures > 0;
}

TEST(keys_are_found_by_openid_connect_discovery)
{
	struct sz_idp_stats s;

	ground_begin(OIDC);
	ground_publish(3);
	ground_until(fetched);
	EXPECT_EQ(ground.n_keys, 2);
	EXPECT_EQ(ground.asked_metadata, 1);
	EXPECT_STREQ(ground.path, "/keys");
	s = ground_stats();
	EXPECT_TRUE(s.usable && s.age_s <= 1 && !s.error[0]);
	EXPECT_STREQ(s.source, "oidc");
	ground_end();
}

static bool asked_metadata(void)
{
	return ground.asked_metadata > 0;
}

TEST(the_two_kinds_of_discovery_ask_at_their_own_places)
{
	ground_begin(OIDC);
	ground.metadata_status = 404;
	ground_until(asked_metadata);
	EXPECT_STREQ(ground.path, "/t/.well-known/openid-configuration");
	ground_end();
	ground_begin(OAUTH);
	ground.metadata_status = 404;
	ground_until(asked_metadata);
	EXPECT_STREQ(ground.path, "/.well-known/oauth-authorization-server/t");
	ground_end();
}

TEST(metadata_of_another_issuer_is_not_used)
{
	struct sz_idp_stats s;

	ground_begin(OIDC);
	snprintf(ground.metadata, sizeof(ground.metadata),
		 "{\"issuer\":\"https://localhost:%d/t/\","
		 "\"jwks_uri\":\"https://localhost:%d/keys\"}",
		 ground.server.port, ground.server.port);
	ground_until(failed);
	s = ground_stats();
	EXPECT_CONTAINS(s.error, "the same to the letter");
	EXPECT_TRUE(!s.usable);
	EXPECT_EQ(ground.asked_keys, 0);
	EXPECT_EQ(ground.notes, 1);
	ground_end();
}

/* ---- tokens that ask for keys --------------------------------------------------------------- */

struct waiter {
	struct sz_idp_wait w;
	enum sz_idp_outcome o;
	bool told;
};

static unsigned told, again, failures;

static void on_told(struct sz_idp_wait *w, enum sz_idp_outcome o, const struct sz_idp_answer *a,
		    const struct sz_error *e)
{
	struct waiter *x = (struct waiter *)w;

	(void)a;
	(void)e;
	EXPECT_TRUE(!x->told);
	x->told = true;
	x->o = o;
	told++;
	again += o == SZ_IDP_AGAIN;
	failures += o == SZ_IDP_FAILED;
}

static enum sz_idp_ask want(struct waiter *x, u64 kid)
{
	*x = (struct waiter){.w = {.fn = on_told}};
	return sz_idp_want_keys(ground.idp, 0, kid, &x->w);
}

static unsigned goal;
static bool told_enough(void)
{
	return told >= goal;
}

TEST(five_thousand_made_up_key_names_make_few_fetches)
{
	static struct waiter x[5000];
	unsigned i, waiting = 0, down = 0, fetches;
	u64 began, took;

	ground_begin(URI);
	ground_until(fetched);
	told = again = failures = 0;
	began = sz_boot_ns();
	fetches = (unsigned)ground.asked_keys;
	for (i = 0; i < 5000; i++) {
		switch (want(&x[i], 1000 + i)) {
		case SZ_IDP_WAITING:
			waiting++;
			break;
		case SZ_IDP_DOWN:
			down++;
			break;
		default:
			EXPECT_TRUE(false);
		}
		if (i % 500 == 499) {
			/* They come over some time. */
			goal = told + 1;
			ground_until(told_enough);
		}
	}
	goal = waiting;
	ground_until(told_enough);
	took = sz_boot_ns() - began;
	fetches = (unsigned)ground.asked_keys - fetches;
	printf("# %u names, %u waited, %u were too many: %u fetches in %llu ms\n", i, waiting, down,
	       fetches, (unsigned long long)(took / 1000000));
	EXPECT_EQ(again, waiting);
	EXPECT_EQ(waiting + down, 5000);
	/* At most one in 200 ms, and one that was about to begin. */
	EXPECT_TRUE(fetches >= 1 && fetches <= took / 200000000ull + 2);
	ground_end();
}

TEST(a_new_key_is_found_by_one_fetch_for_all_who_wait)
{
	static struct waiter x[50];
	struct sz_idp_keys keys;
	unsigned i, fetches;

	ground_begin(URI);
	ground_until(fetched);
	fetches = (unsigned)ground.asked_keys;
	ground_publish(3);
	told = again = 0;
	for (i = 0; i < 50; i++)
		EXPECT_EQ(want(&x[i], 7), SZ_IDP_WAITING);
	goal = 50;
	ground_until(told_enough);
	EXPECT_EQ(again, 50);
	EXPECT_EQ((unsigned)ground.asked_keys - fetches, 1);
	sz_idp_keys(ground.idp, 0, &keys);
	EXPECT_EQ(sz_jwks_count(keys.set), 2);
	EXPECT_EQ(ground.withdrawn, 0);
	ground_end();
}

TEST(a_name_that_was_looked_for_in_vain_is_not_looked_for_again_soon)
{
	struct waiter x;

	ground_begin(URI);
	ground_until(fetched);
	sz_idp_no_such_key(ground.idp, 0, 9);
	EXPECT_EQ(want(&x, 9), SZ_IDP_UNKNOWN);
	EXPECT_EQ(want(&x, 10), SZ_IDP_WAITING);
	told = 0;
	goal = 1;
	ground_until(told_enough);
	ground_end();
}

TEST(more_than_may_wait_are_turned_away)
{
	static struct waiter x[2001];
	unsigned i;

	ground_begin(URI);
	ground_until(fetched);
	ground.server.deaf = true;
	for (i = 0; i < 2000; i++)
		want(&x[i], 5);
	EXPECT_EQ(ground_stats().waiting, 2000);
	EXPECT_EQ(want(&x[2000], 5), SZ_IDP_DOWN);
	EXPECT_EQ(ground_stats().overflows, 1);
	ground.server.deaf = false;
	ground_end();
	EXPECT_EQ(x[0].o, SZ_IDP_ENDED);
}

TEST(a_provider_that_is_down_is_a_failure_and_never_an_answer)
{
	struct waiter x;

	ground_begin(URI);
	https_down(&ground.server);
	told = failures = 0;
	EXPECT_EQ(want(&x, 1), SZ_IDP_WAITING);
	goal = 1;
	ground_until(told_enough);
	EXPECT_EQ(failures, 1);
	/* And while it is known to be down, nobody waits for it. */
	EXPECT_EQ(want(&x, 2), SZ_IDP_DOWN);
	EXPECT_TRUE(!ground_stats().usable);
	https_listen(&ground.server, ground.server.port);
	ground_until(fetched); /* it is tried again by itself */
	EXPECT_TRUE(ground_stats().usable);
	EXPECT_STREQ(ground_stats().error, "");
	ground_end();
}

TEST(a_server_that_hangs_costs_a_token_a_bounded_time)
{
	struct waiter x;
	u64 began;

	ground_begin(URI);
	ground_until(fetched);
	ground.server.deaf = true;
	told = failures = 0;
	began = sz_boot_ns();
	EXPECT_EQ(want(&x, 1), SZ_IDP_WAITING);
	goal = 1;
	ground_until(told_enough);
	EXPECT_EQ(failures, 1);
	EXPECT_TRUE(sz_boot_ns() - began < 10000000000ull);
	ground.server.deaf = false;
	ground_end();
}

/* ---- rotation, files ------------------------------------------------------------------------ */

static unsigned calls;
static bool called_again(void)
{
	return ground.key_calls > calls;
}

static int refresh_err;
static char refresh_words[256];
static bool refreshed;
static void on_refreshed(int err, const char *words, void *arg)
{
	(void)arg;
	refresh_err = err;
	snprintf(refresh_words, sizeof(refresh_words), "%s", words);
	refreshed = true;
}
static bool is_refreshed(void)
{
	return refreshed;
}

static void refresh(void)
{
	refreshed = false;
	EXPECT_EQ(sz_idp_refresh(ground.idp, NULL, on_refreshed, NULL), 0);
	ground_until(is_refreshed);
}

TEST(withdrawn_keys_are_told_and_others_are_not)
{
	ground_begin(URI);
	ground_publish(7);
	ground_until(fetched);
	ground_publish(5 | 8);
	refresh();
	EXPECT_EQ(refresh_err, 0);
	EXPECT_EQ(ground.withdrawn, 1);
	EXPECT_EQ(ground.n_keys, 3);
	/* An empty set withdraws all: that is what it says. */
	ground_publish(0);
	refresh();
	EXPECT_EQ(ground.withdrawn, 4);
	EXPECT_CONTAINS(ground_stats().error, "no key for the configured algorithms");
	ground_end();
}

TEST(a_broken_set_changes_nothing)
{
	struct sz_idp_stats s;

	ground_begin(URI);
	ground_until(fetched);
	pthread_mutex_lock(&ground.lock);
	ground.status = 500;
	pthread_mutex_unlock(&ground.lock);
	refresh();
	EXPECT_EQ(refresh_err, -EREMOTEIO);
	EXPECT_CONTAINS(refresh_words, "status 500");
	s = ground_stats();
	EXPECT_TRUE(s.usable && s.keys == 1);
	EXPECT_EQ(ground.withdrawn, 0);
	EXPECT_EQ(sz_idp_refresh(ground.idp, "https://other/", on_refreshed, NULL), -ENOENT);
	ground_end();
}

TEST(a_set_that_has_not_changed_need_not_be_sent)
{
	s64 changed;

	ground_begin(URI);
	ground.fields = "ETag: \"e1\"\r\nCache-Control: max-age=1\r\n";
	ground_until(fetched);
	changed = ground_stats().changed_s;
	pthread_mutex_lock(&ground.lock);
	ground.status = 304;
	pthread_mutex_unlock(&ground.lock);
	calls = ground.key_calls;
	ground_until(called_again); /* by itself: it may be kept for a second */
	EXPECT_EQ(ground.status, 304);
	EXPECT_EQ(ground_stats().keys, 1);
	EXPECT_EQ(ground_stats().changed_s, changed);
	EXPECT_EQ(ground.withdrawn, 0);
	ground_end();
}

static void rewrite(const char *what, const char *with)
{
	char path[512], text[8192], *at;
	struct dirent *d;
	DIR *dir;
	FILE *f;
	size_t n;

	snprintf(path, sizeof(path), "%s/keys", ground.dir);
	dir = opendir(path);
	while ((d = readdir(dir)) && d->d_name[0] == '.')
		;
	ASSERT_TRUE(d);
	snprintf(path, sizeof(path), "%s/keys/%s", ground.dir, d->d_name);
	closedir(dir);
	f = fopen(path, "r+");
	n = fread(text, 1, sizeof(text) - 1, f);
	text[n] = 0;
	at = strstr(text, what);
	if (EXPECT_TRUE(at)) {
		fseek(f, at - text, SEEK_SET);
		fputs(with, f);
	}
	fclose(f);
}

TEST(the_last_good_set_outlives_a_restart_while_the_provider_is_down)
{
	struct sz_idp_keys keys;
	struct sz_error e = {""};

	ground_begin(URI);
	ground_publish(3);
	ground_until(fetched);
	ground_close();
	https_down(&ground.server);
	ground_open(URI);
	sz_idp_keys(ground.idp, 0, &keys);
	EXPECT_TRUE(keys.set && sz_jwks_count(keys.set) == 2);
	ground_until(failed);
	EXPECT_TRUE(ground_stats().usable);
	/* What the CLI reads is the same; what was tampered with is nothing. */
	EXPECT_EQ(sz_idp_keys_load(ground.conf, &ground.conf->issuers[0], &keys, &e), 0);
	sz_jwks_free(keys.set);
	rewrite("\"kty", "\"xty");
	EXPECT_EQ(sz_idp_keys_load(ground.conf, &ground.conf->issuers[0], &keys, &e), -EBADMSG);
	EXPECT_CONTAINS(e.msg, "not a key set that was kept");
	rewrite("{\"issuer\"", "{\"iszuer\"");
	EXPECT_EQ(sz_idp_keys_load(ground.conf, &ground.conf->issuers[0], &keys, &e), -EBADMSG);
	https_listen(&ground.server, ground.server.port);
	ground_end();
}

TEST(keys_of_another_address_are_forgotten_on_a_reload)
{
	struct sz_conf *old;
	struct sz_error e = {""};

	ground_begin(URI);
	ground_until(fetched);
	old = ground.conf;
	ground.conf = ground_conf(MOVED);
	ASSERT_EQ(sz_idp_configure(ground.idp, ground.conf, &e), 0);
	sz_conf_free(old);
	EXPECT_EQ(ground_stats().keys, 0);
	calls = ground.key_calls;
	ground_until(called_again);
	EXPECT_STREQ(ground.path, "/moved");
	/* The same address: what is known stays, at once. */
	old = ground.conf;
	ground.conf = ground_conf(MOVED);
	ASSERT_EQ(sz_idp_configure(ground.idp, ground.conf, &e), 0);
	sz_conf_free(old);
	EXPECT_EQ(ground_stats().keys, 1);
	ground_end();
}
