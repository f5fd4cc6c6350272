/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * doctor: identity providers that are asked over the network, as the daemon sees them.
 */
#include "ctl/doctor.h"

static void look_at_keys(struct sz_doctor *d, const char *issuer, const json_t *v)
{
	const char *error = json_string_value(json_object_get(v, "error"));

	if (!json_object_get(v, "keys"))
		return;
	if (!json_is_true(json_object_get(v, "usable")))
		sz_doctor_say(d, SZ_DOCTOR_BAD, "keys",
			      "let the provider be reached: subzeroctl keys refresh; its tokens "
			      "get 503 until then",
			      "issuer %s has no keys that may be used: %s", issuer,
			      error && *error ? error : "not fetched yet");
	else if (error && *error)
		sz_doctor_say(d, SZ_DOCTOR_WARN, "keys",
			      "see why the provider fails; the keys are given up after max_stale",
			      "issuer %s cannot be asked for its keys: %s", issuer, error);
	else
		sz_doctor_say(d, SZ_DOCTOR_OK, "keys", "",
			      "issuer %s: %lld keys, fetched %lld s ago", issuer,
			      (long long)json_integer_value(json_object_get(v, "keys")),
			      (long long)json_integer_value(json_object_get(v, "age_s")));
}

static void look_at_introspection(struct sz_doctor *d, const char *issuer, const json_t *v)
{
	const char *breaker = json_string_value(json_object_get(v, "breaker"));
	const char *error = json_string_value(json_object_get(v, "introspection_error"));

	if (!breaker)
		return;
	if (breaker[0] != 'c')
		sz_doctor_say(d, SZ_DOCTOR_BAD, "introspection",
			      "let the provider answer; opaque tokens get 503 until it does",
			      "issuer %s is left alone after failures: %s", issuer,
			      error ? error : "");
	else if (error && *error)
		sz_doctor_say(d, SZ_DOCTOR_WARN, "introspection", "see why the provider fails",
			      "issuer %s: the last question failed: %s", issuer, error);
	else
		sz_doctor_say(d, SZ_DOCTOR_OK, "introspection", "", "issuer %s answers", issuer);
}

void sz_doctor_providers(struct sz_doctor *d)
{
	json_t *all = json_object_get(d->says, "providers"), *v;
	const char *issuer;

	json_object_foreach(all, issuer, v)
	{
		look_at_keys(d, issuer, v);
		look_at_introspection(d, issuer, v);
	}
}
