/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Writes a small database of locations, for tests with a real daemon: sz-mmdb FILE
 * PREFIX=COUNTRY... replaces FILE by a rename. Short prefixes first.
 */
#include <stdio.h>
#include <string.h>

#include "mmdb.h"

int main(int argc, char **argv)
{
	static struct mmdb m;
	char prefix[64];
	const char *eq;
	u32 record;
	int i, err;

	if (argc < 3) {
		fprintf(stderr, "usage: sz-mmdb FILE PREFIX=COUNTRY...\n");
		return 2;
	}
	mmdb_init(&m, 6);
	for (i = 2; i < argc; i++) {
		eq = strchr(argv[i], '=');
		if (!eq || (size_t)(eq - argv[i]) >= sizeof(prefix)) {
			fprintf(stderr, "sz-mmdb: %s is not PREFIX=COUNTRY\n", argv[i]);
			return 2;
		}
		snprintf(prefix, sizeof(prefix), "%.*s", (int)(eq - argv[i]), argv[i]);
		record = mmdb_record(&m, &(struct mmdb_place){.country = eq + 1});
		mmdb_add(&m, prefix, record);
	}
	err = mmdb_write(&m, argv[1]);
	mmdb_done(&m);
	if (err)
		fprintf(stderr, "sz-mmdb: %s: %s\n", argv[1], strerror(-err));
	return err ? 1 : 0;
}
