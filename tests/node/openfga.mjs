// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// OpenFGA's own client against the local API, unchanged: every call it has, what it is told when
// something is wrong, and pages. Arguments: URL and secret. Prints "ok NAME" or "not ok NAME: why".

import assert from "node:assert/strict";
import sdk from "@openfga/sdk";

const { OpenFgaClient, CredentialsMethod, ConsistencyPreference } = sdk;
const [apiUrl, token, readOnly] = process.argv.slice(2);
const connect = (more) => new OpenFgaClient({
	apiUrl, retryParams: { maxRetry: 0 },
	credentials: { method: CredentialsMethod.ApiToken, config: { token } }, ...more,
});

const user = { type: "user" };
const model = {
	schema_version: "1.1",
	type_definitions: [
		{ type: "user" },
		{
			type: "group",
			relations: { member: { this: {} } },
			metadata: { relations: { member: { directly_related_user_types: [
				user, { type: "user", wildcard: {} }, { type: "group", relation: "member" },
			] } } },
		},
		{
			type: "document",
			relations: {
				owner: { this: {} },
				blocked: { this: {} },
				viewer: { difference: {
					base: { union: { child: [{ this: {} },
						{ computedUserset: { relation: "owner" } }] } },
					subtract: { computedUserset: { relation: "blocked" } },
				} },
			},
			metadata: { relations: {
				owner: { directly_related_user_types: [user] },
				blocked: { directly_related_user_types: [user] },
				viewer: { directly_related_user_types: [user,
					{ type: "group", relation: "member" },
					{ type: "user", condition: "office" }] },
			} },
		},
	],
	conditions: { office: {
		name: "office",
		expression: "ip.in_cidr(net)",
		parameters: {
			ip: { type_name: "TYPE_NAME_IPADDRESS" },
			net: { type_name: "TYPE_NAME_STRING" },
		},
	} },
};

let failed = 0;
async function step(name, fn) {
	try {
		await fn();
		console.log(`ok ${name}`);
	} catch (e) {
		failed++;
		console.log(`not ok ${name}: ${String(e.stack).replaceAll("\n", " | ")}`);
	}
}
async function refused(call, status, code) {
	const e = await call.then(() => null, (error) => error);
	assert.ok(e, "it was not refused");
	assert.equal(e.statusCode, status, e.message);
	if (code)
		assert.equal(e.apiErrorCode ?? e.responseData?.code, code);
}
const t = (who, relation, object) => ({ user: who, relation, object });
const sorted = (list) => [...list].sort();

const admin = connect();
let client, second, storeId, modelId;

await step("a store is made and found", async () => {
	const made = await admin.createStore({ name: "sdk test" });
	storeId = made.id;
	assert.match(made.id, /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/);
	assert.ok(!Number.isNaN(Date.parse(made.created_at)));
	client = connect({ storeId });
	assert.equal((await client.getStore()).name, "sdk test");
	assert.ok((await admin.listStores()).stores.some((s) => s.id === storeId));
	assert.equal((await admin.listStores({ name: "sdk test" })).stores.length, 1);
	assert.equal((await admin.listStores({ name: "nothing" })).stores.length, 0);
});
await step("stores come in pages", async () => {
	for (const name of ["page one", "page two", "page three"])
		await admin.createStore({ name });
	const ids = [];
	let continuationToken;
	do {
		const page = await admin.listStores({ pageSize: 2, continuationToken });
		assert.ok(page.stores.length <= 2);
		ids.push(...page.stores.map((s) => s.id));
		continuationToken = page.continuation_token;
	} while (continuationToken);
	assert.equal(ids.length, 4);
	assert.equal(new Set(ids).size, 4);
});
await step("without a model nothing can be asked", async () => {
	await refused(client.check(t("user:anne", "viewer", "document:1")), 400,
		"latest_authorization_model_not_found");
});
await step("a model is written and read", async () => {
	const made = await client.writeAuthorizationModel(model);
	modelId = made.authorization_model_id;
	const latest = await client.readLatestAuthorizationModel();
	assert.equal(latest.authorization_model.id, modelId);
	assert.equal(latest.authorization_model.type_definitions.length, 3);
	const same = await client.readAuthorizationModel({ authorizationModelId: modelId });
	assert.deepEqual(same.authorization_model.conditions.office.expression, "ip.in_cidr(net)");
	await client.writeAuthorizationModel(model);
	const all = await client.readAuthorizationModels({ pageSize: 1 });
	assert.equal(all.authorization_models.length, 1);
	const rest = await client.readAuthorizationModels({ pageSize: 1,
		continuationToken: all.continuation_token });
	assert.equal(rest.authorization_models[0].id, modelId);
	second = connect({ storeId, authorizationModelId: modelId });
});
await step("a model that is wrong is told so", async () => {
	await refused(client.writeAuthorizationModel({ schema_version: "1.1",
		type_definitions: [{ type: "a", relations: { b: { computedUserset:
			{ relation: "none" } } } }] }), 400, "invalid_authorization_model");
	await refused(client.readAuthorizationModel({
		authorizationModelId: "01ARZ3NDEKTSV4RRFFQ69G5FAV" }), 404,
		"authorization_model_not_found");
});
await step("tuples are written and deleted", async () => {
	await client.write({ writes: [
		t("user:anne", "member", "group:eng"), t("user:bob", "member", "group:eng"),
		t("group:eng#member", "viewer", "document:plan"),
		t("user:carol", "owner", "document:plan"), t("user:bob", "blocked", "document:plan"),
		t("user:carol", "owner", "document:other"),
		{ ...t("user:dave", "viewer", "document:plan"),
			condition: { name: "office", context: { net: "10.0.0.0/8" } } },
	] });
	await client.writeTuples([t("user:erin", "owner", "document:third")]);
	await client.deleteTuples([t("user:erin", "owner", "document:third")]);
});
await step("writes have preconditions", async () => {
	await refused(client.writeTuples([t("user:anne", "member", "group:eng")]), 400,
		"write_failed_due_to_invalid_input");
	await refused(client.deleteTuples([t("user:zoe", "member", "group:eng")]), 400,
		"write_failed_due_to_invalid_input");
	await refused(client.write({ writes: [t("user:x", "owner", "document:x"),
		t("user:x", "owner", "document:x")] }), 400,
		"cannot_allow_duplicate_tuples_in_one_request");
	await refused(client.write({ writes: [t("user:x", "owner", "document:x"),
		t("user:x", "nothing", "document:x")] }), 400);
	assert.equal((await client.check(t("user:x", "owner", "document:x"))).allowed, false);
	await client.writeTuples([t("user:anne", "member", "group:eng")],
		{ conflict: { onDuplicateWrites: "ignore" } });
	await client.deleteTuples([t("user:zoe", "member", "group:eng")],
		{ conflict: { onMissingDeletes: "ignore" } });
	const many = Array.from({ length: 101 }, (_, i) => t("user:x", "owner", `document:n${i}`));
	await refused(client.write({ writes: many }), 400, "exceeded_entity_limit");
});
await step("check", async () => {
	const ask = async (...a) => (await client.check(t(...a))).allowed;
	assert.equal(await ask("user:anne", "viewer", "document:plan"), true);
	assert.equal(await ask("user:bob", "viewer", "document:plan"), false);
	assert.equal(await ask("user:carol", "viewer", "document:plan"), true);
	assert.equal(await ask("group:eng#member", "viewer", "document:plan"), true);
	await refused(client.check(t("user:anne", "nothing", "document:plan")), 400,
		"validation_error");
	await refused(client.check(t("anne", "viewer", "document:plan")), 400);
});
await step("check with a context and contextual tuples", async () => {
	const dave = t("user:dave", "viewer", "document:plan");
	assert.equal((await client.check({ ...dave, context: { ip: "10.1.2.3" } })).allowed, true);
	assert.equal((await client.check({ ...dave, context: { ip: "192.0.2.1" } })).allowed, false);
	await refused(client.check(dave), 400, "validation_error");
	assert.equal((await client.check({ ...t("user:zoe", "viewer", "document:plan"),
		contextualTuples: [t("user:zoe", "member", "group:eng")] })).allowed, true);
	assert.equal((await client.check(t("user:zoe", "viewer", "document:plan"))).allowed, false);
});
await step("each model and each consistency can be asked for", async () => {
	const c = t("user:anne", "viewer", "document:plan");
	assert.equal((await second.check(c)).allowed, true);
	for (const consistency of [ConsistencyPreference.MinimizeLatency,
		ConsistencyPreference.HigherConsistency])
		assert.equal((await client.check(c, { consistency })).allowed, true);
	await refused(client.check(c, { authorizationModelId: "01ARZ3NDEKTSV4RRFFQ69G5FAV" }), 400,
		"authorization_model_not_found");
});
await step("batch check", async () => {
	const answer = await client.batchCheck({ checks: [
		{ ...t("user:anne", "viewer", "document:plan"), correlationId: "a" },
		{ ...t("user:bob", "viewer", "document:plan"), correlationId: "b" },
		{ ...t("user:bob", "nothing", "document:plan"), correlationId: "c" },
		{ ...t("user:zoe", "viewer", "document:plan"), correlationId: "d",
			contextualTuples: [t("user:zoe", "member", "group:eng")] },
	] });
	const by = Object.fromEntries(answer.result.map((r) => [r.correlationId, r]));
	assert.equal(by.a.allowed, true);
	assert.equal(by.b.allowed, false);
	assert.equal(by.c.error.input_error, "validation_error");
	assert.equal(by.d.allowed, true);
	const plain = await client.clientBatchCheck([t("user:anne", "viewer", "document:plan"),
		t("user:bob", "viewer", "document:plan")]);
	assert.deepEqual(sorted(plain.result.map((r) => String(r.allowed))), ["false", "true"]);
});
await step("list relations", async () => {
	const r = await client.listRelations({ user: "user:carol", object: "document:plan",
		relations: ["owner", "viewer", "blocked"] });
	assert.deepEqual(sorted(r.relations), ["owner", "viewer"]);
});
await step("list objects, whole and as a stream", async () => {
	const q = { user: "user:carol", relation: "viewer", type: "document" };
	const r = await client.listObjects(q);
	assert.deepEqual(sorted(r.objects), ["document:other", "document:plan"]);
	const streamed = [];
	for await (const { object } of client.streamedListObjects(q))
		streamed.push(object);
	assert.deepEqual(sorted(streamed), sorted(r.objects));
	for await (const none of client.streamedListObjects({ ...q, user: "user:nobody" }))
		assert.fail(`nobody views ${none.object}`);
	await refused(client.listObjects({ ...q, type: "nothing" }), 400);
});
await step("list users", async () => {
	const q = { object: { type: "document", id: "plan" }, relation: "viewer",
		context: { ip: "192.0.2.1" } };
	const users = await client.listUsers({ ...q, user_filters: [user] });
	assert.deepEqual(sorted(users.users.map((u) => u.object.id)), ["anne", "carol"]);
	const groups = await client.listUsers({ ...q,
		user_filters: [{ type: "group", relation: "member" }] });
	assert.deepEqual(groups.users, [{ userset: { type: "group", id: "eng",
		relation: "member" } }]);
	const open = await client.listUsers({ object: { type: "group", id: "eng" },
		relation: "member", user_filters: [user],
		contextualTuples: [t("user:*", "member", "group:eng")] });
	assert.ok(open.users.some((u) => u.wildcard?.type === "user"));
});
await step("expand", async () => {
	const { tree } = await client.expand({ relation: "viewer", object: "document:plan" });
	assert.equal(tree.root.name, "document:plan#viewer");
	assert.ok(tree.root.difference);
});
await step("read, by filter and in pages", async () => {
	const read = async (filter, options) => (await client.read(filter, options)).tuples
		.map(({ key }) => `${key.user} ${key.relation} ${key.object}`);
	assert.deepEqual(await read({ object: "group:eng", relation: "member" }),
		["user:anne member group:eng", "user:bob member group:eng"]);
	assert.deepEqual(await read({ user: "user:carol", object: "document:" }),
		["user:carol owner document:plan", "user:carol owner document:other"]);
	const dave = await client.read(t("user:dave", "viewer", "document:plan"));
	assert.deepEqual(dave.tuples[0].key.condition,
		{ name: "office", context: { net: "10.0.0.0/8" } });
	assert.ok(!Number.isNaN(Date.parse(dave.tuples[0].timestamp)));
	const all = [];
	let continuationToken, pages = 0;
	do {
		const page = await client.read({}, { pageSize: 3, continuationToken });
		all.push(...page.tuples);
		continuationToken = page.continuation_token;
		pages++;
	} while (continuationToken);
	assert.equal(all.length, 7);
	assert.equal(pages, 3);
	await refused(client.read({ user: "user:carol" }), 400, "validation_error");
	await refused(client.read({}, { pageSize: 101 }), 400);
	await refused(client.read({}, { continuationToken: "rubbish" }), 400);
});
await step("changes, by type and from a token on", async () => {
	const first = await client.readChanges({ type: "group" });
	assert.equal(first.changes.length, 2);
	assert.equal(first.changes[0].operation, "TUPLE_OPERATION_WRITE");
	const again = await client.readChanges({ type: "group" },
		{ continuationToken: first.continuation_token });
	assert.equal(again.changes.length, 0);
	assert.equal(again.continuation_token, first.continuation_token);
	await client.writeTuples([t("user:frank", "member", "group:eng")]);
	const next = await client.readChanges({ type: "group" },
		{ continuationToken: again.continuation_token });
	assert.deepEqual(next.changes.map((c) => c.tuple_key),
		[t("user:frank", "member", "group:eng")].map(({ user: u, relation, object }) =>
			({ user: u, relation, object })));
	const deleted = await client.readChanges({ type: "document" }, { pageSize: 100 });
	assert.ok(deleted.changes.some((c) => c.operation === "TUPLE_OPERATION_DELETE"));
	await refused(client.readChanges({ type: "document" },
		{ continuationToken: first.continuation_token }), 400, "invalid_continuation_token");
	const later = await client.readChanges({ type: "group",
		startTime: "2999-01-01T00:00:00Z" });
	assert.equal(later.changes.length, 0);
});
await step("assertions", async () => {
	const list = [{ ...t("user:anne", "viewer", "document:plan"), expectation: true }];
	await client.writeAssertions(list, { authorizationModelId: modelId });
	const read = await client.readAssertions({ authorizationModelId: modelId });
	assert.equal(read.assertions[0].expectation, true);
	assert.equal(read.assertions[0].tuple_key.user, "user:anne");
});
await step("who may only read cannot write, and a wrong secret can nothing", async () => {
	const reader = connect({ storeId, credentials: { method: CredentialsMethod.ApiToken,
		config: { token: readOnly } } });
	assert.equal((await reader.check(t("user:anne", "viewer", "document:plan"))).allowed, true);
	await refused(reader.writeTuples([t("user:x", "owner", "document:x")]), 403);
	await refused(reader.deleteStore(), 403);
	const stranger = connect({ storeId, credentials: { method: CredentialsMethod.ApiToken,
		config: { token: `${readOnly}x` } } });
	await refused(stranger.check(t("user:anne", "viewer", "document:plan")), 401);
});
await step("many calls at once are all answered", async () => {
	const all = await Promise.all(Array.from({ length: 200 }, (_, i) => client.check(
		t(i % 2 ? "user:anne" : "user:bob", "viewer", "document:plan"))));
	assert.equal(all.filter((a) => a.allowed).length, 100);
});
await step("a store that was deleted is gone", async () => {
	const made = await admin.createStore({ name: "short life" });
	const gone = connect({ storeId: made.id });
	await gone.deleteStore();
	await refused(gone.getStore(), 404, "store_id_not_found");
	await refused(gone.check(t("user:anne", "viewer", "document:plan")), 404);
});
process.exit(failed ? 1 : 0);
