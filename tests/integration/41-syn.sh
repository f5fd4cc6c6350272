#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# A SYN flood from a second link, while a good client goes on: its connections that stand, and new
# ones, each of which must come to something. SYN cookies in XDP make that so; what is refused
# without a flood is refused in one.
#
# shellcheck disable=SC2119 # functions whose arguments are optional

cd "$(dirname "$0")/../.." || exit 1
. tests/lib/tap.sh
. tests/lib/netns.sh
. tests/lib/guard.sh

tcp() { # NAME VALUE: a setting of the server's TCP
	lab_server sysctl -qw "net.ipv4.$1=$2"
}

guard_config() { # SERVICE'S MODE [SECTION]
	GUARD_SERVICE="    syn_cookies: $1" guard_conf |
		sed -e "s/^interfaces:.*/interfaces: [szs, szf]/" \
			-e "s/^    address:.*/    address: \"*:$LAB_PORT\"/" \
			>"$GUARD_DIR/guard.yaml"
	echo "syn_cookies: ${2:-{rate: 100000, half_open: 200\}}" >>"$GUARD_DIR/guard.yaml"
}

lab_up || exit 1
# The flood's own link: szd in the client's namespace, szf in the server's.
lab_client ip link add szd type veth peer name szf netns "$LAB_SERVER_NS" &&
	lab_end client szd 10.98.0.1/24 fd00:98::1/64 &&
	lab_end server szf 10.98.0.2/24 fd00:98::2/64 &&
	lab_server ip route add 198.18.0.0/15 dev szf &&
	lab_server ip route add 2001:db8::/32 dev szf || exit 1
lab_server sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.szf.rp_filter=0
tcp tcp_syncookies 2
tcp tcp_max_syn_backlog 512
lab_nginx || exit 1
guard_files || exit 1
guard_config auto
guard_start || exit 1

alice=$(guard_mint alice orders:read)
echo "$alice" >"$GUARD_DIR/alice"
guard_mint bob other >"$GUARD_DIR/bob"

# exec, so that the process id is the flood's own and not a waiting shell's.
flood() { # NAME
	(exec nsenter --net="/run/netns/$LAB_CLIENT_NS" -- "$GUARD_BUILD/tools/sz-flood" -i szd \
		-k syn -r 20000 -d 60 "http://10.98.0.2:$LAB_PORT") >"$LAB_DIR/$1.log" 2>&1 &
	flood=$!
}
flood=
flood_end() {
	[ -z "$flood" ] || kill "$flood" 2>/dev/null
	[ -z "$flood" ] || wait "$flood" 2>/dev/null
	flood=
	return 0
}
at_exit flood_end
grew() { # REASON COUNT BEFORE
	[ "$(guard_count "$1")" -ge $(($2 + $3)) ]
}
new_connections() { # COUNT: requests that were answered 200, each on a connection of its own
	lab_client curl -s -o /dev/null -w '%{http_code}\n' -m 20 --no-keepalive \
		-H "Authorization: Bearer $alice" -H "Connection: close" \
		"$(guard_url)/orders?[1-$1]" | grep -c '^200$'
}

expect_eq "$(new_connections 5)" 5 "without a flood connections are the server's own"
expect_eq "$(guard_count cookie_sent)" 0 "and no cookie is given out"

# ---- the flood ----

lab_client "$GUARD_BUILD/tools/sz-load" -j -d 6 -c 4 -r 400 -p /orders -t "$GUARD_DIR/alice" \
	"$(guard_url)" >"$LAB_DIR/standing" 2>&1 &
standing=$!
wait_until 10 grew hit 50 5 || diag "the standing connections do not begin"
flood syn
wait_until 10 grew cookie_sent 5000 0 || diag "no cookies: $(cat "$LAB_DIR/syn.log")"
expect_contains "$(guard_ctl services)" "auto, on" "the pressure of a flood turns cookies on"
before=$(guard_count cookie)
expect_eq "$(new_connections 100)" 100 "each of 100 new connections is served in the flood"
expect_ge "$(($(guard_count cookie) - before))" 100 "and was begun by a cookie"
GUARD_FAMILY=6
expect_eq "$(new_connections 20)" 20 "so is each over IPv6"
GUARD_FAMILY=4
expect_eq "$(guard_status /orders)" 401 "no token: 401 in the flood, too"
expect_eq "$(guard_status '/orders?no' "$(cat "$GUARD_DIR/bob")")" 403 "no right: 403"
expect_eq "$(guard_status '/orders?no' x)" 401 "a bad token: 401"
head -c 100000 /dev/zero >"$LAB_DIR/bytes"
expect_eq "$(guard_status /orders "$alice" --data-binary "@$LAB_DIR/bytes")" 200 \
	"a body of many segments arrives on a connection that a cookie began"
wait "$standing"
expect_eq "$(tr -d ' ' <"$LAB_DIR/standing" | grep -o '"wrong":0')" '"wrong":0' \
	"connections that stood before the flood were served all through it"
expect_eq "$(lab_nginx_count '?no')" 0 "nothing that was refused reached the service"
half=$(guard_ctl status --json | tr -d ' \n' |
	grep -oE '"name":"half","entries":[0-9]+' | cut -d: -f3)
expect_le "$half" 2000 "and the flood has taken no room from connections"

# An ACK that belongs to nothing is dropped meanwhile, and is no concern of the server's stack.
flood_end
before=$(guard_count cookie_bad)
lab_client "$GUARD_BUILD/tools/sz-flood" -i szd -k ack -r 2000 -d 1 \
	"http://10.98.0.2:$LAB_PORT" >"$LAB_DIR/ack.log" 2>&1
expect_ge "$(($(guard_count cookie_bad) - before))" 1500 "a flood of ACKs is dropped, too"

# ---- the server's settings ----

# Kept by the timestamp's echo: what a cookie alone has no room for.
tcp tcp_timestamps 2
guard_config always "{timestamps: true, window_scale: $(
	lab_server sysctl -n net.ipv4.tcp_rmem net.core.rmem_max 2>/dev/null | tr '\t' '\n' |
		awk '$1 > n { n = $1 }
		     END { s = int(log(n) / log(2) + 1e-9) - 15; print s < 0 ? 0 : s }')}"
expect_ok "cookies for every connection, with timestamps" guard_ctl reload
before=$(guard_count cookie)
coproc CLIENT {
	lab_client bash -c 'exec 3<>"/dev/tcp/$1/$2" && echo open && read -r _' - \
		"$LAB_SERVER4" "$LAB_PORT"
}
read -r _ <&"${CLIENT[0]}"
began() {
	[ "$(guard_count cookie)" -gt "$before" ]
}
wait_until 5 began || diag "the cookie did not return"
client=$(lab_client ss -tnieH dst "$LAB_SERVER4:$LAB_PORT" | tr '\n' ' ')
server=$(lab_server ss -tnieH src "$LAB_SERVER4:$LAB_PORT" | tr '\n' ' ')
for word in ts sack wscale:; do
	expect_contains " $client" " $word" "the client has agreed on $word"
	expect_contains " $server" " $word" "and so has the server"
done
# "wscale:A,B" is what one side sends with and what the other does.
scale() { grep -oE 'wscale:[0-9]+,[0-9]+' <<<"$1" | cut -d: -f2; }
expect_eq "$(scale "$client")" "$(scale "$server" | awk -F, '{ print $2 "," $1 }')" \
	"on the same window scales"
echo >&"${CLIENT[1]}"
expect_eq "$(new_connections 5)" 5 "and requests pass"
expect_eq "$(guard_ctl doctor | grep -c 'syn cookies.*would not')" 0 "the doctor finds no fault"
tcp tcp_timestamps 1
expect_contains "$(guard_ctl doctor)" "tcp_timestamps=2" \
	"but says so when the server's TCP will not keep to it"
guard_config always
expect_ok "cookies for every connection" guard_ctl reload

# As it is by default: the server takes cookies only when its queue is full, and so it is asked.
tcp tcp_syncookies 1
before=$(guard_count cookie_sent)
expect_eq "$(new_connections 5)" 5 "with tcp_syncookies 1 connections are the server's own"
expect_eq "$(guard_count cookie_sent)" "$before" "as long as it has room"
expect_contains "$(guard_ctl doctor)" "tcp_syncookies=2" "the doctor knows better"
flood one
wait_until 20 grew cookie_sent 5000 "$before" || diag "no cookies: $(cat "$LAB_DIR/one.log")"
expect_eq "$(new_connections 50)" 50 "in a flood each of 50 new connections is served"
flood_end

tcp tcp_syncookies 0
before=$(guard_count cookie_sent)
expect_contains "$(guard_ctl doctor)" "take no cookies" "with 0 there are none, says the doctor"
lab_client curl -s -o /dev/null -m 1 "$(guard_url)/health"
expect_eq "$(guard_count cookie_sent)" "$before" "and none is given out"
tcp tcp_syncookies 2

# A server behind this machine has another secret: its SYN-ACKs say so.
guard_config off
expect_ok "no cookies at all" guard_ctl reload
before=$(guard_count cookie_sent)
expect_eq "$(new_connections 5)" 5 "connections are the server's own again"
expect_eq "$(guard_count cookie_sent)" "$before" "without a cookie from here"

# ---- ACKs without any SYN: no pressure, and yet the server's stack is left in peace ----

resets() {
	lab_server cat /proc/net/snmp | awk '/^Tcp:/ { if (n++) print $15 }'
}
before=$(resets)
(exec nsenter --net="/run/netns/$LAB_CLIENT_NS" -- "$GUARD_BUILD/tools/sz-flood" -i szd \
	-k ack -r 20000 -d 60 "http://10.98.0.2:$LAB_PORT") >"$LAB_DIR/ack.log" 2>&1 &
flood=$!
wait_until 30 grew stray 20000 0 || diag "no strays are dropped: $(cat "$LAB_DIR/ack.log")"
expect_eq "$(new_connections 50)" 50 "in a flood of ACKs each of 50 new connections is served"
flood_end
said=$(($(resets) - before))
expect_le "$((said * 2))" "$(guard_count stray)" "the server has answered few of the ACKs: $said"
expect_contains "$(guard_ctl limits)" "strays" "the budget is a limit like others"
expect_ok "it can be set" guard_ctl limits set strays --rate none
before=$(guard_count stray)
lab_client "$GUARD_BUILD/tools/sz-flood" -i szd -k ack -r 20000 -d 1 \
	"http://10.98.0.2:$LAB_PORT" >"$LAB_DIR/ack.log" 2>&1
expect_eq "$(guard_count stray)" "$before" "without it ACKs are the server's again"
done_testing
