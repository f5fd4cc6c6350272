/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Shared inside the room: making a key and its digest.
 */
#ifndef SZ_APIKEY_APIKEY_PRIV_H
#define SZ_APIKEY_APIKEY_PRIV_H

#include "apikey/apikey.h"

void sz_apikey_make(char ret[SZ_APIKEY_LEN + 1]);
/* `key` has the shape of one. */
void sz_apikey_digest(const u8 pepper[32], const char *key, u8 ret[32]);

#endif
