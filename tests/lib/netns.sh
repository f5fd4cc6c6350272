# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash
#
# The lab: a client and a server network namespace joined by a veth pair, with a real nginx as the
# service. Sourced by the integration tests, the demo and the benchmark. Everything has a name of
# its own per process and goes away when the script ends, however it ends. It must never touch the
# machine's own interfaces, nor stop a process it did not start.
#
#   client ns                       server ns
#   szc 10.99.0.1/24  ---- veth --- szs 10.99.0.2/24       nginx :8080
#       fd00:99::1/64                   fd00:99::2/64      the guard attaches to szs
#
#   lab_up                        make it                   lab_down    remove it (also at exit)
#   lab_client CMD...             run in the client's namespace
#   lab_server CMD...             run in the server's; /sys/fs/bpf stays visible
#   lab_start NAME CMD...         run in the server's in the background: LAB_PID, $LAB_DIR/NAME.log
#   lab_stop NAME [SIGNAL]        end what lab_start began (default TERM), wait for it; its status
#   lab_pid NAME                  print its process id
#   lab_nginx                     start the service and wait until it answers (LAB_NGINX_WORKERS,
#                                 default 1; LAB_ACCESS_LOG=off for a benchmark)
#   lab_nginx_count [TEXT]        requests the service has logged (whose line contains TEXT)
#
# The service: GET gives 200 and a small text at any path (/health, /orders, /admin, ...); a request
# with another method has its body read whole, then gives 200 and "body N\n" with the body's length.

_lab_lib=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/lib/exit.sh
. "$_lab_lib/exit.sh"

LAB_CLIENT_NS=szc-$$
LAB_SERVER_NS=szs-$$
# shellcheck disable=SC2034 # for the scripts that source this
{
	LAB_CLIENT_IF=szc
	LAB_SERVER_IF=szs
	LAB_CLIENT4=10.99.0.1
	LAB_SERVER4=10.99.0.2
	LAB_CLIENT6=fd00:99::1
	LAB_SERVER6=fd00:99::2
}
LAB_PORT=${LAB_PORT:-8080}
LAB_PINS=/sys/fs/bpf/sz-test-$$
LAB_DIR=
LAB_PID=
declare -A lab_pids=()

# nsenter, not `ip netns exec` or `ip -n`: those hide /sys/fs/bpf and do not work inside a chroot.
lab_client() {
	nsenter --net="/run/netns/$LAB_CLIENT_NS" -- "$@"
}

lab_server() {
	nsenter --net="/run/netns/$LAB_SERVER_NS" -- "$@"
}

lab_up() {
	if [ "$(id -u)" -ne 0 ]; then
		echo "lab: network namespaces need root; run it with sudo" >&2
		return 1
	fi
	at_exit lab_down
	LAB_DIR=$(mktemp -d /tmp/subzero-lab.XXXXXX) || return
	mountpoint -q /sys/fs/bpf || mount -t bpf bpf /sys/fs/bpf || return
	mkdir -p "$LAB_PINS" || return
	ip netns add "$LAB_CLIENT_NS" || return
	ip netns add "$LAB_SERVER_NS" || return
	lab_client ip link add szc type veth peer name szs netns "$LAB_SERVER_NS" || return
	lab_end client szc 10.99.0.1/24 fd00:99::1/64 || return
	lab_end server szs 10.99.0.2/24 fd00:99::2/64 || return
	"${CLANG:-clang-19}" -target bpf -O2 -c "$_lab_lib/xdp_pass.c" \
		-o "$LAB_DIR/xdp_pass.o" || return
	lab_client ip link set dev szc xdpdrv obj "$LAB_DIR/xdp_pass.o" sec xdp
}

# lab_end client|server INTERFACE IPV4 IPV6. Addresses are usable at once: no duplicate detection,
# no router to wait for.
lab_end() {
	"lab_$1" ip link set lo up &&
		"lab_$1" sysctl -qw "net.ipv6.conf.$2.accept_dad=0" \
			"net.ipv6.conf.$2.accept_ra=0" "net.ipv6.conf.$2.router_solicitations=0" &&
		"lab_$1" ip addr add "$3" dev "$2" &&
		"lab_$1" ip addr add "$4" dev "$2" nodad &&
		"lab_$1" ip link set "$2" up
}

lab_down() {
	local name
	for name in "${!lab_pids[@]}"; do
		lab_stop "$name" >/dev/null 2>&1
	done
	[ ! -e "/run/netns/$LAB_CLIENT_NS" ] || ip netns del "$LAB_CLIENT_NS"
	[ ! -e "/run/netns/$LAB_SERVER_NS" ] || ip netns del "$LAB_SERVER_NS"
	[ ! -d "$LAB_PINS" ] || rm -rf "$LAB_PINS"
	[ -z "$LAB_DIR" ] || rm -rf "$LAB_DIR"
	LAB_DIR=
	return 0
}

lab_start() {
	local name=$1
	shift
	# exec, so that the process id is the command's own and not a waiting shell's.
	(exec nsenter --net="/run/netns/$LAB_SERVER_NS" -- "$@") \
		>>"$LAB_DIR/$name.log" 2>&1 </dev/null &
	LAB_PID=$!
	lab_pids[$name]=$LAB_PID
}

lab_pid() {
	echo "${lab_pids[$1]:-}"
}

# A process that does not end within ten seconds is killed.
lab_stop() {
	local pid=${lab_pids[$1]:-} i
	[ -n "$pid" ] || return 0
	unset "lab_pids[$1]"
	kill "-${2:-TERM}" "$pid" 2>/dev/null
	for ((i = 0; i < 200; i++)); do
		kill -0 "$pid" 2>/dev/null || break
		sleep 0.05
	done
	kill -KILL "$pid" 2>/dev/null
	wait "$pid" 2>/dev/null
}

lab_nginx_conf() {
	cat <<END
user root;
worker_processes ${LAB_NGINX_WORKERS:-1};
daemon off;
pid $LAB_DIR/nginx.pid;
error_log $LAB_DIR/nginx-error.log warn;
events { worker_connections 4096; }
http {
	log_format lab '\$remote_addr:\$remote_port "\$request" \$status \$content_length';
	access_log ${LAB_ACCESS_LOG:-$LAB_DIR/access.log lab};
	default_type text/plain;
	keepalive_timeout 300s;
	keepalive_requests 100000000;
	large_client_header_buffers 8 32k;
	client_max_body_size 2m;
	client_body_buffer_size 2m;
	client_body_temp_path $LAB_DIR/body;
	proxy_temp_path $LAB_DIR/proxy;
	fastcgi_temp_path $LAB_DIR/fastcgi;
	uwsgi_temp_path $LAB_DIR/uwsgi;
	scgi_temp_path $LAB_DIR/scgi;
	upstream length { server unix:$LAB_DIR/length.sock; keepalive 64; }
	server {
		listen $LAB_PORT backlog=4096 reuseport;
		listen [::]:$LAB_PORT backlog=4096 reuseport;
		location / {
			if (\$request_method !~ ^(GET|HEAD)\$) { rewrite ^ /.length last; }
			return 200 "hello from \$uri\n";
		}
		location = /.length {
			internal;
			proxy_pass http://length;
			proxy_http_version 1.1;
			proxy_method GET;
			proxy_pass_request_headers off;
			proxy_pass_request_body off;
			proxy_set_header Connection "";
			proxy_set_header Content-Length "";
			proxy_set_header X-Length \$content_length;
		}
	}
	server {
		listen unix:$LAB_DIR/length.sock;
		access_log off;
		location / {
			if (\$http_x_length = "") { return 200 "body 0\n"; }
			return 200 "body \$http_x_length\n";
		}
	}
}
END
}

lab_nginx_logged() { # TEXT: waits for a line with it
	local i
	for ((i = 0; i < 600; i++)); do
		grep -qF -- "$1" "$LAB_DIR/access.log" && return
		sleep 0.05
	done
	return 1
}

lab_nginx() {
	local i ready=http://127.0.0.1:$LAB_PORT/.ready
	lab_nginx_conf >"$LAB_DIR/nginx.conf" || return
	: >>"$LAB_DIR/access.log"
	lab_start nginx nginx -p "$LAB_DIR" -e "$LAB_DIR/nginx-error.log" -c "$LAB_DIR/nginx.conf"
	for ((i = 0; i < 100; i++)); do
		# Asked over loopback inside the server's namespace, where no guard stands.
		if lab_server curl -fs -o /dev/null "$ready" 2>/dev/null; then
			# nginx writes its line when the answer is out: not into the log of the test.
			[ -n "${LAB_ACCESS_LOG:-}" ] || lab_nginx_logged /.ready || break
			: >"$LAB_DIR/access.log"
			return 0
		fi
		kill -0 "$LAB_PID" 2>/dev/null || break
		sleep 0.05
	done
	echo "lab: nginx does not answer on port $LAB_PORT:" >&2
	cat "$LAB_DIR/nginx.log" "$LAB_DIR/nginx-error.log" >&2
	return 1
}

lab_nginx_count() {
	grep -cF -- "${1:-}" "$LAB_DIR/access.log"
	return 0
}
