#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Floods beside a good client: each kind for half a second, over IPv4 and IPv6. Not how fast (that
# is `make bench-flood`), but that every good request is served, that the flood is counted under the
# reason it should be, and that nothing of it reaches the service. Then that the flooder refuses to
# leave the lab.
#
# shellcheck disable=SC2119 # functions whose arguments are optional

cd "$(dirname "$0")/../.." || exit 1
. tests/lib/tap.sh
. tests/lib/netns.sh
. tests/lib/guard.sh
. tests/lib/flood.sh

# Beyond the first 200 connections of a source, and 300 requests of a principal, nothing for hours.
GUARD_SERVICE="    limits:
      connections: {rate: 1/h, burst: 200}
      principal: {rate: 1/h, burst: 300}"
eval "$(declare -f guard_conf | sed 's/^guard_conf/usual_conf/')"
guard_conf() {
	usual_conf | sed "s/^interfaces:.*/interfaces: [$LAB_SERVER_IF, $FLOOD_SERVER_IF]/
		s/address: \\[/&\"$FLOOD_SERVER4:$LAB_PORT\", \"[$FLOOD_SERVER6]:$LAB_PORT\", /"
}

lab_up || exit 1
flood_up || exit 1
lab_nginx || exit 1
guard_up || exit 1
guard_mint good orders:read >"$GUARD_DIR/denied"
expect_ok "a token is revoked" \
	guard_ctl grants revoke --token "$(cat "$GUARD_DIR/denied")"

before() {
	guard_count "$1" >"$GUARD_DIR/before-$1"
}
grown() {
	echo $(($(guard_count "$1") - $(cat "$GUARD_DIR/before-$1")))
}
all_frames() {
	guard_ctl counters --all --json | tr -d ' ,' |
		awk -F: '$1 == "\"count\"" { n += $2 } END { printf "%d\n", n }'
}
# flood NAME RATE OPTION...: the flood and the good client at the same time. Sets arrived, the
# frames of the flood that did, and frames, all that were counted meanwhile.
flood() {
	local name="$1, IPv$family" rate=$2 pid
	shift 2
	guard_mint "good-$((++good))" orders:read >"$GUARD_DIR/good"
	frames=$(all_frames)
	flood_by "$GUARD_BUILD/tools/sz-flood" -i "$FLOOD_IF" -j -r "$rate" -d 0.5 \
		-p /orders/flood "$@" "$(flood_url)" >"$GUARD_DIR/flood" 2>&1 &
	pid=$!
	guard_load -n 200 -c 4 -t "$GUARD_DIR/good" -p /orders
	wait "$pid"
	expect_eq $? 0 "$name: the flood was sent"
	FLOOD=$(cat "$GUARD_DIR/flood")
	diag "$FLOOD"
	expect_eq "$(guard_load_says 200) $(guard_load_says wrong)" "200 0" \
		"$name: every good request is served"
	arrived=$(($(flood_says sent) - $(flood_says no_room)))
	frames=$(($(all_frames) - frames))
	expect_ge "$arrived" 1 "$name: frames arrived"
}

for family in 4 6; do
	# shellcheck disable=SC2034 # for guard.sh and flood.sh
	GUARD_FAMILY=$family FLOOD_FAMILY=$family
	few=198.18.99.0/30 many=198.18.0.0/20
	[ $family = 4 ] || few=2001:db8:99::/62 many=2001:db8:1::/52

	before syn_limit
	flood syn 4000 -k syn -s $few
	expect_ge "$(grown syn_limit)" $((arrived - 4 * 201)) \
		"syn, IPv$family: what is beyond the limit of its source is dropped"

	flood ack 2000 -k ack
	expect_ge "$frames" "$arrived" "ack, IPv$family: every frame is counted"

	before unknown_flow
	flood data 2000 -k data -R -t "$GUARD_DIR/denied"
	expect_eq "$(grown unknown_flow)" "$arrived" \
		"data, IPv$family: each is data on an unknown connection"
	expect_ge "$(flood_says reset)" 1 "data, IPv$family: and is reset"

	before bad_token
	flood random 400 -k request -s $many -R -t "$GUARD_DIR/denied"
	expect_ge "$(grown bad_token)" 1 "random, IPv$family: forged signatures are found out"
	expect_eq "$(($(flood_says 401) + $(flood_says 503))) $(flood_says 200)" \
		"$(flood_says responses) 0" "random, IPv$family: nothing but 401 and 503 comes back"

	before revoked
	flood denied 1000 -k request -s $many -t "$GUARD_DIR/denied"
	# A SYN-ACK that is sent again gets its request again, which gets its answer again.
	expect_le "$(grown revoked)" "$(flood_says requests)" \
		"denied, IPv$family: each is refused as revoked"
	expect_ge "$(grown revoked)" 1 "denied, IPv$family: there are some"
	expect_eq "$(flood_says 401)" "$(flood_says responses)" \
		"denied, IPv$family: nothing but 401 comes back"
	expect_eq "$(lab_nginx_count /orders/flood)" 0 \
		"IPv$family: nothing of all this reached the service"

	guard_mint "greedy-$family" orders:read >"$GUARD_DIR/greedy"
	before limit_principal
	flood limit 2000 -k request -s $many -t "$GUARD_DIR/greedy"
	served=$(lab_nginx_count /orders/flood)
	expect_le "$(grown limit_principal)" "$(flood_says 429)" \
		"limit, IPv$family: each 429 is counted"
	expect_ge "$(flood_says 429)" 1 "limit, IPv$family: there are some"
	expect_le "$served" 301 "limit, IPv$family: the service got no more than the limit"
	: >"$LAB_DIR/access.log"
done
expect_ok "the daemon is as well as before" guard_alive
expect_contains "$(guard_ctl sources --in 198.18.0.0/15 -n 1)" "198.18." "sources names one of them"

# ---- it stays in the lab ------------------------------------------------------------------------
refuses() { # NAME TEXT OPTION...
	local name=$1 text=$2 out
	shift 2
	out=$(flood_by "$GUARD_BUILD/tools/sz-flood" -r 10 -d 0.1 "$@" 2>&1)
	expect_eq $? 2 "the flooder refuses $name"
	expect_contains "$out" "$text" "and says why"
}
refuses "an interface that is no veth" "not a veth" -i lo -k syn http://10.98.0.2:80
refuses "a public target" "not a private address" -i szf -k syn http://9.9.9.9:80
refuses "sources of others" "prefix for tests" -i szf -k syn -s 9.9.9.0/24 http://10.98.0.2:80
refuses "who is not on the link" "no neighbour" -i szf -k ack http://10.98.0.77:80
refuses "a kind it does not know" "syn, ack, data or request" -i szf -k icmp http://10.98.0.2:80
expect_contains "$("$GUARD_BUILD/tools/sz-flood" --help)" "--i-own-this-network" "it has a help"

done_testing
