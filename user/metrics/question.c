/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a request to the metrics endpoint asks for (RFC 9110, RFC 9112): one path, one method, and
 * one of two formats. Called for each request. It reads nothing else of a head and keeps nothing.
 */
#include <string.h>
#include <strings.h>

#include "metrics/metrics_priv.h"

#define ACCEPT_MAX 1024 /* bytes of an Accept line that are read */

/* One element of Accept: does it ask for OpenMetrics 1.0, with a weight above zero? */
static bool asks(char *element)
{
	char *rest, *part = strtok_r(element, "; \t", &rest);

	if (!part || strcasecmp(part, "application/openmetrics-text"))
		return false;
	while ((part = strtok_r(NULL, "; \t", &rest))) {
		if (!strncasecmp(part, "version=", 8) && strncmp(part + 8, "1.0", 3))
			return false;
		if (!strncasecmp(part, "q=0", 3) && !part[3 + strspn(part + 3, ".0")])
			return false;
	}
	return true;
}

static bool wants_openmetrics(const char *value, size_t n)
{
	char text[ACCEPT_MAX], *rest, *element;
	bool found = false;

	n = n < sizeof(text) ? n : sizeof(text) - 1;
	memcpy(text, value, n);
	text[n] = 0;
	for (element = strtok_r(text, ",", &rest); element && !found;
	     element = strtok_r(NULL, ",", &rest))
		found = asks(element);
	return found;
}

void sz_question_read(const struct sz_web_request *r, struct sz_question *ret)
{
	const char *accept;
	size_t n;

	*ret = (struct sz_question){.status = 200};
	if (strcmp(r->method, "GET"))
		ret->status = 405;
	else if (strcmp(r->path, "/metrics"))
		ret->status = 404;
	accept = sz_http_field(r->head, r->head_len, "accept", &n);
	if (accept)
		ret->openmetrics = wants_openmetrics(accept, n);
}
