/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Shared inside the metrics room: the families by number and what a request asks for. Only the
 * files of this room include it, and their tests.
 */
#ifndef SZ_METRICS_PRIV_H
#define SZ_METRICS_PRIV_H

#include "metrics/list.h"
#include "metrics/metrics.h"
#include "telemetry/telemetry.h"

#define SZ_METRIC_ENUM_(ID, TYPE, name, labels, help) SZ_METRIC_##ID,
enum sz_metric { SZ_METRICS(SZ_METRIC_ENUM_) SZ_METRIC_COUNT };

struct sz_metric_info {
	const char *name;
	enum sz_expo_type type;
	const char *labels, *help;
};
extern const struct sz_metric_info sz_metric_info[SZ_METRIC_COUNT];

/* ---- render.c -------------------------------------------------------------------------------- */

/* Appends the whole text to x->out. */
void sz_metrics_render(struct sz_expo *x, const struct sz_gateway_view *v);

/* ---- question.c: what a request asks for ----------------------------------------------------- */

struct sz_question {
	int status;       /* 200, 404, 405 */
	bool openmetrics; /* with 200 */
};
void sz_question_read(const struct sz_web_request *r, struct sz_question *ret);

#endif
