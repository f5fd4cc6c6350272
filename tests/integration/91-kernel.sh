#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# The BPF tests on Debian 12's own kernel: 6.1, the oldest supported, whose verifier accepts the
# least and which has no tcx.

cd "$(dirname "$0")/../.." || exit 1
. tests/lib/tap.sh
. tests/lib/vm.sh

vm_need
vm_prepare || skip_all "$VM_WHY"

root=$(mktemp -d /tmp/subzero-vm.XXXXXX) || exit 1
at_exit rm -rf "$root"
there=$root/opt/subzero
mkdir -p "$there/build/tests/bpf" "$there/tests/lib"
cp build/subzero.bpf.o "$there/build/" || exit 1
for source in tests/bpf/*.c; do
	cp "build/tests/bpf/$(basename "$source" .c)" "$there/build/tests/bpf/" || exit 1
done
cp tests/lib/tap.sh tests/lib/exit.sh tests/lib/vm-bpf.sh "$there/tests/lib/"
vm_boot "$root" /opt/subzero/tests/lib/vm-bpf.sh 280
done_testing
