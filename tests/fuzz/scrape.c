/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Any bytes as the Accept field of a scrape and what follows it, and the same bytes as a label,
 * which must end where it should.
 */
#include <string.h>

#include "metrics/metrics_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ask(const uint8_t *data, size_t size)
{
	static struct sz_http_head h;
	struct sz_web_request r = {.method = "GET", .path = "/metrics"};
	enum sz_reason reason;
	struct sz_buf head = {0};
	struct sz_question q;
	struct sz_error e;

	sz_buf_printf(&head, "GET /metrics HTTP/1.0\r\nAccept: ");
	sz_buf_add(&head, data, size);
	sz_buf_add(&head, "\r\n\r\n", 4);
	if (sz_http_head_parse(head.data, head.len, &h, &reason, &e) == SZ_HTTP_OK) {
		r.head = head.data;
		r.head_len = h.head_len;
		sz_question_read(&r, &q);
		if (q.status != 200)
			abort();
	}
	sz_buf_done(&head);
}

/* Reads a sample's one label back: it must be the whole line. */
static void tell(const uint8_t *data, size_t size)
{
	struct sz_expo x = {.openmetrics = size & 1};
	char *text = sz_strndup((const char *)data, size), *p;

	sz_expo_family(&x, "g", SZ_EXPO_GAUGE, text);
	p = strstr(x.out.data, "\n# TYPE g gauge\n");
	if (!p || p != strchr(x.out.data, '\n'))
		abort();
	sz_buf_reset(&x.out);
	sz_expo_label(&x, "k", text);
	sz_expo_u64(&x, 1);
	for (p = x.out.data + strlen("g{k=\""); *p && *p != '"'; p++)
		p += *p == '\\';
	if (strcmp(p, "\"} 1\n"))
		abort();
	sz_expo_done(&x);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	ask(data, size);
	tell(data, size);
	return 0;
}
