/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Allocation that cannot fail and the growing byte buffer on top of it. Called from everywhere.
 * When there is no memory the process ends: enforcement stays pinned in the kernel, and a daemon
 * that starts afresh is safer than one that runs on half a decision.
 */
#include <stdio.h>
#include <string.h>

#include "core/core.h"

static void *must(void *p, size_t n, size_t size)
{
	if (p)
		return p;
	sz_log(SZ_LOG_ERR, "out of memory (%zu x %zu bytes); raise the memory limit", n, size);
	abort();
}

void *sz_calloc(size_t n, size_t size)
{
	return must(calloc(n ? n : 1, size ? size : 1), n, size);
}

void *sz_calloc_aligned(size_t n, size_t size, size_t align)
{
	void *p = NULL;
	size_t bytes;

	if (__builtin_mul_overflow(n, size, &bytes) || posix_memalign(&p, align, bytes))
		p = NULL;
	return memset(must(p, n, size), 0, bytes);
}

void *sz_realloc(void *p, size_t n, size_t size)
{
	return must(reallocarray(p, n ? n : 1, size ? size : 1), n, size);
}

char *sz_strdup(const char *s)
{
	return must(strdup(s), strlen(s) + 1, 1);
}

char *sz_strndup(const char *s, size_t n)
{
	return must(strndup(s, n), n + 1, 1);
}

void sz_buf_reserve(struct sz_buf *b, size_t more)
{
	size_t need, cap = b->cap ? b->cap : 64;

	if (__builtin_add_overflow(b->len, more, &need) || need >= SIZE_MAX / 2)
		must(NULL, more, 1);
	need++; /* the NUL */
	if (b->data && need <= b->cap)
		return;
	while (cap < need)
		cap *= 2;
	b->data = sz_realloc(b->data, cap, 1);
	b->cap = cap;
	b->data[b->len] = 0;
}

void sz_buf_add(struct sz_buf *b, const void *p, size_t n)
{
	sz_buf_reserve(b, n);
	if (n)
		memcpy(b->data + b->len, p, n);
	b->len += n;
	b->data[b->len] = 0;
}

void sz_buf_printf(struct sz_buf *b, const char *fmt, ...)
{
	va_list ap, again;
	int n;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	if (n > 0) {
		sz_buf_reserve(b, (size_t)n);
		vsnprintf(b->data + b->len, (size_t)n + 1, fmt, again);
		b->len += (size_t)n;
	}
	va_end(again);
	va_end(ap);
}

void sz_buf_reset(struct sz_buf *b)
{
	b->len = 0;
	if (b->data)
		b->data[0] = 0;
}

void sz_buf_done(struct sz_buf *b)
{
	free(b->data);
	*b = (struct sz_buf){ 0 };
}
