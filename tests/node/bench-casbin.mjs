// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// The same graph and the same questions for casbin, which keeps roles and policies in memory: who is
// in which group is a role, what is shared with a group is a policy. Arguments: the file of
// sz-bench-rebac --tuples, rounds, seconds. Prints figures as scripts/bench reads them; a wrong answer
// ends it.

import { readFileSync } from "node:fs";
import { newEnforcer, newModelFromString } from "casbin";

const [file, rounds, seconds] = process.argv.slice(2);
const model = newModelFromString(`
[request_definition]
r = sub, obj
[policy_definition]
p = sub, obj
[role_definition]
g = _, _
[policy_effect]
e = some(where (p.eft == allow))
[matchers]
m = r.obj == p.obj && g(r.sub, p.sub)
`);
const lines = readFileSync(file, "utf8").trim().split("\n").map((l) => JSON.parse(l));
const unique = (list) => [...new Map(list.map((x) => [x.join(" "), x])).values()];
const enforcer = await newEnforcer(model);
await enforcer.addPolicies(unique(lines.filter((l) => l.relation === "viewer")
	.map((l) => [l.user.replace("#member", ""), l.object])));
await enforcer.addGroupingPolicies(unique(lines.filter((l) => l.relation === "member")
	.map((l) => [l.user, l.object])));
const questions = lines.filter((l) => "allowed" in l);

for (let round = 1, at = 0; round <= rounds; round++) {
	const begin = process.cpuUsage();
	let n = 0, took;
	do {
		const q = questions[at++ % questions.length];
		if (enforcer.enforceSync(q.user, q.object) !== q.allowed)
			throw new Error(`a wrong answer for ${q.user} ${q.object}`);
		n++;
		const used = process.cpuUsage(begin);
		took = (used.user + used.system) / 1e6;
	} while (took < seconds);
	console.log(`rebac_10k_d2_check casbin rate checks/s ${round} ${(n / took).toFixed(1)}`);
}
