// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// A real identity provider (oidc-provider) over HTTPS, and its client (openid-client, jose), for
// tests/integration/58-idp.sh. One command a line on stdin, one answer a line on stdout; words are
// separated by tabs.
//
//   idp.mjs PORT CERT KEY GATEWAY   certificate and key in PEM; the key that the gateway signs its
//                             assertions with is written to GATEWAY; NODE_EXTRA_CA_CERTS: the CA
//
//   token RESOURCE SCOPE      by client credentials; JWT or opaque, as RESOURCE ends
//   bound FILE RESOURCE SCOPE the same, bound to a new key by DPoP; the private JWK goes to FILE
//   sign CLAIMS [HEADER]      a JWT by jose with the provider's newest key: JSON over its usual claims
//   rotate                    a new key signs, the others stay published
//   hide                      a new key signs, but the set does not show it
//   show                      now it does
//   withdraw                  only the newest key stays
//   revoke TOKEN              at the provider (RFC 7009)
//   down, up                  the server
//   hang, answer              it takes connections and is silent
//   count PATH                requests for a path so far

import { createServer } from 'node:https';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { Provider } from 'oidc-provider';
import { Issuer } from 'openid-client';
import { exportJWK, generateKeyPair, importJWK, SignJWT } from 'jose';

const [port, certFile, keyFile, gatewayKeyFile] = process.argv.slice(2);
const issuer = `https://localhost:${port}`;
console.warn = console.info = () => {};

const key = async () => {
	const { privateKey } = await generateKeyPair('ES256', { extractable: true });
	const jwk = await exportJWK(privateKey);
	return { ...jwk, alg: 'ES256', use: 'sig', kid: `key-${made++}` };
};
let made = 1;
let keys = [];
let hidden = false; // the newest key is not shown
const counts = {};

const gateway = await generateKeyPair('ES256', { extractable: true });
const gatewayKey = { ...(await exportJWK(gateway.privateKey)), alg: 'ES256', kid: 'gateway' };
writeFileSync(gatewayKeyFile, JSON.stringify(gatewayKey), { mode: 0o600 });

const client = (id, method, more = {}) => ({
	client_id: id, client_secret: method === 'private_key_jwt' ? undefined : 'secret of ' + id,
	token_endpoint_auth_method: method, grant_types: ['client_credentials'],
	redirect_uris: [], response_types: [], id_token_signed_response_alg: 'ES256', ...more,
});
const make = () => new Provider(issuer, {
	jwks: { keys },
	clients: [
		client('app', 'client_secret_basic'),
		client('gw-basic', 'client_secret_basic'),
		client('gw-post', 'client_secret_post'),
		client('gw-jwt', 'private_key_jwt', {
			token_endpoint_auth_signing_alg: 'ES256',
			jwks: { keys: [{ ...gatewayKey, d: undefined }] },
		}),
	],
	clientAuthMethods: ['client_secret_basic', 'client_secret_post', 'private_key_jwt'],
	scopes: ['orders:read', 'admin'],
	features: {
		devInteractions: { enabled: false },
		clientCredentials: { enabled: true },
		introspection: { enabled: true, allowedPolicy: () => true },
		revocation: { enabled: true },
		dPoP: { enabled: true, nonceSecret: randomBytes(32), requireNonce: () => true },
		resourceIndicators: {
			enabled: true,
			getResourceServerInfo: (ctx, resource) => ({
				scope: 'orders:read admin',
				audience: resource,
				accessTokenTTL: 600,
				accessTokenFormat: resource.endsWith('/jwt') ? 'jwt' : 'opaque',
				jwt: { sign: { alg: 'ES256' } },
			}),
		},
	},
	cookies: { keys: ['for a test'] },
});

let provider;
let serve;
const renew = () => {
	provider = make();
	serve = provider.callback();
};
keys = [await key()];
renew();

let hanging = false;
let server;
const sockets = new Set();
const up = () => new Promise((resolve) => {
	server = createServer({ cert: readFileSync(certFile), key: readFileSync(keyFile) }, (req, res) => {
		const path = req.url.split('?')[0];
		counts[path] = (counts[path] ?? 0) + 1;
		if (hanging)
			return;
		if (hidden && path === '/jwks') {
			const shown = keys.slice(1).map(({ d, ...rest }) => rest);
			res.setHeader('content-type', 'application/jwk-set+json');
			res.end(JSON.stringify({ keys: shown }));
			return;
		}
		serve(req, res);
	});
	server.on('connection', (s) => {
		sockets.add(s);
		s.on('close', () => sockets.delete(s));
	});
	server.listen(Number(port), '127.0.0.1', resolve);
});
const down = () => new Promise((resolve) => {
	server.close(resolve);
	for (const s of sockets)
		s.destroy();
});
await up();

const app = async () => {
	const found = await Issuer.discover(issuer);
	return new found.Client({ client_id: 'app', client_secret: 'secret of app' });
};
const now = () => Math.floor(Date.now() / 1000);

const commands = {
	token: async (resource, scope) => {
		const set = await (await app()).grant({ grant_type: 'client_credentials', resource, scope });
		return set.access_token;
	},
	bound: async (file, resource, scope) => {
		const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
		writeFileSync(file, JSON.stringify(privateKey.export({ format: 'jwk' })), { mode: 0o600 });
		const set = await (await app()).grant({ grant_type: 'client_credentials', resource, scope },
			{ DPoP: privateKey });
		return `${set.token_type} ${set.access_token}`;
	},
	sign: async (claims, header) => {
		const newest = keys[0];
		const payload = { iss: issuer, sub: 'jose', aud: 'https://api.test/jwt',
			scope: 'orders:read', iat: now(), exp: now() + 600, jti: `j${made++}`,
			...JSON.parse(claims) };
		return new SignJWT(payload)
			.setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid: newest.kid,
				...JSON.parse(header ?? '{}') })
			.sign(await importJWK(newest, 'ES256'));
	},
	rotate: async () => {
		keys = [await key(), ...keys];
		renew();
		return keys[0].kid;
	},
	hide: async () => {
		keys = [await key(), ...keys];
		hidden = true;
		renew();
		return keys[0].kid;
	},
	show: async () => {
		hidden = false;
		return 'shown';
	},
	withdraw: async () => {
		keys = keys.slice(0, 1);
		renew();
		return keys[0].kid;
	},
	revoke: async (token) => {
		await (await app()).revoke(token);
		return 'revoked';
	},
	down: async () => {
		await down();
		return 'down';
	},
	up: async () => {
		await up();
		return 'up';
	},
	hang: async () => {
		hanging = true;
		return 'hanging';
	},
	answer: async () => {
		hanging = false;
		return 'answering';
	},
	count: async (path) => String(counts[path] ?? 0),
};

console.log('ready');
for await (const line of createInterface({ input: process.stdin })) {
	const [name, ...args] = line.split('\t');
	try {
		console.log(await commands[name](...args));
	} catch (e) {
		console.log(`error: ${e.message}`.replaceAll('\n', ' '));
	}
}
process.exit(0);
