/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Shared inside the room: the snapshot. Nobody outside verify includes this.
 */
#ifndef SZ_VERIFY_VERIFY_PRIV_H
#define SZ_VERIFY_VERIFY_PRIV_H

#include "apikey/apikey.h"
#include "verify/verify.h"

/* A configuration that several snapshots share: they differ in their keys. */
struct sz_verifier_conf {
	struct sz_conf *conf;
	struct sz_policy *policy;
	struct sz_id *issuer_ids; /* what each issuer is revoked by */
	unsigned refs;
};

struct sz_verifier {
	struct sz_verifier_conf *shared;
	const struct sz_conf *conf; /* of shared */
	struct sz_idp_keys *keys;   /* of each issuer of conf; set NULL where there are none */
	struct sz_apikeys *apikeys; /* NULL: none are taken */
	unsigned refs;
};

#endif
