#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# The limit of open questions in front of a real server: a verifier that cannot answer has unknown
# tokens refused early, by priority, and nothing else; nothing stays counted when it dies; and one
# that is slow has its limit lowered and gets it back.
#
# The daemon is made slow by taking the processor away from it (SIGSTOP). Only counts and their
# order are compared, never times.
#
# shellcheck disable=SC2119 # functions whose arguments are optional

cd "$(dirname "$0")/../.." || exit 1
. tests/lib/tap.sh
. tests/lib/netns.sh
. tests/lib/guard.sh

command -v python3 >/dev/null || skip_all "needs python3: run scripts/setup check"
lab_up || exit 1
lab_nginx || exit 1

# shellcheck disable=SC2034 # GUARD_TOP is of guard.sh
bounds() { # TARGET MIN MAX [MORE...]: the top of the file with these
	GUARD_TOP="heartbeat_ttl: 600s
limits:
  misses: 1000000/s
  source_misses: 1000000/s
  adaptive: {target: $1, min: $2, max: $3}
priorities:
  - {priority: high, claims: {tier: gold}}"
}
# shellcheck disable=SC2034 # likewise
reload() { # [LINES]: for the service
	GUARD_SERVICE="    ${1:-priority: normal}" guard_conf >"$GUARD_DIR/guard.yaml" &&
		guard_ctl reload
}
says() { # EXPRESSION: of what `limits` says of adaptive, as a
	guard_ctl limits list --json | python3 -c '
import json, sys
a = [l["adaptive"] for l in json.load(sys.stdin) if l["name"] == "adaptive"][0]
print(eval(sys.argv[1]))' "$1"
}
is() { # EXPRESSION
	[ "$(says "$1")" = True ]
}
# Makes tokens that nobody has seen: one is signed, the others differ from it in the signature.
# Verifying them is the same work.
made=0
tokens() { # N FILE
	python3 - "$alice" "$made" "$1" >"$2" <<'END'
import sys
head, sig = sys.argv[1].rsplit(".", 1)
letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
for i in range(int(sys.argv[2]), int(sys.argv[2]) + int(sys.argv[3])):
    text = "".join(letters[i >> 6 * k & 63] for k in range(4))
    print(head + "." + text + sig[4:])
END
	made=$((made + $1))
}
shed() { # PRIORITY
	says "a['priorities']['$1']['shed']"
}
# 30 unknown tokens at once to a daemon that stands still; $asked of them are held. Then it goes on.
burst() { # PRIORITY EXPECTED
	local before pid n
	before=$(shed "$1")
	tokens 30 "$GUARD_DIR/tokens"
	kill -STOP "$(lab_pid subzerod)"
	lab_client "$GUARD_BUILD/tools/sz-load" -j -n 30 -c 30 -T 30 -p /orders \
		-t "$GUARD_DIR/tokens" -e 401,503 "$(guard_url)" >"$GUARD_DIR/burst" 2>&1 &
	pid=$!
	expect_ok "priority $1: $2 of 30 are held, the others refused at once" \
		wait_until 20 is "a['priorities']['$1']['shed'] == $((before + 30 - $2))"
	guard_load -n 200 -c 8 -p /orders -t "$GUARD_DIR/known"
	expect_eq "$(guard_load_says 200)" 200 "known tokens all go on meanwhile"
	n=$(guard_status /orders "$(sed 's/\.[^.]*$/.AAAA/' <"$GUARD_DIR/known")")
	expect_eq "$n" 503 "one more is refused"
	kill -CONT "$(lab_pid subzerod)"
	wait "$pid"
	GUARD_LOAD=$(cat "$GUARD_DIR/burst")
	expect_eq "$(guard_load_says 401) $(guard_load_says 503)" "$2 $((30 - $2))" \
		"then those that were held are answered"
	expect_ok "and nothing is open" wait_until 10 is "a['in_flight'] == 0"
}

bounds 50ms 10 10
guard_up || exit 1
alice=$(guard_mint alice orders:read)
echo "$alice" >"$GUARD_DIR/known"
expect_eq "$(guard_status /orders "$alice")" 200 "a token is known"

# ---- how many may be open -----------------------------------------------------------------------
expect_eq "$(says "a['limit']")" 10 "the limit is what the file says"
burst normal 8
expect_ok "the service comes last" reload "priority: high"
expect_eq "$(guard_status /orders "$alice")" 200 "a token is known again"
burst high 10
expect_ok "the service comes first" reload "priority: low"
expect_eq "$(guard_status /orders "$alice")" 200 "a token is known again"
burst low 5
expect_contains "$(guard_ctl limits)" "low up to 5: " "limits shows it"
expect_contains "$(guard_ctl status)" "adaptive" "and so does status"
expect_eq "$(guard_count busy)" "$(says "a['shed']")" "every refusal is counted under its reason"

# ---- principals ---------------------------------------------------------------------------------
# A token says that it is important: only one that was verified is.
gold=$(guard_mint gold orders:read --claim tier=gold)
other=$(guard_mint gold orders:read --claim tier=gold)
expect_eq "$(guard_status /each "$gold")" 200 "a verified principal of high priority"
tokens 30 "$GUARD_DIR/tokens"
kill -STOP "$(lab_pid subzerod)"
before=$(shed low)
lab_client "$GUARD_BUILD/tools/sz-load" -j -n 30 -c 30 -T 30 -p /orders -t "$GUARD_DIR/tokens" \
	-e 401,503 "$(guard_url)" >/dev/null 2>&1 &
pid=$!
expect_ok "the share of low priority is used up" \
	wait_until 20 is "a['priorities']['low']['shed'] == $((before + 25))"
expect_eq "$(guard_status /orders "$other")" 503 "what an unverified token says counts for nothing"
guard_status /each "$gold" >"$GUARD_DIR/gold" &
held=$!
expect_ok "a verified one is asked about still" wait_until 10 is "a['in_flight'] == 6"
kill -CONT "$(lab_pid subzerod)"
wait "$pid" "$held"
expect_eq "$(cat "$GUARD_DIR/gold")" 200 "and is answered"
expect_ok "nothing is open" wait_until 10 is "a['in_flight'] == 0"

# ---- a daemon that dies with questions open -----------------------------------------------------
tokens 30 "$GUARD_DIR/tokens"
before=$(shed low)
kill -STOP "$(lab_pid subzerod)"
lab_client "$GUARD_BUILD/tools/sz-load" -j -n 30 -c 30 -T 2 -p /orders -t "$GUARD_DIR/tokens" \
	-e 401,503 "$(guard_url)" >/dev/null 2>&1 &
pid=$!
expect_ok "questions are open" \
	wait_until 20 is \
	"a['priorities']['low']['shed'] == $((before + 25)) and a['in_flight'] == 5"
guard_stop KILL 2>/dev/null
wait "$pid"
guard_start || exit 1 # another one takes its place
expect_ok "none of them counts for ever" wait_until 10 is "a['in_flight'] == 0"
for i in 1 2 3 4 5 6; do
	got+="$(guard_status /orders "$(guard_mint "u$i" orders:read)") "
done
expect_eq "$got" "200 200 200 200 200 200 " "new tokens are verified"

# ---- a daemon that is slow ----------------------------------------------------------------------
bounds 5ms 500 2000
expect_ok "a high limit" reload "priority: normal"
bounds 5ms 4 2000
expect_ok "that may fall" reload "priority: normal"
top=$(says "a['limit']")
expect_ge "$top" 500 "which it has no reason to"
expect_eq "$(guard_status /orders "$alice")" 200 "a token is known"
tokens 60000 "$GUARD_DIR/tokens"
before=$(guard_count busy)
# exec, so that it can be ended.
(exec nsenter --net="/run/netns/$LAB_CLIENT_NS" -- "$GUARD_BUILD/tools/sz-load" -j -d 60 \
	-c 300 -T 30 -p /orders -t "$GUARD_DIR/tokens" -e 401,503 \
	"$(guard_url)") >"$GUARD_DIR/burst" 2>&1 &
flood=$!
daemon=$(lab_pid subzerod)
# Nine tenths of the time it gets no processor.
while kill -STOP "$daemon" 2>/dev/null; do
	sleep 0.09
	kill -CONT "$daemon"
	sleep 0.01
done &
brake=$!
expect_ok "its limit follows it down" \
	wait_until 30 is "a['limit'] < $top / 4 and a['shed'] > $before"
guard_load -n 2000 -c 8 -p /orders -t "$GUARD_DIR/known"
expect_eq "$(guard_load_says 200)" 2000 "known tokens all go on meanwhile"
kill "$brake" "$flood" 2>/dev/null
wait "$brake" "$flood" 2>/dev/null
kill -CONT "$daemon"
low=$(says "a['limit']")
expect_ok "nothing is open soon" wait_until 20 is "a['in_flight'] == 0"
expect_ok "and its limit comes back" wait_until 30 is "a['limit'] >= $low + 20"
expect_eq "$(guard_status /orders "$(guard_mint last orders:read)")" 200 "new tokens are verified"
guard_ctl flush >/dev/null
expect_ok "the audit log says so" eval 'guard_log | grep -q "\"reason\":\"busy\""'
done_testing
