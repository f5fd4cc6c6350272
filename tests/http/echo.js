// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Node's http module as a service: notes each request it understood as a line of JSON on standard
// output. Started by servers.sh with the port. The area is what usual ways to route would take it
// for: when one of them leads to /admin, that is it.
'use strict';
const fs = require('fs');
const http = require('http');
const path = require('path');

function readings(target) {
	const plain = target.split('?')[0];
	const out = [plain];
	for (const read of [
		() => new URL(target, 'http://h').pathname,
		() => decodeURIComponent(plain),
		() => path.posix.normalize(plain),
		() => path.posix.normalize(decodeURIComponent(plain)),
		() => decodeURIComponent(new URL(target, 'http://h').pathname),
	]) {
		try {
			out.push(read());
		} catch (e) {
			continue; // no such reading of this target
		}
	}
	return out;
}

function area(target) {
	return readings(target).some((p) => /^\/admin(\/|$)/.test(p)) ? 'admin' : '';
}

function all(raw, name) {
	const out = [];
	for (let i = 0; i < raw.length; i += 2)
		if (raw[i].toLowerCase() === name)
			out.push(raw[i + 1]);
	return out;
}

const server = http.createServer({ maxHeaderSize: 65536 }, (req, res) => {
	const body = [];
	req.on('data', (d) => body.push(d));
	req.on('end', () => {
		fs.writeSync(1, JSON.stringify({
			server: 'node',
			client: req.socket.from,
			method: req.method,
			target: req.url,
			host: req.headers.host || '',
			auth: all(req.rawHeaders, 'authorization'),
			body: Buffer.concat(body).toString('latin1'),
			area: area(req.url),
		}) + '\n');
		res.writeHead(200, { 'Content-Length': 2, 'X-Seen': 1 });
		res.end('ok');
	});
});
// A socket that was closed meanwhile no longer tells.
server.on('connection', (socket) => { socket.from = socket.remoteAddress; });
server.keepAliveTimeout = 60000;
server.listen(Number(process.argv[2]), '0.0.0.0');
