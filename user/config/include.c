/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Policy files beside the configuration: routes of a service in a file of their own. Called once
 * the configuration itself is read. A directory stands for its *.yaml files in the order of their
 * names; a pattern that finds nothing is an error, since a policy that is not there protects
 * nothing. *.test.yaml are tests of the policy (subzeroctl policy test) and none themselves.
 */
#include <dirent.h>
#include <string.h>
#include <sys/stat.h>

#include "config/config_priv.h"

#define FILES_MAX 256

struct part {
	char *service;
	yaml_node_t *routes;
	u32 line; /* of the service's name */
};

static int read_service(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
			void *obj)
{
	((struct part *)obj)->line = sz_conf_line(v);
	return sz_conf_read_text(r, f, v, obj);
}

static int keep_routes(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
		       void *obj)
{
	(void)r;
	(void)f;
	((struct part *)obj)->routes = v;
	return 0;
}

static const struct sz_conf_field part_fields[] = {
	{"service", read_service, .off = offsetof(struct part, service), .required = true},
	{"routes", .read = keep_routes, .required = true},
};

static int read_part(struct sz_conf_reader *r, struct part *p)
{
	struct sz_conf *c = r->conf;
	size_t i;

	if (sz_conf_map(r, "the file", yaml_document_get_root_node(&r->doc), part_fields,
			SZ_ARRAY_LEN(part_fields), p))
		return -EINVAL;
	for (i = 0; i < c->n_services && strcmp(c->services[i].name, p->service); i++)
		;
	if (i == c->n_services)
		return sz_conf_fail(r, p->line,
				    "%.200s has no service \"%.64s\"; add it there or correct the "
				    "name",
				    c->path, p->service);
	return sz_conf_more_routes(r, p->routes, &c->services[i]);
}

static int read_file(struct sz_conf *c, const char *path, struct sz_error *e)
{
	struct sz_conf_reader r = {.name = path, .e = e, .conf = c};
	struct sz_buf text = {0};
	struct part p = {0};
	int err;

	if (c->policy.n_files == FILES_MAX)
		return sz_error_set(e, -E2BIG, "%s:%u: more than %d policy files", c->path,
				    c->policy.line, FILES_MAX);
	c->policy.files = sz_realloc(c->policy.files, c->policy.n_files + 1, sizeof(char *));
	c->policy.files[c->policy.n_files++] = sz_strdup(path);
	err = sz_file_read(path, SZ_CONF_MAX, &text, e);
	if (!err)
		err = sz_conf_open(&r, text.data, text.len);
	if (!err) {
		err = read_part(&r, &p);
		if (!err)
			err = sz_conf_check_routes(&r, c);
		sz_conf_close(&r);
	}
	free(p.service);
	sz_buf_done(&text);
	return err;
}

static int is_policy(const struct dirent *d)
{
	size_t n = strlen(d->d_name);

	return d->d_name[0] != '.' && n > 5 && !strcmp(d->d_name + n - 5, ".yaml") &&
	       !(n > 10 && !strcmp(d->d_name + n - 10, ".test.yaml"));
}

static int read_directory(struct sz_conf *c, const char *path, struct sz_error *e)
{
	struct dirent **list;
	int n = scandir(path, &list, is_policy, alphasort), i, err = 0;

	if (n < 0)
		return sz_error_set(e, -errno, "cannot read the directory %s: %m", path);
	if (!n)
		err = sz_error_set(e, -ENOENT,
				   "%s:%u: %s has no *.yaml file; put the policy there or remove "
				   "it from include",
				   c->path, c->policy.line, path);
	for (i = 0; i < n; i++) {
		struct sz_buf file = {0};

		sz_buf_printf(&file, "%s/%s", path, list[i]->d_name);
		if (!err)
			err = read_file(c, file.data, e);
		sz_buf_done(&file);
		free(list[i]);
	}
	free(list);
	return err;
}

int sz_conf_include(struct sz_conf *c, struct sz_error *e)
{
	const char *slash = strrchr(c->path, '/');
	size_t i;
	int err = 0;

	for (i = 0; i < c->policy.n_include && !err; i++) {
		const char *s = c->policy.include[i];
		struct sz_buf path = {0};
		struct stat st;

		if (s[0] != '/' && slash)
			sz_buf_printf(&path, "%.*s/", (int)(slash - c->path), c->path);
		sz_buf_printf(&path, "%s", s);
		if (!stat(path.data, &st) && S_ISDIR(st.st_mode))
			err = read_directory(c, path.data, e);
		else
			err = read_file(c, path.data, e);
		sz_buf_done(&path);
	}
	return err;
}
