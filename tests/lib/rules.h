/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The SZ_RULE() of scripts/check-rules: the rules that the environment variable SZ_WITHOUT names,
 * separated by commas, are out. The compiler includes this first (-include) in that script's build
 * and in no other; a program that ships must never see it.
 */
#ifndef SZ_TESTS_RULES_H
#define SZ_TESTS_RULES_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SZ_RULE(NAME) (!sz_rule_out[SZ_RULE_##NAME])

#include "subzero/rule.h"

/* One for the whole program, whichever of its objects it comes from. */
__attribute__((weak)) bool sz_rule_out[SZ_RULE_COUNT];

/* Runs before main(): a name that no rule has ends the program. */
__attribute__((constructor)) static void sz_rules_read(void)
{
#define SZ_RULE_NAME_(NAME, number, text) #NAME,
	static const char *const names[] = {SZ_RULES(SZ_RULE_NAME_)};
	const char *at = getenv("SZ_WITHOUT");
	size_t n;
	int i;

	for (; at && *at; at += n + (at[n] == ',')) {
		n = strcspn(at, ",");
		for (i = 0; i < SZ_RULE_COUNT; i++)
			if (strlen(names[i]) == n && !memcmp(names[i], at, n))
				break;
		if (i == SZ_RULE_COUNT) {
			fprintf(stderr, "SZ_WITHOUT: no rule has the name %s\n", at);
			_Exit(2);
		}
		sz_rule_out[i] = true;
	}
}

#endif
