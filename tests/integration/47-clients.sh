#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Ordinary traffic of real clients passes unharmed: curl, wrk, hey, a browser, node, Python and Go,
# over IPv4 and IPv6, with small segments, without offloads or timestamps, and over a cable that
# loses, doubles, delays and reorders. Every request must be answered, every body must arrive as it
# was sent, the service must have seen each request once, and the guard must have refused nothing.
#
# shellcheck disable=SC2119 # functions whose arguments are optional

cd "$(dirname "$0")/../.." || exit 1
. tests/lib/tap.sh
. tests/lib/netns.sh
. tests/lib/guard.sh
. tests/clients/weather.sh

# Debian's, whatever stands before it in PATH: the client libraries are Debian's packages.
python=/usr/bin/python3
[ -x $python ] || skip_all "python3 is missing; run scripts/setup clients"

lab_nginx_conf() {
	cat <<-END
	user root;
	daemon off;
	pid $LAB_DIR/nginx.pid;
	error_log $LAB_DIR/nginx-error.log warn;
	events { worker_connections 4096; }
	http {
		log_format lab '\$request_method \$request_uri \$status';
		access_log $LAB_DIR/access.log lab;
		default_type text/plain;
		keepalive_requests 100000000;
		large_client_header_buffers 8 32k;
		client_max_body_size 64m;
		client_body_temp_path $LAB_DIR/body;
		proxy_temp_path $LAB_DIR/proxy;
		fastcgi_temp_path $LAB_DIR/fastcgi;
		uwsgi_temp_path $LAB_DIR/uwsgi;
		scgi_temp_path $LAB_DIR/scgi;
		server {
			listen $LAB_PORT backlog=4096;
			listen [::]:$LAB_PORT backlog=4096;
			location / { return 200 "hello from \$uri\n"; }
			location = /health/page.html { default_type text/html; root $LAB_DIR/www; }
			location /orders/file/ { root $LAB_DIR/www; }
			location /orders/store/ {
				root $LAB_DIR/www;
				dav_methods PUT DELETE;
			}
			location /orders/echo {
				proxy_pass http://unix:$LAB_DIR/recorder.sock;
			}
		}
	}
	END
}

lab_up || exit 1
mkdir -p "$LAB_DIR/www/health" "$LAB_DIR/www/orders/file" "$LAB_DIR/www/orders/store"
cp tests/clients/page.html "$LAB_DIR/www/health/"
# Bytes that repeat nowhere, the same in every run.
openssl enc -aes-128-ctr -K 0 -iv 0 -nosalt -in /dev/zero 2>/dev/null |
	head -c 8000000 >"$LAB_DIR/8m"
head -c 3000000 "$LAB_DIR/8m" >"$LAB_DIR/www/orders/file/stream"
head -c 100000 "$LAB_DIR/8m" >"$LAB_DIR/100k"
lab_start recorder $python tests/clients/recorder.py "$LAB_DIR/recorder.sock"
wait_until 10 test -S "$LAB_DIR/recorder.sock" || exit 1
lab_nginx || exit 1
guard_up || exit 1
TOKEN=$(guard_mint alice orders:read)
export TOKEN
bearer=(-H "Authorization: Bearer $TOKEN")
where=lab_client # and later `far`

seen() { # TAG: requests with this tag that the service has answered with 2xx
	awk -v tag="$1" '{ split($2, part, /[?&]/) } part[2] == tag && $3 ~ /^2/ { n++ }
		END { print n + 0 }' "$LAB_DIR/access.log"
}
settled() { # TAG: nothing of it arrives any more
	local n
	n=$(seen "$1")
	sleep 0.2
	[ "$(seen "$1")" = "$n" ]
}
sum() {
	sha256sum | cut -d' ' -f1
}
have() { # COMMAND PACKAGE NAME
	command -v "$1" >/dev/null || {
		skip "$3" "$1 is missing; run scripts/setup clients ($2)"
		return 1
	}
}

# ---- curl ---------------------------------------------------------------------------------------
# curls NAME EXPECTED CURL-OPTION...: what curl prints. Its own limit is long, a stall is named.
curls() {
	local name=$1 expected=$2 out begun=$EPOCHREALTIME took
	shift 2
	out=$($where curl -sS -m 20 "${bearer[@]}" "$@" 2>&1)
	took=$(awk "BEGIN { print $EPOCHREALTIME - $begun }")
	expect_eq "$out" "$expected" "curl, $name"
	expect_le "$took" 5 "curl, $name: without a stall"
}
echoes() { # METHOD FILE TARGET [COOKIE]: what the recorder answers
	printf '%s %d %s %s %s' "$1" "$(wc -c <"$2")" "$(sum <"$2")" \
		"$(printf '%s' "$3" | sum)" "$(printf '%s' "${4:-}" | sum)"
}
curl_all() { # TAG
	local tag=$1 url u long cookie
	url=$(guard_url)
	u="/orders/echo?$tag"
	curls "GET" "$(echoes GET /dev/null "$u")" "$url$u"
	curls "POST" "$(echoes POST "$LAB_DIR/100k" "$u")" -H Expect: \
		--data-binary @"$LAB_DIR/100k" "$url$u"
	curls "POST with Expect: 100-continue" "$(echoes POST "$LAB_DIR/100k" "$u")" \
		-H "Expect: 100-continue" --data-binary @"$LAB_DIR/100k" "$url$u"
	curls "POST of a form" 200 -o /dev/null -w '%{http_code}' -F a=b \
		-F "file=@$LAB_DIR/100k" "$url$u"
	curls "POST in chunks" "$(echoes POST "$LAB_DIR/100k" "$u")" \
		-H "Transfer-Encoding: chunked" --data-binary @"$LAB_DIR/100k" "$url$u"
	curls "PUT of 8 MB" 201 -o /dev/null -w '%{http_code}' -T "$LAB_DIR/8m" \
		"$url/orders/store/$tag-put?$tag"
	curls "PUT of 8 MB in chunks from a pipe" 201 -o /dev/null -w '%{http_code}' \
		-H "Transfer-Encoding: chunked" -T - "$url/orders/store/$tag-pipe?$tag" \
		< <(cat "$LAB_DIR/8m")
	expect_ok "the 8 MB are stored as they were" cmp "$LAB_DIR/8m" \
		"$LAB_DIR/www/orders/store/$tag-put"
	expect_ok "and so are the chunks" cmp "$LAB_DIR/8m" "$LAB_DIR/www/orders/store/$tag-pipe"
	curls "DELETE" 204 -w '%{http_code}' -X DELETE "$url/orders/store/$tag-put?$tag"
	curls "HTTP/1.0" "$(echoes GET /dev/null "$u")" -0 "$url$u"
	curls "HTTP/1.0 POST" "$(echoes POST "$LAB_DIR/100k" "$u")" -0 \
		--data-binary @"$LAB_DIR/100k" "$url$u"
	curls "HEAD" 200 -o /dev/null -w '%{http_code}' -I "$url$u"
	curls "OPTIONS" "$(echoes OPTIONS /dev/null "$u")" -X OPTIONS "$url$u"
	curls "a range" "206 4096" -r 1000000-1004095 -o /dev/null \
		-w '%{http_code} %{size_download}' "$url/orders/file/stream?$tag"
	long=$u\&$(head -c 6000 /dev/zero | tr '\0' q)
	curls "a target of 6,000 bytes" "$(echoes GET /dev/null "$long")" "$url$long"
	cookie=a=$(head -c 7000 /dev/zero | tr '\0' c)
	curls "7,000 bytes of cookies" "$(echoes GET /dev/null "$u" "$cookie")" \
		-H "Cookie: $cookie" "$url$u"
	expect_eq "$($where curl -sS -m 20 "${bearer[@]}" -o /dev/null \
		-w '%{num_connects} %{http_code}\n' "$url/orders/[1-50]?$tag" |
		sort | uniq -c | xargs)" \
		"49 0 200 1 1 200" "curl, 50 requests on one connection"
	expect_eq "$($where curl -sS -m 20 "${bearer[@]}" --parallel --parallel-max 16 \
		-o /dev/null -w '%{http_code}\n' "$url/orders/[1-100]?$tag" 2>/dev/null |
		sort | uniq -c | xargs)" \
		"100 200" "curl, 100 requests in parallel"
	expect_eq "$(seen "$tag")" 165 "the service has seen each of them once"
}

# ---- programs -----------------------------------------------------------------------------------
# client NAME TAG REQUESTS COMMAND...: a program that says "N requests, M wrong"; BASE and TAG
# follow what is given. Without a stall: what is slower than five seconds hangs on a lost segment.
client() {
	local name=$1 tag=$2 requests=$3 out slow
	shift 3
	out=$($where timeout 30 "$@" "$(guard_url)" "$tag" 2>&1)
	slow=$(sed -n 's/^slowest \([0-9.]*\) s$/\1/p' <<<"$out")
	if [ "$(tail -n 1 <<<"$out")" = "$requests requests, 0 wrong" ]; then
		ok "$name: $requests requests, each answered, each body whole"
	else
		not_ok "$name: $requests requests, each answered, each body whole" \
			"$(head -n 6 <<<"$out" | cut -c 1-200) ... $(tail -n 1 <<<"$out")"
	fi
	expect_le "${slow:-99}" 5 "$name: without a stall"
	wait_until 5 settled "$tag"
	expect_eq "$(seen "$tag")" "$requests" "$name: the service has seen each once"
}
python_has() {
	$python -c "import $1" 2>/dev/null && return
	skip "$1 $2" "$1 is missing; run scripts/setup clients (python3-$1)"
	return 1
}
go_build() {
	command -v go >/dev/null || return
	# Kept between runs: it holds the compiled standard library.
	GOCACHE=$(realpath "$GUARD_BUILD")/go GO111MODULE=off GOFLAGS="" CGO_ENABLED=0 \
		go build -o "$LAB_DIR/client.go" tests/clients/client.go
}
# programs NAME TAG LIBRARY...: those of the list that are there
programs() {
	local name=$1 tag=$2 lib
	shift 2
	for lib; do
		case $lib in
		go)
			have go golang-go "go $name" &&
				client "Go $name" "$tag-go" 60 "$LAB_DIR/client.go"
			;;
		http | fetch)
			have node nodejs "node $lib $name" && client "node $lib $name" \
				"$tag-node-$lib" 60 node tests/clients/client.js "$lib"
			;;
		pipeline*)
			have node nodejs "node $lib $name" || continue
			if NODE_PATH=/usr/share/nodejs node -e 'require("undici")' 2>/dev/null; then
				NODE_PATH=/usr/share/nodejs client "node undici $lib $name" \
					"$tag-node-$lib" 300 node tests/clients/client.js "$lib"
			else
				skip "node $lib $name" \
					"undici is missing; run scripts/setup clients (node-undici)"
			fi
			;;
		http.client | urllib)
			client "Python $lib $name" "$tag-py-$lib" 60 \
				$python tests/clients/client.py "$lib"
			;;
		*)
			python_has "$lib" "$name" &&
				client "Python $lib $name" "$tag-py-$lib" 60 \
				$python tests/clients/client.py "$lib"
			;;
		esac
	done
}

# ---- load clients -------------------------------------------------------------------------------
wrk_one() { # DEPTH CONNECTIONS
	local tag=wrk-$1-$2 out done_n seen_n
	have wrk wrk "wrk, $1 in flight" || return
	out=$($where wrk -t 1 -c "$2" -d 1s --timeout 5s "${bearer[@]}" \
		-s tests/clients/pipeline.lua "$(guard_url)" -- "$1" "/orders?$tag" 2>&1)
	done_n=$(sed -n 's/^requests=//p' <<<"$out")
	diag "wrk, $1 in flight on each of $2: $done_n requests in a second"
	expect_eq "$(sed -n 's/^wrong=//p' <<<"$out")" 0 \
		"wrk, $1 in flight on each of $2: none wrong"
	expect_ge "${done_n:-0}" "$(($1 * $2 * 4))" "and each connection makes progress"
	wait_until 5 settled "$tag"
	seen_n=$(seen "$tag")
	# wrk ends in the middle of what it has sent.
	expect_le "${done_n:-x}" "$seen_n" "the service has seen what wrk counts"
	expect_le "$seen_n" "$((done_n + 2 * $1 * $2))" "and no more than was in flight beside that"
}
hey_one() { # NAME TAG OPTION...
	local name=$1 tag=$2 out
	shift 2
	have hey hey "hey, $name" || return
	out=$($where hey -n 1000 -c 20 -t 20 "${bearer[@]}" "$@" \
		"$(guard_url)/orders/echo?$tag" 2>&1)
	expect_eq "$(sed -n '/Status code/,$p' <<<"$out" |
		grep -o '\[[0-9]*\].*\|Error.*' | xargs)" "[200] 1000 responses" \
		"hey, $name: 1,000 of 1,000"
	expect_le "$(sed -n 's/^ *Slowest:[[:space:]]*\([0-9.]*\) secs/\1/p' <<<"$out")" \
		5 "hey, $name: without a stall"
	expect_eq "$(seen "$tag")" 1000 "hey, $name: the service has seen each once"
}

# ---- a browser ----------------------------------------------------------------------------------
browser() { # NAME TAG
	local out chrome
	chrome=$(command -v chromium-headless-shell || command -v chromium) || {
		skip "browser $1" \
			"chromium is missing; run scripts/setup clients (chromium-headless-shell)"
		return
	}
	out=$($where timeout 30 "$chrome" --headless --no-sandbox --disable-gpu \
		--user-data-dir="$LAB_DIR/browser" --virtual-time-budget=30000 --dump-dom \
		"$(guard_url)/health/page.html?$2#$TOKEN" 2>"$LAB_DIR/browser.log")
	expect_eq "$(sed -n 's/.*<title>\(.*\)<\/title>.*/\1/p' <<<"$out")" "45 requests, 0 wrong" \
		"browser $1: every fetch is answered"
	[[ $out == *", 0 wrong</title>"* ]] ||
		diag "$(sed -n '/<pre id="log">/,/<script>/p' <<<"$out" | head -n 5)"
	expect_eq "$(seen "$2")" 46 "browser $1: the service has seen the page and each fetch once"
}

# ---- fair weather -------------------------------------------------------------------------------
! command -v go >/dev/null || expect_ok "the client in Go compiles" go_build
few=(go http pipeline8 http.client)
for GUARD_FAMILY in 4 6; do
	curl_all curl$GUARD_FAMILY
	programs "over IPv$GUARD_FAMILY" "fair$GUARD_FAMILY" "${few[@]}" pipeline64 aiohttp
	[ $GUARD_FAMILY = 6 ] || programs "over IPv4" fair4 fetch urllib requests httpx
	browser "over IPv$GUARD_FAMILY" "browser$GUARD_FAMILY"
done
GUARD_FAMILY=4
for depth in 1 2 8 16 64; do
	wrk_one $depth 4
done
hey_one "GET" hey-get
hey_one "GET without keep-alive" hey-close -disable-keepalive
hey_one "POST of 100 kB" hey-post -m POST -D "$LAB_DIR/100k"

# ---- other networks -----------------------------------------------------------------------------
net4=${LAB_SERVER4%.*}.0/24
lab_client ip route change "$net4" dev $LAB_CLIENT_IF src $LAB_CLIENT4 \
	mtu lock 576 advmss 536 &&
	programs "in segments of 536 bytes" mss "${few[@]}"
lab_client ip route change "$net4" dev $LAB_CLIENT_IF src $LAB_CLIENT4
lab_client sysctl -qw net.ipv4.tcp_timestamps=0 &&
	programs "without timestamps" stamps "${few[@]}"
lab_client sysctl -qw net.ipv4.tcp_timestamps=1
lab_client ethtool -K $LAB_CLIENT_IF tx off tso off gso off >/dev/null &&
	programs "without offloads" plain "${few[@]}"
lab_client ethtool -K $LAB_CLIENT_IF tx on tso on gso on >/dev/null

# ---- bad weather --------------------------------------------------------------------------------
weather_up || exit 1
where=far
weather() { # NAME TAG SEED LOSS DUPLICATE LATE DELAY; the clients in $on
	if weather_set "${@:3}"; then ok "$1: a way through"; else not_ok "$1: a way through"; fi
	programs "$1" "$2" "${on[@]}"
	weather_end
	expect_eq "$?" 0 "$1: the cable itself dropped nothing for want of room"
	diag "$(xargs <"$LAB_DIR/weather.out")"
}
on=(go http.client pipeline8)
weather "on a slow cable" slow 1 0 0 0 3000
weather "on a cable that loses 1 %" lossy 2 100 0 0 500
weather "on a cable that doubles 2 %" double 3 0 200 0 500
weather "on a cable that reorders 2 %" late 4 0 0 200 500
on=(go http fetch pipeline8 pipeline64 http.client aiohttp)
weather "in all of it, over IPv4" all 5 100 100 200 500
GUARD_FAMILY=6
weather "in all of it, over IPv6" all6 6 100 100 200 500
expect_ge "$(weather_says lost)" 1 "frames were lost"
expect_ge "$(weather_says doubled)" 1 "and doubled"
expect_ge "$(weather_says late)" 1 "and late"

# ---- the witness --------------------------------------------------------------------------------
# Every counter whose reason tells a client no, by an answer or a reset.
refusals() {
	local reason n
	for reason in no_token bad_token expired not_yet revoked bad_issuer bad_audience \
		unknown_key bad_scheme no_scope no_route upgrade bad_request head_too_large \
		bad_expect limit_source limit_principal no_daemon overload state_full banned \
		unknown_flow answered changed syn_limit syn_data urgent bad_flags fragment \
		ip_options malformed too_large bad_checksum no_answer desync multipath spoofed; do
		n=$(guard_count $reason)
		[ "$n" = 0 ] || printf '%s=%s ' "$reason" "$n"
	done
}
expect_eq "$(refusals)" "" "the guard has refused nothing at all"
expect_eq "$(lab_client ss -Htan state syn-sent | wc -l)" 0 "no connection waits for an answer"
done_testing
