/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Absolute http and https URLs, in a form that no two readers take apart differently. Called for
 * addresses of the configuration and for those that a provider names. Never touches the network.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "core/core.h"

#define HOST_MAX 253

static bool host_ok(const char *s, size_t n)
{
	size_t i;

	if (!n || n > HOST_MAX || s[0] == '.' || s[0] == '-')
		return false;
	if (s[0] == '[')
		return n > 4 && s[n - 1] == ']' &&
		       strspn(s + 1, "0123456789abcdefABCDEF:.") == n - 2;
	for (i = 0; i < n; i++)
		if (!((s[i] >= 'a' && s[i] <= 'z') || (s[i] >= 'A' && s[i] <= 'Z') ||
		      (s[i] >= '0' && s[i] <= '9') || s[i] == '.' || s[i] == '-'))
			return false;
	return true;
}

/* Printable ASCII without what some reader treats in a way of its own. */
static bool path_ok(const char *s)
{
	for (; *s; s++)
		if (*s <= ' ' || *s >= 127 || strchr("\"#<>\\^`{|}", *s))
			return false;
	return true;
}

static int parse_port(const char *s, const char **ret_end, u32 *ret)
{
	u32 port = 0;

	for (; *s >= '0' && *s <= '9' && port <= 65535; s++)
		port = port * 10 + (u32)(*s - '0');
	*ret_end = s;
	*ret = port;
	return port && port <= 65535 ? 0 : -EINVAL;
}

int sz_url_parse(const char *s, struct sz_url *ret)
{
	const char *host, *end;

	*ret = (struct sz_url){.text = s};
	if (!strncmp(s, "https://", 8)) {
		ret->https = true;
		host = s + 8;
	} else if (!strncmp(s, "http://", 7)) {
		host = s + 7;
	} else {
		return -EINVAL;
	}
	ret->host = host;
	end = *host == '[' ? strchr(host, ']') : host + strcspn(host, ":/?");
	if (!end)
		return -EINVAL;
	end += *host == '[';
	ret->host_len = (size_t)(end - host);
	ret->port = ret->https ? 443 : 80;
	if (!host_ok(host, ret->host_len) ||
	    (*end == ':' && parse_port(end + 1, &end, &ret->port)) ||
	    (*end && *end != '/' && *end != '?') || !path_ok(end))
		return -EINVAL;
	ret->origin_len = (size_t)(end - s);
	ret->path = end;
	ret->path_len = strcspn(end, "?");
	return 0;
}

bool sz_url_loopback(const struct sz_url *u)
{
	char host[HOST_MAX + 1];
	struct sz_addr a;

	if (u->host_len > HOST_MAX)
		return false;
	snprintf(host, sizeof(host), "%.*s", (int)u->host_len, u->host);
	if (!strcasecmp(host, "localhost") || !strcmp(host, "[::1]"))
		return true;
	return !strchr(host, ':') && !sz_addr_parse(host, &a) && a.b[12] == 127;
}
