#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Traces of the miss path at a collector that checks each field by OpenTelemetry's own protocol
# buffers: spans and their attributes, W3C traceparent good and hostile, sampling, no secret in any
# of it; a collector that is slow, refuses, or is gone costs traces and nothing else.
#
# shellcheck disable=SC2119,SC2016 # functions whose arguments are optional; text for inner shells

cd "$(dirname "$0")/../.." || exit 1
. tests/lib/tap.sh
. tests/lib/netns.sh
. tests/lib/guard.sh

if ! command -v node >/dev/null || [ ! -d build/node/node_modules/@opentelemetry/otlp-transformer ]
then
	skip_all "node or its libraries are missing; run scripts/setup node"
fi
cp tests/node/collector.mjs build/node/ || exit 1
lab_up || exit 1
lab_nginx || exit 1

port=4318
spans=$LAB_DIR/spans
: >"$spans"
collector_start() {
	lab_start collector node build/node/collector.mjs $port "$spans"
	wait_until 20 grep -q listening "$LAB_DIR/collector.log"
}
collector() { # [CURL OPTION...]
	lab_server curl -s -m 10 "$@" "http://127.0.0.1:$port/mode"
}
collector_start || exit 1
printf 'Bearer collector-secret\n' >"$LAB_DIR/authorization"
tracing() { # OPTIONS
	GUARD_TOP="limits: {misses: 1000000/s, source_misses: 1000000/s}
metrics: {listen: 127.0.0.1:9464}
tracing: {endpoint: http://127.0.0.1:$port/v1/traces, authorization_file: $LAB_DIR/authorization, $1}"
}
tracing "sampling: 1"
guard_up || exit 1

traces() { # MEMBER: of the daemon's status
	guard_ctl status --json | sed -n '/"traces"/,/}/s/^ *"'"$1"'": \([0-9]*\),*$/\1/p'
}
idle() { # everything was exported, or given up
	[ "$(traces waiting)" = 0 ]
}
ask() { # PATH TOKEN [CURL OPTION...]: its status, once its spans are there; spans of it in $spans
	idle || wait_until 30 idle
	: >"$spans"
	status=$(guard_status "$@")
	wait_until 30 idle
}
# Of the spans seen: a member or an attribute of the one with this name; "-" where it is absent.
span() { # NAME MEMBER
	node -e '
		const [file, name, member] = process.argv.slice(1);
		const all = require("fs").readFileSync(file, "utf8").trim().split("\n")
			.filter(Boolean).map((l) => JSON.parse(l));
		const s = all.find((x) => x.name === name);
		console.log(s === undefined ? "none" : s[member] ?? s.attributes[member] ?? "-");
	' "$spans" "$1" "$2"
}
names() {
	node -e '
		const all = require("fs").readFileSync(process.argv[1], "utf8").trim().split("\n")
			.filter(Boolean).map((l) => JSON.parse(l));
		console.log(all.map((s) => s.refused ?? s.name).sort().join(" "));
	' "$spans"
}

# ---- a miss -------------------------------------------------------------------------------------
secret=orders:read
token=$(guard_mint alice $secret)
ask "/orders?access_token=hidden-in-the-query" "$token"
expect_eq "$status $(names)" "200 GET subzero.policy subzero.reinject subzero.verify" \
	"a first use of a token is a trace with its steps"
expect_eq "$(span GET parentSpanId) $(span GET kind) $(span GET flags) $(span GET service)" \
	"- 2 257 subzero" "its root has no parent and is a server's span"
expect_eq "$(span GET http.request.method) $(span GET url.path) $(span GET subzero.verdict)" \
	"GET /orders allow" "it says what was asked for"
expect_eq "$(span GET client.address) $(span GET server.port) $(span GET network.type)" \
	"$LAB_CLIENT4 $LAB_PORT ipv4" "from where, and of whom"
expect_eq "$(span subzero.verify parentSpanId)" "$(span GET spanId)" "steps are its children"
expect_eq "$(span subzero.policy traceId)" "$(span GET traceId)" "of the same trace"
expect_eq "$(node -e '
	const s = require("fs").readFileSync(process.argv[1], "utf8").trim().split("\n")
		.map((l) => JSON.parse(l));
	const root = s.find((x) => !x.parentSpanId), now = BigInt(Date.now()) * 1000000n;
	const [a, b] = [BigInt(root.startTimeUnixNano), BigInt(root.endTimeUnixNano)];
	console.log(now - a < 60000000000n && now >= b && s.every((x) =>
		BigInt(x.startTimeUnixNano) >= a && BigInt(x.endTimeUnixNano) <= b));
' "$spans")" true "steps lie within the request, and it was just now"
cp "$spans" "$LAB_DIR/all"
ask /orders "$token"
expect_eq "$status $(names)" "200 " "the next request is a hit: the daemon does not see it"

ask /orders "${token}x"
expect_eq "$status $(span GET http.response.status_code) $(span GET subzero.reason)" \
	"401 401 bad_token" "a bad token is a trace with its refusal"
expect_eq "$(span GET subzero.verdict) $(span GET error.type)" "deny -" "which is no error of ours"
cat "$spans" >>"$LAB_DIR/all"
ask "/each/7?secret" "$token"
expect_eq "$status $(span "GET /each" http.route)" "200 /each" \
	"a request that the daemon decides by itself names its route"
ask "/each/%20x" "$(guard_mint bob orders:read)" -X BREW
expect_eq "$(span "HTTP /each" http.request.method)" "_OTHER" "a method of the client's own has no name"
cat "$spans" >>"$LAB_DIR/all"

# ---- the client's trace -------------------------------------------------------------------------
trace=0af7651916cd43dd8448eb211c80319c
parent=b7ad6b7169203331
with() { # VALUE [CURL OPTION...]: the trace's id and its parent
	local value=$1
	shift
	ask /each/x "$token" -H "traceparent: $value" "$@"
	echo "$(span "GET /each" traceId) $(span "GET /each" parentSpanId)"
}
expect_eq "$(with "00-$trace-$parent-01")" "$trace $parent" "a traceparent is honoured"
expect_eq "$(with "00-$trace-$parent-01"; span "GET /each" flags)" "$trace $parent
769" "and the parent is marked as remote"
expect_eq "$(with "cc-$trace-$parent-01-what-comes-later")" "$trace $parent" \
	"so is one of a later version"
expect_eq "$(with "00-$trace-$parent-00")" "none none" "one that is not sampled stays so"
ask /each/x "$token" # and then all of them at once
for value in "00-$trace-$parent-01-more" "ff-$trace-$parent-01" "00-${trace^^}-$parent-01" \
	"00-00000000000000000000000000000000-$parent-01" "00-$trace-0000000000000000-01" \
	"00-$trace-$parent" "00-$trace-$parent-0x" "$(printf 'a%.0s' {1..1200})" "0-" ; do
	guard_status /each/odd "$token" -H "traceparent: $value" >/dev/null
done
wait_until 30 idle
expect_eq "$(grep -F '"url.path":"/each/odd"' "$spans" | grep -cvF -e "$trace" -e parentSpanId)" 9 \
	"malformed ones begin a trace of their own"
got=$(with "00-$trace-$parent-01" -H "traceparent: 00-${trace/0a/0b}-$parent-01")
expect_eq "${got#* }" "-" "two of them are none"

# ---- what is not told ---------------------------------------------------------------------------
cat "$spans" >>"$LAB_DIR/all"
expect_eq "$(grep -cF -e "${token#*.}" -e "${token##*.}" -e hidden-in-the-query -e alice \
	-e '?' -e refused "$LAB_DIR/all")" 0 \
	"no span holds a token, a query or a subject, and none was refused"

# ---- a collector in trouble ---------------------------------------------------------------------
collector -X PUT -d 503 >/dev/null
before=$(traces sent)
guard_status /each/later "$token" >/dev/null
failing() { [ "$(traces export_failures)" -gt 0 ]; }
expect_ok "a collector that answers 503 is noticed" wait_until 20 failing
collector -X PUT -d ok >/dev/null
wait_until 30 idle
expect_eq "$(($(traces sent) - before)) $(traces failed)" "4 0" "and gets the spans later"
collector -X PUT -d 400 >/dev/null
guard_status /each/refused "$token" >/dev/null
wait_until 30 idle
expect_eq "$(traces failed)" 4 "what it refuses for good is counted, and not tried again"
collector -X PUT -d partial >/dev/null
guard_status /each/partly "$token" >/dev/null
wait_until 30 idle
expect_eq "$(traces failed)" 5 "so is what it refuses of a batch"
expect_contains "$(cat "$LAB_DIR/subzerod.log")" "the collector answers 503" "the log says why"

collector -X PUT -d slow >/dev/null
for ((i = 0; i < 100; i++)); do
	echo "$token"
done >"$GUARD_DIR/one"
guard_load -n 3000 -c 8 -T 30 -e 200 -t "$GUARD_DIR/one" -p /each/flood
expect_eq "$(guard_load_says 200)" 3000 "a collector that never answers stops no request"
expect_ge "$(traces dropped)" 1000 "what finds no room is dropped and counted"
expect_ok "and the rest is bounded" test "$(traces waiting)" -le 2048
metrics=$(lab_server curl -s http://127.0.0.1:9464/metrics)
expect_contains "$metrics" "subzero_trace_requests_dropped_total $(traces dropped)" \
	"the metrics tell of it"
if command -v promtool >/dev/null; then
	expect_ok "in a form that promtool accepts" eval "promtool check metrics <<<\"\$metrics\""
fi
lab_stop collector KILL 2>/dev/null
expect_eq "$(guard_status /each/gone "$token")" 200 "nor does one that is gone"
guard_stop
expect_eq $? 0 "the daemon ends with spans that wait"

# ---- sampling -----------------------------------------------------------------------------------
collector_start || exit 1
tracing "sampling: 0"
guard_conf >"$GUARD_DIR/guard.yaml"
guard_start || exit 1
ask /each/none "$token"
expect_eq "$(names)" "" "with sampling: 0 nothing is traced"
expect_eq "$(with "00-$trace-$parent-01")" "$trace $parent" "but what a client asks for"
tracing "sampling: 0, parent: ignore"
guard_conf >"$GUARD_DIR/guard.yaml"
expect_contains "$(guard_ctl reload 2>&1)" "'tracing' changed" "a reload does not change it"
guard_stop >/dev/null
guard_start || exit 1
expect_eq "$(with "00-$trace-$parent-01")" "none none" "with parent: ignore not even that"
done_testing
