/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Who asks: the tokens file, read again whenever it was changed, and the secret of a request. A
 * file that cannot be read means that nobody is known. Called by api.c.
 */
#include <sodium.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "api/api_priv.h"

#define NS         1000000000ll
#define SECRET_MAX 512

struct api_auth {
	char *path;
	struct sz_api_tokens tokens;
	struct stat seen; /* of the file that was read; all zero: none */
	bool told;        /* that it cannot be read */
};

struct api_auth *sz_api_auth_new(const char *path)
{
	struct api_auth *a = sz_calloc(1, sizeof(*a));

	a->path = sz_strdup(path);
	return a;
}

void sz_api_auth_free(struct api_auth *a)
{
	if (!a)
		return;
	sz_api_tokens_done(&a->tokens);
	free(a->path);
	free(a);
}

static bool same_file(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_dev == b->st_dev && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
	       a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static void refresh(struct api_auth *a)
{
	struct sz_api_tokens fresh = {0};
	struct sz_error e = {""};
	struct stat st = {0};
	int err = stat(a->path, &st) ? -errno : 0;

	if (!err && same_file(&st, &a->seen))
		return;
	if (!err && (st.st_mode & 077))
		err = sz_error_set(&e, -EPERM, "%.200s can be read by others; chmod 600 it",
				   a->path);
	if (!err)
		err = sz_api_tokens_read(a->path, &fresh, &e);
	sz_api_tokens_done(&a->tokens);
	a->tokens = fresh;
	a->seen = err ? (struct stat){0} : st;
	if (err && !a->told)
		sz_log(SZ_LOG_WARNING, "api: no token counts: %s",
		       e.msg[0] ? e.msg
				: "there is no tokens file; run 'subzeroctl api token add'");
	a->told = err != 0;
}

/* The secret of "Bearer SECRET", or the password of "Basic"; its length, 0 for none. */
static size_t read_secret(const char *v, size_t n, char ret[SECRET_MAX])
{
	size_t len = 0;
	char *colon;

	if (n > 7 && n - 7 < SECRET_MAX && !strncasecmp(v, "bearer ", 7)) {
		memcpy(ret, v + 7, n - 7);
		return n - 7;
	}
	if (n <= 6 || strncasecmp(v, "basic ", 6) ||
	    sodium_base642bin((u8 *)ret, SECRET_MAX, v + 6, n - 6, NULL, &len, NULL,
			      sodium_base64_VARIANT_ORIGINAL))
		return 0;
	colon = memchr(ret, ':', len);
	if (!colon)
		return 0;
	len -= (size_t)(colon + 1 - ret);
	memmove(ret, colon + 1, len);
	return len;
}

const struct sz_api_token *sz_api_auth_find(struct api_auth *a, const char *head, size_t n)
{
	const struct sz_api_token *t = NULL;
	char secret[SECRET_MAX];
	size_t len;
	const char *v = sz_http_field(head, n, "authorization", &len);

	if (!v)
		return NULL;
	len = read_secret(v, len, secret);
	if (len) {
		refresh(a);
		t = sz_api_tokens_find(&a->tokens, secret, len);
	}
	sodium_memzero(secret, sizeof(secret));
	if (t && t->expires_s && t->expires_s <= (s64)(sz_wall_ns() / (u64)NS))
		return NULL;
	return t;
}
