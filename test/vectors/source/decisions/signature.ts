import { preAuthenticationEncoding } from '../../../../signing/dsse.ts'
import type { PrivateKey } from '../../../../signing/key.ts'
import type { Case, Group } from '../case.ts'
import { derInteger, derSignature, ecdsaNumbers, P256_ORDER, scalarOf, signAlways } from '../keys.ts'
import {
  alice,
  artifact,
  authority,
  bob,
  carol,
  dave,
  keyOf,
  mallory,
  payload,
  roots,
  tampered,
} from '../world.ts'

const TYPE = 'application/vnd.in-toto+json'
const INVALID = ['artifact', 'SIGNATURE_INVALID'] as const
/** Order of the base point of edwards25519 (RFC 8032 section 5.1). */
const ED25519_ORDER = 2n ** 252n + 27742317777372353535851937790883648493n

/** In these vectors one ECDSA key is the issuer's only one. */
const ecdsa = {
  trustRoots: roots([authority('release', 1, [keyOf(bob, 'bob')])]),
}

/** An artifact whose one signature is what is made of the right one. */
function signed(key: PrivateKey, change: (right: Buffer) => Buffer) {
  return {
    artifact: tampered(
      it => (it.signatures = [{ keyid: key.public.id, sig: change(right(key)).toString('base64') }]),
    ),
    ...(key.public.algorithm === 'ed25519' ? {} : ecdsa),
  }
}

const signedBytes = preAuthenticationEncoding(TYPE, payload())
const right = (key: PrivateKey): Buffer => signAlways(key, signedBytes)
const numbers = ecdsaNumbers(scalarOf(bob), signedBytes)
const sequence = (...parts: Buffer[]): Buffer => {
  const content = Buffer.concat(parts)
  return Buffer.concat([Buffer.from([0x30, content.length]), content])
}

function flipped(bytes: Buffer, at: number): Buffer {
  const out = Buffer.from(bytes)
  out[at] = (out[at] ?? 0) ^ 1
  return out
}

/** S + L: the same signature to a verifier that does not hold S below the order (RFC 8032 section 5.1.7 does). */
function beyondOrder(signature: Buffer): Buffer {
  const s = BigInt(`0x${Buffer.from(signature.subarray(32)).reverse().toString('hex')}`) + ED25519_ORDER
  const bytes = Buffer.from(s.toString(16).padStart(64, '0'), 'hex').reverse()
  return Buffer.concat([signature.subarray(0, 32), bytes])
}

/** A signature of a payload that says something else than the one it stands beside. */
const moved = (key: PrivateKey): Buffer =>
  signAlways(
    key,
    preAuthenticationEncoding(
      TYPE,
      payload(it => (it.id = 'job-2')),
    ),
  )

const cases: Case[] = [
  ['Ed25519', 'a right signature', { artifact: artifact() }, 'permit'],
  ['ECDSA P-256', 'a right signature', { artifact: artifact(undefined, [bob]), ...ecdsa }, 'permit'],
  ['Ed25519 flipped', 'one bit of R', signed(alice, it => flipped(it, 0)), INVALID],
  ['Ed25519 flipped in S', 'one bit of S', signed(alice, it => flipped(it, 40)), INVALID],
  ['Ed25519 beyond the order', 'S + L in the place of S', signed(alice, beyondOrder), INVALID],
  ['Ed25519 zeros', '64 zero bytes', signed(alice, () => Buffer.alloc(64)), INVALID],
  ['Ed25519 short', '63 bytes', signed(alice, it => it.subarray(0, 63)), INVALID],
  ['Ed25519 long', '65 bytes', signed(alice, it => Buffer.concat([it, Buffer.alloc(1)])), INVALID],
  ['Ed25519 empty', 'no bytes', signed(alice, () => Buffer.alloc(0)), INVALID],
  [
    'Ed25519 of the payload alone',
    'the payload was signed, not its pre-authentication encoding',
    signed(alice, () => signAlways(alice, payload())),
    INVALID,
  ],
  [
    'Ed25519 of another payload',
    'the signature of another artifact',
    signed(alice, () => moved(alice)),
    INVALID,
  ],
  [
    'Ed25519 of another type',
    'the same payload signed as another type',
    signed(alice, () => signAlways(alice, preAuthenticationEncoding('application/json', payload()))),
    INVALID,
  ],
  [
    'Ed25519 of shifted lengths',
    'what is signed keeps type and payload apart by their lengths',
    signed(alice, () =>
      signAlways(alice, Buffer.from(signedBytes.toString().replace('DSSEv1 28', 'DSSEv1 27'))),
    ),
    INVALID,
  ],
  ['ECDSA flipped', 'one bit of s', signed(bob, it => flipped(it, it.length - 1)), INVALID],
  [
    'ECDSA with n-s',
    'ECDSA signatures are malleable: it counts, and the artifact is the same one (its name is the digest of the payload)',
    signed(bob, () => derSignature({ r: numbers.r, s: P256_ORDER - numbers.s })),
    'permit',
  ],
  [
    'ECDSA with n-s, used before',
    'with another signature it has the same uses',
    {
      ...signed(bob, () => derSignature({ r: numbers.r, s: P256_ORDER - numbers.s })),
      uses: { used: 1, otherPayload: null, uncleanSince: null },
    },
    ['use', 'REPLAYED'],
  ],
  [
    'ECDSA with s+n',
    's beyond the order',
    signed(bob, () => sequence(derInteger(numbers.r), derInteger(numbers.s + P256_ORDER))),
    INVALID,
  ],
  ['ECDSA zeros', 'r and s are zero', signed(bob, () => sequence(derInteger(0n), derInteger(0n))), INVALID],
  [
    'ECDSA as two numbers',
    'r and s in 64 bytes (IEEE P1363), not in DER',
    signed(bob, () =>
      Buffer.from(numbers.r.toString(16).padStart(64, '0') + numbers.s.toString(16).padStart(64, '0'), 'hex'),
    ),
    INVALID,
  ],
  [
    'ECDSA with a zero in front',
    'an INTEGER longer than it need be is not DER',
    signed(bob, () => sequence(derInteger(numbers.r, 1), derInteger(numbers.s))),
    INVALID,
  ],
  [
    'ECDSA with a long length',
    'a length in two bytes where one does is not DER',
    signed(bob, it => Buffer.concat([Buffer.from([0x30, 0x81]), it.subarray(1)])),
    INVALID,
  ],
  [
    'ECDSA with bytes behind',
    'a byte after the SEQUENCE',
    signed(bob, it => Buffer.concat([it, Buffer.alloc(1)])),
    INVALID,
  ],
  [
    'ECDSA with bytes within',
    'a third element in the SEQUENCE',
    signed(bob, () => sequence(derInteger(numbers.r), derInteger(numbers.s), derInteger(1n))),
    INVALID,
  ],
  ['ECDSA of another payload', 'the signature of another artifact', signed(bob, () => moved(bob)), INVALID],
  [
    'signature of another algorithm',
    "an ECDSA signature in an Ed25519 key's name",
    {
      artifact: tampered(
        it => (it.signatures = [{ keyid: alice.public.id, sig: right(bob).toString('base64') }]),
      ),
    },
    ['artifact', 'SIGNER_UNTRUSTED'],
  ],
  [
    'another payload under the signature',
    'the payload is exchanged after it was signed',
    {
      artifact: tampered(it => (it.payload = payload(p => (p.validity.maxUses = 'any')).toString('base64'))),
    },
    INVALID,
  ],
  [
    'expiry moved',
    'the end of the validity is moved after it was signed',
    {
      artifact: tampered(
        it =>
          (it.payload = payload(p => (p.validity.notAfter = '2027-11-22T00:00:00.000Z')).toString('base64')),
      ),
    },
    INVALID,
  ],
  [
    'white space in the payload',
    'the payload in another spelling was not signed',
    { artifact: tampered(it => (it.payload = Buffer.from(` ${payload()}`).toString('base64'))) },
    INVALID,
  ],
  [
    'a wrong signature beside a right one',
    'what is wrong does not count, and does not harm',
    {
      artifact: tampered(it =>
        it.signatures.unshift({ keyid: carol.public.id, sig: Buffer.alloc(64).toString('base64') }),
      ),
    },
    'permit',
  ],
  [
    'a stranger beside a right one',
    'who is not trusted does not count, and does not harm',
    { artifact: artifact(undefined, [mallory, alice]) },
    'permit',
  ],
  [
    'a stranger alone',
    'a right signature of a key that nobody trusts',
    { artifact: artifact(undefined, [mallory]) },
    ['artifact', 'SIGNER_UNTRUSTED'],
  ],
  [
    "a stranger in a trusted key's name",
    'the hint says who it is to be by',
    {
      artifact: tampered(
        it => (it.signatures[0] = { keyid: alice.public.id, sig: right(mallory).toString('base64') }),
      ),
    },
    INVALID,
  ],
  [
    'a stranger without a name',
    'no hint',
    { artifact: tampered(it => (it.signatures = [{ sig: right(mallory).toString('base64') }])) },
    ['artifact', 'SIGNER_UNTRUSTED'],
  ],
  [
    "another authority's key",
    'a trusted key that is none of the issuer',
    { artifact: artifact(undefined, [carol]) },
    ['artifact', 'SIGNER_UNTRUSTED'],
  ],
  [
    'a P-256 stranger',
    'a right ECDSA signature of a key that nobody trusts',
    { artifact: artifact(undefined, [dave]) },
    ['artifact', 'SIGNER_UNTRUSTED'],
  ],
  [
    'unknown issuer',
    'an authority that the trust roots do not have',
    { artifact: artifact(it => (it.issuer = 'nobody')) },
    ['artifact', 'SIGNER_UNTRUSTED'],
  ],
  [
    'issuer like a member of every object',
    'names are looked up among authorities only',
    { artifact: artifact(it => (it.issuer = 'constructor')) },
    ['artifact', 'SIGNER_UNTRUSTED'],
  ],
]

export const SIGNATURE: Group = {
  file: 'signature',
  description:
    'Signatures: which bytes are signed, Ed25519, ECDSA over P-256, their laxer forms, and whose key it has to be.',
  cases,
}

const board = (keys: readonly PrivateKey[]) => artifact(it => (it.issuer = 'board'), keys)

export const THRESHOLD: Group = {
  file: 'threshold',
  description:
    'Thresholds: distinct keys of the issuer are counted, not signatures. The authority `board` asks for two of three.',
  cases: [
    ['two of three', 'two distinct keys', { artifact: board([alice, bob]) }, 'permit'],
    ['three of three', 'more than are needed', { artifact: board([alice, bob, carol]) }, 'permit'],
    ['the other two', 'any two', { artifact: board([carol, bob]) }, 'permit'],
    ['one of two', 'one key', { artifact: board([alice]) }, ['artifact', 'THRESHOLD_NOT_MET']],
    [
      'one key twice',
      'the same signature twice',
      { artifact: board([alice, alice]) },
      ['artifact', 'THRESHOLD_NOT_MET'],
    ],
    [
      'one key with two signatures',
      'two different signatures of one ECDSA key',
      {
        artifact: tampered(
          it => {
            const data = preAuthenticationEncoding(TYPE, Buffer.from(it.payload, 'base64'))
            const { r, s } = ecdsaNumbers(scalarOf(bob), data)
            it.signatures.push({
              keyid: alice.public.id,
              sig: derSignature({ r, s: P256_ORDER - s }).toString('base64'),
            })
          },
          it => (it.issuer = 'board'),
          [bob],
        ),
      },
      ['artifact', 'THRESHOLD_NOT_MET'],
    ],
    [
      'one and a stranger',
      'who is not of the issuer does not count',
      { artifact: board([alice, mallory]) },
      ['artifact', 'THRESHOLD_NOT_MET'],
    ],
    [
      'one and a wrong one',
      'a wrong signature does not count',
      {
        artifact: tampered(
          it => (it.signatures[1] = { keyid: bob.public.id, sig: Buffer.alloc(70).toString('base64') }),
          it => (it.issuer = 'board'),
          [alice, bob],
        ),
      },
      ['artifact', 'THRESHOLD_NOT_MET'],
    ],
    [
      'keys of two authorities',
      'one key of each of two authorities are not two of either',
      {
        artifact: artifact(undefined, [alice, dave]),
        trustRoots: roots([
          authority('release', 2, [keyOf(alice, 'alice'), keyOf(bob, 'bob')]),
          authority('other', 1, [keyOf(dave, 'dave')]),
        ]),
      },
      ['artifact', 'THRESHOLD_NOT_MET'],
    ],
    [
      'one of them revoked',
      'a revoked key counts no more',
      { artifact: board([alice, bob]), revoked: { key: [bob.public.id] } },
      ['use', 'REVOKED'],
    ],
    [
      'one of three revoked',
      'as long as enough are left',
      { artifact: board([alice, bob, carol]), revoked: { key: [bob.public.id] } },
      'permit',
    ],
  ],
}
