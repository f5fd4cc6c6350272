/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Why a packet or a request got its verdict. One list: the per-CPU counter's index, the audit
 * record's "reason", the metrics label and the text a person reads are generated from it.
 * Numbers are part of the ABI: add at the end, never reuse or reorder.
 *
 * SZ_REASON(number, NAME, label, http, text)
 *   http: status of the answer to the client; 0 = none (the packet passes, is dropped or reset)
 */
#ifndef SZ_REASON_H
#define SZ_REASON_H

#define SZ_REASONS(X)                                                                              \
	X(0, NONE, "none", 0, "no decision")                                                       \
	/* passed */                                                                               \
	X(1, FOREIGN, "foreign", 0, "not for a protected service")                                 \
	X(2, HIT, "hit", 0, "request admitted by a grant")                                         \
	X(3, PUBLIC, "public", 0, "request admitted: the route is public")                         \
	X(4, TICKET, "ticket", 0, "segment admitted by a one-time verdict of the daemon")          \
	X(5, REPEAT, "repeat", 0, "repeats bytes that were admitted before")                       \
	X(6, BODY, "body", 0, "inside an announced request body")                                  \
	X(7, CONTROL, "control", 0, "TCP segment without payload")                                 \
	X(8, TRIMMED, "trimmed", 0, "segment cut at the end of what was admitted")                 \
	X(9, MISS, "miss", 0, "handed to the daemon for a decision")                               \
	X(10, MONITORED, "monitored", 0, "would have been refused, passed in monitor mode")        \
	X(11, CARRIED, "carried", 0, "beginning of a head whose end decides about it")             \
	/* refused with an answer */                                                               \
	X(16, NO_TOKEN, "no_token", 401, "no access token was sent")                               \
	X(17, BAD_TOKEN, "bad_token", 401,                                                         \
	  "the access token is malformed or its signature is wrong")                               \
	X(18, EXPIRED, "expired", 401, "the access token has expired")                             \
	X(19, NOT_YET, "not_yet", 401, "the access token is not valid yet")                        \
	X(20, REVOKED, "revoked", 401, "the access token has been revoked")                        \
	X(21, BAD_ISSUER, "bad_issuer", 401, "the access token's issuer is not trusted here")      \
	X(22, BAD_AUDIENCE, "bad_audience", 401,                                                   \
	  "the access token was issued for another audience")                                      \
	X(23, UNKNOWN_KEY, "unknown_key", 401, "the access token was signed with an unknown key")  \
	X(24, BAD_SCHEME, "bad_scheme", 401, "the Authorization header is no Bearer or DPoP token")\
	X(25, DPOP_PROOF, "dpop_proof", 401, "the DPoP proof is missing or does not fit")          \
	X(26, DPOP_NONCE, "dpop_nonce", 401, "the DPoP proof needs the nonce given here")          \
	X(27, DPOP_REPLAY, "dpop_replay", 401, "the DPoP proof has been used before")              \
	X(28, DPOP_BINDING, "dpop_binding", 401,                                                   \
	  "the access token and the key or the scheme it was sent with do not belong together")    \
	X(29, STEP_UP, "step_up", 401, "this needs a stronger or a more recent sign-in")           \
	X(30, INACTIVE, "inactive", 401, "the issuer says that the access token is not active")    \
	X(32, NO_SCOPE, "no_scope", 403, "the access token does not grant this route")             \
	X(33, NO_ROUTE, "no_route", 403, "no route covers this method and path")                   \
	X(34, UPGRADE, "upgrade", 403, "protocol upgrades are not allowed here")                   \
	X(35, CONDITION, "condition", 403, "a condition of this route is not met")                 \
	X(36, RELATION, "relation", 403, "the relationship that this route needs does not exist")  \
	X(37, RISK, "risk", 403, "the risk of this request is too high")                           \
	X(38, POLICY_ERROR, "policy_error", 403, "a condition of this route cannot be evaluated")  \
	X(40, BAD_REQUEST, "bad_request", 400, "the request is malformed or ambiguous")            \
	X(41, HEAD_TOO_LARGE, "head_too_large", 431, "the request head is too large")              \
	X(42, BAD_EXPECT, "bad_expect", 417, "only Expect: 100-continue is understood")            \
	X(48, LIMIT_SOURCE, "limit_source", 429, "too many requests from this address")            \
	X(49, LIMIT_PRINCIPAL, "limit_principal", 429, "too many requests with this identity")     \
	X(50, LIMIT_FAILURES, "limit_failures", 429,                                               \
	  "too many failed authentications from this address")                                     \
	X(51, LIMIT_ROUTE, "limit_route", 429, "too many requests for this route")                 \
	X(52, LIMIT_SERVICE, "limit_service", 429, "too many requests for this service")           \
	X(53, LIMIT_RULE, "limit_rule", 429, "too many requests of this kind")                     \
	X(56, NO_DAEMON, "no_daemon", 503,                                                         \
	  "the verifier is not running; known tokens keep working")                                \
	X(57, OVERLOAD, "overload", 503, "too many undecided requests are waiting")                \
	X(58, STATE_FULL, "state_full", 503, "no room left for another connection or grant")       \
	X(59, KEYS_DOWN, "keys_unavailable", 503, "the issuer's keys cannot be fetched now")       \
	X(60, INTROSPECTION_DOWN, "introspection_unavailable", 503,                                \
	  "the issuer cannot be asked about the access token now")                                 \
	X(61, BUSY, "busy", 503, "the verifier is busy; known tokens keep working")                \
	/* refused in silence or by RST */                                                         \
	X(64, BANNED, "banned", 0, "the source address is banned")                                 \
	X(65, UNKNOWN_FLOW, "unknown_flow", 0,                                                     \
	  "data on a connection that was not seen to begin; reset")                                \
	X(66, ANSWERED, "answered", 0, "the connection was ended by an earlier answer; reset")     \
	X(67, GAP, "gap", 0, "starts inside a gap; dropped until it is sent again")                \
	X(68, CHANGED, "changed", 0,                                                               \
	  "differs from the bytes first admitted at this place; dropped")                          \
	X(69, WAITING, "waiting", 0, "a decision for these bytes is under way; dropped")           \
	X(70, PIPELINED, "pipelined", 0,                                                           \
	  "an earlier request is still unanswered; dropped until it is sent again")                \
	X(71, RACE, "race", 0, "the flow changed on another CPU; dropped until it is sent again")  \
	X(72, SYN_LIMIT, "syn_limit", 0, "too many new connections from this address")             \
	X(73, SYN_DATA, "syn_data", 0, "SYN that carries data")                                    \
	X(74, HANDSHAKE, "handshake", 0, "does not complete the handshake the server offered")     \
	X(75, URGENT, "urgent", 0, "urgent data")                                                  \
	X(76, BAD_FLAGS, "bad_flags", 0, "impossible TCP flags")                                   \
	X(77, FRAGMENT, "fragment", 0, "IP fragment for a protected address")                      \
	X(78, IP_OPTIONS, "ip_options", 0, "IPv4 options or IPv6 extension headers")               \
	X(79, MALFORMED, "malformed", 0, "packet shorter or longer than its headers say")          \
	X(80, TOO_LARGE, "too_large", 0, "frame larger than can be handed to the daemon")          \
	X(81, UNCONFIGURED, "unconfigured", 0,                                                     \
	  "protected port, but the program was never configured")                                  \
	X(82, BAD_CHECKSUM, "bad_checksum", 0, "TCP checksum is wrong")                            \
	X(83, NO_ANSWER, "no_answer", 0, "refused, but the answer could not be built; dropped")    \
	X(84, DESYNC, "desync", 0,                                                                 \
	  "the server accepted bytes that were never admitted; connection reset")                  \
	X(85, MULTIPATH, "multipath", 0, "segment of a Multipath TCP connection")                  \
	X(86, SPOOFED, "spoofed", 0, "claims to come from a protected address and port")           \
	X(87, CLOSED, "closed", 0, "the server has closed this connection; dropped") \
	X(88, RECUT, "recut", 0,                                                           \
	  "repeats admitted bytes in other pieces; dropped until it is sent again")                \
	X(89, SYN_TOTAL, "syn_total", 0, "too many new connections to this service")               \
	X(90, SYN_RULE, "syn_rule", 0, "too many new connections of this kind")                    \
	X(91, SYN_FULL, "syn_full", 0, "no room to count another address's new connections")       \
	X(93, COOKIE_SENT, "cookie_sent", 0, "SYN answered with a cookie")                         \
	X(94, COOKIE, "cookie", 0, "connection begun by a SYN cookie")                             \
	X(95, COOKIE_BAD, "cookie_bad", 0,                                                         \
	  "under a SYN flood: belongs to no connection and carries no cookie; dropped")            \
	X(100, STRAY, "stray", 0, "too many segments that belong to no connection; dropped")

#define SZ_REASON_ENUM_(n, NAME, label, http, text) SZ_R_##NAME = (n),
enum sz_reason { SZ_REASONS(SZ_REASON_ENUM_) };
#define SZ_REASON_MAX 128 /* counters kept; every number is below this */

/*
 * A refusal as it travels through the packet core: the reason, and which of the step-up's prepared
 * answers tells it (from 1; 0: the reason's own). They stand behind the reasons in sz_answers.
 */
#define SZ_TELL(reason, challenge) ((unsigned int)(reason) | (unsigned int)(challenge) << 16)
/* The same for the limit that refuses, by its slot: they stand behind the challenges. */
#define SZ_TELL_LIMIT(reason, slot) SZ_TELL(reason, SZ_CHALLENGES_MAX + (slot))
#define SZ_TOLD_LIMIT(tell)                                                                        \
	((tell) >> 16 > SZ_CHALLENGES_MAX ? ((tell) >> 16) - SZ_CHALLENGES_MAX : 0)
#define SZ_ANSWERS_MAX (SZ_REASON_MAX + SZ_CHALLENGES_MAX + SZ_LIMITS_MAX)
#define SZ_TOLD(tell) ((tell) & 0xffffu)
#define SZ_TOLD_ANSWER(tell) ((tell) >> 16 ? SZ_REASON_MAX - 1 + ((tell) >> 16) : (tell))

/*
 * Is a refusal for this reason an event of its own for the audit log? What TCP repairs by itself
 * (a gap, a race, a wait) is only counted.
 */
static inline int sz_reason_is_record(unsigned int reason)
{
	return reason >= SZ_R_NO_TOKEN && reason != SZ_R_ANSWERED && reason != SZ_R_GAP &&
	       reason != SZ_R_WAITING && reason != SZ_R_PIPELINED && reason != SZ_R_RACE &&
	       reason != SZ_R_CLOSED && reason != SZ_R_RECUT && reason != SZ_R_COOKIE_SENT &&
	       reason != SZ_R_COOKIE && reason != SZ_R_COOKIE_BAD && reason != SZ_R_STRAY;
}

/*
 * A 401 for a token that was sent and found wanting: spends the source's `failures`. Not so where a
 * client is only told how to go on, as the protocol has it.
 */
static inline int sz_reason_is_failure(unsigned int reason)
{
	return reason > SZ_R_NO_TOKEN && reason < SZ_R_NO_SCOPE && reason != SZ_R_BAD_SCHEME &&
	       reason != SZ_R_DPOP_NONCE && reason != SZ_R_STEP_UP;
}

/* Beyond a rate limit. */
static inline int sz_reason_is_limit(unsigned int reason)
{
	return (reason >= SZ_R_LIMIT_SOURCE && reason < SZ_R_NO_DAEMON) ||
	       reason == SZ_R_SYN_LIMIT || reason == SZ_R_STRAY ||
	       (reason >= SZ_R_SYN_TOTAL && reason <= SZ_R_SYN_FULL);
}

/*
 * What becomes of a request or packet. Zero is deny, so that forgotten initialisation refuses.
 */
enum sz_verdict {
	SZ_DENY = 0,  /* refuse: answer, reset or drop, as the reason says */
	SZ_ALLOW = 1, /* pass */
	SZ_ASK = 2,   /* hold: the daemon decides */
};

#endif
