#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# The programs and the BPF tests on another kernel, in an emulated machine: by default Debian 12's
# own 6.1, the oldest supported, whose verifier accepts the least and which has no tcx. SZ_KERNEL
# names another one of tests/lib/vm.sh. What happens in there is tests/lib/vm-bpf.sh.
#
# Limit: 1000 s

cd "$(dirname "$0")/../.." || exit 1
. tests/lib/tap.sh
. tests/lib/vm.sh

vm_need
vm_prepare "${SZ_KERNEL:-6.1}" || skip_all "$VM_WHY"

root=$(mktemp -d /tmp/subzero-vm.XXXXXX) || exit 1
at_exit rm -rf "$root"
there=$root/opt/subzero
mkdir -p "$there/build/tests/bpf" "$there/tests/lib" "$there/tests/bpf"
cp build/subzero.bpf.o build/subzeroctl "$there/build/" || exit 1
cp tests/bpf/*.c "$there/tests/bpf/"
for source in tests/bpf/*.c; do
	cp "build/tests/bpf/$(basename "$source" .c)" "$there/build/tests/bpf/" || exit 1
done
cp tests/lib/*.sh "$there/tests/lib/"
if [ -e tests/attack/run.sh ]; then
	mkdir -p "$there/build/tests/attack" "$there/tests/attack"
	cp build/subzerod "$there/build/" && cp tests/attack/run.sh "$there/tests/attack/" &&
		cp build/tests/attack/campaign "$there/build/tests/attack/" || exit 1
fi
vm_boot "$root" /opt/subzero/tests/lib/vm-bpf.sh "${VM_SECONDS:-900}"
done_testing
