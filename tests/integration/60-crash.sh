#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# The daemon is killed with -9 at random moments under load. Nothing that was acknowledged is lost,
# nothing undecided gets through, and the counts in the audit log stay exact through every crash.
# ROUNDS (default 20), SEED (default 1).
#
# shellcheck disable=SC2119 # functions whose arguments are optional

cd "$(dirname "$0")/../.." || exit 1
. tests/lib/tap.sh
. tests/lib/netns.sh
. tests/lib/guard.sh

rounds=${ROUNDS:-20}
RANDOM=${SEED:-1}
diag "SEED=${SEED:-1} ROUNDS=$rounds"
lab_up || exit 1
lab_client sysctl -qw net.ipv4.ip_local_port_range="10000 65000"
lab_nginx || exit 1
GUARD_TOP='limits: {misses: 1000000/s, source_misses: 1000000/s}
heartbeat_ttl: 500ms
audit: {summary: 1s}'
guard_up || exit 1
for i in 1 2 3 4; do
	guard_mint "known$i" orders:read
done >"$GUARD_DIR/known"
known=$(head -n 1 "$GUARD_DIR/known")
for ((i = 0; i < 25 * rounds; i++)); do
	guard_mint "fresh$i" orders:read
done >"$GUARD_DIR/fresh"
for ((i = 0; i < 4000; i++)); do
	printf '%sAA%04d%s\n' "${known:0:$((${#known} - 26))}" $i "${known:$((${#known} - 20))}"
done >"$GUARD_DIR/bad"
guard_load -n 100 -c 4 -t "$GUARD_DIR/known" -p "/orders?known"
expect_eq "$(guard_load_says 200)" 100 "the known tokens are known"

# Side by side, until a file says stop: no known token may fail, no bad one may pass.
beside() { # NAME OPTION...
	local name=$1 runs=0 wrong=0
	shift
	while [ ! -e "$GUARD_DIR/stop" ]; do
		guard_load -d 2 -p "/orders?$name" "$@"
		runs=$((runs + $(guard_load_says requests)))
		wrong=$((wrong + $(guard_load_says wrong)))
		[ "$(guard_load_says wrong)" = 0 ] || echo "$GUARD_LOAD" >>"$GUARD_DIR/$name.wrong"
	done
	echo "$runs $wrong" >"$GUARD_DIR/$name.result"
}
beside known -c 4 -r 500 -t "$GUARD_DIR/known" &
beside bad -c 4 -r 200 -T 30 -e 401,503 -t "$GUARD_DIR/bad" &

nap() { # up to that many milliseconds
	sleep "$(awk "BEGIN { print $((RANDOM % $1 + 1)) / 1000 }")"
}
acked=()
verified=0 torn=0 down=0 downs=0
for ((round = 0; round < rounds; round++)); do
	sed -n "$((25 * round + 1)),$((25 * round + 25))p" "$GUARD_DIR/fresh" >"$GUARD_DIR/slice"
	(guard_load -n 50 -c 8 -T 30 -e 200,503 -t "$GUARD_DIR/slice" -p "/orders?fresh" &&
		guard_load_says wrong >>"$GUARD_DIR/fresh.result") &
	fresh=$!
	nap 60
	if ((round % 2)) && guard_ctl flush >/dev/null; then
		acked+=("$(guard_log | tail -n 1 |
			sed -E 's/^(\{"seq":[0-9]+,).*("hash":"[0-9a-f]+"\}).*/\1 \2/')")
		nap 40
	fi
	guard_stop KILL 2>/dev/null
	if ((round % 5 == 4)); then
		sleep 0.6
		downs=$((downs + 1))
		[ "$(guard_status "/orders?known" "$known") $(guard_status "/orders?bad" \
			"$(guard_mint never orders:read)") $(guard_status "/orders?bad")" \
			= "200 503 401" ] && down=$((down + 1))
	fi
	guard_start || exit 1
	out=$(guard_ctl audit verify --json) && verified=$((verified + 1))
	grep -q '"torn_bytes": 0,' <<<"$out" && torn=$((torn + 1))
	wait $fresh
done
expect_eq $verified "$rounds" "after each of $rounds crashes the audit log verifies"
expect_eq $torn "$rounds" "and a restart leaves no torn end"
expect_eq $down $downs "while it was down: known 200, unknown 503, none 401"
found=0
for a in "${acked[@]}"; do
	guard_log | grep -F "${a% *}" | grep -qF "${a#* }" && found=$((found + 1))
done
expect_ge ${#acked[@]} $((rounds / 4)) "flushes were acknowledged shortly before crashes"
expect_eq $found ${#acked[@]} "every record acknowledged before a crash is still there, unchanged"

touch "$GUARD_DIR/stop"
wait_until 60 test -e "$GUARD_DIR/bad.result" -a -e "$GUARD_DIR/known.result"
read -r runs wrong <"$GUARD_DIR/known.result"
expect_ge "$runs" 1000 "known tokens were used all the time"
expect_eq "$wrong" 0 "without one wrong response"
[ "$wrong" = 0 ] || diag "$(cat "$GUARD_DIR/known.wrong")"
read -r runs wrong <"$GUARD_DIR/bad.result"
expect_ge "$runs" 500 "bad tokens were sent all the time"
expect_eq "$wrong" 0 "and got 401 or 503, each of them"
[ "$wrong" = 0 ] || diag "$(cat "$GUARD_DIR/bad.wrong")"
expect_eq "$(lab_nginx_count "?bad")" 0 "none of them reached the service"
expect_eq "$(sort "$GUARD_DIR/fresh.result" | uniq | paste -sd' ')" 0 \
	"each new token got 200 or 503, and an answer at all"
expect_ok "flush" guard_ctl flush
expect_eq "$(guard_sum summary)" "$(lab_nginx_count)" \
	"after all crashes the summaries add up to what the service counted"
expect_eq "$(guard_hits)" "$(lab_nginx_count)" "as do the kernel's counts"
expect_eq "$(guard_records start)" $((rounds + 1)) "every start is on record"
expect_ok "the audit log verifies" guard_ctl audit verify

# ---- refusals while it is down ------------------------------------------------------------------
total() {
	echo $(($(guard_records denial '"reason":"no_token"') +
		$(guard_sum lost '"reason":"no_token"')))
}
off=$(($(guard_count no_token) - $(total)))
guard_stop KILL 2>/dev/null
guard_load -n 30000 -c 64 -p "/orders?bad" -e 401 -H "X-Pad: $(head -c 80 /dev/zero | tr '\0' a)"
[ "$(guard_load_says wrong)" = 0 ] || diag "$GUARD_LOAD"
expect_eq "$(guard_load_says 401)" 30000 "30,000 requests are refused with the daemon down"
expect_ge "$(guard_lost)" 1 "more than the ring of events holds"
guard_start || exit 1
guard_ctl flush >/dev/null
expect_eq $(($(guard_count no_token) - $(total))) $off \
	"after the restart each is on record, or counted as lost"

# ---- the very first summary ---------------------------------------------------------------------
exact=0
for delay in 0.001 0.002 0.003 0.004 0.006 0.008 0.012 0.016; do
	guard_stop >/dev/null
	guard_ctl unload >/dev/null
	rm -r "$GUARD_DIR/state"
	guard_start || exit 1
	guard_load -n 50 -c 1 -t "$GUARD_DIR/known" -p "/orders?first"
	(guard_ctl flush >/dev/null 2>&1) &
	sleep $delay
	guard_stop KILL 2>/dev/null
	wait $!
	guard_start || exit 1
	guard_ctl flush >/dev/null
	sum=$(guard_sum summary)
	if [ "$sum" = 50 ]; then exact=$((exact + 1)); else diag "killed after $delay s: $sum"; fi
done
expect_eq $exact 8 "a crash around the first summary of new maps neither repeats nor loses a count"
done_testing
