#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# The ways to attach that docs/attach.md describes, one after the other, each on real requests; and
# that nothing is left when it is taken away.
#
# shellcheck disable=SC2119 # functions whose arguments are optional

cd "$(dirname "$0")/../.." || exit 1
. tests/lib/tap.sh
. tests/lib/netns.sh
. tests/lib/guard.sh

lab_up || exit 1
lab_nginx || exit 1
guard_files || exit 1
object=$GUARD_BUILD/subzero.bpf.o
dev=$LAB_SERVER_IF
alice=$(guard_mint alice orders:read)

guards() { # NAME
	expect_eq "$(guard_status /orders) $(guard_status /orders "$alice")" "401 200" \
		"$1: 401 without a token, 200 with one"
}
open() { # NAME
	expect_eq "$(guard_status /orders)" 200 "$1: everything passes"
}
row() { # of status: mode, ingress, egress
	guard_ctl status --json |
		sed -nE 's/^ *"(mode|ingress|egress)": "([a-z]+)".*/\2/p' | paste -sd' '
}
xdp_id() {
	lab_server ip link show "$dev" | sed -nE 's/.*prog\/xdp[a-z]* id ([0-9]+).*/\1/p'
}
egress_on() {
	lab_server tc qdisc add dev "$dev" clsact &&
		lab_server tc filter add dev "$dev" egress prio 1 handle 1 bpf da pinned \
			"$GUARD_PINS/sz_egress"
}
nothing_left() { # NAME
	expect_eq "$(lab_server bpftool net list dev "$dev" |
		grep -cE 'driver|generic|tcx|clsact')$(xdp_id)" 0 \
		"$1: no program is left on the interface"
	expect_fail "$1: no pin is left" test -e "$GUARD_PINS"
	open "$1"
}
off() {
	guard_stop
	guard_ctl unload >/dev/null
}

# ---- 1. the daemon ------------------------------------------------------------------------------
open "before anything"
guard_start || exit 1
guards "daemon"
expect_eq "$(row)" "native link tcx" "status says native, held by a link, egress by tcx"
expect_eq "$(stat -c %a "$GUARD_PINS")" 700 "only root looks into the pin directory"
guard_stop
expect_fail "ip does not take away what a link holds" lab_server ip link set dev "$dev" xdp off
guards "daemon, stopped"
expect_ok "detach" guard_ctl detach "$dev"
open "detached"
expect_ok "attach, with the daemon down" guard_ctl attach "$dev"
guards "attached by subzeroctl"
expect_ok "unload" guard_ctl unload
nothing_left "unloaded"

# ---- 2. bpftool ---------------------------------------------------------------------------------
mkdir -m 0700 "$GUARD_PINS"
expect_ok "bpftool loads and pins the object before there was a daemon" \
	bpftool prog loadall "$object" "$GUARD_PINS" pinmaps "$GUARD_PINS"
expect_ok "bpftool attaches" \
	lab_server bpftool net attach xdp pinned "$GUARD_PINS/sz_ingress" dev "$dev"
expect_ok "tc attaches the egress program" egress_on
before=$(xdp_id)
guard_start || exit 1
guards "bpftool"
expect_eq "$(row)" "native netlink clsact" "status says netlink and clsact"
expect_eq "$(xdp_id)" "$before" "the daemon kept the program that was there"
guard_stop
guards "bpftool, daemon stopped"
expect_ok "bpftool detaches" lab_server bpftool net detach xdp dev "$dev"
open "detached by bpftool"
expect_ok "bpftool attaches again" \
	lab_server bpftool net attach xdp pinned "$GUARD_PINS/sz_ingress" dev "$dev"
guards "attached by bpftool with the daemon down"
expect_ok "unload" guard_ctl unload
nothing_left "unloaded from netlink and clsact"
lab_server tc qdisc del dev "$dev" clsact 2>/dev/null

# ---- 3. ip --------------------------------------------------------------------------------------
guard_start || exit 1
expect_eq "$(guard_status /orders "$alice")" 200 "the token is known"
guard_stop
guard_ctl detach "$dev" >/dev/null
expect_ok "ip attaches the pinned program" \
	lab_server ip link set dev "$dev" xdp pinned "$GUARD_PINS/sz_ingress"
expect_ok "tc attaches the egress program" egress_on
guards "ip, pinned"
expect_ok "ip takes it away" lab_server ip link set dev "$dev" xdp off
open "taken away by ip"
expect_ok "ip attaches the object itself" \
	lab_server ip link set dev "$dev" xdp obj "$object" sec xdp
open "a program with maps of its own"
expect_ok "subzeroctl attach puts the shared maps under it" guard_ctl attach "$dev"
guards "ip, object, after subzeroctl attach"
off
lab_server ip link set dev "$dev" xdp off
lab_server tc qdisc del dev "$dev" clsact 2>/dev/null
expect_ok "ip attaches the object before there was a daemon" \
	lab_server ip link set dev "$dev" xdp obj "$object" sec xdp
open "no daemon yet"
before=$(xdp_id)
guard_start || exit 1
guards "ip, object, taken over by the daemon"
expect_eq "$(xdp_id)" "$before" "the program stayed on the interface"
off
nothing_left "unloaded after ip"

# ---- others' programs ---------------------------------------------------------------------------
lab_server ip link set dev "$dev" xdp obj "$LAB_DIR/xdp_pass.o" sec xdp
before=$(xdp_id)
out=$(lab_server timeout 10 "$GUARD_BUILD/subzerod" -c "$GUARD_DIR/guard.yaml" 2>&1)
status=$?
expect_contains "1 2" "$status" "the daemon refuses to start over a foreign program"
expect_contains "$out" "sz_lab_pass" "it names the program"
expect_contains "$out" "ip link set dev $dev xdp" "and says how to remove it"
expect_eq "$(wc -l <<<"$out")" 1 "and that is all it says"
expect_fail "subzeroctl attach refuses, too" guard_ctl attach "$dev"
expect_eq "$(xdp_id)" "$before" "the foreign program is untouched"
lab_server ip link set dev "$dev" xdp off
guard_ctl unload >/dev/null 2>&1

# ---- generic XDP --------------------------------------------------------------------------------
sed 's/^maps:.*/&\nxdp: generic/' -i "$GUARD_DIR/guard.yaml"
guard_start || exit 1
expect_contains "$(row)" "generic" "status says generic where the configuration asks for it"
guards "generic XDP"
guard_load -n 500 -c 8 -p /health
expect_eq "$(guard_load_says wrong)" 0 "generic XDP serves requests"
off
nothing_left "unloaded from generic XDP"
guard_conf >"$GUARD_DIR/guard.yaml"
expect_ok "an interface without native XDP is attached" guard_ctl attach lo
expect_contains "$(guard_ctl status | grep '^lo ')" generic "by generic XDP"
guard_ctl unload >/dev/null
expect_lacks "$(lab_server ip link show lo)" xdp "and unload detaches it"
done_testing
