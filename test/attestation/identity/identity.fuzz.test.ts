import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  IdentityError,
  parseCertificate,
  parsePendingEnrollment,
  readAttestationKey,
  readCertificateFile,
  readTpmAttributes,
  trimCertificatePadding,
} from '../../../attestation/identity/index.ts'

const ek = readFileSync(join(import.meta.dirname, '../../fixtures/hosts/debian13-uki/ek-ecc.der'))

/** Runs the reader; any error but its own is a failure of the test. */
function onlyIdentityErrors(read: () => unknown): void {
  try {
    read()
  } catch (error) {
    expect(error).toBeInstanceOf(IdentityError)
  }
}

const mutated = fc
  .array(fc.tuple(fc.nat(ek.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 })
  .map(edits => {
    const bytes = Buffer.from(ek)
    for (const [at, value] of edits) bytes.writeUInt8(value, at)
    return bytes
  })

describe('readers of certificates and keys', () => {
  it('give only their own errors for changed certificates', () => {
    fc.assert(
      fc.property(mutated, bytes => {
        onlyIdentityErrors(() => readTpmAttributes(parseCertificate(bytes)))
        onlyIdentityErrors(() => trimCertificatePadding(bytes))
        onlyIdentityErrors(() => readCertificateFile(bytes))
      }),
      { numRuns: 300 },
    )
  })

  it('give only their own errors for any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), content => {
        const framed = Buffer.concat([
          Buffer.from([0x30, 0x82, content.length >> 8, content.length & 255]),
          content,
        ])
        for (const bytes of [content, framed]) {
          onlyIdentityErrors(() => parseCertificate(bytes))
          onlyIdentityErrors(() => trimCertificatePadding(bytes))
          onlyIdentityErrors(() => readCertificateFile(bytes))
          onlyIdentityErrors(() => readAttestationKey(bytes))
        }
      }),
      { numRuns: 500 },
    )
  })

  it('refuse a pending enrollment that is not whole', () => {
    const whole = {
      secret: '00'.repeat(32),
      akPublicArea: '00',
      ekCertificateSha256: '00'.repeat(32),
      expires: '2026-06-01T00:00:00.000Z',
    }
    const parse = (value: unknown) => parsePendingEnrollment(Buffer.from(JSON.stringify(value)))
    expect(parse(whole).expires).toEqual(new Date(whole.expires))
    const field = fc.constantFrom<string>(...Object.keys(whole), 'more')
    fc.assert(
      fc.property(field, fc.oneof(fc.jsonValue(), fc.constant(undefined)), (name, value) => {
        fc.pre(name !== 'more' || value !== undefined)
        // The key's length is not fixed, so any hexadecimal will do, the empty text too.
        fc.pre(typeof value !== 'string' || !/^(?:[0-9a-f]{2})*$/.test(value))
        expect(() => parse({ ...whole, [name]: value })).toThrow(IdentityError)
      }),
      { numRuns: 300 },
    )
    for (const text of ['', '{', 'null', '[]', '1']) {
      expect(() => parsePendingEnrollment(Buffer.from(text))).toThrow(IdentityError)
    }
  })

  it('end on deep nesting', () => {
    const depth = 4000
    const nested = Buffer.concat([Buffer.from('30821f40', 'hex'), Buffer.from('3080'.repeat(depth), 'hex')])
    onlyIdentityErrors(() => parseCertificate(nested))
  })

  it('take padding of one kind behind a certificate in NV, and nothing else', () => {
    for (const padding of ['', 'ff', 'ffffffff', '0000']) {
      expect(trimCertificatePadding(Buffer.concat([ek, Buffer.from(padding, 'hex')]))).toEqual(ek)
    }
    for (const rest of ['01', 'ff00', '00ff', '3000']) {
      expect(() => trimCertificatePadding(Buffer.concat([ek, Buffer.from(rest, 'hex')]))).toThrow(
        IdentityError,
      )
    }
    expect(() => trimCertificatePadding(ek.subarray(0, -1))).toThrow(IdentityError)
  })
})
