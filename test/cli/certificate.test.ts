import { symlinkSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { forgeEkChain } from '../attestation/identity/certificate-forge.ts'
import { crl } from '../attestation/identity/crl-forge.ts'
import { temporaryDirectory, writ } from './cli.ts'

const AT = '2026-06-01T00:00:00Z'
const pem = (label: string, der: Buffer) =>
  `-----BEGIN ${label}-----\n${der.toString('base64')}\n-----END ${label}-----\n`

describe('the revocation lists of a directory that is trusted', () => {
  const directory = temporaryDirectory()
  afterAll(() => directory.remove())
  let revoking: Buffer
  let certificates: Record<'root' | 'issuing', Buffer>

  beforeAll(async () => {
    const { root, issuing, ek } = await forgeEkChain()
    certificates = { root: root.der, issuing: issuing.der }
    writeFileSync(directory.in('ek.der'), ek.der)
    const { X509Certificate } = await import('node:crypto')
    revoking = await crl(issuing, { serials: [serialOf(new X509Certificate(ek.der).serialNumber)] })
  })

  /** What `writ certificate verify` says with these files beside the intermediate certificate. */
  async function verify(files: Record<string, string | Buffer>, link?: string) {
    const roots = temporaryDirectory()
    const known = temporaryDirectory()
    try {
      writeFileSync(roots.in('root.der'), certificates.root)
      writeFileSync(known.in('issuing.der'), certificates.issuing)
      for (const [name, bytes] of Object.entries(files)) writeFileSync(known.in(name), bytes)
      if (link !== undefined) symlinkSync(link, known.in('0123abcd.r0'))
      const trust = ['--roots', roots.path, '--intermediates', known.path]
      const said = await writ([
        'certificate',
        'verify',
        '--json',
        ...['--ek', directory.in('ek.der'), ...trust, '--at', AT],
      ])
      const { reasons, error, skipped } = JSON.parse(said.stdout || '{}')
      return { status: said.status, codes: reasons?.map((r: { code: string }) => r.code), error, skipped }
    } finally {
      roots.remove()
      known.remove()
    }
  }

  it('count in every form, also behind a certificate in the same file', async () => {
    expect(await verify({})).toMatchObject({ status: 0 })
    const text = pem('X509 CRL', revoking)
    for (const files of [
      { 'issuing.crl': revoking },
      { 'list.bin': revoking },
      { 'list.pem': text },
      { 'bundle.pem': `${pem('CERTIFICATE', certificates.issuing)}${text}` },
    ]) {
      expect(await verify(files)).toMatchObject({ status: 1, codes: ['REVOKED'] })
    }
  })

  it('count behind a symbolic link, and one that leads nowhere is an error', async () => {
    writeFileSync(directory.in('elsewhere.pem'), pem('X509 CRL', revoking))
    expect(await verify({}, directory.in('elsewhere.pem'))).toMatchObject({ status: 1 })
    expect((await verify({}, directory.in('nowhere.pem'))).status).toBe(2)
  })

  it('are never passed over: what says that it is one and cannot be read is an error', async () => {
    const text = pem('X509 CRL', revoking)
    for (const files of [
      { 'issuing.crl': revoking.subarray(0, -1) },
      { '0123abcd.r0': 'not a list' },
      { 'list.pem': text.replace('-----END X509 CRL-----', '') },
      { 'list.pem': text.replace('CRL-----', 'CRL-----!') },
      { 'bundle.pem': `${pem('CERTIFICATE', certificates.issuing)}${text.slice(0, 200)}` },
    ]) {
      const { status, error } = await verify(files)
      expect([Object.keys(files), status, error?.code]).toEqual([Object.keys(files), 2, undefined])
    }
    expect(await verify({ 'README.txt': 'no list' })).toMatchObject({
      status: 0,
      skipped: [expect.stringMatching(/README\.txt$/)],
    })
  })
})

/** As DER has it: with a zero before a high first bit. */
function serialOf(hex: string): string {
  const even = hex.length % 2 === 0 ? hex : `0${hex}`
  return Number.parseInt(even.slice(0, 2), 16) > 0x7f ? `00${even}` : even
}
