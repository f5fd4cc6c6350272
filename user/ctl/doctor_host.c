/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * doctor: the configuration's files, the clock, the kernel's settings, pressure, disk space and the
 * offloads of an interface. Called by doctor.c. Limits of docs/threat-model.md that a setting of
 * the host makes worse are named here.
 */
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <unistd.h>

#include "ctl/doctor.h"
#include "telemetry/telemetry.h"
#include "verify/verify.h"

#define MTU_NATIVE  3500
#define SKEW_WIDE_S 60
#define DISK_WARN   (1ull << 30) /* bytes free */
#define DISK_BAD    (64ull << 20)

/* ---- files ---------------------------------------------------------------------------------- */

static void look_at_mode(struct sz_doctor *d)
{
	size_t i;

	for (i = 0; i < d->conf->n_services; i++) {
		char check[96];

		if (!d->conf->services[i].monitor)
			continue;
		snprintf(check, sizeof(check), "service %s", d->conf->services[i].name);
		sz_doctor_say(d, SZ_DOCTOR_WARN, check,
			      "when its refusals are as they should be, write mode: enforce",
			      "is only watched: every request passes");
	}
	if (d->conf->metrics.on && d->conf->metrics.allow_remote)
		sz_doctor_say(d, SZ_DOCTOR_WARN, "metrics",
			      "let a firewall admit only who scrapes, or listen on 127.0.0.1",
			      "may be read by other hosts, in clear and without a password");
}

/* A copy is verified, because a verifier keeps what it is given. */
void sz_doctor_conf(struct sz_doctor *d)
{
	struct sz_verifier *v = NULL;
	struct sz_error e = {};
	struct sz_conf *copy;

	d->conf = sz_ctl_conf(d->c);
	if (!d->conf) {
		sz_doctor_say(d, SZ_DOCTOR_BAD, "configuration",
			      "correct it: a start would fail, and a reload is refused", "%s",
			      d->c->conf_error.msg);
		return;
	}
	copy = sz_conf_load(d->conf->path, &e);
	if (!copy || sz_verifier_new(copy, &v, &e))
		sz_doctor_say(d, SZ_DOCTOR_BAD, "configuration",
			      "correct it: a start would fail, and a reload is refused", "%s",
			      e.msg);
	else
		sz_doctor_say(d, SZ_DOCTOR_OK, "configuration", "",
			      "%s and its key files are good", d->conf->path);
	sz_verifier_unref(v);
	look_at_mode(d);
}

void sz_doctor_disk(struct sz_doctor *d)
{
	struct statvfs s;
	char text[SZ_CTL_TEXT_MAX];
	enum sz_doctor_level level;
	u64 free_bytes;

	if (!d->conf)
		return;
	if (statvfs(d->conf->audit.dir, &s)) {
		sz_doctor_say(d, SZ_DOCTOR_WARN, "audit disk",
			      "the daemon makes it when it starts; see audit.dir", "%s: %s",
			      d->conf->audit.dir, strerror(errno));
		return;
	}
	free_bytes = (u64)s.f_bavail * s.f_frsize;
	level = free_bytes < DISK_BAD || !s.f_favail ? SZ_DOCTOR_BAD
		: free_bytes < DISK_WARN	     ? SZ_DOCTOR_WARN
						     : SZ_DOCTOR_OK;
	sz_doctor_say(d, level, "audit disk",
		      level == SZ_DOCTOR_OK ? ""
					    : "free space: a log that cannot be written is lost "
					      "evidence",
		      "%s free for %s", sz_ctl_bytes(free_bytes, text), d->conf->audit.dir);
}

/* ---- clock ---------------------------------------------------------------------------------- */

static bool is_synchronised(void)
{
	struct timex t = {0};

	return adjtimex(&t) != TIME_ERROR && !(t.status & STA_UNSYNC);
}

void sz_doctor_clock(struct sz_doctor *d)
{
	bool good = is_synchronised();
	size_t i;

	sz_doctor_say(d, good ? SZ_DOCTOR_OK : SZ_DOCTOR_WARN, "clock",
		      good ? "" : "run chrony or systemd-timesyncd: tokens begin and end by it",
		      good ? "synchronised" : "the kernel's clock is not synchronised");
	for (i = 0; d->conf && i < d->conf->n_issuers; i++) {
		const struct sz_conf_issuer *is = &d->conf->issuers[i];
		char check[128];

		snprintf(check, sizeof(check), "issuer %.100s", is->issuer);
		if (is->skew_s > SKEW_WIDE_S)
			sz_doctor_say(d, SZ_DOCTOR_WARN, check,
				      "set both clocks by NTP and lower clock_skew to 30s or less",
				      "its tokens are good for %u s beyond their end", is->skew_s);
		else if (!is->skew_s && !good)
			sz_doctor_say(d, SZ_DOCTOR_WARN, check,
				      "set clock_skew to 30s, or synchronise the clock",
				      "clock_skew is 0 and this clock is not synchronised: fresh "
				      "tokens may be refused");
	}
}

/* ---- the kernel's settings ------------------------------------------------------------------ */

/* -1 where there is no such setting. */
static long setting(const char *name)
{
	char path[128];
	long v = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/sys/%s", name);
	f = fopen(path, "re");
	if (f && fscanf(f, "%ld", &v) != 1)
		v = -1;
	if (f)
		fclose(f);
	return v;
}

static bool has_any_address(const struct sz_conf *c)
{
	static const struct sz_addr any;
	size_t i, k;

	for (i = 0; i < c->n_services; i++)
		for (k = 0; k < c->services[i].n_endpoints; k++)
			if (!memcmp(&c->services[i].endpoints[k].addr, &any, sizeof(any)))
				return true;
	return false;
}

void sz_doctor_kernel(struct sz_doctor *d)
{
	bool forwards = setting("net/ipv4/ip_forward") > 0 ||
			setting("net/ipv6/conf/all/forwarding") > 0;

	if (setting("kernel/io_uring_disabled") > 0)
		sz_doctor_say(d, SZ_DOCTOR_BAD, "io_uring", "sysctl kernel.io_uring_disabled=0",
			      "the daemon cannot start: io_uring is disabled");
	if (!setting("net/core/bpf_jit_enable"))
		sz_doctor_say(d, SZ_DOCTOR_WARN, "bpf jit", "sysctl net.core.bpf_jit_enable=1",
			      "the programs are interpreted, which is several times slower");
	if (forwards && d->conf && has_any_address(d->conf))
		sz_doctor_say(d, SZ_DOCTOR_WARN, "forwarding",
			      "name the address of each service that is not on this machine",
			      "this machine forwards, and a service is at any address: only "
			      "servers on this machine are guarded by it");
	else
		sz_doctor_say(d, SZ_DOCTOR_OK, "forwarding", "", "%s",
			      forwards ? "on, and every service has an address" : "off");
}

static bool wants_cookies(const struct sz_conf *c, enum sz_conf_cookies mode)
{
	size_t i;

	for (i = 0; i < c->n_services; i++)
		if ((c->services[i].cookies ? c->services[i].cookies : c->syn.mode) == mode)
			return true;
	return false;
}

/* What a SYN-ACK of ours offers must be what the server's TCP will do. */
static void look_at_timestamps(struct sz_doctor *d)
{
	if (d->conf->syn.timestamps &&
	    (setting("net/ipv4/tcp_timestamps") != 2 || setting("net/ipv4/tcp_sack") != 1 ||
	     setting("net/ipv4/tcp_window_scaling") != 1))
		sz_doctor_say(d, SZ_DOCTOR_BAD, "syn cookies",
			      "sysctl net.ipv4.tcp_timestamps=2 net.ipv4.tcp_sack=1 "
			      "net.ipv4.tcp_window_scaling=1, or syn_cookies.timestamps: false",
			      "cookies offer timestamps, SACK and a window scale, but this "
			      "machine's TCP would not keep to them");
}

static int count_routed(const void *key, const void *value, void *arg)
{
	const struct sz_syn *syn = value;
	unsigned *n = arg;

	(void)key;
	*n += syn->routed_ns > syn->local_ns;
	return 0;
}

/* Servers behind this machine have another secret. */
static void look_at_routed(struct sz_doctor *d)
{
	unsigned n = 0;

	if (d->maps)
		sz_map_each(d->c->kern, SZ_MAP_SYN, count_routed, &n);
	if (n)
		sz_doctor_say(d, SZ_DOCTOR_WARN, "syn cookies behind",
			      "set limits.connections for them, and tcp_syncookies on their "
			      "machine",
			      "%u addresses are of servers behind this machine: they cannot have "
			      "cookies from here",
			      n);
}

void sz_doctor_cookies(struct sz_doctor *d)
{
	long mode = setting("net/ipv4/tcp_syncookies");
	bool always, automatic;

	if (!d->conf)
		return;
	always = wants_cookies(d->conf, SZ_COOKIES_ALWAYS);
	automatic = wants_cookies(d->conf, SZ_COOKIES_AUTO);
	if (!always && !automatic)
		return;
	if (mode <= 0)
		sz_doctor_say(d, always ? SZ_DOCTOR_BAD : SZ_DOCTOR_WARN, "syn cookies",
			      "sysctl net.ipv4.tcp_syncookies=2, or syn_cookies: off",
			      "tcp_syncookies is 0: this machine's servers take no cookies");
	else if (mode == 1 && always)
		sz_doctor_say(d, SZ_DOCTOR_WARN, "syn cookies", "sysctl net.ipv4.tcp_syncookies=2",
			      "tcp_syncookies is 1: a server takes cookies only while its queue of "
			      "half-open connections is full, so they are not given out before");
	else
		sz_doctor_say(d, SZ_DOCTOR_OK, "syn cookies", "", "tcp_syncookies is %ld", mode);
	look_at_timestamps(d);
	look_at_routed(d);
}

void sz_doctor_pressure(struct sz_doctor *d)
{
	static const struct {
		const char *resource, *todo;
		double warn;
	} rows[] = {
		{"cpu", "too little CPU: verification and misses wait; give it cores or workers",
		 0.5},
		{"memory", "too little memory: the daemon may stall; see who uses it", 0.1},
		{"io", "the disk is busy: audit records wait for it", 0.5},
	};
	struct sz_pressure p;
	size_t i, seen = 0, found = 0;
	char check[64];

	for (i = 0; i < SZ_ARRAY_LEN(rows); i++) {
		if (sz_pressure_read(rows[i].resource, &p))
			continue;
		seen++;
		if (p.ratio < rows[i].warn)
			continue;
		found++;
		snprintf(check, sizeof(check), "pressure %s", rows[i].resource);
		sz_doctor_say(d, SZ_DOCTOR_WARN, check, rows[i].todo,
			      "tasks waited for it in %.0f%% of the last 10 s", p.ratio * 100);
	}
	if (seen && !found)
		sz_doctor_say(d, SZ_DOCTOR_OK, "pressure", "", "low on CPU, memory and I/O");
}

/* ---- an interface --------------------------------------------------------------------------- */

/* Asks the driver through any socket; the answer to `cmd`, or 0 where it does not know. */
static u32 ask_driver(int fd, const char *ifname, u32 cmd)
{
	struct ethtool_value v = {.cmd = cmd};
	struct ifreq r = {0};

	memcpy(r.ifr_name, ifname, strnlen(ifname, sizeof(r.ifr_name) - 1));
	r.ifr_data = (void *)&v;
	return ioctl(fd, SIOCETHTOOL, &r) ? 0 : v.data;
}

void sz_doctor_offloads(struct sz_doctor *d, const struct sz_attachment *a)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq r = {0};
	char check[64], todo[96];
	bool lro;

	if (fd < 0)
		return;
	snprintf(check, sizeof(check), "offloads %s", a->ifname);
	snprintf(todo, sizeof(todo), "ethtool -K %s gro off lro off", a->ifname);
	lro = ask_driver(fd, a->ifname, ETHTOOL_GFLAGS) & ETH_FLAG_LRO;
	if (lro || (!a->native && ask_driver(fd, a->ifname, ETHTOOL_GGRO)))
		sz_doctor_say(d, SZ_DOCTOR_WARN, check, todo,
			      "%s is on%s: merged frames can be too large to be decided",
			      lro ? "LRO" : "GRO", a->native ? "" : " with generic XDP");
	memcpy(r.ifr_name, a->ifname, strnlen(a->ifname, sizeof(r.ifr_name) - 1));
	if (!ioctl(fd, SIOCGIFMTU, &r) && r.ifr_mtu > MTU_NATIVE)
		sz_doctor_say(d, SZ_DOCTOR_WARN, check,
			      "lower it to 3,498 or less: held frames above 3 KiB cannot be put "
			      "back",
			      "the MTU is %d", r.ifr_mtu);
	close(fd);
}
