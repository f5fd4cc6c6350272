#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# State that is odd, full, old or torn: fragments and large frames on a real stack, pinned maps of
# another layout, maps without room, a wall clock that jumps, two daemons, two interfaces, and a
# daemon that is killed at each system call between a miss and its answer. Nothing undecided
# reaches the service, and what is refused says why.
# KILLS (default 12) is how many places it is killed at, spread over all there are; 0 means each.
#
# shellcheck disable=SC2119 # functions whose arguments are optional

cd "$(dirname "$0")/../.." || exit 1
. tests/lib/tap.sh
. tests/lib/netns.sh
. tests/lib/guard.sh

kills=${KILLS:-12}
lab_up || exit 1
lab_nginx || exit 1
gcc -std=gnu17 -D_GNU_SOURCE -O1 -o "$LAB_DIR/rig" tests/lib/state_rig.c -lbpf || exit 1
gcc -std=gnu17 -D_GNU_SOURCE -O1 -shared -fPIC -o "$LAB_DIR/clock_step.so" \
	tests/lib/clock_step.c || exit 1
rig=$LAB_DIR/rig
client_mac=$(lab_client ip -br link show szc | awk '{ print $3 }')
server_mac=$(lab_server ip -br link show szs | awk '{ print $3 }')

raw() { # LAST BYTE OF THE SOURCE, PATH, [frag]: one request from frames of its own
	lab_server ip neigh replace "10.99.0.$1" lladdr "$client_mac" dev szs
	printf 'GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n' "$2" |
		lab_client "$rig" raw szc "$server_mac" "10.99.0.$1" "$LAB_SERVER4" "$LAB_PORT" \
			"${@:3}"
}
both() { # NAME
	expect_eq "$(guard_status /orders) $(guard_status /orders "$alice")" "401 200" \
		"$1: 401 without a token, 200 with one"
}
says() { # NAME PART...: the daemon refuses to start and says so in one line
	local name=$1 out status part
	shift
	out=$(lab_server timeout 20 "$GUARD_BUILD/subzerod" -c "$GUARD_DIR/guard.yaml" 2>&1)
	status=$?
	expect_contains "1 2" "$status" "$name: the daemon refuses to start"
	for part; do
		expect_contains "$out" "$part" "$name: it says '$part'"
	done
	expect_eq "$(wc -l <<<"$out")" 1 "$name: in one line"
}

# ---- fragments ----------------------------------------------------------------------------------
GUARD_ROUTES="  - name: watched
    address: \"$LAB_SERVER4:9090\"
    mode: monitor
    routes: [{path: /, public: true}]"
guard_up || exit 1
alice=$(guard_mint alice orders:read)
both "start"
expect_contains "$(raw 71 "/orders?whole")" " 401 " "a request in one frame is refused"
raw 72 "/orders?fragments" frag >/dev/null
expect_eq "$(lab_nginx_count "?fragments")" 0 \
	"fragments do not pass because another service at this address is only watched"
expect_ge "$(guard_count fragment)" 3 "they are counted as what they are"
guard_stop
GUARD_ROUTES=
guard_conf >"$GUARD_DIR/guard.yaml"
guard_start || exit 1
raw 73 "/orders?pieces" frag >/dev/null
expect_eq "$(lab_nginx_count "?pieces")" 0 "fragments do not pass"

# ---- jumbo frames -------------------------------------------------------------------------------
expect_fail "native XDP on a veth pair does not let the MTU grow beyond one buffer" \
	lab_client ip link set szc mtu 9000
guard_stop
guard_ctl unload >/dev/null
lab_client ip link set dev szc xdpdrv off
lab_client ip link set szc mtu 9000 && lab_server ip link set szs mtu 9000
sed 's/^maps:.*/&\nxdp: native/' -i "$GUARD_DIR/guard.yaml"
says "an MTU of 9000 and native XDP" "lower its MTU"
guard_conf >"$GUARD_DIR/guard.yaml"
guard_start || exit 1
expect_contains "$(guard_ctl status --json)" '"mode": "generic"' \
	"with an MTU of 9000 it falls back to generic XDP"
# Answers from generic XDP reach a client without NAPI on its side.
both "jumbo frames"
pad=$(head -c 7000 /dev/zero | tr '\0' a)
expect_eq "$(guard_status "/orders?jumbo" "$alice" -H "X-Pad: $pad")" 200 \
	"a head of 7000 bytes in one frame passes with a known token"
expect_eq "$(guard_status "/orders?jumbo-bad" "" -H "X-Pad: $pad")" 401 \
	"and is refused without one"
head -c 300000 /dev/zero >"$LAB_DIR/upload"
expect_eq "$(guard_status "/orders?body" "$alice" --data-binary "@$LAB_DIR/upload")" 200 \
	"a body in jumbo frames passes"
expect_eq "$(lab_nginx_count "?jumbo-bad")" 0 "nothing undecided reached the service"
guard_stop
guard_ctl unload >/dev/null
lab_client ip link set szc mtu 1500 && lab_server ip link set szs mtu 1500
lab_client ip link set dev szc xdpdrv obj "$LAB_DIR/xdp_pass.o" sec xdp

# ---- pinned maps of another layout --------------------------------------------------------------
guard_start || exit 1
both "before"
guard_stop
layout=$(sed -n 's/^#define SZ_ABI //p' include/subzero/limits.h)
other=$((layout + 1))
"$rig" word "$GUARD_PINS/sz_config" "$other"
says "maps of another layout" "layout $other" "layout $layout" "subzeroctl unload"
expect_eq "$(GUARD_TIMEOUT=1 guard_status /orders "$alice")" 000 \
	"under maps of another layout nothing passes, not even a known token"
expect_ge "$(guard_ctl counters --all 2>&1 | grep -c "layout $other")" 1 "and subzeroctl says why"
"$rig" word "$GUARD_PINS/sz_config" "$layout"
guard_start || exit 1
both "the layout is back"
guard_stop

other() { # MAP TYPE KEY VALUE ENTRIES FLAGS WHAT IT SAYS
	mv "$GUARD_PINS/$1" "$GUARD_PINS/kept"
	bpftool map create "$GUARD_PINS/$1" type "$2" key "$3" value "$4" entries "$5" name "$1" \
		flags "$6"
	says "$1 as $2 $3:$4 $5 $6" "$1" "$7" "subzeroctl unload"
	rm "$GUARD_PINS/$1"
	mv "$GUARD_PINS/kept" "$GUARD_PINS/$1"
}
other sz_grants hash 24 144 1000000 1 "value size 144, wanted 224"
other sz_grants lru_hash 24 152 1000000 0 "type"
other sz_denied lru_hash 20 24 131072 0 "key size 20"
other sz_tickets hash 48 80 16 0 "capacity 16"
other sz_bans lpm_trie 20 72 1000000 1 "value size 72"
other sz_counters percpu_array 4 8 64 0 "capacity 64, wanted 128"
mv "$GUARD_PINS/sz_flows" "$GUARD_PINS/kept"
bpftool prog pin pinned "$GUARD_PINS/sz_egress" "$GUARD_PINS/sz_flows"
says "a program under the name of a map" "sz_flows" "subzeroctl unload"
rm "$GUARD_PINS/sz_flows"
mv "$GUARD_PINS/kept" "$GUARD_PINS/sz_flows"
expect_eq "$(guard_status /orders) $(guard_status /orders "$alice")" "401 200" \
	"while the daemon refused to start, the kernel went on"
guard_start || exit 1
both "the maps are back"

# ---- maps that are missing ----------------------------------------------------------------------
mallory=$(guard_mint mallory orders:read)
guard_status /orders "$mallory" >/dev/null
revoke() { # TOKEN: and wait until it is on disk
	guard_ctl grants revoke --token "$1" >/dev/null
	wait_until 5 grep -q . "$GUARD_DIR/state/revocations"
}
revoke "$mallory"
expect_eq "$(guard_status /orders "$mallory")" 401 "a token is revoked"
for missing in "sz_revoked sz_grants sz_denied" "sz_flows sz_half sz_tickets" \
	"sz_services sz_routes sz_answers sz_misses sz_events" sz_config; do
	guard_stop
	for map in $missing; do
		rm "$GUARD_PINS/$map"
	done
	guard_start || exit 1
	both "without $missing"
	expect_eq "$(guard_status "/orders?missing" "$mallory")" 401 \
		"without $missing: what was revoked stays revoked"
	revoke "$mallory"
done

# ---- maps that are full -------------------------------------------------------------------------
guard_stop
guard_ctl unload >/dev/null
guard_conf | sed 's/^maps:.*/maps: {flows: 4096, grants: 4}/' >"$GUARD_DIR/guard.yaml"
guard_start || exit 1
alice=$(guard_mint alice orders:read)
for i in 1 2 3; do
	guard_status "/orders?grant" "$(guard_mint "full$i" orders:read)"
done >/dev/null
both "as many tokens as there is room for"
expect_eq "$(guard_status "/orders?no-room" "$(guard_mint full4 orders:read)")" 503 \
	"one more good token is answered 503"
expect_eq "$(guard_status "/orders?no-room" "$alice.")" 401 "a bad one 401"
expect_eq "$(lab_nginx_count "?no-room")" 0 "neither reached the service"
expect_contains "$(cat "$LAB_DIR/subzerod.log")" "raise maps.grants" "the log says what to do"
both "those that are known go on"

expect_ge "$("$rig" fill "$GUARD_PINS/sz_tickets")" 16000 "no ticket can be written any more"
expect_lacks "$(GUARD_TIMEOUT=1 guard_status "/orders/%61?ticket" "$alice")" 200 \
	"a request that needs one does not pass"
expect_eq "$(lab_nginx_count "?ticket")" 0 "and does not reach the service"
both "requests that need none go on"
"$rig" empty "$GUARD_PINS/sz_tickets"
expect_eq "$(guard_status "/orders/%61?ticket" "$alice")" 200 "with room for tickets it passes"

guard_ctl flush >/dev/null
before=$(($(guard_sum summary) - $(lab_nginx_count)))
expect_ge "$("$rig" fill "$GUARD_PINS/sz_hits" 0)" 200000 "no row for requests is left"
for i in 1 2 3; do
	guard_status /health >/dev/null
done
guard_ctl flush >/dev/null
expect_eq $(($(guard_sum summary) - $(lab_nginx_count))) "$before" \
	"admitted requests are in the log all the same"
guard_stop
guard_ctl unload >/dev/null
guard_conf >"$GUARD_DIR/guard.yaml"

# ---- one daemon for one pin directory -----------------------------------------------------------
guard_start || exit 1
sed "s|^state_dir:.*|state_dir: $GUARD_DIR/state2|
	s|^control:.*|control: $GUARD_DIR/second.sock|" \
	"$GUARD_DIR/guard.yaml" >"$GUARD_DIR/second.yaml"
out=$(lab_server timeout 3 "$GUARD_BUILD/subzerod" -c "$GUARD_DIR/second.yaml" 2>&1)
expect_contains "1 2" "$?" "a second daemon on the same maps refuses to start"
expect_contains "$out" "$GUARD_PINS" "and names them"
both "the first one goes on"
guard_stop

# ---- a wall clock that is set -------------------------------------------------------------------
set_clock() { # SECONDS
	local hex i
	printf -v hex %016x $(($1 * 1000000000))
	for i in 7 6 5 4 3 2 1 0; do
		# shellcheck disable=SC2059 # a byte by its number
		printf "\\x${hex:$((2 * i)):2}"
	done | dd of="$GUARD_DIR/clock" conv=notrunc status=none
}
clock_start() {
	lab_start subzerod env CLOCK_STEP="$GUARD_DIR/clock" LD_PRELOAD="$LAB_DIR/clock_step.so" \
		"$GUARD_BUILD/subzerod" -c "$GUARD_DIR/guard.yaml"
	wait_until 15 guard_alive
}
key_gen() {
	guard_ctl status --json | sed -nE 's/.*"key_generation": ([0-9]+).*/\1/p' | head -n 1
}
stepped() { # SECONDS: set, and seen by the daemon
	local before
	before=$(key_gen)
	set_clock "$1"
	wait_until 5 eval "[ \"\$(key_gen)\" != $before ]"
}
printf '\0\0\0\0\0\0\0\0' >"$GUARD_DIR/clock"
clock_start || exit 1
hour=$(guard_mint hour orders:read --ttl 1h)
day=$(guard_mint day orders:read --ttl 24h)
expect_eq "$(guard_status /orders "$hour") $(guard_status /orders "$day")" "200 200" \
	"two tokens are known"
expect_ok "a step by two hours is noticed" stepped 7200
expect_eq "$(guard_status /orders "$hour") $(guard_status /orders "$day")" "401 200" \
	"the token that is over now is refused, the other verified anew"
expect_ok "a step back is noticed" stepped 0
expect_eq "$(guard_status /orders "$hour") $(guard_status /orders "$day")" "200 200" \
	"both are valid again"
expect_ok "a step before the tokens were made is noticed" stepped -86400
expect_eq "$(guard_status /orders) $(guard_status /orders "$(guard_mint future orders:read \
	--nbf +1h)")" "401 401" "a token that is not valid yet is refused"
stepped 0
guard_ctl grants revoke --token "$hour" >/dev/null
expect_eq "$(guard_status /orders "$hour")" 401 "revoked"
stepped 7200
guard_ctl grants revoke --jti unrelated >/dev/null
sleep 0.6
stepped 0
expect_eq "$(guard_status /orders "$hour")" 401 \
	"a token stays revoked when the clock goes ahead and back"
expect_ok "the log verifies" guard_ctl audit verify
guard_stop

# A time namespace moves the clock that maps and programs share.
lab_start subzerod unshare -T --boottime 864000 "$GUARD_BUILD/subzerod" -c "$GUARD_DIR/guard.yaml"
wait_until 15 eval "guard_alive || ! kill -0 $LAB_PID 2>/dev/null"
brief=$(guard_mint brief orders:read --ttl 2s)
GUARD_TIMEOUT=2 guard_status /orders "$brief" >/dev/null
sleep 3
expect_lacks "$(GUARD_TIMEOUT=2 guard_status "/orders?timens" "$brief")" 200 \
	"a daemon in a time namespace lets no token outlive its end"
expect_eq "$(lab_nginx_count "?timens")" 0 "none that has ended reaches the service"
guard_stop

# ---- two interfaces -----------------------------------------------------------------------------
lab_client ip link add szc2 type veth peer name szs2 netns "$LAB_SERVER_NS"
lab_end client szc2 10.98.0.1/24 fd00:98::1/64
lab_end server szs2 10.98.0.2/24 fd00:98::2/64
lab_client ip link set dev szc2 xdpdrv obj "$LAB_DIR/xdp_pass.o" sec xdp
for dir in client server; do
	"lab_$dir" sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0
done
guard_conf | sed "s/^interfaces:.*/interfaces: [szs, szs2]/
	s/^    address: .*/    address: [\"10.98.0.2:$LAB_PORT\", \"$LAB_SERVER4:$LAB_PORT\"]/" \
	>"$GUARD_DIR/guard.yaml"
guard_ctl unload >/dev/null
guard_start || exit 1
: >"$LAB_DIR/access.log"
guard_ctl flush >/dev/null
before=$(guard_sum summary)
for i in 1 2 3 4; do
	guard_mint "two$i" orders:read
done >"$GUARD_DIR/two"
load_second() {
	LAB_SERVER4=10.98.0.2 guard_load "$@"
	guard_load_says wrong >"$GUARD_DIR/second.wrong"
}
load_second -n 3000 -c 8 -t "$GUARD_DIR/two" -p "/orders?two" &
guard_load -n 3000 -c 8 -t "$GUARD_DIR/two" -p "/orders?two"
wait $!
expect_eq "$(guard_load_says wrong) $(cat "$GUARD_DIR/second.wrong")" "0 0" \
	"the same new tokens on two interfaces at once: each request is answered 200"
guard_ctl flush >/dev/null
expect_eq "$(lab_nginx_count) $(($(guard_sum summary) - before))" "6000 6000" \
	"and counted once"
# What the client sends comes in on one interface, what the server says goes out on the other.
lab_client ip route add "$LAB_SERVER4/32" dev szc2 src "$LAB_CLIENT4"
both_ways=$(head -n 1 "$GUARD_DIR/two")
expect_eq "$(guard_status /orders) $(guard_status /orders "$both_ways") $(guard_status /orders \
	"$(guard_mint third orders:read)")" "401 200 200" \
	"a connection whose directions take different interfaces: refused, known, asked about"
lab_client ip route del "$LAB_SERVER4/32"
guard_stop
lab_client ip link del szc2

# ---- killed at each system call of a miss -------------------------------------------------------
# Three misses at once: a token to verify, a head that needs a ticket, a token that is bad. The
# connections outlive the daemon: the client's TCP asks the next one.
GUARD_TOP='limits: {misses: 1000000/s, source_misses: 1000000/s}
heartbeat_ttl: 600ms'
guard_conf >"$GUARD_DIR/guard.yaml"
guard_ctl unload >/dev/null
guard_start || exit 1
guard_ctl flush >/dev/null
: >"$LAB_DIR/access.log"
before=$(guard_sum summary)
guard_stop

traced() { # N: the daemon under the rig
	rm -f "$GUARD_DIR/arm" "$GUARD_DIR/armed" "$GUARD_DIR/count"
	lab_start subzerod "$rig" kill-at "$1" "$GUARD_DIR" "$GUARD_PINS/sz_misses" -- \
		"$GUARD_BUILD/subzerod" -c "$GUARD_DIR/guard.yaml"
	if ! wait_until 60 guard_alive; then
		diag "the daemon under the rig: $(tail -n 3 "$LAB_DIR/subzerod.log")"
		return 1
	fi
}
misses() { # N: from here on the rig counts; the answers go to $GUARD_DIR/answer.KIND
	local token path kind
	token=$(guard_mint "kill$1" orders:read)
	asking=()
	touch "$GUARD_DIR/arm"
	wait_until 5 test -e "$GUARD_DIR/armed"
	for kind in good ticket bad; do
		path="/orders?$kind=$1."
		[ $kind != ticket ] || path="/orders/%61?$kind=$1."
		[ $kind != bad ] || token="${token%????}AAAA"
		GUARD_TIMEOUT=10 guard_status "$path" "$token" >"$GUARD_DIR/answer.$kind" &
		asking+=($!)
	done
}
answers() { # into $got
	wait "${asking[@]}"
	got="$(cat "$GUARD_DIR/answer.good") $(cat "$GUARD_DIR/answer.ticket") \
$(cat "$GUARD_DIR/answer.bad")"
}
traced 0 || exit 1
misses 0
answers
expect_eq "$got" "200 200 401" "three misses are answered under the rig"
rm "$GUARD_DIR/arm"
guard_stop
calls=$(cat "$GUARD_DIR/count")
diag "$calls system calls begin or end between the first miss and the last answer"
expect_ge "$calls" 20 "there are places to kill it at"
[ "$kills" -gt 0 ] || kills=$calls

rounds=0 killed=0 fair=0 served=0 verified=0 last=
settled() { # the next daemon is there: what became of the last round
	[ -n "$last" ] || return 0
	answers
	if [[ $got =~ ^(200|503)\ (200|503)\ (401|503)$ ]]; then
		fair=$((fair + 1))
	else
		diag "killed at $last: $got"
	fi
	[ "$(guard_status "/orders?again=$last" "$(guard_mint again orders:read)")" = 200 ] &&
		served=$((served + 1))
	guard_ctl audit verify >/dev/null && verified=$((verified + 1))
}
for ((at = 1; at <= calls; at += (calls + kills - 1) / kills)); do
	traced "$at" || exit 1
	settled
	misses "$at"
	rounds=$((rounds + 1))
	last=$at
	wait_until 3 eval "! kill -0 $LAB_PID 2>/dev/null" && killed=$((killed + 1))
	guard_stop 2>/dev/null
done
guard_start || exit 1
settled
expect_ge "$killed" $((rounds / 2)) "the daemon was killed between a miss and its answer"
expect_eq "$fair" "$rounds" "a good token then gets 200 or 503, a bad one 401 or 503"
expect_eq "$served" "$rounds" "the next daemon serves at once"
expect_eq "$verified" "$rounds" "the audit log verifies each time"
expect_eq "$(lab_nginx_count "?bad=")" 0 "nothing undecided reached the service"
expect_eq "$(sed -nE 's/.*(good|ticket)=([0-9]+)\..*/\1 \2/p' "$LAB_DIR/access.log" |
	sort | uniq -d | wc -l)" 0 "and no request twice"
guard_ctl flush >/dev/null
expect_eq $(($(guard_sum summary) - before)) "$(lab_nginx_count)" \
	"the summaries add up to what the service counted"
done_testing
