/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Shared inside the room; nobody outside codec includes this. */
#ifndef SZ_CODEC_CODEC_PRIV_H
#define SZ_CODEC_CODEC_PRIV_H

#include "codec/codec.h"

/*
 * The object that the text is, where that is plain to see: what it returns is what jansson would
 * have, and it takes a third of the time. NULL for everything that is unusual or wrong; that says
 * nothing about the text.
 */
json_t *json_plain(const char *s, size_t n);

#endif
