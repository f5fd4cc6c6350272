# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash
#
# A client behind a cable with weather, beside the lab's own client. Sourced after netns.sh.
#
#   far ns                       client ns                     server ns
#   szf 10.99.0.3/24 --- veth -- szw   weather   szc --- veth -- szs
#       fd00:99::3/64
#
#   weather_up                              make the namespace; compile the cable
#   weather_set SEED LOSS DUP LATE DELAY    from now on this weather (see weather.c)
#   weather_says NAME                       a number of the weather that ended last
#   weather_end                             no cable; its exit status
#   far CMD...                              run behind it

FAR_NS=szf-$$
WEATHER_PID=

far() {
	nsenter --net="/run/netns/$FAR_NS" -- "$@"
}

weather_up() {
	at_exit weather_down
	# Frames as they are on a wire: nobody may leave work to the next one.
	"${CC:-gcc}" -std=gnu17 -O2 -Wall -Wextra -Werror -D_GNU_SOURCE tests/clients/weather.c \
		-o "$LAB_DIR/weather" &&
		ip netns add "$FAR_NS" &&
		lab_client ip link add szw type veth peer name szf netns "$FAR_NS" &&
		lab_client sysctl -qw net.ipv6.conf.szw.disable_ipv6=1 &&
		lab_client ip link set szw up &&
		far ip link set lo up &&
		far sysctl -qw net.ipv6.conf.szf.accept_dad=0 &&
		far ip addr add 10.99.0.3/24 dev szf &&
		far ip addr add fd00:99::3/64 dev szf nodad &&
		far ip link set szf up &&
		far ethtool -K szf tx off tso off gso off >/dev/null &&
		lab_client ethtool -K szw gro off >/dev/null &&
		lab_client ethtool -K "$LAB_CLIENT_IF" gro off >/dev/null &&
		lab_server ethtool -K "$LAB_SERVER_IF" tx off tso off gso off >/dev/null
}

weather_set() {
	[ -z "$WEATHER_PID" ] || weather_end
	(exec nsenter --net="/run/netns/$LAB_CLIENT_NS" -- \
		"$LAB_DIR/weather" szw "$LAB_CLIENT_IF" "$@") \
		>"$LAB_DIR/weather.out" 2>&1 </dev/null &
	WEATHER_PID=$!
	wait_until 10 far curl -s -m 1 -o /dev/null "http://$LAB_SERVER4:$LAB_PORT/health"
}

weather_end() {
	local pid=$WEATHER_PID
	WEATHER_PID=
	[ -z "$pid" ] || { kill "$pid" 2>/dev/null; wait "$pid"; }
}

weather_says() {
	sed -n "s/^$1=//p" "$LAB_DIR/weather.out"
}

weather_down() {
	weather_end
	[ ! -e "/run/netns/$FAR_NS" ] || ip netns del "$FAR_NS"
	return 0
}
