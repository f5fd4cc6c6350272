// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// A DPoP client by others' libraries: "dpop" makes the proofs, "jose" the thumbprint and the odd
// proofs. Runs from build/node, where the libraries are.
//
//   dpop.mjs key FILE                              new key pair; prints its thumbprint
//   dpop.mjs proof FILE METHOD URL TOKEN [NONCE]   prints a proof
//   dpop.mjs odd FILE METHOD URL TOKEN JSON        the same, with claims replaced; null removes one
//   dpop.mjs get FILE URL TOKEN                    a request; asked for a nonce, once more with it
//   dpop.mjs serve                                 lines of these, separated by tabs, on stdin
import { createHash, randomUUID, webcrypto } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { calculateJwkThumbprint, exportJWK, SignJWT } from 'jose'
import { generateKeyPair, generateProof } from 'dpop'

async function keys(file) {
  const { priv, pub } = JSON.parse(readFileSync(file))
  const alg = { name: 'ECDSA', namedCurve: 'P-256' }
  return {
    pub,
    privateKey: await webcrypto.subtle.importKey('jwk', priv, alg, false, ['sign']),
    publicKey: await webcrypto.subtle.importKey('jwk', pub, alg, true, ['verify']),
  }
}

async function proof(file, method, url, token, nonce) {
  return generateProof(await keys(file), url, method, nonce || undefined, token)
}

async function odd(file, method, url, token, changes) {
  const { pub, privateKey } = await keys(file)
  const claims = {
    jti: randomUUID(),
    htm: method,
    htu: url,
    iat: Math.floor(Date.now() / 1000),
    ath: createHash('sha256').update(token).digest('base64url'),
    ...JSON.parse(changes),
  }
  for (const name of Object.keys(claims)) if (claims[name] === null) delete claims[name]
  return new SignJWT(claims)
    .setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk: pub })
    .sign(privateKey)
}

async function ask(file, url, token, nonce) {
  const res = await fetch(url, {
    headers: { Authorization: `DPoP ${token}`, DPoP: await proof(file, 'GET', url, token, nonce) },
  })
  await res.arrayBuffer()
  return res
}

async function key(file) {
  const pair = await generateKeyPair('ES256', { extractable: true })
  const pub = await exportJWK(pair.publicKey)
  writeFileSync(file, JSON.stringify({ pub, priv: await exportJWK(pair.privateKey) }), {
    mode: 0o600,
  })
  return calculateJwkThumbprint(pub)
}

async function get(file, url, token) {
  const said = []
  let res = await ask(file, url, token)
  said.push(res.status)
  if (res.status === 401 && /use_dpop_nonce/.test(res.headers.get('www-authenticate'))) {
    res = await ask(file, url, token, res.headers.get('dpop-nonce'))
    said.push(res.status)
  }
  return said.join(' ')
}

async function run(what, ...args) {
  const commands = { key, proof, odd, get }
  if (!commands[what]) throw new Error('key, proof, odd, get or serve')
  console.log(await commands[what](...args))
}

const args = process.argv.slice(2)
if (args[0] !== 'serve') await run(...args)
else for await (const line of createInterface({ input: process.stdin })) await run(...line.split('\t'))
