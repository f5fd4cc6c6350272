#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# The traffic client against a real server: it must see what is right, and above all what is wrong,
# because the other tests believe its exit status.

cd "$(dirname "$0")/../.." || exit 1
. tests/lib/tap.sh
. tests/lib/netns.sh

lab_up || exit 1
lab_nginx || exit 1
url=http://$LAB_SERVER4:$LAB_PORT
load() {
	lab_client build/tools/sz-load "$@"
}

printf 'aaaa.bbbb.cccc\ndddd.eeee.ffff\n' >"$LAB_DIR/tokens"
expect_ok "a mix of methods, sizes and encodings over many connections is all right" \
	load -n 4000 -c 32 -t "$LAB_DIR/tokens" -E \
	-x get:70,post1k:20,post64k:8,chunked-post64k:1,post1m:1 "$url"
expect_eq "$(lab_nginx_count)" 4000 "the service saw every request once"
expect_eq "$(lab_nginx_count GET)" 2800 "the mix has exactly its proportions"
expect_ok "pipelined requests are all answered" load -n 2000 -c 4 -P 16 -x get:9,post1k:1 -E "$url"
expect_ok "IPv6 works" load -n 10 "http://[$LAB_SERVER6]:$LAB_PORT"

out=$(load -n 10 -e 401 --json "$url")
expect_eq $? 1 "an unexpected status is an error"
expect_contains "$out" '"statuses":{"200":10}' "every status is counted"
expect_contains "$out" '"wrong_by_kind":{"status":10,' "a wrong status is counted as such"
expect_ok "one of several expected statuses is right" load -n 10 -e 401,200 "$url"

out=$(load -n 4 http://$LAB_SERVER4:1)
expect_eq $? 1 "a refused connection is an error"
expect_contains "$out" "connect failed  4" "a refused connection is counted for each request"
lab_server ip route add blackhole $LAB_CLIENT4/32
out=$(load -n 2 -T 0.2 "$url")
expect_eq $? 1 "a silent server is an error"
expect_contains "$out" "no answer to the handshake" "a silent server is named"
lab_server ip route del blackhole $LAB_CLIENT4/32

sed -i 's/keepalive_requests .*/keepalive_requests 7;/' "$LAB_DIR/nginx.conf"
lab_stop nginx
expect_fail "a stopped server is an error" load -n 1 "$url"
lab_start nginx nginx -p "$LAB_DIR" -e "$LAB_DIR/nginx-error.log" -c "$LAB_DIR/nginx.conf"
wait_until 5 lab_server curl -fs -o /dev/null "$url"
out=$(load -n 700 -c 1 -P 5 --json "$url")
expect_eq $? 0 "a server that closes politely after some requests is followed"
expect_contains "$out" '"connects":100,' "it reconnects once for each time the server closed"

expect_fail "a bad option is refused" load -n 0 "$url"
done_testing
