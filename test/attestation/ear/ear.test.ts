import { spawnSync } from 'node:child_process'
import { createHmac, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { TRUST_CLAIMS, type TrustVector } from '../../../attestation/appraisal/claims.ts'
import { signWith } from '../../../attestation/ear/algorithm.ts'
import {
  EAR_ALGORITHMS,
  type EarAlgorithm,
  earFromAppraisal,
  earKeyFromJwk,
  earKeyFromSpki,
  signEar,
  verifyEar,
} from '../../../attestation/ear/index.ts'
import type { JsonObject } from '../../../encoding/json.ts'
import { generateKey, publicKeyToPem } from '../../../signing/key.ts'

const key = generateKey('ecdsa-p256')
const HOST = `000b${'ab'.repeat(32)}`
const nonce = Buffer.alloc(32, 7)
const NOW = 1_780_000_000
const vector = Object.fromEntries(TRUST_CLAIMS.map(claim => [claim, 0])) as unknown as TrustVector
const appraisal = {
  verdict: 'pass',
  claims: { ...vector, 'instance-identity': 2, executables: 3 },
  referenceValuesDigest: 'cd'.repeat(32),
} as const
const context = { hostId: HOST, issuedAt: NOW - 5, expiresAt: NOW + 30, nonce, build: 'writ test' }
const good = earFromAppraisal(appraisal, context) as JsonObject & { submods: Record<string, JsonObject> }
const code = (code: string, at?: string) =>
  expect.objectContaining(at === undefined ? { code } : { code, at })

const part = (value: unknown) =>
  (Buffer.isBuffer(value)
    ? value
    : Buffer.from(typeof value === 'string' ? value : JSON.stringify(value))
  ).toString('base64url')
function token(
  header: unknown,
  payload: unknown,
  by: KeyObject = key.object,
  hash: string | null = 'sha256',
) {
  const input = `${part(header)}.${part(payload)}`
  return `${input}.${sign(hash, Buffer.from(input), { key: by, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`
}
const ES256 = { alg: 'ES256', typ: 'JWT' }
const trust = {
  key: earKeyFromSpki(key.public.spki),
  algorithms: ['ES256'] as EarAlgorithm[],
  now: NOW as number | null,
  nonce: nonce.toString('base64url') as string | null,
}
const verify = (text: string, over: Partial<typeof trust> = {}) => verifyEar(text, { ...trust, ...over })
const claims = (over: object) => token(ES256, { ...good, ...over })
const submod = (over: object) => claims({ submods: { [HOST]: { ...good.submods[HOST], ...over } } })

describe('an EAR of an appraisal', () => {
  it('verifies, and says what the appraisal said', () => {
    const read = verify(signEar(good, key))
    expect(read.submods.get(HOST)).toEqual({
      status: 'affirming',
      vector: { 'instance-identity': 2, executables: 3 },
    })
    expect(read.verifier).toEqual({ developer: 'https://writ.dev', build: 'writ test' })
    expect([read.issuedAt, read.expiresAt]).toEqual([NOW - 5, NOW + 30])
  })

  it('is never better than the verdict', () => {
    const status = (over: object) =>
      verify(signEar(earFromAppraisal({ ...appraisal, ...over }, context), key)).submods.get(HOST)?.status
    expect(status({ verdict: 'fail' })).toBe('contraindicated')
    expect(status({ verdict: 'degraded' })).toBe('warning')
    expect(status({ claims: { ...appraisal.claims, hardware: 97 } })).toBe('contraindicated')
    expect(status({ claims: vector })).toBe('none')
  })

  it('is signed with EdDSA by an Ed25519 key', () => {
    const ed = generateKey('ed25519')
    const signed = signEar(good, ed)
    const own = earKeyFromSpki(publicKeyToPem(ed.public))
    expect(verify(signed, { key: own, algorithms: ['EdDSA'] }).submods.size).toBe(1)
    expect(() => verify(signed, { key: own })).toThrow(code('EAR_ALGORITHM_REFUSED'))
  })

  it('asks for a nonce of 8 to 64 bytes', () => {
    for (const length of [7, 65])
      expect(() => earFromAppraisal(appraisal, { ...context, nonce: Buffer.alloc(length) })).toThrow(
        RangeError,
      )
  })

  const python = spawnSync('python3', ['-c', 'import cryptography']).status === 0
  it.skipIf(!python)('verifies with another implementation (python3-cryptography)', () => {
    const script = `
import sys, json, base64
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives import hashes
d = json.load(sys.stdin)
b = lambda x: base64.urlsafe_b64decode(x + '=' * (-len(x) % 4))
h, p, s = d['token'].split('.')
k = load_pem_public_key(d['pem'].encode())
m = (h + '.' + p).encode()
if json.loads(b(h))['alg'] == 'ES256':
    r = b(s)
    k.verify(encode_dss_signature(int.from_bytes(r[:32], 'big'), int.from_bytes(r[32:], 'big')), m, ec.ECDSA(hashes.SHA256()))
else:
    k.verify(b(s), m)
print(json.loads(b(p))['submods'][d['host']]['ear.status'])
`
    for (const own of [key, generateKey('ed25519')]) {
      const input = JSON.stringify({ token: signEar(good, own), pem: publicKeyToPem(own.public), host: HOST })
      const { stdout, stderr } = spawnSync('python3', ['-c', script], { input, encoding: 'utf8' })
      expect([stderr, stdout.trim()]).toEqual(['', 'affirming'])
    }
  })
})

describe('the algorithm', () => {
  const hmac = (alg: string) => {
    const input = `${part({ alg, typ: 'JWT' })}.${part(good)}`
    return `${input}.${createHmac('sha256', publicKeyToPem(key.public)).update(input).digest('base64url')}`
  }

  it.each([
    ['none', token({ alg: 'none' }, good)],
    ['none, with an empty signature', `${part({ alg: 'none' })}.${part(good)}.`],
    ['HS256 with the public key as secret', hmac('HS256')],
    ['RS256 where ES256 is allowed', token({ alg: 'RS256' }, good)],
    ['a number', token({ alg: 1 }, good)],
    ['nothing', token({ typ: 'JWT' }, good)],
    ['another spelling', token({ alg: 'es256' }, good)],
  ])('%s is refused', (_, text) => {
    expect(() => verify(text)).toThrow(code('EAR_ALGORITHM_REFUSED', 'alg'))
  })

  it('none and HMAC cannot be allowed by name', () => {
    const algorithms = ['none', 'HS256', ...EAR_ALGORITHMS] as EarAlgorithm[]
    expect(() => verify(token({ alg: 'none' }, good), { algorithms })).toThrow(code('EAR_ALGORITHM_REFUSED'))
    expect(() => verify(hmac('HS256'), { algorithms })).toThrow(code('EAR_ALGORITHM_REFUSED'))
  })

  it('has to be one for the key', () => {
    const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' })
    const large = earKeyFromSpki(p384.publicKey.export({ type: 'spki', format: 'der' }))
    const algorithms = [...EAR_ALGORITHMS]
    const es384 = token({ alg: 'ES384' }, good, p384.privateKey, 'sha384')
    expect(verify(es384, { key: large, algorithms }).submods.size).toBe(1)
    for (const alg of EAR_ALGORITHMS.filter(name => name !== 'ES384')) {
      expect(() => verify(token({ alg }, good, p384.privateKey), { key: large, algorithms })).toThrow(
        code('EAR_ALGORITHM_REFUSED'),
      )
    }
    const jwk = { ...p384.publicKey.export({ format: 'jwk' }) } as JsonObject
    expect(verify(es384, { key: earKeyFromJwk(jwk), algorithms }).submods.size).toBe(1)
    expect(() => verify(es384, { key: earKeyFromJwk({ ...jwk, alg: 'ES256' }), algorithms })).toThrow(
      code('EAR_ALGORITHM_REFUSED'),
    )
  })
})

describe('the key', () => {
  const jwk = { ...key.public.object.export({ format: 'jwk' }) } as JsonObject
  it.each([
    ['a symmetric one', { kty: 'oct', k: 'AAAA' }],
    ['one for encryption', { ...jwk, use: 'enc' }],
    ['one that is not for verifying', { ...jwk, key_ops: ['encrypt'] }],
    ['half a point', { kty: 'EC', crv: 'P-256', x: jwk.x ?? '' }],
    ['a point that is not on the curve', { ...jwk, y: jwk.x ?? '' }],
    ['nothing', {}],
  ])('%s is refused', (_, made) => {
    expect(() => earKeyFromJwk(made as JsonObject)).toThrow(code('EAR_KEY_UNUSABLE'))
  })

  it('a short RSA key is refused', () => {
    const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 1024 })
    expect(() => earKeyFromSpki(publicKey.export({ type: 'spki', format: 'der' }))).toThrow(
      code('EAR_KEY_UNUSABLE'),
    )
  })
})

describe('the form', () => {
  const [header = '', payload = '', signature = ''] = signEar(good, key).split('.')
  it.each([
    ['two parts', `${header}.${payload}`],
    ['four parts', `${header}.${payload}.${signature}.`],
    ['padding', `${header}.${payload}.${signature}=`],
    ['a final newline', `${header}.${payload}.${signature}\n`],
    ['a space', ` ${header}.${payload}.${signature}`],
    ['the other alphabet', `${header}.${payload}.${signature.slice(0, -2)}+/`],
    ['unused bits', `${header}.${payload}.${signature.slice(0, -1)}B`],
    ['an empty header', `.${payload}.${signature}`],
    ['a header that is a list', token([], good)],
    ['a member of the header twice', token('{"alg":"ES256","alg":"ES256"}', good)],
    ['a critical extension', token({ ...ES256, crit: ['exp'], exp: 1 }, good)],
    ['an unencoded payload', token({ ...ES256, b64: false }, good)],
    ['a claim twice', token(ES256, `{"iat":1,${JSON.stringify(good).slice(1)}`)],
    ['claims that are not an object', token(ES256, '7')],
    ['claims that are not UTF-8', token(ES256, Buffer.from('7b22ff223a317d', 'hex'))],
  ])('%s is refused', (_, text) => {
    expect(() => verify(text)).toThrow(code('EAR_MALFORMED'))
  })

  it.each([
    ['DER', sign('sha256', Buffer.from(`${header}.${payload}`), key.object)],
    ['too short', Buffer.alloc(63, 1)],
    ['too long', Buffer.concat([Buffer.from(signature, 'base64url'), Buffer.alloc(1)])],
    ['empty', Buffer.alloc(0)],
    ['all zero', Buffer.alloc(64)],
  ])('a signature that is %s is refused', (_, bytes) => {
    expect(() => verify(`${header}.${payload}.${bytes.toString('base64url')}`)).toThrow(
      code('EAR_SIGNATURE_INVALID'),
    )
  })

  it('refuses what another key signed, and a key that the header brings along', () => {
    const eve = generateKey('ecdsa-p256')
    const jwk = eve.public.object.export({ format: 'jwk' })
    expect(() => verify(token({ ...ES256, jwk }, good, eve.object))).toThrow(code('EAR_SIGNATURE_INVALID'))
  })
})

describe('the claims', () => {
  it.each([
    ['no profile', claims({ eat_profile: undefined }), 'eat_profile'],
    ['no time of issue', claims({ iat: undefined }), 'iat'],
    ['a time of issue with a fraction', claims({ iat: 1.5 }), 'iat'],
    ['a time as text', claims({ exp: '1780003600' }), 'exp'],
    ['no verifier', claims({ 'ear.verifier-id': undefined }), 'ear.verifier-id'],
    ['a verifier without a build', claims({ 'ear.verifier-id': { developer: 'a' } }), 'ear.verifier-id'],
    ['no parts', claims({ submods: {} }), 'submods'],
    ['parts missing', claims({ submods: undefined }), 'submods'],
    ['parts as a list', claims({ submods: [good.submods[HOST]] }), 'submods'],
    ['no status', submod({ 'ear.status': undefined }), `submods.${HOST}.ear.status`],
    ['a status that there is not', submod({ 'ear.status': 'fine' }), `submods.${HOST}.ear.status`],
    [
      'a status better than a claim',
      submod({ 'ear.trustworthiness-vector': { hardware: 32 } }),
      `submods.${HOST}.ear.status`,
    ],
    [
      'a claim that there is not',
      submod({ 'ear.trustworthiness-vector': { mood: 2 } }),
      `submods.${HOST}.ear.trustworthiness-vector`,
    ],
    [
      'a claim beyond 127',
      submod({ 'ear.trustworthiness-vector': { hardware: 128 } }),
      `submods.${HOST}.ear.trustworthiness-vector`,
    ],
    ['a whole better than its parts', claims({ 'ear.status': 'none' }), 'ear.status'],
    ['a short nonce', claims({ eat_nonce: 'short' }), 'eat_nonce'],
  ])('%s is refused', (_, text, at) => {
    expect(() => verify(text)).toThrow(code('EAR_CLAIMS_INVALID', at))
  })

  it('of a profile that is not known are refused', () => {
    for (const eat_profile of ['test', 'tag:github.com,2023:veraison/ear2', 'tag:ietf.org,2026:rats/ear'])
      expect(() => verify(claims({ eat_profile }))).toThrow(code('EAR_PROFILE_UNKNOWN'))
  })

  it('are read under the names of the current draft too', () => {
    const draft = {
      eat_profile: 'tag:ietf.org,2026:rats/ear#03',
      iat: NOW,
      ear_verifier_id: { developer: 'a', build: 'b' },
      submods: {
        PSA: {
          ear_status: 'contraindicated',
          ear_trustworthiness_vector: { executables: 96 },
          ear_appraisal_policy_ids: ['p'],
        },
      },
    }
    expect(verify(token(ES256, draft), { nonce: null }).submods.get('PSA')?.status).toBe('contraindicated')
    const mixed = { ...draft, submods: { PSA: { 'ear.status': 'affirming' } } }
    expect(() => verify(token(ES256, mixed), { nonce: null })).toThrow(code('EAR_CLAIMS_INVALID'))
  })

  it('that are not known may be deep and have integers of 64 bits', () => {
    const payload = JSON.stringify({ ...good, evidence: [1] }).replace(
      '[1]',
      `${'['.repeat(60)}${2n ** 64n - 1n}${']'.repeat(60)}`,
    )
    const input = [JSON.stringify(ES256), payload]
      .map(part => Buffer.from(part).toString('base64url'))
      .join('.')
    const signature = signWith('ES256', key.object, Buffer.from(input)).toString('base64url')
    expect(verify(`${input}.${signature}`).submods.get(HOST)?.status).toBe('affirming')
  })

  it('hold only in their time, at its very edge', () => {
    expect(() => verify(claims({ exp: NOW }))).toThrow(code('EAR_EXPIRED'))
    expect(verify(claims({ exp: NOW + 1, nbf: NOW, iat: NOW })).issuedAt).toBe(NOW)
    expect(() => verify(claims({ nbf: NOW + 1 }))).toThrow(code('EAR_NOT_YET_VALID', 'nbf'))
    expect(() => verify(claims({ iat: NOW + 1 }))).toThrow(code('EAR_NOT_YET_VALID', 'iat'))
    expect(verify(claims({ exp: 1 }), { now: null }).expiresAt).toBe(1)
    // RFC 7519 section 2: but for the time of issue (RFC 9711 section 4.3.1), fractions of a second are allowed.
    expect(verify(claims({ exp: NOW + 0.5, nbf: NOW - 0.5 })).expiresAt).toBe(NOW + 0.5)
    expect(() => verify(claims({ exp: NOW - 0.5 }))).toThrow(code('EAR_EXPIRED'))
  })

  it('have the nonce that was asked with', () => {
    const other = Buffer.alloc(32, 8).toString('base64url')
    expect(() => verify(signEar(good, key), { nonce: other })).toThrow(code('EAR_NONCE_MISMATCH'))
    expect(() => verify(claims({ eat_nonce: undefined }))).toThrow(code('EAR_NONCE_MISMATCH'))
    expect(verify(claims({ eat_nonce: [other, trust.nonce] })).nonces.length).toBe(2)
  })
})
