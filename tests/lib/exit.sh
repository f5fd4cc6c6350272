# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash
#
# at_exit COMMAND...: run it when the script ends, however it ends, last registered first. Sourced
# by tap.sh and netns.sh. A command sees the script's exit status in sz_exit_status; only one that
# sets sz_exit_final changes it.

[ -n "${sz_exit_loaded:-}" ] && return 0
sz_exit_loaded=1
sz_exit_commands=()

at_exit() {
	sz_exit_commands+=("$(printf '%q ' "$@")")
}

# Subshells inherit the list but not the trap, so nothing runs twice.
sz_exit_run() {
	local status=$? i
	trap '' INT TERM HUP
	set +e
	for ((i = ${#sz_exit_commands[@]} - 1; i >= 0; i--)); do
		# shellcheck disable=SC2034 # for the commands
		sz_exit_status=$status
		eval "${sz_exit_commands[i]}"
	done
	exit "${sz_exit_final:-$status}"
}

trap sz_exit_run EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
