# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash disable=SC2119,SC2120
#
# Somebody who floods the lab's server: a namespace with a veth pair of its own, beside the
# client's. For `make bench-flood` and its test, sourced after netns.sh. It must never send
# anything outside of the lab.
#
#   flooder ns                         server ns
#   szf 10.98.0.1/24  ---- veth ---    szx 10.98.0.2/24      the guard attaches to szx, too
#       fd00:98::1/64                      fd00:98::2/64     made-up sources are routed back here
#
#   flood_up                      make it; removed at exit
#   flood_by CMD...               run in the flooder's namespace
#   flood_run OPTION...           one flood, to its end; JSON in $FLOOD
#   flood_says MEMBER             a number of it; a status as 401
#   flood_pin SERVER_CPU CLIENT_CPU
#                                 receive all frames of the server on one CPU and those of the
#                                 others on another, ahead of every process, as softirq does
#                                 behind a NIC. A veth's frames are else received on the sender's
#                                 CPU, and the flood would cost nobody but the flooder.

FLOOD_NS=szf-$$
# shellcheck disable=SC2034 # for the scripts that source this
{
	FLOOD_IF=szf
	FLOOD_SERVER_IF=szx
	FLOOD_SERVER4=10.98.0.2
	FLOOD_SERVER6=fd00:98::2
}
FLOOD=

flood_by() {
	nsenter --net="/run/netns/$FLOOD_NS" -- "$@"
}

flood_down() {
	[ ! -e "/run/netns/$FLOOD_NS" ] || ip netns del "$FLOOD_NS"
}

flood_up() {
	at_exit flood_down
	ip netns add "$FLOOD_NS" || return
	flood_by ip link add szf type veth peer name szx netns "$LAB_SERVER_NS" || return
	lab_end flooder szf 10.98.0.1/24 fd00:98::1/64 || return
	lab_end server szx 10.98.0.2/24 fd00:98::2/64 || return
	lab_server ip route add 198.18.0.0/15 via 10.98.0.1 &&
		lab_server ip -6 route add 2001:db8::/32 via fd00:98::1
}

# For lab_end, which makes an end of the pair in the namespace of lab_NAME.
lab_flooder() {
	flood_by "$@"
}

flood_url() {
	if [ "${FLOOD_FAMILY:-4}" = 6 ]; then
		echo "http://[$FLOOD_SERVER6]:${1:-$LAB_PORT}"
	else
		echo "http://$FLOOD_SERVER4:${1:-$LAB_PORT}"
	fi
}

flood_run() {
	FLOOD=$(flood_by "${SZ_BUILD:-build}/tools/sz-flood" -i "$FLOOD_IF" -j "$@" \
		"$(flood_url)" 2>&1)
}

flood_says() {
	grep -oE "\"$1\":[0-9.]+" <<<"$FLOOD" | head -n 1 | cut -d: -f2 | grep . || echo 0
}

# flood_thread client|server|flooder INTERFACE CPU: a kernel thread there receives its frames.
flood_thread() {
	local pid
	"lab_$1" unshare -m sh -c 'mount -t sysfs sysfs /sys &&
		echo 1 >"/sys/class/net/$1/threaded"' threaded "$2" || return
	for pid in $(pgrep "^napi/$2-"); do
		taskset -pc "$3" "$pid" >/dev/null && chrt -f -p 1 "$pid" || return
	done
}

# Ends of a pair without an XDP program only get such a thread with GRO.
flood_pin() {
	lab_server ethtool -K "$LAB_SERVER_IF" gro on &&
		lab_server ethtool -K "$FLOOD_SERVER_IF" gro on &&
		flood_by ethtool -K "$FLOOD_IF" gro on || return
	flood_thread server "$LAB_SERVER_IF" "$1" && flood_thread server "$FLOOD_SERVER_IF" "$1" &&
		flood_thread client "$LAB_CLIENT_IF" "$2" && flood_thread flooder "$FLOOD_IF" "$2"
}
