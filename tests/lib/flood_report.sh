# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash disable=SC2154
#
# The reports of scripts/bench-flood, as awk programs over $work/ordered: lines of kind, rate,
# subject, metric, unit, round and value, ordered by kind and rate. Sourced by it after bench.sh.
#
#   report_text                   the table, and where the goal is met
#   report_json                   one row for each figure
#   report_svg                    one panel for each kind of flood

# What all of them begin with.
report_awk="$bench_awk"'
	{
		if (!(($1, $2) in bench)) {
			bench[$1, $2] = ++benches
			kind[benches] = $1
			at[benches] = $2
		}
		if (!($3 in place)) { place[$3] = ++subjects; subject[subjects] = $3 }
		if (!($4 in unit)) { unit[$4] = $5; metric[++metrics] = $4 }
		value[$1, $2, $3, $4, $6] = $7
		if ($6 > rounds) rounds = $6
	}
	function has(b, s, m) { return (kind[b], at[b], s, m, 1) in value }
	function middle(b, s, m,   i, v) {
		for (i = 1; i <= rounds; i++) v[i] = value[kind[b], at[b], s, m, i]
		return median(v, rounds)
	}
	# To another subject in the same rounds; to the same one without a flood for peer "alone".
	function ratio(b, s, m, peer,   i, v, d) {
		for (i = 1; i <= rounds; i++) {
			d = peer == "alone" ? value["none", 0, s, m, i] : \
				value[kind[b], at[b], peer, m, i]
			if (d <= 0) return ""
			v[i] = value[kind[b], at[b], s, m, i] / d
		}
		return median(v, rounds)
	}
	# The lowest rate of the kind at which the subject has lost half; 0: none.
	function half(k, s,   b, r) {
		for (b = 1; b <= benches; b++)
			if (kind[b] == k && has(b, s, "rate") && \
			    ratio(b, s, "rate", "alone") <= 0.5)
				return b
		return 0
	}'

report_json() {
	awk "$report_awk"'
	END {
		print "["
		for (b = 1; b <= benches; b++)
			for (s = 1; s <= subjects; s++)
				for (m = 1; m <= metrics; m++)
					if (has(b, subject[s], metric[m]))
						row(b, subject[s], metric[m])
		print "\n]"
	}
	function row(b, s, m,   i, r, list, ratios, peer, n, peers) {
		for (i = 1; i <= rounds; i++)
			list = list (i > 1 ? ", " : "") value[kind[b], at[b], s, m, i]
		n = split("alone bare haproxy", peers, " ")
		for (i = 1; i <= n; i++) {
			peer = peers[i]
			if ((m != "rate" && m != "p99") || peer == s) continue
			if (peer == "alone" ? kind[b] == "none" : !has(b, peer, m)) continue
			r = ratio(b, s, m, peer)
			if (r == "") continue
			ratios = ratios (ratios == "" ? "" : ", ") sprintf("\"%s\": %.3f", peer, r)
		}
		printf "%s{\"bench\": \"flood_%s\", \"subject\": \"%s\", \"metric\": \"%s\", " \
			"\"unit\": \"%s\", \"rounds\": [%s], \"median\": %s, \"ratio\": {%s}}", \
			begun++ ? ",\n" : "", kind[b] (at[b] ? "_" at[b] : ""), s, m, unit[m], \
			list, middle(b, s, m), ratios
	}' "$work/ordered"
}

report_text() {
	awk "$report_awk"'
	END {
		printf "%-8s %9s", "FLOOD", "RATE/S"
		for (s = 1; s <= subjects; s++)
			printf "   %-9s%7s %5s %8s", toupper(subject[s]), "REQ/S", "KEPT", "P99"
		print ""
		for (b = 1; b <= benches; b++) {
			if (kind[b] != kind[b - 1] && b > 1) print ""
			printf "%-8s %9s", kind[b], at[b] ? at[b] : "-"
			for (s = 1; s <= subjects; s++)
				if (has(b, subject[s], "rate")) line(b, subject[s])
			print ""
		}
		print short
		verdicts()
	}
	function line(b, s,   n) {
		printf "   %16.0f %4.0f%% %6.1fms", middle(b, s, "rate"), \
			100 * ratio(b, s, "rate", "alone"), middle(b, s, "p99") / 1000
		if (!at[b]) return
		n = middle(b, s, "sent")
		if (n < 0.95 * at[b]) note(b, s, sprintf("only %d/s were sent", n))
		n = middle(b, s, "failed")
		if (n > 0) note(b, s, sprintf("%d good requests failed", n))
		n = middle(b, s, "served")
		if (n > 0 && s != "bare") note(b, s, sprintf("%d of the flood were served", n))
	}
	function note(b, s, text) {
		short = short sprintf("\n%s, %s at %d/s: %s", s, kind[b], at[b], text)
	}
	function verdicts(   b, h, k, r) {
		if (!("guard" in place) || !("haproxy" in place)) return
		print "\nWhere HAProxy has lost half, the guard keeps (the goal is 90 %):"
		for (b = 1; b <= benches; b++) {
			k = kind[b]
			if (k == "none" || k == kind[b - 1]) continue
			h = half(k, "haproxy")
			if (!h) {
				printf "%-8s HAProxy has not lost half at any rate\n", k
				continue
			}
			r = ratio(h, "guard", "rate", "alone")
			printf "%-8s %.0f %% at %d/s: %s\n", k, 100 * r, at[h], \
				(r >= 0.9 ? "met" : "missed")
		}
	}' "$work/ordered"
}

# One panel for each kind: what is kept over the flood's rate.
report_svg() {
	awk "$report_awk"'
	function text(x, y, more, s) {
		printf "<text x=\"%.1f\" y=\"%.1f\" %s>%s</text>\n", x, y, more, s
	}
	END {
		split("#777777 #d1495b #00798c", colour, " ")
		for (b = 1; b <= benches; b++) {
			if (kind[b] == "none") continue
			if (!(kind[b] in count)) name[++panels] = kind[b]
			nth[b] = count[kind[b]]++
		}
		printf "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"900\" height=\"%d\" " \
			"font-family=\"sans-serif\" font-size=\"11\">\n", \
			210 * int((panels + 2) / 3) + 40
		print "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>"
		for (s = 1; s <= subjects; s++)
			text(90 * s - 40, 20, "fill=\"" colour[s] "\"", subject[s])
		text(880, 20, "text-anchor=\"end\"", "requests/s that a good client keeps, by " \
			"frames or connections/s of the flood")
		for (p = 1; p <= panels; p++)
			draw(name[p], 50 + 290 * ((p - 1) % 3), 50 + 210 * int((p - 1) / 3))
		print "</svg>"
	}
	function draw(k, x, y,   i, b, s, step) {
		step = count[k] > 1 ? 220 / (count[k] - 1) : 220
		text(x, y - 6, "font-weight=\"bold\"", k)
		for (i = 0; i <= 4; i++) {
			printf "<path d=\"M%d %dH%d\" stroke=\"#dddddd\"/>\n", x, \
				y + 140 - 35 * i, x + 220
			text(x - 4, y + 144 - 35 * i, "text-anchor=\"end\"", 25 * i "%")
		}
		for (b = 1; b <= benches; b++)
			if (kind[b] == k)
				text(x + step * nth[b], y + 156, "text-anchor=\"middle\"", \
					at[b] % 1000 ? at[b] : at[b] / 1000 "k")
		for (s = 1; s <= subjects; s++) curve(k, x, y, step, s)
	}
	function curve(k, x, y, step, s,   b, v, points) {
		for (b = 1; b <= benches; b++) {
			if (kind[b] != k || !has(b, subject[s], "rate")) continue
			v = ratio(b, subject[s], "rate", "alone")
			points = points sprintf(" %.1f,%.1f", x + step * nth[b], \
				y + 140 - 140 * (v > 1.1 ? 1.1 : v))
		}
		printf "<polyline fill=\"none\" stroke=\"%s\" stroke-width=\"2\" " \
			"points=\"%s\"/>\n", colour[s], points
	}' "$work/ordered"
}
