#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# subzeroctl: first without a daemon, on maps that `attach` made; then beside one, on real requests.

cd "$(dirname "$0")/../.." || exit 1
. tests/lib/tap.sh
. tests/lib/netns.sh

build=${SZ_BUILD:-build}
lab_up || exit 1

# Everything runs beside the server, with pins, configuration and socket of its own.
ctl() {
	lab_server "$build/subzeroctl" --pin-dir "$LAB_PINS/ctl" --config "$conf" "$@"
}
status_of() {
	"$@" >/dev/null 2>&1
	echo $?
}
# Any JSON reader will do; without one the shape is looked at.
is_json() {
	if command -v jq >/dev/null; then
		jq -e . >/dev/null
	elif command -v python3 >/dev/null; then
		python3 -m json.tool >/dev/null
	else
		grep -q '^[[{]'
	fi
}

work=$LAB_DIR/ctl
mkdir -p "$work"
conf=$work/subzero.yaml
cat >"$conf" <<END
interfaces: [$LAB_SERVER_IF]
pin_dir: $LAB_PINS/ctl
state_dir: $work/state
control: $work/control.sock
issuers:
  - {issuer: https://issuer.test/, jwks: jwks.json, audiences: [https://api.test]}
services:
  - name: shop
    address: $LAB_SERVER4:$LAB_PORT
    limits: {principal: {rate: 60/h, burst: 1000}}
    routes:
      - {path: /health, public: true, methods: [GET]}
      - {path: /orders, methods: [GET, HEAD], scopes: [orders:read]}
      - {path: /admin, scopes: [admin], claims: {department: ops}}
END

# ---- the command line ---------------------------------------------------------------------------
expect_eq "$(status_of "$build/subzeroctl")" 2 "no command is a usage error"
expect_eq "$(status_of "$build/subzeroctl" stauts)" 2 "an unknown command is a usage error"
expect_contains "$("$build/subzeroctl" stauts 2>&1)" "did you mean 'status'?" \
	"the nearest command is suggested"
expect_contains "$("$build/subzeroctl" --version)" "subzeroctl " "the version is printed"
for words in attach detach unload status services routes counters flows top explain \
	"limits list" "limits show" "limits set" "limits reset" "sources list" "sources show" \
	"sources reset" "grants list" "grants show" "grants revoke" "revocations list" \
	"revocations clear" \
	bans ban unban "audit verify" "audit tail" "keys generate" "token mint" "token inspect" \
	reload flush; do
	# shellcheck disable=SC2086 # two words
	expect_contains "$("$build/subzeroctl" $words --help 2>&1)" "Usage: subzeroctl $words" \
		"$words has a help"
done
expect_eq "$(status_of ctl bans)" 1 "without pinned maps a command fails"
expect_contains "$(ctl bans 2>&1)" "nothing is pinned" "and says why"

# ---- keys and tokens ----------------------------------------------------------------------------
expect_ok "a key pair is made" ctl keys generate --out "$work/key.jwk" --jwks "$work/jwks.json"
expect_eq "$(stat -c %a "$work/key.jwk")" 600 "only its owner reads the private key"
expect_eq "$(status_of ctl keys generate --out "$work/key.jwk" --jwks "$work/jwks.json")" 1 \
	"an existing key is not overwritten"
expect_eq "$(status_of ctl keys generate --out "$work/k2.jwk" --jwks "$work/jwks.json")" 1 \
	"an existing key set is not overwritten"
for alg in ES256 PS256; do
	expect_ok "a $alg key joins the set" ctl keys generate --alg $alg --out "$work/$alg.jwk" \
		--jwks "$work/jwks.json" --append
done
mint() {
	local key=$1
	shift
	ctl token mint --key "$work/$key.jwk" --iss https://issuer.test/ --aud https://api.test "$@"
}
token=$(mint key --sub alice --scope "orders:read" --jti first)
for key in key ES256 PS256; do
	expect_contains "$(mint $key --sub a | ctl token inspect - --jwks "$work/jwks.json")" \
		"signature verified" "a token of $key verifies"
done
expect_contains "$(ctl token inspect - <<<"$token")" "UNVERIFIED" \
	"an inspected token is marked as unverified"
expect_contains "$(ctl token inspect - <<<"$token")" '"sub": "alice"' "inspect shows the claims"
expect_eq "$(status_of ctl token inspect "${token%????}AAAA" --jwks "$work/jwks.json")" 1 \
	"a changed signature is not verified"
expect_eq "$(status_of ctl token inspect rubbish)" 1 "rubbish is not a token"
expect_contains "$(mint key --sub a --claim n=3 --claim 't=some text' --json)" '"t": "some text"' \
	"a claim that is not JSON is text"
expect_eq "$(status_of ctl token mint --key "$work/key.jwk" --iss i --sub s)" 2 \
	"a token without an audience is a usage error"

# ---- explain, without maps ----------------------------------------------------------------------
out=$(ctl explain --service shop --path /orders/7 --token - <<<"$token")
expect_eq $? 0 "explain allows what the policy allows"
expect_contains "$out" "ALLOW" "and says so"
out=$(ctl explain --service shop --path /admin --token - <<<"$token")
expect_eq $? 1 "explain refuses what the policy refuses"
expect_contains "$out" "needs scope admin" "and names the condition"
expect_contains "$out" "HTTP 403" "and the status"
expect_contains "$(ctl explain --service shop --path /orders)" "HTTP 401" "no token is 401"
old=$(mint key --sub a --ttl -1h)
expect_contains "$(ctl explain --service shop --path /orders --token - <<<"$old")" \
	"expired" "an expired token is named"
expect_contains "$(ctl explain --service shop --path /a/../health)" "the path means /health" \
	"an unusual path is explained in its canonical form"
expect_contains "$(ctl explain --service shap --path / 2>&1)" "there are: shop" \
	"an unknown service lists the known ones"
expect_ok "explain gives JSON" is_json < <(ctl explain --service shop --path /orders --json)

# ---- maps without a daemon ----------------------------------------------------------------------
expect_ok "attach loads and attaches" ctl attach $LAB_SERVER_IF
expect_ok "attach again changes nothing" ctl attach $LAB_SERVER_IF
expect_contains "$(ctl status)" "$LAB_SERVER_IF" "status lists the interface"
expect_contains "$(ctl status)" "never seen" "status says that there was no daemon yet"
expect_eq "$(status_of ctl attach nowhere0)" 1 "an unknown interface is refused"

expect_eq "$(ctl bans)" "nobody is banned" "no bans at first"
expect_eq "$(status_of ctl ban 0.0.0.0/0)" 2 "banning everybody needs --force"
expect_eq "$(status_of ctl ban ::/0)" 2 "in IPv6, too"
expect_eq "$(status_of ctl ban 10.0.0.300)" 2 "a bad address is a usage error"
expect_eq "$(status_of ctl ban 10.0.0.3 --for soon)" 2 "a bad duration is a usage error"
expect_ok "a prefix is banned" ctl ban 192.0.2.0/24 --why "port scan" --for 1h
expect_ok "an address is banned" ctl ban 2001:db8::7
expect_ok "for a second" ctl ban 198.51.100.9 --for 1
bans=$(ctl bans)
expect_contains "$bans" "192.0.2.0/24" "bans lists the prefix"
expect_contains "$bans" "port scan" "and why"
expect_contains "$bans" "never" "and which never end"
expect_contains "$(ctl status --json | tr -d ' \n')" '"bans":3' "the kernel's count follows the map"
sleep 1.1
expect_contains "$(ctl bans | grep 198.51.100.9)" "expired" "an expired ban is shown as such"
expect_ok "a ban is lifted" ctl unban 192.0.2.0/24
expect_eq "$(status_of ctl unban 192.0.2.0/24)" 1 "lifting it twice fails"
expect_ok "the others, too" eval "ctl unban 2001:db8::7 && ctl unban 198.51.100.9"
expect_contains "$(ctl status --json | tr -d ' \n')" '"bans":0' "the kernel's count is 0 again"

expect_eq "$(status_of ctl grants revoke)" 2 "revoke needs something to revoke"
expect_eq "$(status_of ctl grants revoke --jti a --subject b)" 2 "and only one thing"
expect_ok "a jti is revoked" ctl grants revoke --jti gone
expect_ok "an issuer is revoked for a while" ctl grants revoke --issuer https://old.test/ --for 2h
expect_ok "a token is revoked from stdin" ctl grants revoke --token - <<<"$token"
expect_eq "$(ctl revocations | grep -cE '(jti|issuer|token)')" 3 "revocations lists them"
out=$(ctl explain --service shop --path /orders --token - <<<"$token")
expect_eq $? 1 "explain sees the revocation"
expect_contains "$out" "revoked" "and names it"
id=$(ctl revocations | awk '$2 == "jti" { print $1 }')
expect_ok "one is cleared" ctl revocations clear "$id"
expect_eq "$(status_of ctl revocations clear "$id")" 1 "clearing it twice fails"
expect_eq "$(status_of ctl revocations clear)" 2 "clear needs an ID or --all"
expect_ok "all are cleared" ctl revocations clear --all
expect_eq "$(ctl revocations)" "nothing is revoked" "none is left"

for words in status services routes counters "counters --all" limits sources flows "flows --half" \
	"grants list" revocations bans "top -n 1 -d 0.1"; do
	# shellcheck disable=SC2086 # several words
	expect_ok "$words --json is JSON" is_json < <(ctl $words --json)
	# shellcheck disable=SC2086
	expect_ok "$words works without a daemon" ctl $words
done
expect_eq "$(status_of ctl reload)" 1 "reload needs the daemon"
expect_contains "$(ctl reload 2>&1)" "is subzerod running" "and says so"
expect_lacks "$(ctl counters --all)" $'\033' "no colours through a pipe"
expect_ok "detach --all --unload removes everything" ctl detach --all --unload
expect_fail "the pin directory is gone" test -e "$LAB_PINS/ctl"

# ---- beside a daemon ----------------------------------------------------------------------------
lab_nginx || exit 1
lab_start subzerod "$build/subzerod" --config "$conf"
alive() {
	ctl status --json | tr -d ' \n' | grep -q '"reachable":true'
}
if ! wait_until 10 alive; then
	diag "$(cat "$LAB_DIR/subzerod.log")"
	not_ok "the daemon starts"
	done_testing
	exit
fi
get() {
	lab_client curl -s -o /dev/null -w '%{http_code}' -m 5 ${2:+-H "Authorization: Bearer $2"} \
		"http://$LAB_SERVER4:$LAB_PORT$1"
}
token=$(mint key --sub alice --scope "orders:read" --jti second)
expect_contains "$(ctl status)" "alive" "status says that the daemon is alive"
expect_contains "$(ctl services)" "shop" "services has the name"
expect_contains "$(ctl routes shop)" "/orders" "routes has the path"
expect_eq "$(status_of ctl routes nobody)" 1 "an unknown service is refused"
expect_eq "$(get /orders "$token") $(get /orders "$token")" "200 200" "a good token is admitted"
expect_eq "$(get /orders)" 401 "no token is refused"
expect_contains "$(ctl grants)" "alice" "grants names the principal"
expect_contains "$(ctl grants list --principal alice)" "active" "and finds by it"
expect_eq "$(ctl grants list --principal nobody)" "no grants" "and only what matches"
digest=$(ctl grants | awk '/alice/ { print $1 }')
expect_contains "$(ctl grants show "$digest")" "active" "a grant is shown by its digest"
expect_contains "$(ctl grants show --token - <<<"$token")" "$digest" "and by its token"
expect_contains "$(ctl explain --service shop --path /orders --token - <<<"$token")" \
	"it has a grant" "explain sees the grant"
expect_contains "$(ctl flows)" "$LAB_CLIENT4" "flows has the client"
expect_contains "$(ctl sources)" "$LAB_CLIENT4" "sources has the client"
expect_contains "$(ctl counters)" "no_token" "counters has the refusal"
expect_contains "$(ctl limits)" "shop/principal" "limits has the limit"
expect_contains "$(ctl limits show shop/principal)" "alice" "and shows who has used of it"
expect_eq "$(status_of ctl limits show shop/none)" 1 "an unknown limit is not shown"
expect_ok "limits show gives JSON" is_json < <(ctl limits show shop/principal --json)
expect_ok "a limit is set at run time" ctl limits set shop/principal --rate 1/h --burst 1
expect_eq "$(get /orders "$token")" 429 "and holds at once"
expect_contains "$(ctl limits)" "by hand" "limits says that it was"
expect_ok "its buckets are forgotten" ctl limits reset shop/principal --all
expect_eq "$(get /orders "$token") $(get /orders "$token")" "200 429" "one request has room again"
expect_ok "as a dry run" ctl limits set shop/principal --dry-run on
expect_eq "$(get /orders "$token")" 200 "it refuses nothing"
expect_ok "it is set back" ctl limits set shop/principal --rate 60/h --burst 1000 --dry-run off
expect_contains "$(ctl sources --reason no_token)" "$LAB_CLIENT4" "sources finds who was refused"
expect_eq "$(ctl sources --reason banned)" "no source fits" "and only for what it was refused"
expect_contains "$(ctl sources show $LAB_CLIENT4)" "no access token was sent" \
	"sources show says why"
expect_ok "sources show gives JSON" is_json < <(ctl sources show $LAB_CLIENT4 --json)
expect_eq "$(status_of ctl sources show 203.0.113.9)" 1 "an unknown source is not shown"
expect_eq "$(status_of ctl sources reset)" 2 "reset needs a source or --all"
expect_ok "a source is counted anew" ctl sources reset $LAB_CLIENT4
expect_eq "$(ctl sources --reason no_token)" "no source fits" "from nothing"

expect_contains "$(ctl grants revoke --subject alice)" "1 grants marked" "revoking marks the grant"
expect_eq "$(get /orders "$token")" 401 "a revoked subject is refused at once"
expect_contains "$(ctl grants)" "revoked" "grants says so"
expect_ok "the revocation is taken back" ctl revocations clear --all
expect_eq "$(get /orders "$token")" 200 "the token is admitted again"
expect_ok "the token is revoked" ctl grants revoke --token - <<<"$token"
expect_eq "$(get /orders "$token")" 401 "a revoked token is refused"
expect_contains "$(ctl explain --service shop --path /orders --token - <<<"$token")" "HTTP 401" \
	"explain agrees"
expect_ok "cleared" ctl revocations clear --all
expect_eq "$(get /orders "$token")" 200 "and admitted again"
expect_ok "for two seconds" ctl grants revoke --jti second --for 2
expect_eq "$(get /orders "$token")" 401 "refused while it lasts"
expect_ok "and admitted after" wait_until 5 eval "[ \$(get /orders '$token') = 200 ]"
expect_ok "the client is banned" ctl ban $LAB_CLIENT4 --for 1h --why test
expect_eq "$(get /health)" 000 "and hears nothing"
expect_ok "the ban is lifted" ctl unban $LAB_CLIENT4
expect_eq "$(get /health)" 200 "and it is served again"

expect_ok "reload works" ctl reload
expect_ok "flush works" ctl flush
expect_ok "the audit log verifies" ctl audit verify
expect_ok "audit verify gives JSON" is_json < <(ctl audit verify --json)
expect_contains "$(ctl audit tail -n 100)" "$LAB_CLIENT4 for 1h: test" "the ban is on record"
expect_eq "$(ctl audit tail -n 3 --json | wc -l)" 3 "tail shows as many as it was asked for"
lab_start tail "$build/subzeroctl" --config "$conf" audit tail -f -n 0
sleep 0.5
get /orders >/dev/null
ctl flush >/dev/null
expect_ok "tail -f shows what is added" wait_until 4 grep -q no_token "$LAB_DIR/tail.log"
lab_stop tail

lab_stop subzerod KILL
expect_ok "the daemon is seen to be down" \
	wait_until 5 eval "ctl status | grep -q 'down.*, last seen'"
expect_contains "$(ctl grants)" "alice" "grants are read with the daemon down"
expect_contains "$(ctl grants revoke --subject alice)" "1 grants marked" \
	"a subject is revoked with the daemon down"
expect_eq "$(get /orders "$token")" 401 "and refused by the kernel"
sed -i '3s/"seq":3/"seq":4/' "$work/state/audit/00000001.jsonl"
expect_eq "$(status_of ctl audit verify)" 1 "a changed record breaks the chain"
expect_ok "unload removes everything" ctl unload

done_testing
