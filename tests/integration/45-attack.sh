#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Nobody gets past the guard: crafted segments against a server that records every byte. First the
# named cases, then a campaign of random ones, then the cases that need a small flow map. The seed
# is another one every day and is printed; ATTACK_SEED, ATTACK_CASES choose.

cd "$(dirname "$0")/../.." || exit 1
. tests/lib/tap.sh
. tests/attack/run.sh

# Repeats the rig's TAP under this test's own numbers.
repeat() {
	local line status
	"$@" >"$LAB_DIR/tap" 2>&1
	status=$?
	while IFS= read -r line; do
		case $line in
		"ok "*) ok "${line#ok * - }" ;;
		"not ok "*) not_ok "${line#not ok * - }" ;;
		"TAP version"* | 1..*) ;;
		"#"*) echo "$line" ;;
		*) diag "$line" ;;
		esac
	done <"$LAB_DIR/tap"
	[ "$status" -le 1 ] || not_ok "the rig ran to its end" "exit status $status"
	rig_recorded=$(sed -nE 's/^# seed .*, ([0-9]+) requests admitted and recorded/\1/p' \
		"$LAB_DIR/tap")
}

# What was admitted by the guard's own account: every summary, of every principal and route.
admitted() {
	guard_ctl flush >/dev/null
	guard_sum summary
}

attack_up || exit 1
repeat attack_run --named all
before=$(admitted)
repeat attack_run --seed "${ATTACK_SEED:-$(date +%Y%m%d)}" --cases "${ATTACK_CASES:-1500}"
expect_ge "$(($(admitted) - before))" "${rig_recorded:-1}" \
	"no more requests reached the service than the audit log says were admitted"
expect_eq "$(guard_count desync)" 0 "the server never took bytes that were not admitted"
expect_ok "the daemon lives" guard_alive
expect_ok "the audit log verifies" guard_ctl audit verify

# Once more from nothing, with maps of another size.
guard_stop
guard_ctl unload >/dev/null
attack_small
guard_start || exit 1
ATT_SMALL=1 repeat attack_run --named all
done_testing
