/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Messages for people: the text of a struct sz_error and the log. Called from everywhere and from
 * any thread. A message is one line and one write(2), so lines of several threads never mix; bytes
 * that could forge a second line or drive a terminal never reach it.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/core.h"

static _Atomic int log_level = SZ_LOG_INFO;

int sz_error_set(struct sz_error *e, int err, const char *fmt, ...)
{
	char msg[sizeof(e->msg)];
	va_list ap;

	if (!e)
		return err;
	/* By way of a second buffer, so that an argument may be the old message itself. */
	va_start(ap, fmt);
	vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	memcpy(e->msg, msg, sizeof(msg));
	return err;
}

void sz_log_level_set(enum sz_log_level level)
{
	atomic_store_explicit(&log_level, (int)level, memory_order_relaxed);
}

static const char *level_name(enum sz_log_level level)
{
	switch (level) {
	case SZ_LOG_ERR:
		return "error: ";
	case SZ_LOG_WARNING:
		return "warning: ";
	case SZ_LOG_DEBUG:
		return "debug: ";
	case SZ_LOG_NOTICE:
	case SZ_LOG_INFO:
		break;
	}
	return "";
}

static size_t log_prefix(char *line, size_t size, enum sz_log_level level)
{
	int n;

	if (getenv("JOURNAL_STREAM"))
		n = snprintf(line, size, "<%d>", (int)level);
	else
		n = snprintf(line, size, "%.64s: %s", program_invocation_short_name,
			     level_name(level));
	return n > 0 ? (size_t)n : 0;
}

void sz_log(enum sz_log_level level, const char *fmt, ...)
{
	char line[2048];
	size_t start, end, i, done = 0;
	int n, saved = errno;
	va_list ap;

	if ((int)level > atomic_load_explicit(&log_level, memory_order_relaxed))
		return;
	start = log_prefix(line, sizeof(line), level);
	va_start(ap, fmt);
	errno = saved; /* for %m */
	n = vsnprintf(line + start, sizeof(line) - start, fmt, ap);
	va_end(ap);
	end = start + (n > 0 ? (size_t)n : 0);
	if (end > sizeof(line) - 1)
		end = sizeof(line) - 1;
	for (i = start; i < end; i++)
		if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
			line[i] = ' ';
	line[end++] = '\n';
	while (done < end) {
		ssize_t w = write(STDERR_FILENO, line + done, end - done);

		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0)
			break;
		done += (size_t)w;
	}
	errno = saved;
}
