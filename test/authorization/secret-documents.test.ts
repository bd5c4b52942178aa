import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import {
  type AuthorizationErrorCode,
  checkSecretPolicySuccessor,
  decryptPayload,
  encryptPayload,
  openAuthValue,
  openSecretPolicy,
  parseSealedSecret,
  parseSecretPolicy,
  parseStatement,
  readSecretPolicy,
  type SealedSecret,
  sealAuthValue,
  secretPolicyKey,
  signSecretPolicy,
  statementBytes,
} from '../../authorization/index.ts'
import { canonicalJsonBytes, type JsonValue } from '../../encoding/json.ts'
import { signEnvelope } from '../../signing/dsse.ts'
import * as world from './scenario.ts'
import { POLICY, policyFields, sealedSecret } from './secrets-scenario.ts'

const KEY = randomBytes(32)
const json = (value: unknown) => canonicalJsonBytes(value as JsonValue)
const code = (value: AuthorizationErrorCode) => expect.objectContaining({ code: value })
const b64 = (bytes: number) => randomBytes(bytes).toString('base64')

describe('a sealed secret', () => {
  const good = sealedSecret()
  const [recipient] = good.recipients
  const with_ = (over: object) => () => parseSealedSecret(json({ ...good, ...over }))
  const to = (over: object) => with_({ recipients: [{ ...recipient, ...over }] })

  test('is read as it was written, up to its limits', () => {
    expect(parseSealedSecret(json(good))).toEqual(good)
    const hosts = Array.from({ length: 64 }, (_, i) => ({
      ...recipient,
      host: `000b${i.toString(16).padStart(64, '0')}`,
    }))
    expect(with_({ recipients: hosts })).not.toThrow()
    expect(with_({ payload: b64((32 << 10) + 28), descriptor: 63 })).not.toThrow()
    expect(with_({ payload: b64(28), descriptor: 3, name: 'a'.repeat(64) })).not.toThrow()
    const [first] = hosts
    const more = [...hosts, { ...first, host: `000b${'f'.repeat(64)}` }]
    expect(with_({ recipients: more })).toThrow(code('STATEMENT_MALFORMED'))
    expect(with_({ recipients: [first, first] })).toThrow(code('STATEMENT_MALFORMED'))
  })

  test.each<[string, () => unknown]>([
    ['no name', with_({ name: '' })],
    ['a name of 65', with_({ name: 'a'.repeat(65) })],
    ['a name with a slash', with_({ name: 'a/b' })],
    ['a standard stream', with_({ descriptor: 2 })],
    ['a descriptor that no launcher takes', with_({ descriptor: 64 })],
    ['a payload without a tag', with_({ payload: b64(27) })],
    ['a payload that is too long', with_({ payload: b64((32 << 10) + 29) })],
    ['base64 in another spelling', with_({ payload: `${b64(28).slice(0, -4)}AB==` })],
    ['no recipients', with_({ recipients: [] })],
    ['a host that is no Name', to({ host: `000c${'1'.repeat(64)}` })],
    ['a public area too short', to({ publicArea: b64(39) })],
    ['a public area too long', to({ publicArea: b64(257) })],
    ['a duplicate too short', to({ duplicate: b64(39) })],
    ['a duplicate too long', to({ duplicate: b64(513) })],
    ['a seed too short', to({ encryptedSeed: b64(31) })],
    ['a seed too long', to({ encryptedSeed: b64(1025) })],
    ['an authValue too short', to({ authValue: b64(79) })],
    ['an authValue too long', to({ authValue: b64(81) })],
    ['another field', with_({ more: 1 })],
    ['another field of a recipient', to({ more: 1 })],
  ])('with %s is refused', (_, parse) => {
    expect(parse).toThrow(code('STATEMENT_MALFORMED'))
  })

  test('is in an artifact once by its name and its descriptor, and with at most three others', () => {
    const of = (...secrets: SealedSecret[]) => {
      const authorization = { ...world.authorization(), secrets }
      return () => parseStatement(statementBytes(world.SUBJECTS, authorization))
    }
    const named = (name: string, descriptor: number) => ({ ...good, name, descriptor })
    const four = ['a', 'b', 'c', 'd'].map((name, i) => named(name, 3 + i))
    expect(of(...four)).not.toThrow()
    expect(of(...four, named('e', 9))).toThrow(code('STATEMENT_MALFORMED'))
    expect(of()).toThrow(code('STATEMENT_MALFORMED'))
    expect(of(named('a', 3), named('a', 4))).toThrow(code('STATEMENT_MALFORMED'))
    expect(of(named('a', 3), named('b', 3))).toThrow(code('STATEMENT_MALFORMED'))
  })

  test('is decrypted under its key and its name alone', () => {
    const secret = Buffer.from('a secret')
    const sealed = { ...good, payload: encryptPayload('release', good.name, KEY, secret) }
    expect(decryptPayload(sealed, 'release', KEY)).toEqual(secret)
    const bytes = Buffer.from(sealed.payload, 'base64')
    bytes[20] = (bytes[20] ?? 0) ^ 1
    for (const [wrong, key] of [
      [sealed, randomBytes(32)],
      [{ ...sealed, name: 'other' }, KEY],
      [{ ...sealed, payload: bytes.toString('base64') }, KEY],
    ] as const)
      expect(() => decryptPayload(wrong, 'release', key)).toThrow(code('SECRET_INVALID'))
    expect(encryptPayload('release', 'a', KEY, secret)).not.toBe(encryptPayload('release', 'a', KEY, secret))
    expect(() => encryptPayload('release', 'a', KEY, Buffer.alloc((32 << 10) + 1))).toThrow(
      code('STATEMENT_MALFORMED'),
    )
  })

  test('has an authValue for one daemon and one sealed object', () => {
    const { publicKey, privateKey } = generateKeyPairSync('x25519')
    const [area, value] = [randomBytes(80), randomBytes(32)]
    const sealed = sealAuthValue(publicKey, area, value)
    expect(openAuthValue(privateKey, area, sealed)).toEqual(value)
    expect(() => openAuthValue(privateKey, randomBytes(80), sealed)).toThrow()
    expect(() => openAuthValue(generateKeyPairSync('x25519').privateKey, area, sealed)).toThrow()
  })
})

describe('a secret policy', () => {
  const [approval] = POLICY.approvals
  const with_ = (over: object) => () => parseSecretPolicy(json({ ...POLICY, ...over }))
  const approving = (over: object) => with_({ approvals: [{ ...approval, ...over }] })
  const counter = (over: object) => approving({ counter: { ...approval?.counter, ...over } })
  const spki = (curve: string) =>
    generateKeyPairSync('ec', { namedCurve: curve })
      .publicKey.export({ type: 'spki', format: 'der' })
      .toString('base64')

  test('is read as it was written, up to its limits', () => {
    expect(parseSecretPolicy(json(POLICY))).toEqual(POLICY)
    for (const over of [
      { version: 1 },
      { version: 1_000_000 },
      { pcrs: [0] },
      { pcrs: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15] },
      { approvals: Array(1024).fill({ ...approval, host: 'any', counter: null }) },
    ])
      expect(with_(over)).not.toThrow()
  })

  test.each<[string, () => unknown]>([
    ['version 0', with_({ version: 0 })],
    ['a version that is too high', with_({ version: 1_000_001 })],
    ['a reference that is no digest', with_({ reference: 'production' })],
    ['no key', with_({ key: '' })],
    ['a key on another curve', with_({ key: spki('secp384r1') })],
    ['a key on another curve of 256 bits', with_({ key: spki('secp256k1') })],
    ['a key in another spelling', with_({ key: `${POLICY.key} ` })],
    ['no PCRs', with_({ pcrs: [] })],
    ['PCR 10', with_({ pcrs: [4, 10] })],
    ['a PCR that can be reset', with_({ pcrs: [16] })],
    ['PCRs in another order', with_({ pcrs: [7, 4] })],
    ['a PCR twice', with_({ pcrs: [4, 4] })],
    ['no approvals', with_({ approvals: [] })],
    ['too many approvals', with_({ approvals: Array(1025).fill(approval) })],
    ['a host that is no Name', approving({ host: 'host1' })],
    ['a digest that is none', approving({ pcrDigest: 'ab' })],
    ['a counter that is no Name', counter({ name: `000c${'2'.repeat(64)}` })],
    ['a ceiling that is no number', counter({ notAbove: '-1' })],
    ['a ceiling in another spelling', counter({ notAbove: '01' })],
    ['a ceiling beyond 64 bits', counter({ notAbove: '1'.repeat(20) })],
    ['a signature that is too short', approving({ signature: b64(63) })],
    ['a signature that is too long', approving({ signature: b64(67) })],
    ['a signature that is not base64', approving({ signature: '!'.repeat(88) })],
    ['another field', with_({ more: 1 })],
  ])('with %s is refused', (_, parse) => {
    expect(parse).toThrow(code('SECRET_POLICY_MALFORMED'))
  })

  test('is opened when a governance key signed it as one', () => {
    const signed = signSecretPolicy(POLICY, world.governance)
    const opened = openSecretPolicy(signed, [world.governance.public])
    expect(opened).toMatchObject(POLICY)
    expect(readSecretPolicy(signed)).toEqual(opened)
    expect(secretPolicyKey(opened).asymmetricKeyDetails).toMatchObject({ namedCurve: 'prime256v1' })
    const open = (bytes: Buffer) => () => openSecretPolicy(bytes, [world.governance.public])
    expect(open(signSecretPolicy(POLICY, world.mallory))).toThrow(code('DOCUMENT_UNSIGNED'))
    const other = signEnvelope('application/x', json(POLICY), [world.governance])
    expect(open(other)).toThrow(code('DOCUMENT_MALFORMED'))
    expect(() => signSecretPolicy({ ...POLICY, pcrs: [10] }, world.governance)).toThrow(
      code('SECRET_POLICY_MALFORMED'),
    )
  })

  test('follows one of a lower version, or is the same', () => {
    const at = (version: number, digest: string) => ({ version, digest })
    expect(() => checkSecretPolicySuccessor(null, at(1, 'a'))).not.toThrow()
    expect(() => checkSecretPolicySuccessor(at(1, 'a'), at(2, 'b'))).not.toThrow()
    expect(() => checkSecretPolicySuccessor(at(2, 'a'), at(2, 'a'))).not.toThrow()
    for (const next of [at(2, 'b'), at(1, 'b')])
      expect(() => checkSecretPolicySuccessor(at(2, 'a'), next)).toThrow(code('ROLLED_BACK'))
  })

  test('has no key that is not checked', () => {
    expect(() => secretPolicyKey(policyFields({ key: spki('secp384r1') }))).toThrow(
      code('SECRET_POLICY_MALFORMED'),
    )
  })
})
