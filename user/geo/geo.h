/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where an address is, by databases in the MaxMind DB format. Called by the policy room only. A
 * database is copied when it is opened, so whatever happens to its file afterwards cannot hurt: a
 * new one is opened beside the old one. Immutable once open, so any thread may look up.
 */
#ifndef SZ_GEO_GEO_H
#define SZ_GEO_GEO_H

#include "core/core.h"

#define SZ_GEO_BYTES_MAX (2ull << 30) /* of a database */

struct sz_geo;

/* Text inside the database, valid UTF-8, as long as that is open; s NULL: it says nothing. */
struct sz_geo_text {
	const char *s;
	size_t n;
};

struct sz_geo_place {
	struct sz_geo_text country;      /* ISO 3166-1: "DE" */
	struct sz_geo_text continent;    /* "EU" */
	struct sz_geo_text region;       /* ISO 3166-2 without the country: "BE" */
	struct sz_geo_text city;         /* in English */
	struct sz_geo_text organization; /* of the autonomous system */
	bool has_asn, has_position;
	u32 asn;
	double latitude, longitude;
	/* All this is the same for sources that share so many bits of 128 (::ffff:a.b.c.d). */
	u32 bits;
};

/*
 * Opens a copy of the file and walks its whole search tree. -errno with *e "PATH: what is wrong";
 * -EINVAL for one that is no database or is damaged, -EFBIG beyond SZ_GEO_BYTES_MAX.
 */
int sz_geo_open(const char *path, struct sz_geo **ret, struct sz_error *e);
void sz_geo_close(struct sz_geo *g); /* NULL is fine */
/* SHA-256 of the file's bytes. */
const u8 *sz_geo_digest(const struct sz_geo *g);
/*
 * Adds to *place, which begins as zeros, what the database says and no other has said before, and
 * raises bits. An address it does not have adds bits only. -EBADMSG: the record is damaged.
 */
int sz_geo_find(const struct sz_geo *g, const struct sz_addr *addr, struct sz_geo_place *place);

#endif
