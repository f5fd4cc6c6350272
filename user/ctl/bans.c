/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * ban, unban, bans, bans import: addresses whose packets for protected services are dropped before
 * anything else. The kernel skips the lookup while ban_count is 0, so that number must follow the
 * map: both are changed under a lock on the pin directory.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "ctl/ctl.h"

struct ban_row {
	struct sz_ban_key key;
	struct sz_ban ban;
};

/* Another subzeroctl may be at it. Without the lock the count could end up wrong. */
static int lock_pins(struct sz_ctl *c, struct sz_error *e)
{
	const char *dir = sz_ctl_pin_dir(c);
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0 && !flock(fd, LOCK_EX))
		return fd;
	if (fd >= 0)
		close(fd);
	return sz_error_set(e, -errno, "cannot lock %.200s: %s", dir, strerror(errno));
}

static void recount(struct sz_ctl *c)
{
	u32 *count = &sz_kern_config(c->kern)->ban_count;
	u64 n = sz_ctl_count(c, SZ_MAP_BANS);

	__atomic_store_n(count, n > UINT32_MAX ? UINT32_MAX : (u32)n, __ATOMIC_SEQ_CST);
}

static int read_ban(struct sz_ctl *c, struct sz_ban_key *key, struct sz_ban *ban)
{
	const char *duration = sz_ctl_value(&c->args, "for"), *why = sz_ctl_value(&c->args, "why");
	u64 seconds;

	memset(key, 0, sizeof(*key));
	memset(ban, 0, sizeof(*ban));
	if (sz_prefix_parse(c->args.word[0], &key->addr, &key->prefixlen))
		return sz_ctl_usage("'%s' is not an address or prefix; write 192.0.2.7, "
				    "192.0.2.0/24 or 2001:db8::/32",
				    c->args.word[0]);
	if (sz_ban_everybody(key) && !sz_ctl_has(&c->args, "force"))
		return sz_ctl_usage("%s bans everybody; if that is meant, add --force",
				    c->args.word[0]);
	if (duration && (sz_ctl_parse_duration(duration, &seconds) || !seconds))
		return sz_ctl_usage("--for '%s' is not a duration; write 30m, 12h, 7d", duration);
	if (duration)
		ban->expires_ns = sz_boot_ns() + seconds * 1000000000;
	if (why && strlen(why) >= sizeof(ban->why))
		return sz_ctl_usage("--why is too long: at most %zu bytes are kept",
				    sizeof(ban->why) - 1);
	if (why)
		memcpy(ban->why, why, strlen(why));
	return 0;
}

/* Changes the map (ban NULL: removes the key) and its count together. */
static int change(struct sz_ctl *c, const struct sz_ban_key *key, const struct sz_ban *ban,
		  struct sz_error *e)
{
	int lock, err;

	err = sz_ctl_open(c, e);
	if (err)
		return err;
	lock = lock_pins(c, e);
	if (lock < 0)
		return lock;
	if (ban)
		err = sz_map_put(c->kern, SZ_MAP_BANS, key, ban);
	else
		err = sz_map_del(c->kern, SZ_MAP_BANS, key);
	recount(c);
	close(lock);
	if (err == -E2BIG)
		return sz_error_set(e, err,
				    "the list of bans is full (%u); unban what is no longer "
				    "needed",
				    sz_kern_map_capacity(c->kern, SZ_MAP_BANS));
	if (err)
		sz_error_set(e, err, "%s", strerror(-err));
	return err;
}

int sz_ctl_cmd_ban(struct sz_ctl *c)
{
	const char *duration = sz_ctl_value(&c->args, "for"), *why = sz_ctl_value(&c->args, "why");
	char prefix[SZ_CTL_TEXT_MAX];
	struct sz_ban_key key;
	struct sz_ban ban;
	struct sz_error e;
	int ret = read_ban(c, &key, &ban);

	if (ret)
		return ret;
	sz_ctl_prefix(&key, prefix);
	if (change(c, &key, &ban, &e))
		return sz_ctl_fail("cannot ban %s: %s", prefix, e.msg);
	sz_ctl_record(c, "ban", "%s%s%s%s%s", prefix, duration ? " for " : "",
		      duration ? duration : "", why ? ": " : "", why ? why : "");
	if (c->json)
		return sz_ctl_print_json(json_pack("{s:s, s:b}", "prefix", prefix, "banned", 1));
	printf("%s is banned%s%s\n", prefix, duration ? " for " : "", duration ? duration : "");
	return SZ_CTL_OK;
}

int sz_ctl_cmd_unban(struct sz_ctl *c)
{
	char prefix[SZ_CTL_TEXT_MAX];
	struct sz_ban_key key = {0};
	struct sz_error e;
	int err;

	if (sz_prefix_parse(c->args.word[0], &key.addr, &key.prefixlen))
		return sz_ctl_usage(
			"'%s' is not an address or prefix; 'subzeroctl bans' lists them",
			c->args.word[0]);
	sz_ctl_prefix(&key, prefix);
	err = change(c, &key, NULL, &e);
	if (err == -ENOENT && c->kern)
		return sz_ctl_fail("%s is not banned; a ban is removed by the prefix that "
				   "'subzeroctl bans' shows",
				   prefix);
	if (err)
		return sz_ctl_fail("cannot unban %s: %s", prefix, e.msg);
	sz_ctl_record(c, "admin", "unban %s", prefix);
	if (c->json)
		return sz_ctl_print_json(json_pack("{s:s, s:b}", "prefix", prefix, "banned", 0));
	printf("%s is no longer banned\n", prefix);
	return SZ_CTL_OK;
}

/* ---- import --------------------------------------------------------------------------------- */

#define IMPORT_STEP  16384 /* bans written under one hold of the lock, */
#define IMPORT_BATCH 1024u /* and with one system call */

/* Writes keys[0..n) in steps, so that nobody else waits long for the lock. Returns how many. */
static size_t import(struct sz_ctl *c, const struct sz_ban_list *l, const struct sz_ban *ban,
		     int *ret_err, struct sz_error *e)
{
	struct sz_ban *same = sz_calloc(IMPORT_BATCH, sizeof(*same));
	bool tell = !c->json && isatty(STDERR_FILENO);
	size_t done = 0, end, left;
	u32 n, wrote;
	int lock;

	for (n = 0; n < IMPORT_BATCH; n++)
		same[n] = *ban;
	*ret_err = 0;
	while (done < l->n && !*ret_err) {
		lock = lock_pins(c, e);
		if (lock < 0) {
			*ret_err = lock;
			break;
		}
		end = done + IMPORT_STEP < l->n ? done + IMPORT_STEP : l->n;
		for (; done < end && !*ret_err; done += wrote) {
			left = end - done;
			n = left < IMPORT_BATCH ? (u32)left : IMPORT_BATCH;
			*ret_err = sz_map_put_batch(c->kern, SZ_MAP_BANS, &l->keys[done], same, n,
						    &wrote);
		}
		/* More than there are does no harm, none where there are some would. */
		__atomic_store_n(&sz_kern_config(c->kern)->ban_count, (u32)(done ? done : 1),
				 __ATOMIC_SEQ_CST);
		close(lock);
		if (tell)
			fprintf(stderr, "\r%zu of %zu", done, l->n);
	}
	if (tell)
		fprintf(stderr, "\r\033[K");
	free(same);
	return done;
}

static int cmd_import(struct sz_ctl *c)
{
	const char *path = c->args.word[1], *duration = sz_ctl_value(&c->args, "for");
	const char *why = sz_ctl_value(&c->args, "why");
	struct sz_ban ban = {.source = SZ_BAN_IMPORT};
	struct sz_ban_list list = {0};
	u64 seconds = 0;
	struct sz_error e = {0};
	size_t n;
	int err, lock;

	if (duration && (sz_ctl_parse_duration(duration, &seconds) || !seconds))
		return sz_ctl_usage("--for '%s' is not a duration; write 30m, 12h, 7d", duration);
	if (why && strlen(why) >= sizeof(ban.why))
		return sz_ctl_usage("--why is too long: at most %zu bytes are kept",
				    sizeof(ban.why) - 1);
	snprintf(ban.why, sizeof(ban.why), "%s", why ? why : "imported list");
	ban.expires_ns = seconds ? sz_boot_ns() + seconds * 1000000000 : 0;
	if (sz_ctl_open(c, &e) || sz_ban_list_read(path, &list, &e)) {
		sz_ban_list_done(&list);
		return sz_ctl_fail("%s", e.msg);
	}
	n = import(c, &list, &ban, &err, &e);
	lock = lock_pins(c, &e);
	recount(c);
	if (lock >= 0)
		close(lock);
	sz_ctl_record(c, "ban", "%zu of %zu prefixes of %s%s%s%s%s", n, list.n, path,
		      duration ? " for " : "", duration ? duration : "", why ? ": " : "",
		      why ? why : "");
	sz_ban_list_done(&list);
	if (err)
		return sz_ctl_fail("%zu prefixes are banned, then: %s; at most %u fit in all", n,
				   err == -E2BIG || err == -ENOSPC ? "the list of bans is full"
				   : e.msg[0]                      ? e.msg
								   : strerror(-err),
				   sz_kern_map_capacity(c->kern, SZ_MAP_BANS));
	if (c->json)
		return sz_ctl_print_json(json_pack("{s:s, s:I}", "file", path, "banned",
						   (json_int_t)n));
	printf("%zu prefixes of %s are banned%s%s\n", n, path, duration ? " for " : "",
	       duration ? duration : "");
	return SZ_CTL_OK;
}

/* ---- list ----------------------------------------------------------------------------------- */

static int compare_bans(const void *a, const void *b)
{
	const struct ban_row *x = a, *y = b;
	int d = memcmp(&x->key.addr, &y->key.addr, sizeof(x->key.addr));

	return d                                     ? d
	       : x->key.prefixlen < y->key.prefixlen ? -1
						     : x->key.prefixlen > y->key.prefixlen;
}

static const struct sz_ctl_column columns[] = {
	{"prefix", "PREFIX", 0}, {"expires_in_ms", "EXPIRES", 0}, {"expired", NULL, 0},
	{"by", "BY", 0},         {"why", "WHY", SZ_CTL_SHRINK},
};

static void add_ban(struct sz_ctl_table *t, const struct ban_row *r, u64 now)
{
	static const char *const by[] = {[SZ_BAN_HAND] = "hand", [SZ_BAN_AUTO] = "daemon",
					 [SZ_BAN_CONF] = "config", [SZ_BAN_IMPORT] = "import"};
	bool expired = r->ban.expires_ns && r->ban.expires_ns <= now;
	u64 left = expired ? 0 : (r->ban.expires_ns - now) / 1000000;
	size_t n = strnlen(r->ban.why, sizeof(r->ban.why));
	char s[SZ_CTL_TEXT_MAX];

	sz_ctl_cell_text(t, sz_ctl_prefix(&r->key, s));
	sz_ctl_cell(t, r->ban.expires_ns ? json_integer((json_int_t)left) : NULL, "%s",
		    sz_ctl_until(r->ban.expires_ns, now, s));
	sz_ctl_cell_colour(t, expired ? SZ_CTL_DIM : SZ_CTL_PLAIN);
	sz_ctl_cell(t, json_boolean(expired), "%s", "");
	sz_ctl_cell_text(t, r->ban.source < SZ_ARRAY_LEN(by) ? by[r->ban.source] : "unknown");
	sz_ctl_cell(t, n ? sz_ctl_text(r->ban.why, n) : NULL, "%.*s", n ? (int)n : 1,
		    n ? r->ban.why : "-");
}

int sz_ctl_cmd_bans(struct sz_ctl *c)
{
	struct ban_row *list;
	struct sz_ctl_rows rows;
	struct sz_ctl_table t;
	struct sz_error e;
	u64 now, i;

	if (c->args.n_words) {
		if (strcmp(c->args.word[0], "import") || c->args.n_words != 2)
			return sz_ctl_usage("write 'subzeroctl bans', or 'subzeroctl bans import "
					    "FILE'");
		return cmd_import(c);
	}
	if (sz_ctl_read(c, SZ_MAP_BANS, sizeof(struct sz_ban_key), sizeof(struct sz_ban), &rows,
			&e))
		return sz_ctl_fail("%s", e.msg);
	/* The key is 20 bytes, so rows are not laid out as the struct is. */
	list = sz_calloc(rows.n + 1, sizeof(*list));
	for (i = 0; i < rows.n; i++) {
		memcpy(&list[i].key, rows.data + i * rows.size, sizeof(list[i].key));
		memcpy(&list[i].ban, rows.data + i * rows.size + rows.key_size,
		       sizeof(list[i].ban));
	}
	free(rows.data);
	qsort(list, rows.n, sizeof(*list), compare_bans);
	now = sz_boot_ns();
	sz_ctl_table_init(&t, columns, SZ_ARRAY_LEN(columns));
	for (i = 0; i < rows.n; i++)
		add_ban(&t, &list[i], now);
	free(list);
	return sz_ctl_print(c, &t, "nobody is banned");
}
