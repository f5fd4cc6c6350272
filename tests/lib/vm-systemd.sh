#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# What 90-systemd.sh runs inside the emulated machine, as root, under its systemd: the installed
# unit through its life, with a real nginx behind the guard. It may do to the machine whatever it
# likes. TAP goes to standard output.

cd /opt/subzero || exit 1
. tests/lib/tap.sh

conf=/etc/subzero/subzero.yaml
url=http://10.99.0.2:8080
work=/run/lab
mkdir -p $work

client() {
	nsenter --net=/run/netns/client -- "$@"
}
# status TOKEN [PATH]: what the client gets; no token for "-".
status() {
	local auth=(-H "Authorization: Bearer $1")
	[ "$1" != - ] || auth=()
	client curl -s -o /dev/null -m 5 -w '%{http_code}' "${auth[@]}" "$url${2:-/orders}"
}
is_status() {
	[ "$(status "$1" "${3:-/orders}")" = "$2" ]
}
unit() {
	systemctl show subzero --property="$1" --value
}
is_unit() {
	[ "$(unit "$1")" = "$2" ]
}
# counter NAME: how often the kernel has decided that way.
counter() {
	subzeroctl counters --all | awk -v name="$1" '$1 == name { print $2 }'
}
mint() {
	subzeroctl token mint --key $work/key --iss https://issuer.test/ --aud https://api.test \
		--scope orders:read --sub "$1"
}
config() {
	cat <<END
interfaces: [szs]
issuers:
  - {issuer: https://issuer.test/, jwks: jwks.json, audiences: [https://api.test]}
services:
  - name: shop
    address: 10.99.0.2:8080
    routes:
      - {path: /orders, scopes: [orders:read]}
$1
END
}

lab() {
	ip link set lo up &&
		ip netns add client &&
		client ip link add szc type veth peer name szs netns 1 &&
		ip addr add 10.99.0.2/24 dev szs && ip link set szs up &&
		client ip addr add 10.99.0.1/24 dev szc && client ip link set szc up &&
		client ip link set dev szc xdpdrv obj xdp_pass.o sec xdp || return
	cat >"$work/nginx.conf" <<-END
		pid $work/nginx.pid;
		error_log $work/error.log;
		events { }
		http {
			access_log off;
			server { listen 10.99.0.2:8080; location / { return 200 "hello\n"; } }
		}
	END
	nginx -c "$work/nginx.conf"
}

diag "kernel $(uname -r), $(systemctl --version | head -n 1)"

expect_ok "the lab stands: namespace, veth pair, nginx" lab
expect_ok "a key pair is made" subzeroctl keys generate --alg EdDSA --out $work/key \
	--jwks /etc/subzero/jwks.json
config >$conf
expect_ok "the configuration is good" subzerod --check-config --config $conf
known=$(mint known)
other=$(mint other)
expect_eq "$(status -)" 200 "without the guard the service is open"

# ---- start -------------------------------------------------------------------------------------
expect_ok "systemctl start returns when the daemon has said READY" systemctl start subzero
if [ "$(unit ActiveState)" != active ]; then
	diag "$(journalctl -u subzero --no-pager -o short-monotonic | tail -n 20)"
	exit 1
fi
expect_eq "$(unit ActiveState)/$(unit SubState)" active/running "the unit is active"
expect_eq "$(unit Type)" notify "readiness is the daemon's word"
expect_eq "$(unit WatchdogUSec)" 10s "the watchdog is armed"
expect_eq "$(stat -c %a /run/subzero /var/lib/subzero /sys/fs/bpf/subzero | paste -sd' ')" \
	"700 700 700" "runtime directory, state and pins are root's alone"
expect_eq "$(status -)" 401 "no token: 401"
expect_eq "$(status "$known")" 200 "first use of a token: 200"
before=$(counter hit)
expect_eq "$(status "$known")" 200 "second use: 200"
expect_eq "$(counter hit)" $((before + 1)) "the second use was decided by the kernel"
expect_eq "$(status "$known" /admin)" 403 "a route that no rule covers: 403"

pid=$(unit MainPID)
caps=$(awk '/^Cap(Prm|Eff|Bnd):/ { print $2 }' "/proc/$pid/status" | sort -u)
expect_eq "$caps" 000000c000001000 "its capabilities are BPF, NET_ADMIN and PERFMON"
expect_eq "$(awk '/^(NoNewPrivs|Seccomp):/ { print $2 }' "/proc/$pid/status" | paste -sd' ')" \
	"1 2" "no new privileges, and a system call filter"
score=$(systemd-analyze security --no-pager subzero |
	sed -n 's/.*Overall exposure level.*: \([0-9.]*\).*/\1/p')
diag "systemd-analyze security: exposure $score (0 none, 10 all)"
expect_le "${score:-none}" 3 "systemd calls the sandbox tight"

# ---- reload --------------------------------------------------------------------------------------
config "      - {path: /health, public: true}" >$conf
expect_ok "a reload with a good file succeeds" systemctl reload subzero
wait_until 5 is_status - 200 /health
expect_eq "$(status - /health)" 200 "the new file is in force"
expect_eq "$(unit MainPID)" "$pid" "a reload keeps the process"
expect_eq "$(status "$known")" 200 "a token goes on working across a reload"
config "      - {path: /health, publik: true}" >$conf
expect_fail "a reload with a bad file fails" systemctl reload subzero
expect_contains "$(journalctl -u subzero --no-pager -o cat)" "subzero.yaml:9: " \
	"the journal names the line"
expect_ok "SIGHUP reaches the daemon with the bad file" \
	systemctl kill -s HUP --kill-who=main subzero
wait_until 5 sh -c "journalctl -u subzero -o cat --no-pager | grep -q 'reload refused'"
expect_contains "$(journalctl -u subzero --no-pager -o cat)" "reload refused" \
	"the daemon refuses it, too"
expect_eq "$(unit ActiveState)/$(unit MainPID)" "active/$pid" "and goes on"
expect_eq "$(status - /health) $(status -) $(status "$known")" "200 401 200" \
	"the old file stays in force"
config "      - {path: /health, public: true}" >$conf

# ---- crash ---------------------------------------------------------------------------------------
kill -KILL "$pid"
expect_eq "$(status "$known")" 200 "a known token works while the daemon is down"
expect_eq "$(status -)" 401 "no token is 401 while the daemon is down"
wait_until 30 is_unit NRestarts 1
wait_until 30 is_unit ActiveState active
expect_eq "$(unit NRestarts)/$(unit ActiveState)" 1/active "systemd starts it again"
expect_ok "it is another process" \
	test "$(unit MainPID)" -gt 0 -a "$(unit MainPID)" != "$pid"
before=$(counter hit)
expect_eq "$(status "$known") $(($(counter hit) - before))" "200 1" \
	"the known token is still known"
expect_eq "$(status "$other")" 200 "a token it has not seen is verified"

# ---- watchdog ------------------------------------------------------------------------------------
pid=$(unit MainPID)
kill -STOP "$pid"
wait_until 30 is_unit NRestarts 2
wait_until 30 is_unit ActiveState active
expect_eq "$(unit NRestarts)/$(unit ActiveState)" 2/active "a daemon that hangs is replaced"
expect_eq "$(status "$(mint third)")" 200 "and the next one verifies"

# ---- stop ----------------------------------------------------------------------------------------
expect_ok "systemctl stop succeeds" systemctl stop subzero
expect_eq "$(unit ActiveState)/$(unit Result)" inactive/success "the unit is down, in order"
expect_eq "$(status "$known")" 200 "stopped: a known token passes"
expect_eq "$(status -)" 401 "stopped: no token is 401"
expect_eq "$(status "$(mint fourth)")" 503 "stopped: an unknown token is 503"
expect_ok "the audit log is whole" subzeroctl audit verify
expect_ok "it starts once more over its own pins" systemctl start subzero
expect_eq "$(status "$(mint fifth)") $(status "$known")" "200 200" "and decides again"
[ "$tap_failed" -eq 0 ] ||
	diag "$(journalctl -u subzero --no-pager -o short-monotonic | tail -n 60)"

done_testing
