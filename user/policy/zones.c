/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Time zones for conditions: the system's files, each read once and kept as long as the policy.
 * Called while evaluating, by any thread.
 */
#include <stdio.h>
#include <string.h>

#include "policy/policy_priv.h"

#define ZONES      "/usr/share/zoneinfo"
#define ZONE_BYTES 65536
#define ZONES_MAX  1024 /* more than there are */

struct zone {
	struct zone *next;
	struct sz_buf file; /* empty: there is none */
	char name[];
};

static struct zone *load(struct zones *z, const char *name, u32 n)
{
	struct zone *fresh;
	char path[160];

	if (n >= ZONES_MAX || strlen(name) > 100)
		return NULL;
	snprintf(path, sizeof(path), ZONES "/%s", name);
	fresh = sz_calloc(1, sizeof(*fresh) + strlen(name) + 1);
	memcpy(fresh->name, name, strlen(name) + 1);
	if (sz_file_read(path, ZONE_BYTES, &fresh->file, NULL)) {
		sz_buf_done(&fresh->file);
		free(fresh);
		return NULL;
	}
	fresh->next = z->list;
	z->list = fresh;
	return fresh;
}

int sz_policy_zone(void *zones, const char *name, const u8 **ret, size_t *ret_n)
{
	struct zones *z = zones;
	struct zone *at;
	u32 n = 0;

	pthread_mutex_lock(&z->lock);
	for (at = z->list; at && strcmp(at->name, name); at = at->next)
		n++;
	if (!at)
		at = load(z, name, n);
	pthread_mutex_unlock(&z->lock);
	if (!at)
		return -ENOENT;
	*ret = (const u8 *)at->file.data;
	*ret_n = at->file.len;
	return 0;
}

void sz_policy_zones_done(struct zones *z)
{
	struct zone *next;

	for (; z->list; z->list = next) {
		next = z->list->next;
		sz_buf_done(&z->list->file);
		free(z->list);
	}
	pthread_mutex_destroy(&z->lock);
}
