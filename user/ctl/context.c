/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What every command starts from: the terminal, the configuration, the pinned maps and the names in
 * them, a token from the command line. Called by every command. The configuration is only a source
 * of defaults here: what needs nothing but maps must work without it.
 */
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "subzero/digest.h"

#include "ctl/ctl.h"

void sz_ctl_init(struct sz_ctl *c)
{
	bool tty = isatty(STDOUT_FILENO);
	const char *term = getenv("TERM"), *no_color = getenv("NO_COLOR");
	struct winsize ws;

	c->json = sz_ctl_has(&c->args, "json");
	c->colour = tty && !c->json && !sz_ctl_has(&c->args, "no-color") &&
		    !(no_color && *no_color) && term && strcmp(term, "dumb") != 0;
	if (tty && !ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws))
		c->width = ws.ws_col;
}

void sz_ctl_done(struct sz_ctl *c)
{
	sz_kern_close(c->kern);
	sz_conf_free(c->conf);
}

/* ---- what people see ------------------------------------------------------------------------ */

static void say(const char *fmt, va_list ap)
{
	char msg[1024];
	struct sz_buf b = {0};

	vsnprintf(msg, sizeof(msg), fmt, ap);
	sz_ctl_clean(&b, msg, strlen(msg));
	fflush(stdout);
	fprintf(stderr, "subzeroctl: %s\n", b.data ? b.data : "failed");
	sz_buf_done(&b);
}

int sz_ctl_fail(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(fmt, ap);
	va_end(ap);
	return SZ_CTL_FAILED;
}

int sz_ctl_usage(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(fmt, ap);
	va_end(ap);
	return SZ_CTL_USAGE;
}

void sz_ctl_note(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(fmt, ap);
	va_end(ap);
}

int sz_ctl_print_json(json_t *v)
{
	int err =
		json_dumpf(v, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(12));

	json_decref(v);
	putchar('\n');
	return err ? sz_ctl_fail("the answer cannot be written as JSON") : SZ_CTL_OK;
}

int sz_ctl_print(struct sz_ctl *c, struct sz_ctl_table *t, const char *nothing)
{
	struct sz_buf out = {0};
	int err = SZ_CTL_OK;

	if (c->json) {
		err = sz_ctl_print_json(sz_ctl_table_json(t));
	} else if (!t->n) {
		printf("%s\n", nothing);
	} else {
		sz_ctl_table_render(t, c->width, c->colour, &out);
		fwrite(out.data, 1, out.len, stdout);
		sz_buf_done(&out);
	}
	sz_ctl_table_done(t);
	return err;
}

/* ---- configuration and maps ----------------------------------------------------------------- */

const struct sz_conf *sz_ctl_conf(struct sz_ctl *c)
{
	const char *path = sz_ctl_value(&c->args, "config");

	if (c->conf_tried)
		return c->conf;
	c->conf_tried = true;
	c->conf = sz_conf_load(path ? path : SZ_CTL_CONFIG, &c->conf_error);
	return c->conf;
}

const char *sz_ctl_pin_dir(struct sz_ctl *c)
{
	const char *dir = sz_ctl_value(&c->args, "pin-dir");

	if (dir)
		return dir;
	return sz_ctl_conf(c) ? c->conf->pin_dir : SZ_KERN_PIN_DIR;
}

int sz_ctl_open(struct sz_ctl *c, struct sz_error *e)
{
	const char *dir;
	int err;

	if (c->kern)
		return 0;
	dir = sz_ctl_pin_dir(c);
	if (c->conf_tried && !c->conf && sz_ctl_has(&c->args, "config"))
		return sz_error_set(e, -EINVAL, "%s", c->conf_error.msg);
	err = sz_kern_open(dir, &c->kern, e);
	if (err == -ENOENT && c->conf_tried && !c->conf && !access(SZ_CTL_CONFIG, F_OK))
		sz_error_set(e, err, "%.300s (the configuration was not used: %.180s)", e->msg,
			     c->conf_error.msg);
	return err;
}

static int keep_row(const void *key, const void *value, void *arg)
{
	struct sz_ctl_rows *r = arg;
	char *row;

	if (r->n == r->room) {
		r->room = r->room ? 2 * r->room : 256;
		r->data = sz_realloc(r->data, r->room, r->size);
	}
	row = r->data + r->n++ * r->size;
	memcpy(row, key, r->key_size);
	memcpy(row + r->key_size, value, r->size - r->key_size);
	return 0;
}

int sz_ctl_read(struct sz_ctl *c, enum sz_map m, size_t key_size, size_t value_size,
		struct sz_ctl_rows *ret, struct sz_error *e)
{
	int err;

	*ret = (struct sz_ctl_rows){.key_size = key_size, .size = key_size + value_size};
	err = sz_ctl_open(c, e);
	if (err)
		return err;
	err = sz_map_each(c->kern, m, keep_row, ret);
	if (!err)
		return 0;
	free(ret->data);
	*ret = (struct sz_ctl_rows){.key_size = key_size};
	sz_error_set(e, err, "cannot read %s: %s", sz_kern_map_name(m), strerror(-err));
	return err;
}

static int count_row(const void *key, const void *value, void *arg)
{
	(void)key;
	(void)value;
	++*(u64 *)arg;
	return 0;
}

u64 sz_ctl_count(struct sz_ctl *c, enum sz_map m)
{
	u64 n = 0;

	sz_map_each(c->kern, m, count_row, &n);
	return n;
}

int sz_ctl_limit(struct sz_ctl *c, u64 people, u64 *ret)
{
	const char *n = sz_ctl_value(&c->args, "lines");

	*ret = c->json ? UINT64_MAX : people;
	if (!n)
		return 0;
	if (sz_ctl_parse_u64(n, UINT32_MAX, ret))
		return sz_ctl_usage("-n '%s' is not a number of rows; 0 shows all", n);
	if (!*ret)
		*ret = UINT64_MAX;
	return 0;
}

/* ---- names ---------------------------------------------------------------------------------- */

static bool find_name(struct sz_ctl *c, enum sz_name_kind kind, u32 service, u64 id,
		      char s[SZ_NAME_MAX])
{
	struct sz_name_key key = {.kind = kind, .service = service, .id = id};
	struct sz_name name;

	if (sz_map_get(c->kern, SZ_MAP_NAMES, &key, &name) || !name.s[0])
		return false;
	snprintf(s, SZ_NAME_MAX, "%.*s", SZ_NAME_MAX - 1, name.s);
	return true;
}

char *sz_ctl_service_name(struct sz_ctl *c, u32 service, char s[SZ_NAME_MAX])
{
	if (!find_name(c, SZ_NAME_SERVICE, service, service, s))
		snprintf(s, SZ_NAME_MAX, "%u", service);
	return s;
}

char *sz_ctl_route_name(struct sz_ctl *c, u32 service, u16 route, char s[SZ_NAME_MAX])
{
	if (route == SZ_ROUTE_NONE)
		snprintf(s, SZ_NAME_MAX, "-");
	else if (!find_name(c, SZ_NAME_ROUTE, service, route, s))
		snprintf(s, SZ_NAME_MAX, "%u", route);
	return s;
}

char *sz_ctl_principal_name(struct sz_ctl *c, u64 principal, char s[SZ_NAME_MAX])
{
	if (!principal)
		snprintf(s, SZ_NAME_MAX, "-");
	else if (!find_name(c, SZ_NAME_PRINCIPAL, 0, principal, s))
		sz_ctl_principal_hex(principal, s);
	return s;
}

static int compare_u32(const void *a, const void *b)
{
	u32 x = *(const u32 *)a, y = *(const u32 *)b;

	return x < y ? -1 : x > y;
}

size_t sz_ctl_services(struct sz_ctl *c, u32 **ret)
{
	struct sz_ctl_rows rows;
	struct sz_error e;
	size_t n = 0, i;
	u32 *ids;

	*ret = NULL;
	if (sz_ctl_read(c, SZ_MAP_SERVICES, sizeof(struct sz_service_key),
			sizeof(struct sz_service), &rows, &e))
		return 0;
	ids = sz_calloc(rows.n + 1, sizeof(*ids));
	for (i = 0; i < rows.n; i++) {
		struct sz_service svc;

		memcpy(&svc, rows.data + i * rows.size + rows.key_size, sizeof(svc));
		ids[i] = svc.id;
	}
	qsort(ids, rows.n, sizeof(*ids), compare_u32);
	for (i = 0; i < rows.n; i++)
		if (ids[i] && (!n || ids[n - 1] != ids[i]))
			ids[n++] = ids[i];
	free(rows.data);
	*ret = ids;
	return n;
}

u32 sz_ctl_service_find(struct sz_ctl *c, const char *name)
{
	char s[SZ_NAME_MAX];
	u32 *ids, found = 0;
	size_t n = sz_ctl_services(c, &ids), i;

	for (i = 0; i < n && !found; i++)
		if (!strcmp(sz_ctl_service_name(c, ids[i], s), name))
			found = ids[i];
	free(ids);
	return found;
}

/* ---- tokens --------------------------------------------------------------------------------- */

static int read_stdin(struct sz_buf *ret, struct sz_error *e)
{
	size_t n;

	do {
		sz_buf_reserve(ret, SZ_TOKEN_MAX + 2);
		n = fread(ret->data + ret->len, 1, SZ_TOKEN_MAX + 2, stdin);
		ret->len += n;
		ret->data[ret->len] = 0;
	} while (n && ret->len <= SZ_TOKEN_MAX + 2);
	return ferror(stdin) ? sz_error_set(e, -EIO, "cannot read the token from stdin") : 0;
}

int sz_ctl_token(const char *arg, struct sz_buf *ret, struct sz_error *e)
{
	size_t start = 0;
	int err = 0;

	sz_buf_reset(ret);
	if (!strcmp(arg, "-"))
		err = read_stdin(ret, e);
	else
		sz_buf_add(ret, arg, strlen(arg));
	if (err)
		return err;
	while (ret->len && strchr(" \t\r\n", ret->data[ret->len - 1]))
		ret->data[--ret->len] = 0;
	while (start < ret->len && strchr(" \t\r\n", ret->data[start]))
		start++;
	ret->len -= start;
	if (!ret->len)
		return sz_error_set(e, -EINVAL, "no token was given");
	memmove(ret->data, ret->data + start, ret->len + 1);
	if (ret->len > SZ_TOKEN_MAX)
		return sz_error_set(e, -E2BIG, "a token of more than %d bytes is never accepted",
				    SZ_TOKEN_MAX);
	return 0;
}

int sz_ctl_token_digest(struct sz_ctl *c, const struct sz_buf *token, struct sz_digest *ret)
{
	const struct sz_config *cfg = sz_kern_config(c->kern);
	u8 *frame;

	if (!cfg->abi)
		return -ENODATA;
	frame = sz_calloc(1, SZ_FRAME_MAX + 64);
	memcpy(frame, token->data, token->len);
	sz_token_digest(cfg->key, frame, 0, (u32)token->len, ret);
	free(frame);
	return 0;
}
