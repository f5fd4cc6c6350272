/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * doctor: the stores of relationships, as the daemon sees them, and whether the policy finds its
 * own.
 */
#include <string.h>

#include "ctl/doctor.h"

static long long number(const json_t *v, const char *name)
{
	return (long long)json_integer_value(json_object_get(v, name));
}

static void look_at_store(struct sz_doctor *d, const char *id, const json_t *v, bool asked)
{
	const char *name = json_string_value(json_object_get(v, "name"));
	const char *written = json_string_value(json_object_get(v, "last_write"));

	if (!number(v, "models"))
		sz_doctor_say(d, asked ? SZ_DOCTOR_BAD : SZ_DOCTOR_WARN, "relationships",
			      "subzeroctl rebac model write FILE",
			      "store %s (%s) has no model%s", name, id,
			      asked ? ": routes that ask it refuse everything" : "");
	else
		sz_doctor_say(d, SZ_DOCTOR_OK, "relationships", "",
			      "store %s: %lld tuples, last written %s", name, number(v, "tuples"),
			      written ? written : "never");
}

void sz_doctor_stores(struct sz_doctor *d)
{
	const char *asked = d->conf ? d->conf->policy.store : NULL, *id, *name;
	json_t *all = json_object_get(d->says, "relationships"), *v;
	bool found = false, is_asked;

	if (!all)
		return;
	json_object_foreach(all, id, v)
	{
		name = json_string_value(json_object_get(v, "name"));
		if (!name)
			continue;
		/* Of several with one name the policy asks the first. */
		is_asked = asked && !found && !strcmp(name, asked);
		found |= is_asked;
		look_at_store(d, id, v, is_asked);
	}
	if (asked && !found)
		sz_doctor_say(d, SZ_DOCTOR_BAD, "relationships",
			      "subzeroctl rebac store create NAME, or correct policy.store",
			      "there is no store %s: routes that ask it refuse everything", asked);
}
