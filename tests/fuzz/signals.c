/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What is asked to be revoked: a line of a file, the claims of a security event, and the form of an
 * API key. Whatever comes out names something, an event only something of its issuer.
 */
#include <string.h>

#include "apikey/apikey.h"
#include "codec/codec.h"
#include "signals/signals.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct sz_revoke_item *i)
{
	static const struct sz_id none;
	struct sz_id id = sz_revoke_item_id(i);

	if (!i->kind || i->kind >= SZ_REVOKE_KIND_COUNT || !i->value || !i->len ||
	    sz_revoke_is_pair(i->kind) != (i->issuer != NULL) ||
	    sz_revoke_is_before(i->kind) != (i->before_s != 0) || !memcmp(&id, &none, sizeof(id)))
		abort();
}

static void check_event(const json_t *claims)
{
	const char *iss = json_string_value(json_object_get(claims, "iss"));
	struct sz_revoke_item *items;
	struct sz_error e;
	size_t n, i;

	if (!iss || !*iss || sz_signals_items(claims, 1000000, &items, &n, &e))
		return;
	for (i = 0; i < n; i++) {
		check(&items[i]);
		if (!items[i].issuer || strcmp(items[i].issuer, iss) || items[i].before_s > 1000001)
			abort();
		sz_revoke_item_done(&items[i]);
	}
	free(items);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *s = (const char *)data;
	struct sz_revoke_item item;
	struct sz_error e;
	json_t *o;

	if (sz_apikey_shape(s, size) && (size != SZ_APIKEY_LEN || memcmp(s, "sz_", 3)))
		abort();
	o = sz_json_parse(s, size, &e);
	if (!o)
		return 0;
	if (!sz_revoke_item_json(o, &item, &e)) {
		check(&item);
		sz_revoke_item_done(&item);
	}
	check_event(o);
	json_decref(o);
	return 0;
}
