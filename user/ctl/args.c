/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The command line, read by the table of commands: which one, its words and options, the help.
 * Pure: prints nothing. An option may stand before or after the command; what is not in the table
 * is an error that names the nearest thing that is.
 */
#include <stdio.h>
#include <string.h>

#include "ctl/ctl.h"

const struct sz_ctl_option sz_ctl_globals[] = {
	{"pin-dir", 0, "DIR", "where the maps are pinned (default " SZ_KERN_PIN_DIR ")"},
	{"config", 'c', "FILE", "configuration (default " SZ_CTL_CONFIG ")"},
	{"control", 0, "SOCKET", "the daemon's control socket"},
	{"json", 0, NULL, "JSON instead of tables"},
	{"no-color", 0, NULL, "no colours, also on a terminal"},
	{"help", 'h', NULL, "this help"},
	{"version", 0, NULL, "print the version"},
	{NULL, 0, NULL, NULL},
};

/* ---- the nearest word ----------------------------------------------------------------------- */

#define WORD_MAX 40

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
	a = a < b ? a : b;
	return a < c ? a : c;
}

/* Optimal string alignment: insertions, deletions, substitutions, swaps of neighbours. */
static unsigned distance(const char *a, const char *b)
{
	unsigned d[WORD_MAX + 1][WORD_MAX + 1], i, j;
	unsigned n = (unsigned)strnlen(a, WORD_MAX), m = (unsigned)strnlen(b, WORD_MAX);

	for (i = 0; i <= n; i++)
		d[i][0] = i;
	for (j = 0; j <= m; j++)
		d[0][j] = j;
	for (i = 1; i <= n; i++) {
		for (j = 1; j <= m; j++) {
			unsigned cost = a[i - 1] != b[j - 1];

			d[i][j] = min3(d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + cost);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    d[i - 2][j - 2] + 1 < d[i][j])
				d[i][j] = d[i - 2][j - 2] + 1;
		}
	}
	return d[n][m];
}

const char *sz_ctl_suggest(const char *word, const char *const *list)
{
	unsigned best = 0, len = (unsigned)strlen(word);
	const char *found = NULL;

	for (; *list; list++) {
		unsigned d = distance(word, *list);

		/* "stat" means status: a beginning is nearer than its length says */
		if (len >= 2 && !strncmp(word, *list, len))
			d = 1;
		if (d <= 1 + len / 4 && (!found || d < best)) {
			found = *list;
			best = d;
		}
	}
	return found;
}

#define LIST_MAX 64

static int unknown(const char *what, const char *word, const char *const *list, const char *help,
		   struct sz_error *e)
{
	const char *near = sz_ctl_suggest(word, list);

	if (near)
		return sz_error_set(e, -EINVAL, "unknown %s '%.100s'; did you mean '%s'?", what,
				    word, near);
	return sz_error_set(e, -EINVAL, "unknown %s '%.100s'; see 'subzeroctl%s%s --help'", what,
			    word, help ? " " : "", help ? help : "");
}

/* ---- commands ------------------------------------------------------------------------------- */

static int find_group(const struct sz_ctl_command *table, const char *word, struct sz_ctl_args *ret,
		      struct sz_error *e)
{
	const char *list[LIST_MAX + 1];
	size_t n = 0;

	for (; table->name; table++) {
		if (!strcmp(table->name, word)) {
			ret->group = table->name;
			if (!table->sub)
				ret->cmd = table;
			return 0;
		}
		if (n < LIST_MAX && (!n || strcmp(list[n - 1], table->name)))
			list[n++] = table->name;
	}
	list[n] = NULL;
	return unknown("command", word, list, NULL, e);
}

static int find_sub(const struct sz_ctl_command *table, const char *word, struct sz_ctl_args *ret,
		    struct sz_error *e)
{
	const char *list[LIST_MAX + 1];
	char what[WORD_MAX + 16];
	size_t n = 0;

	for (; table->name; table++) {
		if (strcmp(table->name, ret->group))
			continue;
		if (!strcmp(table->sub, word)) {
			ret->cmd = table;
			return 0;
		}
		if (n < LIST_MAX)
			list[n++] = table->sub;
	}
	list[n] = NULL;
	snprintf(what, sizeof(what), "'%s' command", ret->group);
	return unknown(what, word, list, ret->group, e);
}

/* No second word came: the one that is meant then, if there is one. */
static int find_bare(const struct sz_ctl_command *table, struct sz_ctl_args *ret,
		     struct sz_error *e)
{
	struct sz_buf list = {0};
	int err;

	for (; table->name; table++) {
		if (strcmp(table->name, ret->group))
			continue;
		if (table->bare) {
			ret->cmd = table;
			return 0;
		}
		sz_buf_printf(&list, "%s%s", list.len ? ", " : "", table->sub);
	}
	err = sz_error_set(e, -EINVAL, "'%s' needs one of: %s", ret->group, list.data);
	sz_buf_done(&list);
	return err;
}

/* ---- options -------------------------------------------------------------------------------- */

static const struct sz_ctl_option *in_list(const struct sz_ctl_option *o, const char *name,
					   size_t n, char letter)
{
	for (; o && o->name; o++)
		if (letter ? o->letter == letter
			   : strlen(o->name) == n && !memcmp(o->name, name, n))
			return o;
	return NULL;
}

/* Of the command, of any command of a group that is not told apart yet, or global. */
static const struct sz_ctl_option *find_option(const struct sz_ctl_command *table,
					       const struct sz_ctl_args *a, const char *name,
					       size_t n, char letter)
{
	const struct sz_ctl_option *o = NULL;

	if (a->cmd)
		o = in_list(a->cmd->options, name, n, letter);
	for (; !a->cmd && a->group && !o && table->name; table++)
		if (table->bare && !strcmp(table->name, a->group))
			o = in_list(table->options, name, n, letter);
	return o ? o : in_list(sz_ctl_globals, name, n, letter);
}

static int unknown_option(const struct sz_ctl_args *a, const char *word, struct sz_error *e)
{
	const struct sz_ctl_option *o;
	const char *list[LIST_MAX + 1];
	char near[WORD_MAX + 8];
	size_t n = 0;

	for (o = a->cmd ? a->cmd->options : NULL; o && o->name && n < LIST_MAX; o++)
		list[n++] = o->name;
	for (o = sz_ctl_globals; o->name && n < LIST_MAX; o++)
		list[n++] = o->name;
	list[n] = NULL;
	if (word[1] == '-' && sz_ctl_suggest(word + 2, list)) {
		snprintf(near, sizeof(near), "--%s", sz_ctl_suggest(word + 2, list));
		return sz_error_set(e, -EINVAL, "unknown option '%.100s'; did you mean '%s'?", word,
				    near);
	}
	if (!a->group)
		return sz_error_set(e, -EINVAL,
				    "unknown option '%.100s' before the command; options of a "
				    "command follow it",
				    word);
	return unknown("option", word, list + n, a->group, e);
}

/* Reads argv[*i], which begins with a dash, and its value. */
static int read_option(const struct sz_ctl_command *table, int argc, char *const *argv, int *i,
		       struct sz_ctl_args *ret, struct sz_error *e)
{
	const char *word = argv[*i], *value = NULL;
	const struct sz_ctl_option *o;

	if (word[1] == '-') {
		size_t n = strcspn(word + 2, "=");

		o = find_option(table, ret, word + 2, n, 0);
		if (word[2 + n])
			value = word + 3 + n;
	} else {
		o = find_option(table, ret, NULL, 0, word[1]);
		if (word[2])
			value = word + 2;
	}
	if (!o)
		return unknown_option(ret, word, e);
	if (!o->value && value)
		return sz_error_set(e, -EINVAL, "option '--%s' takes no value", o->name);
	if (o->value && !value) {
		if (*i + 1 >= argc)
			return sz_error_set(e, -EINVAL, "option '%s' needs a value: %s", word,
					    o->value);
		value = argv[++*i];
	}
	if (ret->n_given == SZ_CTL_OPTIONS_MAX)
		return sz_error_set(e, -E2BIG, "more than %d options", SZ_CTL_OPTIONS_MAX);
	ret->given[ret->n_given].option = o;
	ret->given[ret->n_given++].value = value;
	return 0;
}

static int read_word(const struct sz_ctl_command *table, const char *word, struct sz_ctl_args *ret,
		     struct sz_error *e)
{
	if (!ret->group)
		return find_group(table, word, ret, e);
	if (!ret->cmd)
		return find_sub(table, word, ret, e);
	if (ret->n_words == ret->cmd->max || ret->n_words == SZ_CTL_WORDS_MAX)
		return sz_error_set(e, -EINVAL,
				    "'%.100s' is one word too many; see 'subzeroctl %s --help'",
				    word, ret->group);
	ret->word[ret->n_words++] = word;
	return 0;
}

int sz_ctl_parse(const struct sz_ctl_command *table, int argc, char *const *argv,
		 struct sz_ctl_args *ret, struct sz_error *e)
{
	bool options = true;
	int i, err = 0;

	memset(ret, 0, sizeof(*ret));
	for (i = 1; !err && i < argc; i++) {
		if (options && !strcmp(argv[i], "--"))
			options = false;
		else if (options && argv[i][0] == '-' && argv[i][1])
			err = read_option(table, argc, argv, &i, ret, e);
		else
			err = read_word(table, argv[i], ret, e);
	}
	if (err || sz_ctl_has(ret, "help") || sz_ctl_has(ret, "version"))
		return err;
	if (!ret->group)
		return sz_error_set(e, -EINVAL, "which command? See 'subzeroctl --help'");
	if (!ret->cmd)
		err = find_bare(table, ret, e);
	if (!err && ret->cmd && ret->n_words < ret->cmd->min)
		err = sz_error_set(e, -EINVAL, "'%s' needs %s; see 'subzeroctl %s --help'",
				   ret->cmd->sub ? ret->cmd->sub : ret->group, ret->cmd->words,
				   ret->group);
	return err;
}

const char *sz_ctl_value_at(const struct sz_ctl_args *a, const char *option, unsigned i)
{
	unsigned k;

	for (k = 0; k < a->n_given; k++)
		if (!strcmp(a->given[k].option->name, option) && !i--)
			return a->given[k].value;
	return NULL;
}

bool sz_ctl_has(const struct sz_ctl_args *a, const char *option)
{
	unsigned k;

	for (k = 0; k < a->n_given; k++)
		if (!strcmp(a->given[k].option->name, option))
			return true;
	return false;
}

const char *sz_ctl_value(const struct sz_ctl_args *a, const char *option)
{
	const char *value = NULL, *v;
	unsigned i;

	for (i = 0; (v = sz_ctl_value_at(a, option, i)) != NULL; i++)
		value = v;
	return value;
}

/* ---- help ----------------------------------------------------------------------------------- */

static void help_options(const struct sz_ctl_option *o, struct sz_buf *b)
{
	for (; o && o->name; o++) {
		char left[WORD_MAX + 24], letter[8] = "";

		if (o->letter)
			snprintf(letter, sizeof(letter), "-%c, ", o->letter);
		snprintf(left, sizeof(left), "%s--%s%s%s", letter, o->name, o->value ? " " : "",
			 o->value ? o->value : "");
		sz_buf_printf(b, "  %-24s %s\n", left, o->help);
	}
}

static void help_line(const struct sz_ctl_command *cmd, struct sz_buf *b)
{
	char left[2 * WORD_MAX];

	snprintf(left, sizeof(left), "%s%s%s%s%s", cmd->name, cmd->sub ? " " : "",
		 cmd->sub ? cmd->sub : "", *cmd->words ? " " : "", cmd->words);
	sz_buf_printf(b, "  %-34s %s\n", left, cmd->summary);
}

void sz_ctl_help(const struct sz_ctl_command *table, const struct sz_ctl_args *a,
		 struct sz_buf *ret)
{
	const struct sz_ctl_command *cmd = a->cmd;

	if (cmd) {
		sz_buf_printf(ret, "Usage: subzeroctl %s%s%s%s%s%s\n\n%s.\n", cmd->name,
			      cmd->sub ? " " : "", cmd->sub ? cmd->sub : "",
			      cmd->options ? " [OPTIONS]" : "", *cmd->words ? " " : "", cmd->words,
			      cmd->summary);
		if (cmd->options) {
			sz_buf_printf(ret, "\nOptions:\n");
			help_options(cmd->options, ret);
		}
	} else {
		sz_buf_printf(ret, "Usage: subzeroctl [OPTIONS] COMMAND ...\n\nCommands:\n");
		for (; table->name; table++)
			if (!a->group || !strcmp(a->group, table->name))
				help_line(table, ret);
	}
	sz_buf_printf(ret, "\nFor every command:\n");
	help_options(sz_ctl_globals, ret);
	sz_buf_printf(ret, "\nExit status: 0 done, 1 failed or the answer is no, 2 usage. "
			   "See subzeroctl(8).\n");
}
