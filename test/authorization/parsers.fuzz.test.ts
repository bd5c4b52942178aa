import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  AuthorizationError,
  parseClearance,
  parsePolicyBundle,
  parseRecord,
  parseRequest,
  parseRevocation,
  parseSealedSecret,
  parseSecretPolicy,
  parseStatement,
  parseTrustRoots,
  signClearance,
  signRevocation,
  statementBytes,
} from '../../authorization/index.ts'
import { canonicalJsonBytes } from '../../encoding/json.ts'
import { parseEnvelope } from '../../signing/dsse.ts'
import * as world from './scenario.ts'
import { POLICY, sealedSecret } from './secrets-scenario.ts'

const payload = (envelope: Buffer) => parseEnvelope(envelope).payload
const revocation = signRevocation(
  { version: 1, epoch: 1, revoke: [{ kind: 'program', digest: world.PROGRAM_DIGEST }] },
  world.governance,
)

const clearance = signClearance(
  { version: 1, host: world.HOST, clears: { kind: 'failure', transition: 12 } },
  world.governance,
)

const PARSERS: [name: string, valid: Buffer, parse: (bytes: Uint8Array) => unknown][] = [
  ['statement', statementBytes(world.SUBJECTS, world.authorization()), parseStatement],
  ['trust roots', payload(world.defaultTrust.envelope), parseTrustRoots],
  ['policy bundle', payload(world.policyEnvelope()), parsePolicyBundle],
  ['revocation', payload(revocation), parseRevocation],
  ['clearance', payload(clearance), parseClearance],
  ['secret policy', canonicalJsonBytes(POLICY), parseSecretPolicy],
  ['sealed secret', canonicalJsonBytes(sealedSecret()), parseSealedSecret],
  ['record', world.decide().record, parseRecord],
  ['request', Buffer.from(JSON.stringify(world.request())), bytes => parseRequest(readJson(bytes))],
]

function readJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString())
  } catch {
    return undefined
  }
}

/** Replaces one value somewhere in a JSON document. */
function replaced(document: unknown, at: readonly number[], value: unknown): unknown {
  if (at.length === 0 || document === null || typeof document !== 'object') return value
  const [first = 0, ...rest] = at
  const keys = Object.keys(document)
  const key = keys[first % Math.max(1, keys.length)]
  if (key === undefined) return value
  const next = replaced((document as Record<string, unknown>)[key], rest, value)
  return Array.isArray(document)
    ? document.map((item, i) => (String(i) === key ? next : item))
    : { ...document, [key]: next }
}

function parsesOrRefuses(parse: (bytes: Uint8Array) => unknown, bytes: Uint8Array): void {
  try {
    parse(bytes)
  } catch (error) {
    expect(error).toBeInstanceOf(AuthorizationError)
  }
}

for (const [name, valid, parse] of PARSERS) {
  describe(`the ${name} parser`, () => {
    it('reads what is right', () => {
      expect(() => parse(valid)).not.toThrow()
    })

    it('refuses with its own error whatever the bytes are', () => {
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 200 }), bytes => parsesOrRefuses(parse, bytes)),
        { numRuns: 100 },
      )
    })

    it('refuses with its own error, or reads, what is changed in one place', () => {
      const document: unknown = JSON.parse(valid.toString())
      const place = fc.array(fc.nat(20), { minLength: 1, maxLength: 5 })
      const value = fc.oneof(fc.jsonValue(), fc.constantFrom('any', '__proto__', -1, 2 ** 53, null, {}))
      fc.assert(
        fc.property(place, value, (at, it) =>
          parsesOrRefuses(parse, Buffer.from(JSON.stringify(replaced(document, at, it)))),
        ),
        { numRuns: 200 },
      )
    })

    it('refuses with its own error what is cut off', () => {
      fc.assert(
        fc.property(fc.nat(valid.length - 1), length => {
          expect(() => parse(valid.subarray(0, length))).toThrow(AuthorizationError)
        }),
        { numRuns: 50 },
      )
    })
  })
}
