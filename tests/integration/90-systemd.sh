#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# The installed daemon under a real systemd, on Debian 12's own kernel (6.1, the oldest supported),
# in an emulated machine: its whole life as a unit. What happens in there is
# tests/lib/vm-systemd.sh.
#
# Limit: 700 s

cd "$(dirname "$0")/../.." || exit 1
. tests/lib/tap.sh
. tests/lib/vm.sh

vm_need
vm_prepare 6.1 || skip_all "$VM_WHY"

root=$(mktemp -d /tmp/subzero-vm.XXXXXX) || exit 1
at_exit rm -rf "$root"
expect_ok "make install places everything" \
	env -u MAKEFLAGS -u MAKELEVEL make -s install DESTDIR="$root"
there=$root/opt/subzero
mkdir -p "$there/tests/lib"
cp tests/lib/tap.sh tests/lib/exit.sh tests/lib/vm-systemd.sh "$there/tests/lib/"
"${CLANG:-clang-19}" -target bpf -O2 -c tests/lib/xdp_pass.c -o "$there/xdp_pass.o" || exit 1

vm_boot "$root" /opt/subzero/tests/lib/vm-systemd.sh "${VM_SECONDS:-600}"
done_testing
