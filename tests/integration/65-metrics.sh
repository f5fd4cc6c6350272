#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# The metrics endpoint beside a real service: its figures are nginx's and the client's own, its
# names stay bounded, and who misuses it disturbs nobody. Then the doctor, in good and bad times.
#
# shellcheck disable=SC2119,SC2016 # functions whose arguments are optional; text for inner shells

cd "$(dirname "$0")/../.." || exit 1
. tests/lib/tap.sh
. tests/lib/netns.sh
. tests/lib/guard.sh

lab_up || exit 1
lab_nginx || exit 1
metrics_port=9464
GUARD_TOP="limits: {misses: 1000000/s, source_misses: 1000000/s}
metrics: {listen: 127.0.0.1:$metrics_port}"
guard_up || exit 1

scrape() { # [CURL OPTION...]
	lab_server curl -s -m 10 "$@" "http://127.0.0.1:$metrics_port/metrics"
}
metric() { # SERIES: its value now, 0 where there is none
	scrape | awk -v want="$1" '{ v = $NF; sub(/ [^ ]*$/, ""); if ($0 == want) found = v }
		END { print found + 0 }'
}
# A sampled figure follows within a round; a text is kept for a tenth of a second.
is() { # SERIES VALUE
	[ "$(metric "$1")" = "$2" ]
}
expect_metric() { # SERIES VALUE NAME
	if wait_until 30 is "$1" "$2"; then
		ok "$3"
	else
		not_ok "$3" "$1 is $(metric "$1"), expected $2"
	fi
}
verdict() {
	echo "subzero_verdicts_total{reason=\"$1\"}"
}
denied() {
	echo "subzero_denials_total{service=\"shop\",reason=\"$1\"}"
}
route() {
	echo "subzero_requests_admitted_total{service=\"shop\",route=\"$1\"}"
}
series() { # names and labels, without values
	scrape | grep -v '^#' | sed 's/ [^ ]*$//'
}

# ---- the answer ---------------------------------------------------------------------------------
head=$(scrape -D - -o /dev/null)
expect_contains "$head" "HTTP/1.1 200 OK" "a scrape is answered"
expect_contains "$head" "text/plain; version=0.0.4" "in Prometheus' format"
open_type="application/openmetrics-text"
expect_contains "$(scrape -D - -o /dev/null -H "Accept: $open_type;version=1.0.0")" \
	"$open_type; version=1.0.0" "or in OpenMetrics where that is asked for"
expect_eq "$(scrape -H "Accept: $open_type" | tail -n 1)" "# EOF" "which has an end"
expect_eq "$(lab_server curl -s -o /dev/null -w '%{http_code}' \
	"http://127.0.0.1:$metrics_port/")" 404 "another path is 404"
expect_eq "$(scrape -X POST -d x -o /dev/null -w '%{http_code}')" 405 "another method is 405"
expect_eq "$(lab_client curl -s -m 2 -o /dev/null -w '%{http_code}' \
	"http://$LAB_SERVER4:$metrics_port/metrics")" 000 "other hosts hear nothing"

# ---- a known mix of requests --------------------------------------------------------------------
alice=$(guard_mint alice orders:read)
narrow=$(guard_mint carol nothing)
expired=$(guard_mint dave orders:read --ttl -1h)
statuses=
for i in 1 2 3 4 5 6 7; do
	statuses+="$(guard_status /orders "$alice") $(guard_status /health) "
done
for i in 1 2 3 4 5; do
	statuses+="$(guard_status /orders) $(guard_status /admin "$narrow") "
done
for i in 1 2 3; do
	statuses+="$(guard_status /orders "$expired") $(guard_status /read "$alice") "
	statuses+="$(guard_status /each "$alice") "
done
client() {
	grep -o "$1" <<<"$statuses" | wc -l
}
expect_eq "$(client 200) $(client 401) $(client 403)" "20 8 5" "the client got what the policy says"
admitted_by_route() {
	scrape | awk '/^subzero_requests_admitted_total\{/ { n += $NF } END { print n + 0 }'
}
all_admitted() {
	[ "$(admitted_by_route)" = 20 ]
}
expect_ok "as many requests are told as admitted as the client got answers" \
	wait_until 30 all_admitted
expect_eq "$(admitted_by_route)" "$(lab_nginx_count)" "and as nginx has logged"
expect_metric "$(route '* /orders')" 7 "by route: the one with a scope"
expect_metric "$(route '* /health')" 7 "the public one"
expect_metric "$(route 'GET,HEAD /read')" 3 "the one with methods"
expect_metric "$(route '* /each')" 3 "the one that the daemon decides"
expect_metric "$(route '* /admin')" 0 "and nothing for the one that was refused"
expect_metric "$(denied no_token)" 5 "refusals by service and reason: no token"
expect_metric "$(denied no_scope)" 5 "no scope"
expect_metric "$(denied expired)" 3 "expired"
for reason in hit public ticket miss no_token no_scope expired; do
	expect_eq "$(metric "$(verdict $reason)")" "$(guard_count $reason)" \
		"the kernel's counter is told: $reason"
done
# One for each of two grants, and one for each request of the route that is decided each time.
expect_metric 'subzero_tokens_verified_total{result="good"}' 5 "good tokens were verified"
expect_metric 'subzero_tokens_verified_total{result="bad"}' 1 "and one bad"
expect_metric subzero_verify_duration_seconds_count 6 "each was timed"
expect_metric subzero_policy_duration_seconds_count 5 "and the policy of the good ones"
expect_eq "$(metric subzero_miss_duration_seconds_count)" \
	"$(metric 'subzero_frames_reinjected_total{result="ok"}')" "every frame put back was timed"
expect_eq "$(metric subzero_reinject_duration_seconds_count)" \
	"$(metric 'subzero_frames_reinjected_total{result="ok"}')" "and so was putting it back"
expect_ge "$(metric subzero_miss_duration_seconds_count)" 6 "of which there were some"
expect_metric 'subzero_grants{state="active"}' 2 "two grants are active"
expect_metric 'subzero_map_entries{map="grants"}' 2 "which is the map's fill"
expect_metric 'subzero_map_entries{map="denied"}' 1 "one token is known to be bad"
expect_metric 'subzero_map_capacity{map="flows"}' 65536 "and a map's capacity is the configured one"
expect_metric 'subzero_issuer_keys{issuer="https://issuer.test/"}' 1 "the issuer has one key"
expect_eq "$(metric subzero_pending_connections)" 0 "nobody waits"
expect_ok "the audit log is on disk" wait_until 10 is subzero_audit_unsynced_records 0
expect_le "$(metric subzero_heartbeat_age_seconds)" 2 "the heartbeat is young"
open_fds() {
	find "/proc/$(lab_pid subzerod)/fd" -mindepth 1 | wc -l
}
fds_agree() { # the scrape's own connection is one of them
	[ "$(metric process_open_fds)" = $(($(open_fds) + 1)) ]
}
expect_ok "open descriptors are told" wait_until 10 fds_agree
idle_fds=$(metric process_open_fds)

guard_ctl grants revoke --subject alice >/dev/null
expect_metric 'subzero_grants{state="revoked"}' 1 "a revoked grant is told as such"
guard_ctl revocations clear --all >/dev/null
guard_ctl reload >/dev/null
expect_metric 'subzero_reloads_total{result="ok"}' 1 "reloads are counted"
expect_metric "$(route '* /orders')" 7 "and take no count away"

# ---- names are bounded --------------------------------------------------------------------------
many_paths() {
	local base n=$1
	base=$(guard_url)
	awk -v base="$base" -v n="$n" 'BEGIN { for (i = 0; i < n; i++) {
		printf "url = \"%s/path-%d/x\"\n", base, i
		printf "header = \"Authorization: Bearer tok.en.%d\"\n", i
		print "output = /dev/null"; if (i < n - 1) print "next" } }' >"$LAB_DIR/many.conf"
	lab_client curl -s -m 120 -K "$LAB_DIR/many.conf"
}
before=$(series | wc -l)
many_paths 1000
wait_until 30 eval '[ "$(metric "$(denied bad_token)")" = 1000 ]'
expect_eq "$(metric "$(denied bad_token)")" 1000 "a thousand tokens on a thousand paths are refused"
expect_eq "$(($(series | wc -l) - before))" 1 "one series more: the reason that is new"
for limit in misses source_misses; do
	many=$(metric "subzero_limit_admitted_total{limit=\"$limit\"}")
	expect_ok "and each was counted by the limit $limit ($many)" [ "$many" -ge 1000 ]
done
expect_eq "$(series | grep -cE 'path-|tok\.en|alice|carol|10\.99')" 0 \
	"no path, token, principal or address is in any of them"
expect_eq "$(series | sort | uniq -d)" "" "none comes twice"

# ---- the formats, by another reader -------------------------------------------------------------
scrape >"$LAB_DIR/plain"
promtool=${PROMTOOL:-promtool}
if command -v "$promtool" >/dev/null; then
	expect_ok "promtool finds nothing wrong with the metrics" \
		"$promtool" check metrics <"$LAB_DIR/plain"
	expect_ok "nor with the alert rules" "$promtool" check rules docs/alerts/subzero.rules.yml
else
	skip "promtool finds nothing wrong" "promtool is missing; run: sudo scripts/setup peers"
fi
expect_eq "$(awk '/_bucket/ { name = $0; sub(/le=.*/, "", name); if (name == last && $NF + 0 < n) bad++
	last = name; n = $NF + 0 } END { print bad + 0 }' "$LAB_DIR/plain")" 0 "no bucket falls"
expect_eq "$(grep -c 'le="+Inf"' "$LAB_DIR/plain")" 8 "each histogram has its last bucket"

# ---- misuse -------------------------------------------------------------------------------------
raw() { # SECONDS: stdin to the endpoint, its answer back
	lab_server bash -c 'exec 3<>"/dev/tcp/127.0.0.1/$1"; cat >&3; timeout "$2" cat <&3' \
		raw "$metrics_port" "$1" 2>/dev/null
}
expect_contains "$(head -c 8192 /dev/zero | tr '\0' x | raw 5)" "431 " "a huge request is refused"
expect_contains "$(printf 'rubbish\r\n\r\n' | raw 5)" "400 " "rubbish is refused"
# Connections that say little and read nothing, for as long as this runs.
lab_start hold bash -c 'for ((i = 0; i < 200; i++)); do
		exec {fd}<>"/dev/tcp/127.0.0.1/$1" || exit 1; printf "GET /met" >&$fd
	done; echo held; exec sleep 60' hold "$metrics_port"
wait_until 10 grep -q held "$LAB_DIR/hold.log"
expect_ok "beside two hundred open connections a scrape is answered" \
	eval 'scrape | grep -q ^subzero_build_info'
expect_eq "$(guard_status /health)" 200 "and so is a request of the service"
fresh=$(guard_mint erin orders:read)
expect_eq "$(guard_status /orders "$fresh")" 200 "and one with a new token"
expect_le "$(metric process_open_fds)" $((idle_fds + 16)) "most of them were closed at once"
fds_back() {
	[ "$(metric process_open_fds)" -le "$idle_fds" ]
}
expect_ok "and the rest when their time was over" wait_until 20 fds_back
lab_stop hold
expect_eq "$(seq 300 | lab_server xargs -P 4 -I{} curl -s -m 10 -o /dev/null -w '%{http_code}\n' \
	"http://127.0.0.1:$metrics_port/metrics" | grep -c 200)" 300 "300 scrapes are answered"
expect_ok "the daemon lives" guard_alive

# ---- the doctor ---------------------------------------------------------------------------------
doctor() {
	guard_ctl doctor "$@"
}
finding() { # LEVEL CHECK: is there such a finding, with something to do?
	doctor --json | tr -d '\n' | sed 's/},* *{/\n/g' |
		grep -E "\"check\": \"$2\", *\"level\": \"$1\"" | grep -q '"todo": "'
}
expect_finding() { # LEVEL CHECK NAME
	if finding "$1" "$2"; then ok "$3"; else not_ok "$3" "$(doctor)"; fi
}
out=$(doctor)
expect_eq $? 0 "the doctor finds nothing bad"
expect_contains "$out" "alive, heartbeat" "and says that the daemon lives"
expect_contains "$out" "guarded: XDP in the driver" "and how the interface is guarded"
expect_contains "$out" "0 bad" "and counts"
expect_lacks "$(doctor --json)" '"level": "bad"' "in JSON, too"
expect_ge "$(doctor --json | grep -cE '"check": "(load|(loop|workers?[0-9]*) cpu)"')" 1 \
	"it says how busy the threads are"

guard_ctl detach $LAB_SERVER_IF >/dev/null
doctor >/dev/null
expect_eq $? 1 "with the programs detached it exits with 1"
expect_finding bad "interface $LAB_SERVER_IF" "and names the interface"
expect_contains "$(doctor)" "every request passes" "and what that means"
guard_ctl attach $LAB_SERVER_IF >/dev/null
expect_ok "attached again, all is well" doctor

rm -f "$GUARD_PINS/link_tcx_$LAB_SERVER_IF"
lab_server tc qdisc del dev $LAB_SERVER_IF clsact 2>/dev/null
# The kernel lets go of a link whose pin is gone by a work queue of its own.
wait_until 30 eval 'doctor | grep -q "no connection becomes known"'
expect_finding bad "interface $LAB_SERVER_IF" "a missing egress program is found"
expect_contains "$(doctor)" "no connection becomes known" "and what that means"
guard_ctl detach $LAB_SERVER_IF >/dev/null
lab_server ethtool -K $LAB_SERVER_IF gro on >/dev/null
guard_ctl attach --mode generic $LAB_SERVER_IF >/dev/null
expect_finding warn "interface $LAB_SERVER_IF" "generic mode is found"
expect_finding warn "offloads $LAB_SERVER_IF" "and GRO with it"
guard_ctl detach $LAB_SERVER_IF >/dev/null
guard_ctl attach $LAB_SERVER_IF >/dev/null

cp "$GUARD_DIR/guard.yaml" "$GUARD_DIR/good.yaml"
sed -i 's/address:/adress:/' "$GUARD_DIR/guard.yaml"
doctor >/dev/null
expect_eq $? 1 "with a mistake in the file it exits with 1"
expect_contains "$(doctor)" "adress" "and names the mistake"
cp "$GUARD_DIR/good.yaml" "$GUARD_DIR/guard.yaml"
mv "$GUARD_DIR/jwks.json" "$GUARD_DIR/gone.json"
expect_finding bad configuration "a key file that is gone is found before a reload needs it"
mv "$GUARD_DIR/gone.json" "$GUARD_DIR/jwks.json"

# An orderly end with a connection open; what the kernel has counted goes on behind it.
lab_start hold bash -c 'exec 3<>"/dev/tcp/127.0.0.1/$1" && printf "GET /met" >&3 && echo held &&
	exec sleep 60' hold "$metrics_port"
wait_until 10 grep -q held "$LAB_DIR/hold.log"
guard_stop
expect_eq $? 0 "the daemon ends in order with a scrape under way"
lab_stop hold
guard_start || exit 1
expect_metric "$(route '* /orders')" 8 "requests that were admitted before are still told"
expect_metric "$(verdict no_token)" 5 "and so are the kernel's counters"

guard_stop KILL
wait_until 10 eval 'doctor | grep -q "down, last seen"'
expect_finding bad daemon "a daemon that was killed is found"
expect_contains "$(doctor)" "systemctl start subzero" "with what to do"
guard_ctl unload >/dev/null
expect_finding bad pins "missing maps are found"
expect_contains "$(doctor)" "nothing is guarded until then" "with what it means"

# A map that is nearly full: room for ten tokens.
GUARD_TOP="limits: {misses: 1000000/s, source_misses: 1000000/s}"
guard_conf | sed 's/^maps: .*/maps: {flows: 65536, grants: 10}/' >"$GUARD_DIR/guard.yaml"
guard_start || exit 1
for i in 1 2 3 4 5 6 7 8; do
	guard_status /orders "$(guard_mint "user$i" orders:read)" >/dev/null
done
expect_finding warn "map grants" "a map that is filling up is found"
guard_status /orders "$(guard_mint user9 orders:read)" >/dev/null
expect_finding bad "map grants" "and one that is nearly full is bad"
expect_contains "$(doctor)" "raise maps.grants" "with what to do"
guard_status /orders "$(guard_mint user10 orders:read)" >/dev/null
expect_eq "$(guard_status /orders "$(guard_mint user11 orders:read)")" 503 "one more does not fit"
expect_contains "$(doctor)" "drops state_full" "and refusals for it are named"
sed -i 's/clock_skew: 0s/clock_skew: 300s/; s/^  - name: shop/&\n    mode: monitor/' \
	"$GUARD_DIR/guard.yaml"
expect_finding warn "issuer $GUARD_ISS" "a wide clock_skew is found"
expect_finding warn "service shop" "and a service that is only watched"

# The endpoint is off unless configured, and a reload does not move it.
expect_eq "$(scrape -o /dev/null -w '%{http_code}')" 000 "without 'metrics' nobody listens"
echo "metrics: {listen: 127.0.0.1:$metrics_port}" >>"$GUARD_DIR/guard.yaml"
expect_contains "$(guard_ctl reload 2>&1)" "'metrics' changed" "a reload that changes it is refused"
guard_stop
expect_eq $? 0 "the daemon ends in order"

done_testing
