#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# The mutation check of scripts/check-rules as one test for each rule: without it a test must fail.

cd "$(dirname "$0")/../.." || exit 1
. tests/lib/tap.sh

command -v "${CLANG:-clang-19}" >/dev/null ||
	skip_all "needs ${CLANG:-clang-19}: run scripts/setup check"
out=$(scripts/check-rules 2>&1)
status=$?
while read -r word name found; do
	case $word in
	killed) ok "without $name a test fails ($found)" ;;
	SURVIVED) not_ok "without $name a test fails" "$found" ;;
	*) diag "$word $name $found" ;;
	esac
done <<<"$out"
expect_eq "$status" 0 "every test passes with every rule in place, and no rule is left without one"
done_testing
