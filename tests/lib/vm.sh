# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash
#
# Emulated machines: Debian 12's own kernel and systemd under QEMU, without KVM. Sourced by
# integration tests after tap.sh. Kernel and root file system are made once and kept in
# build/vm/ under a hash of this recipe; what is under test is copied in at each boot, and what the
# machine writes is thrown away.
#
#   vm_need                        skips the test by name where something is missing
#   vm_prepare                     makes or finds kernel and root file system; 1 with VM_WHY if not
#   vm_boot PAYLOAD SCRIPT SECONDS copies PAYLOAD over the root, runs bash SCRIPT as a unit; its
#                                  TAP becomes this test's own, and it must run to its end

VM_DIR=build/vm
VM_SUITE=bookworm
VM_KERNEL=linux-image-cloud-amd64
VM_PACKAGES=systemd,systemd-sysv,kmod,iproute2,nginx-light,curl,procps,busybox-static,libbpf1
VM_PACKAGES+=,liburing2,libssl3,libsodium23,libjansson4,libyaml-0-2,bpftool,ethtool
# In the order in which they are loaded.
VM_MODULES="virtio_ring virtio virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci virtio_blk
	veth cls_bpf sch_ingress"
VM_WHY=

vm_need() {
	local c
	for c in qemu-system-x86_64 mmdebstrap mke2fs apt-get; do
		command -v "$c" >/dev/null || skip_all "$c is missing: run scripts/setup vm"
	done
	[ "$(dpkg --print-architecture)" = amd64 ] || skip_all "the emulated machine is amd64 only"
	[ "$(id -u)" -eq 0 ] || skip_all "making a root file system needs root"
}

# This machine's own Debian mirrors, where it has any of that release.
vm_sources() {
	# shellcheck disable=SC2016 # apt's variables
	apt-get indextargets --format '$(ORIGIN) deb $(REPO_URI) $(RELEASE) $(COMPONENT)' \
		'Created-By: Packages' 2>/dev/null |
		sed -n "s/^Debian \(deb .* ${VM_SUITE}[^ ]* main\)\$/\1/p" | sort -u
}

# Runs in the new root: fetches the kernel's package and unpacks it to /kernel.
vm_fetch_kernel() {
	cat <<END
set -e
p=\$(apt-cache depends --important $VM_KERNEL |
	sed -n 's/.*Depends: \(linux-image-\)/\1/p' | head -n 1)
cd /tmp
apt-get -o APT::Sandbox::User=root download "\$p"
dpkg-deb -x "\$p"_*.deb /kernel
rm -f /tmp/*.deb
END
}

vm_make() {
	local dir=$1 sources m f
	sources=$(vm_sources)
	mkdir -p "$dir/root" "$dir/modules"
	vm_fetch_kernel >"$dir/fetch"
	# shellcheck disable=SC2086 # nothing at all where there are no sources
	mmdebstrap --variant=minbase --include="$VM_PACKAGES" \
		--dpkgopt='path-exclude=/usr/share/doc/*' \
		--dpkgopt='path-exclude=/usr/share/man/*' \
		--dpkgopt='path-exclude=/usr/share/locale/*' \
		--customize-hook="chroot \"\$1\" sh -s <'$PWD/$dir/fetch'" \
		"$VM_SUITE" "$dir/root.tar" ${sources:+-} <<<"$sources" || return
	tar -C "$dir/root" -xf "$dir/root.tar" || return
	cp "$dir"/root/kernel/boot/vmlinuz-* "$dir/vmlinuz" &&
		cp "$dir/root/bin/busybox" "$dir/busybox" || return
	for m in $VM_MODULES; do
		f=$(find "$dir/root/kernel" -name "$m.ko")
		[ -z "$f" ] || cp "$f" "$dir/modules/" || return
	done
	rm -rf "$dir/root/kernel" "$dir/root.tar"
	mke2fs -q -t ext4 -O '^has_journal' -d "$dir/root" "$dir/root.img" 600M || return
	rm -rf "$dir/root"
}

vm_prepare() {
	local key dir log=$VM_DIR/make.log
	key=$(sha256sum tests/lib/vm.sh | cut -c 1-16)
	VM_CACHE=$VM_DIR/$key
	[ ! -e "$VM_CACHE/root.img" ] || return 0
	mkdir -p "$VM_DIR" || return
	dir=$(mktemp -d "$VM_DIR/new.XXXXXX") || return
	at_exit rm -rf "$PWD/$dir"
	diag "making kernel and root file system ($log)"
	if ! vm_make "$dir" >"$log" 2>&1; then
		# shellcheck disable=SC2034 # for the caller
		VM_WHY="no root file system or kernel could be made: $(grep -m 1 '^E: ' "$log")"
		return 1
	fi
	find "$VM_DIR" -mindepth 1 -maxdepth 1 -type d ! -path "$dir" -exec rm -rf {} +
	chmod 755 "$dir"
	mv "$dir" "$VM_CACHE"
}

# The first process in the machine: finds the disk, lays the payload over it, hands over.
vm_init() {
	cat <<-'END'
		#!/busybox sh
		/busybox mount -t devtmpfs dev /dev
		for m in MODULES; do /busybox insmod /modules/$m.ko; done
		i=0
		while [ ! -b /dev/vda ] && [ $i -lt 100 ]; do
			/busybox usleep 50000
			i=$((i + 1))
		done
		/busybox mount -t ext4 /dev/vda /root || /busybox poweroff -f
		/busybox cp -a /payload/. /root/
		exec /busybox switch_root /root /lib/systemd/systemd
	END
}

vm_initrd() {
	local tree=$1 units=$1/payload/etc/systemd/system m list=
	for m in $VM_MODULES; do
		[ ! -e "$VM_CACHE/modules/$m.ko" ] || list="$list $m"
	done
	mkdir -p "$tree/dev" "$tree/root" "$units/multi-user.target.wants" &&
		ln -s ../inside.service "$units/multi-user.target.wants/" &&
		cp -r "$VM_CACHE/modules" "$VM_CACHE/busybox" "$tree/" || return
	vm_init | sed "s/MODULES/$list/" >"$tree/init"
	chmod 755 "$tree/init"
	cat >"$units/inside.service" <<-END
		[Unit]
		After=multi-user.target
		[Service]
		Type=oneshot
		TimeoutStartSec=infinity
		ExecStart=/bin/sh -c 'bash $2 >/dev/ttyS1 2>&1; echo "exit \$\$?" >/dev/ttyS1'
		ExecStopPost=/bin/systemctl poweroff -ff
	END
	(cd "$tree" && find . | ./busybox cpio -o -H newc) >"$3" 2>/dev/null
}

vm_boot() {
	local payload=$1 work
	work=$(mktemp -d "$VM_DIR/boot.XXXXXX") || return
	at_exit rm -rf "$PWD/$work"
	mkdir -p "$work/tree/payload" && cp -a "$payload/." "$work/tree/payload/" || return
	if [ -d "$work/tree/payload/lib" ]; then # a link to usr/lib in the machine
		mkdir -p "$work/tree/payload/usr/lib" &&
			cp -a "$work/tree/payload/lib/." "$work/tree/payload/usr/lib/" &&
			rm -rf "$work/tree/payload/lib" || return
	fi
	vm_initrd "$work/tree" "$2" "$work/initrd" || return
	timeout --kill-after=5 "$3" qemu-system-x86_64 -accel tcg,thread=multi -machine q35 \
		-cpu max -smp 2 -m 1024 -display none -nodefaults -no-reboot \
		-serial "file:$work/console" \
		-serial "file:$work/out" -kernel "$VM_CACHE/vmlinuz" -initrd "$work/initrd" \
		-drive "file=$VM_CACHE/root.img,if=virtio,format=raw,snapshot=on" \
		-append "console=ttyS0 panic=-1 quiet mitigations=off systemd.show_status=0 \
systemd.mask=serial-getty@ttyS0.service systemd.mask=nginx.service" </dev/null >"$work/qemu" 2>&1
	tr -d '\r' <"$work/out" >"$work/tap"
	vm_report <"$work/tap"
	# shellcheck disable=SC2154 # of tap.sh
	[ "$tap_failed" -eq 0 ] || diag "$(tail -n 5 "$work/qemu" "$work/console")"
	expect_contains "$(tail -n 1 "$work/tap")" "exit " "the machine ran to its end"
}

# Repeats TAP under this test's own numbers.
vm_report() {
	local line
	while IFS= read -r line; do
		case $line in
		"ok "*"# SKIP "*)
			line=${line#ok * - }
			skip "${line%% # SKIP *}" "${line##*# SKIP }"
			;;
		"ok "*) ok "${line#ok * - }" ;;
		"not ok "*) not_ok "${line#not ok * - }" ;;
		"#"*) echo "$line" ;;
		"TAP version"* | 1..* | "exit "*) ;;
		*) diag "$line" ;;
		esac
	done
}
