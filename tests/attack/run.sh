#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Makes the attack rig's lab, starts the daemon, and runs build/tests/attack/campaign with the
# arguments given. Needs the built programs, iproute2, and root; no compiler, no web server, no
# client. Everything has names of its own and goes away at the end.
#
#   tests/attack/run.sh --seed 7 --cases 5000
#   tests/attack/run.sh --seed 7 --case 123 --verbose
#   tests/attack/run.sh --named all
#   ATT_SMALL=1 tests/attack/run.sh --named all     the cases that need a small flow map
#
# SZ_BUILD names another build directory. 45-attack.sh sources it for its functions.

cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
. tests/lib/exit.sh
. tests/lib/netns.sh
. tests/lib/guard.sh

# Budgets for one client that is all clients; a daemon that waits for a CPU is not a dead one.
GUARD_TOP='heartbeat_ttl: 1m
limits: {misses: 1000000/s, source_misses: 1000000/s, adaptive: none}'

# The lab without the client's own stack: its addresses are routed, its XDP program is the rig's.
attack_lab() {
	local mac
	at_exit lab_down
	LAB_DIR=$(mktemp -d /tmp/subzero-attack.XXXXXX) || return
	mountpoint -q /sys/fs/bpf || mount -t bpf bpf /sys/fs/bpf || return
	mkdir -p "$LAB_PINS" || return
	ip netns add "$LAB_CLIENT_NS" || return
	ip netns add "$LAB_SERVER_NS" || return
	lab_client ip link add szc type veth peer name szs netns "$LAB_SERVER_NS" || return
	lab_end client szc 10.99.0.1/24 fd00:99::1/64 || return
	lab_end server szs 10.99.0.2/24 fd00:99::2/64 || return
	mac=$(lab_client ip -o link show szc | sed -nE 's/.*link\/ether ([0-9a-f:]+).*/\1/p')
	lab_server ip neigh replace 10.99.0.1 lladdr "$mac" dev szs nud permanent &&
		lab_server ip neigh replace fd00:99::1 lladdr "$mac" dev szs nud permanent &&
		lab_server ip route add 10.98.0.0/16 via 10.99.0.1 &&
		lab_server ip route add fd00:98::/32 via fd00:99::1 &&
		lab_server sysctl -qw net.ipv4.tcp_max_syn_backlog=4096 net.core.somaxconn=4096
}


# Without tap.sh (which would print a plan of its own) the two words of it that guard.sh needs.
if ! declare -F wait_until >/dev/null; then
	wait_until() {
		local end=$((SECONDS + $1))
		shift
		until "$@" >/dev/null 2>&1; do
			[ "$SECONDS" -lt "$end" ] || return 1
			sleep 0.05
		done
	}
	diag() {
		printf '# %s\n' "$*"
	}
fi

attack_env() {
	export ATT_CLIENT_NS=/run/netns/$LAB_CLIENT_NS ATT_SERVER_NS=/run/netns/$LAB_SERVER_NS
	export ATT_CLIENT_IF=szc ATT_SERVER_IF=szs ATT_PORT=$LAB_PORT
	export ATT_SERVER4=$LAB_SERVER4 ATT_SERVER6=$LAB_SERVER6
	export ATT_KEY=$GUARD_DIR/key.jwk ATT_ISS=$GUARD_ISS ATT_AUD=$GUARD_AUD
	ATT_CTL="$(realpath "$GUARD_BUILD/subzeroctl") --pin-dir $GUARD_PINS"
	ATT_CTL+=" --config $GUARD_DIR/guard.yaml"
	export ATT_CTL ATT_PINS=$GUARD_PINS
}

# A flow map that a few hundred connections overflow.
attack_small() {
	guard_conf | sed 's/flows: 65536/flows: 64/' >"$GUARD_DIR/guard.yaml"
}

attack_up() {
	attack_lab && guard_files || return
	[ -z "${ATT_SMALL:-}" ] || attack_small
	guard_start && attack_env
}

attack_run() {
	"$GUARD_BUILD/tests/attack/campaign" "$@"
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
	attack_up || exit 1
	attack_run "$@"
fi
