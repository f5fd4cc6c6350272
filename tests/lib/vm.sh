# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash
#
# Emulated machines: Debian 12's systemd on one of several Debian kernels under QEMU, without KVM.
# Sourced by integration tests after tap.sh. Root file system and kernels are made once each and
# kept in build/vm/ under a hash of their recipe; what is under test is copied in at each boot, and
# what the machine writes is thrown away.
#
#   vm_need                        skips the test by name where something is missing
#   vm_prepare [KERNEL]            makes or finds root file system and kernel (a name of
#                                  VM_KERNELS, default 6.1); 1 with VM_WHY if not
#   vm_boot PAYLOAD SCRIPT SECONDS copies PAYLOAD over the root, runs bash SCRIPT as a unit; its
#                                  TAP becomes this test's own as it comes, and it must run to its
#                                  end

VM_DIR=${VM_DIR:-build/vm}
VM_SUITE=bookworm
# Name, Debian suite, package that depends on the newest of its kind.
VM_KERNELS="6.1 bookworm linux-image-cloud-amd64
6.12 bookworm linux-image-6.12-cloud-amd64
backports trixie-backports linux-image-cloud-amd64"
VM_PACKAGES=systemd,systemd-sysv,kmod,iproute2,nginx-light,curl,procps,busybox-static,libbpf1
VM_PACKAGES+=,liburing2,libssl3,libsodium23,libjansson4,libyaml-0-2,libcurl4,liblmdb0,libmaxminddb0
VM_PACKAGES+=,bpftool,ethtool
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

# vm_sources SUITE: this machine's own Debian mirrors, where it has any; they hold every suite.
vm_sources() {
	local which="s/^Debian \\(deb [^ ]*\\) [a-z]* main\$/\\1 $1 main/p"
	[ "$1" != "$VM_SUITE" ] || which="s/^Debian \\(deb .* $1[^ ]* main\\)\$/\\1/p"
	# shellcheck disable=SC2016 # apt's variables
	apt-get indextargets --format '$(ORIGIN) deb $(REPO_URI) $(RELEASE) $(COMPONENT)' \
		'Created-By: Packages' 2>/dev/null | sed -n "$which" | sort -u
}

# vm_bootstrap SUITE TARGET OPTION...
vm_bootstrap() {
	local suite=$1 target=$2 sources
	shift 2
	sources=$(vm_sources "$suite")
	# shellcheck disable=SC2086 # nothing at all where there are no sources
	mmdebstrap --mode=root "$@" "$suite" "$target" ${sources:+-} <<<"$sources"
}

# Runs with the package lists of its suite, in an empty root: fetches the newest kernel that
# package $1 stands for and unpacks it to $2.
vm_fetch_kernel() {
	cat <<-END
		set -e
		export APT_CONFIG="\$MMDEBSTRAP_APT_CONFIG"
		mkdir "$2/deb"
		cd "$2/deb"
		apt-get -o APT::Sandbox::User=root download \
			\$(apt-cache depends --recurse --important $1 |
			grep -E '^linux-(image|binary|modules)-[0-9].*-cloud-amd64\$' |
			grep -vx $1 | sort -u)
		for deb in *.deb; do dpkg-deb -x "\$deb" "$2/kernel"; done
	END
}

# vm_make_kernel SUITE PACKAGE DIR
vm_make_kernel() {
	local dir=$3 m f
	vm_fetch_kernel "$2" "$dir" >"$dir/fetch"
	vm_bootstrap "$1" /dev/null --variant=custom --format=tar \
		--customize-hook="sh '$dir/fetch'" || return
	f=$(find "$dir/kernel" -type f -name 'vmlinuz*')
	cp "$f" "$dir/vmlinuz" && mkdir "$dir/modules" || return
	for m in $VM_MODULES; do
		f=$(find "$dir/kernel" -name "$m.ko" -o -name "$m.ko.xz")
		case $f in
		'') ;; # built in
		*.xz) "$VM_ROOT/busybox" unxz -c "$f" >"$dir/modules/$m.ko" || return ;;
		*) cp "$f" "$dir/modules/" || return ;;
		esac
	done
	rm -rf "$dir/kernel" "$dir/deb"
}

# vm_make_root DIR
vm_make_root() {
	local dir=$1
	vm_bootstrap "$VM_SUITE" "$dir/root" --variant=minbase --include="$VM_PACKAGES" \
		--dpkgopt='path-exclude=/usr/share/doc/*' \
		--dpkgopt='path-exclude=/usr/share/man/*' \
		--dpkgopt='path-exclude=/usr/share/locale/*' || return
	cp "$dir/root/bin/busybox" "$dir/busybox" &&
		mke2fs -q -t ext4 -O '^has_journal' -d "$dir/root" "$dir/root.img" 600M || return
	rm -rf "$dir/root"
}

# vm_once NAME COMMAND...: has COMMAND fill a new directory, its last argument, unless that was done
# before. VM_MADE is the directory.
vm_once() {
	local name=$1 key dir log=$VM_DIR/$1.log
	shift
	key=$({
		declare -f vm_bootstrap vm_fetch_kernel "$1"
		echo "$VM_PACKAGES $VM_MODULES $*"
	} | sha256sum | cut -c 1-16)
	VM_MADE=$VM_DIR/$name-$key
	[ ! -d "$VM_MADE" ] || return 0
	mkdir -p "$VM_DIR" && dir=$(mktemp -d "$(realpath "$VM_DIR")/new.XXXXXX") || return
	at_exit rm -rf "$dir"
	diag "making $name ($log)"
	if ! "$@" "$dir" >"$log" 2>&1; then
		# shellcheck disable=SC2034 # for the caller
		VM_WHY="$name could not be made: $(grep -m 1 '^E: ' "$log" || tail -n 1 "$log")"
		return 1
	fi
	rm -rf "$VM_DIR/$name-"*
	chmod 755 "$dir"
	mv -T "$dir" "$VM_MADE"
}

vm_prepare() {
	local name suite package
	vm_once root vm_make_root || return
	VM_ROOT=$VM_MADE
	while read -r name suite package; do
		[ "$name" = "${1:-6.1}" ] || continue
		vm_once "kernel-$name" vm_make_kernel "$suite" "$package" || return
		VM_KERNEL=$VM_MADE
		return 0
	done <<<"$VM_KERNELS"
	# shellcheck disable=SC2034 # for the caller
	VM_WHY="no kernel is called '$1'"
	return 1
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
		[ ! -e "$VM_KERNEL/modules/$m.ko" ] || list="$list $m"
	done
	mkdir -p "$tree/dev" "$tree/root" "$units/multi-user.target.wants" &&
		ln -s ../inside.service "$units/multi-user.target.wants/" &&
		cp -r "$VM_KERNEL/modules" "$VM_ROOT/busybox" "$tree/" || return
	vm_init | sed "s/MODULES/$list/" >"$tree/init"
	chmod 755 "$tree/init"
	cat >"$units/inside.service" <<-END
		[Unit]
		After=multi-user.target
		[Service]
		Type=oneshot
		TimeoutStartSec=infinity
		Environment=SZ_EMULATED=1 GUARD_WAIT=120
		ExecStart=/bin/sh -c 'bash $2 >/dev/ttyS1 2>&1; echo "exit \$\$?" >/dev/ttyS1'
		ExecStopPost=/bin/systemctl poweroff -ff
	END
	(cd "$tree" && find . | ./busybox cpio -o -H newc) >"$3" 2>/dev/null
}

# vm_run DIRECTORY SECONDS. Emulation goes through "rep movsb" byte by byte; without these two
# features the kernel copies by words, and its verifier takes half the time.
vm_run() {
	timeout --kill-after=5 "$2" qemu-system-x86_64 -accel tcg,thread=multi -machine q35 \
		-cpu max,erms=off,fsrm=off -smp 2 -m 1024 -display none -nodefaults -no-reboot \
		-serial "file:$1/console" -serial stdio -kernel "$VM_KERNEL/vmlinuz" \
		-initrd "$1/initrd" \
		-drive "file=$VM_ROOT/root.img,if=virtio,format=raw,snapshot=on" \
		-append "console=ttyS0 panic=-1 quiet mitigations=off systemd.show_status=0 \
systemd.mask=serial-getty@ttyS0.service systemd.mask=nginx.service" </dev/null 2>"$1/qemu"
}

vm_boot() {
	local payload=$1 work
	work=$(mktemp -d "$(realpath "$VM_DIR")/boot.XXXXXX") || return
	at_exit rm -rf "$work"
	mkdir -p "$work/tree/payload" && cp -a "$payload/." "$work/tree/payload/" || return
	if [ -d "$work/tree/payload/lib" ]; then # a link to usr/lib in the machine
		mkdir -p "$work/tree/payload/usr/lib" &&
			cp -a "$work/tree/payload/lib/." "$work/tree/payload/usr/lib/" &&
			rm -rf "$work/tree/payload/lib" || return
	fi
	vm_initrd "$work/tree" "$2" "$work/initrd" || return
	vm_report < <(vm_run "$work" "$3")
	# shellcheck disable=SC2154 # of tap.sh
	[ "$tap_failed" -eq 0 ] || diag "$(tail -n 5 "$work/qemu" "$work/console")"
	expect_contains "$VM_LAST" "exit " "the machine ran to its end"
}

# Repeats TAP under this test's own numbers; VM_LAST is the last line.
vm_report() {
	local line
	VM_LAST=
	while IFS= read -r line; do
		line=${line%$'\r'}
		VM_LAST=$line
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
