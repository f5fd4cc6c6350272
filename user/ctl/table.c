/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Rows, shown twice from one source: as an aligned table for people and as a JSON array of objects
 * for programs. Called by every command that lists. Pure: prints nothing.
 */
#include <stdio.h>
#include <string.h>

#include "ctl/ctl.h"

#define SHRUNK_MIN 8 /* a column is never cut below this */
#define GAP        2

void sz_ctl_table_init(struct sz_ctl_table *t, const struct sz_ctl_column *columns, size_t n)
{
	*t = (struct sz_ctl_table){.columns = columns, .n_columns = n};
}

void sz_ctl_table_done(struct sz_ctl_table *t)
{
	size_t i;

	for (i = 0; i < t->n; i++) {
		json_decref(t->cells[i].value);
		free(t->cells[i].text);
	}
	free(t->cells);
	memset(t, 0, sizeof(*t));
}

static void add_cell(struct sz_ctl_table *t, json_t *value, const char *text, size_t n)
{
	struct sz_buf b = {0};

	if (t->n == t->room) {
		t->room = t->room ? 2 * t->room : 64;
		t->cells = sz_realloc(t->cells, t->room, sizeof(*t->cells));
	}
	sz_buf_reserve(&b, n + 1);
	sz_ctl_clean(&b, text, n);
	t->cells[t->n++] = (struct sz_ctl_cell){.value = value, .text = b.data};
}

void sz_ctl_cell(struct sz_ctl_table *t, json_t *value, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	add_cell(t, value, text, strlen(text));
}

void sz_ctl_cell_text(struct sz_ctl_table *t, const char *s)
{
	add_cell(t, sz_ctl_text(s, strlen(s)), s, strlen(s));
}

void sz_ctl_cell_u64(struct sz_ctl_table *t, u64 v)
{
	sz_ctl_cell(t, json_integer((json_int_t)v), "%llu", (unsigned long long)v);
}

void sz_ctl_cell_age(struct sz_ctl_table *t, u64 then_ns, u64 now_ns)
{
	u64 age = now_ns > then_ns ? now_ns - then_ns : 0;
	char s[SZ_CTL_TEXT_MAX];

	if (then_ns)
		sz_ctl_cell(t, json_integer((json_int_t)(age / 1000000)), "%s", sz_ctl_age(age, s));
	else
		sz_ctl_cell(t, NULL, "never");
}

void sz_ctl_cell_colour(struct sz_ctl_table *t, enum sz_ctl_colour colour)
{
	t->cells[t->n - 1].colour = colour;
}

json_t *sz_ctl_table_json(const struct sz_ctl_table *t)
{
	json_t *rows = json_array(), *row = NULL;
	size_t i;

	for (i = 0; i < t->n; i++) {
		const struct sz_ctl_column *col = &t->columns[i % t->n_columns];

		if (i % t->n_columns == 0) {
			row = json_object();
			json_array_append_new(rows, row);
		}
		if (col->key)
			json_object_set_new(row, col->key,
					    t->cells[i].value ? json_incref(t->cells[i].value)
							      : json_null());
	}
	return rows;
}

/* Characters on the terminal: bytes that do not continue a UTF-8 sequence. */
static size_t text_width(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += ((u8)*s & 0xc0) != 0x80;
	return n;
}

/* Cuts the widest columns that may be cut until the line fits. */
static void fit(const struct sz_ctl_table *t, size_t *widths, size_t width)
{
	for (;;) {
		size_t total = 0, widest = t->n_columns, i;

		for (i = 0; i < t->n_columns; i++) {
			if (!t->columns[i].title)
				continue;
			total += widths[i] + (total ? GAP : 0);
			if ((t->columns[i].flags & SZ_CTL_SHRINK) && widths[i] > SHRUNK_MIN &&
			    (widest == t->n_columns || widths[i] > widths[widest]))
				widest = i;
		}
		if (!width || total <= width || widest == t->n_columns)
			return;
		widths[widest]--;
	}
}

static void add_padding(struct sz_buf *b, size_t n)
{
	sz_buf_printf(b, "%*s", (int)n, "");
}

/* s in exactly `width` characters, or as it is where it comes last. */
static void add_text(struct sz_buf *b, const char *s, size_t width, bool right, bool last)
{
	size_t n = text_width(s), kept = 0, bytes = 0;

	if (n > width) {
		for (; s[bytes]; bytes++) {
			if (((u8)s[bytes] & 0xc0) != 0x80 && kept++ == width - 1)
				break;
		}
		sz_buf_add(b, s, bytes);
		sz_buf_printf(b, "\xe2\x80\xa6"); /* an ellipsis */
		return;
	}
	if (right)
		add_padding(b, width - n);
	sz_buf_printf(b, "%s", s);
	if (!right && !last)
		add_padding(b, width - n);
}

static const char *const escape[] = {
	[SZ_CTL_PLAIN] = "",          [SZ_CTL_RED] = "\033[31m", [SZ_CTL_GREEN] = "\033[32m",
	[SZ_CTL_YELLOW] = "\033[33m", [SZ_CTL_DIM] = "\033[2m",
};

static size_t last_shown(const struct sz_ctl_table *t)
{
	size_t i = t->n_columns;

	while (i && !t->columns[i - 1].title)
		i--;
	return i - 1;
}

void sz_ctl_table_render(const struct sz_ctl_table *t, unsigned width, bool colour,
			 struct sz_buf *ret)
{
	size_t *widths, last, i;

	if (!t->n_columns)
		return;
	widths = sz_calloc(t->n_columns, sizeof(*widths));
	last = last_shown(t);
	for (i = 0; i < t->n_columns; i++)
		widths[i] = t->columns[i].title ? text_width(t->columns[i].title) : 0;
	for (i = 0; i < t->n; i++) {
		size_t n = text_width(t->cells[i].text);

		if (n > widths[i % t->n_columns])
			widths[i % t->n_columns] = n;
	}
	fit(t, widths, width);
	for (i = 0; i < t->n_columns + t->n; i++) {
		size_t col = i % t->n_columns;
		const struct sz_ctl_cell *cell =
			i < t->n_columns ? NULL : &t->cells[i - t->n_columns];
		bool painted = colour && cell && cell->colour;

		if (!t->columns[col].title)
			goto end;
		sz_buf_printf(ret, "%s", painted ? escape[cell->colour] : "");
		add_text(ret, cell ? cell->text : t->columns[col].title, widths[col],
			 t->columns[col].flags & SZ_CTL_RIGHT, col == last);
		sz_buf_printf(ret, "%s", painted ? "\033[0m" : "");
		if (col != last)
			add_padding(ret, GAP);
	end:
		if (col == t->n_columns - 1)
			sz_buf_printf(ret, "\n");
	}
	free(widths);
}
