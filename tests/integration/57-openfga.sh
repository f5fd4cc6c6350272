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
rebac: {}"
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

done_testing
