#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# What a client gets for each kind of request, over IPv4 and IPv6, and that what was refused never
# reached the service. Requests that must be refused say so in their query, "?no"; those that must
# be admitted say "?yes": the service's own log is the witness.
#
# shellcheck disable=SC2119 # functions whose arguments are optional

cd "$(dirname "$0")/../.." || exit 1
. tests/lib/tap.sh
. tests/lib/netns.sh
. tests/lib/guard.sh

lab_up || exit 1
lab_nginx || exit 1
guard_files || exit 1
key() {
	guard_ctl keys generate --alg "$1" --out "$GUARD_DIR/$1.jwk" \
		--jwks "$GUARD_DIR/${2:-jwks.json}" \
		"${@:3}" >/dev/null
}
for alg in RS256 ES256 PS256; do
	key $alg jwks.json --append || exit 1
done
key EdDSA others.json || exit 1
guard_start || exit 1

yes=0
admitted() { # NAME PATH TOKEN [CURL OPTION...]
	local name=$1 path=$2 token=$3 GUARD_FAMILY
	shift 3
	for GUARD_FAMILY in 4 6; do
		expect_eq "$(guard_status "$path?yes" "$token" "$@")" 200 \
			"$name: 200 over IPv$GUARD_FAMILY"
		yes=$((yes + 1))
	done
}
refused() { # STATUS REASON NAME PATH TOKEN [CURL OPTION...]
	local status=$1 reason=$2 name=$3 path=$4 token=$5 before GUARD_FAMILY
	shift 5
	for GUARD_FAMILY in 4 6; do
		before=$(guard_count "$reason")
		expect_eq \
			"$(guard_status "$path?no" "$token" "$@") $((
				$(guard_count "$reason") - before))" \
			"$status 1" "$name: $status for $reason over IPv$GUARD_FAMILY"
	done
}
median() { # of five requests: their time in milliseconds
	local i
	for i in 1 2 3 4 5; do
		lab_client curl -s -o /dev/null -w '%{time_total}\n' -m 5 "$@"
	done | sort -n | awk 'NR == 3 { print $1 * 1000 }'
}
b64() {
	basenc --base64url -w0 | tr -d =
}

alice=$(guard_mint alice orders:read)
admin=$(guard_mint root "orders:read admin")

# ---- tokens -------------------------------------------------------------------------------------
refused 401 no_token "no token" /orders ""
before=$(guard_count miss)
admitted "first use of a token" /orders "$alice"
expect_eq "$(($(guard_count miss) - before))" 1 "one verification serves both families"
before=$(guard_count miss)
admitted "later use" /orders "$alice"
expect_eq "$(($(guard_count miss) - before))" 0 "later uses are decided without the daemon"
admitted "public route" /health ""
admitted "public route with a token" /health "$alice"
for alg in RS256 ES256 PS256; do
	token=$("$GUARD_BUILD/subzeroctl" token mint --key "$GUARD_DIR/$alg.jwk" \
		--iss "$GUARD_ISS" \
		--aud "$GUARD_AUD" --sub "$alg" --scope orders:read)
	admitted "$alg" /orders "$token"
done
refused 401 bad_issuer "token of another issuer" /orders \
	"$(guard_mint a orders:read --iss https://evil.test/)"
refused 401 bad_audience "token for another audience" /orders \
	"$("$GUARD_BUILD/subzeroctl" token mint --key "$GUARD_DIR/key.jwk" --iss "$GUARD_ISS" \
		--aud https://other.test --sub a --scope orders:read)"
refused 401 unknown_key "token by an unknown key" /orders \
	"$("$GUARD_BUILD/subzeroctl" token mint --key "$GUARD_DIR/EdDSA.jwk" --iss "$GUARD_ISS" \
		--aud "$GUARD_AUD" --sub a --scope orders:read)"
refused 401 not_yet "token that begins in five minutes" /orders \
	"$(guard_mint a orders:read --nbf +5m)"
IFS=. read -r head claims signature <<<"$alice"
turn=${signature:20:1}
turn=$([ "$turn" = A ] && echo B || echo A)
refused 401 bad_token "tampered signature" /orders \
	"$head.$claims.${signature:0:20}$turn${signature:21}"
forged=$(printf '{"iss":"%s","aud":"%s","sub":"alice","scope":"orders:read admin","exp":%d}' \
	"$GUARD_ISS" "$GUARD_AUD" $(($(date +%s) + 600)) | b64)
refused 401 bad_token "other claims under a good signature" /orders "$head.$forged.$signature"
refused 401 bad_token "alg none" /orders "$(printf '{"alg":"none"}' | b64).$forged."
kid=$(sed -nE 's/.*"kid" *: *"([^"]*)".*/\1/p' "$GUARD_DIR/key.jwk" | head -n 1)
hs=$(printf '{"alg":"HS256","kid":"%s"}' "$kid" | b64)
mac=$(printf '%s' "$hs.$forged" |
	openssl dgst -sha256 -binary -hmac "$(cat "$GUARD_DIR/jwks.json")" | b64)
refused 401 bad_token "HS256 keyed with the public key set" /orders "$hs.$forged.$mac"
refused 401 bad_token "a token that is no token" /orders nonsense
refused 401 bad_scheme "another scheme" /orders "" -H "Authorization: Basic YTpi"
short=$(guard_mint brief orders:read --ttl 3s)
admitted "token of three seconds" /orders "$short"
sleep 3.1
refused 401 expired "the same token after its end" /orders "$short"
late=$(guard_mint late orders:read --ttl 1s)
sleep 1.1
refused 401 expired "a token that is seen only after its end" /orders "$late"

# ---- routes -------------------------------------------------------------------------------------
refused 403 no_scope "route that the token does not grant" /admin "$alice"
admitted "and with one that does" /admin "$admin"
refused 403 no_route "path that no route covers" /other "$alice"
refused 403 no_route "method that no route names" /read "$alice" -X DELETE
refused 403 no_route "longer word than a route's" /ordersx "$alice"
admitted "below a route" /orders/7/items "$alice"
admitted "route decided request by request" /each "$alice"
before=$(guard_count ticket)
admitted "and again" /each "$alice"
expect_ge "$(($(guard_count ticket) - before))" 2 "by a verdict of the daemon each time"
for method in OPTIONS DELETE PUT; do
	admitted "$method" /orders "$alice" -X $method
done
admitted "HEAD" /read "$alice" -I
admitted "HTTP/1.0" /orders "$alice" -0

# ---- unusual paths ------------------------------------------------------------------------------
admitted "percent-encoded letter" /orders/%41 "$alice"
admitted "dot segments that stay below the route" /orders/a/../b "$alice"
admitted "double slash below the route" /orders//x "$alice"
for path in /orders/../admin /orders/%2e%2e/admin /orders/..%2fadmin /orders%2fx \
	'/orders/..;/admin' '/orders/..\admin' /../orders /%6frders; do
	for GUARD_FAMILY in 4 6; do
		expect_contains "400 403" "$(guard_status "$path?no" "$alice")" \
			"$path is refused over IPv$GUARD_FAMILY"
	done
done
GUARD_FAMILY=4

# ---- heads --------------------------------------------------------------------------------------
big=$(head -c 5000 /dev/zero | tr '\0' a)
admitted "head of several segments" /orders "$alice" -H "X-Big: $big"
refused 401 no_token "head of several segments without a token" /orders "" -H "X-Big: $big"
refused 403 no_scope "head of several segments for another route" /admin "$alice" -H "X-Big: $big"
before=$(guard_count head_too_large)
many=()
for i in $(seq 101); do
	many+=(-H "X-$i: a")
done
expect_eq "$(guard_status "/orders?no" "$alice" "${many[@]}")" 431 "too many header lines: 431"
expect_eq "$(($(guard_count head_too_large) - before))" 1 "counted as head_too_large"
lab_client ip route change "${LAB_SERVER4%.*}.0/24" dev $LAB_CLIENT_IF src $LAB_CLIENT4 initcwnd 40
huge=$(head -c 17000 /dev/zero | tr '\0' a)
expect_eq "$(guard_status "/orders?no" "$alice" -H "X-Big: $huge")" \
	431 "head of 17,000 bytes: 431"
lab_client ip route change "${LAB_SERVER4%.*}.0/24" dev $LAB_CLIENT_IF src $LAB_CLIENT4
refused 403 upgrade "upgrade" /orders "$alice" -H "Connection: Upgrade" -H "Upgrade: websocket"
refused 417 bad_expect "Expect that nobody understands" /orders "$alice" -H "Expect: a-miracle"

malformed() { # NAME REQUEST (printf's form)
	local family
	for family in 4 6; do
		# shellcheck disable=SC2059 # the request is the format
		expect_contains "$(printf "$2" | guard_raw $family | head -n 1)" "HTTP/1.1 400 " \
			"$1: 400 over IPv$family"
	done
}
auth="Authorization: Bearer $alice\\r\\n"
post="POST /orders?no HTTP/1.1\\r\\nHost: x\\r\\n$auth"
get="GET /orders?no HTTP/1.1\\r\\nHost: x\\r\\n"
malformed "two lengths" \
	"${post}Content-Length: 1\r\nContent-Length: 2\r\n\r\nab"
malformed "length beside chunked" \
	"${post}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
malformed "header line without a colon" "$get${auth}nonsense\r\n\r\n"
malformed "space before the colon" "GET /orders?no HTTP/1.1\r\nHost : x\r\n${auth}\r\n"
malformed "folded header" "$get${auth}X-A: b\r\n c\r\n\r\n"
malformed "two tokens" "$get${auth}${auth}\r\n"
malformed "no host" "GET /orders?no HTTP/1.1\r\n${auth}\r\n"
malformed "another protocol" "EHLO orders?no\r\n\r\n"

# ---- bodies -------------------------------------------------------------------------------------
for size in 0 1 10240 1048576; do
	head -c $size /dev/zero >"$GUARD_DIR/body"
	for GUARD_FAMILY in 4 6; do
		for framing in "Content-Length" chunked; do
			extra=()
			[ $framing != chunked ] || extra=(-H "Transfer-Encoding: chunked")
			expect_eq "$(lab_client curl -s -m 5 -H Expect: "${extra[@]}" \
				-H "Authorization: Bearer $alice" --data-binary @"$GUARD_DIR/body" \
				"$(guard_url)/orders?yes")" "body $size" \
				"$size bytes by $framing arrive over IPv$GUARD_FAMILY"
			yes=$((yes + 1))
		done
	done
done
GUARD_FAMILY=4
out=$(printf '%b\r\nHost: x\r\n%bTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n%s' \
	"POST /orders?yes HTTP/1.1" "$auth" \
	"$(printf '1\r\na\r\n5\r\nbcdef\r\nA\r\n0123456789\r\n0\r\nX-End: 1\r\n\r\nx')" |
	head -c -1 | guard_raw 4)
yes=$((yes + 1))
expect_contains "$out" "body 16" "small chunks and a trailer in one segment arrive"
malformed "chunk extension" \
	"${post}Transfer-Encoding: chunked\r\n\r\n1;a=b\r\na\r\n0\r\n\r\n"
out=$(lab_client curl -s -m 5 -w ' %{http_code} %{time_total}' -H "Expect: 100-continue" \
	-H "Authorization: Bearer $alice" --data-binary @"$GUARD_DIR/body" \
	"$(guard_url)/orders?yes")
yes=$((yes + 1))
expect_contains "$out" "body 1048576" "Expect: 100-continue: the body arrives"
expect_le "${out##* }" 0.9 "and the client did not wait for its own time-out"
expect_eq "$(guard_status "/orders?no" "" -H "Expect: 100-continue" \
	--data-binary @"$GUARD_DIR/body")" 401 "Expect: 100-continue without a token: 401"

# ---- connections --------------------------------------------------------------------------------
echo "$alice" >"$GUARD_DIR/token"
for depth in 2 8 16 64; do
	guard_load -n 1000 -c 4 -P $depth -T 4 -t "$GUARD_DIR/token" -p "/orders?yes"
	expect_eq "$(guard_load_says wrong) $(guard_load_says 200)" "0 1000" \
		"$depth requests in flight on a connection: every one is answered"
	yes=$((yes + 1000))
done
guard_load -n 1000 -c 8 -x get:1,post1k:1,chunked-post1k:1,chunked-post64k:1 -E \
	-t "$GUARD_DIR/token" -p "/orders?yes"
expect_eq "$(guard_load_says wrong) $(guard_load_says 200)" "0 1000" \
	"a mix of bodies with and without length on the same connections"
yes=$((yes + 1000))
out=$(printf 'GET %s HTTP/1.1\r\nHost: x\r\n%b\r\n' "/orders?yes" "$auth" "/admin?no" "$auth" |
	guard_raw 4)
yes=$((yes + 1))
expect_contains "$out" "hello from /orders" \
	"of two requests in one segment the good one is answered"
expect_contains "$out" "HTTP/1.1 403" "and then the bad one"
expect_eq "$(grep -aoE '^HTTP/1.1 [0-9]+' <<<"$out" | paste -sd' ')" "HTTP/1.1 200 HTTP/1.1 403" \
	"in this order"
closing() {
	lab_client ss -Htan | grep -c LAST-ACK
}
expect_ok "refused connections end at the client, too" wait_until 15 eval "[ \$(closing) -eq 0 ]"
open() {
	lab_server ss -Htn state established "sport = :$LAB_PORT" | wc -l
}
expect_ok "refused connections do not stay open at the server" \
	wait_until 5 eval "[ \$(open) -eq 0 ]"

# ---- answers ------------------------------------------------------------------------------------
answer() { # [CURL OPTION...]: into $answer; prints what is wrong with it
	local length
	if ! lab_client curl -sS -m 5 -D "$GUARD_DIR/head" -o "$GUARD_DIR/body" "$@"; then
		echo "curl: $?"
	fi
	answer=$(tr -d '\r' <"$GUARD_DIR/head")
	length=$(sed -n 's/^Content-Length: //p' <<<"$answer")
	[ "$length" = "$(wc -c <"$GUARD_DIR/body")" ] || echo "length $length"
	grep -qx "Content-Type: application/problem+json" <<<"$answer" ||
		echo "content type: $answer"
	grep -qx "{\"t.*\"status\":$(sed -n '1s/HTTP.1.1 \([0-9]*\).*/\1/p' <<<"$answer")[,}].*" \
		"$GUARD_DIR/body" || echo "body: $(cat "$GUARD_DIR/body")"
}
bearer=(-H "Authorization: Bearer $alice")
for GUARD_FAMILY in 4 6; do
	url=$(guard_url)
	answer "$url/orders?no" >"$GUARD_DIR/out"
	expect_eq "$(cat "$GUARD_DIR/out")" "" "401 without a token is a whole problem document"
	expect_contains "$answer" 'WWW-Authenticate: Bearer' "it asks for a token"
	expect_lacks "$answer" 'error=' "and names no error, for there was no token"
	answer "$url/orders?no" -H "Authorization: Bearer x.y.z" >"$GUARD_DIR/out"
	expect_eq "$(cat "$GUARD_DIR/out")" "" "401 for a bad token is a whole problem document"
	expect_contains "$answer" 'error="invalid_token"' "with the error invalid_token"
	answer "$url/admin?no" "${bearer[@]}" >"$GUARD_DIR/out"
	expect_eq "$(cat "$GUARD_DIR/out")" "" "403 is a whole problem document"
	expect_contains "$answer" 'error="insufficient_scope"' "with the error insufficient_scope"
done
GUARD_FAMILY=4
url=$(guard_url)
short=$(printf 'GET /?no HTTP/1.1\r\nHost: x\r\n\r\n' | guard_raw 4)
expect_contains "$short" "Connection: close" \
	"the answer to the shortest request says that the connection ends"
expect_eq "$(grep -ac '^HTTP/1.1 401' <<<"$short")" 1 "and comes once"
expect_le "$(median "$url/orders?no")" 100 "401 without a token comes at once"
expect_le "$(median "$url/admin?no" "${bearer[@]}")" 100 "403 comes at once"
expect_le "$(median "$url/other?no" "${bearer[@]}")" 100 "403 for an unknown path comes at once"
expect_le "$(median "$url/orders?no" -H "Expect: x" "${bearer[@]}")" 100 "417 comes at once"
expect_le "$(median "$url/orders/..%2fadmin?no" "${bearer[@]}")" 100 \
	"a refusal of an unusual path comes at once"
expect_le "$(median "$url/orders?no" -H "X-Big: $big")" 100 \
	"401 for a head of several segments comes at once"
expect_le "$(median "$url/orders/%41?yes" "${bearer[@]}")" 100 "an unusual path is served at once"
expect_le "$(median "$url/each?yes" "${bearer[@]}")" 100 \
	"a route decided each time is served at once"
expect_le "$(median "$url/orders?yes" -H "X-Big: $big" "${bearer[@]}")" 100 \
	"a head of several segments is served at once"
yes=$((yes + 15))
first=$(for i in 1 2 3 4 5; do
	lab_client curl -s -o /dev/null -w '%{time_total}\n' "$url/orders?yes" \
		-H "Authorization: Bearer $(guard_mint "new$i" orders:read)"
done | sort -n | awk 'NR == 3 { print $1 * 1000 }')
yes=$((yes + 5))
expect_le "$first" 100 "the first use of a token is served at once"
first=$(for i in 1 2 3 4 5; do
	lab_client curl -s -o /dev/null -w '%{time_total}\n' "$url/orders?no" \
		-H "Authorization: Bearer $head.$forged.AAAA$i"
done | sort -n | awk 'NR == 3 { print $1 * 1000 }')
expect_le "$first" 100 "the first 401 for a bad token comes at once"

# ---- limits -------------------------------------------------------------------------------------
GUARD_SERVICE='    limits: {source: {rate: 6/m, burst: 5}}' guard_conf >"$GUARD_DIR/guard.yaml"
expect_ok "a limit per source is set" guard_ctl reload
for i in 1 2 3 4 5; do
	guard_status "/health?yes" >/dev/null
	yes=$((yes + 1))
done
answer "$url/health?no" >"$GUARD_DIR/out"
expect_contains "$answer" "HTTP/1.1 429" "the sixth request of a source that may send five: 429"
expect_eq "$(cat "$GUARD_DIR/out")" "" "429 is a whole problem document"
expect_contains "$answer" "Retry-After: " "with a time to try again"
expect_ge "$(guard_count limit_source)" 1 "counted as limit_source"
expect_eq "$(GUARD_FAMILY=6 guard_status "/health?yes")" 200 "another source is not touched"
yes=$((yes + 1))
GUARD_SERVICE='    limits: {principal: {rate: 6/m, burst: 5}}' guard_conf >"$GUARD_DIR/guard.yaml"
expect_ok "a limit per identity is set" guard_ctl reload
second=$(guard_mint alice orders:read)
got=
for i in 1 2 3; do
	got+="$(guard_status "/orders?yes" "$alice") $(guard_status "/orders?limit" "$second") "
done
yes=$((yes + 3))
expect_eq "$got" "200 200 200 200 200 429 " "five requests of one identity, whatever its token"
expect_eq "$(guard_status "/orders?yes" "$admin")" 200 "another identity is not touched"
yes=$((yes + 1))
expect_ge "$(guard_count limit_principal)" 1 "counted as limit_principal"

# ---- the witness --------------------------------------------------------------------------------
expect_eq "$(lab_nginx_count "?no")" 0 "no refused request reached the service"
expect_eq "$(lab_nginx_count "?yes")" $yes "every admitted request reached it once"
expect_ok "the audit log is flushed" guard_ctl flush
expect_eq "$(guard_sum summary)" "$(lab_nginx_count)" \
	"the audit log's sums are the service's own count"
expect_ok "and it verifies" guard_ctl audit verify
expect_eq "$(guard_count desync) $(guard_count changed) $(guard_count no_answer)" "0 0 0" \
	"no stream was torn"
done_testing
