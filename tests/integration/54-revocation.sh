#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Revocation by every name and on every way: the CLI, a file, RFC 7009 and pushed security events
# over the local API; that it outlives the daemon and the maps; and API keys, from their making to
# their end at the packet.
#
# shellcheck disable=SC2119 # functions whose arguments are optional

cd "$(dirname "$0")/../.." || exit 1
. tests/lib/tap.sh
. tests/lib/netns.sh
. tests/lib/guard.sh

lab_up || exit 1
lab_nginx || exit 1
GUARD_TOP='limits: {misses: 1000000/s, source_misses: 1000000/s}
api: {listen: "127.0.0.1:9465"}
api_keys: {}'
GUARD_ISSUER='    events: https://gw.test'
guard_up || exit 1

status_is() { # STATUS TOKEN NAME
	expect_eq "$(guard_status /orders "$2")" "$1" "$3: $1"
}
ids() { # how many names are revoked
	guard_ctl revocations --json | grep -c '"kind"'
}
clear_all() {
	guard_ctl revocations clear --all >/dev/null
}

# ---- names, by the CLI --------------------------------------------------------------------------
token=$(guard_mint alice orders:read --jti one --claim sid=s1)
other=$(guard_mint bob orders:read --jti two --claim sid=s2)
status_is 200 "$token" "a token"
status_is 200 "$other" "and another"
kid=$(sed -nE 's/.*"kid" *: *"([^"]*)".*/\1/p' "$GUARD_DIR/key.jwk" | head -n 1)
for by in "--jti one" "--jti one --issuer $GUARD_ISS" "--subject alice" \
	"--subject alice --issuer $GUARD_ISS" "--session s1 --issuer $GUARD_ISS" \
	"--subject alice --before now" "--subject alice --issuer $GUARD_ISS --before now"; do
	# shellcheck disable=SC2086 # words on purpose
	guard_ctl revoke $by >"$LAB_DIR/said" || diag "$(cat "$LAB_DIR/said")"
	expect_eq "$(guard_status /orders "$token") $(guard_status /orders "$other")" "401 200" \
		"revoke $by: 401, and the other token goes on"
	clear_all
	expect_eq "$(guard_status /orders "$token")" 200 "taken back: 200"
done
for by in "--key $kid" "--kid $kid --issuer $GUARD_ISS" "--issuer $GUARD_ISS" \
	"--issuer $GUARD_ISS --before now"; do
	# shellcheck disable=SC2086
	guard_ctl revoke $by >/dev/null
	expect_eq "$(guard_status /orders "$token") $(guard_status /orders "$other")" "401 401" \
		"revoke $by: 401 for both"
	clear_all
done
guard_ctl revoke --issuer "$GUARD_ISS" --before 1h >/dev/null
status_is 200 "$token" "issued after the instant"
expect_contains "$(guard_ctl revocations)" issuer-before "the list names its kind"
id=$(guard_ctl revocations | awk '$2 == "issuer-before" { print $1 }')
expect_contains "$(guard_ctl revocations show "$id")" "$id" "show finds it"
expect_ok "remove takes it back" guard_ctl revocations remove "$id"
expect_fail "show does not find it any more" guard_ctl revocations show "$id"
guard_ctl revoke --session s1 >"$LAB_DIR/said" 2>&1
expect_contains "$?:$(cat "$LAB_DIR/said")" "2:" "a session without its issuer is a usage error"

# ---- a file, a crash, maps that are gone --------------------------------------------------------
for n in $(seq 300); do
	echo "{\"jti\":\"none-$n\",\"issuer\":\"$GUARD_ISS\"}"
done >"$LAB_DIR/list"
echo "{\"subject\":\"alice\",\"issuer\":\"$GUARD_ISS\"}" >>"$LAB_DIR/list"
echo '{"subject":' >"$LAB_DIR/bad"
cat "$LAB_DIR/list" "$LAB_DIR/bad" >"$LAB_DIR/both"
expect_contains "$(guard_ctl revoke --file "$LAB_DIR/both" 2>&1)" ":302: " \
	"a file with a mistake is refused by its line"
expect_eq "$(ids)" 0 "and nothing of it is revoked"
expect_contains "$(guard_ctl revoke --file - <"$LAB_DIR/list")" "301 names revoked, 1 grants" \
	"a file of 301 names"
status_is 401 "$token" "its last line"
wait_until 10 grep -qc . "$GUARD_DIR/state/revocations"
wait_until 10 test "$(wc -l <"$GUARD_DIR/state/revocations")" -ge 301
guard_stop KILL
guard_ctl unload >/dev/null 2>&1 || lab_server "$GUARD_BUILD/subzeroctl" --pin-dir "$GUARD_PINS" \
	detach --all --unload >/dev/null
guard_start || exit 1
status_is 401 "$token" "after a crash, with new maps"
expect_eq "$(ids)" 301 "all names are there again"
clear_all

# ---- over HTTP ----------------------------------------------------------------------------------
secret=$(guard_ctl api token add ops --scope revoke --scope events)
call() { # PATH CURL OPTION...: status and body
	local path=$1
	shift
	lab_server curl -s -m 5 -w '%{http_code}' "$@" "http://127.0.0.1:9465$path"
}
status_is 200 "$token" "the token again"
expect_contains "$(call /oauth/revoke -d "token=$token")" 401 "RFC 7009 without a client: 401"
expect_eq "$(call /oauth/revoke -u "ops:$secret" -d "token=$token&token_type_hint=access_token")" \
	200 "RFC 7009 with Basic: 200 and nothing else"
status_is 401 "$token" "revoked when the answer is there"
expect_eq "$(call /oauth/revoke -H "Authorization: Bearer $secret" -d token=nonsense)" 200 \
	"a token that is none: 200"
expect_contains "$(call /oauth/revoke -u "ops:$secret" -d token_type_hint=x)" \
	'"error":"invalid_request"' "no token: invalid_request"
clear_all
event() { # TYPE SUBJECT-JSON [AUD] [TYP]: a security event token
	"$GUARD_BUILD/subzeroctl" token mint --key "$GUARD_DIR/key.jwk" --iss "$GUARD_ISS" \
		--aud "${3:-https://gw.test}" --sub x --typ "${4:-secevent+jwt}" --claim "events={\
\"https://schemas.openid.net/secevent/caep/event-type/$1\":{\"subject\":$2}}"
}
push() {
	call /events -H "Authorization: Bearer $secret" \
		-H "Content-Type: application/secevent+jwt" --data-binary "$1"
}
alice="{\"format\":\"iss_sub\",\"iss\":\"$GUARD_ISS\",\"sub\":\"alice\"}"
status_is 200 "$token" "the token again"
expect_contains "$(push "$(event session-revoked "$alice" https://other.test)")" invalid_audience \
	"an event for somebody else: invalid_audience"
expect_contains "$(push "$(event session-revoked "$alice" https://gw.test at+jwt)")" \
	invalid_request "a token that is no event: invalid_request"
expect_contains "$(push "${token%?????}AAAAA")" invalid_request "a broken one: invalid_request"
status_is 200 "$token" "none of them did anything"
expect_eq "$(push "$(event session-revoked "$alice")")" 202 "session-revoked: 202 and nothing else"
expect_eq "$(guard_status /orders "$token") $(guard_status /orders "$other")" "401 200" \
	"alice's tokens are void, bob's are not"
sleep 1.1
status_is 200 "$(guard_mint alice orders:read)" "what alice gets after that"
clear_all
expect_eq "$(push "$(event credential-change "{\"format\":\"complex\",\"session\":\
{\"format\":\"opaque\",\"id\":\"s2\"}}")")" 202 "an event about one session: 202"
expect_eq "$(guard_status /orders "$token") $(guard_status /orders "$other")" "200 401" \
	"it is that session alone"
clear_all

# ---- API keys -----------------------------------------------------------------------------------
key=$(guard_ctl apikey add --sub carol --name ci --scope orders:read --service shop 2>/dev/null)
id=$(cut -d_ -f2 <<<"$key")
expect_eq "${#key}" 70 "a key is made"
status_is 200 "$key" "it works like a token"
before=$(guard_count miss)
status_is 200 "$key" "again"
expect_eq "$(($(guard_count miss) - before))" 0 "which the kernel decides"
expect_eq "$(guard_status /admin "$key")" 403 "a route it has no scope for: 403"
status_is 401 "${key%?}0" "a typing error"
expect_contains "$(guard_ctl apikey)" "$id" "the list has its id"
expect_lacks "$(cat "$GUARD_DIR"/state/api-keys.json)" "$(cut -d_ -f3 <<<"$key")" \
	"the store does not have the key"
expect_eq "$(stat -c %a "$GUARD_DIR/state/api-keys.json.pepper")" 600 "the pepper is root's own"
new=$(guard_ctl apikey rotate "$id" 2>/dev/null)
expect_eq "$(guard_status /orders "$key") $(guard_status /orders "$new")" "401 200" \
	"rotated: the new key works, the old one does not"
expect_ok "the new one is revoked" guard_ctl apikey revoke "$(cut -d_ -f2 <<<"$new")"
status_is 401 "$new" "at once"
made=$(guard_ctl apikey import - <<<'{"sub":"dave","scope":"orders:read"}')
dave=$(sed -nE 's/.*"key":"([^"]*)".*/\1/p' <<<"$made")
status_is 200 "$dave" "an imported one"
guard_stop KILL
guard_start || exit 1
clear_all
status_is 401 "$new" "revoked after a crash, by the store alone"
status_is 200 "$dave" "and the other works"
expect_lacks "$(guard_log)" "$(cut -d_ -f3 <<<"$dave")" "no key is in the audit log"
done_testing
