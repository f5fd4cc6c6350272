/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Databases of locations: what is found, how far it holds, and that a damaged file is refused or
 * answers something, but never ends the program.
 */
#include "geo/geo.h"
#include "harness.h"
#include "mmdb.h"

#include <fcntl.h>
#include <sanitizer/lsan_interface.h>
#include <unistd.h>

static char path[64];
static struct sz_error e;

static const struct mmdb_place berlin = {.country = "DE",
					 .continent = "EU",
					 .region = "BE",
					 .city = "Berlin",
					 .organization = "Example \xc3\x96rg",
					 .asn = 64500,
					 .position = true,
					 .latitude = 52.5,
					 .longitude = -13.25};

static void fill(struct mmdb *m, u32 version)
{
	static const struct mmdb_place france = {.country = "FR"};

	snprintf(path, sizeof(path), "/tmp/sz-geo.%d.mmdb", (int)getpid());
	mmdb_init(m, version);
	mmdb_add(m, "10.0.0.0/8", mmdb_record(m, &france));
	mmdb_add(m, "10.1.2.0/24", mmdb_record(m, &berlin));
	if (version == 6)
		mmdb_add(m, "2001:db8::/32", mmdb_record(m, &berlin));
}

static struct sz_geo *open_new(u32 version)
{
	static struct mmdb m;
	struct sz_geo *g = NULL;

	fill(&m, version);
	mmdb_write(&m, path);
	mmdb_done(&m);
	if (sz_geo_open(path, &g, &e))
		printf("# %s\n", e.msg);
	unlink(path);
	return g;
}

static int find(const struct sz_geo *g, const char *addr, struct sz_geo_place *ret)
{
	struct sz_addr a;

	memset(ret, 0, sizeof(*ret));
	sz_addr_parse(addr, &a);
	return sz_geo_find(g, &a, ret);
}

static bool says(const struct sz_geo_text *t, const char *s)
{
	return t->s && t->n == strlen(s) && !memcmp(t->s, s, t->n);
}

static void is_berlin(const struct sz_geo_place *p)
{
	EXPECT_TRUE(says(&p->country, "DE"));
	EXPECT_TRUE(says(&p->continent, "EU"));
	EXPECT_TRUE(says(&p->region, "BE"));
	EXPECT_TRUE(says(&p->city, "Berlin"));
	EXPECT_TRUE(says(&p->organization, berlin.organization));
	EXPECT_TRUE(p->has_asn && p->asn == 64500);
	EXPECT_TRUE(p->has_position && p->latitude == 52.5 && p->longitude == -13.25);
}

TEST(record_of_an_address_and_its_prefix_in_both_kinds_of_tree)
{
	struct sz_geo_place p;

	for (u32 version = 4; version <= 6; version += 2) {
		struct sz_geo *g = open_new(version);

		ASSERT_TRUE(g != NULL);
		EXPECT_EQ(find(g, "10.1.2.3", &p), 0);
		is_berlin(&p);
		EXPECT_EQ(p.bits, 96 + 24);
		EXPECT_EQ(find(g, "10.1.3.1", &p), 0); /* beside it, so as far as to the edge */
		EXPECT_TRUE(says(&p.country, "FR") && !p.city.s && !p.has_asn && !p.has_position);
		EXPECT_EQ(p.bits, 96 + 24);
		EXPECT_EQ(find(g, "10.200.0.1", &p), 0);
		EXPECT_EQ(p.bits, 96 + 9);
		EXPECT_EQ(find(g, "192.0.2.1", &p), 0); /* in no record */
		EXPECT_TRUE(!p.country.s && !p.has_asn);
		EXPECT_EQ(p.bits, 96 + 1);
		EXPECT_EQ(find(g, "2001:db8::7", &p), 0);
		EXPECT_EQ(p.bits, version == 6 ? 32 : 128);
		if (version == 6)
			is_berlin(&p);
		else
			EXPECT_TRUE(!p.country.s);
		sz_geo_close(g);
	}
}

/* In the tree IPv4 is elsewhere than in our addresses; a prefix must not join the two. */
TEST(prefix_of_an_ipv6_source_holds_no_ipv4)
{
	struct sz_geo *g = open_new(6);
	struct sz_geo_place p;

	ASSERT_TRUE(g != NULL);
	EXPECT_EQ(find(g, "::ff00:0:1", &p), 0);
	EXPECT_TRUE(p.bits > 88 && p.bits <= 128);
	EXPECT_EQ(find(g, "8000::1", &p), 0);
	EXPECT_EQ(p.bits, 1);
	sz_geo_close(g);
}

TEST(second_database_adds_what_the_first_does_not_say)
{
	static struct mmdb m;
	struct sz_geo *g = open_new(4), *other = NULL;
	struct sz_geo_place p;
	struct sz_addr a;

	mmdb_init(&m, 4);
	mmdb_add(&m, "10.9.0.0/16",
		 mmdb_record(&m, &(struct mmdb_place){.country = "XX", .asn = 64501}));
	ASSERT_EQ(mmdb_write(&m, path), 0);
	mmdb_done(&m);
	ASSERT_EQ(sz_geo_open(path, &other, &e), 0);
	unlink(path);
	EXPECT_EQ(find(g, "10.9.1.1", &p), 0);
	sz_addr_parse("10.9.1.1", &a);
	EXPECT_EQ(sz_geo_find(other, &a, &p), 0);
	EXPECT_TRUE(says(&p.country, "FR"));
	EXPECT_TRUE(p.has_asn && p.asn == 64501);
	EXPECT_EQ(p.bits, 96 + 16); /* the narrower of the two */
	EXPECT_TRUE(memcmp(sz_geo_digest(g), sz_geo_digest(other), 32) != 0);
	sz_geo_close(g);
	sz_geo_close(other);
}

TEST(file_that_is_cut_off_while_it_is_open_changes_nothing)
{
	static struct mmdb m;
	struct sz_geo *g = NULL;
	struct sz_geo_place p;

	fill(&m, 4);
	ASSERT_EQ(mmdb_write(&m, path), 0);
	mmdb_done(&m);
	ASSERT_EQ(sz_geo_open(path, &g, &e), 0);
	EXPECT_EQ(truncate(path, 0), 0);
	unlink(path);
	EXPECT_EQ(find(g, "10.1.2.3", &p), 0);
	is_berlin(&p);
	sz_geo_close(g);
}

TEST(what_is_no_database_is_named_with_its_path)
{
	struct sz_geo *g = NULL;

	EXPECT_EQ(sz_geo_open("/nonexistent/x.mmdb", &g, &e), -ENOENT);
	EXPECT_TRUE(strstr(e.msg, "/nonexistent/x.mmdb: No such file"));
	EXPECT_EQ(sz_geo_open("/dev/null", &g, &e), -EINVAL);
	EXPECT_TRUE(strstr(e.msg, "/dev/null: not a MaxMind database"));
	EXPECT_EQ(sz_geo_open("/tmp", &g, &e), -EISDIR);
	EXPECT_TRUE(!g);
}

TEST(text_that_is_not_utf8_is_a_damaged_record)
{
	static const char *const bad[] = {"\xff", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80",
					  "a\xc3", "\xe2\x82"};
	static struct mmdb m;
	struct sz_geo_place p;
	struct sz_geo *g;
	size_t i;

	for (i = 0; i < SZ_ARRAY_LEN(bad); i++) {
		g = NULL;
		mmdb_init(&m, 4);
		mmdb_add(&m, "10.0.0.0/8",
			 mmdb_record(&m, &(struct mmdb_place){.country = bad[i]}));
		ASSERT_EQ(mmdb_write(&m, path), 0);
		mmdb_done(&m);
		ASSERT_EQ(sz_geo_open(path, &g, &e), 0);
		unlink(path);
		EXPECT_EQ(find(g, "10.0.0.1", &p), -EBADMSG);
		sz_geo_close(g);
	}
}

static bool write_file(const char *data, size_t n)
{
	int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
	bool ok = fd >= 0 && write(fd, data, n) == (ssize_t)n;

	if (fd >= 0)
		close(fd);
	return ok;
}

/*
 * Each byte changed in turn, and each length: refused, or answered with something. The library
 * itself loses some memory when it gives up on certain metadata, so leaks are not counted here.
 */
TEST(damaged_file_never_ends_the_program)
{
	static const char *const addrs[] = {"10.1.2.3", "10.1.3.1", "192.0.2.1", "2001:db8::7"};
	static const u8 with[] = {0x01, 0x80, 0xff};
	static struct mmdb m;
	struct sz_geo_place p;
	struct sz_geo *g;
	struct sz_buf b;
	u32 refused = 0, opened = 0, unread = 0;
	size_t i, k;
	char was;

	fill(&m, 6);
	mmdb_bytes(&m, &b);
	mmdb_done(&m);
	__lsan_disable();
	for (i = 0; i < b.len * 4; i++) {
		was = b.data[i / 4];
		if (i % 4 < 3)
			b.data[i / 4] ^= (char)with[i % 4];
		ASSERT_TRUE(write_file(b.data, i % 4 < 3 ? b.len : i / 4));
		b.data[i / 4] = was;
		g = NULL;
		if (sz_geo_open(path, &g, &e)) {
			refused++;
			EXPECT_TRUE(!g && strstr(e.msg, path));
			continue;
		}
		opened++;
		for (k = 0; k < SZ_ARRAY_LEN(addrs); k++)
			unread += find(g, addrs[k], &p) != 0;
		sz_geo_close(g);
	}
	__lsan_enable();
	sz_buf_done(&b);
	unlink(path);
	printf("# %u refused, %u opened, %u lookups of a damaged record\n", refused, opened,
	       unread);
	EXPECT_TRUE(refused && opened && unread);
}
