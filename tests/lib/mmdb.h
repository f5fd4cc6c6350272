/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Writes small databases in the MaxMind DB format 2.0: a search tree with records of 24 bits, data,
 * metadata. IPv4 stands in ::/96 of a tree of IPv6. For tests only: prefixes are added from short
 * to long, and a longer one counts.
 */
#ifndef SZ_TESTS_MMDB_H
#define SZ_TESTS_MMDB_H

#include <stdlib.h>
#include <string.h>

#include "core/core.h"

#define MMDB_NODES 4096
#define MMDB_DATA  0x800000u /* this bit: an offset into the data */
#define MMDB_NONE  0xffffffu

struct mmdb {
	u32 version; /* 4 or 6 */
	u32 nodes[MMDB_NODES][2];
	u32 n;
	struct sz_buf data;
};

static inline void mmdb_init(struct mmdb *m, u32 version)
{
	memset(m, 0, sizeof(*m));
	m->version = version;
	m->n = 1;
	m->nodes[0][0] = m->nodes[0][1] = MMDB_NONE;
}

/* ---- data: control byte, size, bytes --------------------------------------------------------- */

static inline void mmdb_head(struct sz_buf *b, u32 type, u32 n)
{
	u8 h[3] = {(u8)((type < 8 ? type << 5 : 0) | (n < 29 ? n : 29))};
	size_t len = 1;

	if (type >= 8)
		h[len++] = (u8)(type - 7);
	if (n >= 29)
		h[len++] = (u8)(n - 29);
	sz_buf_add(b, h, len);
}

static inline void mmdb_text(struct sz_buf *b, const char *s)
{
	mmdb_head(b, 2, (u32)strlen(s));
	sz_buf_add(b, s, strlen(s));
}

/* type 5: 16 bits; 6: 32; 9: 64 */
static inline void mmdb_number(struct sz_buf *b, u32 type, u64 v)
{
	u32 n = type == 5 ? 2 : type == 6 ? 4 : 8, i;
	u8 c;

	mmdb_head(b, type, n);
	for (i = n; i--;) {
		c = (u8)(v >> 8 * i);
		sz_buf_add(b, &c, 1);
	}
}

static inline void mmdb_double(struct sz_buf *b, double d)
{
	u64 v;
	u8 c;

	memcpy(&v, &d, 8);
	mmdb_head(b, 3, 8);
	for (int i = 7; i >= 0; i--) {
		c = (u8)(v >> 8 * i);
		sz_buf_add(b, &c, 1);
	}
}

static inline void mmdb_map(struct sz_buf *b, u32 n)
{
	mmdb_head(b, 7, n);
}

/* What stands in a record; NULL and 0 are left out. */
struct mmdb_place {
	const char *country, *continent, *region, *city, *organization;
	u32 asn;
	bool position;
	double latitude, longitude;
};

static inline void mmdb_named(struct sz_buf *b, const char *name, const char *key,
			      const char *value)
{
	if (!value)
		return;
	mmdb_text(b, name);
	mmdb_map(b, 1);
	mmdb_text(b, key);
	mmdb_text(b, value);
}

/* Returns the record's offset, for mmdb_add(). */
static inline u32 mmdb_record(struct mmdb *m, const struct mmdb_place *p)
{
	struct sz_buf *b = &m->data;
	u32 at = (u32)b->len;

	mmdb_map(b, !!p->country + !!p->continent + !!p->region + !!p->city + !!p->organization +
			    !!p->asn + p->position);
	mmdb_named(b, "country", "iso_code", p->country);
	mmdb_named(b, "continent", "code", p->continent);
	if (p->region) {
		mmdb_text(b, "subdivisions");
		mmdb_head(b, 11, 1);
		mmdb_map(b, 1);
		mmdb_text(b, "iso_code");
		mmdb_text(b, p->region);
	}
	if (p->city) {
		mmdb_text(b, "city");
		mmdb_map(b, 1);
		mmdb_named(b, "names", "en", p->city);
	}
	if (p->asn) {
		mmdb_text(b, "autonomous_system_number");
		mmdb_number(b, 6, p->asn);
	}
	if (p->organization) {
		mmdb_text(b, "autonomous_system_organization");
		mmdb_text(b, p->organization);
	}
	if (p->position) {
		mmdb_text(b, "location");
		mmdb_map(b, 2);
		mmdb_text(b, "latitude");
		mmdb_double(b, p->latitude);
		mmdb_text(b, "longitude");
		mmdb_double(b, p->longitude);
	}
	return at;
}

/* ---- tree ------------------------------------------------------------------------------------ */

/* The address inside the tree: IPv4 of a tree of IPv6 in ::/96. */
static inline void mmdb_add(struct mmdb *m, const char *prefix, u32 record)
{
	struct sz_addr a;
	u32 bits, i, at = 0, side, from;
	bool v4;

	if (sz_prefix_parse(prefix, &a, &bits))
		abort();
	v4 = strchr(prefix, '.') != NULL;
	if (v4)
		memset(a.b, 0, 12);
	from = m->version == 4 ? 96 : 0;
	for (i = from;; i++) {
		side = a.b[i / 8] >> (7 - i % 8) & 1;
		if (i + 1 == bits)
			break;
		if (m->nodes[at][side] & MMDB_DATA) {
			if (m->n == MMDB_NODES)
				abort();
			m->nodes[m->n][0] = m->nodes[m->n][1] = m->nodes[at][side];
			m->nodes[at][side] = m->n++;
		}
		at = m->nodes[at][side];
	}
	m->nodes[at][side] = MMDB_DATA | record;
}

/* The file's bytes; the caller frees them. */
static inline void mmdb_bytes(const struct mmdb *m, struct sz_buf *ret)
{
	u32 i, k, v;
	u8 c[3];

	memset(ret, 0, sizeof(*ret));
	for (i = 0; i < m->n; i++)
		for (k = 0; k < 2; k++) {
			v = m->nodes[i][k];
			if (v == MMDB_NONE)
				v = m->n;
			else if (v & MMDB_DATA)
				v = m->n + 16 + (v & ~MMDB_DATA);
			c[0] = (u8)(v >> 16);
			c[1] = (u8)(v >> 8);
			c[2] = (u8)v;
			sz_buf_add(ret, c, 3);
		}
	sz_buf_add(ret, (const u8[16]){0}, 16);
	if (m->data.len)
		sz_buf_add(ret, m->data.data, m->data.len);
	sz_buf_add(ret, "\xab\xcd\xefMaxMind.com", 14);
	mmdb_map(ret, 9);
	mmdb_text(ret, "node_count");
	mmdb_number(ret, 6, m->n);
	mmdb_text(ret, "record_size");
	mmdb_number(ret, 5, 24);
	mmdb_text(ret, "ip_version");
	mmdb_number(ret, 5, m->version);
	mmdb_text(ret, "database_type");
	mmdb_text(ret, "Test");
	mmdb_text(ret, "languages");
	mmdb_head(ret, 11, 1);
	mmdb_text(ret, "en");
	mmdb_text(ret, "binary_format_major_version");
	mmdb_number(ret, 5, 2);
	mmdb_text(ret, "binary_format_minor_version");
	mmdb_number(ret, 5, 0);
	mmdb_text(ret, "build_epoch");
	mmdb_number(ret, 9, 1700000000);
	mmdb_text(ret, "description");
	mmdb_map(ret, 0);
}

static inline void mmdb_done(struct mmdb *m)
{
	sz_buf_done(&m->data);
}

/* 0 or -errno. */
static inline int mmdb_write(const struct mmdb *m, const char *path)
{
	struct sz_buf b;
	struct sz_error e;
	int err;

	mmdb_bytes(m, &b);
	err = sz_file_replace(path, b.data, b.len, 0644, &e);
	sz_buf_done(&b);
	return err;
}

#endif
