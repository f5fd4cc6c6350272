/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * subzerod: the daemon. Reads the options, starts the gateway, tells the service manager, and
 * handles signals: SIGHUP reloads, SIGTERM and SIGINT stop and leave enforcement in the kernel.
 */
#include <getopt.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "api/api.h"
#include "control/control.h"
#include "core/core.h"
#include "fga/fga.h"
#include "gateway/gateway.h"
#include "idp/idp.h"
#include "metrics/metrics.h"
#include "net/net.h"
#include "signals/signals.h"
#include "telemetry/telemetry.h"
#include "verify/verify.h"

#define DEFAULT_CONFIG "/etc/subzero/subzero.yaml"
#define RING_ENTRIES   256

struct daemon {
	struct sz_loop_ring *loop;
	struct sz_gateway *gateway;
	struct sz_metrics *metrics;
	struct sz_api *api;
	struct sz_fga *fga;
	struct sz_signals *signals;
	struct sz_control *control;
	bool detach_on_exit;
};

static const char usage_text[] =
	"usage: subzerod [options]\n"
	"\n"
	"The Subzero gateway's daemon: verifies tokens, writes verdicts into the kernel's maps "
	"and\n"
	"keeps the audit log. Needs root, or CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON and "
	"CAP_SYS_ADMIN.\n"
	"\n"
	"  -c, --config FILE      configuration (default " DEFAULT_CONFIG ")\n"
	"      --check-config [FILE]  check the configuration and its key files, then exit\n"
	"      --online           with it: also ask each identity provider whether it answers\n"
	"      --detach-on-exit   remove the programs from the interfaces when stopped by a "
	"signal\n"
	"                         (default: enforcement stays; known tokens keep working)\n"
	"  -v, --verbose          also log debug messages\n"
	"  -V, --version          print the version\n"
	"  -h, --help             print this\n"
	"\n"
	"SIGHUP reloads the configuration; a bad file leaves the old one running.\n"
	"See subzerod(8), subzero.yaml(5), subzeroctl(8).\n";

static void show_trial(const struct sz_idp_trial *t, void *arg)
{
	(void)arg;
	printf("%s: %s: %s%s\n", t->issuer, t->what, t->good ? "good: " : "FAILED: ", t->words);
}

static int try_providers(const struct sz_conf *c)
{
	struct sz_error e = {};
	int err = sz_idp_try(c, show_trial, NULL, &e);

	if (err && err != -EREMOTEIO)
		fprintf(stderr, "subzerod: %s\n", e.msg);
	return err ? 1 : 0;
}

static int check_config(const char *path, bool online)
{
	struct sz_error e = {};
	struct sz_conf *c = sz_conf_load(path, &e);
	struct sz_verifier *v = NULL;
	int err = c ? sz_idp_check(c, &e) : -EINVAL;

	if (err)
		sz_conf_free(c);
	else
		err = sz_verifier_new(c, &v, &e);
	if (err) {
		fprintf(stderr, "subzerod: %s\n", e.msg);
		return 1;
	}
	c = (struct sz_conf *)sz_verifier_conf(v);
	printf("%s: good: %zu interface%s, %zu issuer%s, %zu service%s\n", path, c->n_interfaces,
	       c->n_interfaces == 1 ? "" : "s", c->n_issuers, c->n_issuers == 1 ? "" : "s",
	       c->n_services, c->n_services == 1 ? "" : "s");
	err = online ? try_providers(c) : 0;
	sz_verifier_unref(v);
	return err;
}

static void reload(struct daemon *d)
{
	struct sz_error e = {};

	sz_notify("RELOADING=1");
	if (sz_gateway_reload(d->gateway, &e))
		sz_log(SZ_LOG_ERR, "reload refused, the old configuration stays: %s", e.msg);
	else
		sz_log(SZ_LOG_NOTICE, "configuration reloaded");
	sz_notify("READY=1");
}

static void on_signal(int signo, void *arg)
{
	struct daemon *d = arg;

	if (signo == SIGHUP) {
		reload(d);
		return;
	}
	sz_notify("STOPPING=1");
	sz_log(SZ_LOG_NOTICE, "stopping; %s",
	       d->detach_on_exit
		       ? "detaching"
		       : "enforcement stays in the kernel (subzeroctl detach removes it)");
	sz_gateway_stop(d->gateway, d->detach_on_exit);
}

static void on_watchdog(void *arg)
{
	(void)arg;
	sz_notify("WATCHDOG=1");
}

static void on_act(const char *words, void *arg)
{
	struct daemon *d = arg;

	sz_gateway_record(d->gateway, SZ_AUDIT_ADMIN, words);
}

static int offer_relations(struct daemon *d, struct sz_error *e)
{
	const struct sz_conf *c = sz_gateway_conf(d->gateway);
	struct sz_fga_options o = {.workers = c->workers, .deadline_ms = c->rebac.deadline_ms};
	struct sz_stores *stores = sz_gateway_stores(d->gateway);

	return stores ? sz_fga_new(d->api, d->loop, stores, &o, &d->fga, e) : 0;
}

static int run(struct daemon *d, const char *config)
{
	struct sz_error e = {};
	sigset_t set;
	u64 watchdog = sz_notify_watchdog_ns();
	int r = sz_net_new(RING_ENTRIES, &d->loop, &e);

	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	signal(SIGPIPE, SIG_IGN);
	d->api = sz_api_new();
	if (!r)
		r = sz_net_signals(d->loop, &set, on_signal, d);
	if (!r)
		r = sz_gateway_new(config, d->loop, &d->gateway, &e);
	if (!r)
		r = sz_control_listen(d->loop, d->gateway, d->api, &d->control, &e);
	if (!r)
		r = offer_relations(d, &e);
	if (!r)
		sz_api_on_act(d->api, on_act, d);
	if (!r)
		d->signals = sz_signals_new(d->api, d->gateway);
	if (!r)
		r = sz_api_listen(d->api, d->loop, sz_gateway_conf(d->gateway), &e);
	if (!r)
		r = sz_metrics_listen(d->loop, d->gateway, &d->metrics, &e);
	if (!r && watchdog)
		r = sz_net_every(d->loop, watchdog / 2, on_watchdog, d);
	if (r) {
		sz_log(SZ_LOG_ERR, "%s", e.msg[0] ? e.msg : strerror(-r));
		return 1;
	}
	sz_log(SZ_LOG_NOTICE, "ready");
	sz_notify("READY=1");
	r = sz_net_run(d->loop);
	if (r)
		sz_log(SZ_LOG_ERR, "the event loop ended: %s", strerror(-r));
	return r ? 1 : 0;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'},
		{"check-config", no_argument, NULL, 'k'},
		{"online", no_argument, NULL, 'o'},
		{"detach-on-exit", no_argument, NULL, 'd'},
		{"verbose", no_argument, NULL, 'v'},
		{"version", no_argument, NULL, 'V'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	const char *config = DEFAULT_CONFIG;
	struct daemon d = {};
	bool check = false, online = false;
	int o, r;

	while ((o = getopt_long(argc, argv, "c:vVh", options, NULL)) != -1) {
		switch (o) {
		case 'c':
			config = optarg;
			break;
		case 'k':
			check = true;
			break;
		case 'o':
			online = true;
			break;
		case 'd':
			d.detach_on_exit = true;
			break;
		case 'v':
			sz_log_level_set(SZ_LOG_DEBUG);
			break;
		case 'V':
			puts("subzerod " SZ_VERSION);
			return 0;
		case 'h':
			fputs(usage_text, stdout);
			return 0;
		default:
			fputs("try 'subzerod --help'\n", stderr);
			return 2;
		}
	}
	if (check && optind == argc - 1)
		config = argv[optind++];
	if (optind < argc) {
		fprintf(stderr, "subzerod: unexpected '%s'; try 'subzerod --help'\n", argv[optind]);
		return 2;
	}
	if (online && !check) {
		fputs("subzerod: --online goes with --check-config\n", stderr);
		return 2;
	}
	if (sodium_init() < 0) {
		fputs("subzerod: libsodium does not start: no source of randomness\n", stderr);
		return 1;
	}
	if (check)
		return check_config(config, online);
	r = run(&d, config);
	sz_fga_free(d.fga);
	sz_net_free(d.loop);
	sz_metrics_free(d.metrics);
	sz_control_free(d.control);
	sz_api_free(d.api);
	sz_signals_free(d.signals);
	sz_gateway_free(d.gateway);
	return r;
}
