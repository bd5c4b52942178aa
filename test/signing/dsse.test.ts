import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { sha256Hex } from '../../encoding/digest.ts'
import {
  checkSignatures,
  MAX_SIGNATURES,
  MAX_TRIALS,
  parseEnvelope,
  preAuthenticationEncoding,
  signEnvelope,
} from '../../signing/dsse.ts'
import { SigningError } from '../../signing/error.ts'
import { generateKey, type PublicKey, publicKeyToPem, readPublicKey } from '../../signing/key.ts'
import { RECORDED_EVIDENCE } from '../support/recorded-evidence.ts'

const code = (value: string) => expect.objectContaining({ name: 'SigningError', code: value })
const TYPE = 'application/vnd.in-toto+json'
const payload = Buffer.from('{"a":1}')
const alice = generateKey('ed25519')
const bob = generateKey('ecdsa-p256')
const eve = generateKey('ed25519')

interface Json {
  payloadType: string
  payload: string
  signatures: { keyid?: string; sig: string }[]
}
const json = (bytes: Buffer): Json => JSON.parse(bytes.toString())
const bytes = (value: unknown): Buffer => Buffer.from(JSON.stringify(value))
const changed = (change: (e: Json) => unknown) =>
  bytes(change(json(signEnvelope(TYPE, payload, [alice, bob]))))

describe('preAuthenticationEncoding', () => {
  it('gives the example of the protocol, and counts bytes', () => {
    const pae = preAuthenticationEncoding('http://example.com/HelloWorld', Buffer.from('hello world'))
    expect(pae.toString()).toBe('DSSEv1 29 http://example.com/HelloWorld 11 hello world')
    expect(preAuthenticationEncoding('é', Buffer.from('€')).toString()).toBe('DSSEv1 2 é 3 €')
  })
})

describe('parseEnvelope', () => {
  it('reads what signEnvelope writes', () => {
    const envelope = parseEnvelope(signEnvelope(TYPE, payload, [alice, bob]))
    expect(envelope.payload).toEqual(payload)
    expect(envelope.payloadType).toBe(TYPE)
    expect(envelope.signatures.map(s => s.keyid)).toEqual([alice.public.id, bob.public.id])
  })

  it('takes a missing and an empty keyid', () => {
    const envelope = parseEnvelope(
      changed(e => ({ ...e, signatures: e.signatures.map(({ sig }) => ({ sig })) })),
    )
    expect(envelope.signatures[0]?.keyid).toBeUndefined()
    expect(
      parseEnvelope(changed(e => ({ ...e, signatures: [{ keyid: '', sig: '' }] }))).signatures,
    ).toHaveLength(1)
  })

  it.each<[string, Buffer, string | undefined]>([
    ['an unknown field', changed(e => ({ ...e, extra: 1 })), 'envelope.extra'],
    [
      'an unknown field of a signature',
      changed(e => ({ ...e, signatures: [{ sig: '', cert: '' }] })),
      'signatures[0].cert',
    ],
    ['no payload', changed(({ payload: _, ...e }) => e), 'payload'],
    ['no payload type', changed(({ payloadType: _, ...e }) => e), 'payloadType'],
    ['no signatures', changed(({ signatures: _, ...e }) => e), 'signatures'],
    ['signatures that are no list', changed(e => ({ ...e, signatures: {} })), 'signatures'],
    ['a signature that is no object', changed(e => ({ ...e, signatures: ['x'] })), 'signatures[0]'],
    ['a signature without sig', changed(e => ({ ...e, signatures: [{ keyid: 'x' }] })), 'signatures[0].sig'],
    [
      'a keyid that is null',
      changed(e => ({ ...e, signatures: [{ keyid: null, sig: '' }] })),
      'signatures[0].keyid',
    ],
    ['a payload that is a number', changed(e => ({ ...e, payload: 1 })), 'payload'],
    ['URL-safe base64', changed(e => ({ ...e, payload: '-_-_' })), 'payload'],
    ['base64 without padding', changed(e => ({ ...e, payload: 'Zg' })), 'payload'],
    ['base64 with unused bits', changed(e => ({ ...e, payload: 'Zh==' })), 'payload'],
    ['base64 with a line break', changed(e => ({ ...e, payload: `${e.payload}\n` })), 'payload'],
    [
      'URL-safe base64 in a signature',
      changed(e => ({ ...e, signatures: [{ sig: '-_-_' }] })),
      'signatures[0].sig',
    ],
    [
      'too many signatures',
      changed(e => ({ ...e, signatures: Array(MAX_SIGNATURES + 1).fill({ sig: '' }) })),
      'signatures',
    ],
    ['a list', bytes([]), 'envelope'],
    ['null', bytes(null), 'envelope'],
    ['no JSON', Buffer.from('{'), undefined],
    ['a key twice', Buffer.from('{"payload":"","payload":"","payloadType":"x","signatures":[]}'), undefined],
    ['deep nesting', Buffer.from(`{"payload":${'['.repeat(9)}${']'.repeat(9)}}`), undefined],
    ['more than a megabyte', Buffer.alloc((1 << 20) + 1, ' '), undefined],
  ])('refuses %s', (_, envelope, at) => {
    expect(() => parseEnvelope(envelope)).toThrow(expect.objectContaining({ code: 'ENVELOPE_MALFORMED', at }))
  })

  it('reads a larger one where the caller says so', () => {
    const large = signEnvelope(TYPE, Buffer.alloc(1 << 20), [alice], 1 << 21)
    expect(() => parseEnvelope(large)).toThrow(code('ENVELOPE_MALFORMED'))
    expect(parseEnvelope(large, 1 << 21).payload).toHaveLength(1 << 20)
  })

  it('gives only its own errors for any bytes', () => {
    const near = fc.record({
      payloadType: fc.oneof(fc.string(), fc.jsonValue()),
      payload: fc.oneof(fc.base64String(), fc.jsonValue()),
      signatures: fc.oneof(
        fc.array(fc.record({ keyid: fc.string(), sig: fc.base64String() })),
        fc.jsonValue(),
      ),
    })
    fc.assert(
      fc.property(fc.oneof(near.map(bytes), fc.uint8Array({ maxLength: 60 })), input => {
        try {
          expect(checkSignatures(parseEnvelope(input), [alice.public], 1).met).toBe(false)
        } catch (error) {
          expect(error).toBeInstanceOf(SigningError)
        }
      }),
      { numRuns: 500 },
    )
  })
})

describe('checkSignatures', () => {
  const check = (envelope: Buffer, keys: PublicKey[], threshold: number) =>
    checkSignatures(parseEnvelope(envelope), keys, threshold)

  it('counts distinct keys, not signatures', () => {
    const twice = signEnvelope(TYPE, payload, [alice, alice])
    expect(check(twice, [alice.public, bob.public], 2)).toMatchObject({
      met: false,
      signers: [{ id: alice.public.id }],
    })
    // ECDSA gives another signature each time: still one key.
    const again = signEnvelope(TYPE, payload, [bob, bob, bob])
    expect(check(again, [alice.public, bob.public], 2).met).toBe(false)
    const both = signEnvelope(TYPE, payload, [alice, bob])
    expect(check(both, [alice.public, bob.public], 2).met).toBe(true)
    expect(check(both, [alice.public, bob.public, eve.public], 3).met).toBe(false)
  })

  it('counts a key that is trusted twice once, also when it was read from another form', () => {
    const same = readPublicKey(publicKeyToPem(alice.public))
    const signed = signEnvelope(TYPE, payload, [alice])
    expect(() => check(signed, [alice.public, same], 2)).toThrow(code('THRESHOLD_INVALID'))
    expect(check(signed, [alice.public, same, bob.public], 2).met).toBe(false)
  })

  it.each([0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 3])(
    'refuses the threshold %s of two keys',
    threshold => {
      expect(() =>
        check(signEnvelope(TYPE, payload, [alice]), [alice.public, bob.public], threshold),
      ).toThrow(code('THRESHOLD_INVALID'))
    },
  )

  it('has no threshold that no keys meet', () => {
    expect(() => check(signEnvelope(TYPE, payload, [alice]), [], 1)).toThrow(code('THRESHOLD_INVALID'))
  })

  it('takes keyid for a hint: a lie neither helps nor harms', () => {
    const lies = changed(e => ({
      ...e,
      signatures: [
        { keyid: bob.public.id, sig: e.signatures[0]?.sig },
        { keyid: alice.public.id, sig: '' },
        { keyid: eve.public.id, sig: e.signatures[0]?.sig },
      ],
    }))
    expect(check(lies, [alice.public, bob.public, eve.public], 1).signers.map(k => k.id)).toEqual([
      alice.public.id,
    ])
    const claimed = changed(e => ({
      ...e,
      signatures: [{ keyid: eve.public.id, sig: e.signatures[0]?.sig }],
    }))
    expect(check(claimed, [eve.public], 1).met).toBe(false)
  })

  it('finds no signer when the payload, its type or the key differs, or nothing is signed', () => {
    const other = changed(e => ({ ...e, payload: Buffer.from('{"a":2}').toString('base64') }))
    const typed = changed(e => ({ ...e, payloadType: `${TYPE} ` }))
    const none = changed(e => ({ ...e, signatures: [] }))
    for (const envelope of [other, typed, none]) {
      expect(check(envelope, [alice.public, bob.public], 1)).toEqual({ signers: [], met: false })
    }
    expect(check(signEnvelope(TYPE, payload, [eve]), [alice.public], 1).met).toBe(false)
  })

  it('tries a bounded number of keys where signatures do not say whose they are', () => {
    const many = Array.from({ length: MAX_TRIALS }, () => generateKey('ed25519'))
    const trusted = [...many.map(key => key.public), alice.public]
    const { payloadType, signatures } = JSON.parse(signEnvelope(TYPE, payload, [alice]).toString())
    const bad = { keyid: many[0]?.public.id, sig: Buffer.alloc(64).toString('base64') }
    const made = (list: object[]) =>
      check(
        Buffer.from(JSON.stringify({ payloadType, payload: payload.toString('base64'), signatures: list })),
        trusted,
        1,
      ).met
    const [named] = signatures
    const unnamed = { sig: named.sig }
    expect(made([named])).toBe(true)
    // The last of thirty-three keys is one trial too many.
    expect(made([unnamed])).toBe(false)
    expect(made([...Array(15).fill(bad), named])).toBe(true)
    expect(made([...Array(15).fill(bad), unnamed])).toBe(false)
    expect(made([bad, { ...named, keyid: undefined }])).toBe(false)
  })

  it('finds a good signature among bad ones', () => {
    const mixed = changed(e => ({ ...e, signatures: [{ sig: 'AAAA' }, ...e.signatures] }))
    expect(check(mixed, [alice.public], 1).met).toBe(true)
  })
})

const fixtures = RECORDED_EVIDENCE
describe.skipIf(fixtures === undefined)('recorded envelopes (WRIT_FIXTURES)', () => {
  interface Entry {
    path: string
    kind: string
    role: string
    expected: { verify: boolean; verifyTolerated?: boolean[]; payloadType?: string; payloadSha256?: string }
  }
  const root = fixtures || ''
  const { entries } = fixtures
    ? (JSON.parse(readFileSync(join(root, 'manifest.json'), 'utf8')) as { entries: Entry[] })
    : { entries: [] }
  const cases = entries
    .filter(e => e.kind === 'dsse' && e.role === 'case')
    .map(e => [e.path, e.expected] as const)
  /** What an authorization artifact is not signed with: an RSA key; ECDSA signatures that are not DER. */
  const REFUSED: Record<string, string> = {
    'dsse/good-rsa/case.json': 'KEY_UNSUPPORTED',
    'dsse/spec-vector/case.json': 'unverified',
  }

  it.each(cases)('as an artifact: %s', (path, expected) => {
    const dir = dirname(join(root, path))
    const given = JSON.parse(readFileSync(join(root, path), 'utf8'))
    const verify = () => {
      const envelope = parseEnvelope(readFileSync(join(dir, given.envelope)))
      const keys = given.keys.map((name: string) => readPublicKey(readFileSync(join(dir, name), 'utf8')))
      return { envelope, met: checkSignatures(envelope, keys, given.threshold).met }
    }
    const refused = REFUSED[path]
    if (refused?.startsWith('KEY_')) return expect(verify).toThrow(code(refused))
    const { envelope, met } = verify()
    expect(met).toBe(refused ? false : expected.verify)
    if (expected.payloadType) expect(envelope.payloadType).toBe(expected.payloadType)
    if (expected.payloadSha256) expect(sha256Hex(envelope.payload)).toBe(expected.payloadSha256)
  })
})
