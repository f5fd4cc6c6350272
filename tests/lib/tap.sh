# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash
#
# TAP for shell tests; the shell's counterpart of harness.h. A script sources it, makes assertions
# and ends with done_testing (or begins with `plan N`). A script that ends early, asserts nothing or
# misses its plan fails, so that no path through it can pass by accident.
#
#   expect_eq ACTUAL EXPECTED NAME         the strings are equal
#   expect_contains ACTUAL PART NAME       PART occurs in ACTUAL
#   expect_lacks ACTUAL PART NAME          PART does not occur in ACTUAL
#   expect_le A B NAME / expect_ge         numbers, fractions allowed
#   expect_ok NAME COMMAND...              the command exits 0 (its output is shown if not)
#   expect_fail NAME COMMAND...            the command exits 1 to 125: it ran and refused
#   ok NAME / not_ok NAME [DIAGNOSTIC]     the outcome of anything else
#   skip NAME WHY / skip_all WHY           what a person must do for it to run
#   wait_until SECONDS COMMAND...          polls; 0 as soon as the command does, 1 at the end

_tap_dir=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=tests/lib/exit.sh
. "$_tap_dir/exit.sh"

tap_plan=
tap_count=0
tap_failed=0
tap_asserted=0
tap_done=

echo "TAP version 14"

plan() {
	tap_plan=$1
	echo "1..$1"
}

diag() {
	printf '%s\n' "$*" | sed 's/^/# /'
}

ok() {
	tap_asserted=$((tap_asserted + 1))
	tap_count=$((tap_count + 1))
	echo "ok $tap_count - $1"
}

not_ok() {
	tap_asserted=$((tap_asserted + 1))
	tap_count=$((tap_count + 1))
	tap_failed=$((tap_failed + 1))
	[ -z "${2:-}" ] || diag "$2"
	echo "not ok $tap_count - $1"
}

skip() {
	tap_count=$((tap_count + 1))
	echo "ok $tap_count - $1 # SKIP $2"
}

skip_all() {
	[ "$tap_count" -eq 0 ] || { not_ok "skip_all comes first"; exit 1; }
	echo "1..0 # SKIP $1"
	tap_done=skipped
	exit 0
}

expect_eq() {
	if [ "$1" = "$2" ]; then ok "$3"; else not_ok "$3" "found '$1', expected '$2'"; fi
}

expect_contains() {
	case $1 in
	*"$2"*) ok "$3" ;;
	*) not_ok "$3" "expected '$2' in: $1" ;;
	esac
}

expect_lacks() {
	case $1 in
	*"$2"*) not_ok "$3" "did not expect '$2' in: $1" ;;
	*) ok "$3" ;;
	esac
}

# awk compares as text what is not a number, so anything else is refused first.
tap_number() {
	[[ $1 =~ ^-?[0-9]+(\.[0-9]+)?$ ]]
}

expect_le() {
	if tap_number "$1" && tap_number "$2" && awk "BEGIN { exit !($1 <= $2) }"; then
		ok "$3"
	else
		not_ok "$3" "expected '$1' <= '$2'"
	fi
}

expect_ge() {
	expect_le "$2" "$1" "$3"
}

expect_ok() {
	local name=$1 out status=0
	shift
	out=$("$@" 2>&1) || status=$?
	if [ $status -eq 0 ]; then ok "$name"; else not_ok "$name" "$* exited $status: $out"; fi
}

expect_fail() {
	local name=$1 out status=0
	shift
	out=$("$@" 2>&1) || status=$?
	if [ $status -ge 1 ] && [ $status -le 125 ]; then
		ok "$name"
	else
		not_ok "$name" "$* exited $status, expected a refusal: $out"
	fi
}

wait_until() {
	local end=$((SECONDS + $1 + 1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.02
	done
}

done_testing() {
	[ -n "$tap_plan" ] || echo "1..$tap_count"
	tap_plan=${tap_plan:-$tap_count}
	tap_done=1
}

# Registered first, so it runs after every cleanup and has the last word on the exit status.
tap_end() {
	[ "$tap_done" != skipped ] || return 0
	if [ "$sz_exit_status" -ne 0 ]; then
		diag "the script ended with $sz_exit_status before its end"
		tap_failed=$((tap_failed + 1))
	elif [ -z "$tap_done" ] && [ "$tap_plan" != "$tap_count" ]; then
		diag "the script ended without done_testing after $tap_count tests"
		tap_failed=$((tap_failed + 1))
	elif [ "$tap_plan" != "$tap_count" ]; then
		diag "planned $tap_plan tests, ran $tap_count"
		tap_failed=$((tap_failed + 1))
	fi
	if [ "$tap_asserted" -eq 0 ] && [ "$tap_count" -eq 0 ]; then
		diag "the script made no assertion"
		tap_failed=$((tap_failed + 1))
	fi
	sz_exit_final=$((tap_failed > 0 ? 1 : 0))
}
at_exit tap_end
