/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The rules of the security argument by name: every check without which a byte that was not
 * decided could pass, or a wrong decision be made. A check names its rule where it stands,
 *
 *	if (SZ_RULE(SYN_DATA) && s->p.payload_len)
 *
 * and SZ_RULE() is the constant 1: it costs nothing and changes nothing. Only scripts/check-rules
 * compiles with another one, and takes out one rule after another to see a test fail for each.
 *
 * SZ_RULES(X): X(NAME, number of the rule in docs/threat-model.md, what it says). Rules named D_
 * are the daemon's own reading of what the kernel reads, too.
 */
#ifndef SZ_RULE_H
#define SZ_RULE_H

#define SZ_RULES(X)										\
	/* the server's view of the stream */							\
	X(FLOW_BIRTH, 1, "only a SYN-ACK of the server begins a flow")				\
	X(SAME_SYNACK, 1, "an identical SYN-ACK after data is another connection")		\
	X(SERVER_RST, 1, "a RST of the server ends the flow")					\
	X(RST_FORGETS, 1, "a RST that the server obeys ends the flow")				\
	X(RST_UNSURE, 1, "a RST that the server may obey or not is dropped")			\
	X(RST_WINDOW, 1, "a RST that the server ignores changes nothing")			\
	X(DESYNC, 1, "a server that acknowledges what did not pass ends the flow")		\
	X(ACK_FIN, 1, "the client's FIN is no byte that was acknowledged")			\
	X(ACK_FORWARD, 1, "an older acknowledgement does not move back")			\
	X(ACK_TAG, 1, "another connection's acknowledgement is not taken")			\
	X(LOCAL_SERVER, 1, "a service at any address is learned from this host only")		\
	X(SPOOFED, 1, "a frame in a protected server's name is dropped")			\
	X(UNKNOWN_FLOW, 1, "data on a connection that was not seen to begin is reset")		\
	X(ENFORCED_SINCE, 1, "a connection from before enforcement is reset")			\
	/* the handshake */									\
	X(SYN_ALONE, 2, "a SYN has no other flag")						\
	X(SYN_DATA, 2, "a SYN carries no data")							\
	X(HANDSHAKE, 2, "until the server speaks, a segment fits its SYN-ACK")			\
	X(COOKIE_ACK, 2, "it acknowledges exactly that SYN-ACK")				\
	X(COOKIE_SEQ, 2, "it begins where no other cookie fits")				\
	X(COOKIE_VALID, 2, "a flow begins at an ACK only with a cookie of this machine")	\
	X(COOKIE_LISTENS, 2, "and only where the server has no connection yet")			\
	X(COOKIE_LOCAL, 2, "and only where the server is on this machine")			\
	X(COOKIE_FORGETS, 2, "who is given a cookie has no connection")				\
	X(COOKIE_ELSEWHERE, 2, "a cookie counts at the first byte of a flow only")		\
	/* every version of a byte is the same */						\
	X(BOUNDARY, 3, "a request begins at the boundary and nowhere else")			\
	X(FLOOR, 3, "bytes far behind what was acknowledged never pass")			\
	X(FLOOR_FOLLOWS, 3, "the floor follows what was acknowledged")				\
	X(HEAD_REPEAT, 3, "a remembered head is not an open body")				\
	X(HEAD_WHOLE, 3, "a remembered head repeats whole")					\
	X(HEAD_DIGEST, 3, "a remembered head repeats byte for byte")				\
	X(SEGMENT_WHOLE, 3, "its digest covers every byte")					\
	X(RANGE_FIXED, 3, "a range says nothing about the inside of a head")			\
	X(RANGE_KEPT, 3, "a range is kept until the server has it")				\
	X(RANGE_FORGET, 3, "and forgotten then")						\
	X(REMEMBERED, 3, "what cannot be remembered does not pass")				\
	X(BODY_END, 3, "a segment passes as a body only within its end")			\
	X(BODY_STEP, 3, "a body opens less than half the sequence space")			\
	X(BODY_AHEAD, 3, "and only behind what was acknowledged")				\
	X(TRIM, 3, "a segment is cut behind what was admitted")					\
	X(TRIM_FIN, 3, "and loses its FIN with what was cut")					\
	X(WALK_END, 3, "what the walk did not reach does not pass")				\
	X(CLOSED, 3, "nothing passes behind the server's FIN")					\
	X(ANSWERED, 3, "nothing passes behind an answer")					\
	X(HEAD_FIN, 3, "no FIN behind the beginning of a head")					\
	X(FIN_AHEAD, 3, "nor ahead of what was admitted")					\
	X(CARRY_KNOWN, 3, "a beginning passes only behind an admitted request")			\
	X(CARRY_SOUND, 3, "and only when nothing is unusual in it")				\
	X(CARRY_CR, 3, "and it does not end in CR")						\
	X(CARRY_BIRTH, 3, "what is kept of it is of this connection")				\
	X(CARRY_PLACE, 3, "and of this place")							\
	X(CARRY_ASKED, 3, "and only where no question is open")					\
	X(CARRY_WHOLE, 3, "and it is kept whole")						\
	X(CARRY_KEPT, 3, "and what could not be kept does not pass")				\
	X(D_CARRY_CR, 3, "nor does the daemon let a CR go on ahead")				\
	X(SPILL_BIRTH, 3, "a spilled range is of this connection")				\
	X(SPILL_FIXED, 3, "and says nothing about the inside of a head")			\
	X(SPILL_KEPT, 3, "and one that found no room does not pass")				\
	X(SPILL_TORN, 3, "and is not believed when it changed meanwhile")			\
	X(URGENT, 3, "urgent data is dropped")							\
	X(NEEDS_ACK, 3, "a segment has ACK or RST")						\
	X(SYN_MULTIPATH, 3, "Multipath TCP is taken out of a SYN")				\
	X(SYN_MULTIPATH_TWICE, 3, "a second such option is not let through")			\
	X(MULTIPATH, 3, "segments of Multipath TCP are dropped")				\
	/* the state is committed */								\
	X(COMMIT, 4, "the loser of a race does not commit")					\
	X(READ_LOCKED, 4, "a flow that is being written is not read")				\
	X(READ_TAG, 4, "another connection's entry is not read")				\
	X(RACE, 4, "who loses every attempt is dropped")					\
	/* the head, as the kernel reads it */							\
	X(AMBIGUOUS, 5, "what servers read differently is answered 400")			\
	X(PARTIAL, 5, "a head that is cut goes to the daemon")					\
	X(UNUSUAL, 5, "an unusual head goes to the daemon")					\
	X(METHOD_CAPITALS, 5, "a method is a word of capitals")					\
	X(TARGET_FORM, 5, "a target begins with a slash")					\
	X(VERSION, 5, "HTTP/1.0 or HTTP/1.1")							\
	X(VERSION_CUT, 5, "a version that is cut is one so far")				\
	X(REQUEST_LINE_END, 5, "the request line ends in CRLF")					\
	X(QUERY_CONTROL, 5, "no control byte in a query")					\
	X(QUERY_BEYOND_ASCII, 5, "a query beyond ASCII is unusual")				\
	X(NAME_BYTES, 5, "no space, control byte or folding in a name")				\
	X(NAME_EMPTY, 5, "a name is not empty")							\
	X(NAME_PUNCTUATION, 5, "a name with punctuation is unusual")				\
	X(VALUE_CONTROL, 5, "no NUL, bare LF or other control byte in a value")			\
	X(VALUE_BEYOND_ASCII, 5, "a value beyond ASCII or with a tab is unusual")		\
	X(BARE_CR, 5, "CR only before LF")							\
	X(HEAD_END, 5, "the empty line is CRLF")						\
	X(DUPLICATE, 5, "what decides stands once")						\
	X(HOST_MISSING, 5, "HTTP/1.1 names its host")						\
	X(HOST_PLAIN, 5, "Host is a name or an address and a port")				\
	X(QUERY_FRAGMENT, 6, "a target holds no fragment")					\
	X(HOST_EMPTY, 5, "and the name is not empty")						\
	X(HOST_PADDED, 5, "white space around it is unusual")					\
	X(HEADER_LINES, 5, "more than 100 lines are unusual")					\
	X(CONNECTION, 5, "Connection is close or keep-alive")					\
	X(EXPECT, 5, "Expect is unusual")							\
	X(UPGRADE, 5, "an upgrade is refused")							\
	X(OTHER_SCHEME, 5, "another scheme than Bearer is unusual")				\
	X(BEARER_SPACES, 5, "one space around Bearer")						\
	/* the head, as the daemon reads it */							\
	X(D_METHOD, 5, "a method is a word of capitals")					\
	X(D_CONNECT, 5, "CONNECT, TRACE and PRI are refused")					\
	X(D_VERSION, 5, "HTTP/1.0 or HTTP/1.1")							\
	X(TARGET_SCHEME, 5, "an absolute target is http")					\
	X(TARGET_HOST, 5, "its host is a host name")						\
	X(TARGET_BYTES, 5, "no space, control byte or byte beyond ASCII in a target")		\
	X(D_AUTHORITY, 5, "an absolute target names the same host as Host")			\
	X(D_HOST_MISSING, 5, "HTTP/1.1 names its host")						\
	X(TARGET_FRAGMENT, 6, "a target holds no fragment, says the daemon")			\
	X(D_HOST, 5, "Host is a name or an address and a port")					\
	X(D_CONNECTION_TOKEN, 5, "Connection holds names between commas")			\
	X(D_HOST_EMPTY, 5, "and the name is not empty")						\
	X(D_CONTROL, 5, "no control byte in a line")						\
	X(D_BARE_LF, 5, "a line ends in CRLF")							\
	X(D_HEADER_LINES, 5, "at most 100 lines")						\
	X(D_NAME_COLON, 5, "the colon stands behind the name")					\
	X(D_NAME_FOLDS, 5, "no name that some servers read as another")				\
	X(D_DUPLICATE, 5, "what decides stands once")						\
	X(D_PLAIN, 5, "no tab or byte beyond ASCII in what decides")				\
	X(D_CONNECTION, 5, "Connection names nothing that decides")				\
	X(D_EXPECT, 5, "Expect is 100-continue")						\
	X(D_UPGRADE, 5, "an upgrade is refused")						\
	X(D_SCHEME, 5, "another scheme than Bearer is refused")					\
	X(D_B64TOKEN, 5, "a token is a b64token")						\
	/* the path */										\
	X(PATH_DOTS, 6, "a path with // or /. is not matched in the kernel")			\
	X(PATH_ENCODED, 6, "nor one with % ; or a backslash")					\
	X(PATH_CONTROL, 6, "no control byte in a path")						\
	X(PATH_AS_SENT, 6, "the path as sent and its canonical form fall under one route")	\
	X(PATH_TWICE, 6, "a path is not encoded twice")						\
	X(PATH_BACKSLASH, 6, "no backslash or # in a path")					\
	X(PATH_HEX, 6, "two hex digits behind %")						\
	X(PATH_HIDDEN, 6, "no encoded slash, backslash or control byte")			\
	X(PATH_CLIMBS, 6, "a path does not climb above the root")				\
	X(PATH_DOT_PARAMETERS, 6, "no parameters on a dot segment")				\
	X(PATH_TWO_SLASHES, 6, "a path does not begin with //")					\
	X(PATH_UP_EMPTY, 6, "no .. beside an empty segment")					\
	X(PATH_UP_ENCODED, 6, "no .. beside an encoded dot")					\
	X(ROUTE_SEGMENT, 6, "a route covers whole segments")					\
	/* the body */										\
	X(LENGTH, 7, "a Content-Length that is no number is refused")				\
	X(LENGTH_DIGITS, 7, "digits only")							\
	X(LENGTH_LONG, 7, "at most 13 of them")							\
	X(LENGTH_MAX, 7, "at most 2^40")							\
	X(TWO_LENGTHS, 7, "not beside Transfer-Encoding")					\
	X(CHUNKED, 7, "a chunked body goes to the daemon")					\
	X(STREAM, 7, "no request begins inside a stream")					\
	X(CHUNK_END, 7, "CRLF behind the data of a chunk")					\
	X(CHUNK_DIGIT, 7, "a size has a digit")							\
	X(CHUNK_WHOLE, 7, "framing is read where it is whole")					\
	X(CHUNK_SIZE, 7, "a chunk opens at most one step")					\
	X(CHUNK_LINE, 7, "CRLF behind the size, so no extension")				\
	X(CHUNK_LAST, 7, "CRLF behind the last chunk, so no trailer")				\
	X(D_LENGTH_DIGITS, 7, "digits only")							\
	X(D_LENGTH_LONG, 7, "at most 13 of them")						\
	X(D_LENGTH_MAX, 7, "at most 2^40")							\
	X(D_TWO_LENGTHS, 7, "not beside Transfer-Encoding")					\
	X(D_ENCODING, 7, "Transfer-Encoding is exactly chunked")				\
	X(D_CHUNKED_10, 7, "and not with HTTP/1.0")						\
	X(D_CHUNK_HEX, 7, "hex digits only, so no extension")					\
	X(D_CHUNK_DIGIT, 7, "a size has a digit")						\
	X(D_CHUNK_SIZE, 7, "a chunk is at most 2^40")						\
	X(D_CHUNK_LINE, 7, "LF behind the CR of a size")					\
	X(D_CHUNK_END, 7, "CR behind the data of a chunk")					\
	X(D_CHUNK_LAST, 7, "LF behind the last CR")						\
	X(TRAILERS_MAX, 7, "trailers of at most 8 KiB")						\
	X(TRAILER_NAME, 7, "a trailer has a name")						\
	X(TRAILER_VALUE, 7, "and a printable value")						\
	/* the digest */									\
	X(TOKEN_WHOLE, 8, "a digest covers the whole token")					\
	/* the token */										\
	X(JSON_TWICE, 9, "no member comes twice")						\
	X(JSON_DEEP, 9, "nesting is bounded")							\
	X(JWS_CRIT, 9, "no critical extension")							\
	X(JWS_B64, 9, "the payload is base64url")						\
	X(JWS_ALG_ALLOWED, 9, "the algorithm is configured")					\
	X(JWS_KEY_ALG, 9, "the key decides the algorithm")					\
	X(JWS_KID, 9, "the key is the one that is named")					\
	X(JWS_SIGNATURE, 9, "the signature is right")						\
	X(KEYS_STALE, 9, "keys that could not be refreshed are used for a while only")		\
	X(RSA_SIZE, 9, "RSA keys have at least 2048 bits")					\
	X(ISSUER, 9, "the issuer is the one whose keys verify")					\
	X(AUDIENCE, 9, "the audience is configured")						\
	X(EXP_MISSING, 9, "a token ends")							\
	X(EXPIRED, 9, "and has not ended")							\
	X(NOT_BEFORE, 9, "it has begun")							\
	X(ISSUED_AT, 9, "it was issued in the past")						\
	X(MAX_AGE, 9, "it is not too old")							\
	X(SKEW_MAX, 9, "clock skew is at most 300 s")						\
	X(AT_JWT, 9, "its type is at+jwt where that is asked for")				\
	X(INACTIVE, 9, "the issuer says that it is active, where it is asked")			\
	X(SCOPES, 9, "a route needs its scopes")						\
	X(CLAIMS, 9, "and its claims")								\
	/* proofs of possession */								\
	X(PROOF_TYP, 17, "a proof is of type dpop+jwt")						\
	X(PROOF_ALG, 17, "it is signed with an asymmetric algorithm that is allowed")		\
	X(PROOF_SIGNATURE, 17, "and its signature is right")					\
	X(DPOP_JKT, 17, "its key is the one the token is bound to")				\
	X(DPOP_HTM, 17, "it names the request's method")					\
	X(DPOP_HTU, 17, "and its URI")								\
	X(DPOP_ATH, 17, "and its token")							\
	X(DPOP_NONCE, 17, "its nonce is one of ours and not old")				\
	X(DPOP_IAT, 17, "without one it is of now")						\
	X(DPOP_HORIZON, 17, "and made after the last start")					\
	X(DPOP_REPLAY, 17, "a proof counts once")						\
	X(DPOP_BEARER, 17, "a token that is bound to a key does not pass as a bearer token")	\
	X(DPOP_UNBOUND, 17, "and one that is bound to none not with DPoP")			\
	X(DPOP_ISSUER, 17, "an issuer's rule about binding is kept")				\
	X(DPOP_ROUTE, 17, "and a route's")							\
	X(KNOWN_TIMES, 17, "a token that was verified before is not over since")		\
	X(KNOWN_SNAPSHOT, 17, "and counts only under the keys and the policy of then")		\
	X(D_CONDITION, 9, "its conditions are true")						\
	X(D_RELATION, 9, "its relationships exist")						\
	X(D_STEP_AGE, 9, "its sign-in is recent enough")					\
	X(D_LASTING_BOUND, 9, "a token bound to a key is asked about each time")		\
	/* API keys */										\
	X(APIKEY_REVOKED, 18, "an API key that was revoked is refused")			\
	X(APIKEY_EXPIRED, 18, "and one that has expired")					\
	X(APIKEY_SERVICE, 18, "and one that is for other services")				\
	/* the grant */										\
	X(GRANT_EXPIRY, 10, "a grant ends")							\
	X(GRANT_POLICY, 10, "a grant is void after a change of policy")				\
	X(GRANT_KEYS, 10, "a grant is void after a change of keys")				\
	X(GRANT_KEY, 10, "a grant is void when the key that signed its token is withdrawn")	\
	X(GRANT_NAMES, 10, "a grant is void when a name of it is revoked, until it is looked at") \
	X(NO_TOKEN, 10, "without a token no grant")						\
	X(NO_ROUTE, 10, "without a route no grant")						\
	X(ALLOW_BIT, 10, "a grant allows this route")						\
	X(ASK_BIT, 10, "or lets the daemon decide each request")				\
	X(PUBLIC_ASK, 10, "so also on a public route")						\
	X(ASK_VARS, 10, "and where the path chooses the route, it is asked for")		\
	X(GRANT_SOURCE, 10, "what a grant allows from a prefix it allows from there")		\
	X(REQUEST_EXPIRY, 10, "an answer that is remembered ends")				\
	X(REQUEST_POLICY, 10, "it is void after a change of policy")				\
	X(REQUEST_KEYS, 10, "and after a change of keys")					\
	X(REQUEST_RELATION, 10, "and where a relationship has changed")				\
	X(REQUEST_SOURCE, 10, "and for another source")						\
	/* the ticket */									\
	X(TICKET_ASKED, 11, "a ticket counts only where a question was asked")			\
	X(TICKET_SERVICE, 11, "of this service")						\
	X(TICKET_BIRTH, 11, "of this connection")						\
	X(TICKET_EXPIRY, 11, "in its time")							\
	X(TICKET_LENGTH, 11, "for bytes that are all there")					\
	X(TICKET_DIGEST, 11, "for exactly these bytes")						\
	X(TICKET_REFUSAL, 11, "a refusal refuses")						\
	X(TICKET_AFTER, 11, "behind the pieces it was decided behind")				\
	X(TICKET_ONCE, 11, "once")								\
	X(RECORD, 11, "the daemon checks a record's offsets")					\
	/* revocation */									\
	X(SAME_HEADERS, 12, "headers that were not read are those read before")			\
	X(SAME_WHOLE, 12, "their sum covers every byte")					\
	X(GUESS_GRANTED, 12, "a token that was not read is one that was granted")		\
	X(REVOKED, 12, "a revoked grant is refused")						\
	X(D_REVOKED, 12, "a revoked name gets no grant")					\
	X(REVOKED_SECOND, 12, "so also one that was revoked meanwhile")				\
	X(DENIED, 12, "a token known to be bad is refused")					\
	/* failing closed */									\
	X(CONFIG_ABI, 13, "nothing passes without a configuration of this layout")		\
	X(ODD_PACKET, 13, "a packet that cannot be read is dropped")				\
	X(VLAN_DEPTH, 13, "so are more than two VLAN tags")					\
	X(IP4_LENGTHS, 13, "lengths of IPv4 that lie")						\
	X(IP4_FRAGMENT, 13, "fragments of IPv4")						\
	X(IP4_OPTIONS, 13, "options of IPv4")							\
	X(EXTENSION_HEADER, 13, "extension headers of IPv6")					\
	X(IP6_FRAGMENT, 13, "fragments of IPv6")						\
	X(IP6_LENGTH, 13, "a length of IPv6 that lies")						\
	X(TCP_SHORT, 13, "a TCP header that is cut")						\
	X(TCP_OFFSET, 13, "a data offset that lies")						\
	X(TOO_LARGE, 13, "a frame that was not read whole is not decided")			\
	X(CHECKSUM, 13, "a frame with a wrong checksum is not put back")			\
	X(ASK_DAEMON, 13, "without a daemon what is not known gets 503")			\
	X(HOLD_DAEMON, 13, "and nothing is held for it")					\
	X(MONITOR, 13, "refusing is the rule, monitor mode must be configured")			\
	X(PORTLESS, 13, "what names no port is watched only where its address is")		\
	X(D_PORTLESS, 13, "as the daemon says")							\
	X(LOST_FLOW, 13, "a flow that monitor mode lost is reset when enforcing")		\
	X(SILENT, 13, "what has no answer is dropped")						\
	X(BAN, 13, "a banned source is dropped")						\
	/* crowding out */									\
	X(PROMOTION, 14, "only an admitted request enters sz_flows")				\
	X(FLOWS_FULL, 14, "a flow that found no room does not pass")				\
	X(SYN_LIMIT, 14, "new connections of a source are limited")				\
	X(STRAY_LIMIT, 14, "so are segments that belong to no connection")			\
	X(SOURCE_LIMIT, 14, "requests of a source are limited")					\
	X(ADMIT_LIMIT, 14, "requests of an identity, a route or a service are limited")		\
	X(TICKET_LIMIT, 14, "so are those that the daemon has decided")				\
	X(ASK_LIMIT, 14, "and nothing is asked about what they refuse")				\
	X(FAIL_LIMIT, 14, "who has failed too often is not asked about")			\
	X(FAIL_UNREAD, 14, "nor in heads that the kernel does not read")			\
	X(FAIL_SPENT, 14, "a 401 is a failure")							\
	X(RATE, 14, "a bucket that is empty refuses")						\
	X(BUCKET_KEPT, 14, "a bucket that holds something back keeps its place")		\
	X(BUCKET_SPARE, 14, "who finds no place shares one bucket with all others")		\
	X(BUCKET_FRESH, 14, "and who comes just after that gets no burst")			\
	X(BUCKET_LOCK, 14, "a subject has one bucket")						\
	X(ASK_ONCE, 14, "a question is asked once")						\
	X(ASK_BUDGET, 14, "misses are limited, of a source and of all")				\
	X(LOAD_LIMIT, 14, "so are those that are open at once, as the daemon keeps up")	\
	X(LOAD_SHARE, 14, "and what has a lower priority is refused first")			\
	X(LOAD_RELEASE, 14, "and what was not asked in the end is not open")			\
	X(LOAD_REPEAT, 14, "and a head that the daemon has whole keeps its place")		\
	X(LOAD_BEGUN, 14, "and a request that was begun is not cut off")			\
	X(D_LOAD_LIMIT, 14, "and the daemon takes no more either, of heads in pieces")		\
	X(HOLD_SPAN, 14, "how far ahead frames are held")					\
	X(HOLD_COUNT, 14, "and how many")							\
	X(HOLD_SPAN_UNKNOWN, 14, "less far for a client that is not known")			\
	X(HOLD_COUNT_UNKNOWN, 14, "and fewer")							\
	X(HOLD_BUDGET, 14, "and they cost it misses")						\
	/* answers */										\
	X(ANSWER_ORDER, 15, "a refusal waits for the answers before it")			\
	X(ANSWER_QUIET, 15, "and behind several requests until the server is silent")

#define SZ_RULE_ENUM_(NAME, number, text) SZ_RULE_##NAME,
enum sz_rule { SZ_RULES(SZ_RULE_ENUM_) SZ_RULE_COUNT };

#ifndef SZ_RULE
#define SZ_RULE(NAME) (SZ_RULE_##NAME < SZ_RULE_COUNT)
#endif

#endif
