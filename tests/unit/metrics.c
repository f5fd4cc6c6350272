/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The metrics endpoint: what a request asks for, what a view becomes, and that the pages, the
 * dashboard and the alert rules in docs/ name the metrics that there are. Run from the top folder.
 */
#include "harness.h"

#include <ctype.h>
#include <regex.h>

#include "metrics/metrics_priv.h"

/* ---- requests ------------------------------------------------------------------------------- */

static struct sz_question ask(const char *head)
{
	static struct sz_http_head h;
	struct sz_web_request r = {.head = head, .head_len = strlen(head)};
	struct sz_question q = {0};
	enum sz_reason reason;
	struct sz_error e;
	char method[32];

	if (!EXPECT_EQ(sz_http_head_parse(head, strlen(head), &h, &reason, &e), SZ_HTTP_OK))
		return q;
	snprintf(method, sizeof(method), "%.*s", (int)h.method_len, h.method_text);
	r.method = method;
	r.path = h.path;
	sz_question_read(&r, &q);
	return q;
}

#define GET "GET /metrics HTTP/1.1\r\nHost: a\r\n"

TEST(only_get_of_one_path_is_answered)
{
	EXPECT_EQ(ask(GET "\r\n").status, 200);
	EXPECT_EQ(ask("GET /metrics HTTP/1.0\r\n\r\n").status, 200);
	EXPECT_EQ(ask("GET /metrics?name=x HTTP/1.0\r\n\r\n").status, 200);
	EXPECT_EQ(ask("GET /metricsx HTTP/1.0\r\n\r\n").status, 404);
	EXPECT_EQ(ask("GET /metric HTTP/1.0\r\n\r\n").status, 404);
	EXPECT_EQ(ask("GET / HTTP/1.0\r\n\r\n").status, 404);
	EXPECT_EQ(ask("GET /metrics/ HTTP/1.0\r\n\r\n").status, 404);
	EXPECT_EQ(ask("POST /metrics HTTP/1.0\r\n\r\n").status, 405);
	EXPECT_EQ(ask("GETT /metrics HTTP/1.0\r\n\r\n").status, 405);
}

TEST(openmetrics_is_given_where_it_is_asked_for)
{
#define ACCEPTS(v) ask(GET "Accept: " v "\r\n\r\n").openmetrics
	EXPECT_TRUE(ACCEPTS("application/openmetrics-text;version=1.0.0,"
			    "application/openmetrics-text;version=0.0.1;q=0.75,"
			    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"));
	EXPECT_TRUE(ACCEPTS("application/openmetrics-text"));
	EXPECT_TRUE(ACCEPTS("text/plain , application/openmetrics-text ; version=1.0.0 ; q=0.1"));
	EXPECT_TRUE(ask(GET "aCCept:APPLICATION/OpenMetrics-Text\r\n\r\n").openmetrics);
	EXPECT_TRUE(!ACCEPTS("text/plain;version=0.0.4"));
	EXPECT_TRUE(!ACCEPTS("*/*"));
	EXPECT_TRUE(!ACCEPTS(""));
	EXPECT_TRUE(!ACCEPTS(",;,"));
	EXPECT_TRUE(!ACCEPTS("application/openmetrics-text;version=0.0.1"));
	EXPECT_TRUE(!ACCEPTS("application/openmetrics-text;q=0"));
	EXPECT_TRUE(!ACCEPTS("application/openmetrics-text;q=0.000, text/plain"));
	EXPECT_TRUE(!ACCEPTS("application/openmetrics-textual"));
	EXPECT_TRUE(!ask(GET "X-Accept: application/openmetrics-text\r\n\r\n").openmetrics);
}

/* ---- the text ------------------------------------------------------------------------------- */

static struct sz_gateway_view view;
static struct sz_hist hist;
static u64 denials[SZ_REASON_MAX], monitored[SZ_REASON_MAX];
static struct sz_view_service services[1];
static struct sz_view_route routes[2];
static const struct sz_view_limit limits[] = {
	{"shop/source@partner", {.admitted = 11, .refused = 22, .dry = 33, .spare = 44}},
	{"other", {.refused = 5}},
};

static void render(struct sz_expo *x)
{
	memset(denials, 0, sizeof(denials));
	denials[SZ_R_NO_TOKEN] = 4;
	denials[SZ_REASON_MAX - 1] = 9; /* no reason has this number */
	services[0] = (struct sz_view_service){"sh\"op", denials, monitored};
	routes[0] = (struct sz_view_route){"sh\"op", "other", 0};
	routes[1] = (struct sz_view_route){"sh\"op", "GET /a", 3};
	view = (struct sz_gateway_view){
		.tracing = true,
		.latency = &hist, .verifying = &hist, .policy = &hist, .reinject = &hist,
		.pauses = &hist, .coalesced = 6,
		.pool = {.workers = 2, .steals = 8, .batches = 3, .limit = 4,
			 .busy_ns = {1500000000, 2000000000},
			 .class = {{.submitted = 50, .waiting = 1, .wait = &hist},
				   {.submitted = 60, .waiting = 2, .wait = &hist},
				   {.submitted = 70, .waiting = 5, .wait = &hist}}},
		.expiry = {.timers = 99, .ended = {[SZ_VIEW_END_PROOFS] = 13}},
		.routes = routes, .n_routes = 2, .services = services, .n_services = 1,
		.limits = limits, .n_limits = 2, .sampled = true, .n_maps = 2,
		.audit_seq = 12, .audit_synced = 10,
		.open = 6, .open_limit = 64, .answer_ns = 2500000, .shed = {0, 31, 32, 33},
		.maps = {{"sz_grants", 5, 10, true}, {"sz_half", 0, 7, false}},
		.stores = {{{.id = "ID", .name = "do\"cs"},
			    {.tuples = 6, .generation = 8, .written_ms = 1500}},
			   {{.id = "ID2", .name = "do\"cs"}, {0}}},
		.n_stores = 2, .stores_bytes = 4096,
	};
	view.counters[SZ_R_HIT] = 77;
	sz_metrics_render(x, &view);
}

TEST(view_is_told_by_its_figures)
{
	struct sz_expo x = {0};

	render(&x);
	EXPECT_CONTAINS(x.out.data, "\nsubzero_verdicts_total{reason=\"hit\"} 77\n");
	EXPECT_CONTAINS(x.out.data, "\nsubzero_verdicts_total{reason=\"desync\"} 0\n");
	EXPECT_TRUE(!strstr(x.out.data, "reason=\"unknown\""));
	EXPECT_CONTAINS(x.out.data, "{service=\"sh\\\"op\",route=\"GET /a\"} 3\n");
	EXPECT_TRUE(!strstr(x.out.data, "route=\"other\""));
	EXPECT_CONTAINS(x.out.data,
			"subzero_denials_total{service=\"sh\\\"op\",reason=\"no_token\"} 4\n");
	EXPECT_CONTAINS(x.out.data, "_limit_admitted_total{limit=\"shop/source@partner\"} 11\n");
	EXPECT_CONTAINS(x.out.data, "_limit_refused_total{limit=\"shop/source@partner\"} 22\n");
	EXPECT_CONTAINS(x.out.data, "_would_refuse_total{limit=\"shop/source@partner\"} 33\n");
	EXPECT_CONTAINS(x.out.data, "_limit_spare_total{limit=\"shop/source@partner\"} 44\n");
	EXPECT_CONTAINS(x.out.data, "subzero_limit_refused_total{limit=\"other\"} 5\n");
	EXPECT_CONTAINS(x.out.data, "subzero_questions_shed_total{priority=\"low\"} 31\n");
	EXPECT_CONTAINS(x.out.data, "subzero_questions_shed_total{priority=\"high\"} 33\n");
	EXPECT_CONTAINS(x.out.data, "subzero_questions_open 6\n");
	EXPECT_CONTAINS(x.out.data, "subzero_questions_open_limit 64\n");
	EXPECT_CONTAINS(x.out.data, "subzero_questions_answer_seconds 0.0025");
	EXPECT_CONTAINS(x.out.data, "subzero_map_entries{map=\"grants\"} 5\n");
	EXPECT_TRUE(!strstr(x.out.data, "subzero_map_entries{map=\"half\"}"));
	EXPECT_CONTAINS(x.out.data, "subzero_map_capacity{map=\"half\"} 7\n");
	EXPECT_CONTAINS(x.out.data, "subzero_audit_unsynced_records 2\n");
	EXPECT_CONTAINS(x.out.data, "\nsubzero_verifications_shared_total 6\n");
	EXPECT_CONTAINS(x.out.data, "\nsubzero_loop_pause_seconds_count 0\n");
	EXPECT_CONTAINS(x.out.data, "\nsubzero_pool_waiting{class=\"later\"} 5\n");
	EXPECT_CONTAINS(x.out.data, "\nsubzero_pool_work_total{class=\"urgent\"} 50\n");
	EXPECT_CONTAINS(x.out.data, "_pool_wait_seconds_count{class=\"normal\"} 0\n");
	EXPECT_CONTAINS(x.out.data, "\nsubzero_pool_stolen_total 8\n");
	EXPECT_CONTAINS(x.out.data, "_pool_busy_seconds_total{worker=\"1\"} 2.0\n");
	EXPECT_CONTAINS(x.out.data, "\nsubzero_timers 99\n");
	EXPECT_CONTAINS(x.out.data, "\nsubzero_ended_total{kind=\"proofs\"} 13\n");
	EXPECT_CONTAINS(x.out.data, "subzero_store_tuples{store=\"do\\\"cs\",id=\"ID\"} 6\n");
	EXPECT_CONTAINS(x.out.data, "subzero_store_writes_total{store=\"do\\\"cs\",id=\"ID\"} 8\n");
	EXPECT_CONTAINS(x.out.data, "_timestamp_seconds{store=\"do\\\"cs\",id=\"ID\"} 1.5\n");
	EXPECT_TRUE(!strstr(x.out.data, "_timestamp_seconds{store=\"do\\\"cs\",id=\"ID2\"}"));
	EXPECT_CONTAINS(x.out.data, "subzero_store_file_bytes 4096\n");
	sz_expo_done(&x);
}

TEST(what_was_not_sampled_yet_is_left_out_and_not_told_as_zero)
{
	struct sz_expo x = {0};

	render(&x);
	sz_buf_reset(&x.out);
	view.sampled = false;
	sz_metrics_render(&x, &view);
	EXPECT_TRUE(!strstr(x.out.data, "subzero_requests_admitted_total{"));
	EXPECT_TRUE(!strstr(x.out.data, "subzero_grants{"));
	EXPECT_TRUE(!strstr(x.out.data, "\nsubzero_sample_age_seconds "));
	sz_expo_done(&x);
}

TEST(every_family_comes_once_in_both_formats)
{
	for (int om = 0; om < 2; om++) {
		struct sz_expo x = {.openmetrics = om};

		render(&x);
		for (int m = 0; m < SZ_METRIC_COUNT; m++) {
			size_t n = strlen(sz_metric_info[m].name);
			char want[128], *first;

			/* PSI may be missing from this kernel. */
			if (m == SZ_METRIC_PRESSURE || m == SZ_METRIC_PRESSURE_TIME ||
			    m == SZ_METRIC_PRESSURE_FULL)
				continue;
			n -= om && sz_metric_info[m].type == SZ_EXPO_COUNTER ? 6 : 0;
			snprintf(want, sizeof(want), "# TYPE %.*s ", (int)n,
				 sz_metric_info[m].name);
			first = strstr(x.out.data, want);
			if (!EXPECT_TRUE(first != NULL))
				printf("# %s\n", want);
			else
				EXPECT_TRUE(!strstr(first + 1, want));
		}
		EXPECT_EQ(strstr(x.out.data, "# EOF\n") != NULL, om);
		sz_expo_done(&x);
	}
}

/* ---- names ---------------------------------------------------------------------------------- */

TEST(names_follow_the_conventions)
{
	for (int m = 0; m < SZ_METRIC_COUNT; m++) {
		const struct sz_metric_info *i = &sz_metric_info[m];
		size_t n = strlen(i->name);

		EXPECT_TRUE(strspn(i->name, "abcdefghijklmnopqrstuvwxyz_") == n);
		EXPECT_TRUE(!strncmp(i->name, "subzero_", 8) || !strncmp(i->name, "process_", 8));
		EXPECT_EQ(i->type == SZ_EXPO_COUNTER, n > 6 && !strcmp(i->name + n - 6, "_total"));
		EXPECT_TRUE(i->help[0] && i->help[strlen(i->help) - 1] == '.');
		for (int k = 0; k < m; k++)
			EXPECT_TRUE(strcmp(i->name, sz_metric_info[k].name) != 0);
	}
}

static void read_file(const char *path, struct sz_buf *ret)
{
	struct sz_error e;

	sz_buf_reset(ret);
	if (!EXPECT_EQ(sz_file_read(path, 1u << 20, ret, &e), 0))
		printf("# %s\n", path);
}

TEST(the_page_has_one_row_for_every_metric_and_no_other)
{
	static const char *const type[] = {"counter", "gauge", "histogram"};
	struct sz_buf page = {0};
	char row[512];
	const char *p;
	int rows = 0;

	read_file("docs/metrics.md", &page);
	ASSERT_TRUE(page.data != NULL);
	for (int m = 0; m < SZ_METRIC_COUNT; m++) {
		const struct sz_metric_info *i = &sz_metric_info[m];

		snprintf(row, sizeof(row), "\n| `%s` | %s | %s | %s |\n", i->name, type[i->type],
			 i->labels, i->help);
		if (!EXPECT_TRUE(strstr(page.data, row) != NULL))
			printf("# missing: %s", row + 1);
	}
	for (p = page.data; (p = strstr(p, "\n| `")); p++)
		rows += !strncmp(p + 4, "subzero_", 8) || !strncmp(p + 4, "process_", 8);
	EXPECT_EQ(rows, SZ_METRIC_COUNT);
	sz_buf_done(&page);
}

static bool is_known(const char *name, size_t n)
{
	static const char *const suffix[] = {"_bucket", "_sum", "_count"};

	for (int m = 0; m < SZ_METRIC_COUNT; m++) {
		size_t base = strlen(sz_metric_info[m].name);

		if (n < base || strncmp(name, sz_metric_info[m].name, base))
			continue;
		if (n == base)
			return sz_metric_info[m].type != SZ_EXPO_HISTOGRAM;
		for (size_t s = 0; s < SZ_ARRAY_LEN(suffix); s++)
			if (sz_metric_info[m].type == SZ_EXPO_HISTOGRAM &&
			    n == base + strlen(suffix[s]) &&
			    !strncmp(name + base, suffix[s], strlen(suffix[s])))
				return true;
	}
	return false;
}

static void expect_known_names(const char *path, size_t least)
{
	struct sz_buf text = {0};
	regmatch_t at;
	regex_t re;
	const char *p;
	size_t found = 0;

	read_file(path, &text);
	ASSERT_TRUE(text.data != NULL);
	ASSERT_EQ(regcomp(&re, "(subzero|process)_[a-z_]+", REG_EXTENDED), 0);
	for (p = text.data; !regexec(&re, p, 1, &at, 0); p += at.rm_eo, found++)
		if (!EXPECT_TRUE(is_known(p + at.rm_so, (size_t)(at.rm_eo - at.rm_so))))
			printf("# %s: %.*s\n", path, (int)(at.rm_eo - at.rm_so), p + at.rm_so);
	EXPECT_TRUE(found >= least);
	regfree(&re);
	sz_buf_done(&text);
}

TEST(dashboard_and_alert_rules_name_metrics_that_there_are)
{
	expect_known_names("docs/grafana/subzero.json", 20);
	expect_known_names("docs/alerts/subzero.rules.yml", 10);
}

TEST(dashboard_is_json)
{
	struct sz_buf text = {0};
	json_t *v;

	read_file("docs/grafana/subzero.json", &text);
	v = json_loadb(text.data, text.len, JSON_REJECT_DUPLICATES, NULL);
	ASSERT_TRUE(v != NULL);
	EXPECT_TRUE(json_array_size(json_object_get(v, "panels")) > 10);
	json_decref(v);
	sz_buf_done(&text);
}
