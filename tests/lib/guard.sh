# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash disable=SC2120
#
# A guarded service in the lab: configuration, keys, tokens and the daemon in front of nginx. For
# integration tests, sourced after tap.sh and netns.sh. It must never hide that a daemon died.
#
#   guard_up [CONF]              keys, configuration (guard_conf's, or from stdin with -), daemon
#   guard_conf                   print the usual configuration; GUARD_ISSUER, GUARD_SERVICE and
#                                GUARD_ROUTES add lines at their places; GUARD_TOP replaces the
#                                budgets of misses, large here because one address is all clients
#   guard_start [OPTION...]      start the daemon and wait until it answers
#   guard_stop [SIGNAL]          end it (default TERM); its exit status
#   guard_ctl COMMAND...         subzeroctl on these maps and this daemon
#   guard_mint SUB SCOPE [...]   print a token; options of `token mint` follow
#   guard_status PATH [TOKEN] [CURL OPTION...]   the status a client gets (000: none)
#   guard_raw [FAMILY]           send stdin as it is, print what comes back
#   guard_count REASON           the kernel's counter
#   guard_lost                   denials whose event found the ring full
#   guard_sum TYPE [TEXT]        sum of "count" over the log's records of a type that contain TEXT
#   guard_records TYPE [TEXT]    how many there are
#   guard_load OPTION...         sz-load from the client; JSON in $GUARD_LOAD
#   guard_load_says MEMBER       a number of its last run; a status as 200
#   guard_hits                   requests the kernel has counted in sz_hits
#
# GUARD_DIR holds guard.yaml, key.jwk, jwks.json and state/.

GUARD_BUILD=${SZ_BUILD:-build}
GUARD_ISS=https://issuer.test/
GUARD_AUD=https://api.test
GUARD_DIR=
GUARD_PINS=
GUARD_LOAD=

# Tests are not about budgets of questions unless they say so, and none waits for an idle machine.
GUARD_NO_BUDGETS='limits: {misses: 1000000/s, source_misses: 1000000/s, adaptive: none}'

guard_conf() {
	cat <<END
interfaces: [$LAB_SERVER_IF]
pin_dir: $GUARD_PINS
state_dir: $GUARD_DIR/state
control: $GUARD_DIR/control.sock
maps: {flows: 65536}
${GUARD_TOP-$GUARD_NO_BUDGETS}
issuers:
  - issuer: $GUARD_ISS
    jwks: jwks.json
    audiences: [$GUARD_AUD]
    clock_skew: 0s
${GUARD_ISSUER:-}
services:
  - name: shop
    address: ["$LAB_SERVER4:$LAB_PORT", "[$LAB_SERVER6]:$LAB_PORT"]
${GUARD_SERVICE:-}
    routes:
      - {path: /health, public: true}
      - {path: /orders, scopes: [orders:read]}
      - {path: /admin, scopes: [admin]}
      - {path: /read, methods: [GET, HEAD], scopes: [orders:read]}
      - {path: /each, scopes: [orders:read], decide: each}
${GUARD_ROUTES:-}
END
}

guard_files() {
	GUARD_DIR=$LAB_DIR/guard
	GUARD_PINS=$LAB_PINS/guard
	mkdir -p "$GUARD_DIR" || return
	[ -e "$GUARD_DIR/key.jwk" ] ||
		"$GUARD_BUILD/subzeroctl" keys generate --out "$GUARD_DIR/key.jwk" \
			--jwks "$GUARD_DIR/jwks.json" >/dev/null || return
	guard_conf >"$GUARD_DIR/guard.yaml"
}

guard_up() {
	guard_files && guard_start "$@"
}

guard_alive() {
	guard_ctl status --json | grep -q '"reachable": *true'
}

guard_start() {
	lab_start subzerod "$GUARD_BUILD/subzerod" -c "$GUARD_DIR/guard.yaml" "$@"
	if ! wait_until "${GUARD_WAIT:-15}" guard_alive; then
		diag "the daemon does not answer: $(tail -n 5 "$LAB_DIR/subzerod.log")"
		return 1
	fi
}

guard_stop() {
	lab_stop subzerod "$@"
}

guard_ctl() {
	lab_server "$GUARD_BUILD/subzeroctl" --pin-dir "$GUARD_PINS" \
		--config "$GUARD_DIR/guard.yaml" "$@"
}

guard_mint() {
	local sub=$1 scope=$2
	shift 2
	"$GUARD_BUILD/subzeroctl" token mint --key "$GUARD_DIR/key.jwk" --iss "$GUARD_ISS" \
		--aud "$GUARD_AUD" --sub "$sub" --scope "$scope" "$@"
}

guard_url() {
	if [ "${GUARD_FAMILY:-4}" = 6 ]; then
		echo "http://[$LAB_SERVER6]:$LAB_PORT"
	else
		echo "http://$LAB_SERVER4:$LAB_PORT"
	fi
}

guard_status() {
	local path=$1 token=${2:-}
	shift $(($# > 1 ? 2 : 1))
	lab_client curl -s -o /dev/null -w '%{http_code}' -m "${GUARD_TIMEOUT:-5}" --path-as-is \
		${token:+-H "Authorization: Bearer $token"} "$@" "$(guard_url)$path"
}

# Bytes as they are, in one write; ends when the other side closes, or after GUARD_RAW_S seconds.
guard_raw() {
	local host=$LAB_SERVER4
	[ "${1:-4}" = 4 ] || host=$LAB_SERVER6
	# shellcheck disable=SC2016 # for the inner shell
	lab_client bash -c 'exec 3<>"/dev/tcp/$1/$2" && cat >&3 && timeout "$3" cat <&3' \
		raw "$host" "$LAB_PORT" "${GUARD_RAW_S:-1}"
	return 0
}

guard_count() {
	guard_ctl counters --all --json | tr -d ' ,' | awk -F: -v reason="\"$1\"" '
		$1 == "\"reason\"" { hit = $2 == reason }
		$1 == "\"count\"" && hit { print $2 }'
}

guard_lost() {
	guard_ctl counters --all --json | tr -d ' ,' |
		awk -F: '$1 == "\"lost_events\"" { n += $2 } END { print n + 0 }'
}

guard_log() {
	cat "$GUARD_DIR"/state/audit/*.jsonl
}

# A record's type stands third and its count is a bare number; no client chooses the text before.
guard_sum() {
	guard_log | grep -F "\"type\":\"$1\"" | grep -F -- "${2:-}" |
		sed -nE 's/.*"count":([0-9]+),.*/\1/p' | awk '{ n += $1 } END { print n + 0 }'
}

guard_records() {
	guard_log | grep -F "\"type\":\"$1\"" | grep -cF -- "${2:-}"
	return 0
}

guard_load() {
	GUARD_LOAD=$(lab_client "$GUARD_BUILD/tools/sz-load" -j "$@" "$(guard_url)" 2>&1)
}

guard_load_says() {
	grep -oE "\"$1\":[0-9.]+" <<<"$GUARD_LOAD" | head -n 1 | cut -d: -f2 | grep . || echo 0
}

guard_hits() {
	bpftool map dump pinned "$GUARD_PINS/sz_hits" |
		sed -nE 's/.*"value": ([0-9]+).*/\1/p' | awk '{ n += $1 } END { print n + 0 }'
}
