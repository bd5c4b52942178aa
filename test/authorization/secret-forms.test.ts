import { generateKeyPairSync, randomBytes } from 'node:crypto'
import * as v from 'valibot'
import { describe, expect, it } from 'vitest'
import { AuthorizationError } from '../../authorization/index.ts'
import {
  decryptPayload,
  encryptPayload,
  MAX_SECRET_BYTES,
  openAuthValue,
  parseSealedSecret,
  type SealedSecret,
  sealAuthValue,
  sealedSecret,
  sealedSecrets,
  secretTerms,
} from '../../authorization/secrets.ts'
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

const bytes = (length: number): string => Buffer.alloc(length, 7).toString('base64')

/** What is around a secret's bytes: a nonce of 96 bits and a tag of 128. */
const AROUND = 28

function recipient(change: object = {}) {
  return {
    host: world.HOST,
    publicArea: bytes(100),
    duplicate: bytes(100),
    encryptedSeed: bytes(100),
    authValue: bytes(80),
    ...change,
  }
}

function secret(change: object = {}): SealedSecret {
  return { name: 'model-key', descriptor: 3, payload: bytes(60), recipients: [recipient()], ...change }
}

const takes = (it: object): boolean => v.safeParse(sealedSecret, it).success
const hosts = (count: number) =>
  Array.from({ length: count }, (_, i) => recipient({ host: `000b${String(i).padStart(64, '0')}` }))

describe('a sealed secret', () => {
  it('is read from a file of its own, of 256 KiB at most', () => {
    const text = JSON.stringify(secret())
    expect(parseSealedSecret(Buffer.from(text))).toEqual(secret())
    const most = 256 * 1024
    expect(failure(() => parseSealedSecret(Buffer.from(text.padEnd(most))))).toBe('none')
    expect(failure(() => parseSealedSecret(Buffer.from(text.padEnd(most + 1))))).toBe('STATEMENT_MALFORMED')
  })

  it.each([
    ['publicArea', 40, 256],
    ['duplicate', 40, 512],
    ['encryptedSeed', 32, 1024],
    ['authValue', 80, 80],
  ])('has a %s of %d to %d bytes for each host', (name, least, most) => {
    const of = (length: number) => takes(secret({ recipients: [recipient({ [name]: bytes(length) })] }))
    expect([least - 1, least, most, most + 1].map(of)).toEqual([false, true, true, false])
  })

  it('has a payload of a secret of no byte up to the most', () => {
    const of = (length: number) => takes(secret({ payload: bytes(length) }))
    const least = AROUND
    const most = AROUND + 32 * 1024
    expect([least - 1, least, most, most + 1].map(of)).toEqual([false, true, true, false])
    expect(takes(secret({ payload: `${bytes(60)}!` }))).toBe(false)
    expect(takes(secret({ payload: bytes(61).replace(/=+$/, '') }))).toBe(false)
  })

  it('is handed over under a number from 3 to 63', () => {
    expect([2, 3, 63, 64].map(descriptor => takes(secret({ descriptor })))).toEqual([
      false,
      true,
      true,
      false,
    ])
  })

  it('is for 1 to 64 hosts, each of them once', () => {
    const of = (recipients: object[]) => takes(secret({ recipients }))
    expect([hosts(0), hosts(1), hosts(64), hosts(65)].map(of)).toEqual([false, true, true, false])
    expect(of([recipient(), recipient()])).toBe(false)
  })

  it('has no other fields', () => {
    expect(takes(secret({ more: 1 }))).toBe(false)
    expect(takes(secret({ recipients: [recipient({ more: 1 })] }))).toBe(false)
  })
})

describe.each([
  ['of an artifact', sealedSecrets, secret()],
  ['of the terms', secretTerms, { name: 'model-key', descriptor: 3 }],
])('the secrets %s', (_, schema, one) => {
  const of = (items: object[]) => v.safeParse(schema, items).success
  const some = (count: number) =>
    Array.from({ length: count }, (__, i) => ({ ...one, name: `s${i}`, descriptor: 3 + i }))

  it('are 1 to 4, each name once', () => {
    expect([0, 1, 4, 5].map(count => of(some(count)))).toEqual([false, true, true, false])
    expect(of([one, { ...one, descriptor: 4 }])).toBe(false)
    expect(of([{ ...one, more: 1 }])).toBe(false)
  })
})

it('of an artifact have each a number of its own', () => {
  const two = [secret(), secret({ name: 'other', descriptor: 4 })]
  expect(v.safeParse(sealedSecrets, two).success).toBe(true)
  expect(
    v.safeParse(
      sealedSecrets,
      two.map(one => ({ ...one, descriptor: 4 })),
    ).success,
  ).toBe(false)
})

describe('the payload of a secret', () => {
  const key = randomBytes(32)
  const content = Buffer.from('thirty-two bytes are not enough for this one')

  it('is nonce, ciphertext and tag, and opens under its key and its name only', () => {
    const payload = encryptPayload('release', 'model-key', key, content)
    expect(Buffer.from(payload, 'base64')).toHaveLength(content.length + AROUND)
    expect(decryptPayload(secret({ payload }), 'release', key)).toEqual(content)
    expect(failure(() => decryptPayload(secret({ payload }), 'release', randomBytes(32)))).toBe(
      'SECRET_INVALID',
    )
    expect(failure(() => decryptPayload(secret({ payload, name: 'other' }), 'release', key))).toBe(
      'SECRET_INVALID',
    )
    expect(encryptPayload('release', 'model-key', key, content)).not.toBe(payload)
  })

  it('is refused with any byte changed', () => {
    const payload = Buffer.from(encryptPayload('release', 'model-key', key, Buffer.from('secret')), 'base64')
    for (let i = 0; i < payload.length; i++) {
      const changed = Buffer.from(payload)
      changed[i] = (changed[i] ?? 0) ^ 1
      const it = secret({ payload: changed.toString('base64') })
      expect(failure(() => decryptPayload(it, 'release', key))).toBe('SECRET_INVALID')
    }
  })

  it('is of 32 KiB at most', () => {
    expect(MAX_SECRET_BYTES).toBe(32 * 1024)
    const of = (length: number) =>
      failure(() => encryptPayload('release', 'model-key', key, Buffer.alloc(length)))
    expect(of(MAX_SECRET_BYTES)).toBe('none')
    expect(of(MAX_SECRET_BYTES + 1)).toBe('STATEMENT_MALFORMED')
  })

  it('opens as AES-256-GCM with the words that bind it to its name', async () => {
    const payload = Buffer.from(encryptPayload('release', 'model-key', key, content), 'base64')
    const imported = await crypto.subtle.importKey('raw', key, 'AES-GCM', false, ['decrypt'])
    const additionalData = Buffer.from('writ/v1/secret-payload\0release\0model-key')
    const opened = await crypto.subtle.decrypt(
      { name: 'AES-GCM', iv: payload.subarray(0, 12), additionalData, tagLength: 128 },
      imported,
      payload.subarray(12),
    )
    expect(Buffer.from(opened)).toEqual(content)
  })
})

it('the value that opens an object in the TPM goes to one daemon, for one object', () => {
  const daemon = generateKeyPairSync('x25519')
  const area = Buffer.alloc(60, 1)
  const sealed = sealAuthValue(daemon.publicKey, area, Buffer.from('value'))
  expect(openAuthValue(daemon.privateKey, area, sealed)).toEqual(Buffer.from('value'))
  expect(() => openAuthValue(daemon.privateKey, Buffer.alloc(60, 2), sealed)).toThrow()
})
