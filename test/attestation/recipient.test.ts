import { generateKeyPairSync } from 'node:crypto'
import fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'
import {
  encodeRecipient,
  issueAkCertificate,
  parseRecipient,
  type Recipient,
  RecipientError,
  readAttestationKey,
  recipientBinding,
  recipientExtraData,
  verifyEnrolledRecipient,
  verifyRecipientQuote,
} from '../../attestation/index.ts'
import { OBJECT_ATTRIBUTE, QUOTED_SELECTION } from '../../attestation/tpm2/structures/index.ts'
import { sha256, sha256Hex } from '../../encoding/digest.ts'
import { generateKey } from '../../signing/key.ts'
import { AT, forge } from './identity/certificate-forge.ts'
import { SoftwareKey, sized, u16, u32 } from './software-quote.ts'

const operator = generateKey('ed25519')
const key = new SoftwareKey()
type Fields = Omit<Recipient, 'host' | 'quote'>
let good: Fields

/** TPMT_PUBLIC of an endorsement key of the default ECC template (less its policy). */
function ekPublicArea(jwk: { x?: string; y?: string }, aes = 0x0006): Buffer {
  const { restricted, decrypt, fixedTPM, fixedParent } = OBJECT_ATTRIBUTE
  return Buffer.concat([
    u16(0x0023, 0x000b),
    u32(restricted | decrypt | fixedTPM | fixedParent),
    sized(Buffer.alloc(0)),
    ...(aes === 0x0010 ? [u16(aes)] : [u16(aes, 128, 0x0043)]),
    u16(0x0010, 0x0003, 0x0010),
    ...[jwk.x ?? '', jwk.y ?? ''].map(text => sized(Buffer.from(text, 'base64url'))),
  ])
}
const jwk = () => generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'jwk' })
const spki = (type: 'x25519' | 'ed25519') =>
  (type === 'x25519' ? generateKeyPairSync('x25519') : generateKeyPairSync('ed25519')).publicKey.export({
    type: 'spki',
    format: 'der',
  })

beforeAll(async () => {
  const ek = await forge({ subject: 'EK', purposes: ['2.23.133.8.1'] })
  const ekKey = (await crypto.subtle.exportKey('jwk', ek.keys.publicKey)) as { x: string; y: string }
  good = {
    akPublicArea: Buffer.from(key.ak.publicArea),
    ekPublicArea: ekPublicArea(ekKey),
    secretKeySpki: spki('x25519'),
    counterIndex: 0x0180_0001,
    counterBase: 7n,
    akCertificate: await certificate(ek.der, key),
    ekCertificate: ek.der,
  }
})

function certificate(ek: Buffer, of: SoftwareKey): Promise<Buffer> {
  const notAfter = new Date(AT.getTime() + 86_400_000)
  const ak = readAttestationKey(of.ak.publicArea)
  return issueAkCertificate({ ak, ekCertificateSha256: sha256Hex(ek), notBefore: AT, notAfter }, operator)
}

/** With a quote that is right for what it says. */
function quoted(over: Partial<Fields> = {}, by = key): Recipient {
  const fields = { ...good, ...over }
  const quote = by.quote(new Map(), { extraData: recipientExtraData(recipientBinding(fields)) })
  return parseRecipient(encodeRecipient({ ...fields, quote }))
}
const enrolled = (recipient: Recipient, trusted = operator.public, at = AT) =>
  verifyEnrolledRecipient(recipient, trusted, at)
const code = (value: string) => expect.objectContaining({ code: value })

describe('a recipient of secrets', () => {
  test('of an enrolled host is read and verified as it was written', () => {
    const found = quoted()
    expect(found).toMatchObject({ ...good, host: Buffer.from(key.ak.name).toString('hex') })
    expect(() => enrolled(found)).not.toThrow()
  })

  test('is bound by SHA-256 over its fields, each after its length', () => {
    const { ekPublicArea, akName, secretKeySpki, counterName, counterBase } = recipientBinding(good)
    expect(counterBase).toBe(7n)
    const field = (bytes: Uint8Array) => Buffer.concat([u32(bytes.length), bytes])
    const base = Buffer.from('0000000000000007', 'hex')
    const domain = Buffer.from('writ/v1/secret-recipient')
    const all = [domain, ekPublicArea, akName, secretKeySpki, counterName, base].map(field)
    expect(recipientExtraData(recipientBinding(good))).toEqual(sha256(Buffer.concat(all)))
  })

  test.each([
    ['endorsement key', () => ({ ekPublicArea: ekPublicArea(jwk()) })],
    ["daemon's key", () => ({ secretKeySpki: spki('x25519') })],
    ['counter', () => ({ counterIndex: 0x0180_0002 })],
    ["counter's beginning", () => ({ counterBase: 8n })],
  ])('whose %s was exchanged has no quote for it', (_, other) => {
    const changed = { ...quoted(), ...other() }
    expect(() => verifyRecipientQuote(changed)).toThrow(code('QUOTE_EXTRA_DATA_MISMATCH'))
    expect(() => enrolled(changed)).toThrow(code('QUOTE_EXTRA_DATA_MISMATCH'))
  })

  test('with a quote by another key, for another purpose, or of a key that signs anything is refused', () => {
    const other = new SoftwareKey()
    expect(() => verifyRecipientQuote(quoted({}, other))).toThrow(code('QUOTE_SIGNATURE_INVALID'))
    const bare = { ...quoted(), quote: key.quote(new Map()) }
    expect(() => verifyRecipientQuote(bare)).toThrow(code('QUOTE_EXTRA_DATA_MISMATCH'))
    const some = [{ bank: 0x000b, pcrs: [0] }]
    const extraData = recipientExtraData(recipientBinding(good))
    const narrow = { ...quoted(), quote: key.quote(new Map(), { extraData, pcrSelection: some }) }
    expect(QUOTED_SELECTION).not.toEqual(some)
    expect(() => verifyRecipientQuote(narrow)).toThrow(code('QUOTE_PCR_SELECTION_MISMATCH'))
    const free = new SoftwareKey({ attributes: 0x0004_0472 })
    const unrestricted = quoted({ akPublicArea: Buffer.from(free.ak.publicArea) }, free)
    expect(() => verifyRecipientQuote(unrestricted)).toThrow(code('AK_UNFIT'))
  })

  test('of one piece, and of a host that nobody enrolled, does not pass for an enrolled one', async () => {
    for (const over of [{ akCertificate: null }, { ekCertificate: null }]) {
      const found = quoted(over)
      expect(() => verifyRecipientQuote(found)).not.toThrow()
      expect(() => enrolled(found)).toThrow(code('RECIPIENT_NOT_ENROLLED'))
    }
    const stranger = new SoftwareKey()
    const akPublicArea = Buffer.from(stranger.ak.publicArea)
    expect(() => enrolled(quoted({ akPublicArea }, stranger))).toThrow(code('AK_MISMATCH'))
    expect(() => enrolled(quoted(), generateKey('ed25519').public)).toThrow(code('SIGNATURE_INVALID'))
    expect(() => enrolled(quoted(), operator.public, new Date('2030-01-01'))).toThrow(
      code('CERTIFICATE_EXPIRED'),
    )
  })

  test('has the endorsement key that was enrolled, also when the host itself vouches for another', async () => {
    expect(() => enrolled(quoted({ ekPublicArea: ekPublicArea(jwk()) }))).toThrow(
      code('RECIPIENT_EK_MISMATCH'),
    )
    const other = await forge({ subject: 'EK', purposes: ['2.23.133.8.1'] })
    const otherKey = (await crypto.subtle.exportKey('jwk', other.keys.publicKey)) as { x: string; y: string }
    const exchanged = quoted({ ekCertificate: other.der, ekPublicArea: ekPublicArea(otherKey) })
    expect(() => enrolled(exchanged)).toThrow(code('RECIPIENT_EK_MISMATCH'))
  })
})

describe('the file of a recipient', () => {
  const file = () => JSON.parse(encodeRecipient(quoted()).toString())
  const parsed = (value: unknown) => () => parseRecipient(Buffer.from(JSON.stringify(value)))

  test('holds keys that secrets can be sealed with, and nothing more', () => {
    expect(parsed(file())).not.toThrow()
    const b64 = (bytes: Buffer) => bytes.toString('base64')
    for (const wrong of [
      { secretKeySpki: b64(spki('ed25519')) },
      { ekPublicArea: b64(ekPublicArea(jwk(), 0x0010)) },
      { counterIndex: 0x0200_0000 },
      { counterIndex: 0x00ff_ffff },
      { counterBase: '-1' },
      { counterBase: '07' },
      { counterBase: '18446744073709551616' },
      { v: 2 },
      { type: 'enrollment-request' },
      { more: 1 },
    ])
      expect(parsed({ ...file(), ...wrong }), Object.keys(wrong)[0]).toThrow(code('RECIPIENT_MALFORMED'))
  })

  test('is read or refused with its own error, whatever is in it', () => {
    const valid = encodeRecipient(quoted())
    const whole = file()
    const attempt = (bytes: Uint8Array) => {
      try {
        parseRecipient(bytes)
      } catch (error) {
        expect(error).toBeInstanceOf(RecipientError)
      }
    }
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), attempt), { numRuns: 100 })
    const value = fc.oneof(fc.jsonValue(), fc.base64String(), fc.constantFrom('', -1, null, {}, '__proto__'))
    fc.assert(
      fc.property(fc.constantFrom(...Object.keys(whole)), value, (field, it) =>
        attempt(Buffer.from(JSON.stringify({ ...whole, [field]: it }))),
      ),
      { numRuns: 200 },
    )
    fc.assert(
      fc.property(fc.nat(valid.length - 1), length => {
        expect(() => parseRecipient(valid.subarray(0, length))).toThrow(RecipientError)
      }),
      { numRuns: 50 },
    )
    fc.assert(
      fc.property(fc.nat(valid.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const changed = Buffer.from(valid)
        changed.writeUInt8(changed.readUInt8(at) ^ flip, at)
        let read: Recipient
        try {
          read = parseRecipient(changed)
        } catch (error) {
          expect(error).toBeInstanceOf(RecipientError)
          return
        }
        // What still reads is refused by what it says, or says the same.
        if (!encodeRecipient(read).equals(valid)) expect(() => enrolled(read)).toThrow()
      }),
      { numRuns: 300 },
    )
  })
})
