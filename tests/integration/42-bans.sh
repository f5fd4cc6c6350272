#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Bans: of the configuration, from plain lists, and of sources that fail to authenticate again and
# again; what is allowed is never banned, a reload replaces only what the configuration banned, and
# a million of them are as good as one.
#
# shellcheck disable=SC2119 # functions whose arguments are optional

cd "$(dirname "$0")/../.." || exit 1
. tests/lib/tap.sh
. tests/lib/netns.sh
. tests/lib/guard.sh

lab_up || exit 1
lab_nginx || exit 1
guard_files || exit 1
for host in 11 12 13; do
	lab_client ip addr add 10.99.0.$host/24 dev szc || exit 1
done

bans() { # SECTION: the configuration with these bans
	guard_conf >"$GUARD_DIR/guard.yaml"
	printf 'bans: %s\n' "$1" >>"$GUARD_DIR/guard.yaml"
}
from() { # LAST-BYTE [TOKEN]: what a client with that address gets
	GUARD_TIMEOUT=${GUARD_TIMEOUT:-1} guard_status /health "${2:-}" --interface "10.99.0.$1"
}
listed() { # PREFIX: who banned it
	guard_ctl bans --json | tr -d ' \n' | grep -oE "\"prefix\":\"$1\"[^}]*" |
		grep -oE '"by":"[a-z]+"' | cut -d'"' -f4
}

# ---- the configuration and lists ----

cat >"$GUARD_DIR/list.txt" <<END
# a plain list
203.0.113.0/24    first
 10.99.0.12       ; a client here
2001:db8:bad::/48 # of the next protocol

END
bans "{list: [{prefix: 10.99.0.11, why: scanner}], import: [list.txt]}"
guard_start || exit 1
expect_eq "$(from 11)" 000 "what the configuration bans gets no answer"
expect_eq "$(from 12)" 000 "nor does what its list bans"
expect_eq "$(from 13)" 200 "the others do"
expect_eq "$(listed 10.99.0.11) $(listed 203.0.113.0/24) $(listed 2001:db8:bad::/48)" \
	"config config config" "all are listed, by whom"
guard_ctl ban 10.99.0.13 --why hand >/dev/null
bans "{list: [10.99.0.13, {prefix: 198.51.100.0/24, until: '2001-01-01T00:00:00Z'}]}"
expect_ok "another configuration" guard_ctl reload
expect_eq "$(from 11) $(from 12) $(from 13)" "200 200 000" \
	"a reload lifts what the configuration does not ban any more"
expect_eq "$(listed 10.99.0.13)" hand "and leaves alone what was banned by hand"
expect_eq "$(listed 198.51.100.0/24)" "" "a ban whose time is over is none"
expect_ge "$(guard_records ban 'the configuration bans')" 1 "each change is in the audit log"

bans "{list: [10.99.0.0/24, 10.99.0.11], allow: [10.99.0.8/29]}"
expect_ok "a wide ban, and an exception" guard_ctl reload
expect_eq "$(from 11)" 200 "what is allowed is not banned, by a longer prefix or a shorter"
expect_eq "$(guard_status /health)" 000 "the rest of the network is"
guard_stop
expect_eq "$(from 11) $(GUARD_TIMEOUT=1 guard_status /health)" "200 000" \
	"bans hold without the daemon"
guard_start || exit 1
expect_eq "$(from 11) $(GUARD_TIMEOUT=1 guard_status /health)" "200 000" "and with the next one"
bans "{list: [10.99.0.0/33]}"
expect_fail "a prefix that is none is refused" guard_ctl reload
echo "0.0.0.0/0" >"$GUARD_DIR/all.txt"
bans "{import: [all.txt]}"
expect_fail "a list that bans everybody is refused" guard_ctl reload
expect_contains "$(guard_ctl bans import "$GUARD_DIR/all.txt" 2>&1)" "all.txt:1:" \
	"also by hand, and the line is named"

# ---- by themselves ----

guard_ctl unban 10.99.0.13 >/dev/null
bans "{allow: [10.99.0.12], auto: {failures: 5, within: 1m, for: 10m}}"
expect_ok "a rule for repeated failures" guard_ctl reload
tries() { # LAST-BYTE COUNT: requests with bad tokens
	local i
	for ((i = 0; i < $2; i++)); do
		GUARD_TIMEOUT=1 guard_status /orders "bad.token.$1$i" --interface "10.99.0.$1" \
			>>"$LAB_DIR/tries"
	done
}
banned() {
	[ "$(listed "$1")" = daemon ]
}
# A refusal is looked at before its record is written.
seen() { # COUNT: refusals on record
	[ "$(guard_records denial bad_token)" -ge "$1" ]
}
tries 11 4
wait_until 10 seen 4 || diag "the refusals are not on record"
expect_eq "$(from 11)" 200 "four failures of five are forgiven"
tries 11 2
expect_ok "the fifth is not: the source is banned" wait_until 10 banned 10.99.0.11
expect_eq "$(from 11)" 000 "and gets no answer any more"
expect_ge "$(guard_records ban '5 failed authentications')" 1 "which is in the audit log"
before=$(guard_records denial bad_token)
tries 12 8
wait_until 10 seen $((before + 8)) || diag "the refusals are not on record"
expect_eq "$(listed 10.99.0.12) $(from 12)" " 200" "who is allowed may fail as often as he likes"
expect_eq "$(guard_status /health)" 200 "and others are not concerned"

# ---- a million ----

awk 'BEGIN { for (i = 0; i < 999999; i++)
	printf "%d.%d.%d.%d\n", 20 + i / 65536, int(i / 256) % 256, i % 256, (i * 7) % 256; print "10.99.0.12" }' \
	>"$GUARD_DIR/million.txt"
says() { # NAME: of the daemon's state
	guard_ctl status --json | sed -nE "s/^ *\"$1\": ([^,]+),?$/\1/p" | head -n 1
}
millis() {
	echo $(($(date +%s%N) / 1000000))
}
written() { # TEXT
	[ "$(says bans_being_written)" = false ] && [ "$(guard_records ban "$1")" -ge 1 ]
}
bans_are() { # COUNT
	[ "$(says bans)" = "$1" ]
}
served() { # a token that nobody has seen: it takes the daemon
	guard_status /orders "$(guard_mint "user$RANDOM$RANDOM" orders:read)"
}

guard_ctl unban 10.99.0.11 >/dev/null
bans "{import: [million.txt]}"
begun=$(millis)
expect_ok "a configuration with a million" guard_ctl reload
diag "the reload took $(($(millis) - begun)) ms"
expect_eq "$(served)" 200 "an unknown token is verified while they are written"
expect_ok "all of them come to be in force" \
	wait_until 120 written "the configuration bans 1000000 prefixes: 1000000 added"
diag "written after $(($(millis) - begun)) ms; longest pause $(says longest_pause_us) us"
expect_eq "$(from 12) $(from 13)" "000 200" \
	"the last of them is banned, and a good client is served beside a million bans"

# The next one begins while this one is still being written: the last word counts.
bans "{list: [10.99.0.12], import: [million.txt]}"
guard_ctl reload >/dev/null
bans "{list: [10.99.0.11]}"
begun=$(millis)
expect_ok "a configuration without them" guard_ctl reload
expect_eq "$(served)" 200 "an unknown token is verified while they are lifted"
expect_ok "all of them are lifted" \
	wait_until 120 eval 'written "the configuration bans 1 prefixes" && bans_are 1'
diag "lifted after $(($(millis) - begun)) ms; longest pause $(says longest_pause_us) us"
expect_eq "$(from 11) $(from 12)" "000 200" "and what is banned now is what was said last"
guard_conf >"$GUARD_DIR/guard.yaml"
guard_ctl reload >/dev/null

begun=$(millis)
lab_server script -qec "'$GUARD_BUILD/subzeroctl' --config '$GUARD_DIR/guard.yaml' --pin-dir '$GUARD_PINS' \
	bans import '$GUARD_DIR/million.txt' --for 15s --why flood" /dev/null >"$LAB_DIR/import" 2>&1
expect_contains "$(tr '\r' '\n' <"$LAB_DIR/import")" "1000000 prefixes of" "a list of a million by hand"
expect_ge "$(tr '\r' '\n' <"$LAB_DIR/import" | grep -c ' of 1000000$')" 10 "which shows how far it is"
diag "imported in $(($(millis) - begun)) ms"
expect_eq "$(from 12) $(from 13)" "000 200" "a good client is served beside them, too"
expect_ok "they all end in time" wait_until 120 bans_are 0
diag "gone after $(($(millis) - begun)) ms; longest pause $(says longest_pause_us) us"
expect_eq "$(served)" 200 "and unknown tokens are verified"
longest=$(says longest_pause_us)
expect_le "${longest%.*}" 2000000 "nothing of this has held up the loop for long"
diag "$(bpftool map show pinned "$GUARD_PINS/sz_bans" | grep -oE 'memlock [0-9]+B')"
done_testing
