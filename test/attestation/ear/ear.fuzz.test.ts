import fc from 'fast-check'
import { describe, it } from 'vitest'
import { readClaims } from '../../../attestation/ear/claims.ts'
import { earKeyFromJwk, verifyEar } from '../../../attestation/ear/index.ts'
import { parseJws } from '../../../attestation/ear/jws.ts'
import { WritError } from '../../../encoding/error.ts'
import type { JsonObject } from '../../../encoding/json.ts'
import { generateKey } from '../../../signing/key.ts'

function onlyTyped(work: () => unknown): void {
  try {
    work()
  } catch (error) {
    if (!(error instanceof WritError)) throw error
  }
}

describe('whatever is sent', () => {
  const { object } = generateKey('ecdsa-p256').public
  const trust = { key: { object, algorithm: undefined }, algorithms: ['ES256'], now: 0, nonce: null } as const

  it('a token gives a typed error', () => {
    const part = fc.oneof(
      fc.base64String(),
      fc.string(),
      fc.json().map(text => Buffer.from(text).toString('base64url')),
    )
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.tuple(part, part, part).map(parts => parts.join('.')),
        ),
        text => {
          onlyTyped(() => parseJws(text))
          onlyTyped(() => verifyEar(text, trust))
        },
      ),
    )
  })

  it('claims and keys give a typed error', () => {
    const names = fc.constantFrom(
      'eat_profile',
      'iat',
      'exp',
      'submods',
      'ear.status',
      'ear.verifier-id',
      'eat_nonce',
      'kty',
      'crv',
      'x',
      'y',
      'n',
      'e',
    )
    const { value } = fc.letrec<{ value: unknown }>(tie => ({
      value: fc.oneof(
        { maxDepth: 4 },
        fc.constantFrom('tag:github.com,2023:veraison/ear', 'affirming', 1, 'EC', 'RSA', 'OKP', 'P-256'),
        fc.jsonValue({ maxDepth: 1 }),
        fc.dictionary(names, tie('value'), { maxKeys: 6, noNullPrototype: true }),
      ),
    }))
    fc.assert(
      fc.property(fc.dictionary(names, value, { noNullPrototype: true }), made => {
        onlyTyped(() => readClaims(made as JsonObject))
        onlyTyped(() => earKeyFromJwk(made as JsonObject))
      }),
    )
  })
})
