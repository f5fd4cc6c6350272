#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# The lab itself: what the other integration tests take for granted about it.

cd "$(dirname "$0")/../.." || exit 1
. tests/lib/tap.sh
. tests/lib/netns.sh

lab_up || exit 1
lab_nginx || exit 1
url=http://$LAB_SERVER4:$LAB_PORT

expect_eq "$(lab_client curl -s "$url/orders")" "hello from /orders" \
	"the service answers over IPv4"
expect_eq "$(lab_client curl -s "http://[$LAB_SERVER6]:$LAB_PORT/health")" "hello from /health" \
	"the service answers over IPv6"
head -c 1048576 /dev/zero >"$LAB_DIR/1m"
expect_eq "$(lab_client curl -s -H Expect: --data-binary @"$LAB_DIR/1m" "$url/orders")" \
	"body 1048576" "the service reads a body of 1 MiB to its end"
expect_eq "$(lab_client curl -s -H "Transfer-Encoding: chunked" -H Expect: \
	--data-binary @"$LAB_DIR/1m" "$url/orders")" \
	"body 1048576" "the service reads a chunked body to its end"
expect_eq "$(lab_client curl -s -X DELETE "$url/orders/1")" "body 0" \
	"a method without a body is answered"
expect_eq "$(cat "/proc/$(lab_pid nginx)/comm")" nginx "the recorded process is the service itself"
expect_eq "$(lab_nginx_count)" 5 "the service logs every request"
expect_eq "$(lab_nginx_count "POST /orders")" 2 "the log shows the original request line"

expect_ok "a BPF file system is visible from the server's namespace" \
	lab_server test -d "$LAB_PINS"
links=$(lab_server ip -br link | awk '{ sub(/@.*/, "", $1); print $1 }' | sort | paste -sd' ')
expect_eq "$links" "lo szs" "the server's namespace sees only its own interfaces"

# A guard answers with XDP_TX on szs; the client's end must hand such a frame to its stack at once.
expect_contains "$(lab_client ip link show szc)" "xdp" \
	"the client's end has the XDP program that makes XDP_TX on its peer arrive"

out=$(bash -c '. tests/lib/netns.sh; lab_up && lab_nginx &&
	echo "$LAB_SERVER_NS $LAB_DIR $LAB_PINS $(lab_pid nginx)"; exit 3')
expect_eq $? 3 "a script keeps its exit status through the cleanup"
read -r ns dir pins pid <<<"$out"
expect_eq "$([ -e "/run/netns/$ns" ] || [ -e "$dir" ] || [ -e "$pins" ] || echo gone)" gone \
	"a script that fails leaves no namespace, directory or pin behind"
expect_fail "a script that fails leaves no service behind" kill -0 "$pid"
expect_ok "removing the lab twice is harmless" eval "lab_down; lab_down"

done_testing
