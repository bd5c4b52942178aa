import { createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { hpkeOpen, hpkeSeal } from '../../signing/hpke.ts'

const hex = (text: string) => Buffer.from(text, 'hex')
/** RFC 8410: an X25519 private key in PKCS#8. */
const privateKey = (raw: string) =>
  createPrivateKey({ key: hex(`302e020100300506032b656e04220420${raw}`), format: 'der', type: 'pkcs8' })

describe('HPKE', () => {
  it('gives the known answer of RFC 9180, appendix A.1.1', () => {
    const sender = privateKey('52c4a758a802cd8b936eceea314432798d5baf2d7e9235dc084ab1b9cfa2f736')
    const recipient = privateKey('4612c550263fc8ad58375df3f557aac531d26850903e55a9f23f21d8534e8ac8')
    const info = hex('4f6465206f6e2061204772656369616e2055726e')
    const aad = hex('436f756e742d30')
    const plaintext = hex('4265617574792069732074727574682c20747275746820626561757479')
    const sealed = hpkeSeal(createPublicKey(recipient), info, aad, plaintext, 'aes-128-gcm', {
      privateKey: sender,
      publicKey: createPublicKey(sender),
    })
    expect(sealed.toString('hex')).toBe(
      '37fda3567bdbd628e88668c3c8d7e97d1d1253b6d4ea6d44c150f741f1bf4431' +
        'f938558b5d72f1a23810b4be2ab4f84331acc02fc97babc53a52ae8218a355a96d8770ac83d07bea87e13c512a',
    )
    expect(hpkeOpen(recipient, info, aad, sealed, 'aes-128-gcm')).toEqual(plaintext)
  })

  const { publicKey, privateKey: key } = generateKeyPairSync('x25519')
  const info = Buffer.from('for this')
  const aad = Buffer.from('with that')
  const secret = Buffer.alloc(32, 7)

  it('opens what was sealed, and nothing else', () => {
    const sealed = hpkeSeal(publicKey, info, aad, secret)
    expect(hpkeOpen(key, info, aad, sealed)).toEqual(secret)
    const other = generateKeyPairSync('x25519').privateKey
    const refused = { code: 'HPKE_INVALID' }
    expect(() => hpkeOpen(other, info, aad, sealed)).toThrow(expect.objectContaining(refused))
    expect(() => hpkeOpen(key, Buffer.from('for that'), aad, sealed)).toThrow(
      expect.objectContaining(refused),
    )
    expect(() => hpkeOpen(key, info, Buffer.alloc(0), sealed)).toThrow(expect.objectContaining(refused))
    // A point of small order gives a shared secret of zeros (RFC 7748 section 6.1).
    const small = Buffer.concat([Buffer.alloc(32), sealed.subarray(32)])
    expect(() => hpkeOpen(key, info, aad, small)).toThrow(expect.objectContaining(refused))
  })

  it('opens nothing of which a byte was changed, or that is anything at all', () => {
    const sealed = hpkeSeal(publicKey, info, aad, secret)
    for (let at = 0; at < sealed.length; at++) {
      const changed = Buffer.from(sealed)
      changed[at] = (changed[at] ?? 0) ^ 1
      expect(() => hpkeOpen(key, info, aad, changed)).toThrow(
        expect.objectContaining({ code: 'HPKE_INVALID' }),
      )
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 120 }), bytes => {
        expect(() => hpkeOpen(key, info, aad, Buffer.from(bytes))).toThrow(
          expect.objectContaining({ code: 'HPKE_INVALID' }),
        )
      }),
      { numRuns: 200 },
    )
  })
})
