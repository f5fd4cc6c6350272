/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * doctor: what the maps, the programs and the daemon say. Called by doctor.c. Counters are those
 * since the maps were made, so what they show may be long past; no counter alone is worse than a
 * warning.
 */
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "ctl/doctor.h"

#define ASK_S       2
#define MANY        1000 /* requests below which a share says nothing */
#define FULL_WARN   75   /* percent */
#define FULL_BAD    90
#define LAG_WARN    10000 /* audit records not on disk */
#define LAG_WAIT_MS 500

/* ---- the daemon ----------------------------------------------------------------------------- */

static void ask_daemon(struct sz_doctor *d)
{
	struct sz_error e;
	const char *version;

	d->says = sz_ctl_ask(d->c, json_pack("{s:s}", "cmd", "status"), ASK_S, &e);
	d->daemon = d->says != NULL;
	if (!d->daemon) {
		sz_doctor_say(d, SZ_DOCTOR_WARN, "control",
			      "is subzerod running, and --control right? if it hangs, restart it",
			      "%s", e.msg);
		return;
	}
	version = json_string_value(json_object_get(d->says, "version"));
	if (version && strcmp(version, SZ_VERSION))
		sz_doctor_say(d, SZ_DOCTOR_WARN, "version",
			      "restart the daemon, so that the installed version runs",
			      "subzerod is version %s, subzeroctl " SZ_VERSION, version);
}

static void look_at_heartbeat(struct sz_doctor *d, const struct sz_config *cfg)
{
	u64 beat = __atomic_load_n(&cfg->heartbeat_ns, __ATOMIC_RELAXED), now = sz_boot_ns();
	u64 age = now > beat ? now - beat : 0;
	char text[SZ_CTL_TEXT_MAX], ttl[SZ_CTL_TEXT_MAX];

	sz_ctl_age(age, text);
	sz_ctl_age(cfg->heartbeat_ttl_ns, ttl);
	if (!beat)
		sz_doctor_say(d, SZ_DOCTOR_BAD, "daemon",
			      "start it: systemctl start subzero (its last lines say why it "
			      "does not)",
			      "stopped, or never started: unknown tokens get 503");
	else if (age > cfg->heartbeat_ttl_ns)
		sz_doctor_say(d, SZ_DOCTOR_BAD, "daemon",
			      "start it: systemctl start subzero; journalctl -u subzero says why "
			      "it ended",
			      "down, last seen %s ago: known tokens work, unknown ones get 503",
			      text);
	else if (age > cfg->heartbeat_ttl_ns / 2)
		sz_doctor_say(d, SZ_DOCTOR_WARN, "daemon",
			      "the machine is short of CPU or the daemon hangs: see 'pressure' "
			      "below, and raise heartbeat_ttl if this is normal here",
			      "alive, but its heartbeat is %s old; at %s it counts as down", text,
			      ttl);
	else
		sz_doctor_say(d, SZ_DOCTOR_OK, "daemon", "", "alive, heartbeat %s ago", text);
}

void sz_doctor_daemon(struct sz_doctor *d)
{
	struct sz_error e = {};
	const struct sz_config *cfg;

	d->maps = !sz_kern_open(sz_ctl_pin_dir(d->c), &d->c->kern, &e);
	if (!d->maps) {
		sz_doctor_say(d, SZ_DOCTOR_BAD, "pins",
			      "start subzerod; nothing is guarded until then. After an upgrade "
			      "that changed the maps: subzeroctl unload, then start",
			      "%s", e.msg);
		return;
	}
	cfg = sz_kern_config(d->c->kern);
	if (!cfg->abi)
		sz_doctor_say(d, SZ_DOCTOR_BAD, "pins",
			      "start subzerod: protected ports are dropped until it has run",
			      "maps in %s that no daemon has configured", sz_ctl_pin_dir(d->c));
	else if (cfg->abi != SZ_ABI)
		sz_doctor_say(d, SZ_DOCTOR_BAD, "pins",
			      "install one version, then: systemctl stop subzero, subzeroctl "
			      "unload, systemctl start subzero",
			      "maps of layout %u; this version needs %d", cfg->abi, SZ_ABI);
	else
		sz_doctor_say(d, SZ_DOCTOR_OK, "pins", "", "maps of layout %d in %s", SZ_ABI,
			      sz_ctl_pin_dir(d->c));
	look_at_heartbeat(d, cfg);
	ask_daemon(d);
}

/* ---- programs ------------------------------------------------------------------------------- */

static void look_at_attachment(struct sz_doctor *d, const struct sz_attachment *a)
{
	char check[64], todo[160];
	bool wanted = d->conf && d->conf->xdp == SZ_XDP_GENERIC;

	snprintf(check, sizeof(check), "interface %s", a->ifname);
	snprintf(todo, sizeof(todo), "subzeroctl attach %s", a->ifname);
	if (!a->xdp)
		sz_doctor_say(d, SZ_DOCTOR_BAD, check, todo,
			      "the ingress program is missing: nothing is guarded here");
	else if (!a->egress)
		sz_doctor_say(d, SZ_DOCTOR_BAD, check, todo,
			      "the egress program is missing: no connection becomes known, so all "
			      "are reset");
	else if (!a->native && !wanted)
		sz_doctor_say(d, SZ_DOCTOR_WARN, check,
			      "a driver with XDP, or an MTU below 3,500, would be several times "
			      "faster",
			      "guarded in generic mode");
	else
		sz_doctor_say(d, SZ_DOCTOR_OK, check, "", "guarded: XDP %s, egress by %s",
			      a->native ? "in the driver" : "generic, as configured",
			      a->tcx ? "tcx" : "clsact");
	if (a->xdp)
		sz_doctor_offloads(d, a);
}

static bool is_attached(const struct sz_attachment *list, int n, const char *ifname)
{
	int i;

	for (i = 0; i < n; i++)
		if (!strcmp(list[i].ifname, ifname))
			return true;
	return false;
}

void sz_doctor_interfaces(struct sz_doctor *d)
{
	struct sz_attachment *list = NULL;
	struct sz_error e = {};
	int n = sz_kern_attachments(d->c->kern, &list, &e), i;
	char check[64], todo[160];
	size_t k;

	if (n < 0)
		sz_doctor_say(d, SZ_DOCTOR_BAD, "interfaces", "run it as root", "%s", e.msg);
	for (i = 0; i < n; i++)
		look_at_attachment(d, &list[i]);
	for (k = 0; n >= 0 && d->conf && k < d->conf->n_interfaces; k++) {
		const char *name = d->conf->interfaces[k];

		if (is_attached(list, n, name))
			continue;
		snprintf(check, sizeof(check), "interface %s", name);
		snprintf(todo, sizeof(todo), "subzeroctl attach %s", name);
		if (if_nametoindex(name))
			sz_doctor_say(d, SZ_DOCTOR_BAD, check, todo,
				      "configured, but not guarded: every request passes");
		else
			sz_doctor_say(d, SZ_DOCTOR_BAD, check,
				      "correct 'interfaces', or bring it up ('ip link')",
				      "configured, but there is no such interface here");
	}
	if (!n && !d->conf)
		sz_doctor_say(d, SZ_DOCTOR_BAD, "interfaces", "subzeroctl attach IFACE",
			      "no interface is attached: nothing is guarded");
	free(list);
}

/* ---- maps ----------------------------------------------------------------------------------- */

static const struct {
	enum sz_map map;
	bool evicts; /* LRU: a full one pushes out what is old */
	const char *todo;
} watched[] = {
	{SZ_MAP_GRANTS, false,
	 "raise maps.grants (then: stop, subzeroctl unload, start); short-lived tokens fill it"},
	{SZ_MAP_FLOWS, true,
	 "raise maps.flows (then: stop, subzeroctl unload, start): connections are pushed out"},
	{SZ_MAP_HALF, true, "many half-open connections: subzeroctl sources --sort syns, then ban "
			    "or set limits.connections"},
	{SZ_MAP_DENIED, true, "many bad tokens: subzeroctl sources --sort denials, then ban"},
	{SZ_MAP_SOURCES, true, "many source addresses: a flood? subzeroctl sources"},
	{SZ_MAP_HITS, false, "more principals and routes than rows: the rest is counted together"},
	{SZ_MAP_TICKETS, false, "many unusual requests at once: lower limits.source_misses"},
	{SZ_MAP_CARRY, false, "many incomplete requests at once: lower limits.source_misses"},
	{SZ_MAP_SPILL, false, "many connections with much in flight; pipelining clients?"},
	{SZ_MAP_BANS, false, "ban prefixes instead of addresses; subzeroctl unban expired ones"},
	{SZ_MAP_REVOKED, false, "revoke with --for, so that they end: subzeroctl revocations"},
};

void sz_doctor_maps(struct sz_doctor *d)
{
	size_t i, fine = 0;

	for (i = 0; i < SZ_ARRAY_LEN(watched); i++) {
		u64 n = sz_ctl_count(d->c, watched[i].map);
		u64 room = sz_kern_map_capacity(d->c->kern, watched[i].map);
		u64 percent = room ? n * 100 / room : 0;
		enum sz_doctor_level level = percent >= FULL_BAD    ? SZ_DOCTOR_BAD
					     : percent >= FULL_WARN ? SZ_DOCTOR_WARN
								    : SZ_DOCTOR_OK;
		char check[64];

		if (level == SZ_DOCTOR_BAD && watched[i].evicts)
			level = SZ_DOCTOR_WARN;
		fine += level == SZ_DOCTOR_OK;
		snprintf(check, sizeof(check), "map %s", sz_kern_map_name(watched[i].map) + 3);
		if (level != SZ_DOCTOR_OK)
			sz_doctor_say(d, level, check, watched[i].todo, "%llu%% full: %llu of %llu",
				      (unsigned long long)percent, (unsigned long long)n,
				      (unsigned long long)room);
	}
	if (fine == SZ_ARRAY_LEN(watched))
		sz_doctor_say(d, SZ_DOCTOR_OK, "maps", "", "all are below %d%%", FULL_WARN);
}

/* ---- counters ------------------------------------------------------------------------------- */

/* What a refusal says about the set-up; `permille` of all requests, 0: any is worth a word. */
static const struct {
	u32 reason, permille;
	const char *todo;
} advice[] = {
	{SZ_R_DESYNC, 0, "an attack, a program attached late, or a middlebox behind the guard"},
	{SZ_R_CHANGED, 0, "an attack, or a middlebox that rewrites streams"},
	{SZ_R_SPOOFED, 0, "somebody claims the server's address, or a hairpin route: tcpdump"},
	{SZ_R_UNCONFIGURED, 0, "an interface whose maps no daemon has written: subzeroctl status"},
	{SZ_R_NO_ANSWER, 10, "the driver has no room for answers: clients get a reset instead"},
	{SZ_R_TOO_LARGE, 0, "MTU above 3,500, or GRO or LRO with generic XDP: ethtool -K"},
	{SZ_R_BAD_CHECKSUM, 10, "broken offload on the way here? ethtool -K IF rx off, and look"},
	{SZ_R_STATE_FULL, 0, "a table was full: see 'map' above, and subzeroctl sources"},
	{SZ_R_OVERLOAD, 10, "raise limits.misses, or see who floods: subzeroctl sources"},
	{SZ_R_STRAY, 100, "a flood of segments without connections, or raise limits.strays"},
	{SZ_R_BUSY, 10, "the verifier was busier than limits.adaptive allows: subzeroctl limits"},
	{SZ_R_NO_DAEMON, 10, "the daemon was away: journalctl -u subzero"},
	{SZ_R_NOT_YET, 10, "the issuer's clock is ahead of this one: set both by NTP"},
	{SZ_R_EXPIRED, 100, "clients renew too late, or the clocks differ: check both"},
	{SZ_R_UNKNOWN_KEY, 10, "the issuer has a new key: update the jwks file and reload, or let "
				"its keys be fetched"},
	{SZ_R_KEYS_DOWN, 0, "an issuer's keys cannot be fetched: subzeroctl keys"},
	{SZ_R_INTROSPECTION_DOWN, 0, "an issuer cannot be asked: subzeroctl keys"},
	{SZ_R_BAD_ISSUER, 100, "tokens of another issuer: add it, or correct the clients"},
	{SZ_R_BAD_AUDIENCE, 100, "tokens for another audience: see audiences in the configuration"},
	{SZ_R_UNKNOWN_FLOW, 50, "connections from before attachment, or answers that leave by "
				"another interface"},
	{SZ_R_FRAGMENT, 10, "fragments never pass: lower the clients' MTU"},
	{SZ_R_MULTIPATH, 10, "Multipath TCP clients go on without it; nothing to do"},
	{SZ_R_GAP, 50, "loss on the way here: each costs a retransmission"},
	{SZ_R_RACE, 50, "one connection on several CPUs: see RSS of the card"},
	{SZ_R_PIPELINED, 50, "clients pipeline deeply; they are slowed down"},
	{SZ_R_RECUT, 10, "clients repeat in smaller pieces: a path MTU that changes"},
	{SZ_R_SYN_LIMIT, 10, "limits.connections is reached: subzeroctl sources --sort syns"},
	{SZ_R_LIMIT_SOURCE, 100, "limits.source is reached: subzeroctl sources"},
	{SZ_R_LIMIT_PRINCIPAL, 100, "limits.principal is reached: subzeroctl audit tail"},
};

static u64 requests(const u64 n[SZ_REASON_MAX])
{
	u64 sum = n[SZ_R_HIT] + n[SZ_R_PUBLIC] + n[SZ_R_TICKET];
	u32 r;

	for (r = 0; r < SZ_REASON_MAX; r++)
		sum += sz_reason_http(r) ? n[r] : 0;
	return sum;
}

static void look_at_misses(struct sz_doctor *d, const u64 n[SZ_REASON_MAX])
{
	u64 known = n[SZ_R_HIT] + n[SZ_R_PUBLIC], all = known + n[SZ_R_MISS];

	if (all >= MANY && n[SZ_R_MISS] * 10 > all)
		sz_doctor_say(d, SZ_DOCTOR_WARN, "misses",
			      "tokens that live for few requests, unusual heads or 'decide: each' "
			      "routes: the daemon decides those; subzeroctl top",
			      "%llu of %llu requests were not decided in the kernel alone",
			      (unsigned long long)n[SZ_R_MISS], (unsigned long long)all);
	else
		sz_doctor_say(d, SZ_DOCTOR_OK, "misses", "", "%llu of %llu requests",
			      (unsigned long long)n[SZ_R_MISS], (unsigned long long)all);
}

void sz_doctor_counters(struct sz_doctor *d)
{
	u64 n[SZ_REASON_MAX], lost[SZ_REASON_MAX], all, sum = 0;
	unsigned found = 0;
	char check[64];
	size_t i;
	u32 r;

	if (sz_kern_counters(d->c->kern, SZ_MAP_COUNTERS, n) ||
	    sz_kern_counters(d->c->kern, SZ_MAP_LOST, lost)) {
		sz_doctor_say(d, SZ_DOCTOR_BAD, "counters", "run it as root",
			      "the counters cannot be read");
		return;
	}
	look_at_misses(d, n);
	all = requests(n);
	for (i = 0; i < SZ_ARRAY_LEN(advice); i++) {
		u64 hits = n[advice[i].reason];

		if (!hits || (advice[i].permille && (all < MANY || hits * 1000 <=
							   all * advice[i].permille)))
			continue;
		found++;
		snprintf(check, sizeof(check), "drops %s", sz_reason_label(advice[i].reason));
		sz_doctor_say(d, SZ_DOCTOR_WARN, check, advice[i].todo,
			      "%llu since the maps were made: %s", (unsigned long long)hits,
			      sz_reason_text(advice[i].reason));
	}
	if (!found)
		sz_doctor_say(d, SZ_DOCTOR_OK, "drops", "", "no reason stands out");
	for (r = 0; r < SZ_REASON_MAX; r++)
		sum += lost[r];
	if (sum)
		sz_doctor_say(d, SZ_DOCTOR_WARN, "audit ring",
			      "refusals came faster than the daemon could log them, or it was "
			      "down; they are counted in the log by reason",
			      "%llu refusals have no record of their own", (unsigned long long)sum);
}

/* ---- audit log ------------------------------------------------------------------------------ */

static s64 member(const json_t *says, const char *name)
{
	return json_integer_value(json_object_get(json_object_get(says, "audit"), name));
}

/* Records wait for a moment always; that none of them reaches the disk is what counts. */
void sz_doctor_audit(struct sz_doctor *d)
{
	const struct timespec wait = {.tv_nsec = LAG_WAIT_MS * 1000000};
	s64 last, synced, later;
	struct sz_error e;
	json_t *again;

	if (!d->daemon)
		return;
	last = member(d->says, "last_seq");
	synced = member(d->says, "synced_seq");
	if (last <= synced) {
		sz_doctor_say(d, SZ_DOCTOR_OK, "audit log", "", "%lld records, all on disk",
			      (long long)last);
		return;
	}
	nanosleep(&wait, NULL);
	again = sz_ctl_ask(d->c, json_pack("{s:s}", "cmd", "status"), ASK_S, &e);
	later = again ? member(again, "synced_seq") : synced;
	if (later <= synced)
		sz_doctor_say(d, SZ_DOCTOR_BAD, "audit log",
			      "free space on its disk and restart the daemon; its log says why it "
			      "cannot write",
			      "%lld records wait for the disk and none has reached it",
			      (long long)(last - synced));
	else if (last - synced > LAG_WARN)
		sz_doctor_say(d, SZ_DOCTOR_WARN, "audit log", "the disk is slow for what is logged",
			      "%lld records wait for the disk", (long long)(last - synced));
	else
		sz_doctor_say(d, SZ_DOCTOR_OK, "audit log", "", "%lld records, %lld being written",
			      (long long)last, (long long)(last - synced));
	json_decref(again);
}
