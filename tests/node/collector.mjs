// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// A collector of traces for tests: takes OTLP/HTTP in JSON, and refuses with 400 what is not an
// ExportTraceServiceRequest, field by field, by the official protocol buffers as OpenTelemetry's own
// library has them. Keeps each span as a line of a file.
//
//   node collector.mjs PORT FILE
//
// PUT /mode with a body changes what it does: ok, 503, 400, partial (rejects one span), slow (no
// answer at all). GET /seen tells how often it was asked.

import { appendFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { deepStrictEqual } from 'node:assert';

const require = createRequire(import.meta.url);
const root = require('@opentelemetry/otlp-transformer/build/src/generated/root.js');
const Request = root.opentelemetry.proto.collector.trace.v1.ExportTraceServiceRequest;
const [port, file] = [Number(process.argv[2]), process.argv[3]];
const ids = ['traceId', 'spanId', 'parentSpanId'];
let mode = 'ok';
let seen = 0;

// OTLP's JSON has ids in hex where protocol buffers' own would have base64.
function withIds(value, change) {
	if (Array.isArray(value)) return value.map((v) => withIds(v, change));
	if (value === null || typeof value !== 'object' || Buffer.isBuffer(value)) return value;
	// An empty list and none are one in protocol buffers.
	return Object.fromEntries(Object.entries(value)
		.filter(([, v]) => !Array.isArray(v) || v.length)
		.map(([k, v]) => [k, ids.includes(k) ? change(v, k) : withIds(v, change)]));
}

function hex(v, k) {
	const n = k === 'traceId' ? 32 : 16;
	if (typeof v !== 'string' || !new RegExp(`^[0-9a-f]{${n}}$`).test(v) || /^0+$/.test(v))
		throw new Error(`${k} is ${v}`);
	return Buffer.from(v, 'hex');
}

// Nothing may be lost on the way through the real types: no unknown field, no wrong type.
function check(text) {
	const said = JSON.parse(text);
	const message = Request.fromObject(withIds(said, hex));
	const wrong = Request.verify(message);
	if (wrong) throw new Error(wrong);
	const bytes = Request.encode(message).finish();
	const back = Request.toObject(Request.decode(bytes), { longs: String, enums: Number });
	deepStrictEqual(withIds(back, (v) => Buffer.from(v).toString('hex')),
		withIds(said, (v) => v));
	for (const r of said.resourceSpans)
		for (const s of r.scopeSpans)
			for (const span of s.spans) {
				if (BigInt(span.endTimeUnixNano) < BigInt(span.startTimeUnixNano))
					throw new Error('a span ends before it begins');
				const keys = span.attributes.map((a) => a.key);
				if (new Set(keys).size !== keys.length)
					throw new Error('an attribute stands twice');
				appendFileSync(file, `${JSON.stringify({
					...span, service: r.resource.attributes
						.find((a) => a.key === 'service.name').value.stringValue,
					attributes: Object.fromEntries(span.attributes.map((a) =>
						[a.key, Object.values(a.value)[0]])),
				})}\n`);
			}
}

createServer((req, res) => {
	const parts = [];
	req.on('data', (d) => parts.push(d));
	req.on('end', () => {
		const body = Buffer.concat(parts).toString();
		const answer = (status, text = '{}') => {
			res.writeHead(status, { 'Content-Type': 'application/json' });
			res.end(text);
		};
		if (req.method === 'PUT') {
			mode = body;
			answer(200);
			return;
		}
		if (req.method === 'GET') {
			answer(200, `${seen}`);
			return;
		}
		seen++;
		if (mode === 'slow') return;
		if (mode === '503' || mode === '400') {
			answer(Number(mode));
			return;
		}
		try {
			if (req.url !== '/v1/traces' || req.headers['content-type'] !== 'application/json')
				throw new Error(`${req.url} ${req.headers['content-type']}`);
			if (req.headers.authorization !== 'Bearer collector-secret')
				throw new Error('no authorization');
			check(body);
		} catch (e) {
			appendFileSync(file, `${JSON.stringify({ refused: String(e), body })}\n`);
			answer(400);
			return;
		}
		answer(200, mode === 'partial' ? '{"partialSuccess":{"rejectedSpans":"1"}}' : '{}');
	});
}).listen(port, '127.0.0.1', () => console.log('listening'));
