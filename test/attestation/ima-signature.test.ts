import { execFileSync } from 'node:child_process'
import { createHash, generateKeyPairSync, hash, sign, verify } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { kernelHashNumber } from '../../attestation/ima/algorithms.ts'
import { digestVerifier } from '../../attestation/ima/signature/digest-signature.ts'
import {
  ImaKeyring,
  measuredCertificate,
  readImaKeys,
  readImaLog,
  type SignatureCheck,
  verifyEntrySignature,
} from '../../attestation/index.ts'
import { temporaryDirectory } from '../cli/cli.ts'
import { digestField, type FieldBytes, kernelEntry, number, text } from './ima-entries.ts'
import { FileSigner } from './ima-signer.ts'

const dir = temporaryDirectory()
afterAll(() => dir.remove())
const content = Buffer.from('what the file holds')
const rsa = new FileSigner()
const ec = new FileSigner('prime256v1')
const keyringOf = (...signers: FileSigner[]) =>
  new ImaKeyring(signers.flatMap(({ spki }) => readImaKeys(spki, 'key')))
const trusted = keyringOf(rsa, ec)

function check(template: string, fields: FieldBytes, keyring = trusted): SignatureCheck {
  const all = { 'd-ng': digestField('sha256', hash('sha256', content)), ...fields }
  return verifyEntrySignature(readImaLog(kernelEntry({ template, fields: all }).binary).entry(0), keyring)
}
const outcome = (sig: Buffer, more: FieldBytes = {}, keyring = trusted) =>
  check('ima-sig', { sig, ...more }, keyring).outcome

describe('a file signature', () => {
  it('is valid by each kind of key and hash', () => {
    const curves = [
      'prime192v1',
      'secp224r1',
      'secp384r1',
      'secp521r1',
      'secp256k1',
      'brainpoolP256r1',
      'brainpoolP512r1',
    ]
    for (const signer of [rsa, ...curves.map(name => new FileSigner(name))]) {
      expect(outcome(signer.sign(content), {}, keyringOf(signer))).toBe('valid')
    }
    for (const algorithm of ['sha1', 'sha384', 'sha512', 'sha3-256']) {
      const digest = digestField(algorithm, createHash(algorithm).update(content).digest())
      for (const signer of [rsa, ec])
        expect(outcome(signer.sign(content, { algorithm }), { 'd-ng': digest })).toBe('valid')
    }
  })

  it('is valid in version 3 over the digest, its type and its hash', () => {
    const digest = digestField('verity:sha256', hash('sha256', content))
    const verity = ec.sign(content, { version: 3, type: 6 })
    expect(check('ima-sigv2', { 'd-ngv2': digest, sig: verity })).toMatchObject({
      outcome: 'valid',
      kind: 'verity',
    })
    expect(outcome(ec.sign(content, { version: 3 }))).toBe('valid')
    // One of the content is none of the Merkle tree, whose digest may be the same bytes.
    expect(check('ima-sigv2', { 'd-ngv2': digest, sig: ec.sign(content, { version: 3 }) }).outcome).toBe(
      'invalid',
    )
    expect(outcome(verity)).toBe('invalid')
    expect(outcome(ec.sign(content, { version: 2, type: 6 }))).toBe('unverifiable')
    const relabelled = Buffer.from(verity)
    relabelled[0] = 3
    expect(outcome(relabelled)).toBe('invalid')
  })

  it('is invalid by another key, for other content, under another hash, or altered', () => {
    const other = new FileSigner('prime256v1')
    expect(outcome(other.sign(content, { keyId: ec.keyId }))).toBe('invalid')
    expect(outcome(rsa.sign(content, { keyId: ec.keyId }))).toBe('invalid')
    expect(outcome(ec.sign(content, { keyId: rsa.keyId }))).toBe('invalid')
    expect(outcome(ec.sign(Buffer.from('other')))).toBe('invalid')
    expect(outcome(ec.sign(content, { algorithm: 'sha512' }))).toBe('invalid')
    // ECDSA does not sign which hash it is.
    const relabelled = ec.sign(content)
    relabelled[2] = kernelHashNumber('sha3-256') ?? 0
    expect(outcome(relabelled)).toBe('invalid')
    for (const signer of [rsa, ec]) {
      const altered = signer.sign(content)
      altered[altered.length - 1] = (altered.at(-1) ?? 0) ^ 1
      expect(outcome(altered)).toBe('invalid')
    }
  })

  it('of a key that nobody trusts, or under a name that no key has, is by an unknown key', () => {
    const other = new FileSigner('prime256v1')
    expect(outcome(other.sign(content))).toBe('unknown-key')
    expect(outcome(ec.sign(content, { keyId: Buffer.alloc(4) }))).toBe('unknown-key')
    expect(outcome(ec.sign(content), {}, new ImaKeyring())).toBe('unknown-key')
  })

  it('may be missing, or of a form that says nothing', () => {
    expect(check('ima-ng', {}).outcome).toBe('missing')
    expect(outcome(Buffer.alloc(0))).toBe('missing')
    const good = ec.sign(content)
    for (const sig of [
      Buffer.of(1),
      Buffer.of(3, 1, 4),
      Buffer.of(3, 2, 99, 1, 2, 3, 4, 0, 0),
      good.subarray(0, 8),
      good.subarray(0, -1),
      Buffer.concat([good, Buffer.of(0)]),
    ])
      expect(outcome(sig)).toBe('unverifiable')
  })

  it('beside a violation says nothing', () => {
    const fields = { 'd-ng': digestField('sha256', hash('sha256', content)), sig: ec.sign(content) }
    const { binary } = kernelEntry({ template: 'ima-sig', violation: true, fields })
    expect(verifyEntrySignature(readImaLog(binary).entry(0), trusted).outcome).toBe('unverifiable')
  })

  it('has its numbers in range, in DER, and nothing behind them', () => {
    const verifier = digestVerifier(ec.publicKey)
    const digest = hash('sha256', content, 'buffer')
    const good = sign('sha256', content, ec.privateKey)
    const raw = sign('sha256', content, { key: ec.privateKey, dsaEncoding: 'ieee-p1363' })
    expect(verifier?.verify(digest, 'sha256', good)).toBe(true)
    const zero = Buffer.of(0x30, 6, 2, 1, 0, 2, 1, 0)
    const long = Buffer.concat([Buffer.of(0x30, 0x81), good.subarray(1)])
    for (const bad of [
      zero,
      long,
      raw,
      Buffer.concat([good, Buffer.of(0)]),
      Buffer.alloc(0),
      Buffer.of(0x30, 0x84),
    ])
      expect(verifier?.verify(digest, 'sha256', bad)).toBe(false)
  })

  it('agrees with OpenSSL, whichever digest and key', () => {
    for (const namedCurve of ['prime256v1', 'secp256k1']) {
      const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve })
      const verifier = digestVerifier(publicKey)
      for (let i = 0; i < 8; i++) {
        const message = Buffer.of(i)
        const signature = sign('sha256', Buffer.of(i & 6), privateKey)
        expect(verifier?.verify(hash('sha256', message, 'buffer'), 'sha256', signature)).toBe(
          verify('sha256', message, publicKey, signature),
        )
      }
    }
  })
})

describe('an EVM portable signature', () => {
  const digest = hash('sha256', content, 'buffer')
  const attribute = Buffer.concat([Buffer.of(4, 4), digest])
  const values = Buffer.concat([Buffer.from('label'), attribute])
  const metadata = Buffer.concat([
    Buffer.alloc(12),
    number(7),
    number(8),
    number(0o100644, false, 2),
    Buffer.alloc(2),
  ])
  const fields = (changed: FieldBytes = {}): FieldBytes => ({
    evmsig: ec.sign(Buffer.concat([values, metadata]), { type: 5 }),
    xattrnames: text('security.selinux|security.ima'),
    xattrlengths: Buffer.concat([number(5), number(34)]),
    xattrvalues: values,
    iuid: number(7),
    igid: number(8),
    imode: number(0o100644, false, 2),
    ...changed,
  })

  it('is valid over the attributes, the owner and the mode', () => {
    expect(check('evm-sig', fields())).toMatchObject({ outcome: 'valid', kind: 'evm-portable' })
  })

  it('is invalid when any of them differs, or when security.ima is of another file', () => {
    for (const changed of [
      { iuid: number(0) },
      { igid: number(0) },
      { imode: number(0o104755, false, 2) },
      { xattrnames: text('security.ima|security.selinux') },
      { xattrnames: text('security.selinux|security.capability') },
      { xattrlengths: Buffer.concat([number(6), number(33)]) },
      { xattrlengths: number(39) },
      { 'd-ng': digestField('sha256', hash('sha256', 'other')) },
    ] as FieldBytes[])
      expect(check('evm-sig', fields(changed)).outcome, Object.keys(changed).join()).toBe('invalid')
  })

  it('cannot be checked where the entry does not hold what was signed', () => {
    expect(check('evm-sig', fields({ iuid: Buffer.alloc(0) })).outcome).toBe('unverifiable')
    expect(outcome(ec.sign(content, { type: 5 }))).toBe('unverifiable')
  })
})

describe('with certificates by OpenSSL', () => {
  const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: dir.path, stdio: 'pipe' })
  const config =
    '[req]\ndistinguished_name=dn\nx509_extensions=v3\nprompt=no\n[dn]\nCN=Vendor\n[v3]\nsubjectKeyIdentifier=0102030405060708090a0b0c0d0e0f1011121314\n'

  it('a key is found by the subject key identifier and by the hash of the key', () => {
    writeFileSync(dir.in('req.cnf'), config)
    writeFileSync(dir.in('key.pem'), rsa.privateKey.export({ type: 'pkcs8', format: 'pem' }))
    openssl('req', '-x509', '-new', '-config', 'req.cnf', '-key', 'key.pem', '-out', 'c.pem', '-days', '9999')
    openssl('x509', '-in', 'c.pem', '-outform', 'DER', '-out', 'c.der')
    const der = readFileSync(dir.in('c.der'))
    for (const bytes of [der, readFileSync(dir.in('c.pem'))]) {
      const keys = readImaKeys(bytes, 'c')
      expect(keys).toMatchObject([{ name: 'CN=Vendor' }])
      const keyring = new ImaKeyring(keys)
      for (const keyId of [Buffer.from('11121314', 'hex'), rsa.keyId])
        expect(outcome(rsa.sign(content, { keyId }), {}, keyring)).toBe('valid')
    }
    expect(measuredCertificate(der)).toMatchObject({
      subject: 'CN=Vendor',
      keyIds: expect.arrayContaining(['11121314']),
    })
    expect(measuredCertificate(Buffer.from('name=x'))).toBeNull()
  })

  it.each([
    ['without attributes', ['-noattr']],
    ['with signed attributes', []],
    ['that names the key identifier', ['-noattr', '-keyid']],
  ])('an appended signature %s is checked', (_, options) => {
    writeFileSync(dir.in('file'), content)
    const args = ['-sign', '-binary', '-nocerts', '-md', 'sha256', '-signer', 'c.pem', '-inkey', 'key.pem']
    openssl('cms', ...args, ...options, '-in', 'file', '-outform', 'DER', '-out', 'p7s')
    const modsig = readFileSync(dir.in('p7s'))
    const keyring = new ImaKeyring(readImaKeys(readFileSync(dir.in('c.pem')), 'c'))
    const good = { modsig, 'd-modsig': digestField('sha256', hash('sha256', content)) }
    expect(check('ima-modsig', good, keyring)).toMatchObject({ outcome: 'valid', kind: 'appended' })
    const other = { modsig, 'd-modsig': digestField('sha256', hash('sha256', 'other')) }
    expect(check('ima-modsig', other, keyring).outcome).toBe('invalid')
    expect(check('ima-modsig', { modsig }, keyring).outcome).toBe('unverifiable')
    expect(check('ima-modsig', good).outcome).toBe('unknown-key')
    expect(check('ima-modsig', { ...good, modsig: modsig.subarray(1) }, keyring).outcome).toBe('unverifiable')
  })

  it('SM2 signs the digest as it is', () => {
    openssl('genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:SM2', '-out', 'sm2.pem')
    openssl('pkey', '-in', 'sm2.pem', '-pubout', '-out', 'sm2.pub')
    const digest = hash('sm3', content, 'buffer')
    writeFileSync(dir.in('digest'), digest)
    openssl('pkeyutl', '-sign', '-inkey', 'sm2.pem', '-in', 'digest', '-out', 'sm2.sig')
    const [key] = readImaKeys(readFileSync(dir.in('sm2.pub')), 'sm2')
    const signature = readFileSync(join(dir.path, 'sm2.sig'))
    expect(key?.verifier.verify(digest, 'sm3', signature)).toBe(true)
    expect(key?.verifier.verify(hash('sm3', 'other', 'buffer'), 'sm3', signature)).toBe(false)
  })
})

describe('readImaKeys', () => {
  it('refuses what signs no files', () => {
    const ed25519 = generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'der' })
    for (const bytes of [ed25519, Buffer.from('nothing'), Buffer.alloc(0), Buffer.alloc(1 << 20)])
      expect(() => readImaKeys(bytes, 'file')).toThrow(expect.objectContaining({ code: 'IMA_KEY_MALFORMED' }))
  })
})
