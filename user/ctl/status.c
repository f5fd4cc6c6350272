/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * status: is traffic guarded, does the daemon live, how full are the maps. Read from the kernel;
 * the daemon's own words are merged where it answers.
 */
#include <stdio.h>
#include <string.h>

#include "ctl/ctl.h"

#define ASK_S 1

static const enum sz_map shown[] = {
	SZ_MAP_REQUESTS, SZ_MAP_PROFILES,
	SZ_MAP_GRANTS,  SZ_MAP_DENIED,  SZ_MAP_FLOWS, SZ_MAP_HALF,    SZ_MAP_BANS,
	SZ_MAP_REVOKED, SZ_MAP_SOURCES, SZ_MAP_HITS,  SZ_MAP_TICKETS, SZ_MAP_CARRY, SZ_MAP_SPILL,
};

static const struct sz_ctl_column map_columns[] = {
	{"name", "MAP", 0},
	{"entries", "ENTRIES", SZ_CTL_RIGHT},
	{"capacity", "CAPACITY", SZ_CTL_RIGHT},
	{"fill_percent", "FILL", SZ_CTL_RIGHT},
};

static void read_maps(struct sz_ctl *c, struct sz_ctl_table *t)
{
	size_t i;

	sz_ctl_table_init(t, map_columns, SZ_ARRAY_LEN(map_columns));
	for (i = 0; i < SZ_ARRAY_LEN(shown); i++) {
		u64 n = sz_ctl_count(c, shown[i]), room = sz_kern_map_capacity(c->kern, shown[i]);
		u64 percent = room ? n * 100 / room : 0;

		sz_ctl_cell_text(t, sz_kern_map_name(shown[i]) + 3);
		sz_ctl_cell_u64(t, n);
		sz_ctl_cell_u64(t, room);
		sz_ctl_cell(t, json_integer((json_int_t)percent), "%llu%%",
			    (unsigned long long)percent);
		sz_ctl_cell_colour(t, percent >= 90   ? SZ_CTL_RED
				      : percent >= 75 ? SZ_CTL_YELLOW
						      : SZ_CTL_PLAIN);
	}
}

static const struct sz_ctl_column interface_columns[] = {
	{"interface", "INTERFACE", 0},
	{"ifindex", NULL, 0},
	{"mode", "XDP", 0},
	{"ingress", "INGRESS", 0},
	{"egress", "EGRESS", 0},
	{"ingress_id", "XDP ID", SZ_CTL_RIGHT},
	{"egress_id", "EGRESS ID", SZ_CTL_RIGHT},
};

static int read_interfaces(struct sz_ctl *c, struct sz_ctl_table *t, struct sz_error *e)
{
	struct sz_attachment *list = NULL;
	int n = sz_kern_attachments(c->kern, &list, e), i;

	sz_ctl_table_init(t, interface_columns, SZ_ARRAY_LEN(interface_columns));
	for (i = 0; i < n; i++) {
		const struct sz_attachment *a = &list[i];

		sz_ctl_cell_text(t, a->ifname);
		sz_ctl_cell_u64(t, a->ifindex);
		sz_ctl_cell_text(t, !a->xdp ? "none" : a->native ? "native" : "generic");
		sz_ctl_cell_text(t, !a->xdp ? "missing" : a->xdp_link ? "link" : "netlink");
		if (!a->xdp)
			sz_ctl_cell_colour(t, SZ_CTL_RED);
		sz_ctl_cell_text(t, !a->egress ? "missing" : a->tcx ? "tcx" : "clsact");
		if (!a->egress)
			sz_ctl_cell_colour(t, SZ_CTL_RED);
		sz_ctl_cell_u64(t, a->xdp_prog_id);
		sz_ctl_cell_u64(t, a->egress_prog_id);
	}
	free(list);
	return n < 0 ? n : 0;
}

struct daemon {
	bool alive;
	u64 age_ns, ttl_ns;
	json_t *says; /* NULL: it did not answer */
};

static void read_daemon(struct sz_ctl *c, struct daemon *d)
{
	const struct sz_config *cfg = sz_kern_config(c->kern);
	u64 beat = __atomic_load_n(&cfg->heartbeat_ns, __ATOMIC_RELAXED), now = sz_boot_ns();
	struct sz_error ignored;

	*d = (struct daemon){.ttl_ns = cfg->heartbeat_ttl_ns};
	d->age_ns = beat && now > beat ? now - beat : 0;
	d->alive = beat && d->age_ns <= d->ttl_ns;
	d->says = sz_ctl_ask(c, json_pack("{s:s}", "cmd", "status"), ASK_S, &ignored);
	if (d->says)
		json_object_del(d->says, "ok");
}

static int print_json(struct sz_ctl *c, struct daemon *d, struct sz_ctl_table *interfaces,
		      struct sz_ctl_table *maps)
{
	const struct sz_config *cfg = sz_kern_config(c->kern);
	json_t *v = json_pack("{s:s, s:s, s:b, s:I, s:I, s:I, s:I}", "version", SZ_VERSION,
			      "pin_dir", sz_ctl_pin_dir(c), "configured", cfg->abi != 0,
			      "policy_generation", (json_int_t)cfg->policy_gen, "key_generation",
			      (json_int_t)cfg->key_gen, "revoke_epoch",
			      (json_int_t)cfg->revoke_epoch, "bans", (json_int_t)cfg->ban_count);
	bool seen = cfg->heartbeat_ns != 0;

	json_object_set_new(
		v, "daemon",
		json_pack("{s:b, s:o, s:I, s:b, s:o}", "alive", d->alive, "heartbeat_age_ms",
			  seen ? json_integer((json_int_t)(d->age_ns / 1000000)) : json_null(),
			  "heartbeat_ttl_ms", (json_int_t)(d->ttl_ns / 1000000), "reachable",
			  d->says != NULL, "status", d->says ? d->says : json_null()));
	json_object_set_new(v, "interfaces", sz_ctl_table_json(interfaces));
	json_object_set_new(v, "maps", sz_ctl_table_json(maps));
	return sz_ctl_print_json(v);
}

/* What the daemon says in words; members of members are joined. */
static void add_value(struct sz_buf *b, const json_t *v)
{
	const json_t *m;
	const char *key;
	size_t n = 0;

	if (json_is_object(v)) {
		json_object_foreach((json_t *)v, key, m)
		{
			sz_buf_printf(b, "%s%s ", n++ ? ", " : "", key);
			add_value(b, m);
		}
	} else if (json_is_string(v)) {
		sz_ctl_clean(b, json_string_value(v), json_string_length(v));
	} else if (json_is_integer(v)) {
		sz_buf_printf(b, "%lld", (long long)json_integer_value(v));
	} else if (json_is_real(v)) {
		sz_buf_printf(b, "%.1f", json_real_value(v));
	} else {
		sz_buf_printf(b, "%s", json_is_true(v) ? "yes" : json_is_false(v) ? "no" : "-");
	}
}

static void print_daemon(struct sz_ctl *c, const struct daemon *d)
{
	const struct sz_config *cfg = sz_kern_config(c->kern);
	const char *red = c->colour ? "\033[31m" : "", *green = c->colour ? "\033[32m" : "";
	const char *plain = c->colour ? "\033[0m" : "", *key;
	char age[SZ_CTL_TEXT_MAX];
	json_t *v;

	if (!cfg->heartbeat_ns)
		printf("Daemon       %snever seen%s: no service is protected until it runs\n", red,
		       plain);
	else if (!d->alive)
		printf("Daemon       %sdown%s, last seen %s ago: known tokens work, unknown get "
		       "503\n",
		       red, plain, sz_ctl_age(d->age_ns, age));
	else
		printf("Daemon       %salive%s, heartbeat %s ago%s\n", green, plain,
		       sz_ctl_age(d->age_ns, age),
		       d->says ? "" : "; its control socket does not answer");
	json_object_foreach(d->says, key, v)
	{
		struct sz_buf b = {0};

		add_value(&b, v);
		printf("  %-24s %s\n", key, b.data ? b.data : "");
		sz_buf_done(&b);
	}
	printf("Pins         %s%s\n", sz_ctl_pin_dir(c), cfg->abi ? "" : " (not configured yet)");
	printf("Generations  policy %u, keys %u, revocations %llu\n", cfg->policy_gen, cfg->key_gen,
	       (unsigned long long)cfg->revoke_epoch);
}

int sz_ctl_cmd_status(struct sz_ctl *c)
{
	struct sz_ctl_table interfaces = {0}, maps = {0};
	struct daemon d;
	struct sz_error e;
	int ret = SZ_CTL_OK;

	if (sz_ctl_open(c, &e) || read_interfaces(c, &interfaces, &e)) {
		sz_ctl_table_done(&interfaces);
		return sz_ctl_fail("%s", e.msg);
	}
	read_maps(c, &maps);
	read_daemon(c, &d);
	if (c->json) {
		ret = print_json(c, &d, &interfaces, &maps);
		sz_ctl_table_done(&interfaces);
		sz_ctl_table_done(&maps);
		return ret;
	}
	print_daemon(c, &d);
	json_decref(d.says);
	putchar('\n');
	sz_ctl_print(c, &interfaces,
		     "No interface is attached: nothing is guarded "
		     "('subzeroctl attach IFACE').");
	putchar('\n');
	return sz_ctl_print(c, &maps, "");
}
