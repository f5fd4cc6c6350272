/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Inside `subzeroctl doctor`: a finding, and who looks for which. Only the files named doctor*.c
 * include it. A check reads and never changes anything.
 */
#ifndef SZ_CTL_DOCTOR_H
#define SZ_CTL_DOCTOR_H

#include "ctl/ctl.h"

enum sz_doctor_level { SZ_DOCTOR_OK, SZ_DOCTOR_WARN, SZ_DOCTOR_BAD, SZ_DOCTOR_LEVELS };

struct sz_doctor {
	struct sz_ctl *c;
	const struct sz_conf *conf; /* NULL: none that can be read */
	bool maps;                  /* c->kern is open */
	bool daemon;                /* it answered: */
	json_t *says;               /* its status, or NULL */
	json_t *findings;
	unsigned n[SZ_DOCTOR_LEVELS];
};

/* `check` names what was looked at, `todo` what to do ("" with SZ_DOCTOR_OK); the rest is what was
 * seen. */
void sz_doctor_say(struct sz_doctor *d, enum sz_doctor_level level, const char *check,
		   const char *todo, const char *fmt, ...) SZ_PRINTF(5, 6);

/* doctor_state.c: the maps, the daemon, the counters */
void sz_doctor_daemon(struct sz_doctor *d);
void sz_doctor_interfaces(struct sz_doctor *d);
void sz_doctor_maps(struct sz_doctor *d);
void sz_doctor_counters(struct sz_doctor *d);
void sz_doctor_audit(struct sz_doctor *d);

/* doctor_loop.c: the daemon's event loop and its workers */
void sz_doctor_loop(struct sz_doctor *d);
/* doctor_load.c: the daemon's threads, and what it tells others */
void sz_doctor_load(struct sz_doctor *d);
void sz_doctor_evidence(struct sz_doctor *d);

/* doctor_keys.c: identity providers */
void sz_doctor_providers(struct sz_doctor *d);

/* doctor_stores.c: relationships */
void sz_doctor_stores(struct sz_doctor *d);

/* doctor_host.c: the machine and the files */
void sz_doctor_conf(struct sz_doctor *d);
void sz_doctor_clock(struct sz_doctor *d);
void sz_doctor_kernel(struct sz_doctor *d);
void sz_doctor_cookies(struct sz_doctor *d);
void sz_doctor_pressure(struct sz_doctor *d);
void sz_doctor_disk(struct sz_doctor *d);
/* Offloads and MTU of one attached interface. */
void sz_doctor_offloads(struct sz_doctor *d, const struct sz_attachment *a);

#endif
