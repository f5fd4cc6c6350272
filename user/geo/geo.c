/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The MaxMind DB format by libmaxminddb: open, check, look up. Called by the policy room. The
 * library maps the file; a file that somebody truncates would then end the daemon with SIGBUS, so
 * what it maps is a sealed copy in memory and never the file itself.
 */
#include "geo/geo.h"

#include <errno.h>
#include <fcntl.h>
#include <maxminddb.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hash/hash.h"

struct sz_geo {
	MMDB_s db;
	u8 digest[SZ_SHA256_LEN];
};

/* ---- open ----------------------------------------------------------------------------------- */

static int write_all(int fd, const u8 *p, size_t n)
{
	ssize_t w;

	for (; n; p += w, n -= (size_t)w) {
		w = write(fd, p, n);
		if (w < 0 && errno == EINTR)
			w = 0;
		else if (w <= 0)
			return w < 0 ? -errno : -EIO;
	}
	return 0;
}

static int copy_bytes(int from, int to, u8 digest[SZ_SHA256_LEN])
{
	const size_t size = 1u << 20;
	u8 *buf = sz_calloc(1, size);
	struct sz_sha256 h;
	u64 total = 0;
	ssize_t n;
	int err = 0;

	sz_sha256_init(&h);
	while (!err) {
		n = read(from, buf, size);
		if (!n)
			break;
		if (n < 0) {
			err = errno == EINTR ? 0 : -errno;
			continue;
		}
		total += (u64)n;
		sz_sha256_update(&h, buf, (size_t)n);
		err = total > SZ_GEO_BYTES_MAX ? -EFBIG : write_all(to, buf, (size_t)n);
	}
	sz_sha256_final(&h, digest);
	free(buf);
	return err;
}

/* A sealed copy in memory; its descriptor, or -errno. */
static int copy_of(const char *path, u8 digest[SZ_SHA256_LEN])
{
	int from = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY), to, err;

	if (from < 0)
		return -errno;
	to = memfd_create("location", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	err = to < 0 ? -errno : copy_bytes(from, to, digest);
	close(from);
	if (!err && fcntl(to, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE))
		err = -errno;
	if (!err)
		return to;
	if (to >= 0)
		close(to);
	return err;
}

/* Each record leads to a node, to data or nowhere; if the data is sound shows when it is read. */
static bool is_whole(const MMDB_s *db)
{
	MMDB_search_node_s node;
	u32 i;

	for (i = 0; i < db->metadata.node_count; i++)
		if (MMDB_read_node(db, i, &node) != MMDB_SUCCESS ||
		    node.left_record_type == MMDB_RECORD_TYPE_INVALID ||
		    node.right_record_type == MMDB_RECORD_TYPE_INVALID)
			return false;
	return true;
}

int sz_geo_open(const char *path, struct sz_geo **ret, struct sz_error *e)
{
	struct sz_geo *g = sz_calloc(1, sizeof(*g));
	int fd = copy_of(path, g->digest), err;
	char name[64];

	if (fd < 0) {
		free(g);
		return fd == -EFBIG
			       ? sz_error_set(e, fd, "%.200s: more than %llu MiB are no database "
						     "of locations",
					      path, SZ_GEO_BYTES_MAX >> 20)
			       : sz_error_set(e, fd, "%.200s: %s", path, strerror(-fd));
	}
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	err = MMDB_open(name, MMDB_MODE_MMAP, &g->db);
	close(fd);
	if (err != MMDB_SUCCESS) {
		free(g);
		return sz_error_set(e, -EINVAL,
				    "%.200s: not a MaxMind database (%s); get the file anew "
				    "(*.mmdb)",
				    path, MMDB_strerror(err));
	}
	if (!is_whole(&g->db)) {
		sz_geo_close(g);
		return sz_error_set(e, -EINVAL,
				    "%.200s: the database is damaged (its search tree leads "
				    "outside the file); get the file anew",
				    path);
	}
	*ret = g;
	return 0;
}

void sz_geo_close(struct sz_geo *g)
{
	if (!g)
		return;
	MMDB_close(&g->db);
	free(g);
}

const u8 *sz_geo_digest(const struct sz_geo *g)
{
	return g->digest;
}

/* ---- look up -------------------------------------------------------------------------------- */

static const u8 mapped[12] = {[10] = 0xff, [11] = 0xff};

static bool is_v4(const struct sz_addr *a)
{
	return !memcmp(a->b, mapped, sizeof(mapped));
}

static u32 raised(u32 a, u32 b)
{
	return a > b ? a : b;
}

/*
 * The record's prefix in our form. The format has IPv4 in ::/96, we have it in ::ffff:0:0/96; so a
 * prefix of IPv6 must also be so long that no IPv4 address is in it.
 */
static u32 bits_of(const MMDB_s *db, const struct sz_addr *a, u32 netmask)
{
	u32 i;

	if (is_v4(a))
		return raised(96, db->depth == 32 ? 96 + netmask : netmask);
	for (i = 0; i < 96 && !((a->b[i / 8] ^ mapped[i / 8]) >> (7 - i % 8) & 1); i++)
		;
	return raised(i + 1, netmask);
}

/* Strict UTF-8 (RFC 3629): texts end up in conditions, in messages and in logs. */
static bool is_utf8(const u8 *p, size_t n)
{
	static const u32 least[] = {0, 0x80, 0x800, 0x10000};
	size_t i = 0, k, more;
	u32 c;

	while (i < n) {
		c = p[i];
		more = c < 0x80 ? 0 : c >> 5 == 6 ? 1 : c >> 4 == 14 ? 2 : c >> 3 == 30 ? 3 : 4;
		if (more == 4 || more >= n - i)
			return false;
		if (more)
			c &= 0x3fu >> more;
		for (k = 1; k <= more; k++) {
			if (p[i + k] >> 6 != 2)
				return false;
			c = c << 6 | (p[i + k] & 0x3f);
		}
		if (c < least[more] || c > 0x10ffff || c >> 11 == 0x1b)
			return false;
		i += more + 1;
	}
	return true;
}

/* 1 where there is something under that path; 0; -EBADMSG. */
static int value_at(MMDB_entry_s *entry, const char *const *path, MMDB_entry_data_s *ret)
{
	int err = MMDB_aget_value(entry, ret, path);

	if (err == MMDB_LOOKUP_PATH_DOES_NOT_MATCH_DATA_ERROR)
		return 0;
	return err != MMDB_SUCCESS ? -EBADMSG : ret->has_data;
}

static int add_text(MMDB_entry_s *entry, const char *const *path, struct sz_geo_text *ret)
{
	MMDB_entry_data_s v;
	int r = ret->s ? 0 : value_at(entry, path, &v);

	if (r <= 0 || v.type != MMDB_DATA_TYPE_UTF8_STRING)
		return r < 0 ? r : 0;
	if (!is_utf8((const u8 *)v.utf8_string, v.data_size))
		return -EBADMSG;
	*ret = (struct sz_geo_text){v.data_size ? v.utf8_string : "", v.data_size};
	return 0;
}

static int add_degrees(MMDB_entry_s *entry, const char *name, bool *ret_has, double *ret)
{
	const char *const path[] = {"location", name, NULL};
	MMDB_entry_data_s v;
	int r = value_at(entry, path, &v);

	*ret_has = r > 0 && v.type == MMDB_DATA_TYPE_DOUBLE && isfinite(v.double_value);
	if (*ret_has)
		*ret = v.double_value;
	return r < 0 ? r : 0;
}

static int add_numbers(MMDB_entry_s *entry, struct sz_geo_place *place)
{
	static const char *const path[] = {"autonomous_system_number", NULL};
	bool latitude = false, longitude = false;
	double y = 0, x = 0;
	MMDB_entry_data_s v;
	int r = place->has_asn ? 0 : value_at(entry, path, &v);

	if (r > 0 && v.type == MMDB_DATA_TYPE_UINT32) {
		place->has_asn = true;
		place->asn = v.uint32;
	}
	if (r >= 0 && !place->has_position) {
		r = add_degrees(entry, "latitude", &latitude, &y);
		if (!r)
			r = add_degrees(entry, "longitude", &longitude, &x);
		if (!r && latitude && longitude) {
			place->has_position = true;
			place->latitude = y;
			place->longitude = x;
		}
	}
	return r < 0 ? r : 0;
}

static int add_record(MMDB_entry_s *entry, struct sz_geo_place *place)
{
	static const char *const country[] = {"country", "iso_code", NULL};
	static const char *const continent[] = {"continent", "code", NULL};
	static const char *const region[] = {"subdivisions", "0", "iso_code", NULL};
	static const char *const city[] = {"city", "names", "en", NULL};
	static const char *const organization[] = {"autonomous_system_organization", NULL};
	int err = add_text(entry, country, &place->country);

	if (!err)
		err = add_text(entry, continent, &place->continent);
	if (!err)
		err = add_text(entry, region, &place->region);
	if (!err)
		err = add_text(entry, city, &place->city);
	if (!err)
		err = add_text(entry, organization, &place->organization);
	return err ? err : add_numbers(entry, place);
}

int sz_geo_find(const struct sz_geo *g, const struct sz_addr *addr, struct sz_geo_place *place)
{
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
	struct sockaddr_in in = {.sin_family = AF_INET};
	MMDB_lookup_result_s r;
	int err = MMDB_SUCCESS;

	if (!is_v4(addr) && g->db.depth == 32) {
		place->bits = 128; /* a database of IPv4 knows nothing of it */
		return 0;
	}
	memcpy(&in.sin_addr, addr->b + 12, 4);
	memcpy(&in6.sin6_addr, addr->b, 16);
	r = MMDB_lookup_sockaddr(&g->db,
				 is_v4(addr) ? (const struct sockaddr *)&in
					     : (const struct sockaddr *)&in6,
				 &err);
	if (err != MMDB_SUCCESS)
		return -EBADMSG;
	place->bits = raised(place->bits, bits_of(&g->db, addr, r.netmask));
	return r.found_entry ? add_record(&r.entry, place) : 0;
}
