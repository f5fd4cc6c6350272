// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Ordinary requests by node's clients. client.js KIND BASE TAG, the token in $TOKEN; KIND is http
// (http.Agent with keep-alive), fetch, or pipelineN (undici with N requests in flight). Prints
// "N requests, M wrong" and what was wrong. It must never try again.
"use strict";

const crypto = require("node:crypto");
const http = require("node:http");
const { Readable } = require("node:stream");

const [kind, base, tag] = process.argv.slice(2);
const authorization = "Bearer " + process.env.TOKEN;
const path = "/orders/echo?" + tag;
const timeout = 10000;
const sizes = [0, 1, 1459, 10000, 65536, 1000000];
let count = 0;
let wrong = 0;
let slowest = 0;

function body(size) {
	const bytes = Buffer.alloc(size);
	for (let i = 0; i < size; i++) bytes[i] = (i * 11 + size) & 255;
	return bytes;
}

function* plan() {
	for (let i = 0; i < 40; i++) {
		yield ["GET", null, false];
		if (i % 4) continue;
		const bytes = body(sizes[(i / 4) % sizes.length]);
		yield ["POST", bytes, false];
		yield ["PUT", bytes, bytes.length > 0];
	}
}

function* pieces(bytes) {
	for (let i = 0; i < bytes.length; i += 7000) yield bytes.subarray(i, i + 7000);
}

async function attempt(send, method, bytes, chunked) {
	const begun = Date.now();
	const sent = bytes || Buffer.alloc(0);
	const digest = crypto.createHash("sha256").update(sent).digest("hex");
	let what;
	try {
		const [status, answer] = await send(method, bytes, chunked);
		const want = `${method} ${sent.length} ${digest} `;
		if (status === 200 && answer.startsWith(want)) what = "";
		else what = `${status} ${answer.slice(0, 80)}`;
	} catch (error) {
		what = `${error} ${error.cause || ""}`;
	}
	const took = (Date.now() - begun) / 1000;
	slowest = Math.max(slowest, took);
	count++;
	if (!what) return;
	wrong++;
	console.log(`${method} ${sent.length} bytes: ${what} after ${took} s`);
}

function byHttp(agent) {
	return (method, bytes, chunked) =>
		new Promise((resolve, reject) => {
			const headers = { authorization };
			if (bytes && !chunked) headers["content-length"] = bytes.length;
			const options = { agent, method, headers, timeout };
			const request = http.request(base + path, options);
			request.on("error", reject);
			request.on("timeout", () => request.destroy(new Error("timeout")));
			request.on("response", (answer) => {
				let text = "";
				answer.setEncoding("utf8");
				answer.on("data", (piece) => (text += piece));
				answer.on("error", reject);
				answer.on("end", () => resolve([answer.statusCode, text]));
			});
			if (chunked) Readable.from(pieces(bytes)).pipe(request);
			else request.end(bytes);
		});
}

async function byFetch(method, bytes, chunked) {
	const answer = await fetch(base + path, {
		method,
		headers: { authorization },
		body: chunked ? Readable.toWeb(Readable.from(pieces(bytes))) : bytes,
		duplex: chunked ? "half" : undefined,
		signal: AbortSignal.timeout(timeout),
	});
	return [answer.status, await answer.text()];
}

function byUndici(depth) {
	const { Client } = require("undici");
	const client = new Client(base, { pipelining: depth, headersTimeout: timeout });
	const send = async (method) => {
		const answer = await client.request({ method, path, headers: { authorization } });
		return [answer.statusCode, await answer.body.text()];
	};
	return [client, send];
}

async function main() {
	if (kind === "http") {
		const agent = new http.Agent({ keepAlive: true, maxSockets: 4 });
		await Promise.all([...plan()].map((step) => attempt(byHttp(agent), ...step)));
		agent.destroy();
	} else if (kind === "fetch") {
		await Promise.all([...plan()].map((step) => attempt(byFetch, ...step)));
	} else {
		const [client, send] = byUndici(Number(kind.slice("pipeline".length)));
		const all = [];
		for (let i = 0; i < 300; i++) all.push(attempt(send, "GET", null, false));
		await Promise.all(all);
		await client.close();
	}
	console.log(`slowest ${slowest} s`);
	console.log(`${count} requests, ${wrong} wrong`);
}

main();
