/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A provider of the test's own and the room that asks it: configuration, event loop, key sets. For
 * unit tests of idp, included after harness.h. Everything lies in a folder that goes with the test.
 */
#ifndef SZ_TESTS_IDP_GROUND_H
#define SZ_TESTS_IDP_GROUND_H

#include "https_server.h"

#include "codec/codec.h"
#include "idp/idp.h"

#define GROUND_KEYS 4

static struct {
	struct https_server server;
	struct sz_loop_ring *loop;
	struct sz_idp *idp;
	struct sz_conf *conf;
	char dir[64];
	json_t *key[GROUND_KEYS];     /* private */
	json_t *public[GROUND_KEYS];
	/* what the server answers, and what it was asked */
	pthread_mutex_t lock;
	unsigned published;           /* mask of keys */
	int status;                   /* of key sets */
	const char *fields;           /* of key sets */
	char metadata[1024];
	int metadata_status;
	int asked_keys, asked_metadata;
	char path[2048];
	/* what the room told */
	unsigned key_calls, withdrawn, notes;
	size_t n_keys;
	int done;                     /* stops the loop when it falls to 0 */
} ground;

static inline void ground_publish(unsigned mask)
{
	pthread_mutex_lock(&ground.lock);
	ground.published = mask;
	pthread_mutex_unlock(&ground.lock);
}

static inline void ground_key_set(char *out, size_t max)
{
	json_t *set = json_pack("{s:[]}", "keys");
	char *text;
	size_t i;

	for (i = 0; i < GROUND_KEYS; i++)
		if (ground.published & 1u << i)
			json_array_append(json_object_get(set, "keys"),
					  json_array_get(json_object_get(ground.public[i], "keys"),
							 0));
	text = json_dumps(set, JSON_COMPACT);
	snprintf(out, max, "%s", text);
	free(text);
	json_decref(set);
}

static inline void ground_handle(const struct https_request *rq, char answer[HTTPS_TEXT_MAX],
				 void *arg)
{
	static __thread char body[16384];

	(void)arg;
	pthread_mutex_lock(&ground.lock);
	snprintf(ground.path, sizeof(ground.path), "%s", rq->path);
	if (strstr(rq->path, ".well-known")) {
		ground.asked_metadata++;
		https_answer(answer, ground.metadata_status, "", ground.metadata);
	} else {
		ground.asked_keys++;
		ground_key_set(body, sizeof(body));
		if (ground.status == 304 && !strstr(rq->head, "If-None-Match: \"e1\""))
			ground.status = 200;
		https_answer(answer, ground.status, ground.fields,
			     ground.status == 200 ? body : "");
	}
	pthread_mutex_unlock(&ground.lock);
}

static inline void ground_on_keys(size_t issuer, const struct sz_idp_keys *keys,
				  const struct sz_id *withdrawn, size_t n, void *arg)
{
	(void)issuer;
	(void)withdrawn;
	(void)arg;
	ground.key_calls++;
	ground.withdrawn += (unsigned)n;
	ground.n_keys = sz_jwks_count(keys->set);
}

static inline void ground_on_note(const char *what, void *arg)
{
	(void)what;
	(void)arg;
	ground.notes++;
}

static inline void ground_tick(void *arg)
{
	(void)arg;
	sz_idp_tick(ground.idp);
}

/* `issuer` stands behind the issuer's name; %1$s in it is the server's origin, %2$s its CA. */
static inline struct sz_conf *ground_conf(const char *issuer)
{
	char more[2048], origin[256], *text = NULL;
	struct sz_error e = {""};
	struct sz_conf *c;
	int n;

	https_url(&ground.server, "", origin);
	snprintf(more, sizeof(more), issuer, origin, ground.server.ca);
	n = asprintf(&text,
		     "interfaces: [eth0]\nstate_dir: %s\nissuers:\n- issuer: %s/t\n"
		     "  audiences: [api]\n%s"
		     "services:\n- {name: s, address: \"10.0.0.1:80\", routes: [{path: /}]}\n",
		     ground.dir, origin, more);
	c = sz_conf_parse(text, (size_t)n, "t.yaml", &e);
	if (!c) {
		printf("# %s\n%s\n", e.msg, text);
		exit(1);
	}
	free(text);
	return c;
}

static inline void ground_open(const char *issuer)
{
	struct sz_idp_hooks hooks = {.keys = ground_on_keys, .note = ground_on_note};
	struct sz_error e = {""};

	ground.conf = ground_conf(issuer);
	if (sz_net_new(64, &ground.loop, &e) || sz_idp_new(ground.loop, &hooks, &ground.idp, &e) ||
	    sz_idp_configure(ground.idp, ground.conf, &e)) {
		printf("# %s\n", e.msg);
		exit(1);
	}
	sz_net_every(ground.loop, 5000000, ground_tick, NULL);
}

/* As after a restart of the daemon: memory is gone, the folder stays. */
static inline void ground_close(void)
{
	sz_net_free(ground.loop);
	sz_idp_free(ground.idp);
	sz_conf_free(ground.conf);
	ground.idp = NULL;
}

static inline void ground_begin(const char *issuer)
{
	struct sz_error e = {""};
	char origin[256];
	size_t i;

	alarm(60);
	sz_log_level_set(SZ_LOG_ERR);
	memset(&ground, 0, sizeof(ground));
	pthread_mutex_init(&ground.lock, NULL);
	strcpy(ground.dir, "/tmp/subzero-idp.XXXXXX");
	if (!mkdtemp(ground.dir))
		exit(1);
	for (i = 0; i < GROUND_KEYS; i++)
		if (sz_key_generate(i % 2 ? SZ_ALG_ES256 : SZ_ALG_EDDSA, &ground.key[i],
				    &ground.public[i], &e))
			exit(1);
	ground.published = 1;
	ground.status = ground.metadata_status = 200;
	ground.fields = "";
	https_start(&ground.server, ground_handle, NULL, false);
	https_url(&ground.server, "", origin);
	snprintf(ground.metadata, sizeof(ground.metadata),
		 "{\"issuer\":\"%s/t\",\"jwks_uri\":\"%s/keys\",\"introspection_endpoint\":"
		 "\"%s/introspect\"}",
		 origin, origin, origin);
	ground_open(issuer);
}

static inline void ground_end(void)
{
	char command[128];
	size_t i;

	if (ground.idp)
		ground_close();
	https_end(&ground.server);
	for (i = 0; i < GROUND_KEYS; i++) {
		json_decref(ground.key[i]);
		json_decref(ground.public[i]);
	}
	snprintf(command, sizeof(command), "rm -r %s", ground.dir);
	if (system(command))
		printf("# %s\n", command);
}

/* Runs the loop until `is` says yes; SIGALRM ends a test for which it never does. */
static bool (*ground_is)(void);
static inline void ground_look(void *arg)
{
	(void)arg;
	if (ground_is && ground_is()) {
		ground_is = NULL;
		sz_net_stop(ground.loop);
	}
}
static inline void ground_until(bool (*is)(void))
{
	static struct sz_loop_ring *watched;

	if (watched != ground.loop) {
		watched = ground.loop;
		sz_net_every(ground.loop, 2000000, ground_look, NULL);
	}
	ground_is = is;
	EXPECT_EQ(sz_net_run(ground.loop), 0);
}

static inline struct sz_idp_stats ground_stats(void)
{
	struct sz_idp_stats s = {0};

	EXPECT_TRUE(sz_idp_look(ground.idp, 0, &s));
	return s;
}

#endif
