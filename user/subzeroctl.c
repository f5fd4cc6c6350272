/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * subzeroctl: the administrator's command line. The table of commands is here; each group's code is
 * a file of user/ctl/. Prints an error once, on stderr, with what to do about it.
 */
#include <signal.h>
#include <stdio.h>

#include "ctl/ctl.h"

#define OPTIONS(name) static const struct sz_ctl_option name[]
#define END                                                                                        \
	{                                                                                          \
		NULL, 0, NULL, NULL                                                                \
	}

OPTIONS(attach_options) = {
	{"mode", 0, "MODE", "auto (native where possible), native or generic"},
	END,
};
OPTIONS(detach_options) = {
	{"all", 0, NULL, "every interface"},
	{"unload", 0, NULL, "with --all: also remove the pinned programs and maps"},
	END,
};
OPTIONS(counters_options) = {
	{"all", 0, NULL, "also what was never counted"},
	END,
};
OPTIONS(limits_show_options) = {
	{"lines", 'n', "N", "subjects to show; 0 = all (default 20, with --json all)"},
	END,
};
OPTIONS(limits_set_options) = {
	{"rate", 0, "RATE", "100/s, 10/m, 3/h or none"},
	{"burst", 0, "N", "that many at once"},
	{"dry-run", 0, "on|off", "count and report, refuse nothing"},
	END,
};
OPTIONS(limits_reset_options) = {
	{"source", 0, "ADDRESS", "the bucket of this source"},
	{"principal", 0, "ID", "of this identity: 16 digits, see limits show"},
	{"route", 0, "ROUTE", "of this route, by its name or number"},
	{"all", 0, NULL, "every bucket of the limit"},
	END,
};
OPTIONS(sources_options) = {
	{"sort", 0, "BY",
	 "packets, requests (default), denials, failures, limited, drops, syns, seen"},
	{"reason", 0, "REASON", "only who was refused for it; see counters --all"},
	{"in", 0, "PREFIX", "only from this network"},
	{"lines", 'n', "N", "rows to show; 0 = all (default 20, with --json all)"},
	END,
};
OPTIONS(sources_reset_options) = {
	{"all", 0, NULL, "every source"},
	END,
};
OPTIONS(flows_options) = {
	{"lines", 'n', "N", "rows to show; 0 = all (default 50, with --json all)"},
	{"half", 0, NULL, "connections on which no request was admitted yet"},
	END,
};
OPTIONS(grants_list_options) = {
	{"lines", 'n', "N", "rows to show; 0 = all (default 50, with --json all)"},
	{"principal", 0, "P", "only of principals whose name contains P, or whose id it is"},
	END,
};
OPTIONS(grants_show_options) = {
	{"token", 0, "TOKEN", "this token; - reads it from stdin"},
	END,
};
OPTIONS(revoke_options) = {
	{"token", 0, "TOKEN", "one token; - reads it from stdin"},
	{"jti", 0, "JTI", "tokens with this id"},
	{"subject", 0, "SUBJECT", "tokens of this subject, of any issuer"},
	{"session", 0, "SID", "tokens with this \"sid\"; with --issuer"},
	{"key", 0, "THUMBPRINT", "tokens that this key signed (RFC 7638)"},
	{"kid", 0, "KID", "tokens that the key of this name signed; with --issuer"},
	{"issuer", 0, "ISSUER", "alone: all its tokens; else only those of this issuer"},
	{"before", 0, "TIME", "only what was issued before: now, 2h (ago), or seconds since 1970"},
	{"for", 0, "DURATION", "30m, 12h, 7d (default: a token's life, else for ever)"},
	{"file", 0, "FILE|-",
	 "lines of {\"jti\": ..., \"issuer\": ...}; nothing else is given then"},
	END,
};
OPTIONS(clear_options) = {
	{"all", 0, NULL, "every revocation"},
	END,
};
OPTIONS(ban_options) = {
	{"for", 0, "DURATION", "30m, 12h, 7d (default: for ever)"},
	{"why", 0, "TEXT", "kept beside the ban"},
	{"force", 0, NULL, "allow 0.0.0.0/0 and ::/0, which ban everybody"},
	END,
};
OPTIONS(bans_options) = {
	{"for", 0, "DURATION", "import: how long (default: for ever)"},
	{"why", 0, "TEXT", "import: kept beside each ban"},
	END,
};
OPTIONS(explain_options) = {
	{"service", 0, "NAME", "service of the configuration"},
	{"method", 0, "METHOD", "default GET"},
	{"path", 0, "PATH", "as the client would send it"},
	{"dpop", 0, NULL, "as sent with the DPoP scheme and a good proof"},
	{"token", 0, "TOKEN", "access token; - reads it from stdin"},
	{"header", 0, "FIELD", "as in 'X-Device: laptop'; may come several times"},
	{"source", 0, "ADDRESS", "where the request comes from"},
	{"time", 0, "SECONDS", "when, since 1970 (default now)"},
	{"id", 0, "ID", "instead: what an audit record's explanation stands for"},
	END,
};
OPTIONS(top_options) = {
	{"delay", 'd', "SECONDS", "between two looks (default 1)"},
	{"iterations", 'n', "N", "looks before it ends (default: no end)"},
	END,
};
OPTIONS(tail_options) = {
	{"lines", 'n', "N", "records to show (default 10)"},
	{"follow", 'f', NULL, "go on with what is added"},
	END,
};
OPTIONS(audit_verify_options) = {
	{"key", 0, "VKEY|FILE", "public key that was kept elsewhere"},
	{"checkpoint", 0, "FILE", "checkpoint that was kept elsewhere: the log must go through it"},
	END,
};
OPTIONS(audit_key_options) = {
	{"rotate", 0, NULL, "let the daemon sign with a new key from now on"},
	END,
};
OPTIONS(prove_options) = {
	{"record", 0, "SEQ", "that this record is in the log"},
	{"size", 0, "N", "the tree to prove it in (default: newest checkpoint)"},
	{"from", 0, "N", "that the first N records are those of --to"},
	{"to", 0, "M", "default: newest checkpoint"},
	{"verify", 0, "FILE|-", "check a proof instead of making one"},
	{"key", 0, "VKEY|FILE", "with --verify: who must have signed the checkpoint"},
	END,
};
#define FILTERS                                                                                    \
	{"since", 0, "TIME", "2026-11-21T12:00, or how long ago: 2h"},                             \
	{"until", 0, "TIME", "before this time"},                                                  \
	{"type", 0, "TYPE", "decision, denial, summary, ...; may be repeated"},                    \
	{"reason", 0, "REASON", "as in counters; may be repeated"},                                \
	{"severity", 0, "LEVEL", "this or graver: low, medium, high, critical"},                   \
	{"service", 0, "NAME", "of the configuration"},                                            \
	{"principal", 0, "WHO", "principal, subject, or the number in principal_id"},              \
	{"source", 0, "PREFIX", "client address or prefix"},                                       \
	{"verdict", 0, "VERDICT", "allow or deny"},                                                \
	{"path", 0, "PREFIX", "beginning of the request target"},                                  \
	{"explanation", 0, "ID", "what decided, as explain prints it"},                            \
	{"limit", 'n', "N", "end after so many"}
OPTIONS(query_options) = {
	FILTERS,
	END,
};
OPTIONS(export_options) = {
	{"format", 0, "FORMAT", "json (default) or ocsf; one object a line"},
	FILTERS,
	END,
};
OPTIONS(generate_options) = {
	{"alg", 0, "ALG", "EdDSA (default), ES256, RS256, PS256, ..."},
	{"out", 0, "FILE", "private key, mode 0600"},
	{"jwks", 0, "FILE", "key set for the daemon (default: printed)"},
	{"append", 0, NULL, "add the public key to an existing --jwks"},
	{"force", 0, NULL, "replace files that exist"},
	END,
};
OPTIONS(mint_options) = {
	{"key", 0, "FILE", "private key of 'keys generate'"},
	{"iss", 0, "ISSUER", "who issues the token"},
	{"sub", 0, "SUBJECT", "whom it stands for"},
	{"aud", 0, "AUDIENCE", "who it is for; may be repeated"},
	{"scope", 0, "SCOPES", "separated by spaces"},
	{"claim", 0, "NAME=VALUE", "another claim, JSON or text; may be repeated"},
	{"ttl", 0, "DURATION", "life from now (default 1h)"},
	{"nbf", 0, "TIME", "not before: seconds since 1970, or +5m"},
	{"jti", 0, "ID", "default: random"},
	{"typ", 0, "TYPE", "type in the header (default at+jwt)"},
	{"count", 0, "N", "so many, one a line, each with a jti of its own"},
	END,
};
OPTIONS(apikey_options) = {
	{"file", 0, "FILE", "the store (default: as configured)"},
	END,
};
OPTIONS(apikey_add_options) = {
	{"sub", 0, "SUBJECT", "whom the key stands for"},
	{"name", 0, "NAME", "what it is for, for people"},
	{"scope", 0, "SCOPES", "separated by spaces"},
	{"claim", 0, "NAME=VALUE", "another claim, JSON or text; may be repeated"},
	{"service", 0, "NAME", "only for this service; may be repeated"},
	{"for", 0, "DURATION", "90d, 12h (default: it does not end)"},
	{"file", 0, "FILE", "the store (default: as configured)"},
	END,
};
OPTIONS(apikey_rotate_options) = {
	{"grace", 0, "DURATION", "how long the old key goes on working (default: not at all)"},
	{"file", 0, "FILE", "the store (default: as configured)"},
	END,
};
OPTIONS(jws_options) = {
	{"jwks", 0, "FILE", "key set to verify with"},
	{"alg", 0, "A,B", "algorithms to allow (default: what each key is for)"},
	{"jsonl", 0, "FILE|-", "a batch: lines of {\"id\", \"jws\", \"jwk\"}"},
	END,
};
OPTIONS(inspect_options) = {
	{"jwks", 0, "FILE", "also verify the signature with this key set"},
	END,
};
OPTIONS(cel_options) = {
	{"bindings", 0, "FILE", "variables: a JSON object; - reads it from stdin"},
	{"unknown", 0, "NAME", "a variable without a value yet; may be repeated"},
	{"jsonl", 0, "FILE", "evaluate cases instead, one JSON object a line; - reads stdin"},
	END,
};

OPTIONS(policy_test_options) = {
	{"filter", 0, "NAME", "only tests whose name contains it, or matches it (*, ?)"},
	{"format", 0, "FORMAT", "text (default), tap, junit or json"},
	END,
};
OPTIONS(api_options) = {
	{"scope", 0, "SCOPE", "what the token may be used for; may be repeated"},
	{"for", 0, "DURATION", "90d, 12h (default: until it is removed)"},
	{"file", 0, "FILE", "the tokens file (default: the configuration's)"},
	END,
};
#define STORE_OPTION                                                                               \
	{"store", 0, "STORE", "the daemon's store, by name or id (default: the only one)"}
OPTIONS(rebac_options) = {
	{"model", 0, "FILE", "ask this model instead of the daemon's, in the language or JSON"},
	{"tuples", 0, "FILE", "tuples, JSON, JSONL or YAML: all of them, or beside the daemon's"},
	{"context", 0, "JSON", "for conditions: an object"},
	STORE_OPTION,
	{"model-id", 0, "ID", "one of the daemon's models (default: the latest)"},
	END,
};
OPTIONS(rebac_model_options) = {
	STORE_OPTION,
	END,
};
OPTIONS(rebac_read_options) = {
	{"user", 0, "USER", "user:anne, or group:x#member"},
	{"relation", 0, "RELATION", "of the object"},
	{"object", 0, "OBJECT", "document:1, or document: for all of a user's"},
	STORE_OPTION,
	END,
};
OPTIONS(rebac_write_options) = {
	{"condition", 0, "NAME", "of the model"},
	{"context", 0, "JSON", "what the condition is told by this tuple: an object"},
	{"ignore", 0, NULL, "no error where the tuple is there already"},
	STORE_OPTION,
	END,
};
OPTIONS(rebac_delete_options) = {
	{"ignore", 0, NULL, "no error where there is no such tuple"},
	STORE_OPTION,
	END,
};
OPTIONS(rebac_watch_options) = {
	{"type", 0, "TYPE", "of the objects"},
	{"from", 0, "TOKEN", "go on where an earlier one ended (default: all that is kept)"},
	{"once", 0, NULL, "end instead of waiting for more"},
	STORE_OPTION,
	END,
};
OPTIONS(rebac_bulk_options) = {
	{"quiet", 'q', NULL, "no progress"},
	STORE_OPTION,
	END,
};

static const struct sz_ctl_command commands[] = {
	{"attach", NULL, false, "IFACE", 1, 1, "Guard an interface", attach_options,
	 sz_ctl_cmd_attach},
	{"detach", NULL, false, "[IFACE]", 0, 1, "Stop guarding an interface, or all",
	 detach_options, sz_ctl_cmd_detach},
	{"unload", NULL, false, "", 0, 0, "Detach everywhere and remove programs, maps and state",
	 NULL, sz_ctl_cmd_unload},
	{"status", NULL, false, "", 0, 0, "Show interfaces, daemon and fill of the maps", NULL,
	 sz_ctl_cmd_status},
	{"doctor", NULL, false, "", 0, 0, "Look for what is wrong, and say what to do", NULL,
	 sz_ctl_cmd_doctor},
	{"services", NULL, false, "", 0, 0, "List the protected services", NULL,
	 sz_ctl_cmd_services},
	{"routes", NULL, false, "[SERVICE]", 0, 1, "List routes as the kernel has them", NULL,
	 sz_ctl_cmd_routes},
	{"counters", NULL, false, "", 0, 0, "Count verdicts by reason", counters_options,
	 sz_ctl_cmd_counters},
	{"limits", "list", true, "", 0, 0, "List the rate limits with what they did", NULL,
	 sz_ctl_cmd_limits},
	{"limits", "show", false, "LIMIT", 1, 1, "Show one, and who has least left",
	 limits_show_options, sz_ctl_cmd_limits_show},
	{"limits", "set", false, "LIMIT", 1, 1, "Change rate or burst until the next reload",
	 limits_set_options, sz_ctl_cmd_limits_set},
	{"limits", "reset", false, "LIMIT", 1, 1, "Forget what subjects have used",
	 limits_reset_options, sz_ctl_cmd_limits_reset},
	{"sources", "list", true, "", 0, 0, "List the top talkers", sources_options,
	 sz_ctl_cmd_sources},
	{"sources", "show", false, "ADDRESS", 1, 1, "Show what one did and why it was refused",
	 NULL, sz_ctl_cmd_sources_show},
	{"sources", "reset", false, "[ADDRESS]", 0, 1, "Count anew, for one source or all",
	 sources_reset_options, sz_ctl_cmd_sources_reset},
	{"flows", NULL, false, "", 0, 0, "List connections", flows_options, sz_ctl_cmd_flows},
	{"top", NULL, false, "", 0, 0, "Watch rates live", top_options, sz_ctl_cmd_top},
	{"explain", NULL, false, "", 0, 0, "Say what would become of a request, and why",
	 explain_options, sz_ctl_cmd_explain},
	{"grants", "list", true, "", 0, 0, "List tokens the kernel admits", grants_list_options,
	 sz_ctl_cmd_grants_list},
	{"grants", "show", false, "[DIGEST]", 0, 1, "Show one token's grants", grants_show_options,
	 sz_ctl_cmd_grants_show},
	{"grants", "revoke", false, "", 0, 0, "The same as revoke", revoke_options,
	 sz_ctl_cmd_revoke},
	{"revoke", NULL, false, "", 0, 0, "Revoke by token, jti, subject, issuer, session or key",
	 revoke_options, sz_ctl_cmd_revoke},
	{"revocations", "list", true, "", 0, 0, "List what is revoked", NULL,
	 sz_ctl_cmd_revocations_list},
	{"revocations", "show", false, "ID", 1, 1, "Show one revocation", NULL,
	 sz_ctl_cmd_revocations_show},
	{"revocations", "remove", false, "ID", 1, 1, "Take one revocation back", NULL,
	 sz_ctl_cmd_revocations_clear},
	{"revocations", "clear", false, "[ID]", 0, 1, "Take a revocation back, or all",
	 clear_options, sz_ctl_cmd_revocations_clear},
	{"bans", NULL, false, "[import FILE]", 0, 2,
	 "List banned addresses, or ban all of a plain list", bans_options, sz_ctl_cmd_bans},
	{"ban", NULL, false, "PREFIX", 1, 1, "Drop everything from an address or prefix",
	 ban_options, sz_ctl_cmd_ban},
	{"unban", NULL, false, "PREFIX", 1, 1, "Lift a ban", NULL, sz_ctl_cmd_unban},
	{"audit", "verify", false, "[DIR]", 0, 1, "Check the audit log: chain, tree, signatures",
	 audit_verify_options, sz_ctl_cmd_audit_verify},
	{"audit", "tail", false, "[DIR]", 0, 1, "Show the last records", tail_options,
	 sz_ctl_cmd_audit_tail},
	{"audit", "query", false, "[DIR]", 0, 1, "Show the records that fit", query_options,
	 sz_ctl_cmd_audit_query},
	{"audit", "export", false, "[DIR]", 0, 1, "Print records for other programs",
	 export_options, sz_ctl_cmd_audit_export},
	{"audit", "prove", false, "[DIR]", 0, 1, "Prove a record, or that the log only grew",
	 prove_options, sz_ctl_cmd_audit_prove},
	{"audit", "key", false, "[DIR]", 0, 1, "Show the keys that sign the log", audit_key_options,
	 sz_ctl_cmd_audit_key},
	{"keys", "list", true, "", 0, 0, "List issuers, and how fresh their keys are", NULL,
	 sz_ctl_cmd_keys_list},
	{"keys", "refresh", false, "[ISSUER]", 0, 1, "Fetch keys now, of one issuer or of all",
	 NULL, sz_ctl_cmd_keys_refresh},
	{"keys", "generate", false, "", 0, 0, "Make a key pair for trying things out",
	 generate_options, sz_ctl_cmd_keys_generate},
	{"token", "mint", false, "", 0, 0, "Sign a token for trying things out", mint_options,
	 sz_ctl_cmd_token_mint},
	{"token", "inspect", false, "[TOKEN|-]", 0, 1, "Decode a token", inspect_options,
	 sz_ctl_cmd_token_inspect},
	{"apikey", "list", true, "", 0, 0, "List the API keys", apikey_options,
	 sz_ctl_cmd_apikey_list},
	{"apikey", "show", false, "ID", 1, 1, "Show one API key, without its secret",
	 apikey_options, sz_ctl_cmd_apikey_show},
	{"apikey", "add", false, "", 0, 0, "Make an API key; it is printed once",
	 apikey_add_options, sz_ctl_cmd_apikey_add},
	{"apikey", "import", false, "FILE|-", 1, 1, "Make a key for each line of JSON",
	 apikey_options, sz_ctl_cmd_apikey_import},
	{"apikey", "rotate", false, "ID", 1, 1, "Make a key that takes another's place",
	 apikey_rotate_options, sz_ctl_cmd_apikey_rotate},
	{"apikey", "revoke", false, "ID", 1, 1, "End an API key, at the packet at once",
	 apikey_options, sz_ctl_cmd_apikey_revoke},
	{"jws", "verify", false, "[TOKEN|-]", 0, 1, "Check a signature; prints JSON", jws_options,
	 sz_ctl_cmd_jws_verify},
	{"jwk", "thumbprint", false, "FILE", 1, 1, "Print the RFC 7638 thumbprint of each key",
	 NULL, sz_ctl_cmd_jwk_thumbprint},
	{"cel", "eval", true, "[EXPR]", 0, 1, "Evaluate a CEL expression", cel_options,
	 sz_ctl_cmd_cel_eval},
	{"policy", "test", false, "FILE|DIR...", 1, SZ_CTL_WORDS_MAX,
	 "Run tests of the policy (*.test.yaml)", policy_test_options, sz_ctl_cmd_policy_test},
	{"policy", "check", false, "[FILE]", 0, 1,
	 "Compile a configuration's policy and say who decides each route", NULL,
	 sz_ctl_cmd_policy_check},
	{"api", "token", false, "add|remove|list [NAME]", 1, 2,
	 "Say who may use the daemon's local API", api_options, sz_ctl_cmd_api_token},
	{"rebac", "model", false, "validate|convert|write FILE | read [ID] | list", 1, 2,
	 "Check an authorization model, write it in the other form, or let the daemon have it",
	 rebac_model_options, sz_ctl_cmd_rebac_model},
	{"rebac", "store", false, "create|delete NAME | list", 1, 2,
	 "Make, delete or list the daemon's stores of relationships", NULL,
	 sz_ctl_cmd_rebac_store},
	{"rebac", "check", false, "USER RELATION OBJECT", 3, 3,
	 "Say whether a user has a relation to an object", rebac_options, sz_ctl_cmd_rebac_check},
	{"rebac", "list-objects", false, "USER RELATION TYPE", 3, 3,
	 "List the objects of a type a user has a relation to", rebac_options,
	 sz_ctl_cmd_rebac_list_objects},
	{"rebac", "list-users", false, "OBJECT RELATION USERTYPE", 3, 3,
	 "List the users that have a relation to an object", rebac_options,
	 sz_ctl_cmd_rebac_list_users},
	{"rebac", "expand", false, "OBJECT RELATION", 2, 2, "Show where a relation comes from",
	 rebac_options, sz_ctl_cmd_rebac_expand},
	{"rebac", "batch-check", false, "FILE", 1, 1, "Answer many checks, one JSON object a line",
	 rebac_options, sz_ctl_cmd_rebac_batch},
	{"rebac", "read", false, "", 0, 0, "Show the daemon's tuples", rebac_read_options,
	 sz_ctl_cmd_rebac_read},
	{"rebac", "write", false, "USER RELATION OBJECT", 3, 3, "Add a tuple", rebac_write_options,
	 sz_ctl_cmd_rebac_write},
	{"rebac", "delete", false, "USER RELATION OBJECT", 3, 3, "Take a tuple away",
	 rebac_delete_options, sz_ctl_cmd_rebac_delete},
	{"rebac", "watch", false, "", 0, 0, "Show changes of tuples as they come",
	 rebac_watch_options, sz_ctl_cmd_rebac_watch},
	{"rebac", "import", false, "FILE|-", 1, 1, "Add all tuples of a file", rebac_bulk_options,
	 sz_ctl_cmd_rebac_import},
	{"rebac", "export", false, "[FILE|-]", 0, 1, "Write all tuples, one JSON object a line",
	 rebac_bulk_options, sz_ctl_cmd_rebac_export},
	{"rebac", "test", false, "FILE...", 1, SZ_CTL_WORDS_MAX, "Run OpenFGA store tests", NULL,
	 sz_ctl_cmd_rebac_test},
	{"reload", NULL, false, "", 0, 0, "Let the daemon read its configuration anew", NULL,
	 sz_ctl_cmd_reload},
	{"flush", NULL, false, "", 0, 0, "Write the audit log to disk, with a summary of hits",
	 NULL, sz_ctl_cmd_flush},
	{NULL, NULL, false, NULL, 0, 0, NULL, NULL, NULL},
};

static int help(const struct sz_ctl_args *a)
{
	struct sz_buf b = {0};

	sz_ctl_help(commands, a, &b);
	fwrite(b.data, 1, b.len, stdout);
	sz_buf_done(&b);
	return SZ_CTL_OK;
}

int main(int argc, char **argv)
{
	struct sz_ctl c = {0};
	struct sz_error e;
	int ret;

	signal(SIGPIPE, SIG_DFL);
	if (sz_ctl_parse(commands, argc, argv, &c.args, &e))
		return sz_ctl_usage("%s", e.msg);
	if (sz_ctl_has(&c.args, "version")) {
		printf("subzeroctl " SZ_VERSION "\n");
		return SZ_CTL_OK;
	}
	if (sz_ctl_has(&c.args, "help"))
		return help(&c.args);
	sz_ctl_init(&c);
	ret = c.args.cmd->run(&c);
	sz_ctl_done(&c);
	if (fflush(stdout) || ferror(stdout))
		return sz_ctl_fail("cannot write the output");
	return ret;
}
