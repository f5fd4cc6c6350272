/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * audit key: who signs the log, as the daemon has listed it beside the log; and what other commands
 * are given from outside, a public key or a checkpoint. Never touches a private key: only the
 * daemon changes it.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "audit/audit.h"
#include "ctl/ctl.h"

#define FILE_MAX (1u << 20)
#define ASK_S    60

int sz_ctl_audit_key(const char *arg, struct sz_audit_vkey *ret, struct sz_error *e)
{
	struct sz_error not_a_file;
	struct sz_buf text = {0};
	int err;

	if (!sz_audit_vkey_parse(arg, strlen(arg), ret, e))
		return 0;
	if (strchr(arg, '+') && access(arg, F_OK))
		return -EINVAL;
	err = sz_file_read(arg, FILE_MAX, &text, &not_a_file);
	if (err)
		err = sz_error_set(e, err, "%s", not_a_file.msg);
	else
		err = sz_audit_vkey_parse(text.data, strcspn(text.data, " \n"), ret, e);
	sz_buf_done(&text);
	return err;
}

int sz_ctl_audit_checkpoint(const char *path, struct sz_buf *text, struct sz_audit_checkpoint *ret,
			    struct sz_error *e)
{
	int err = sz_file_read(strcmp(path, "-") != 0 ? path : "/dev/stdin", FILE_MAX, text, e);

	if (!err && sz_audit_checkpoint_parse(text->data, text->len, ret) != (ssize_t)text->len)
		err = sz_error_set(e, -EBADMSG, "%s does not hold one checkpoint", path);
	return err;
}

/* Where the key began and ended, by records; `until` is NULL for the one in force. */
static int add_row(struct sz_ctl_table *t, char *line)
{
	char *key = strtok(line, " "), *from = strtok(NULL, " "), *until = strtok(NULL, " ");
	u64 first, last = 0;

	if (!until || sz_ctl_parse_u64(from, UINT64_MAX, &first) ||
	    (strcmp(until, "-") != 0 && sz_ctl_parse_u64(until, UINT64_MAX, &last)))
		return -EBADMSG;
	sz_ctl_cell_u64(t, first);
	if (strcmp(until, "-") != 0)
		sz_ctl_cell_u64(t, last);
	else
		sz_ctl_cell(t, NULL, "in force");
	sz_ctl_cell_text(t, key);
	return 0;
}

static int show(struct sz_ctl *c)
{
	static const struct sz_ctl_column columns[] = {
		{"from", "FROM RECORD", SZ_CTL_RIGHT},
		{"until", "TO RECORD", SZ_CTL_RIGHT},
		{"key", "KEY", 0},
	};
	struct sz_buf path = {0}, text = {0};
	struct sz_ctl_table t;
	struct sz_error e;
	char *line, *next;
	int err, ret;

	sz_buf_printf(&path, "%s/keys", sz_ctl_audit_dir(c));
	err = sz_file_read(path.data, FILE_MAX, &text, &e);
	sz_ctl_table_init(&t, columns, SZ_ARRAY_LEN(columns));
	for (line = text.data; !err && line && *line; line = next) {
		next = line + strcspn(line, "\n");
		if (*next)
			*next++ = '\0';
		err = add_row(&t, line);
		if (err)
			sz_error_set(&e, err, "%s is damaged; 'audit verify' finds the keys in the "
				     "log itself", path.data);
	}
	ret = err ? sz_ctl_fail("%s", e.msg) : sz_ctl_print(c, &t, "no key yet");
	sz_ctl_table_done(&t);
	sz_buf_done(&path);
	sz_buf_done(&text);
	return ret;
}

int sz_ctl_cmd_audit_key(struct sz_ctl *c)
{
	struct sz_error e;
	json_t *answer;

	if (sz_ctl_has(&c->args, "rotate")) {
		if (c->args.n_words)
			return sz_ctl_usage("--rotate speaks to the daemon, which knows its "
					    "directory");
		answer = sz_ctl_ask(c, json_pack("{s:s}", "cmd", "change_key"), ASK_S, &e);
		if (!answer)
			return sz_ctl_fail("the key stays: %s", e.msg);
		json_decref(answer);
	}
	return show(c);
}
