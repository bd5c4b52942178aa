import { generateKeyPairSync } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import {
  AuthorizationError,
  checkSecretPolicySuccessor,
  openSecretPolicy,
  parseSecretPolicy,
  readSecretPolicy,
  type SecretPolicyFields,
  signSecretPolicy,
} from '../../authorization/index.ts'
import { SECRET_POLICY_PAYLOAD_TYPE } from '../../authorization/secret-policy.ts'
import { signEnvelope } from '../../signing/dsse.ts'
import * as world from './scenario.ts'

const failure = (work: () => unknown): string => {
  try {
    work()
  } catch (error) {
    if (error instanceof AuthorizationError) return error.code
    throw error
  }
  return 'none'
}

const MIB = 1024 * 1024
const NOTHING = '0'.repeat(64)
const spkiOf = (namedCurve: string): string =>
  generateKeyPairSync('ec', { namedCurve })
    .publicKey.export({ format: 'der', type: 'spki' })
    .toString('base64')

function approval(change: object = {}): SecretPolicyFields['approvals'][number] {
  return {
    host: 'any',
    pcrDigest: NOTHING,
    counter: { name: world.HOST, notAbove: '17' },
    signature: Buffer.alloc(64, 7).toString('base64'),
    ...change,
  }
}

function fields(change: object = {}): SecretPolicyFields {
  return {
    version: 1,
    reference: NOTHING,
    key: world.spki(world.bob),
    pcrs: [0, 7, 15],
    approvals: [approval()],
    ...change,
  }
}

const parse = (change: object, length = 0) =>
  failure(() => parseSecretPolicy(Buffer.from(JSON.stringify(fields(change)).padEnd(length))))
const REFUSED = 'SECRET_POLICY_MALFORMED'
const padded = (length: number) => JSON.stringify(fields()).padEnd(length)

describe('a secret policy', () => {
  it('is read as a governance key signed it, and shown without', () => {
    const envelope = signSecretPolicy(fields(), world.governance)
    const opened = openSecretPolicy(envelope, [world.governance.public])
    expect(opened).toMatchObject({ ...fields(), envelope })
    expect(readSecretPolicy(envelope)).toEqual(opened)
    expect(failure(() => openSecretPolicy(envelope, [world.mallory.public]))).toBe('DOCUMENT_UNSIGNED')
    expect(failure(() => signSecretPolicy(fields({ version: 0 }), world.governance))).toBe(REFUSED)
  })

  it.each([
    ['version', [1, 1_000_000], [0, 1_000_001]],
    ['pcrs', [[0], [9, 11], [15]], [[], [-1], [10], [16], [7, 0], [7, 7], [0, 7, 3], 'any']],
    ['approvals', [[approval()]], [[]]],
    ['reference', [], ['any']],
    ['more', [], [1]],
  ])('has its %s within bounds', (name, good, bad) => {
    for (const value of good) expect(parse({ [name]: value })).toBe('none')
    for (const value of bad) expect(parse({ [name]: value })).toBe(REFUSED)
  })

  it('is bound to all fifteen PCRs that keep still, and to none twice', () => {
    const all = Array.from({ length: 16 }, (_, i) => i).filter(i => i !== 10)
    expect(parse({ pcrs: all })).toBe('none')
  })

  it('has up to 1,024 approvals, in a document of 1 MiB', () => {
    const many = (count: number) => parse({ approvals: Array.from({ length: count }, () => approval()) })
    expect(many(1024)).toBe('none')
    expect(many(1025)).toBe(REFUSED)
    expect(parse({}, MIB)).toBe('none')
    expect(parse({}, MIB + 1)).toBe(REFUSED)
  })

  it.each<[string, unknown[], unknown[]]>([
    ['host', [world.HOST, 'any'], ['here']],
    ['pcrDigest', [], ['any', NOTHING.slice(1)]],
    ['counter', [null, { name: world.HOST, notAbove: '0' }], [{ name: world.HOST, notAbove: '01' }]],
    [
      'counter',
      [],
      [
        { name: 'it', notAbove: '1' },
        { name: world.HOST, notAbove: '1', more: 1 },
      ],
    ],
    ['signature', [], [63, 65, 66].map(length => Buffer.alloc(length).toString('base64'))],
    ['signature', [], ['!'.repeat(88), Buffer.alloc(64, 255).toString('base64').replaceAll('/', '_')]],
    ['more', [], [1]],
  ])('has the %s of an approval within bounds', (name, good, bad) => {
    for (const value of good) expect(parse({ approvals: [approval({ [name]: value })] })).toBe('none')
    for (const value of bad) expect(parse({ approvals: [approval({ [name]: value })] })).toBe(REFUSED)
  })

  it('is approved by a key of P-256 and by no other', () => {
    expect(parse({ key: spkiOf('prime256v1') })).toBe('none')
    const others = [
      spkiOf('secp384r1'),
      world.spki(world.alice),
      Buffer.concat([world.bob.public.spki, Buffer.alloc(8)]).toString('base64'),
      '',
      'AAAA',
      'A',
      `${world.spki(world.bob)}\n`,
    ]
    for (const key of others) expect(parse({ key })).toBe(REFUSED)
  })

  it('may follow itself or an older version, and nothing else', () => {
    const next = (version: number, digest: string, current: { version: number; digest: string } | null) =>
      failure(() => checkSecretPolicySuccessor(current, { version, digest }))
    const current = { version: 2, digest: 'a' }
    expect(next(1, 'b', null)).toBe('none')
    expect(next(2, 'a', current)).toBe('none')
    expect(next(3, 'b', current)).toBe('none')
    expect(next(2, 'b', current)).toBe('ROLLED_BACK')
    expect(next(1, 'b', current)).toBe('ROLLED_BACK')
  })

  it('is in an envelope of 2 MiB at most', () => {
    const envelope = signEnvelope(
      SECRET_POLICY_PAYLOAD_TYPE,
      Buffer.from(padded(MIB)),
      [world.governance],
      2 * MIB,
    )
    const open = (length: number) => {
      const bytes = Buffer.concat([envelope, Buffer.alloc(length - envelope.length, ' ')])
      return [
        failure(() => openSecretPolicy(bytes, [world.governance.public])),
        failure(() => readSecretPolicy(bytes)),
      ]
    }
    expect(open(2 * MIB)).toEqual(['none', 'none'])
    expect(open(2 * MIB + 1)).toEqual(['DOCUMENT_MALFORMED', 'DOCUMENT_MALFORMED'])
  })
})
