#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Nothing is wrong and nothing is lost at load: every request gets its status, and the client, the
# service, the kernel's counters and the audit log count the same. REQUESTS (default 100000).
#
# shellcheck disable=SC2119 # functions whose arguments are optional

cd "$(dirname "$0")/../.." || exit 1
. tests/lib/tap.sh
. tests/lib/netns.sh
. tests/lib/guard.sh

requests=${REQUESTS:-100000}
mix=get:70,post1k:20,post64k:8,post1m:2
lab_up || exit 1
lab_client sysctl -qw net.ipv4.ip_local_port_range="10000 65000"
lab_nginx || exit 1
guard_up || exit 1
for i in $(seq 20); do
	guard_mint "user$i" orders:read
done >"$GUARD_DIR/tokens"

per_principal() {
	local i
	for i in $(seq 20); do
		guard_sum summary "\"principal\":\"user$i ("
	done | paste -sd' '
}

guard_load -n "$requests" -c 64 -t "$GUARD_DIR/tokens" -p /orders -x $mix -E
diag "$GUARD_LOAD"
expect_eq "$(guard_load_says wrong)" 0 "no response is wrong"
expect_eq "$(guard_load_says 200)" "$requests" "every request is served"
expect_eq "$(guard_load_says connects)" 64 "no connection was lost"
expect_eq "$(lab_nginx_count)" "$requests" "the service got every request once"
expect_eq "$(guard_hits)" "$requests" "the kernel counted every request"
expect_ok "flush" guard_ctl flush
expect_ok "the audit log verifies" guard_ctl audit verify
expect_eq "$(guard_sum summary)" "$requests" "the summaries add up to every request"
each=$((requests / 20))
expect_eq "$(per_principal)" "$(for i in $(seq 20); do echo $each; done | paste -sd' ')" \
	"and to each identity's share"
expect_eq "$(guard_count desync) $(guard_count changed) $(guard_count state_full)" "0 0 0" \
	"no stream was torn and no room ran out"
expect_ok "flush again" guard_ctl flush
expect_eq "$(guard_sum summary)" "$requests" "a second summary repeats nothing"

# ---- a fifth of the requests is refused ---------------------------------------------------------
more=$((requests / 5))
fifth=$((more / 5))
for i in 1 2 3 4; do
	sed -n "$((4 * i - 3)),$((4 * i))p" "$GUARD_DIR/tokens"
	guard_mint "stranger$i" other
done >"$GUARD_DIR/mixed"
before_nginx=$(lab_nginx_count)
guard_load -n "$more" -c 64 -t "$GUARD_DIR/mixed" -p /orders -x $mix -E -e 200,403
diag "$GUARD_LOAD"
expect_eq "$(guard_load_says wrong)" 0 "no response is wrong with a fifth refused"
expect_eq "$(guard_load_says 403) $(guard_load_says 200)" "$fifth $((more - fifth))" \
	"exactly the fifth without the scope is refused"
expect_eq "$(($(lab_nginx_count) - before_nginx))" $((more - fifth)) \
	"the service got exactly the rest"
expect_ok "flush" guard_ctl flush
expect_eq "$(guard_count no_scope)" $fifth "the kernel counted each refusal"
expect_eq "$(($(guard_records denial '"reason":"no_scope"') + $(guard_sum lost \
	'"reason":"no_scope"')))" $fifth "each refusal is on record, or counted as lost"
expect_eq "$(guard_sum summary)" $((requests + more - fifth)) \
	"the summaries add up to every admitted request"
expect_eq "$(guard_hits)" "$(lab_nginx_count)" "as do the kernel's and the service's counts"
expect_ok "the audit log verifies" guard_ctl audit verify
done_testing
