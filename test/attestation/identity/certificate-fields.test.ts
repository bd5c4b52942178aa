import { describe, expect, it } from 'vitest'
import {
  readBasicConstraints,
  readCertificateFields,
  readKeyUsage,
} from '../../../attestation/identity/certificate-fields.ts'
import { forgeEkChain } from './certificate-forge.ts'

const hex = (text: string): Buffer => Buffer.from(text, 'hex')
const { ek } = await forgeEkChain({})

/** The certificate with another UTCTime of the same length as its first instant. */
function withTime(text: string): Buffer {
  const der = Buffer.from(ek.der)
  const at = der.indexOf(hex('170d'))
  expect(at).toBeGreaterThan(0)
  der.write(text, at + 2, 'latin1')
  return der
}

describe('the instants of a certificate', () => {
  it('are read as they stand', () => {
    expect(readCertificateFields(withTime('260228235959Z')).notBefore).toEqual(
      new Date('2026-02-28T23:59:59Z'),
    )
    expect(readCertificateFields(withTime('500101000000Z')).notBefore).toEqual(
      new Date('1950-01-01T00:00:00Z'),
    )
  })

  it.each(['260230000000Z', '261301000000Z', '26010100000xZ', '260101250000Z', '2601010000000'])(
    'are refused when they are none: %s',
    text => {
      expect(() => readCertificateFields(withTime(text))).toThrow(
        expect.objectContaining({ code: 'BAD_DER' }),
      )
    },
  )
})

describe('values of extensions', () => {
  it('are read as RFC 5280 has them', () => {
    expect(readKeyUsage(hex('03020780'))).toBe(1)
    expect(readKeyUsage(hex('03020106'))).toBe(32 | 64)
    expect(readBasicConstraints(hex('3000'))).toEqual({ ca: false, pathLength: null })
    expect(readBasicConstraints(hex('30060101ff020102'))).toEqual({ ca: true, pathLength: 2 })
  })

  it.each(['0300', '03020880', '030107', '0404030207'])(
    'are refused when they are no key usage: %s',
    bytes => {
      expect(() => readKeyUsage(hex(bytes))).toThrow(expect.objectContaining({ code: 'BAD_DER' }))
    },
  )

  it.each(['3003010100ff', '30050102ffff00', '3003 0201ff', '300802060100000000 00'])(
    'are refused when they are no basic constraints: %s',
    bytes => {
      expect(() => readBasicConstraints(hex(bytes.replace(' ', '')))).toThrow(
        expect.objectContaining({ code: 'BAD_DER' }),
      )
    },
  )
})
