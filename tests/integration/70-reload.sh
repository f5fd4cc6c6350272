#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Change of policy, of keys and of state: what holds at once, what outlives the daemon, the maps.
#
# shellcheck disable=SC2119 # functions whose arguments are optional

cd "$(dirname "$0")/../.." || exit 1
. tests/lib/tap.sh
. tests/lib/netns.sh
. tests/lib/guard.sh

lab_up || exit 1
lab_nginx || exit 1
guard_up || exit 1
alice=$(guard_mint alice orders:read)
bob=$(guard_mint bob orders:read --jti bobs)

hup() { # after a change of the configuration
	local before
	before=$(guard_records reload)
	kill -HUP "$(lab_pid subzerod)"
	wait_until 5 eval "[ \$(guard_records reload) -gt $before ]"
}
generation() {
	guard_ctl status --json | sed -nE 's/^ *"policy_generation": ([0-9]+).*/\1/p' | head -n 1
}
still_enforcing() { # NAME: with no daemon
	expect_eq "$(guard_status /orders "$alice")" 200 "$1: a known token is served"
	expect_eq "$(guard_status /orders "$unknown")" 503 "$1: an unknown token gets 503"
	expect_eq "$(guard_status /orders)" 401 "$1: no token gets 401"
	expect_eq "$(guard_status /health)" 200 "$1: the public route is served"
}

# ---- SIGHUP: policy -----------------------------------------------------------------------------
expect_eq "$(guard_status /orders "$alice") $(guard_status /orders "$alice")" "200 200" \
	"the token is known"
sed -i 's/path: \/orders, scopes: \[orders:read\]/path: \/orders, scopes: [orders:all]/' \
	"$GUARD_DIR/guard.yaml"
expect_ok "SIGHUP is answered by an audit record" hup
expect_eq "$(guard_status /orders "$alice")" 403 \
	"the old grant is void: the next request is refused"
expect_eq "$(guard_status /read "$alice")" 200 "a route that did not change goes on"
guard_conf >"$GUARD_DIR/guard.yaml"
expect_ok "the policy is put back" hup
expect_eq "$(guard_status /orders "$alice")" 200 "the token is admitted again"

# How much and from whom is no policy: no token is verified again for it.
before="$(generation) $(guard_count miss)"
GUARD_TOP="# another comment
limits: {misses: 999999/s, source_misses: {rate: 999999/s, burst: 99}, strays: 900/s}
networks: [{name: office, prefixes: 192.0.2.0/24, exempt: true}]
bans: [198.51.100.0/24]
syn_cookies: off" GUARD_SERVICE="    limits: {source: 100000/s}
    syn_cookies: auto" guard_conf >"$GUARD_DIR/guard.yaml"
expect_ok "limits, networks, bans and cookies of another kind" hup
expect_contains "$(guard_ctl limits)" "shop/source" "are in force"
expect_contains "$(guard_ctl bans)" "198.51.100.0/24" "all of them"
expect_eq "$(guard_status /orders "$alice") $(generation) $(guard_count miss)" "200 $before" \
	"and void no grant: the token is known as before"
guard_conf >"$GUARD_DIR/guard.yaml"
expect_ok "the limits are put back" hup

# A connection that is open through a reload goes on, and is decided by the new policy.
echo "$alice" >"$GUARD_DIR/token"
(sleep 0.3 && kill -HUP "$(lab_pid subzerod)" && sleep 0.3 && kill -HUP "$(lab_pid subzerod)") &
guard_load -d 1 -c 8 -t "$GUARD_DIR/token" -p /orders
wait $!
expect_eq "$(guard_load_says wrong) $(guard_load_says connects)" "0 8" \
	"reloads under load disturb no request and no connection"

# ---- SIGHUP: a bad file -------------------------------------------------------------------------
before=$(generation)
echo "routse: []" >>"$GUARD_DIR/guard.yaml"
expect_ok "a bad file is answered by an audit record" hup
expect_contains "$(guard_log | grep '"type":"reload"' | tail -n 1)" "refused" "which says refused"
expect_contains "$(tail -n 3 "$LAB_DIR/subzerod.log")" "guard.yaml:" "the log names file and line"
expect_eq "$(generation)" "$before" "the generation stays"
expect_eq "$(guard_status /orders "$alice")" 200 "the old policy stays in force"
expect_fail "subzeroctl reload says no" guard_ctl reload
expect_fail "--check-config says no" \
	"$GUARD_BUILD/subzerod" -c "$GUARD_DIR/guard.yaml" --check-config
guard_conf >"$GUARD_DIR/guard.yaml"
cp "$GUARD_DIR/jwks.json" "$GUARD_DIR/jwks.good"
echo '{"keys":[' >"$GUARD_DIR/jwks.json"
expect_fail "a broken key set is refused" guard_ctl reload
expect_eq "$(guard_status /orders "$(guard_mint new orders:read)")" 200 "the old keys stay in force"
cp "$GUARD_DIR/jwks.good" "$GUARD_DIR/jwks.json"

# ---- keys ---------------------------------------------------------------------------------------
"$GUARD_BUILD/subzeroctl" keys generate --out "$GUARD_DIR/key2.jwk" --force \
	--jwks "$GUARD_DIR/jwks.json" >/dev/null
expect_ok "other keys are read" hup
expect_eq "$(guard_status /orders "$alice")" 401 "a token of the old key is refused at once"
token=$(guard_mint new orders:read --key "$GUARD_DIR/key2.jwk")
expect_eq "$(guard_status /orders "$token")" 200 \
	"one of the new key is admitted"
cp "$GUARD_DIR/jwks.good" "$GUARD_DIR/jwks.json"
expect_ok "the old keys are put back" hup
expect_eq "$(guard_status /orders "$alice")" 200 "and hold again"

# ---- monitor mode -------------------------------------------------------------------------------
GUARD_SERVICE='    mode: monitor' guard_conf >"$GUARD_DIR/guard.yaml"
expect_ok "monitor mode is set" hup
before=$(guard_count monitored)
got="$(guard_status /orders) $(guard_status /orders nonsense) $(guard_status /admin "$alice")"
got+=" $(guard_status /nowhere "$alice") $(guard_status /orders "$alice")"
expect_eq "$got" "200 200 200 200 200" "monitor mode passes everything"
expect_ge "$(($(guard_count monitored) - before))" 3 "and counts what it would have refused"
guard_ctl flush >/dev/null
expect_ge "$(guard_log | grep '"verdict":"deny"' | grep -c '"monitor":true')" 3 \
	"and puts it on record as such"
guard_conf >"$GUARD_DIR/guard.yaml"
expect_ok "enforcing again" hup
expect_eq "$(guard_status /orders) $(guard_status /orders "$alice")" "401 200" "it enforces again"

# ---- revocation and bans ------------------------------------------------------------------------
expect_eq "$(guard_status /orders "$bob")" 200 "another token is known"
expect_ok "it is revoked" guard_ctl grants revoke --jti bobs
expect_eq "$(guard_status /orders "$bob")" 401 "it is refused at once"
expect_ok "the client is banned" guard_ctl ban "$LAB_CLIENT4" --for 1h
expect_eq "$(GUARD_TIMEOUT=1 guard_status /orders "$alice")" 000 "a banned client hears nothing"
expect_eq "$(GUARD_FAMILY=6 guard_status /orders "$alice")" 200 "its other address is not banned"
expect_ok "the ban is lifted" guard_ctl unban "$LAB_CLIENT4"
expect_eq "$(guard_status /orders "$alice")" 200 "and the client is served"
expect_ok "a ban of two seconds" guard_ctl ban "$LAB_CLIENT4" --for 2s
expect_eq "$(GUARD_TIMEOUT=1 guard_status /orders "$alice")" 000 "holds"
expect_ok "and ends by itself" wait_until 5 eval "[ \$(guard_status /orders '$alice') = 200 ]"

# ---- SIGTERM leaves enforcement -----------------------------------------------------------------
expect_ok "flush" guard_ctl flush
sleep 0.5
unknown=$(guard_mint stranger orders:read)
guard_stop
expect_eq $? 0 "SIGTERM ends the daemon with 0"
expect_contains "$(guard_log | tail -n 1)" '"type":"stop"' "its last record says so"
expect_ok "the log verifies" guard_ctl audit verify
still_enforcing "stopped"
expect_eq "$(guard_status /orders "$bob")" 401 "stopped: a revoked token stays refused"
expect_contains "$(lab_client curl -si "$(guard_url)/orders" -H "Authorization: Bearer $unknown")" \
	"Retry-After: " "503 says when to try again"
guard_start || exit 1
before=$(guard_count miss)
expect_eq "$(guard_status /orders "$alice")" 200 "after a restart the known token is served"
expect_eq "$(($(guard_count miss) - before))" 0 "without the daemon being asked"
expect_eq "$(guard_status /orders "$unknown")" 200 "and the unknown one is verified"
expect_eq "$(guard_status /orders "$bob")" 401 "and the revoked one refused"

# ---- loss of the maps ---------------------------------------------------------------------------
guard_stop
expect_ok "everything is unloaded" guard_ctl unload
expect_eq "$(guard_status /orders)" 200 "nothing is guarded then"
expect_fail "the pins are gone" test -e "$GUARD_PINS"
guard_start || exit 1
expect_eq "$(guard_status /orders)" 401 "a new start guards again"
expect_eq "$(guard_status /orders "$bob")" 401 "a revocation outlives the maps"
expect_eq "$(guard_status /orders "$alice")" 200 "a good token is verified anew"

# ---- --detach-on-exit ---------------------------------------------------------------------------
guard_stop
guard_start --detach-on-exit || exit 1
guard_stop
expect_eq $? 0 "SIGTERM ends the daemon that detaches with 0"
expect_lacks "$(lab_server ip link show "$LAB_SERVER_IF")" xdp "--detach-on-exit detaches"
expect_eq "$(guard_status /orders)" 200 "and nothing is guarded"
expect_ok "the log verifies at the end" guard_ctl audit verify
done_testing
