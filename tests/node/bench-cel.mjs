// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// The same conditions and bindings for @bufbuild/cel, planned once. Arguments: the file of
// sz-bench-cel --cases, the number of the round, seconds. Prints figures as scripts/bench reads
// them; a condition that is not true ends it. Each is evaluated for half a second before it is
// measured, so that it is compiled however short the measurement.

import { readFileSync } from "node:fs";
import { celEnv, celList, celMap, parse, plan } from "@bufbuild/cel";
import { strings } from "@bufbuild/cel/ext";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";

const [file, round, seconds] = process.argv.slice(2);
const { conditions, bindings } = JSON.parse(readFileSync(file, "utf8"));

// As values of the language, made once: numbers are int.
function value(v) {
	if (Array.isArray(v))
		return celList(v.map(value));
	if (v !== null && typeof v === "object")
		return celMap(new Map(Object.entries(v).map(([k, x]) => [k, value(x)])));
	return typeof v === "number" ? BigInt(v) : v;
}

const variables = {
	request: value(bindings.request),
	claims: value(bindings.claims),
	now: timestampFromMs(bindings.now * 1000),
};
const env = celEnv({ funcs: strings });
const programs = conditions.map((c) => ({ ...c, run: plan(env, parse(c.text)) }));

function rate(list, seconds) {
	const begin = process.cpuUsage();
	let n = 0, took;
	do {
		for (let i = 0; i < 100; i++)
			for (const c of list)
				if (c.run(variables) !== true)
					throw new Error(`${c.text} is ${c.run(variables)}`);
		n += 100 * list.length;
		const used = process.cpuUsage(begin);
		took = (used.user + used.system) / 1e6;
	} while (took < seconds);
	return n / took;
}

for (const c of programs) {
	rate([c], 0.5);
	console.log(`cel_${c.name} bufbuild rate conditions/s ${round} ${rate([c], seconds).toFixed(0)}`);
}
