#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Conditions, relationships, time, source, risk and step-up on routes, with a real service behind:
# what a client gets, what the kernel decides by itself, and that it forgets when it must.
#
# shellcheck disable=SC2119 # functions whose arguments are optional

cd "$(dirname "$0")/../.." || exit 1
. tests/lib/tap.sh
. tests/lib/netns.sh
. tests/lib/guard.sh

lab_up || exit 1
lab_nginx || exit 1
GUARD_TOP="limits: {misses: 1000000/s, source_misses: 1000000/s}
policy:
  store: docs
  tables: {staff: staff.csv}
  location: {database: places.mmdb}
  risk:
    - {name: tor, when: 'has(claims.tor) && claims.tor', weight: 60}
rebac: {}"
soon=$(($(date +%s) + 12))
GUARD_ROUTES=$(
	cat <<END
      - {path: /gold, when: 'claims.tier == "gold"'}
      - {path: '/orders7/{id}', when: 'request.vars.id == string(claims.order)'}
      - {path: /closing, when: 'has(claims.c) && request.time < timestamp("$(date -u -d "@$soon" +%FT%TZ)")'}
      - {path: /near, when: 'cidr("$LAB_CLIENT4/32").containsIP(request.source)'}
      - {path: /staff, when: 'attributes.staff[principal].group == "ops"'}
      - {path: /home, when: 'request.location.country == "DE"'}
      - {path: /device, when: 'request.headers["x-device"] == "laptop"'}
      - {path: /strong, step_up: {acr_values: [urn:mfa], max_age: 5m}}
      - {path: /risky, risk: {deny: 50}}
      - {path: '/docs/{id}', relation: {object: 'document:{id}', relation: viewer}}
      - {path: /bound, dpop: required}
      - {path: /both, when: ['request.headers["x-a"] == "1"', 'claims.tier == "gold"']}
      - {path: /broken, when: 'claims.nothing.at.all == 1'}
END
)
mkdir -p "$LAB_DIR/guard"
printf 'name,group\nann,ops\n' >"$LAB_DIR/guard/staff.csv"
build/tools/sz-mmdb "$LAB_DIR/guard/places.mmdb" "$LAB_CLIENT4/24=DE" 2001::/16=FR || exit 1
guard_files || exit 1
expect_ok "the configuration is valid" "$GUARD_BUILD/subzerod" --check-config \
	-c "$GUARD_DIR/guard.yaml"
guard_start || exit 1

hits() { # NAME STATUS PATH TOKEN [CURL OPTION...]: answered without the daemon
	local name=$1 status=$2 path=$3 token=$4 before
	shift 4
	before=$(guard_count miss)
	expect_eq "$(guard_status "$path" "$token" "$@") $(($(guard_count miss) - before))" \
		"$status 0" "$name"
}
asks() { # NAME STATUS PATH TOKEN [CURL OPTION...]: the daemon is asked
	local name=$1 status=$2 path=$3 token=$4 before
	shift 4
	before=$(guard_count miss)
	expect_eq "$(guard_status "$path" "$token" "$@")" "$status" "$name"
	expect_ge "$(($(guard_count miss) - before))" 1 "$name: the daemon decides"
}

# ---- by the token alone -------------------------------------------------------------------------
gold=$(guard_mint ann x --claim tier=gold --claim order=7)
plain=$(guard_mint bob x --claim tier=tin --claim order=7)
asks "a condition on the token that is true" 200 /gold "$gold"
hits "is a hit from then on" 200 /gold "$gold"
asks "one that is false" 403 /gold "$plain"
hits "is refused in the kernel from then on" 403 /gold "$plain"
asks "a condition that cannot be evaluated refuses" 403 /broken \
	"$(guard_mint eve x --claim order=1)"

# ---- by the request line ------------------------------------------------------------------------
asks "a variable of the path that fits" 200 /orders7/7 "$gold"
hits "is remembered with the request line" 200 /orders7/7 "$gold"
asks "another request line is asked about" 403 /orders7/8 "$gold"
hits "and its refusal is remembered" 403 /orders7/8 "$gold"
asks "header fields decide" 200 /device "$gold" -H 'X-Device: laptop'
asks "each time" 403 /device "$gold" -H 'X-Device: phone'

# ---- source and attributes ----------------------------------------------------------------------
asks "a source within the prefix" 200 /near "$(guard_mint sue x --claim n=1)"
near=$(guard_mint sue x --claim n=2)
GUARD_FAMILY=4 guard_status /near "$near" >/dev/null
GUARD_FAMILY=4 hits "is a hit from there" 200 /near "$near"
GUARD_FAMILY=6 asks "from elsewhere it is asked about" 403 /near "$near"
hits "an attribute from a file counts, by the token alone" 200 /staff "$gold"
printf 'name,group\nann,guests\n' >"$GUARD_DIR/staff.csv"
is_refused() { [ "$(guard_status /staff "$gold")" = 403 ]; }
expect_ok "a change of the file is in force without a reload by hand" wait_until 10 is_refused

# ---- where the source is ------------------------------------------------------------------------
GUARD_FAMILY=4 asks "a source in the right country" 200 /home "$gold"
GUARD_FAMILY=4 hits "is remembered with the request line" 200 /home "$gold"
GUARD_FAMILY=6 asks "but not for a source that is elsewhere" 403 /home "$gold"
expect_contains "$(guard_ctl explain --service shop --path /home --source "$LAB_CLIENT4" \
	--token - <<<"$gold")" \
	"country DE (of " "explain shows the location"
GUARD_FAMILY=4 guard_status /home "$gold" >/dev/null
head -c 300 /dev/zero >"$GUARD_DIR/places.mmdb" # in place, with what is no database
is_said() { grep -q 'not a MaxMind database' "$LAB_DIR/subzerod.log"; }
expect_ok "a file that is no database is said to be none" wait_until 10 is_said
GUARD_FAMILY=4 hits "and the old one stays in force" 200 /home "$gold"
cp "$GUARD_DIR/places.mmdb" "$GUARD_DIR/bad.mmdb"
sed 's/^  location: .*/  location: {database: bad.mmdb}/' "$GUARD_DIR/guard.yaml" \
	>"$GUARD_DIR/bad.yaml"
out=$("$GUARD_BUILD/subzerod" --check-config -c "$GUARD_DIR/bad.yaml" 2>&1)
expect_eq $? 1 "the configuration with it is not valid"
expect_contains "$out" "bad.mmdb: not a MaxMind database" "and says why"
build/tools/sz-mmdb "$GUARD_DIR/places.mmdb" "$LAB_CLIENT4/24=FR" || exit 1
is_abroad() { [ "$(GUARD_FAMILY=4 guard_status /home "$gold")" = 403 ]; }
expect_ok "a new database ends what was remembered under the old one" wait_until 10 is_abroad

# ---- step-up and risk ---------------------------------------------------------------------------
strong=$(guard_mint ann x --claim acr=urn:mfa --claim "auth_time=$(date +%s)")
asks "a strong sign-in passes" 200 /strong "$strong"
hits "by the token alone" 200 /strong "$strong"
asks "a weak one is 401" 401 /strong "$plain"
answer=$(lab_client curl -s -i -m 5 -H "Authorization: Bearer $plain" "$(guard_url)/strong" |
	tr -d '\r')
expect_contains "$answer" 'error="insufficient_user_authentication"' "the challenge is RFC 9470's"
expect_contains "$answer" 'acr_values="urn:mfa", max_age=300' "and says what is needed"
expect_eq "$(guard_status /strong "$(guard_mint ann x --claim acr=urn:mfa --claim auth_time=1)")" \
	401 "a sign-in that is too old is 401"
asks "a score below the threshold" 200 /risky "$(guard_mint ann x --claim z=1)"
asks "a score above it" 403 /risky "$(guard_mint ann x --claim tor=true)"

# ---- relationships ------------------------------------------------------------------------------
asks "without a store nobody passes" 403 /docs/1 "$gold"
cat >"$GUARD_DIR/model.fga" <<'END'
model
  schema 1.1
type user
type team
  relations
    define member: [user]
type document
  relations
    define owner: [team#member]
    define viewer: [user] or owner
END
expect_ok "a store" guard_ctl rebac store create docs
expect_ok "a model" guard_ctl rebac model write "$GUARD_DIR/model.fga" --store docs
expect_ok "a tuple" guard_ctl rebac write user:ann viewer document:1 --store docs
asks "a relationship that exists" 200 /docs/1 "$gold"
hits "is remembered" 200 /docs/1 "$gold"
asks "one that does not" 403 /docs/2 "$gold"
hits "is remembered, too" 403 /docs/2 "$gold"
expect_ok "the tuple goes" guard_ctl rebac delete user:ann viewer document:1 --store docs
asks "and with it the answer, at once" 403 /docs/1 "$gold"
expect_ok "another comes" guard_ctl rebac write user:ann viewer document:2 --store docs
asks "and is in force at once" 200 /docs/2 "$gold"

# ---- explained ----------------------------------------------------------------------------------
out=$(guard_ctl explain --service shop --path /docs/1 --token - <<<"$gold")
expect_contains "$out" "needs user:ann to be viewer of document:1" "explain names the relationship"
expect_contains "$out" "a tuple must make user:ann viewer of document:1" \
	"and what would have to be true"
out=$(guard_ctl explain --service shop --path /docs/2 --token - <<<"$gold")
expect_contains "$out" "viewer of document:2 is given by the tuple user:ann viewer document:2" \
	"explain names the tuple that gives a relation"
expect_ok "a team owns a document" \
	guard_ctl rebac write team:a#member owner document:3 --store docs
expect_ok "and has a member" guard_ctl rebac write user:ann member team:a --store docs
asks "which is a relationship, too" 200 /docs/3 "$gold"
out=$(guard_ctl explain --service shop --path /docs/3 --token - <<<"$gold")
expect_contains "$out" "viewer of document:3 comes from owner of document:3" \
	"explain names the way: the definition"
expect_contains "$out" "owner of document:3 comes from member of team:a" "the team"
expect_contains "$out" "member of team:a is given by the tuple user:ann member team:a" \
	"and the tuple at its end"
out=$(guard_ctl explain --service shop --path /docs/1 --token - <<<"$gold")
id=$(sed -n 's/.*explanation \([0-9a-f]*\).*/\1/p' <<<"$out")
is_recorded() { [ "$(guard_records "$kind" "\"explanation\":\"$id\"")" -ge 1 ]; }
kind=decision
expect_ok "the same explanation stands in the audit record" wait_until 10 is_recorded

# explained KIND NAME PATH [TOKEN]: explain's id of the request stands in a record of that kind.
explained() {
	local out
	kind=$1
	out=$(guard_ctl explain --service shop --path "$3" ${4:+--token "$4"})
	id=$(sed -n 's/.*explanation \([0-9a-f]*\).*/\1/p' <<<"$out")
	expect_ok "$2" wait_until 10 is_recorded
}
hits "a token that is refused in the kernel" 403 /gold "$plain"
explained denial "has its explanation in the kernel's record" /gold "$plain"
expect_contains "$(guard_log | grep -F "$id" | tail -n 1)" '"detail":"when[0]"' \
	"and the clause that refuses it"
hits "is refused in the kernel by that, whatever the first one says" 403 /both "$plain"
explained denial "which explain knows" /both "$plain"
expect_contains "$(guard_log | grep -F "$id" | tail -n 1)" '"detail":"when[1]"' \
	"as well as the record"
out=$(guard_ctl explain --id "$id")
expect_contains "$out" 'text        the condition on line' "explain --id says what it asks for"
expect_contains "$out" 'claims.tier == "gold"' "in the words of the policy"
expect_contains "$out" "in the audit log; the newest:" "and shows the newest record"
expect_eq "$(guard_ctl audit query --explanation "$id" --json | grep -c .)" \
	"$(guard_records denial "$id")" "audit query finds all of them"
expect_fail "an id that nothing has is an error" guard_ctl explain --id 0000000000000002
asks "a refusal by the request line" 403 /orders7/9 "$gold"
hits "that is remembered" 403 /orders7/9 "$gold"
explained denial "has its explanation in the kernel's record, too" /orders7/9 "$gold"
asks "a relationship that is not there" 403 /docs/9 "$gold"
hits "remembered" 403 /docs/9 "$gold"
explained denial "likewise" /docs/9 "$gold"
expect_contains "$(guard_ctl explain --id "$id")" "must be viewer of document:{id}" \
	"and what it asks for in words"
asks "a path that is encoded for no reason" 403 /go%6cd "$gold"
explained decision "is explained as the daemon has decided" /go%6cd "$gold"
expect_contains "$(guard_ctl explain --id "$id")" "clause      path" "by its clause"
asks "a bearer token where one with a proof is needed" 401 /bound "$gold"
explained decision "is explained as well" /bound "$gold"
expect_eq "$(guard_status /nowhere "$gold")" 403 "no route"
explained denial "is explained" /nowhere "$gold"
expect_eq "$(guard_status /gold)" 401 "no token"
explained denial "is explained" /gold
forged=${gold%.*}.$(tr 'A-Za-z' 'B-ZAb-za' <<<"${gold##*.}")
asks "a token with a wrong signature" 401 /gold "$forged"
hits "is known as bad" 401 /gold "$forged"
explained denial "is explained" /gold "$forged"
explained decision "also in the daemon's record" /gold "$forged"

# ---- time ---------------------------------------------------------------------------------------
closing=$(guard_mint tim x --claim c=1)
if [ "$(date +%s)" -lt $((soon - 1)) ]; then
	asks "before its end the window is open" 200 /closing "$closing"
else
	skip "before its end the window is open" "the machine was too slow"
	skip "before its end the window is open: the daemon decides" "the machine was too slow"
fi
is_closed() { [ "$(guard_status /closing "$closing")" = 403 ]; }
expect_ok "a window that has closed ends the grant" wait_until 20 is_closed
hits "and the refusal is a hit then" 403 /closing "$closing"

# ---- and the daemon goes and comes --------------------------------------------------------------
guard_status /both "$plain" >/dev/null
guard_stop && guard_start || { diag "$(tail -n 5 "$LAB_DIR/subzerod.log")"; exit 1; }
hits "after a restart of the daemon the kernel refuses as before" 403 /both "$plain"
before=$(guard_records denial '"detail":"when[1]"')
guard_status /both "$plain" >/dev/null
is_told() { [ "$(guard_records denial '"detail":"when[1]"')" -gt "$before" ]; }
expect_ok "and the record still names the clause" wait_until 10 is_told

done_testing
