/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Shared inside the fga room: one call, from its request to its answer. A handler runs in a thread
 * of a pool; it ends with exactly one of fga_answer(), fga_lines() and fga_fail().
 */
#ifndef SZ_FGA_FGA_PRIV_H
#define SZ_FGA_FGA_PRIV_H

#include "fga/fga.h"
#include "pool/pool.h"

struct fga_call {
	struct sz_work work; /* first */
	struct sz_fga *fga;
	struct sz_stores *stores;
	const struct fga_endpoint *endpoint;
	struct sz_api_request *q;
	struct sz_store *store; /* of the path; NULL where it names none */
	json_t *body;
	u64 deadline_ns;
	/* the answer */
	int status;
	json_t *answer;
	struct sz_buf lines; /* instead: one JSON object a line */
	bool wrote;
	struct sz_buf act; /* of who writes: what it was, for the record */
};

struct fga_endpoint {
	const char *method, *path, *scope;
	void (*fn)(struct fga_call *c);
	bool writes; /* goes to the writer */
};

void fga_answer(struct fga_call *c, int status, json_t *answer);
void fga_fail(struct fga_call *c, int status, const char *code, const char *fmt, ...)
	SZ_PRINTF(4, 5);
/* By what the store or the engine said. */
void fga_fail_rebac(struct fga_call *c, int err, const struct sz_rebac_error *e);

/* Adds to what is recorded of a call that writes. */
void fga_act(struct fga_call *c, const char *fmt, ...) SZ_PRINTF(2, 3);
/* The same with the store that the call is about: "WHAT store NAME (ID)". */
void fga_act_store(struct fga_call *c, const char *what);

/* ---- body.c: what a request says; false where the call was failed ---------------------------- */

const char *fga_text(const json_t *o, const char *name); /* NULL where it is no text */
/* A text; *ret is NULL where it is missing or empty. */
bool fga_optional(struct fga_call *c, const json_t *o, const char *name, const char **ret);
bool fga_page_size(struct fga_call *c, json_int_t given, bool there, u32 *ret);
/* "page_size" of the query. */
bool fga_query_page(struct fga_call *c, u32 *ret);
bool fga_token(struct fga_call *c, const char *given, char ret[SZ_STORE_TOKEN_MAX]);
struct sz_rebac_tuple fga_tuple(const json_t *v);
/* A list of tuples; the caller frees *ret. */
bool fga_tuples(struct fga_call *c, const json_t *list, u32 max, struct sz_rebac_tuple **ret,
		u32 *ret_n);
/* "contextual_tuples" and "context" of a question; the caller frees r->contextual. */
bool fga_context(struct fga_call *c, const json_t *o, struct sz_rebac_request *r);
/* The model that a question names, the latest without; "consistency" and "consistency_token". */
bool fga_begin(struct fga_call *c, enum sz_store_kind kind, struct sz_store_view *ret);

/* Memory of questions, used again and again. */
struct sz_rebac_work *fga_work(struct fga_call *c);
void fga_work_back(struct fga_call *c, struct sz_rebac_work *w);

/* ---- questions.c, tuples.c, models.c: the handlers ------------------------------------------- */

void fga_check(struct fga_call *c);
void fga_batch_check(struct fga_call *c);
void fga_list_objects(struct fga_call *c);
void fga_stream_objects(struct fga_call *c);
void fga_list_users(struct fga_call *c);
void fga_expand(struct fga_call *c);
void fga_read(struct fga_call *c);
void fga_write(struct fga_call *c);
void fga_import(struct fga_call *c);
void fga_changes(struct fga_call *c);
void fga_store_create(struct fga_call *c);
void fga_store_get(struct fga_call *c);
void fga_store_delete(struct fga_call *c);
void fga_store_list(struct fga_call *c);
void fga_model_write(struct fga_call *c);
void fga_model_read(struct fga_call *c);
void fga_model_list(struct fga_call *c);
void fga_assertions_write(struct fga_call *c);
void fga_assertions_read(struct fga_call *c);

#endif
