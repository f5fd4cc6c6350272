#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# A wire that loses one frame in fifty, both ways: TCP repairs it, and the guard must let it. What
# is admitted arrives once and whole; what is refused is told so.
#
# shellcheck disable=SC2119 # functions whose arguments are optional

cd "$(dirname "$0")/../.." || exit 1
. tests/lib/tap.sh
. tests/lib/netns.sh
. tests/lib/guard.sh

lab_up || exit 1
lab_nginx || exit 1
guard_up || exit 1
for i in $(seq 8); do
	guard_mint "user$i" orders:read
done >"$GUARD_DIR/tokens"
for i in $(seq 4); do
	guard_mint "stranger$i" other
done >"$GUARD_DIR/strangers"

object=$LAB_DIR/lossy.o
"${CLANG:-clang-19}" -target bpf -O2 -g -Wall -Wextra -Werror \
	-I"/usr/include/$(gcc -print-multiarch)" -c tests/lib/lossy.c -o "$object" || exit 1
lab_client ip -force link set dev "$LAB_CLIENT_IF" xdpdrv obj "$object" sec xdp || exit 1
lab_client tc qdisc add dev "$LAB_CLIENT_IF" clsact || exit 1
lab_client tc filter add dev "$LAB_CLIENT_IF" egress bpf da obj "$object" sec tc || exit 1

# lost xdp|tc: frames lost so far on the way in or out. Each program has a map of its own.
lost() {
	local program map slot=0
	if [ "$1" = xdp ]; then
		program=$(lab_client ip -d link show dev "$LAB_CLIENT_IF" |
			sed -n 's/.*prog\/xdp id \([0-9]*\).*/\1/p')
	else
		slot=1
		program=$(lab_client tc filter show dev "$LAB_CLIENT_IF" egress |
			sed -n 's/.* id \([0-9]*\).*/\1/p' | head -n 1)
	fi
	map=$(bpftool prog show id "$program" | sed -n 's/.*map_ids \([0-9]*\).*/\1/p')
	bpftool map lookup id "$map" key "$slot" 0 0 0 | sed -n 's/.*"value": *\([0-9]*\).*/\1/p'
}

# Sockets of clients that wait for an end: all but those whose waiting is done by themselves.
lingering() {
	lab_client ss -Htan | grep -cE '^(LAST-ACK|FIN-WAIT-1|CLOSING|CLOSE-WAIT|ESTAB)'
}

guard_load -n 2000 -c 32 -T 30 -t "$GUARD_DIR/tokens" -p "/orders?yes" \
	-x get:70,post1k:20,post64k:10 -E
diag "$GUARD_LOAD"
expect_eq "$(guard_load_says wrong) $(guard_load_says 200)" "0 2000" \
	"2,000 mixed requests: none wrong"
expect_ge "$(lost xdp)" 10 "although frames were lost that the server sent"
expect_ge "$(lost tc)" 10 "and frames that the client sent"
expect_eq "$(lab_nginx_count "?yes")" 2000 "each reached the service once"

guard_load -n 300 -c 32 -T 30 -t "$GUARD_DIR/tokens" -p "/orders?yes" \
	-H "X-Big: $(head -c 4000 /dev/zero | tr '\0' a)"
diag "$GUARD_LOAD"
expect_eq "$(guard_load_says wrong) $(guard_load_says 200)" "0 300" \
	"300 heads of several segments: none wrong"
guard_load -n 300 -c 32 -T 30 -t "$GUARD_DIR/tokens" -p "/orders?yes" \
	-x chunked-post1k:1,chunked-post64k:1 -E
diag "$GUARD_LOAD"
expect_eq "$(guard_load_says wrong) $(guard_load_says 200)" "0 300" "300 chunked bodies: none wrong"
expect_eq "$(lab_nginx_count "?yes")" 2600 "each reached the service once, too"

guard_load -n 500 -c 32 -T 30 -t "$GUARD_DIR/strangers" -p "/orders?no" -e 403
diag "$GUARD_LOAD"
expect_eq "$(guard_load_says wrong) $(guard_load_says 403)" "0 500" \
	"500 refusals: each client hears why, though answers are lost"
expect_eq "$(lab_nginx_count "?no")" 0 "no refused request reached the service"

# A refused upload is still being sent when the answer comes, and each end may be lost.
guard_load -n 200 -c 32 -T 30 -t "$GUARD_DIR/strangers" -p "/orders?no" -x post64k:1 -e 403
diag "$GUARD_LOAD"
expect_eq "$(guard_load_says wrong) $(guard_load_says 403)" "0 200" \
	"200 refused uploads: each client hears why"
expect_eq "$(lab_nginx_count "?no")" 0 "none reached the service"
none_lingers() {
	[ "$(lingering)" -eq 0 ]
}
expect_ok "no socket of a refused client lingers" wait_until 30 none_lingers
lab_client ss -Htano | grep -v LISTEN | head -n 5 | while read -r line; do diag "$line"; done

expect_ok "flush" guard_ctl flush
expect_eq "$(guard_sum summary)" "$(lab_nginx_count)" "the audit log counts what the service counts"
expect_eq "$(guard_count desync) $(guard_count changed)" "0 0" "no stream was torn"
expect_ok "the audit log verifies" guard_ctl audit verify
done_testing
