#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# What is kept of the audit log, and where else it goes: old segments go by size, the rest verifies
# and says what went, through changes of the key, kill -9 and reloads; records reach journald's and
# syslog's sockets in their forms, and a receiver that does not read holds nobody up.
#
# shellcheck disable=SC2119,SC2016 # functions whose arguments are optional; text for inner shells

cd "$(dirname "$0")/../.." || exit 1
. tests/lib/tap.sh
. tests/lib/netns.sh
. tests/lib/guard.sh

command -v python3 >/dev/null || skip_all "python3 is missing; run scripts/setup peers"
lab_up || exit 1
lab_nginx || exit 1

receive() { # NAME read|deaf: a datagram socket, each datagram a line of $LAB_DIR/NAME
	lab_start "$1" python3 -c '
import socket, sys, os, signal
path, out, how = sys.argv[1:]
if os.path.exists(path):
    os.unlink(path)
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(path)
print("bound", flush=True)
if how == "deaf":
    signal.pause()
with open(out, "ab", buffering=0) as f:
    while True:
        f.write(s.recv(1 << 20).replace(b"\n", b"\x1e") + b"\n")
' "$LAB_DIR/$1.sock" "$LAB_DIR/$1" "$2"
	wait_until 20 grep -q bound "$LAB_DIR/$1.log"
}
receive journal read && receive syslog read || exit 1
conf() { # AUDIT OPTIONS
	GUARD_TOP="limits: {misses: 1000000/s, source_misses: 1000000/s}
metrics: {listen: 127.0.0.1:9464}
audit:
  summary: 1s
  rotate: 64KiB
  origin: log.test/retain
  forward:
    journald: {socket: $LAB_DIR/journal.sock, severity: informational}
    syslog: {socket: $LAB_DIR/syslog.sock, severity: medium, facility: local3}
  $1"
	guard_conf >"$GUARD_DIR/guard.yaml"
}
conf "retention: {size: 192KiB}"
guard_files && conf "retention: {size: 192KiB}" && guard_start || exit 1
log=$GUARD_DIR/state/audit

token=$(guard_mint alice orders:read)
bad=1000000
records() { # [OPTION...]: 700 bad tokens that nobody has seen before, some 300 KiB of records
	awk -v from=$bad -v a="${token:0:$((${#token} - 26))}" -v b="${token:$((${#token} - 19))}" \
		'BEGIN { for (i = 0; i < 700; i++) print a from + i b }' >"$GUARD_DIR/bad"
	bad=$((bad + 700))
	guard_load -n 700 -c 8 -T 60 -e "${1:-401}" -t "$GUARD_DIR/bad" -p "/orders?bad"
	guard_ctl flush >/dev/null
}
member() { # JSON NAME
	sed -nE "s/^ *\"$2\": \"?([^\",]*)\"?,?$/\1/p" <<<"$1" | head -n 1
}
verify() { # [OPTION...]: JSON in $verified
	verified=$(guard_ctl audit verify --json "$@")
}
audit_state() { # MEMBER
	guard_ctl status --json | sed -n '/"audit"/,/^    }/s/^ *"'"$1"'": \([0-9a-z]*\),*$/\1/p' |
		head -n 1
}

# ---- by size ------------------------------------------------------------------------------------
first_key=$(guard_ctl audit key --json | sed -nE 's/.*"key": "(.*)".*/\1/p')
guard_ctl flush >/dev/null
guard_ctl audit prove --record 1 >"$GUARD_DIR/old-proof"
records
gone() { [ ! -e "$log/00000001.jsonl" ]; }
expect_ok "the oldest segment goes" wait_until 60 gone
settled() { # no segment more than may be kept
	[ "$(du -cb "$log"/*.jsonl | tail -n 1 | cut -f 1)" -le 196608 ] &&
		[ "$(audit_state removed_records)" -gt 0 ]
}
expect_ok "until the rest is within the size" wait_until 60 settled
guard_ctl flush >/dev/null
verify
expect_eq "$(member "$verified" ok)" true "what stays verifies"
expect_ge "$(member "$verified" removed_records)" 100 "and says how many records went"
expect_eq "$(member "$verified" first_seq)" "$(($(member "$verified" removed_records) + 1))" \
	"it begins right behind them"
expect_contains "$(guard_ctl audit verify)" "removed by retention: records 1 to" \
	"in words for people"
expect_eq "$(guard_ctl audit query --type removed --json | wc -l)" "$(guard_records removed)" \
	"the removal is on record"
expect_ok "somebody with the first key can follow it" guard_ctl audit verify --key "$first_key"
expect_contains "$(guard_ctl audit prove --record 1 2>&1)" "retention removed" \
	"what went cannot be proved any more"
expect_ok "a proof that was made before still holds" \
	guard_ctl audit prove --verify "$GUARD_DIR/old-proof" --key "$first_key"
last=$(member "$verified" last_seq)
expect_ok "what stays can be proved" eval "guard_ctl audit prove --record $last \
	>'$GUARD_DIR/proof' && guard_ctl audit prove --verify '$GUARD_DIR/proof' --key '$first_key'"
metrics=$(lab_server curl -s http://127.0.0.1:9464/metrics)
expect_contains "$metrics" "subzero_audit_segments $(audit_state segments)" \
	"the metrics count the segments"

# ---- keys, crashes, reloads ---------------------------------------------------------------------
expect_ok "the key is changed" guard_ctl audit key --rotate
changed=$(guard_records key)
records
expect_ok "until its record is gone, too" wait_until 60 eval '[ "$(guard_records key)" = 0 ]'
expect_ge "$changed" 1 "which was there"
guard_ctl flush >/dev/null
expect_ok "the first key still vouches for the log" guard_ctl audit verify --key "$first_key"
mv "$log/key-changes" "$GUARD_DIR/"
expect_fail "not without the old key's word for the new one" \
	guard_ctl audit verify --key "$first_key"
mv "$GUARD_DIR/key-changes" "$log/"
good=0
for round in 1 2; do
	newest=$(audit_state last_seq)
	(records 401,503,000 2>/dev/null) &
	load=$!
	wait_until 20 eval '[ "$(audit_state last_seq)" -gt $((newest + 100)) ]'
	guard_stop KILL 2>/dev/null
	guard_start || exit 1
	guard_ctl audit verify --key "$first_key" >/dev/null && good=$((good + 1))
	wait $load
	bad=$((bad + 700))
done
expect_eq $good 2 "kill -9 while segments come and go leaves a good log"
rm -rf "$GUARD_DIR/copy" && cp -r "$log" "$GUARD_DIR/copy"
rm "$(ls "$GUARD_DIR"/copy/*.jsonl | head -n 1)"
expect_fail "a segment more than was removed is missed" guard_ctl audit verify "$GUARD_DIR/copy"
conf "retention: {age: none}"
expect_ok "a reload ends retention" guard_ctl reload
records
oldest=$(ls "$log"/*.jsonl | head -n 1)
kept=$(ls "$log"/*.jsonl | wc -l)
records
more() { [ "$(audit_state segments)" -ge $((kept + 2)) ]; }
expect_ok "the log grows beyond the size" wait_until 60 more
expect_ok "and nothing goes" test -e "$oldest"
conf "retention: {size: 100KiB}"
expect_contains "$("$GUARD_BUILD/subzerod" --check-config -c "$GUARD_DIR/guard.yaml" 2>&1)" \
	"out of range" "a size below two segments is refused"
conf "retention: {age: none}"

# ---- forwarding ---------------------------------------------------------------------------------
told() { # FILE: by the numbers of records in it
	grep -oE '\{"seq":[0-9]+' "$LAB_DIR/$1" | sort -u | wc -l
}
guard_status "/orders?marked" >/dev/null
guard_ctl flush >/dev/null
expect_ok "a refusal reaches journald" wait_until 20 grep -q '?marked' "$LAB_DIR/journal"
expect_eq "$(grep -a '?marked' "$LAB_DIR/journal" | head -n 1 | tr '\036' '\n' |
	grep . | cut -d = -f 1 | paste -sd' ')" \
	"SYSLOG_IDENTIFIER SYSLOG_FACILITY PRIORITY MESSAGE_ID SUBZERO_TYPE SUBZERO_SEVERITY \
SUBZERO_REASON SUBZERO_SERVICE MESSAGE" "with its fields"
expect_fail "syslog gets only what is grave enough" grep -q '?marked' "$LAB_DIR/syslog"
guard_ctl ban 192.0.2.7 --for 1h --why test >/dev/null
expect_ok "a ban reaches syslog" wait_until 20 grep -q '"type":"ban"' "$LAB_DIR/syslog"
form='^<156>1 [0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\.[0-9]{6}Z [!-~]+ subzerod [0-9]+ ban - \{"seq":'
expect_eq "$(grep -cE "$form" "$LAB_DIR/syslog")" 1 "in the form of RFC 5424"
expect_ge "$(told journal)" 700 "journald has got the records before"
lab_stop journal KILL 2>/dev/null
records
expect_ge "$(guard_ctl status --json | grep -c '"connected": false')" 1 "a receiver that is gone is told"
receive journal read
expect_ok "and found again" wait_until 20 eval \
	'guard_ctl flush >/dev/null; ! guard_ctl status --json | grep -q "\"connected\": false"'
lab_stop journal KILL 2>/dev/null
receive journal deaf
dropped() {
	records
	lab_server curl -s http://127.0.0.1:9464/metrics |
		grep -q 'forwarded_total{target="journald",result="dropped"} [1-9]'
}
expect_ok "what a receiver does not read is dropped and counted" wait_until 30 dropped
expect_eq "$(guard_load_says 401)" 700 "and nobody waits for it"
expect_ok "the log has it all" guard_ctl audit verify --key "$first_key"
guard_stop
expect_eq $? 0 "the daemon stops with a receiver that does not read"
expect_eq "$(cat "$LAB_DIR/journal" "$LAB_DIR/syslog" | grep -acF -e "${token##*.}")" 0 \
	"no token was forwarded"
done_testing
