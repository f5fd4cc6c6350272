/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The inside of subzeroctl: the words of a command line, what people and programs are shown, and
 * the commands themselves, one file for each group. State is read from the pinned maps, so that
 * everything but reload and flush works with the daemon down. Belongs to user/subzeroctl.c alone.
 */
#ifndef SZ_CTL_CTL_H
#define SZ_CTL_CTL_H

#include <jansson.h>

#include "codec/codec.h"
#include "config/config.h"
#include "core/core.h"
#include "kern/kern.h"
#include "rebac/rebac.h"

#define SZ_CTL_CONFIG "/etc/subzero/subzero.yaml"

/* What a command returns and the program exits with. */
enum sz_ctl_exit {
	SZ_CTL_OK = 0,
	SZ_CTL_FAILED = 1, /* failed, or the answer is no */
	SZ_CTL_USAGE = 2,
};

/* ---- args.c: the command line --------------------------------------------------------------- */

struct sz_ctl;

/* A list of these ends with a NULL name. */
struct sz_ctl_option {
	const char *name;  /* without its dashes */
	char letter;       /* 0 = none */
	const char *value; /* what stands for it in the help; NULL: it takes none */
	const char *help;
};

/* A list of these ends with a NULL name; commands of one group follow each other. */
struct sz_ctl_command {
	const char *name;
	const char *sub;   /* second word, or NULL */
	bool bare;         /* this one is meant where the second word is missing */
	const char *words; /* what else follows, for the help; "" for nothing */
	unsigned min, max; /* number of those words */
	const char *summary;
	const struct sz_ctl_option *options; /* NULL = none of its own */
	int (*run)(struct sz_ctl *c);
};

extern const struct sz_ctl_option sz_ctl_globals[];

#define SZ_CTL_WORDS_MAX   16
#define SZ_CTL_OPTIONS_MAX 128

struct sz_ctl_args {
	const struct sz_ctl_command *cmd; /* NULL: none was named */
	const char *group;                /* its first word, also where cmd could not be told */
	const char *word[SZ_CTL_WORDS_MAX];
	unsigned n_words;
	struct {
		const struct sz_ctl_option *option;
		const char *value;
	} given[SZ_CTL_OPTIONS_MAX];
	unsigned n_given;
};

/* Reads argv[1..]; -EINVAL with *e filled for anything that is not in the table. */
int sz_ctl_parse(const struct sz_ctl_command *table, int argc, char *const *argv,
		 struct sz_ctl_args *ret, struct sz_error *e);
bool sz_ctl_has(const struct sz_ctl_args *a, const char *option);
/* The last value given; NULL without one. */
const char *sz_ctl_value(const struct sz_ctl_args *a, const char *option);
/* The i-th value given; NULL beyond the last. */
const char *sz_ctl_value_at(const struct sz_ctl_args *a, const char *option, unsigned i);
/* The word of `list` (ended by NULL) nearest to `word`; NULL where none is near. */
const char *sz_ctl_suggest(const char *word, const char *const *list);
void sz_ctl_help(const struct sz_ctl_command *table, const struct sz_ctl_args *a,
		 struct sz_buf *ret);

/* ---- format.c: values as people write and read them ----------------------------------------- */

#define SZ_CTL_TEXT_MAX 64

/* "90", "90s", "5m", "2h", "7d", "1w", "1h30m"; seconds. */
int sz_ctl_parse_duration(const char *s, u64 *ret_s);
/* The same with an optional sign. */
int sz_ctl_parse_offset(const char *s, s64 *ret_s);
int sz_ctl_parse_u64(const char *s, u64 max, u64 *ret);
/* Each writes at most SZ_CTL_TEXT_MAX bytes and returns `s`. */
char *sz_ctl_age(u64 ns, char *s);                         /* "250ms", "12s", "3m", "5h", "9d" */
char *sz_ctl_until(u64 boot_ns, u64 now_ns, char *s);      /* "in 3m", "expired", "never" for 0 */
char *sz_ctl_rate(u64 interval_ns, u64 burst_ns, char *s); /* "100/s burst 200", "-" */
char *sz_ctl_per_second(double v, char *s);                /* "0.5", "12", "3.4k", "1.2M" */
char *sz_ctl_bytes(u64 n, char *s);
char *sz_ctl_time(s64 wall_s, char *s);                /* "2026-11-21T12:00:00Z" */
char *sz_ctl_source(const struct sz_addr *a, char *s); /* a key of sz_sources: IPv6 as its /64 */
char *sz_ctl_prefix(const struct sz_ban_key *k, char *s);
char *sz_ctl_digest(const struct sz_digest *d, char *s); /* 32 digits, as in the audit log */
char *sz_ctl_principal_hex(u64 id, char *s);             /* 16 digits */
/* Appends s with every control character and broken UTF-8 byte replaced; `n` bytes. */
void sz_ctl_clean(struct sz_buf *b, const char *s, size_t n);
/* A JSON string of any bytes, cleaned where it is not UTF-8. */
json_t *sz_ctl_text(const char *s, size_t n);

/* ---- table.c: rows for people and arrays for programs --------------------------------------- */

#define SZ_CTL_RIGHT  0x1u /* numbers */
#define SZ_CTL_SHRINK 0x2u /* may be cut where the terminal is narrow */

struct sz_ctl_column {
	const char *key;   /* member in JSON; NULL: for people only */
	const char *title; /* NULL: in JSON only */
	u32 flags;
};

enum sz_ctl_colour { SZ_CTL_PLAIN, SZ_CTL_RED, SZ_CTL_GREEN, SZ_CTL_YELLOW, SZ_CTL_DIM };

struct sz_ctl_cell {
	json_t *value;
	char *text;
	enum sz_ctl_colour colour;
};

struct sz_ctl_table {
	const struct sz_ctl_column *columns;
	size_t n_columns;
	struct sz_ctl_cell *cells; /* row after row */
	size_t n, room;
};

void sz_ctl_table_init(struct sz_ctl_table *t, const struct sz_ctl_column *columns, size_t n);
void sz_ctl_table_done(struct sz_ctl_table *t);
/* Adds the next cell. `value` is taken over and may be NULL (null in JSON). */
void sz_ctl_cell(struct sz_ctl_table *t, json_t *value, const char *fmt, ...) SZ_PRINTF(3, 4);
void sz_ctl_cell_text(struct sz_ctl_table *t, const char *s);
void sz_ctl_cell_u64(struct sz_ctl_table *t, u64 v);
/* How long ago; never where then_ns is 0. */
void sz_ctl_cell_age(struct sz_ctl_table *t, u64 then_ns, u64 now_ns);
void sz_ctl_cell_colour(struct sz_ctl_table *t, enum sz_ctl_colour colour); /* of the last cell */
json_t *sz_ctl_table_json(const struct sz_ctl_table *t);
/* width 0: as wide as it gets. */
void sz_ctl_table_render(const struct sz_ctl_table *t, unsigned width, bool colour,
			 struct sz_buf *ret);

/* ---- context.c: what every command starts from ---------------------------------------------- */

#define SZ_CTL_STORE_ID 27 /* a ULID and its NUL */

struct sz_ctl {
	struct sz_ctl_args args;
	bool json, colour;
	unsigned width; /* of the terminal; 0 where stdout is none */
	struct sz_conf *conf;
	struct sz_error conf_error;
	bool conf_tried;
	struct sz_kern *kern;
	char store[SZ_CTL_STORE_ID]; /* of the relationships it is about; "" until asked */
};

void sz_ctl_init(struct sz_ctl *c); /* from c->args */
void sz_ctl_done(struct sz_ctl *c);
/* Prints one line on stderr; returns SZ_CTL_FAILED and SZ_CTL_USAGE. */
int sz_ctl_fail(const char *fmt, ...) SZ_PRINTF(1, 2);
int sz_ctl_usage(const char *fmt, ...) SZ_PRINTF(1, 2);
void sz_ctl_note(const char *fmt, ...) SZ_PRINTF(1, 2);
/* Prints the table, or its array with --json. `nothing` is said where it has no row. */
int sz_ctl_print(struct sz_ctl *c, struct sz_ctl_table *t, const char *nothing);
int sz_ctl_print_json(json_t *v); /* takes v over */

/* The configuration; NULL with c->conf_error filled. An explicit --config must be good. */
const struct sz_conf *sz_ctl_conf(struct sz_ctl *c);
const char *sz_ctl_pin_dir(struct sz_ctl *c);
/* Opens the pinned maps into c->kern once. */
int sz_ctl_open(struct sz_ctl *c, struct sz_error *e);
/* Reads every entry of a map into a heap array of (key, value) pairs. */
struct sz_ctl_rows {
	char *data;
	size_t n, room, key_size, size;
};
int sz_ctl_read(struct sz_ctl *c, enum sz_map m, size_t key_size, size_t value_size,
		struct sz_ctl_rows *ret, struct sz_error *e);
u64 sz_ctl_count(struct sz_ctl *c, enum sz_map m);
/* "-n": how many rows to show; `people` unless --json asks for all. */
int sz_ctl_limit(struct sz_ctl *c, u64 people, u64 *ret);

/* Names as the daemon left them; a number where there is none. Each returns `s`. */
char *sz_ctl_service_name(struct sz_ctl *c, u32 service, char s[SZ_NAME_MAX]);
char *sz_ctl_route_name(struct sz_ctl *c, u32 service, u16 route, char s[SZ_NAME_MAX]);
char *sz_ctl_principal_name(struct sz_ctl *c, u64 principal, char s[SZ_NAME_MAX]);
/* Ids of all services, ascending; the caller frees *ret. Returns their number. */
size_t sz_ctl_services(struct sz_ctl *c, u32 **ret);
/* 0 where no service has this name or number. */
u32 sz_ctl_service_find(struct sz_ctl *c, const char *name);

/* A token from the command line, or from stdin for "-". */
int sz_ctl_token(const char *arg, struct sz_buf *ret, struct sz_error *e);
/* Its keyed digest; -ENODATA where the maps have no key yet. */
int sz_ctl_token_digest(struct sz_ctl *c, const struct sz_buf *token, struct sz_digest *ret);

/* ---- control.c: the daemon's socket --------------------------------------------------------- */

/* One request, one answer: a new reference, or NULL with *e filled. */
json_t *sz_ctl_ask(struct sz_ctl *c, json_t *request, int timeout_s, struct sz_error *e);
/* Leaves a record in the audit log where the daemon is there to write it. */
void sz_ctl_record(struct sz_ctl *c, const char *type, const char *fmt, ...) SZ_PRINTF(3, 4);

/* ---- rebac_load.c: models and tuples from files --------------------------------------------- */

struct sz_ctl_rebac {
	struct sz_rebac_model *model;
	struct sz_rebac_store *store;
	struct sz_rebac_graph *graph;
	struct sz_rebac_work *work;
};

/* A file by its name: .yaml and .yml, .jsonl (an array of its lines), else JSON. */
json_t *sz_ctl_rebac_read(const char *path, struct sz_error *e);
/* Takes the model over an empty store; `name` stands for it in messages. */
int sz_ctl_rebac_model(struct sz_ctl_rebac *r, const char *text, size_t n, const char *name,
		       struct sz_error *e);
int sz_ctl_rebac_model_file(struct sz_ctl_rebac *r, const char *path, struct sz_error *e);
/* Writes a list of tuples. Those that were not there already are appended to `written`, if any. */
int sz_ctl_rebac_tuples(struct sz_ctl_rebac *r, const json_t *list, const char *name,
			json_t *written, struct sz_error *e);
void sz_ctl_rebac_remove(struct sz_ctl_rebac *r, const json_t *list);
void sz_ctl_rebac_done(struct sz_ctl_rebac *r);

/* ---- rebac_daemon.c: relationships that the daemon keeps ------------------------------------ */

/*
 * One request of the daemon's API over its control socket; takes over `body`, which may be NULL. A
 * new reference to the answer's body, or NULL with *e filled, also where the daemon refused.
 */
json_t *sz_ctl_api(struct sz_ctl *c, const char *method, const char *path, const char *query,
		   json_t *body, struct sz_error *e);
/* The same below the store that --store names; the only one there is without. */
json_t *sz_ctl_store_api(struct sz_ctl *c, const char *method, const char *what, const char *query,
			 json_t *body, struct sz_error *e);
/* POST below the store of that name. */
json_t *sz_ctl_named_store_api(struct sz_ctl *c, const char *store, const char *what, json_t *body,
			       struct sz_error *e);
/*
 * By which way the user of a question that was answered with yes has the relation: a line for each
 * definition or tuple on it, from the object down to the user. Says nothing where it finds none.
 */
struct sz_policy_question;
void sz_ctl_relation_way(struct sz_ctl *c, const char *store, const struct sz_policy_question *q,
			 void (*fn)(void *arg, const char *line), void *arg);
/* The body of a question with what --context, --tuples and --model-id say; NULL with *ret. */
json_t *sz_ctl_question(struct sz_ctl *c, int *ret);
/* rebac model write, read, list. */
int sz_ctl_rebac_stored_model(struct sz_ctl *c, const char *what, const char *arg);

/* ---- the audit log's files: audit.c, audit_key.c, audit_query.c, audit_ocsf.c ---------------- */

struct sz_audit_vkey;
struct sz_audit_checkpoint;
const char *sz_ctl_audit_dir(struct sz_ctl *c); /* the word of the command line, or the default */
/* One record as a line for people; as it stands with --json. */
void sz_ctl_audit_print(struct sz_ctl *c, const char *line, size_t n);
/* A key in vkey form, or a file whose first line begins with one. */
int sz_ctl_audit_key(const char *arg, struct sz_audit_vkey *ret, struct sz_error *e);
/* A checkpoint from a file, or from stdin for "-". *ret points into *text. */
int sz_ctl_audit_checkpoint(const char *path, struct sz_buf *text, struct sz_audit_checkpoint *ret,
			    struct sz_error *e);
/* One record as an event of the Open Cybersecurity Schema Framework; a new reference. */
json_t *sz_ctl_audit_ocsf(const json_t *record);
/* "severity" of a record: 1 to 5, enum sz_audit_severity. */
int sz_ctl_audit_severity(const json_t *record);

/* ---- commands ------------------------------------------------------------------------------- */

int sz_ctl_cmd_attach(struct sz_ctl *c);
int sz_ctl_cmd_detach(struct sz_ctl *c);
int sz_ctl_cmd_unload(struct sz_ctl *c);
int sz_ctl_cmd_status(struct sz_ctl *c);
int sz_ctl_cmd_doctor(struct sz_ctl *c);
int sz_ctl_cmd_services(struct sz_ctl *c);
int sz_ctl_cmd_routes(struct sz_ctl *c);
int sz_ctl_cmd_counters(struct sz_ctl *c);
int sz_ctl_cmd_limits(struct sz_ctl *c);
int sz_ctl_cmd_limits_show(struct sz_ctl *c);
int sz_ctl_cmd_limits_set(struct sz_ctl *c);
int sz_ctl_cmd_limits_reset(struct sz_ctl *c);
int sz_ctl_cmd_sources(struct sz_ctl *c);
int sz_ctl_cmd_sources_show(struct sz_ctl *c);
int sz_ctl_cmd_sources_reset(struct sz_ctl *c);
int sz_ctl_cmd_flows(struct sz_ctl *c);
int sz_ctl_cmd_grants_list(struct sz_ctl *c);
int sz_ctl_cmd_grants_show(struct sz_ctl *c);
int sz_ctl_cmd_revoke(struct sz_ctl *c);
int sz_ctl_cmd_apikey_add(struct sz_ctl *c);
int sz_ctl_cmd_apikey_import(struct sz_ctl *c);
int sz_ctl_cmd_apikey_list(struct sz_ctl *c);
int sz_ctl_cmd_apikey_show(struct sz_ctl *c);
int sz_ctl_cmd_apikey_revoke(struct sz_ctl *c);
int sz_ctl_cmd_apikey_rotate(struct sz_ctl *c);
int sz_ctl_cmd_revocations_list(struct sz_ctl *c);
int sz_ctl_cmd_revocations_show(struct sz_ctl *c);
int sz_ctl_cmd_revocations_clear(struct sz_ctl *c);
int sz_ctl_cmd_bans(struct sz_ctl *c);
int sz_ctl_cmd_ban(struct sz_ctl *c);
int sz_ctl_cmd_unban(struct sz_ctl *c);
int sz_ctl_cmd_explain(struct sz_ctl *c);
int sz_ctl_explain_id(struct sz_ctl *c, const char *id); /* explain_id.c */
int sz_ctl_cmd_top(struct sz_ctl *c);
int sz_ctl_cmd_audit_verify(struct sz_ctl *c);
int sz_ctl_cmd_audit_tail(struct sz_ctl *c);
int sz_ctl_cmd_audit_key(struct sz_ctl *c);
int sz_ctl_cmd_audit_prove(struct sz_ctl *c);
int sz_ctl_cmd_audit_query(struct sz_ctl *c);
int sz_ctl_cmd_audit_export(struct sz_ctl *c);
int sz_ctl_cmd_keys_list(struct sz_ctl *c);
int sz_ctl_cmd_keys_refresh(struct sz_ctl *c);
int sz_ctl_cmd_keys_generate(struct sz_ctl *c);
int sz_ctl_cmd_token_mint(struct sz_ctl *c);
int sz_ctl_cmd_token_inspect(struct sz_ctl *c);
int sz_ctl_cmd_jws_verify(struct sz_ctl *c);
int sz_ctl_cmd_jwk_thumbprint(struct sz_ctl *c);
int sz_ctl_cmd_cel_eval(struct sz_ctl *c);
int sz_ctl_cmd_policy_test(struct sz_ctl *c);
int sz_ctl_cmd_policy_check(struct sz_ctl *c);
int sz_ctl_cmd_api_token(struct sz_ctl *c);
int sz_ctl_cmd_rebac_store(struct sz_ctl *c);
int sz_ctl_cmd_rebac_read(struct sz_ctl *c);
int sz_ctl_cmd_rebac_write(struct sz_ctl *c);
int sz_ctl_cmd_rebac_delete(struct sz_ctl *c);
int sz_ctl_cmd_rebac_watch(struct sz_ctl *c);
int sz_ctl_cmd_rebac_import(struct sz_ctl *c);
int sz_ctl_cmd_rebac_export(struct sz_ctl *c);
int sz_ctl_cmd_rebac_batch(struct sz_ctl *c);
int sz_ctl_cmd_rebac_model(struct sz_ctl *c);
int sz_ctl_cmd_rebac_check(struct sz_ctl *c);
int sz_ctl_cmd_rebac_list_objects(struct sz_ctl *c);
int sz_ctl_cmd_rebac_list_users(struct sz_ctl *c);
int sz_ctl_cmd_rebac_expand(struct sz_ctl *c);
int sz_ctl_cmd_rebac_test(struct sz_ctl *c);
int sz_ctl_cmd_reload(struct sz_ctl *c);
int sz_ctl_cmd_flush(struct sz_ctl *c);

#endif
