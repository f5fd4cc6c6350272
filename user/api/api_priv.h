/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Shared inside the api room: a request with its way back, and the paths. Only the files of this
 * room and their tests include it.
 */
#ifndef SZ_API_API_PRIV_H
#define SZ_API_API_PRIV_H

#include "api/api.h"
#include "web/web.h"

struct api_text {
	struct api_text *next;
	char s[];
};

struct api_request {
	struct sz_api_request q; /* first: handlers have its address */
	struct sz_web_request *web; /* NULL: not over HTTP */
	void (*reply)(int status, const char *body, size_t n, void *arg);
	void *arg;
	struct api_text *texts; /* freed with it */
};

/* A string that lives as long as the request. */
char *sz_api_keep(struct api_request *r, const char *s, size_t n);

/* path.c */
/* Whether the pattern fits; the segments that stand for {names} are kept with the request. */
bool sz_api_path_fits(struct api_request *r, const char *pattern, const char *path);
/* One field of urlencoded pairs: as sz_api_form(). */
int sz_api_pair(struct api_request *r, const char *pairs, size_t n, const char *name,
		const char **ret);

/* auth.c */
struct api_auth;
struct api_auth *sz_api_auth_new(const char *path);
void sz_api_auth_free(struct api_auth *a);
/* The token of a bearer secret, or of a password (RFC 7617); NULL: none that counts now. */
const struct sz_api_token *sz_api_auth_find(struct api_auth *a, const char *head, size_t n);

#endif
