#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# The audit log as evidence: chain, tree and signatures through crashes, rotation and a change of
# keys; proofs that somebody else's code checks; what is cut off or altered is found; what happens
# when the disk is full; and no token in any file. SEED (default 1).
#
# Functions have optional arguments; commands for eval stand in quotes, with their variables.
# shellcheck disable=SC2119,SC2016,SC2034

cd "$(dirname "$0")/../.." || exit 1
. tests/lib/tap.sh
. tests/lib/netns.sh
. tests/lib/guard.sh

RANDOM=${SEED:-1}
lab_up || exit 1
at_exit unmount_tiny
lab_client sysctl -qw net.ipv4.ip_local_port_range="10000 65000"
lab_nginx || exit 1
budgets='limits: {misses: 1000000/s, source_misses: 1000000/s}
heartbeat_ttl: 500ms'
GUARD_TOP="$budgets
audit: {summary: 1s, rotate: 64KiB, origin: log.test/audit}"
guard_up || exit 1
log=$GUARD_DIR/state/audit

unmount_tiny() {
	[ -n "${tiny:-}" ] && mountpoint -q "$tiny" && umount -l "$tiny"
	return 0
}
member() { # JSON NAME: a number or a word of a flat answer
	sed -nE "s/^ *\"$2\": \"?([^\",]*)\"?,?$/\1/p" <<<"$1" | head -n 1
}
verify() { # [OPTION...]: JSON in $verified
	verified=$(guard_ctl audit verify --json "$@")
}
all_tokens=()
token() { # NAME SCOPE: in $minted, and kept for the search at the end
	minted=$(guard_mint "$1" "$2")
	all_tokens+=("$minted")
}

# ---- crashes and rotation -----------------------------------------------------------------------
for i in 1 2 3 4 5 6; do
	token "fresh$i" orders:read
	echo "$minted"
done >"$GUARD_DIR/fresh"
# A subshell would lose them.
mapfile -t all_tokens <"$GUARD_DIR/fresh"
first=${all_tokens[0]}
for ((i = 0; i < 2000; i++)); do
	printf '%sAA%04d%s\n' "${first:0:$((${#first} - 26))}" $i "${first:$((${#first} - 20))}"
done >"$GUARD_DIR/bad"
good=0
for round in 1 2 3 4 5; do
	(guard_load -n 400 -c 8 -T 30 -e 200,401,503 -t "$GUARD_DIR/bad" -p "/orders?bad") &
	load=$!
	guard_load -n 12 -c 2 -T 30 -e 200,503 -t "$GUARD_DIR/fresh" -p "/orders?fresh"
	sleep "0.$((RANDOM % 3))$((RANDOM % 10))"
	guard_stop KILL 2>/dev/null
	guard_start || exit 1
	verify && [ "$(member "$verified" signed_seq)" -gt 0 ] && good=$((good + 1))
	wait $load
done
expect_eq $good 5 "after each kill -9 under load chain, tree and signatures verify"
expect_ok "flush" guard_ctl flush
verify
expect_eq "$(member "$verified" signed_seq)" "$(member "$verified" last_seq)" \
	"a flush signs up to the last record"
expect_ge "$(member "$verified" segments)" 3 "the log has gone through several segments"
expect_eq "$(member "$verified" keys)" 1 "one key has signed, through all restarts"

# ---- keys ---------------------------------------------------------------------------------------
vkey=$(guard_ctl audit key --json | sed -nE 's/.*"key": "(.*)".*/\1/p')
expect_contains "$vkey" "log.test/audit+" "the public key is named after the configured origin"
expect_eq "$(stat -c %a "$GUARD_DIR/state/audit.key")" 600 "nobody else may read the private key"
expect_ok "the log verifies against a key that was kept elsewhere" \
	guard_ctl audit verify --key "$vkey"
other="PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
expect_fail "and not against another" guard_ctl audit verify --key "$other"

# ---- proofs -------------------------------------------------------------------------------------
size=$(member "$verified" last_seq)
held=0 refused=0
for seq in 1 2 $((size / 3)) $((size - 1)) "$size"; do
	guard_ctl audit prove --record "$seq" >"$GUARD_DIR/proof" || continue
	guard_ctl audit prove --verify "$GUARD_DIR/proof" --key "$vkey" >/dev/null &&
		held=$((held + 1))
	sed 's/\\"seq\\":/\\"seq\\": /' "$GUARD_DIR/proof" |
		guard_ctl audit prove --verify - >/dev/null 2>&1 ||
		refused=$((refused + 1))
done
expect_eq "$held $refused" "5 5" "five records are proved, and altered ones are not"
mid=$(sed -n 2p "$log/checkpoints")
expect_ok "the first checkpoint's tree has only grown" \
	eval "guard_ctl audit prove --from $mid >'$GUARD_DIR/proof' &&
	guard_ctl audit prove --verify '$GUARD_DIR/proof' --key '$vkey'"
head -n 5 "$log/checkpoints" >"$GUARD_DIR/anchor"
expect_ok "the log goes through a checkpoint that was kept elsewhere" \
	guard_ctl audit verify --checkpoint "$GUARD_DIR/anchor"

# The same by code that shares nothing with ours: the tree in Python, the signature by OpenSSL.
if command -v python3 >/dev/null && command -v openssl >/dev/null; then
	python3 - "$log" "$vkey" "$GUARD_DIR" <<'PY'
import base64, hashlib, pathlib, sys
log, vkey, out = pathlib.Path(sys.argv[1]), sys.argv[2], pathlib.Path(sys.argv[3])
lines = b"".join(p.read_bytes() for p in sorted(log.glob("[0-9]" * 8 + ".jsonl"))).split(b"\n")
notes = (log / "checkpoints").read_text().split("\n")
text, signature = "\n".join(notes[-6:-3]) + "\n", notes[-2]
origin, size, root = text.split("\n")[:3]
h = lambda b: hashlib.sha256(b).digest()
def mth(d):
    if len(d) == 1:
        return h(b"\0" + d[0])
    k = 1
    while 2 * k < len(d):
        k *= 2
    return h(b"\1" + mth(d[:k]) + mth(d[k:]))
assert base64.b64encode(mth(lines[:int(size)])).decode() == root, "root"
raw = base64.b64decode(signature.split(" ")[2])
name, keyhash, key = vkey.split("+", 2)
key = base64.b64decode(key)
assert key[0] == 1 and raw[:4].hex() == keyhash and name == origin
assert h(name.encode() + b"\n" + key)[:4].hex() == keyhash
der = bytes.fromhex("302a300506032b6570032100") + key[1:]
(out / "pub.der").write_bytes(der)
(out / "note").write_text(text)
(out / "sig").write_bytes(raw[4:])
PY
	expect_eq $? 0 "another implementation of RFC 6962 finds the same root"
	expect_ok "OpenSSL accepts the checkpoint's signature" openssl pkeyutl -verify -pubin \
		-keyform DER -inkey "$GUARD_DIR/pub.der" -rawin -in "$GUARD_DIR/note" \
		-sigfile "$GUARD_DIR/sig"
else
	skip "another implementation finds the same root" "install python3 and openssl"
fi

guard_status "/orders?id_token=$first" >/dev/null
guard_status "/orders?Access%5ftoken=hidden-in-a-query" >/dev/null
guard_ctl flush >/dev/null
expect_eq "$(guard_log | grep -cF -e "${first##*.}" -e hidden-in-a-query)" 0 \
	"a secret in a query is not written"
expect_eq "$(guard_log | grep -cF '"path":"/orders?id_token=***"')" 1 "but that it was there"

# ---- another key --------------------------------------------------------------------------------
expect_ok "the key is changed" guard_ctl audit key --rotate
guard_status "/orders?after" >/dev/null
guard_ctl flush >/dev/null
verify --key "$vkey"
expect_eq "$(member "$verified" ok) $(member "$verified" keys)" "true 2" \
	"two keys have signed, and the first still vouches for the log"
new=$(guard_ctl audit key --json | sed -nE 's/.*"key": "(.*)".*/\1/p' | tail -n 1)
expect_eq "$(guard_ctl audit key --json | grep -c '"key"')" 2 "both are listed"
expect_ok "the new one is good as well" guard_ctl audit verify --key "$new"
guard_ctl audit key --rotate >/dev/null
guard_stop KILL 2>/dev/null
guard_start || exit 1
guard_ctl flush >/dev/null
expect_ok "kill -9 after a change of keys leaves a good log" guard_ctl audit verify --key "$vkey"
guard_ctl audit prove --record 2 >"$GUARD_DIR/proof"
new=$(guard_ctl audit key --json | sed -nE 's/.*"key": "(.*)".*/\1/p' | tail -n 1)
expect_ok "the newest key signs" guard_ctl audit prove --verify "$GUARD_DIR/proof" --key "$new"

# ---- questions ----------------------------------------------------------------------------------
ask() {
	guard_ctl audit query --json "$@" | wc -l
}
expect_eq "$(ask --type start)" "$(guard_records start)" "query finds every start"
expect_eq "$(ask --reason bad_token --verdict deny)" \
	"$(guard_log | grep -c '"verdict":"deny","reason":"bad_token"')" \
	"and every refusal by reason"
expect_eq "$(ask --source "$LAB_CLIENT4/24" --path '/orders?after')" 1 "by source and path"
expect_eq "$(ask --source 192.0.2.0/24) $(ask --until 2020) $(ask --since 2020 -n 3)" "0 0 3" \
	"by another source, by time, up to a limit"
expect_eq "$(guard_ctl audit query --type nonsense 2>/dev/null; echo $?)" 2 \
	"a type that does not exist is an error"
expect_eq "$(guard_ctl audit export --format ocsf | python3 -c '
import json, sys
n = 0
for line in sys.stdin:
    e = json.loads(line)
    assert e["type_uid"] == e["class_uid"] * 100 + e["activity_id"], e
    assert e["category_uid"] == e["class_uid"] // 1000, e
    assert 1 <= e["severity_id"] <= 5 and isinstance(e["time"], int), e
    assert e["metadata"]["product"]["name"] == "Subzero", e
    if e["class_uid"] == 6003:
        assert "user" in e["actor"] and e["api"]["operation"] and e["src_endpoint"], e
    n += 1
print(n)')" "$(guard_log | wc -l)" "every record is exported as an OCSF event"

# ---- what was altered or cut off ----------------------------------------------------------------
guard_stop >/dev/null
tampered() { # NAME COMMAND: in a copy of the log, as $copy
	copy=$GUARD_DIR/copy
	rm -rf "$copy"
	cp -r "$log" "$copy"
	segments=("$copy"/*.jsonl)
	newest=${segments[-1]}
	eval "$2"
	expect_fail "$1" guard_ctl audit verify "$copy"
}
tampered "a last record that was cut off is missed" 'sed -i "\$d" "$newest"'
tampered "a last segment that is gone is missed" 'rm "$newest"'
tampered "a segment in the middle that is gone is missed" 'rm "$copy/00000002.jsonl"'
tampered "a root that was altered is found" "sed -i '3s/^./#/' \"\$copy/checkpoints\""
tampered "a checkpoint of another size is found" "sed -i '2s/\$/0/' \"\$copy/checkpoints\""
tampered "a signature that was altered is found" "sed -i '5s/.\$/#/' \"\$copy/checkpoints\""
tampered "two checkpoints in the wrong order are found" \
	'{ sed -n 6,10p "$log/checkpoints"; sed -n 1,5p "$log/checkpoints"; } >"$copy/checkpoints"'

cp -r "$log" "$GUARD_DIR/kept"
segments=("$log"/*.jsonl)
sed -i '$d' "${segments[-1]}"
lab_start subzerod "$GUARD_BUILD/subzerod" -c "$GUARD_DIR/guard.yaml"
ended() { ! kill -0 "$(lab_pid subzerod)" 2>/dev/null; }
wait_until 15 ended
expect_contains "$(cat "$LAB_DIR/subzerod.log")" "its end was cut off" \
	"the daemon does not go on where signed records are missing"
lab_stop subzerod 2>/dev/null
rm -r "$log"
mv "$GUARD_DIR/kept" "$log"
mv "$GUARD_DIR/state/audit.key" "$GUARD_DIR/away"
lab_start subzerod "$GUARD_BUILD/subzerod" -c "$GUARD_DIR/guard.yaml"
wait_until 15 ended
expect_contains "$(cat "$LAB_DIR/subzerod.log")" "audit.key is missing" \
	"nor without the key that signed it"
lab_stop subzerod 2>/dev/null
mv "$GUARD_DIR/away" "$GUARD_DIR/state/audit.key"

# ---- a full disk --------------------------------------------------------------------------------
tiny=$LAB_DIR/tiny
mkdir "$tiny"
fill() {
	head -c 100000000 /dev/zero >"$tiny/fill" 2>/dev/null
	return 0
}
failing() {
	guard_ctl status --json | grep -q '"failing": true'
}
well() {
	guard_ctl status --json | grep -q '"failing": false'
}
on_tiny() { # stop|shed
	guard_ctl unload >/dev/null
	mount -t tmpfs -o size=1m tmpfs "$tiny" || return
	rm -rf "$GUARD_DIR/state"
	GUARD_TOP="$budgets
audit: {dir: $tiny/log, summary: 1s, on_full: $1}"
	guard_conf | sed 's/^    routes:/    audit_requests: true\n    routes:/' \
		>"$GUARD_DIR/both.yaml"
	guard_conf >"$GUARD_DIR/guard.yaml"
}
log=$tiny/log
guard_log() {
	cat "$log"/*.jsonl
}
deny() { # until the log has met the end of the disk
	guard_status "/orders?none" >/dev/null
	failing
}

on_tiny stop || exit 1
guard_start || exit 1
token known orders:read
known=$minted
expect_eq "$(guard_status /orders "$known") $(guard_status /orders "$known")" "200 200" \
	"stop: a token is known before the disk is full"
guard_ctl flush >/dev/null
fill
expect_ok "stop: the daemon says that it cannot write" wait_until 15 deny
halted() {
	guard_ctl status --json | grep -q '"alive": false'
}
expect_ok "stop: the heartbeat is withheld" wait_until 15 halted
token unknown orders:read
unknown=$minted
expect_eq "$(guard_status /orders "$unknown")" 503 "stop: a token that is not known gets 503"
expect_eq "$(guard_status /orders "$known")" 200 "stop: a known one goes on, and is counted"
expect_fail "stop: a flush does not pretend" guard_ctl flush
expect_contains "$(cat "$LAB_DIR/subzerod.log")" "No space left" "stop: the daemon's log says why"
rm "$tiny/fill"
expect_ok "stop: with room again it recovers by itself" wait_until 15 well
served() { [ "$(guard_status /orders "$unknown")" = 200 ]; }
expect_ok "stop: the unknown token is let in now" wait_until 15 served
expect_ok "stop: flush" guard_ctl flush
expect_eq "$(guard_sum summary)" "$(guard_hits)" "stop: no admitted request is missing in the log"
expect_eq $(($(guard_records denial '"reason":"no_token"') +
	$(guard_sum lost '"reason":"no_token"'))) "$(guard_count no_token)" \
	"stop: nor a refused one"
expect_contains "$(guard_log)" "could not be written for" "stop: the gap is on record"
expect_ok "stop: the log verifies" guard_ctl audit verify

cp "$GUARD_DIR/both.yaml" "$GUARD_DIR/guard.yaml"
guard_ctl reload >/dev/null
expect_eq "$(guard_status /orders "$known") $(guard_status /orders "$known")" "200 200" \
	"stop: a service that wants a record of each request"
guard_ctl flush >/dev/null
fill
expect_ok "stop: the disk is full again" wait_until 15 deny
shut() { [ "$(guard_status /orders "$known")" = 503 ]; }
expect_ok "stop: there a known token gets 503 too" wait_until 15 shut
guard_stop KILL 2>/dev/null
rm "$tiny/fill"
guard_start || exit 1
expect_ok "stop: kill -9 with a full disk leaves a good log" guard_ctl audit verify
guard_stop >/dev/null
umount "$tiny"

on_tiny shed || exit 1
guard_start || exit 1
token first orders:read
guard_status /orders "$minted" >/dev/null
guard_ctl flush >/dev/null
fill
expect_ok "shed: the daemon says that it cannot write" wait_until 15 deny
sleep 1 # long enough for a heartbeat to be missed, if it were withheld
token second orders:read
expect_eq "$(guard_status /orders "$minted")" 200 "shed: a new token is admitted all the same"
guard_stop
expect_eq $? 0 "shed: it stops when it is told to"
expect_contains "$(cat "$LAB_DIR/subzerod.log")" "are lost" "shed: and says what that loses"
rm "$tiny/fill"
guard_start || exit 1
expect_ok "shed: flush" guard_ctl flush
expect_ok "shed: what is in the log verifies" guard_ctl audit verify
expect_eq "$(guard_sum summary)" "$(guard_hits)" "shed: admitted requests are counted exactly"

# ---- secrets ------------------------------------------------------------------------------------
guard_stop >/dev/null
cp -r "$tiny" "$GUARD_DIR/tiny"
umount "$tiny"
leaks=0
for t in "${all_tokens[@]}"; do
	grep -rqF -- "${t##*.}" "$GUARD_DIR/tiny" "$GUARD_DIR/state" && leaks=$((leaks + 1))
done
expect_ge ${#all_tokens[@]} 8 "tokens were used"
expect_eq $leaks 0 "and the signature of none is in the log or the state"
done_testing
