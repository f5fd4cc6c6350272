#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# The local API of a running daemon: tokens and scopes, OpenFGA's own client unchanged, the commands
# of subzeroctl over the control socket, and what is left after kill -9.

cd "$(dirname "$0")/../.." || exit 1
. tests/lib/tap.sh
. tests/lib/netns.sh
. tests/lib/guard.sh

lab_up || exit 1
lab_nginx || exit 1
port=9465
GUARD_TOP="limits: {misses: 1000000/s, source_misses: 1000000/s}
api: {listen: 127.0.0.1:$port}
rebac: {}
policy: {store: cli}"
GUARD_ROUTES='      - {path: "/repos/{id}", relation: {object: "repo:{id}", relation: reader}}
      - {path: "/teams/{id}", relation: {object: "team:{id}", relation: member}}'
guard_up || exit 1

url=http://127.0.0.1:$port
api() { # PATH [CURL OPTION...]
	local path=$1
	shift
	lab_server curl -s -m 10 "$@" "$url$path"
}
status() {
	api "$@" -o /dev/null -w '%{http_code}'
}

# ---- tokens -------------------------------------------------------------------------------------
expect_eq "$(status /healthz)" 200 "whether it lives may be asked by anybody"
expect_eq "$(status /stores)" 401 "without a token nothing else is told"
admin=$(guard_ctl api token add admin --scope rebac:read --scope rebac:write 2>/dev/null)
reader=$(guard_ctl api token add reader --scope rebac:read 2>/dev/null)
expect_eq "$(status /stores -H "Authorization: Bearer $admin")" 200 "a new token counts at once"
expect_fail "a name is given once" guard_ctl api token add admin --scope x
expect_fail "a token needs a scope" guard_ctl api token add empty
expect_contains "$(guard_ctl api token list)" "reader" "tokens are listed"
expect_lacks "$(cat "$GUARD_DIR/state/api-tokens.json")" "$admin" "their secrets are not kept"
expect_eq "$(stat -c %a "$GUARD_DIR/state/api-tokens.json")" 600 "and the file is private"
guard_ctl api token add passing --scope rebac:read >"$LAB_DIR/passing" 2>/dev/null
expect_ok "a token is removed" guard_ctl api token remove passing
expect_eq "$(status /stores -H "Authorization: Bearer $(cat "$LAB_DIR/passing")")" 401 \
	"and counts no more, at once"
expect_eq "$(lab_client curl -s -m 2 -o /dev/null -w '%{http_code}' \
	"http://$LAB_SERVER4:$port/healthz")" 000 "other hosts hear nothing"

# ---- OpenFGA's client ---------------------------------------------------------------------------
if [ -d build/node/node_modules/@openfga/sdk ]; then
	mkdir -p "$LAB_DIR/node"
	cp tests/node/openfga.mjs "$LAB_DIR/node/"
	ln -s "$PWD/build/node/node_modules" "$LAB_DIR/node/node_modules"
	lab_server timeout 100 node "$LAB_DIR/node/openfga.mjs" "$url" "$admin" "$reader" \
		>"$LAB_DIR/sdk.log" 2>&1
	sdk=$?
	while read -r line; do
		case $line in
		"ok "*) ok "OpenFGA's client: ${line#ok }" ;;
		"not ok "*) not_ok "OpenFGA's client: ${line#not ok }" ;;
		esac
	done <"$LAB_DIR/sdk.log"
	expect_eq $sdk 0 "OpenFGA's client ends well"
	[ $sdk -eq 0 ] || diag "$(tail -n 5 "$LAB_DIR/sdk.log")"
else
	skip "OpenFGA's client" "it is missing; run: sudo scripts/setup node"
fi

# ---- subzeroctl ---------------------------------------------------------------------------------
rebac() {
	guard_ctl rebac "$@"
}
cat >"$LAB_DIR/model.fga" <<'END'
model
  schema 1.1
type user
type team
  relations
    define member: [user, team#member]
type repo
  relations
    define owner: [user]
    define reader: [user, team#member, user with hours] or owner
type note
  relations
    define owner: [user]
condition hours(hour: int, until: int) {
  hour < until
}
END
rebac store create one >/dev/null
rebac store create two >/dev/null
expect_contains "$(rebac check user:a reader repo:x 2>&1)" "stores may be meant" \
	"with several stores one must be named"
store=$(rebac store create cli)
expect_contains "$(rebac store list)" "$store" "a store is made and listed"
model=$(rebac model write "$LAB_DIR/model.fga" --store cli)
expect_eq "$(rebac model list --store cli)" "$model" "a model is written and listed"
expect_contains "$(rebac model read --store cli)" "define owner: [user]" "and read in the language"
expect_ok "a tuple is written" rebac write --store cli user:anne member team:core
expect_ok "one with a set of users" rebac write --store "$store" team:core#member reader repo:x
expect_ok "one with a condition" rebac write --store cli user:bob reader repo:x \
	--condition hours --context '{"until": 12}'
expect_fail "not twice" rebac write --store cli user:anne member team:core
expect_ok "but where that is ignored" rebac write --store cli --ignore user:anne member team:core
expect_eq "$(rebac check --store cli user:anne reader repo:x)" yes "check: yes"
expect_eq "$(rebac check --store cli user:zoe reader repo:x)" no "no"
expect_eq "$(rebac check --store cli --context '{"hour": 9}' user:bob reader repo:x)" yes \
	"with a context"
echo '[{"user": "user:zoe", "relation": "member", "object": "team:core"}]' >"$LAB_DIR/also.json"
expect_eq "$(rebac check --store cli --tuples "$LAB_DIR/also.json" user:zoe reader repo:x)" yes \
	"with contextual tuples"
cat >"$LAB_DIR/batch.jsonl" <<'END'
{"user": "user:anne", "relation": "reader", "object": "repo:x"}
{"user": "user:zoe", "relation": "reader", "object": "repo:x"}
{"user": "user:zoe", "relation": "nothing", "object": "repo:x"}
END
batch=$(rebac batch-check --store cli "$LAB_DIR/batch.jsonl")
expect_eq "$(cut -d' ' -f1 <<<"$batch" | paste -sd' ')" "yes no error" "many checks at once"
expect_eq "$(rebac list-objects --store cli user:anne reader repo)" repo:x "objects are listed"
expect_eq "$(rebac list-users --store cli --context '{"hour": 23}' repo:x reader user)" user:anne \
	"users are listed"
expect_eq "$(rebac list-users --store cli repo:x reader team#member)" "team:core#member" \
	"and sets of users"
expect_contains "$(rebac expand --store cli repo:x reader)" "team:core#member" "expand"
expect_eq "$(rebac read --store cli --object team:core)" "user:anne member team:core" "read"
expect_contains "$(rebac read --store cli)" 'with hours {"until":12}' "with conditions"
expect_ok "a tuple is deleted" rebac delete --store cli user:anne member team:core
expect_fail "not twice" rebac delete --store cli user:anne member team:core
changes=$(rebac watch --store cli --type team --once 2>"$LAB_DIR/watch")
expect_eq "$(grep -c '^[+-] user:anne member team:core' <<<"$changes")" 2 "changes are told"
from=$(sed -n 's/.*--from //p' "$LAB_DIR/watch")
lab_start watch "$GUARD_BUILD/subzeroctl" --config "$GUARD_DIR/guard.yaml" \
	--pin-dir "$GUARD_PINS" rebac watch --store cli --type team --from "$from"
rebac write --store cli user:carol member team:core
expect_ok "and followed" wait_until 15 grep -q '^+ user:carol member team:core' "$LAB_DIR/watch.log"
expect_lacks "$(cat "$LAB_DIR/watch.log")" anne "from the token on"
lab_stop watch

seq 12000 | awk '{
	printf "{\"user\":\"user:u%d\",\"relation\":\"owner\",", $1 % 700
	printf "\"object\":\"repo:r%d\"}\n", $1
}' >"$LAB_DIR/in.jsonl"
expect_contains "$(rebac import --store cli "$LAB_DIR/in.jsonl" 2>&1)" "imported 12000 tuples" \
	"twelve thousand tuples are imported, with progress"
expect_contains "$(rebac import --store cli "$LAB_DIR/in.jsonl" 2>&1)" "imported 12000 tuples" \
	"and again, which changes nothing"
expect_eq "$(rebac check --store cli user:u7 reader repo:r707)" yes "they count"
rebac export --store cli "$LAB_DIR/out.jsonl" 2>/dev/null
expect_eq "$(wc -l <"$LAB_DIR/out.jsonl")" 12003 "all are exported"
expect_eq "$(grep -o '"repo:r[0-9]*"' "$LAB_DIR/out.jsonl" | sort -u | wc -l)" 12000 "each once"
expect_eq "$(rebac list-objects --store cli user:u7 owner repo | wc -l)" 18 "and found backwards"
echo '{"user":"user:x","relation":"no","object":"repo:r"}' >"$LAB_DIR/bad.jsonl"
expect_fail "what the model does not know is refused" rebac import --store cli "$LAB_DIR/bad.jsonl"

# ---- who changed what ---------------------------------------------------------------------------
act() { # NAME TEXT
	local text=$2
	is_on_record() { [ "$(guard_records admin "$text")" -ge 1 ]; }
	expect_ok "on record: $1" wait_until 10 is_on_record
}
act "a store is made" "\"detail\":\"root: make store cli ($store)\""
act "a model is written" "root: write a model to store cli ($store): $model"
act "a tuple is written" "1 to add, 0 to delete: +user:anne member team:core\""
act "and deleted" "0 to add, 1 to delete: -user:anne member team:core\""
act "what was refused" "+user:anne member team:core; refused: write_failed_due_to_invalid_input"
act "an import" "+user:u4 owner repo:r4, "
act "with how many more there were" " more\""
api "/stores/$store/write" -o "$LAB_DIR/write" -H "Authorization: Bearer $admin" \
	-d '{"writes":{"tuple_keys":[{"user":"user:api","relation":"owner","object":"note:a"}]}}'
act "a token of the API is named" "API token admin: write to store cli ($store): 1 to add"
expect_eq "$(status "/stores/$store/write" -H "Authorization: Bearer $reader" -d '{}')" 403 \
	"who may only read does not write"
act "and that it was tried" "API token reader: POST /stores/$store/write was refused: it needs the scope"
before=$(guard_records admin)
rebac check --store cli user:anne reader repo:x >/dev/null
expect_eq "$(guard_records admin)" "$before" "questions are no acts"
expect_contains "$(guard_ctl status)" "name cli, tuples 1200" "status tells of the stores"
expect_contains "$(guard_ctl status)" "profiles" "and of the maps of answers"
expect_contains "$(guard_ctl doctor)" "store cli: 1200" "doctor, too"

# ---- routes -------------------------------------------------------------------------------------
alice=$(guard_mint alice x)
repo_status() {
	guard_status /repos/door "$alice"
}
expect_eq "$(repo_status)" 403 "a route that asks for a relationship refuses without it"
rebac write --store cli user:alice reader repo:door
expect_eq "$(repo_status)" 200 "and admits as soon as it is written"
asked=$(guard_count ticket)
repo_status >/dev/null
repo_status >/dev/null
expect_eq "$(guard_count ticket)" "$asked" "the kernel remembers it"
stale=0
for i in 1 2 3 4 5 6 7 8; do
	rebac delete --store cli user:alice reader repo:door
	[ "$(repo_status)" = 403 ] || stale=$((stale + 1))
	rebac write --store cli user:alice reader repo:door
	[ "$(repo_status)" = 200 ] || stale=$((stale + 1))
done
expect_eq $stale 0 "no verdict outlives the write that changed it, sixteen times"
rebac write --store cli user:alice member team:door
rebac write --store cli team:door#member reader repo:lobby
expect_eq "$(guard_status /repos/lobby "$alice")" 200 "through a team"
rebac delete --store cli user:alice member team:door
expect_eq "$(guard_status /repos/lobby "$alice")" 403 "and no more, as soon as the team is left"
repo_status >/dev/null
asked=$(guard_count ticket)
page=$(rebac store create elsewhere)
rebac model write "$LAB_DIR/model.fga" --store "$page" >/dev/null
rebac write --store "$page" user:bob reader repo:door
repo_status >/dev/null
expect_eq "$(guard_count ticket)" "$asked" "a write to another store makes nothing void"
rebac write --store cli user:alice owner note:door
repo_status >/dev/null
expect_eq "$(guard_count ticket)" "$asked" "nor does one that no route can depend on"
rebac write --store cli user:zoe owner repo:door
repo_status >/dev/null
expect_eq "$(guard_count ticket)" $((asked + 1)) "but one that a route depends on does"
guard_status /teams/core "$alice" >/dev/null
asked=$(guard_count ticket)
rebac write --store cli user:yve owner repo:door
guard_status /teams/core "$alice" >/dev/null
expect_eq "$(guard_count ticket)" "$asked" "another route that cannot be changed by it is left alone"
repo_status >/dev/null
expect_eq "$(guard_count ticket)" $((asked + 1)) "the one that can is asked for again"
echo "$alice" >"$LAB_DIR/alice"
rebac write --store cli --ignore user:alice reader repo:door
probe=$(lab_client "$GUARD_BUILD/tools/sz-revoke-probe" "$LAB_SERVER4" "$LAB_PORT" /repos/door \
	"$LAB_DIR/alice" "$GUARD_BUILD/subzeroctl" --pin-dir "$GUARD_PINS" \
	--config "$GUARD_DIR/guard.yaml" rebac delete --store cli user:alice reader repo:door 2>&1)
expect_contains "$probe" '"not_refused":0' "nothing is admitted once the first request was refused"
diag "$probe"

# ---- kill -9 while writing ----------------------------------------------------------------------
lab_start writer bash -c 'for ((i = 0; ; i++)); do
		"$@" rebac write --store cli user:k member "team:k$i" >/dev/null 2>&1 || exit 0
		echo "$i"
	done' writer "$GUARD_BUILD/subzeroctl" --config "$GUARD_DIR/guard.yaml" \
	--pin-dir "$GUARD_PINS"
acked() {
	[ "$(wc -l <"$LAB_DIR/writer.log")" -ge 20 ]
}
wait_until 20 acked
guard_stop KILL
lab_wait_gone() {
	! kill -0 "$(lab_pid writer)" 2>/dev/null
}
wait_until 20 lab_wait_gone
lab_stop writer 2>/dev/null
guard_start || exit 1
told=$(wc -l <"$LAB_DIR/writer.log")
kept=$(rebac list-objects --store cli user:k member team | wc -l)
expect_ge "$kept" "$told" "after kill -9 all $told writes that were acknowledged are there"
expect_le "$kept" $((told + 1)) "and at most the one that was under way"
expect_eq "$(rebac check --store cli user:u7 reader repo:r707)" yes "and all from before"
expect_eq "$(status /stores -H "Authorization: Bearer $reader")" 200 "tokens count as before"
sed -i 's/^rebac: {}/rebac: {deadline: 50ms}/' "$GUARD_DIR/guard.yaml"
expect_contains "$(guard_ctl reload 2>&1)" "needs a restart" "what cannot be reloaded is said"
expect_ok "the daemon lives" guard_alive

done_testing
