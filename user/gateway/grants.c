/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A decision on a token becomes an entry in the kernel's maps and a record in the audit log.
 */
#include "gateway/gateway_priv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "subzero/rule.h"

void sz_grant_name(struct sz_gateway *g, const struct sz_decision *d)
{
	struct sz_name_key key = {.kind = SZ_NAME_PRINCIPAL, .id = d->principal};
	struct sz_name name = {.seen_ns = sz_boot_ns()};

	snprintf(name.s, sizeof(name.s), "%s (%s)", d->token.subject ? d->token.subject : "-",
		 d->token.issuer);
	sz_map_put(g->kern, SZ_MAP_NAMES, &key, &name);
}

/* When the token stops being valid by every rule of its issuer, as sz_token_verify applies them. */
u64 sz_grant_expiry(const struct sz_gateway *g, const struct sz_decision *d)
{
	const struct sz_token *t = &d->token;
	s64 end = t->exp ? t->exp : d->until_s;
	size_t i;

	for (i = 0; i < g->conf->n_issuers; i++) {
		const struct sz_conf_issuer *is = &g->conf->issuers[i];

		if (strcmp(is->issuer, t->issuer))
			continue;
		if (is->max_age_s && t->iat && t->iat + (s64)is->max_age_s < end)
			end = t->iat + (s64)is->max_age_s;
		end += is->skew_s;
	}
	if (d->until_s && d->until_s < end)
		end = d->until_s;
	return sz_wall_to_boot_ns(end);
}

/* A grant ends with its token, or where the policy may say something else. */
static u64 grant_expiry(const struct sz_gateway *g, const struct sz_decision *d)
{
	u64 token = sz_grant_expiry(g, d), policy = sz_boot_of_wall(d->routes.until_ns);

	return policy < token ? policy : token;
}

/* By the names that count now: one may be of a kind of which there was none when it was decided. */
static bool revoked_meanwhile(struct sz_gateway *g, const struct sz_job *j)
{
	struct sz_names names = j->decision.names;

	sz_names_complete(&names, &j->decision.token, j->token, j->len, sz_revocations_check, g);
	return sz_names_revoked(&names, sz_revocations_check, g);
}

static int write_good(struct sz_gateway *g, const struct sz_job *j)
{
	const struct sz_decision *d = &j->decision;
	struct sz_grant grant = {
		.expires_ns = grant_expiry(g, d),
		.policy_gen = g->cfg->policy_gen,
		.key_gen = g->cfg->key_gen,
		.key_serial = g->cfg->key_serial[sz_key_slot(&d->names.id[SZ_REVOKE_KEY])],
		.principal = d->principal,
		.created_ns = sz_boot_ns(),
		.jti = d->names.id[SZ_REVOKE_JTI],
		.subject = d->names.id[SZ_REVOKE_SUBJECT],
		.issuer = d->names.id[SZ_REVOKE_ISSUER],
		.session = d->names.id[SZ_REVOKE_SESSION],
		.key = d->names.id[SZ_REVOKE_KEY],
		.issued_s = d->names.issued_s,
		.flags = (u32)d->priority << SZ_PRIORITY_SHIFT,
		.source_bits = d->routes.source_bits,
		.source = j->at.source,
	};
	int r;

	grant.name_serial = sz_name_serials(g->cfg, &grant);
	memcpy(grant.allow, d->routes.allow, sizeof(grant.allow));
	memcpy(grant.ask, d->routes.ask, sizeof(grant.ask));
	grant.profile = sz_policy_profile(sz_verifier_policy(g->verifier), j->svc, &d->routes);
	sz_explained_keep(g, grant.profile, &d->routes.refused);
	sz_grant_name(g, d);
	r = sz_map_put(g->kern, SZ_MAP_GRANTS, &j->key, &grant);
	if (r)
		return r;
	sz_expiry_grant(g, &j->key, grant.expires_ns);
	/*
	 * Whoever revokes writes sz_revoked first and marks grants second; here the grant is
	 * written first and sz_revoked looked at second. So one of the two always sees the other.
	 */
	if (SZ_RULE(REVOKED_SECOND) && revoked_meanwhile(g, j)) {
		grant.flags = SZ_GRANT_REVOKED;
		return sz_map_put(g->kern, SZ_MAP_GRANTS, &j->key, &grant);
	}
	return 0;
}

/* Returns 0 or -errno; -E2BIG when the map is full. */
int sz_grant_write(struct sz_gateway *g, const struct sz_job *j)
{
	struct sz_denied bad = {
		.expires_ns = sz_boot_ns() + SZ_DENIED_NS,
		.policy_gen = g->cfg->policy_gen,
		.key_gen = g->cfg->key_gen,
		.reason = j->decision.reason,
	};
	int r;

	if (j->decision.reason == SZ_R_NONE)
		return write_good(g, j);
	/* What time will heal is remembered for a second only. */
	if (j->decision.reason == SZ_R_NOT_YET)
		bad.expires_ns = sz_boot_ns() + 1000000000ull;
	/* A key may be published any time, and what an issuer says of a token may change. */
	if (j->decision.wants == SZ_WANTS_KEYS)
		bad.expires_ns = sz_boot_ns() + SZ_NO_KEY_NS;
	if (j->decision.until_s && sz_wall_to_boot_ns(j->decision.until_s) < bad.expires_ns)
		bad.expires_ns = sz_wall_to_boot_ns(j->decision.until_s);
	sz_map_del(g->kern, SZ_MAP_GRANTS, &j->key);
	r = sz_map_put(g->kern, SZ_MAP_DENIED, &j->key, &bad);
	if (!r)
		sz_expiry_denied(g, &j->key, bad.expires_ns);
	return r;
}

void sz_grant_audit(struct sz_gateway *g, const struct sz_job *j, u64 now)
{
	const struct sz_decision *d = &j->decision;
	bool good = d->reason == SZ_R_NONE;
	char principal[SZ_NAME_MAX];
	struct sz_audit_record r = {
		.type = SZ_AUDIT_DECISION,
		.wall_ns = sz_wall_ns(),
		.reason = d->reason,
		.verdict = good ? SZ_ALLOW : SZ_DENY,
		.has_verdict = true,
		.service = j->svc->name,
		.token = j->key.token,
		.flow = &j->flow,
		.latency_ns = now - j->started_ns,
		.monitor = j->svc->monitor,
		.explanation = sz_policy_explain_before(sz_verifier_policy(g->verifier), j->svc,
							d->reason),
		.detail = d->detail.msg[0] ? d->detail.msg : NULL,
	};

	if (d->token.issuer) {
		snprintf(principal, sizeof(principal), "%s (%s)",
			 d->token.subject ? d->token.subject : "-", d->token.issuer);
		r.principal = principal;
		r.principal_id = d->principal;
		r.issuer = d->token.issuer;
		r.subject = d->token.subject;
		r.jti = d->token.jti;
		r.kid = d->token.kid;
		r.alg = d->token.alg ? sz_alg_name(d->token.alg) : NULL;
	}
	sz_journal_add(g->journal, &r);
}
