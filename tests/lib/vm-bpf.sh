#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# What 91-kernel.sh runs inside the emulated machine: the object by bpftool, then every BPF test
# program, two at a time because the verifier is slow there. TAP goes to standard output.

cd /opt/subzero || exit 1
. tests/lib/tap.sh

diag "kernel $(uname -r)"
mkdir -m 0700 /sys/fs/bpf/by-hand
expect_ok "the verifier accepts both programs" bpftool prog loadall build/subzero.bpf.o \
	/sys/fs/bpf/by-hand/p pinmaps /sys/fs/bpf/by-hand
rm -rf /sys/fs/bpf/by-hand

# shellcheck disable=SC2016 # for the inner shell
printf '%s\n' build/tests/bpf/* | xargs -P 2 -I{} sh -c '{} >/run/$(basename {}).tap 2>&1;
	echo $? >/run/$(basename {}).status'
for t in build/tests/bpf/*; do
	name=${t##*/}
	if [ "$(cat "/run/$name.status")" = 0 ]; then
		ok "tests/bpf/$name: all $(grep -c '^ok ' "/run/$name.tap") tests"
	else
		not_ok "tests/bpf/$name" "$(grep -vE '^(ok|TAP) ' "/run/$name.tap")"
	fi
done
done_testing
