#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Rate limits in front of a real server: what a client over its limit is told and when it may come
# again, buckets that outlive a reload, dry runs, networks, failed authentication, limits set and
# reset while the daemon runs.
#
# shellcheck disable=SC2119 # functions whose arguments are optional

cd "$(dirname "$0")/../.." || exit 1
. tests/lib/tap.sh
. tests/lib/netns.sh
. tests/lib/guard.sh

command -v python3 >/dev/null || skip_all "needs python3: run scripts/setup check"
lab_up || exit 1
lab_nginx || exit 1
guard_up || exit 1
alice=$(guard_mint alice orders:read)

limits() { # LINES...: the service with these limits, and the daemon told so
	GUARD_SERVICE="    limits: {$*}" guard_conf >"$GUARD_DIR/guard.yaml" && guard_ctl reload
}
ask() { # JSON: one request to the control socket, its answer
	python3 - "$GUARD_DIR/control.sock" "$1" <<'END'
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
s.sendall(sys.argv[2].encode() + b"\n")
print(s.makefile().readline().strip())
END
}
field() { # NAME: of the last head, without the spaces that the kernel pads numbers with
	tr -d '\r' <"$GUARD_DIR/head" | sed -n "s/^$1: *//p" | sed 's/; */;/g'
}
get() {
	lab_client curl -s -o /dev/null -D "$GUARD_DIR/head" -w '%{http_code}' -m 5 "$@"
}

# ---- what a client is told ----------------------------------------------------------------------
expect_ok "two requests in 4 s" limits "source: {rate: 30/m, burst: 2}"
for GUARD_FAMILY in 4 6; do
	url=$(guard_url)
	expect_eq "$(get "$url/health") $(get "$url/health") $(get "$url/health")" "200 200 429" \
		"IPv$GUARD_FAMILY: the third is too much"
	wait=$(field Retry-After)
	expect_ok "Retry-After is a number of seconds up to 2: $wait" \
		eval '[[ "$wait" =~ ^[12]$ ]]'
	expect_eq "$(field RateLimit-Policy)" '"source";q=2;w=4' "the policy is told"
	expect_eq "$(field RateLimit)" "\"source\";r=0;t=$wait" "and what is left of it"
	sleep "$wait"
	expect_eq "$(get "$url/health")" 200 "after that time the request is served"
	expect_eq "$(get "$url/health")" 429 "and only that one"
done
GUARD_FAMILY=4
url=$(guard_url)

# ---- reload -------------------------------------------------------------------------------------
expect_ok "a slower rate" limits "source: {rate: 4/h, burst: 2}"
for i in 1 2 3; do # one or two: how much of the old bucket is still used depends on the time
	got=$(get "$url/health")
done
expect_eq "$got" 429 "with its burst"
expect_ok "and another" limits "source: {rate: 2/h, burst: 1}"
expect_eq "$(get "$url/health")" 429 "the bucket has outlived the reload"
expect_eq "$(field RateLimit-Policy)" '"source";q=1;w=1800' "the new policy is told"
expect_ok "one of the same name in a dry run" limits "source: {rate: 2/h, burst: 1, dry_run: true}"
expect_eq "$(get "$url/health") $(get "$url/orders" -H "Authorization: Bearer $alice")" "200 200" \
	"a dry run refuses nothing"
guard_ctl flush >/dev/null
expect_ge "$(guard_log | grep -F '"reason":"limit_source"' | grep -F 'limit shop/source' |
	grep -cF '"monitor":true')" 2 "and is on record for what it would have refused"

# ---- at run time --------------------------------------------------------------------------------
expect_contains "$(ask '{"cmd":"limits"}')" '"name":"shop/source"' "the limits are listed"
expect_contains "$(ask '{"cmd":"limit_set","name":"shop/source","dry_run":false}')" '"ok":true' \
	"the dry run is ended"
expect_eq "$(get "$url/health")" 429 "the limit holds at once"
one="{\"cmd\":\"limit_reset\",\"name\":\"shop/source\",\"source\":\"$LAB_CLIENT4\"}"
expect_contains "$(ask "$one")" '"buckets":1' "one bucket is reset"
expect_eq "$(get "$url/health") $(get "$url/health")" "200 429" "its client has a burst again"
expect_contains "$(ask '{"cmd":"limit_set","name":"shop/source","rate":"none"}')" '"ok":true' \
	"the limit is switched off"
expect_eq "$(get "$url/health") $(get "$url/health")" "200 200" "nothing is limited"
expect_contains "$(ask '{"cmd":"limit_set","name":"shop/sauce","rate":"1/s"}')" \
	'there is no limit' "an unknown limit is said to be one"
expect_contains "$(ask '{"cmd":"limit_set","name":"shop/source","rate":"1/d"}')" \
	'is not a rate' "and a bad rate"
expect_ok "a reload" limits "source: {rate: 2/h, burst: 1}"
expect_eq "$(get "$url/health")" 429 "what was set by hand ends with it"
guard_ctl flush >/dev/null
expect_contains "$(guard_log | grep '"type":"admin"')" "limit shop/source set to none" \
	"the audit log says who changed what"

# ---- networks -----------------------------------------------------------------------------------
GUARD_TOP="limits: {misses: 1000000/s, source_misses: 1000000/s}
networks:
  - {name: lab, prefixes: $LAB_CLIENT4/24, exempt: true}"
expect_ok "the client's network is exempt" limits "source: {rate: 2/h, burst: 1}"
expect_eq "$(get "$url/health") $(get "$url/health")" "200 200" "its requests are not limited"
unset GUARD_TOP

# ---- identities, routes, failures ---------------------------------------------------------------
expect_ok "rules" limits \
	"failures: 3/h, rules: [{name: reads, by: [principal, route], routes: /orders, rate: 2/h}]"
bearer=(-H "Authorization: Bearer $alice")
odd=("${bearer[@]}" -H $'X-Odd: a\tb') # such a head goes to the daemon
expect_eq "$(get "$url/orders" "${bearer[@]}") $(get "$url/orders" "${odd[@]}") $(
	get "$url/orders" "${odd[@]}")" "200 200 429" \
	"a rule holds for what the daemon decides, too"
expect_eq "$(field RateLimit-Policy)" '"reads";q=2;w=3600' "and is told by its name"
expect_eq "$(get "$url/read" "${bearer[@]}")" 200 "another route is not counted"
got=
for i in 1 2 3 4; do
	got+="$(get "$url/orders" -H "Authorization: Bearer x.y.$i") "
done
expect_eq "$got" "401 401 401 429 " "after three failures nothing unknown is asked about"
expect_eq "$(field RateLimit-Policy)" '"failures";q=3;w=3600' "which is told"
expect_eq "$(get "$url/read" "${bearer[@]}") $(get "$url/health")" "200 200" \
	"known tokens and public routes go on"
expect_eq "$(guard_count limit_failures)" 1 "counted as limit_failures"
expect_eq "$(guard_count no_answer) $(guard_count state_full)" "0 0" "every answer was built"
done_testing
