#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# What has to hold on every kernel: both programs load and attach, by what this kernel has, every
# BPF test passes, and no named attack gets through. Run by 91-kernel.sh in an emulated machine, and
# by scripts/check-kernels on the running kernel. TAP goes to standard output.

cd "$(dirname "$0")/../.." || exit 1
. tests/lib/tap.sh
. tests/lib/vm.sh

pins=/sys/fs/bpf/sz-kernel-$$
work=$(mktemp -d /tmp/subzero-kernel.XXXXXX) || exit 1
at_exit rm -rf "$work" "$pins"

# at_least VERSION: what the kernel calls itself.
at_least() {
	printf '%s\n' "$1" "$(uname -r)" | sort -VC
}

# On a veth pair of its own: XDP mode, what holds it, what egress hangs on.
attach() {
	unshare --net sh -c '
		ip link add v0 type veth peer name v1 && ip link set v0 up && ip link set v1 up &&
			build/subzeroctl --pin-dir "$0" attach v0 >/dev/null &&
			build/subzeroctl --pin-dir "$0" status --json
		build/subzeroctl --pin-dir "$0" unload >/dev/null' "$pins" 2>&1 |
		tee "$work/attach" |
		sed -nE 's/^ *"(mode|ingress|egress)": "([a-z]+)".*/\2/p' | paste -sd' '
}

diag "kernel $(uname -r)"
mkdir -m 0700 "$pins"
expect_ok "the verifier accepts both programs" bpftool prog loadall build/subzero.bpf.o "$pins" \
	pinmaps "$pins"
if at_least 6.6; then
	expect_eq "$(attach)" "native link tcx" "XDP by a native link, egress by tcx"
else
	expect_eq "$(attach)" "native link clsact" "XDP by a native link; no tcx, egress by clsact"
fi
[ "$tap_failed" -eq 0 ] || diag "$(cat "$work/attach")"

# Two at a time, because the verifier is slow in an emulated machine. Those of kern load the object
# again and again: they come first, so that no long one is last.
# shellcheck disable=SC2016 # for the inner shell
basename -s .c tests/bpf/kern_*.c tests/bpf/[!k]*.c | W=$work xargs -P 2 -I{} \
	sh -c 'from=$(date +%s); build/tests/bpf/{} >$W/{}.tap 2>&1; echo $? >$W/{}.status
		echo $(($(date +%s) - from)) >$W/{}.seconds'
for name in $(basename -s .c tests/bpf/*.c); do
	grep '^# verifier ' "$work/$name.tap"
	if [ "$(cat "$work/$name.status")" = 0 ]; then
		ok "tests/bpf/$name: all $(grep -c '^ok ' "$work/$name.tap") tests"
		diag "$(cat "$work/$name.seconds") s"
	else
		not_ok "tests/bpf/$name" "$(grep -vE '^(ok|TAP) ' "$work/$name.tap")"
	fi
done

# named_attacks SMALL: with the flow map as it is configured, or (1) so small that it overflows.
named_attacks() {
	vm_report < <(
		env ${1:+ATT_SMALL=1} bash tests/attack/run.sh --named all 2>&1
		echo "exit $?"
	)
	expect_eq "$VM_LAST" "exit 0" "the named attacks ${1:+on a small flow map }ran to their end"
}

if [ -e tests/attack/run.sh ]; then
	named_attacks ""
	named_attacks 1
fi
done_testing
