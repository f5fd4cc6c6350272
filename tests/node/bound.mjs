// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// A client that holds a key (DPoP), by openid-client alone: proofs, nonces and asking again are its
// own. Runs from build/node, where the libraries are; the token comes from idp.mjs.
//
//   bound.mjs ISSUER KEY TOKEN URL...   a request for each URL; prints the statuses in one line
import { readFileSync } from 'node:fs'
import { createPrivateKey } from 'node:crypto'
import { Issuer } from 'openid-client'

const [issuer, file, token, ...urls] = process.argv.slice(2)
const client = new (new Issuer({ issuer }).Client)({ client_id: 'app', client_secret: 'unused' })
const DPoP = createPrivateKey({ key: JSON.parse(readFileSync(file)), format: 'jwk' })
const said = []
for (const url of urls) {
  const res = await client.requestResource(url, token, { DPoP })
  said.push(res.statusCode)
}
console.log(said.join(' '))
