/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * request.location in conditions: what it holds, what is asked and what is remembered for whom, and
 * what a wrong database does. That kernel and policy agree is shown by policy_differential.c.
 */
#include "harness.h"
#include "mmdb.h"

#include <unistd.h>

#include "policy/policy.h"

static char path[64];
static struct sz_conf *conf;
static struct sz_policy *policy;
static struct sz_error e;

static bool write_database(const char *country)
{
	static struct mmdb m;
	bool ok;

	snprintf(path, sizeof(path), "/tmp/sz-location.%d.mmdb", (int)getpid());
	mmdb_init(&m, 6);
	mmdb_add(&m, "10.0.0.0/8",
		 mmdb_record(&m, &(struct mmdb_place){.country = country,
						      .city = "Berlin",
						      .asn = 64500,
						      .position = true,
						      .latitude = 52.5,
						      .longitude = 13.25}));
	mmdb_add(&m, "10.66.0.0/16", mmdb_record(&m, &(struct mmdb_place){.country = "\xff"}));
	mmdb_add(&m, "2001:db8::/32", mmdb_record(&m, &(struct mmdb_place){.country = "FR"}));
	ok = !mmdb_write(&m, path);
	mmdb_done(&m);
	return ok;
}

static bool load(const char *database, const char *when)
{
	struct sz_buf b = {0};

	sz_policy_free(policy);
	sz_conf_free(conf);
	policy = NULL;
	e.msg[0] = '\0';
	sz_buf_printf(&b,
		      "issuers: [{issuer: i, jwks: k, audiences: a}]\ninterfaces: [eth0]\n%s%s%s"
		      "services:\n- name: svc\n  address: \"*:80\"\n  routes:\n"
		      "  - {path: /, when: '%s'}\n",
		      database ? "policy: {location: {database: " : "", database ? database : "",
		      database ? "}}\n" : "", when);
	conf = sz_conf_parse(b.data, b.len, "t.yaml", &e);
	sz_buf_done(&b);
	return conf && !sz_policy_new(conf, &policy, &e);
}

static void moment(const char *source, struct sz_policy_moment *ret)
{
	*ret = (struct sz_policy_moment){.now_ns = 1782000000000000000};
	sz_addr_parse(source, &ret->source);
}

static enum sz_reason decide(const char *source, struct sz_policy_ruling *r)
{
	json_t *claims = json_object();
	struct sz_policy_subject who = {.claims = claims, .subject = "ann"};
	struct sz_policy_request req = {.method = SZ_M_GET, .path = "/", .path_len = 1};
	struct sz_policy_moment at;

	moment(source, &at);
	sz_policy_decide(policy, &conf->services[0], &who, &req, &at, r);
	json_decref(claims);
	return r->reason;
}

static void for_token(const char *source, struct sz_policy_answer *ret)
{
	json_t *claims = json_object();
	struct sz_policy_subject who = {.claims = claims, .subject = "ann"};
	struct sz_policy_moment at;

	moment(source, &at);
	sz_policy_for_token(policy, &conf->services[0], &who, &at, ret);
	json_decref(claims);
}

TEST(answer_holds_for_the_prefix_of_the_record)
{
	struct sz_policy_ruling r;
	struct sz_policy_answer a;

	ASSERT_TRUE(write_database("DE"));
	ASSERT_TRUE(load(path, "request.location.country == \"DE\""));
	EXPECT_EQ(decide("10.1.2.3", &r), SZ_R_TICKET);
	EXPECT_TRUE(r.lasting);
	EXPECT_EQ(r.source_bits, 96 + 10); /* up to the /16 within the /8 */
	EXPECT_EQ(decide("2001:db8::1", &r), SZ_R_CONDITION);
	EXPECT_TRUE(r.lasting);
	EXPECT_EQ(r.source_bits, 32);
	for_token("10.1.2.3", &a); /* the token alone may come from anywhere */
	EXPECT_TRUE(!a.allow[0] && a.ask[0] == 1);
}

TEST(address_in_no_record_has_an_empty_location)
{
	struct sz_policy_ruling r;

	ASSERT_TRUE(load(path, "request.location.country == \"DE\""));
	EXPECT_EQ(decide("192.0.2.1", &r), SZ_R_POLICY_ERROR); /* no such key */
	ASSERT_TRUE(load(path, "request.location == {} && !has(request.location.country)"));
	EXPECT_EQ(decide("192.0.2.1", &r), SZ_R_TICKET);
	EXPECT_TRUE(r.lasting && r.source_bits == 96 + 1);
	EXPECT_EQ(decide("10.0.0.1", &r), SZ_R_CONDITION);
}

TEST(without_a_database_there_is_nothing_and_it_holds_for_all)
{
	struct sz_policy_answer a;

	ASSERT_TRUE(load(NULL, "!has(request.location.country)"));
	for_token("10.1.2.3", &a);
	EXPECT_TRUE(a.allow[0] == 1 && !a.ask[0] && !a.source_bits);
}

TEST(record_that_cannot_be_read_refuses_and_is_not_remembered)
{
	struct sz_policy_ruling r;

	ASSERT_TRUE(load(path, "!has(request.location.country)"));
	EXPECT_EQ(decide("10.66.0.1", &r), SZ_R_POLICY_ERROR);
	EXPECT_TRUE(!r.lasting);
}

TEST(condition_that_needs_no_location_is_not_bound_to_one)
{
	struct sz_policy_ruling r;
	struct sz_policy_answer a;

	ASSERT_TRUE(load(path, "principal == \"ann\" || request.location.country == \"DE\""));
	for_token("192.0.2.1", &a);
	EXPECT_TRUE(a.allow[0] == 1 && !a.ask[0]);
	EXPECT_EQ(decide("10.66.0.1", &r), SZ_R_TICKET);
	EXPECT_TRUE(r.lasting && !r.source_bits);
}

TEST(every_field_has_its_type)
{
	struct sz_policy_ruling r;

	ASSERT_TRUE(load(path, "request.location.city == \"Berlin\" && "
			       "request.location.asn == 64500 && "
			       "request.location.latitude > 52.0 && "
			       "request.location.longitude < 14.0 && size(request.location) == 5"));
	EXPECT_EQ(decide("10.1.2.3", &r), SZ_R_TICKET);
	EXPECT_TRUE(!load(path, "request.location > 3"));
	EXPECT_TRUE(strstr(e.msg, "t.yaml:"));
}

TEST(another_database_is_another_policy)
{
	u8 before[32], same[32], after[32];

	ASSERT_TRUE(load(path, "true"));
	sz_policy_digest(policy, before);
	ASSERT_TRUE(load(path, "true"));
	sz_policy_digest(policy, same);
	ASSERT_TRUE(write_database("AT"));
	ASSERT_TRUE(load(path, "true"));
	sz_policy_digest(policy, after);
	EXPECT_TRUE(!memcmp(before, same, 32) && memcmp(before, after, 32) != 0);
}

TEST(wrong_database_is_named_with_its_line)
{
	EXPECT_TRUE(!load("/nonexistent.mmdb", "true"));
	EXPECT_TRUE(strstr(e.msg, "t.yaml:3: policy.location: /nonexistent.mmdb: No such file"));
	EXPECT_TRUE(!load("/dev/null", "true"));
	EXPECT_TRUE(strstr(e.msg, "not a MaxMind database"));
	EXPECT_TRUE(!load("[a, b, c, d, e]", "true"));
	EXPECT_TRUE(!load("[]", "true"));
}

TEST(place_is_told_in_words)
{
	struct sz_policy_moment at;
	struct sz_buf b = {0};

	ASSERT_TRUE(load(path, "true"));
	moment("10.1.2.3", &at);
	sz_policy_place(policy, &at.source, &b);
	EXPECT_STREQ(b.data, "country AT, city Berlin, asn 64500, latitude 52.5000, longitude "
			     "13.2500 (of 10.0.0.0/10)");
	sz_buf_reset(&b);
	moment("2600::1", &at);
	sz_policy_place(policy, &at.source, &b);
	EXPECT_TRUE(strstr(b.data, "the address is in no database (of 2400::/6)"));
	sz_buf_done(&b);
	sz_policy_free(policy);
	sz_conf_free(conf);
	unlink(path);
}
