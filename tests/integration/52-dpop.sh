#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Tokens that are bound to a key (DPoP, RFC 9449), with proofs made by others' libraries: each
# request is decided by its own proof, and what is wrong with one gets its exact error. Requests
# that must be refused say "?no", the others "?yes": the service's own log is the witness.
#
# shellcheck disable=SC2119 # functions whose arguments are optional

cd "$(dirname "$0")/../.." || exit 1
. tests/lib/tap.sh
. tests/lib/netns.sh
. tests/lib/guard.sh

if ! command -v node >/dev/null || [ ! -d build/node/node_modules/dpop ]; then
	skip_all "node or its libraries are missing; run scripts/setup node"
fi
cp tests/node/dpop.mjs build/node/ || exit 1

# One process for all proofs: each of its own would take most of the time of this test.
coproc NODE { exec node build/node/dpop.mjs serve; }
dpop() {
	local IFS=$'\t' line
	printf '%s\n' "$*" >&"${NODE[1]}"
	read -r line <&"${NODE[0]}" && printf '%s\n' "$line"
}
# PATH TOKEN PROOF [CURL OPTION...]: the status; the answer's head is in $head.
ask() {
	local path=$1 token=$2 proof=$3
	shift 3
	lab_client curl -s -o /dev/null -D "$LAB_DIR/head" -w '%{http_code}' -m 5 --path-as-is \
		-H "Authorization: ${scheme:-DPoP} $token" ${proof:+-H "DPoP: $proof"} "$@" \
		"$(guard_url)$path"
	head=$(cat "$LAB_DIR/head")
}
admitted() { # NAME PATH TOKEN PROOF [CURL OPTION...]
	local name=$1 path=$2
	shift 2
	ask "$path?yes" "$@" >"$LAB_DIR/status"
	expect_eq "$(cat "$LAB_DIR/status")" 200 "$name: 200"
	yes=$((yes + 1))
}
refused() { # REASON ERROR NAME PATH TOKEN PROOF [CURL OPTION...]
	local reason=$1 error=$2 name=$3 path=$4 before
	shift 4
	before=$(guard_count "$reason")
	ask "$path?no" "$@" >"$LAB_DIR/status"
	expect_eq "$(cat "$LAB_DIR/status") $(($(guard_count "$reason") - before))" "401 1" \
		"$name: 401 for $reason"
	expect_contains "$head" "WWW-Authenticate: DPoP algs=\"EdDSA ES256 ES384 ES512 PS256 PS384 \
PS512\", error=\"$error\"" "  and the client is told $error"
}
yes=0

lab_up || exit 1
lab_nginx || exit 1
GUARD_TOP='limits: {misses: 1000000/s, source_misses: 1000000/s}
dpop: {clock_skew: 0s}'
guard_up || exit 1
jkt=$(dpop key "$LAB_DIR/client.json")
dpop key "$LAB_DIR/thief.json" >/dev/null
expect_eq "${#jkt}" 43 "a client has a key"
bound=$(guard_mint alice orders:read --claim "cnf={\"jkt\":\"$jkt\"}")
free=$(guard_mint bob orders:read)
url=$(guard_url)
proof() { # PATH [CHANGES]
	if [ $# -gt 1 ]; then
		dpop odd "$LAB_DIR/client.json" GET "$url$1" "$bound" "$2"
	else
		dpop proof "$LAB_DIR/client.json" GET "$url$1" "$bound"
	fi
}

# ---- a proof for each request -------------------------------------------------------------------
# What was made in the second of the start, or before, could be a replay: it needs a nonce.
refused dpop_nonce use_dpop_nonce "proof from before the daemon's start" /orders "$bound" \
	"$(proof /orders "{\"iat\":$(($(date +%s) - 50))}")"
expect_contains "$head" "DPoP-Nonce: " "  which is in the answer"
sleep 1.1
good=$(proof /orders)
before=$(guard_count ticket)
admitted "token with its proof" /orders "$bound" "$good"
expect_eq "$(($(guard_count ticket) - before))" 1 "decided by the daemon"
refused dpop_replay invalid_dpop_proof "the same proof again" /orders "$bound" "$good"
before=$(guard_count ticket)
admitted "token with another proof" /orders "$bound" "$(proof /orders)"
expect_eq "$(($(guard_count ticket) - before))" 1 "decided by the daemon again"
expect_lacks "$(guard_ctl grants --json)" alice "the kernel has no grant for it"
known() { # how often a token's signature was known from before
	guard_ctl status --json | tr -d ' \n' | sed -nE 's/.*"known_tokens":([0-9]+).*/\1/p'
}
before=$(known)
admitted "a third proof" /orders "$bound" "$(proof /orders)"
expect_eq "$(($(known) - before))" 1 "only the proof's signature is verified, the token's is known"
admitted "head of several segments" /orders "$bound" "$(proof /orders)" \
	-H "X-Big: $(head -c 5000 /dev/zero | tr '\0' a)"
admitted "POST with a body" /orders "$bound" \
	"$(dpop proof "$LAB_DIR/client.json" POST "$url/orders" "$bound")" -d "$(seq 1000)"
admitted "encoded path, equal in its normal form" /orders/%41 "$bound" "$(proof /orders/A)"
GUARD_FAMILY=6
admitted "over IPv6" /orders "$bound" \
	"$(dpop proof "$LAB_DIR/client.json" GET "$(guard_url)/orders" "$bound")"
GUARD_FAMILY=4

# ---- what is wrong with a proof -----------------------------------------------------------------
refused dpop_proof invalid_dpop_proof "no proof" /orders "$bound" ""
refused dpop_proof invalid_dpop_proof "two proofs" /orders "$bound" "$(proof /orders)" \
	-H "DPoP: $(proof /orders)"
refused dpop_proof invalid_dpop_proof "proof for another path" /orders "$bound" "$(proof /read)"
refused dpop_proof invalid_dpop_proof "proof for another method" /orders "$bound" \
	"$(proof /orders '{"htm":"POST"}')"
refused dpop_proof invalid_dpop_proof "proof for another host, which Host names" /orders \
	"$bound" "$(proof /orders '{"htu":"http://other.test/orders"}')" -H "Host: other.test"
refused dpop_proof invalid_dpop_proof "proof for another token" /orders "$bound" \
	"$(proof /orders '{"ath":"n4bQgYhMfWWaL-qgxVrQFaO_TxsrC4Is0V1sFbDwCgg"}')"
refused dpop_proof invalid_dpop_proof "proof without ath" /orders "$bound" \
	"$(proof /orders '{"ath":null}')"
refused dpop_proof invalid_dpop_proof "proof of an hour ago" /orders "$bound" \
	"$(proof /orders "{\"iat\":$(($(date +%s) - 3600))}")"
refused dpop_proof invalid_dpop_proof "proof from the future" /orders "$bound" \
	"$(proof /orders "{\"iat\":$(($(date +%s) + 3600))}")"
refused dpop_proof invalid_dpop_proof "a proof that is none" /orders "$bound" nonsense
refused dpop_proof invalid_dpop_proof "the token as its own proof" /orders "$bound" "$bound"
refused dpop_binding invalid_token "proof with another key" /orders "$bound" \
	"$(dpop proof "$LAB_DIR/thief.json" GET "$url/orders" "$bound")"

# ---- tokens and schemes that do not belong together ---------------------------------------------
refused dpop_binding invalid_token "token without a binding, with DPoP" /orders "$free" \
	"$(dpop proof "$LAB_DIR/client.json" GET "$url/orders" "$free")"
expect_eq "$(guard_status "/orders?no" "$bound")" 401 "bound token as a bearer token: 401"
before=$(guard_count miss)
expect_eq "$(guard_status "/orders?no" "$bound")" 401 "and again"
expect_eq "$(($(guard_count miss) - before))" 0 "which the kernel knows by then"
admitted "the same token with a proof still works" /orders "$bound" "$(proof /orders)"
lab_client curl -s -m 5 -o /dev/null -D "$LAB_DIR/head" "$url/orders?no" \
	-H "X-Long: $(head -c 600 /dev/zero | tr '\0' a)"
expect_contains "$(cat "$LAB_DIR/head")" 'WWW-Authenticate: Bearer realm="subzero"' \
	"without a token: the Bearer challenge"
expect_contains "$(cat "$LAB_DIR/head")" 'WWW-Authenticate: DPoP algs="EdDSA' \
	"and beside it that of DPoP"
cnf=$(guard_mint carl orders:read --claim 'cnf={"x5t#S256":"abc"}')
expect_eq "$(guard_status "/orders?no" "$cnf")" 401 "token bound by another means: 401"
guard_ctl grants revoke --subject alice >/dev/null
refusals=$(guard_count revoked)
before=$(known)
expect_eq "$(ask "/orders?no" "$bound" "$(proof /orders)") $(($(guard_count revoked) - refusals))" \
	"401 1" "revoked: 401, whatever the proof says"
expect_contains "$(cat "$LAB_DIR/head")" 'error="invalid_token"' "  and the client is told so"
expect_eq "$(($(known) - before))" 1 "which is said of a token whose signature is known"
guard_ctl revocations clear --all >/dev/null
forged=${bound%????}AAAA
before=$(known)
expect_eq "$(ask "/orders?no" "$forged" "$(dpop proof "$LAB_DIR/client.json" GET "$url/orders" \
	"$forged")") $(($(known) - before))" "401 0" "a known token with another signature: 401"
expect_ok "a reload" guard_ctl reload
before=$(known)
admitted "a known token after a reload" /orders "$bound" "$(proof /orders)"
expect_eq "$(($(known) - before))" 0 "is verified anew"
admitted "and then once more" /orders "$bound" "$(proof /orders)"
expect_eq "$(($(known) - before))" 1 "is known again"

# ---- nonces, restarts ---------------------------------------------------------------------------
GUARD_TOP='limits: {misses: 1000000/s, source_misses: 1000000/s}
dpop: {nonce: required, clock_skew: 0s}'
GUARD_SERVICE='    origins: ["https://api.example.com", "'$url'"]'
GUARD_ROUTES='      - {path: /bound, scopes: [orders:read], dpop: required}'
guard_conf >"$GUARD_DIR/guard.yaml"
expect_ok "a reload" guard_ctl reload
refused dpop_nonce use_dpop_nonce "proof without a nonce, where one is required" /orders \
	"$bound" "$(proof /orders)"
nonce=$(sed -nE 's/^DPoP-Nonce: ([A-Za-z0-9_-]{32})\r?$/\1/p' <<<"$head")
expect_eq "${#nonce}" 32 "a nonce is handed out"
refused dpop_nonce use_dpop_nonce "a nonce that is not ours" /orders "$bound" \
	"$(dpop proof "$LAB_DIR/client.json" GET "$url/orders" "$bound" "${nonce%?}.")"
good=$(dpop proof "$LAB_DIR/client.json" GET "$url/orders" "$bound" "$nonce")
admitted "proof with the nonce" /orders "$bound" "$good"
refused dpop_replay invalid_dpop_proof "the same again" /orders "$bound" "$good"
admitted "by the name the service has outside" /orders "$bound" \
	"$(dpop proof "$LAB_DIR/client.json" GET https://api.example.com/orders "$bound" "$nonce")"
expect_eq "$(lab_client node build/node/dpop.mjs get "$LAB_DIR/client.json" "$url/orders?yes" \
	"$bound")" "401 200" "a client that knows nonces asks once more"
yes=$((yes + 1))
scheme=Bearer refused dpop_binding invalid_token "bearer token on a route that asks for DPoP" \
	/bound "$free" ""
admitted "and a bound one" /bound "$bound" \
	"$(dpop proof "$LAB_DIR/client.json" GET "$url/bound" "$bound" "$nonce")"
guard_stop KILL
guard_start || exit 1
refused dpop_nonce use_dpop_nonce "after a crash the old nonces are void, and so the proofs" \
	/orders "$bound" "$good"
GUARD_TOP='limits: {misses: 1000000/s, source_misses: 1000000/s}
dpop: {clock_skew: 0s}'
GUARD_ISSUER='    dpop: required'
guard_conf >"$GUARD_DIR/guard.yaml"
expect_ok "a reload without nonces" guard_ctl reload
sleep 1.1
good=$(proof /orders)
admitted "proof without a nonce" /orders "$bound" "$good"
scheme=Bearer refused dpop_binding invalid_token "bearer token of an issuer that binds all" \
	/orders "$free" ""
guard_stop KILL
guard_start || exit 1
refused dpop_nonce use_dpop_nonce "after a crash a used proof is not taken again" /orders \
	"$bound" "$good"
expect_contains "200 401 200" "$(lab_client node build/node/dpop.mjs get "$LAB_DIR/client.json" \
	"$url/orders?yes" "$bound")" "and a new one is, in the second of the start with a nonce"
yes=$((yes + 1))

expect_eq "$(grep -c '?no' "$LAB_DIR/access.log")" 0 "nothing that was refused reached the service"
expect_eq "$(grep -c '?yes' "$LAB_DIR/access.log")" $yes "all that was admitted did, once"
done_testing
