/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The bytes of a DPoP proof, and URIs. The only proof that may be good is the seed, whose private
 * key was thrown away (its signature has a second form, so the signed text is compared); the normal
 * form of a URI is its own normal form.
 */
#include <string.h>

#include "dpop/dpop.h"
#include "jose/jose.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SIGNED                                                                                     \
	"eyJhbGciOiJFUzI1NiIsInR5cCI6ImRwb3Arand0IiwiandrIjp7Imt0eSI6IkVDIiwiY3J2IjoiUC0yNTYi"     \
	"LCJ4IjoiRFdZSmNTM2ZIZGZwbGlqTkM4dkl4Qnk3azRqU2VzQXNuazM1N1JxbmVtOCIsInkiOiJCZ21nb2U3"     \
	"OGNUZjVXbC1xemxNVE84MVpUVVFYVXE2QnVGTndZb1dlMzhNIn19.eyJpYXQiOjE3OTUyODY4NDQsImp0aSI"     \
	"6ImEzOTQ2MGY0LWEyNmYtNDRlZC1hNzVmLWViMDg1MjIzMzFmZiIsImh0bSI6IkdFVCIsImh0dSI6Imh0dHB"     \
	"zOi8vYXBpLnRlc3Qvb3JkZXJzIiwiYXRoIjoiUEVhZW5XeFlkZE42UV9OVDFQaU9ZZno0RXNadTdqUlhSbHB"     \
	"Bc05wQlUtQSJ9"

static void check_uri(const char *s, size_t n)
{
	struct sz_buf once = {0}, twice = {0};

	if (!sz_dpop_uri(s, n, &once) &&
	    (once.len > n + 1 || sz_dpop_uri(once.data, once.len, &twice) ||
	     once.len != twice.len || memcmp(once.data, twice.data, once.len)))
		abort();
	sz_buf_done(&once);
	sz_buf_done(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const origins[] = {"https://api.test"};
	const char *s = (const char *)data;
	struct sz_dpop_request req = {
		.proof = s,
		.proof_len = size,
		.method = "GET",
		.method_len = 3,
		.target = "/orders",
		.target_len = 7,
		.origins = origins,
		.n_origins = 1,
		.token = "token",
		.token_len = 5,
		.jkt = "CQeYGL-NDqXdYRm9xiwmyQQC3oxlEXn3NKoHZFUCqaE",
	};
	struct sz_dpop_proof proof;
	struct sz_error e;

	check_uri(s, size);
	if (sz_dpop_prove(&req, ~0u, &proof, &e) == SZ_R_NONE) {
		if (size < strlen(SIGNED) || memcmp(s, SIGNED, strlen(SIGNED)))
			abort();
	} else if (!memchr(e.msg, 0, sizeof(e.msg))) {
		abort();
	}
	return 0;
}
