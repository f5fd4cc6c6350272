/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * From text to one plain YAML document, and the walk over its mappings and lists. Called by the
 * readers of this room only. Refuses what the schema has no use for and what can be used to hide
 * or to blow up content: anchors, aliases, tags, a second document, depth, repeated keys, bytes
 * that are not UTF-8 text. Never interprets a value.
 */
#include <stdio.h>
#include <string.h>

#include "config/config_priv.h"

size_t sz_conf_utf8(const char *p, size_t n)
{
	const u8 *b = (const u8 *)p;
	u32 c, min;
	size_t len, i;

	if (b[0] < 0x80)
		return 1;
	if (b[0] >= 0xc2 && b[0] < 0xe0)
		len = 2, c = b[0] & 0x1f, min = 0x80;
	else if (b[0] >= 0xe0 && b[0] < 0xf0)
		len = 3, c = b[0] & 0x0f, min = 0x800;
	else if (b[0] >= 0xf0 && b[0] < 0xf5)
		len = 4, c = b[0] & 0x07, min = 0x10000;
	else
		return 0;
	if (n < len)
		return 0;
	for (i = 1; i < len; i++) {
		if ((b[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (b[i] & 0x3f);
	}
	return c < min || c > 0x10ffff || (c >= 0xd800 && c < 0xe000) ? 0 : len;
}

int sz_conf_fail(struct sz_conf_reader *r, u32 line, const char *fmt, ...)
{
	char what[sizeof(r->e->msg)];
	va_list ap;
	size_t i, len;

	if (!r->e)
		return -EINVAL;
	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	sz_error_set(r->e, -EINVAL, "%.200s:%u: %s", r->name, line, what);
	/* Quoted text is cut by bytes; what is left of a character must not spoil the message. */
	for (i = 0; r->e->msg[i]; i += len ? len : 1) {
		len = sz_conf_utf8(r->e->msg + i, strlen(r->e->msg + i));
		if (!len)
			r->e->msg[i] = '?';
	}
	return -EINVAL;
}

u32 sz_conf_line(const yaml_node_t *v)
{
	return (u32)v->start_mark.line + 1;
}

/* Text only: libyaml would refuse these bytes, too, but could not say on which line they are. */
static int check_text(struct sz_conf_reader *r, const char *text, size_t n)
{
	u32 line = 1;
	size_t i, len;

	if (n > SZ_CONF_MAX)
		return sz_conf_fail(r, 1, "the file is larger than %u bytes; make it smaller",
				    SZ_CONF_MAX);
	for (i = 0; i < n; i += len) {
		u8 c = (u8)text[i];

		len = sz_conf_utf8(text + i, n - i);
		if (!len)
			return sz_conf_fail(r, line,
					    "byte 0x%02x is not UTF-8; save the file as UTF-8", c);
		if ((c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7f)
			return sz_conf_fail(r, line, "control character 0x%02x; remove it", c);
		line += c == '\n';
	}
	return 0;
}

static int fail_syntax(struct sz_conf_reader *r, const yaml_parser_t *p)
{
	return sz_conf_fail(
		r, (u32)p->problem_mark.line + 1,
		"this is not YAML (%s); look here and just above for wrong indentation, "
		"a tab, or a quote or bracket that is not closed",
		p->problem ? p->problem : "no memory");
}

/* Whether an event carries an anchor or a tag; where it opens or closes a level, *depth moves. */
static bool decorated(const yaml_event_t *ev, int *depth)
{
	switch (ev->type) {
	case YAML_SCALAR_EVENT:
		return ev->data.scalar.anchor || ev->data.scalar.tag;
	case YAML_SEQUENCE_START_EVENT:
		++*depth;
		return ev->data.sequence_start.anchor || ev->data.sequence_start.tag;
	case YAML_MAPPING_START_EVENT:
		++*depth;
		return ev->data.mapping_start.anchor || ev->data.mapping_start.tag;
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		--*depth;
		return false;
	default:
		return ev->type == YAML_ALIAS_EVENT;
	}
}

static int check_event(struct sz_conf_reader *r, const yaml_event_t *ev, int *depth, int *documents)
{
	u32 line = (u32)ev->start_mark.line + 1;

	if (decorated(ev, depth))
		return sz_conf_fail(
			r, line,
			"anchors (&), aliases (*) and tags (!) are not allowed; "
			"write the value out, in quotes if it begins with such a character");
	if (*depth > SZ_CONF_DEPTH_MAX)
		return sz_conf_fail(r, line,
				    "nested more than %d levels deep; nothing here needs that",
				    SZ_CONF_DEPTH_MAX);
	if (ev->type == YAML_DOCUMENT_START_EVENT && ++*documents > 1)
		return sz_conf_fail(r, line,
				    "a second document begins here; keep only one and remove "
				    "the \"---\"");
	return 0;
}

/* The document tree no longer shows anchors or further documents: look at the events first. */
static int check_events(struct sz_conf_reader *r, const char *text, size_t n)
{
	int depth = 0, documents = 0, err = 0;
	bool end = false;
	yaml_parser_t p;
	yaml_event_t ev;

	if (!yaml_parser_initialize(&p))
		return sz_conf_fail(r, 1, "no memory to read the file; free some");
	yaml_parser_set_encoding(&p, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&p, (const unsigned char *)text, n);
	while (!err && !end) {
		if (!yaml_parser_parse(&p, &ev)) {
			err = fail_syntax(r, &p);
			break;
		}
		end = ev.type == YAML_STREAM_END_EVENT;
		err = check_event(r, &ev, &depth, &documents);
		yaml_event_delete(&ev);
	}
	yaml_parser_delete(&p);
	return err;
}

int sz_conf_open(struct sz_conf_reader *r, const char *text, size_t n)
{
	yaml_parser_t p;
	int err = check_text(r, text, n);

	if (!err)
		err = check_events(r, text, n);
	if (err)
		return err;
	if (!yaml_parser_initialize(&p))
		return sz_conf_fail(r, 1, "no memory to read the file; free some");
	yaml_parser_set_encoding(&p, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&p, (const unsigned char *)text, n);
	r->text = text;
	r->text_n = n;
	if (!yaml_parser_load(&p, &r->doc))
		err = fail_syntax(r, &p);
	yaml_parser_delete(&p);
	if (!err && !yaml_document_get_root_node(&r->doc)) {
		yaml_document_delete(&r->doc);
		err = sz_conf_fail(r, 1,
				   "the file is empty; start from the example in subzero.yaml(5)");
	}
	return err;
}

void sz_conf_close(struct sz_conf_reader *r)
{
	yaml_document_delete(&r->doc);
}

const char *sz_conf_scalar(struct sz_conf_reader *r, const char *key, yaml_node_t *v)
{
	const char *s = (const char *)v->data.scalar.value;
	bool plain = v->type == YAML_SCALAR_NODE && v->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	size_t i, n;

	if (v->type != YAML_SCALAR_NODE) {
		sz_conf_fail(r, sz_conf_line(v),
			     "%s takes a single value; write it without \"-\", brackets or braces",
			     key);
		return NULL;
	}
	n = v->data.scalar.length;
	if (!n || (plain && (!strcmp(s, "~") || !strcasecmp(s, "null")))) {
		sz_conf_fail(r, sz_conf_line(v), "%s has no value; give one or remove the key",
			     key);
		return NULL;
	}
	if (n > SZ_CONF_TEXT_MAX) {
		sz_conf_fail(r, sz_conf_line(v), "%s is longer than %d bytes; shorten it", key,
			     SZ_CONF_TEXT_MAX);
		return NULL;
	}
	for (i = 0; i < n; i++) {
		u8 c = (u8)s[i];

		/* 0xc2 leads U+0080..U+00bf, of which those below U+00a0 are control characters */
		if (c >= 0x20 && c != 0x7f && !(c == 0xc2 && (u8)s[i + 1] < 0xa0))
			continue;
		sz_conf_fail(r, sz_conf_line(v),
			     "%s contains a line break or control character; "
			     "write it on one line without",
			     key);
		return NULL;
	}
	return s;
}

int sz_conf_list(struct sz_conf_reader *r, const char *key, yaml_node_t *v, size_t max,
		 size_t *ret_n)
{
	size_t n = 1;

	if (v->type == YAML_MAPPING_NODE)
		return sz_conf_fail(r, sz_conf_line(v),
				    "%s is a list; begin each entry with \"- \"", key);
	if (v->type == YAML_SEQUENCE_NODE)
		n = (size_t)(v->data.sequence.items.top - v->data.sequence.items.start);
	if (!n)
		return sz_conf_fail(r, sz_conf_line(v),
				    "%s is an empty list; add an entry or remove the key",
				    key);
	if (n > max)
		return sz_conf_fail(r, sz_conf_line(v),
				    "%s has %zu entries; at most %zu are allowed", key, n, max);
	*ret_n = n;
	return 0;
}

yaml_node_t *sz_conf_item(struct sz_conf_reader *r, yaml_node_t *v, size_t i)
{
	if (v->type != YAML_SEQUENCE_NODE)
		return v;
	return yaml_document_get_node(&r->doc, v->data.sequence.items.start[i]);
}
