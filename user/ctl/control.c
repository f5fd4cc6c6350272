/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The daemon's control socket: one JSON object a line in, one out. Called where the daemon itself
 * has to act (reload, flush), to merge what it says into status, and to leave audit records. No
 * other command depends on it.
 */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "ctl/ctl.h"

#define ANSWER_MAX (16u << 20)
#define SHORT_S    2
#define LONG_S     60 /* a reload reads every file anew */

/* NULL: a pin directory was named that is not this configuration's, so its daemon is unknown. */
static const char *socket_path(struct sz_ctl *c)
{
	const char *path = sz_ctl_value(&c->args, "control");
	const char *dir = sz_ctl_value(&c->args, "pin-dir");
	const struct sz_conf *conf;

	if (path)
		return path;
	conf = sz_ctl_conf(c);
	if (dir && strcmp(dir, conf ? conf->pin_dir : SZ_KERN_PIN_DIR) != 0)
		return NULL;
	return conf ? conf->control : "/run/subzero/control.sock";
}

static int dial(const char *path, int timeout_s, struct sz_error *e)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct timeval tv = {.tv_sec = timeout_s};
	int fd, err;

	if (!path)
		return sz_error_set(e, -EINVAL,
				    "which daemon? Name its socket with --control, or "
				    "its configuration with --config");
	if (strlen(path) >= sizeof(addr.sun_path))
		return sz_error_set(e, -ENAMETOOLONG, "the control socket's path is too long: %s",
				    path);
	memcpy(addr.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return sz_error_set(e, -errno, "cannot make a socket: %s", strerror(errno));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
	if (!connect(fd, (struct sockaddr *)&addr, sizeof(addr)))
		return fd;
	err = -errno;
	close(fd);
	if (err == -ENOENT || err == -ECONNREFUSED)
		return sz_error_set(e, err,
				    "the daemon does not answer at %.200s: is subzerod "
				    "running, and is this its socket (--control)?",
				    path);
	return sz_error_set(e, err, "cannot reach the daemon at %.200s: %s", path, strerror(-err));
}

static int send_line(int fd, json_t *request)
{
	char *text = json_dumps(request, JSON_COMPACT);
	struct sz_buf line = {0};
	size_t done = 0;
	int err = 0;

	if (!text)
		return -EINVAL;
	sz_buf_printf(&line, "%s\n", text);
	free(text);
	while (!err && done < line.len) {
		ssize_t n = send(fd, line.data + done, line.len - done, MSG_NOSIGNAL);

		if (n >= 0)
			done += (size_t)n;
		else if (errno != EINTR)
			err = -errno;
	}
	sz_buf_done(&line);
	return err;
}

static int read_line(int fd, struct sz_buf *b)
{
	for (;;) {
		ssize_t n;

		sz_buf_reserve(b, 4096);
		n = recv(fd, b->data + b->len, 4096, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		if (!n)
			return -ECONNRESET;
		b->len += (size_t)n;
		b->data[b->len] = 0;
		if (b->data[b->len - 1] == '\n')
			return 0;
		if (b->len > ANSWER_MAX)
			return -EMSGSIZE;
	}
}

json_t *sz_ctl_ask(struct sz_ctl *c, json_t *request, int timeout_s, struct sz_error *e)
{
	int fd = dial(socket_path(c), timeout_s, e), err;
	struct sz_buf line = {0};
	json_t *answer = NULL;
	const char *why;

	if (fd < 0)
		goto out;
	err = send_line(fd, request);
	if (!err)
		err = read_line(fd, &line);
	close(fd);
	if (err) {
		sz_error_set(e, err, "no answer from the daemon: %s", strerror(-err));
		goto out;
	}
	answer = sz_json_parse(line.data, line.len, e);
	if (answer && !json_is_true(json_object_get(answer, "ok"))) {
		why = json_string_value(json_object_get(answer, "error"));
		sz_error_set(e, -EREMOTEIO, "%.480s", why ? why : "the daemon refused");
		json_decref(answer);
		answer = NULL;
	}
out:
	sz_buf_done(&line);
	json_decref(request);
	return answer;
}

void sz_ctl_record(struct sz_ctl *c, const char *type, const char *fmt, ...)
{
	char detail[512];
	struct sz_error ignored;
	json_t *request;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(detail, sizeof(detail), fmt, ap);
	va_end(ap);
	request = json_pack("{s:s, s:s}", "cmd", "record", "type", type);
	json_object_set_new(request, "detail", sz_ctl_text(detail, strlen(detail)));
	json_decref(sz_ctl_ask(c, request, SHORT_S, &ignored));
}

/* ---- commands ------------------------------------------------------------------------------- */

static int ask_and_say(struct sz_ctl *c, const char *cmd, const char *done)
{
	struct sz_error e;
	json_t *answer = sz_ctl_ask(c, json_pack("{s:s}", "cmd", cmd), LONG_S, &e);

	if (!answer)
		return sz_ctl_fail("%s: %s", cmd, e.msg);
	if (c->json)
		return sz_ctl_print_json(answer);
	json_decref(answer);
	printf("%s\n", done);
	return SZ_CTL_OK;
}

int sz_ctl_cmd_reload(struct sz_ctl *c)
{
	return ask_and_say(c, "reload", "the configuration was read anew and is in force");
}

int sz_ctl_cmd_flush(struct sz_ctl *c)
{
	return ask_and_say(c, "flush",
			   "the audit log is on disk up to now, with a summary of all hits");
}
