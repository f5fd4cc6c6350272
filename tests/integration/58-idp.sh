#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# A real identity provider over HTTPS with a CA of its own: keys by discovery, JWTs and opaque
# tokens, rotation, withdrawal, a provider that is down, hangs and comes back, a restart meanwhile.
# Requests that must be refused say "?no", the others "?yes": the service's own log is the witness.
#
# shellcheck disable=SC2119 # functions whose arguments are optional

cd "$(dirname "$0")/../.." || exit 1
. tests/lib/tap.sh
. tests/lib/netns.sh
. tests/lib/guard.sh

if ! command -v node >/dev/null || [ ! -d build/node/node_modules/oidc-provider ]; then
	skip_all "node or its libraries are missing; run scripts/setup node"
fi
cp tests/node/idp.mjs tests/node/bound.mjs build/node/ || exit 1
lab_up || exit 1
lab_nginx || exit 1

# ---- the provider ----
IDP_PORT=9443
IDP=https://localhost:$IDP_PORT
pki() {
	local ec="-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
	# shellcheck disable=SC2086 # options
	openssl req -x509 $ec -keyout "$LAB_DIR/ca.key" -out "$LAB_DIR/ca.pem" -days 2 \
		-subj "/CN=a CA for a test" &&
		openssl req $ec -keyout "$LAB_DIR/idp.key" -out "$LAB_DIR/idp.csr" \
			-subj /CN=localhost &&
		openssl x509 -req -in "$LAB_DIR/idp.csr" -CA "$LAB_DIR/ca.pem" -CAkey \
			"$LAB_DIR/ca.key" -CAcreateserial -days 2 -out "$LAB_DIR/idp.pem" \
			-extfile <(echo "subjectAltName=DNS:localhost")
}
pki >"$LAB_DIR/pki.log" 2>&1 || exit 1
coproc NODE { NODE_EXTRA_CA_CERTS=$LAB_DIR/ca.pem exec nsenter \
	--net="/run/netns/$LAB_SERVER_NS" -- node build/node/idp.mjs $IDP_PORT "$LAB_DIR/idp.pem" \
	"$LAB_DIR/idp.key" "$LAB_DIR/gateway.jwk" 2>"$LAB_DIR/idp.log"; }
idp_pid=$NODE_PID
at_exit kill "$idp_pid"
read -r -t 20 line <&"${NODE[0]}" || { cat "$LAB_DIR/idp.log" && exit 1; }
idp() {
	local IFS=$'\t' line
	printf '%s\n' "$*" >&"${NODE[1]}"
	read -r -t 20 line <&"${NODE[0]}" && printf '%s\n' "$line"
}

# ---- the guard ----
printf 'secret of gw-basic\n' >"$LAB_DIR/secret"
chmod 600 "$LAB_DIR/secret"
more() {
	cat <<-END
	  - issuer: $IDP
	    discovery: true
	    audiences: [https://api.test/jwt, https://api.test/opaque]
	    clock_skew: 0s
	    provider: {ca_file: $LAB_DIR/ca.pem, timeout: 2s, refresh_min: 1s, refetch: 1s}
	    introspection:
	      client_id: ${1:-gw-basic}
	      auth: ${2:-client_secret_basic}
	      ${3:-client_secret_file: $LAB_DIR/secret}
	      max_ttl: ${MAX_TTL:-3s}
	      min_ttl: ${MIN_TTL:-3s}
	      inactive_ttl: 2s
	      timeout: 2s
	      failures: 3
	      pause: 1s
	END
}
GUARD_ISSUER=$(more)
guard_up || exit 1
keys_say() { # MEMBER of the provider
	guard_ctl keys --json | tr -d '\n' | sed 's/{/\n{/g' | grep -F "\"$IDP\"" |
		grep -oE "\"$1\": *[^,}]*" | sed 's/.*: *//; s/"//g'
}
usable() { [ "$(keys_say usable)" = true ]; }
expect_ok "the daemon fetches the keys by itself" wait_until 10 usable
expect_eq "$(keys_say source) $(keys_say keys)" "oidc 1" "by discovery: one key"

yes=0
admitted() { # NAME PATH TOKEN
	expect_eq "$(guard_status "$2?yes" "$3")" 200 "$1: 200"
	yes=$((yes + 1))
}
# And the client is told the error of RFC 6750 section 3.1.
refused() { # STATUS REASON NAME PATH TOKEN
	local before error=none
	before=$(guard_count "$2")
	expect_eq "$(guard_status "$4?no" "$5" -D "$LAB_DIR/head") $(($(guard_count "$2") - before))" \
		"$1 1" "$3: $1 for $2"
	case $1 in
	401) error=invalid_token ;;
	403) error=insufficient_scope ;;
	503) return ;;
	esac
	expect_contains "$(grep -i '^WWW-Authenticate: ' "$LAB_DIR/head")" "error=\"$error\"" \
		"  and the client is told $error"
}

# ---- a look before the start ----
online() { # SED-SCRIPT
	sed "$1" "$GUARD_DIR/guard.yaml" >"$GUARD_DIR/online.yaml"
	lab_server "$GUARD_BUILD/subzerod" --check-config "$GUARD_DIR/online.yaml" --online 2>&1
	echo "status $?"
}
said=$(online "")
expect_contains "$said" "$IDP: discovery: good" "--online: the provider is found"
expect_contains "$said" "$IDP: keys: good: $IDP/jwks has 1 that may be used" "and its keys"
expect_contains "$said" "$IDP: introspection: good" "and it knows the client"
expect_contains "$said" "status 0" "which is success"
printf 'a wrong one\n' >"$LAB_DIR/wrong"
chmod 600 "$LAB_DIR/wrong"
said=$(online "s|client_secret_file: .*|client_secret_file: $LAB_DIR/wrong|")
expect_contains "$said" "introspection: FAILED: $IDP/token/introspection answered with status 401: \
it does not know this client" "a wrong secret is told"
expect_contains "$said" "status 1" "which is a failure"
said=$(online "s|ca_file: [^,]*, ||")
expect_contains "$said" "name its CA with provider.ca_file" "and a CA that nobody trusts"
said=$(online "s|$IDP|https://127.0.0.1:$IDP_PORT|")
expect_contains "$said" "it is for another name" "and a certificate for another name"
said=$(online "s|$IDP|https://localhost:9|")
expect_contains "$said" "discovery: FAILED: https://localhost:9" "and a provider that is not there"
expect_contains "$said" "is it running" "with what to look at"

# ---- tokens of the provider ----
jwt=$(idp token https://api.test/jwt orders:read)
opaque=$(idp token https://api.test/opaque orders:read)
expect_contains "$jwt" . "the provider issues a JWT"
expect_lacks "$opaque" . "and an opaque token"
asked=$(idp count /token/introspection)
for n in first second; do
	admitted "a JWT, $n time" /orders "$jwt"
	admitted "an opaque token, $n time" /orders "$opaque"
done
refused 403 no_scope "a JWT without the scope" /admin "$jwt"
refused 403 no_scope "an opaque token without the scope" /admin "$opaque"
expect_eq "$(($(idp count /token/introspection) - asked))" 1 "the provider was asked once about it"
admitted "a route that is decided each time" /each "$opaque"
expect_eq "$(($(idp count /token/introspection) - asked))" 1 "and still only once"
expect_ok "its grant is in the kernel" bash -c \
	"$(declare -f guard_ctl lab_server); LAB_SERVER_NS=$LAB_SERVER_NS GUARD_BUILD=$GUARD_BUILD \
	GUARD_PINS=$GUARD_PINS GUARD_DIR=$GUARD_DIR; guard_ctl grants show --token $opaque"

# ---- what is wrong with a token ----
now=$(date +%s)
admitted "a JWT by another library" /orders "$(idp sign '{}')"
refused 401 expired "an old one, replayed" /orders "$(idp sign "{\"exp\":$((now - 10))}")"
refused 401 not_yet "one from the future" /orders "$(idp sign "{\"nbf\":$((now + 3600))}")"
refused 401 not_yet "one that was issued in the future" /orders \
	"$(idp sign "{\"iat\":$((now + 3600)),\"exp\":$((now + 7200))}")"
refused 401 bad_audience "for another audience" /orders "$(idp sign '{"aud":"https://else"}')"
refused 401 bad_issuer "of another issuer, with this one's key" /orders \
	"$(idp sign '{"iss":"https://else.test"}')"
refused 401 unknown_key "of the file's issuer, with this one's key" /orders \
	"$(idp sign "{\"iss\":\"$GUARD_ISS\",\"aud\":\"$GUARD_AUD\"}")"
refused 401 bad_token "truncated in its signature" /orders "${jwt:0:-5}"
refused 401 bad_token "shifted by a byte" /orders "${jwt%.*}.${jwt##*.}A"
tail=${jwt#*.}
refused 401 bad_token "with another payload" /orders "${jwt%%.*}.X${tail:1}"
refused 401 inactive "opaque and made up" /orders "0123456789abcdef"
refused 401 inactive "opaque and truncated" /orders "${opaque:0:-1}"
refused 401 inactive "a JWT cut down to its header" /orders "${jwt%%.*}"
oversized=$(head -c 9000 /dev/zero | tr '\0' x)
refused 401 bad_token "one of 9,000 bytes" /orders "$oversized"
refused 401 bad_token "a good one with 8,000 bytes behind it" /orders "$jwt${oversized:0:8000}"
expect_ok "the audit log is flushed" guard_ctl flush
for reason in expired not_yet bad_audience bad_issuer unknown_key bad_token inactive no_scope; do
	expect_ge "$(guard_records denial "\"reason\":\"$reason\"")" 1 "which has $reason on record"
done
before=$(idp count /token/introspection)
for i in 1 2 3; do
	guard_status "/orders?no" "0123456789abcdef" >/dev/null
done
expect_eq "$(idp count /token/introspection)" "$before" "what is inactive is not asked about again"

# ---- revoked at the provider ----
expect_eq "$(idp revoke "$opaque")" revoked "an opaque token is revoked at the provider"
gone() { [ "$(guard_status "/orders?maybe" "$opaque")" = 401 ]; }
expect_ok "it is refused when its answer is over" wait_until 10 gone
refused 401 inactive "and stays refused" /orders "$opaque"

# ---- rotation ----
before=$(idp count /jwks)
new=$(idp rotate)
expect_contains "$new" key- "the provider rotates its keys"
rotated=$(idp token https://api.test/jwt orders:read)
admitted "a token signed with the new key, at once" /orders "$rotated"
expect_eq "$(($(idp count /jwks) - before))" 1 "for one more look at the keys"
admitted "one with the old key" /orders "$jwt"
expect_eq "$(keys_say keys)" 2 "both keys are in use"
# Hidden keys, one after the other and many at once: few looks.
before=$(idp count /jwks)
begun=$SECONDS
idp hide >/dev/null
hidden=$(idp token https://api.test/jwt orders:read)
refused 401 unknown_key "a key that is not published" /orders "$hidden"
{
	for i in $(seq 200); do
		idp sign '{}' "{\"kid\":\"made-up-$i\"}"
	done
} >"$LAB_DIR/flood"
lab_client xargs -P 100 -n 1 sh -c 'curl -s -o /dev/null -w "%{http_code}\n" -m 20 \
	-H "Authorization: Bearer $1" "$0/orders?no"' "$(guard_url)" <"$LAB_DIR/flood" |
	sort | uniq -c | xargs >"$LAB_DIR/answers"
looks=$(($(idp count /jwks) - before))
diag "200 made-up key names: answers $(cat "$LAB_DIR/answers"), $looks looks at the keys in \
$((SECONDS - begun)) s"
expect_eq "$(cat "$LAB_DIR/answers")" "200 401" "200 made-up key names: 401 each"
expect_le "$looks" $((SECONDS - begun + 3)) "for at most one look a second"
idp show >/dev/null
shown() { [ "$(guard_status "/orders?later" "$hidden")" = 200 ]; }
expect_ok "the same token is good once its key is published" wait_until 20 shown

# ---- withdrawal ----
file=$(guard_mint alice orders:read)
admitted "a token of the file's issuer" /orders "$file"
guard_ctl keys refresh "$IDP" >/dev/null
newest=$(idp token https://api.test/jwt orders:read)
admitted "one with the newest key" /orders "$newest"
admitted "one with an old key, known to the kernel" /orders "$rotated"
generation=$(guard_ctl status --json | grep -m 1 -o '"key_generation": *[0-9]*')
idp withdraw >/dev/null
expect_ok "keys refresh" guard_ctl keys refresh "$IDP"
refused 401 unknown_key "a withdrawn key's token" /orders "$rotated"
before=$(guard_count hit)
admitted "the newest key's token" /orders "$newest"
admitted "and the file's issuer's" /orders "$file"
expect_eq "$(($(guard_count hit) - before))" 2 "are still hits in the kernel"
expect_eq "$(guard_ctl status --json | grep -m 1 -o '"key_generation": *[0-9]*')" "$generation" \
	"the generation of all keys is what it was"
expect_ok "the audit log says so" test "$(guard_records admin "1 in use, 2 withdrawn")" -ge 1

# ---- down, and back ----
idp down >/dev/null
unknown=$(idp sign '{}' '{"kid":"never-seen"}')
refused 503 keys_unavailable "the provider is down: an unknown key" /orders "$unknown"
answer=$(lab_client curl -s -D - -o /dev/null -H "Authorization: Bearer $unknown" \
	"$(guard_url)/orders?no")
expect_contains "$answer" "Retry-After: " "with Retry-After"
admitted "a known token" /orders "$newest"
other=$(idp sign '{"sub":"other"}')
admitted "a token not seen before, with a known key" /orders "$other"
for i in 1 2 3 4; do
	refused 503 introspection_unavailable "an opaque token, time $i" /orders "opaque-$i"
done
expect_eq "$(guard_ctl keys --json | grep -o '"breaker": *"[a-z-]*"' | cut -d'"' -f4)" open \
	"the circuit breaker is open"
expect_fail "doctor says so" guard_ctl doctor
guard_stop
expect_eq "$?" 0 "a restart while the provider is down"
guard_start || exit 1
admitted "after it, a token with a known key" /orders "$(idp sign '{"sub":"third"}')"
refused 503 keys_unavailable "and an unknown key is no 401" /orders \
	"$(idp sign '{}' '{"kid":"never-seen-2"}')"
idp up >/dev/null
expect_ok "the provider is back: the daemon finds out" wait_until 30 \
	bash -c "$(declare -f guard_ctl lab_server); LAB_SERVER_NS=$LAB_SERVER_NS \
	GUARD_BUILD=$GUARD_BUILD GUARD_PINS=$GUARD_PINS GUARD_DIR=$GUARD_DIR
	guard_ctl keys --json | grep -q '\"error\": *\"\",'"
opaque=$(idp token https://api.test/opaque orders:read)
back() { [ "$(guard_status "/orders?later" "$opaque")" = 200 ]; }
expect_ok "and opaque tokens are good again" wait_until 30 back
refused 401 unknown_key "the unknown key is one" /orders "$(idp sign '{}' '{"kid":"never-seen-3"}')"

# ---- it hangs ----
idp hang >/dev/null
begun=$EPOCHREALTIME
refused 503 introspection_unavailable "the provider hangs: an opaque token" /orders "opaque-hang"
expect_le "$(awk "BEGIN { print $EPOCHREALTIME - $begun }")" 4.5 "within its time"
admitted "and everybody else is served meanwhile" /orders "$file"
idp answer >/dev/null

# ---- other ways to say who asks ----
for how in "gw-post client_secret_post" "gw-jwt private_key_jwt"; do
	read -r id auth <<<"$how"
	printf 'secret of %s\n' "$id" >"$LAB_DIR/secret"
	if [ "$auth" = private_key_jwt ]; then
		GUARD_ISSUER=$(more "$id" "$auth" "client_key_file: $LAB_DIR/gateway.jwk")
	else
		GUARD_ISSUER=$(more "$id" "$auth")
	fi
	guard_conf >"$GUARD_DIR/guard.yaml"
	expect_ok "reload with $auth" guard_ctl reload
	opaque=$(idp token https://api.test/opaque orders:read)
	admitted "an opaque token, asked about with $auth" /orders "$opaque"
done
chmod 644 "$LAB_DIR/gateway.jwk"
expect_fail "a key file that anybody can read is refused" guard_ctl reload
chmod 600 "$LAB_DIR/gateway.jwk"

# ---- used often ----
printf 'secret of gw-basic\n' >"$LAB_DIR/secret"
GUARD_ISSUER=$(MAX_TTL=1m MIN_TTL=4s more)
guard_conf >"$GUARD_DIR/guard.yaml"
expect_ok "reload: answers hold for a minute, or four seconds" guard_ctl reload
hot=$(idp token https://api.test/opaque orders:read)
admitted "an opaque token" /orders "$hot"
use() {
	for i in $(seq 20); do
		guard_status "/orders?maybe" "$hot" >/dev/null
	done
}
renewals() {
	guard_ctl keys --json | grep -o '"renewals": *[0-9]*' | grep -o '[0-9]*$'
}
renewed() { use && [ "$(renewals)" -ge "$1" ]; }
expect_ok "it is used often: the provider is asked again though nobody waits" wait_until 40 \
	renewed 1
expect_ok "and again" wait_until 40 renewed 2
unused() { ! guard_ctl grants show --token "$hot" >/dev/null 2>&1; }
expect_ok "nobody uses it any more: its grant ends" wait_until 100 unused
admitted "used again" /orders "$hot"
expect_ok "and often" wait_until 40 renewed $(($(renewals) + 1))
expect_eq "$(idp revoke "$hot")" revoked "it is revoked at the provider"
gone() { use && [ "$(guard_status "/orders?maybe" "$hot")" = 401 ]; }
expect_ok "and refused before its minute is over" wait_until 40 gone
refused 401 inactive "from then on" /orders "$hot"

# ---- a client that holds a key ----
printf 'secret of gw-basic\n' >"$LAB_DIR/secret"
GUARD_ISSUER=$(more)
GUARD_TOP="$GUARD_NO_BUDGETS
dpop: {nonce: required}"
guard_conf >"$GUARD_DIR/guard.yaml"
expect_ok "a reload: proofs need nonces" guard_ctl reload
holder() { # KEY TOKEN URL...
	lab_client node build/node/bound.mjs "$IDP" "$@"
}
for kind in jwt opaque; do
	read -r scheme bound < <(idp bound "$LAB_DIR/bound.jwk" "https://api.test/$kind" orders:read)
	expect_eq "$scheme" DPoP "the provider binds a token ($kind) to a key"
	before=$(guard_count dpop_nonce)
	url=$(guard_url)/orders?yes
	expect_eq "$(holder "$LAB_DIR/bound.jwk" "$bound" "$url" "$url" "$url")" "200 200 200" \
		"openid-client uses it three times"
	yes=$((yes + 3))
	expect_eq "$(($(guard_count dpop_nonce) - before))" 1 "and is told a nonce once"
	refused 401 dpop_binding "the same as a bearer token" /orders "$bound"
	idp bound "$LAB_DIR/thief.jwk" "https://api.test/$kind" orders:read >/dev/null
	before=$(guard_count dpop_binding)
	expect_eq "$(holder "$LAB_DIR/thief.jwk" "$bound" "$(guard_url)/orders?no") \
$(($(guard_count dpop_binding) - before))" "401 1" "and with another key: 401"
done

# ---- the witness ----
expect_eq "$(lab_nginx_count '?no')" 0 "nothing that was refused has reached the service"
expect_eq "$(lab_nginx_count '?yes')" "$yes" "and all that was admitted has"
expect_lacks "$(cat "$LAB_DIR/subzerod.log" "$GUARD_DIR"/state/audit/*.jsonl)" "secret of" \
	"no secret is in the log"
done_testing
