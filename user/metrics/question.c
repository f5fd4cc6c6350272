/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a request to the metrics endpoint asks for (RFC 9110, RFC 9112): one path, one method, and
 * one of two formats. Called for each request. It reads nothing else of a head and keeps nothing.
 */
#include <string.h>
#include <strings.h>

#include "metrics/metrics_priv.h"

#define PATH "/metrics"

/* "METHOD SP target SP HTTP/1.x"; the answer's status. */
static int read_line(const char *line, size_t n)
{
	const char *sp = memchr(line, ' ', n), *target, *version;
	size_t method = sp ? (size_t)(sp - line) : 0, len;

	if (!method)
		return 400;
	target = sp + 1;
	version = memchr(target, ' ', n - method - 1);
	if (!version || line + n - version != 9 || memcmp(version, " HTTP/1.", 8))
		return 400;
	if (method != 3 || memcmp(line, "GET", 3))
		return 405;
	len = strcspn(target, "? ");
	return len == strlen(PATH) && !memcmp(target, PATH, len) ? 200 : 404;
}

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

void sz_question_read(const char *head, size_t n, struct sz_question *ret)
{
	const char *line = head, *end = head + n, *cr;

	*ret = (struct sz_question){.status = n ? 200 : 431};
	if (!n)
		return;
	cr = memchr(head, '\r', n);
	ret->status = read_line(head, (size_t)(cr - head));
	for (line = cr + 2; line + 2 < end; line = cr + 2) {
		cr = memmem(line, (size_t)(end - line), "\r\n", 2);
		if (!cr)
			return;
		if (cr - line > 7 && !strncasecmp(line, "accept:", 7))
			ret->openmetrics |= wants_openmetrics(line + 7, (size_t)(cr - line - 7));
	}
}
