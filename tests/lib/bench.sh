# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash disable=SC2034,SC2015
#
# What the two benchmarks share: the guard's and the peer's keys and tokens, HAProxy's public key,
# the order of a round, and the arithmetic of their reports. Sourced by scripts/bench and
# scripts/bench-flood after netns.sh. It must never let a figure stand that has errors.
#
#   $work                         everything they write, in $LAB_DIR
#   bench_begin NAME              refuse without root or HAProxy, make $work
#   ctl COMMAND...                subzeroctl on these maps
#   mint NAME KEY [OPTION...]     a token into the file $work/NAME, signed with $work/KEY.jwk
#   make_keys                     keys rs256 and eddsa, and the public key for HAProxy
#   forge NAME TO                 the token with another signature
#   start_guard                   the daemon on $work/subzero.yaml; returns when it answers
#   rotated ROUND SUBJECT...      the same subjects, begun with another one
#   bench_awk                     median() for awk programs

bench_awk='
	function median(v, n,   i, j, t) {
		for (i = 2; i <= n; i++)
			for (j = i; j > 1 && v[j] < v[j - 1]; j--) {
				t = v[j]; v[j] = v[j - 1]; v[j - 1] = t
			}
		return n % 2 ? v[(n + 1) / 2] : (v[n / 2] + v[n / 2 + 1]) / 2
	}'

bench_begin() {
	bench_name=$1
	if [ "$(id -u)" -ne 0 ]; then
		echo "$1: it loads BPF programs and makes network namespaces; run it as root" >&2
		exit 1
	fi
	command -v haproxy >/dev/null || scripts/setup bench || exit 1
	lab_up || give_up "the lab cannot be made"
	work=$LAB_DIR/bench
	mkdir -p "$work" build/bench
}

give_up() {
	echo "$bench_name: $1" >&2
	[ ! -s "${2:-}" ] || tail -n 5 "$2" >&2
	exit 1
}

ctl() {
	lab_server build/subzeroctl --pin-dir "$LAB_PINS/bench" --config "$work/subzero.yaml" "$@"
}

mint() { # NAME KEY [OPTION...]
	local name=$1 key=$2
	shift 2
	ctl token mint --key "$work/$key.jwk" --iss https://login.example/ \
		--aud https://orders.example --sub "$name" --scope orders "$@" >"$work/$name"
}

# A member of the public key set, as hex digits.
jwk_hex() {
	tr -d ' \n' <"$work/rs256.json" | sed "s/.*\"$1\":\"\\([^\"]*\\)\".*/\\1==/" |
		tr '_-' '/+' | base64 -d 2>/dev/null | od -An -v -tx1 | tr -d ' \n'
}

# HAProxy reads the public key as PEM.
write_pem() {
	cat >"$work/asn1" <<-END
		asn1 = SEQUENCE:info
		[info]
		algorithm = SEQUENCE:algorithm
		key = BITWRAP,SEQUENCE:key
		[algorithm]
		algorithm = OID:rsaEncryption
		parameter = NULL
		[key]
		n = INTEGER:0x$(jwk_hex n)
		e = INTEGER:0x$(jwk_hex e)
	END
	openssl asn1parse -genconf "$work/asn1" -noout -out "$work/rs256.der" &&
		openssl pkey -pubin -inform DER -in "$work/rs256.der" -out "$work/rs256.pem"
}

# The last character of a signature of 256 bytes may be A, Q, g or w only; one in the middle may be
# any.
forge() {
	awk '{ at = length($0) - 20; c = substr($0, at, 1) == "x" ? "y" : "x"
		print substr($0, 1, at - 1) c substr($0, at + 1) }' "$work/$1" >"$work/$2"
}

make_keys() {
	ctl keys generate --alg RS256 --out "$work/rs256.jwk" --jwks "$work/rs256.json" \
		>/dev/null &&
		cp "$work/rs256.json" "$work/keys.json" &&
		ctl keys generate --alg EdDSA --out "$work/eddsa.jwk" --jwks "$work/keys.json" \
			--append >/dev/null || give_up "cannot make keys"
	write_pem || give_up "cannot write the public key"
}

start_guard() {
	local i
	lab_start subzerod build/subzerod --config "$work/subzero.yaml"
	for ((i = 0; i < 100; i++)); do
		ctl status --json 2>/dev/null | tr -d ' \n' | grep -q '"reachable":true' && return
		sleep 0.1
	done
	give_up "the daemon does not start" "$LAB_DIR/subzerod.log"
}

# rotated ROUND SUBJECT...: the same subjects, begun with another one.
rotated() {
	local n=$((($1 - 1) % ($# - 1)))
	shift
	echo "${@:n+1}" "${@:1:n}"
}
