#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# The guard beside real servers: every request form known to be read in different ways goes to
# nginx, Apache httpd, HAProxy, lighttpd, node and Python, directly and through the guard. What they
# read differently must not pass; what passes, each must read as the guard has decided it.
#
#   46-http-servers.sh [--table] [--only TEXT]     by hand: every case and server; only some cases

cd "$(dirname "$0")/../.." || exit 1
. tests/lib/tap.sh
. tests/lib/netns.sh
. tests/lib/guard.sh
. tests/http/servers.sh

raw_port=8090

command -v python3 >/dev/null || skip_all "python3 is not installed; run: sudo scripts/setup peers"
lab_up || exit 1

# A source address for each connection, by which all records are joined.
lab_client ip route add local 10.96.0.0/12 dev lo || exit 1
lab_server ip route add 10.96.0.0/12 via "$LAB_CLIENT4" || exit 1

guard_conf() {
	local addresses="\"$LAB_SERVER4:$raw_port\"" one
	for one in $HTTP_SERVERS; do
		addresses+=", \"$LAB_SERVER4:${one#*:}\""
	done
	cat <<END
interfaces: [$LAB_SERVER_IF]
pin_dir: $GUARD_PINS
state_dir: $GUARD_DIR/state
control: $GUARD_DIR/control.sock
maps: {flows: 65536}
limits: {misses: 1000000/s, source_misses: 1000000/s}
issuers:
  - {issuer: $GUARD_ISS, jwks: jwks.json, audiences: ["$GUARD_AUD"], clock_skew: 0s}
services:
  - name: shop
    address: [$addresses]
    audit_requests: true
    routes:
      - {path: /, public: true}
      - {path: /orders, scopes: [orders:read]}
      - {path: /admin, scopes: [admin]}
END
}

http_servers || exit 1
guard_up || exit 1
guard_mint alice orders:read >"$GUARD_DIR/alice"
guard_mint mallory other:read >"$GUARD_DIR/mallory"

judge() {
	local ctl="$GUARD_BUILD/subzeroctl --pin-dir $GUARD_PINS --config $GUARD_DIR/guard.yaml"

	lab_server python3 -B tests/http/judge.py --space "/run/netns/$LAB_CLIENT_NS" \
		--address "$LAB_SERVER4" --servers "${HTTP_SERVERS# }" --raw $raw_port \
		--token "$GUARD_DIR/alice" --other "$GUARD_DIR/mallory" \
		--vectors "${SUBZERO_VECTORS:-../shared/data}" \
		--notes "$LAB_DIR/h-node.log" --notes "$LAB_DIR/h-python.log" \
		--log "$GUARD_DIR/state/audit/*.jsonl" \
		--flush "$ctl flush" \
		"$@"
}

status=0
judge "$@" >"$LAB_DIR/verdicts" 2>"$LAB_DIR/judge.err" || status=$?
while IFS= read -r line; do
	case $line in
	"ok "*) ok "${line#ok }" ;;
	"not ok "*) not_ok "${line#not ok }" ;;
	"skip "*) line=${line#skip } && skip "${line%%:*}" "${line#*: }" ;;
	*) diag "${line#\# }" ;;
	esac
done <"$LAB_DIR/verdicts"
expect_eq "$status $(tail -n 3 "$LAB_DIR/judge.err")" "0 " "every case was sent and judged"
for name in $HTTP_MISSING; do
	skip "what $name understands" "not installed; run: sudo scripts/setup peers"
done
expect_ok "the audit log verifies" guard_ctl audit verify
expect_eq "$(guard_count desync) $(guard_count changed)" "0 0" "no stream was torn"
done_testing
