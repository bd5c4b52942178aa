import { QUOTED_SELECTION, type Quote } from '../../../attestation/index.ts'
import { publicAreaName } from '../../../attestation/tpm2/structures/index.ts'
import { CompactRange, leafHash } from '../../../lineage/index.ts'
import { publicKeyToPem } from '../../../signing/key.ts'
import { eccPublicArea, recordedHost } from '../../attestation/recorded-host.ts'
import { asked, at, type Case, caller, type Group, gate } from './case.ts'
import { ecdsaNumbers, p256Key, scalarOf } from './keys.ts'
import { alice, artifact, defaults, NOW, PROGRAM, payload, tampered } from './world.ts'

const unsigned = (change: Parameters<typeof payload>[0]) =>
  tampered(it => {
    it.payload = payload(change).toString('base64')
  })
const GHOST = 'e'.repeat(32)

const cases: Case[] = [
  [
    'a signature that leaves out expiry: beside the payload',
    'the end stands in the envelope, where nobody signed it',
    { artifact: tampered(it => Object.assign(it, { notAfter: '2099-01-01T00:00:00.000Z' })) },
    ['artifact', 'ARTIFACT_MALFORMED'],
  ],
  [
    'a signature that leaves out expiry: not in the payload',
    'the signed payload has no end',
    { artifact: artifact(it => Reflect.deleteProperty(it.validity, 'notAfter')) },
    ['artifact', 'ARTIFACT_MALFORMED'],
  ],
  [
    'a signature that leaves out expiry: moved',
    'the end is moved, the signature is of before',
    {
      artifact: unsigned(it => (it.validity.notAfter = '2099-01-01T00:00:00.000Z')),
      ...at('2026-11-23T00:00:00.000Z'),
    },
    ['artifact', 'SIGNATURE_INVALID'],
  ],
  [
    'payload changed under unchanged signatures',
    'another argument vector',
    { artifact: unsigned(it => (it.scope.argv = 'any')) },
    ['artifact', 'SIGNATURE_INVALID'],
  ],
  [
    'signed by a key that the artifact brings',
    'a key in the envelope is no trusted key',
    {
      artifact: tampered(it =>
        it.signatures.map(one => Object.assign(one, { cert: defaults.minting.sessionKeySpki })),
      ),
    },
    ['artifact', 'ARTIFACT_MALFORMED'],
  ],
  [
    'arguments changed after the decision: to execute',
    'asked with other arguments than were looked at',
    asked({ argv: [PROGRAM, '--delete', '7'] }),
    ['subjects', 'SCOPE_EXCEEDED'],
  ],
  [
    'arguments changed after the decision: to go on',
    'what goes on is decided on what it runs',
    {
      ...asked({ operation: 'continue', argv: [PROGRAM, '--digits', '7', '--delete'] }),
      uses: { ...defaults.uses, used: 1 },
    },
    ['subjects', 'SCOPE_EXCEEDED'],
  ],
  [
    'an unknown parent',
    'a child of an execution that nobody knows',
    { artifact: artifact(it => (it.parent.execution = 'any')), ...caller({ parentExecution: GHOST }) },
    ['artifact', 'PARENT_ENDED'],
  ],
  [
    'an unknown parent that the artifact names',
    'by name it is not known either',
    { artifact: artifact(it => (it.parent.execution = GHOST)), ...caller({ parentExecution: GHOST }) },
    ['artifact', 'PARENT_ENDED'],
  ],
  [
    'without an id',
    'an artifact that is not to be told apart',
    { artifact: artifact(it => Reflect.deleteProperty(it, 'id')) },
    ['artifact', 'ARTIFACT_MALFORMED'],
  ],
  [
    'an empty id',
    'an artifact that is not to be told apart',
    { artifact: artifact(it => (it.id = '')) },
    ['artifact', 'ARTIFACT_MALFORMED'],
  ],
  [
    'a request without an id',
    'what is no request denies',
    { request: { ...defaults.request, executionId: '' } },
    ['artifact', 'INTERNAL'],
  ],
  [
    'attested facts in the artifact',
    'a field that says that the host is attested',
    {
      artifact: artifact(it => Object.assign(it.environment, { tier: 'hardware', state: 'ATTESTED' })),
      ...gate({ state: 'UNATTESTED', evidenceAgeMs: null, deadlineInMs: null }),
    },
    ['artifact', 'ARTIFACT_MALFORMED'],
  ],
  [
    'attested facts in the request',
    'a field that says that the host is attested',
    {
      request: { ...defaults.request, ...{ gate: { state: 'ATTESTED', tier: 'hardware' } } },
      ...gate({ state: 'UNATTESTED', evidenceAgeMs: null, deadlineInMs: null }),
    },
    ['artifact', 'INTERNAL'],
  ],
  [
    'another caller in the request',
    'a field that says who asks',
    { request: { ...defaults.request, ...{ caller: { uid: 1000 } } }, ...caller({ uid: 1001 }) },
    ['artifact', 'INTERNAL'],
  ],
  [
    'attested facts in the environment',
    'a variable is no fact',
    {
      ...asked({ env: [{ name: 'WRIT_TIER', value: 'hardware' }] }),
      artifact: artifact(it => {
        it.scope.env = 'any'
        it.environment.simulated = 'deny'
      }),
    },
    ['integrity', 'ENVIRONMENT_MISMATCH'],
  ],
]

export const NEGATIVE: Group = {
  file: 'decisions',
  description: 'Attacks on one decision, in the form of artifact/.',
  cases,
}

/** A quote, and whether it is one of the enrolled key's for this nonce. */
export interface EvidenceVector {
  readonly name: string
  readonly about: string
  /** Base64 TPMS_ATTEST and TPMT_SIGNATURE. */
  readonly attest: string
  readonly signature: string
  readonly expect: string
}

const host = recordedHost('debian13-uki')
const stranger = p256Key('stranger')
const u16 = (...values: number[]) =>
  Buffer.concat(values.map(value => Buffer.from([value >> 8, value & 255])))

/** A TPMT_SIGNATURE: ECDSA (0x0018) with SHA-256 (0x000b), r and s (TPM 2.0 Part 2, sections 11.3.1 and 11.3.4). */
function signedBy(key: typeof stranger, attest: Uint8Array): Buffer {
  const parts = Object.values(ecdsaNumbers(scalarOf(key), attest)).flatMap(number => [
    u16(32),
    Buffer.from(number.toString(16).padStart(64, '0'), 'hex'),
  ])
  return Buffer.concat([u16(0x0018, 0x000b), ...parts])
}

/** The same evidence with the name of another key in it, as if that had made it: qualifiedSigner is the third field. */
function selfKeyed(attest: Buffer): Buffer {
  const name = publicAreaName(eccPublicArea(Buffer.from(publicKeyToPem(stranger.public))))
  return Buffer.concat([attest.subarray(0, 8), name, attest.subarray(8 + attest.readUInt16BE(6))])
}

/** What a verifier of these has been told before: nothing of it is in the evidence. */
export const EVIDENCE_GIVEN = {
  akPublicArea: Buffer.from(host.expected.ak.publicArea).toString('base64'),
  akName: Buffer.from(host.expected.ak.name).toString('hex'),
  extraData: Buffer.from(host.expected.extraData).toString('hex'),
  pcrSelection: QUOTED_SELECTION,
}

export function evidenceVectors(codeOf: (quote: Quote) => string): EvidenceVector[] {
  const { attest, signature } = host.evidence.quote as { attest: Buffer; signature: Buffer }
  const other = selfKeyed(attest)
  const made: [name: string, about: string, attest: Buffer, signature: Buffer, accepted?: true][] = [
    ['whole', 'a quote of the enrolled key', attest, signature, true],
    ['empty', 'nothing', Buffer.alloc(0), Buffer.alloc(0)],
    ['empty signature', 'nobody vouches for it', attest, Buffer.alloc(0)],
    ['truncated', 'the last bytes are missing', attest.subarray(0, -8), signature],
    ['truncated signature', 'the last byte is missing', attest, signature.subarray(0, -1)],
    ['bytes behind', 'more than one structure', Buffer.concat([attest, Buffer.alloc(1)]), signature],
    ['re-keyed', 'the same bytes, signed by another key', attest, signedBy(stranger, attest)],
    ['self-keyed', 'another key says that it is the host, and signs that', other, signedBy(stranger, other)],
    [
      'changed',
      'one bit of a digest',
      Buffer.from(attest.map((byte, i) => (i === attest.length - 1 ? byte ^ 1 : byte))),
      signature,
    ],
  ]
  return made.map(([name, about, attest, signature, accepted]) => {
    const expect = codeOf({ attest, signature })
    if ((expect === 'VERIFIED') !== (accepted === true)) throw new Error(`${name}: ${expect}`)
    return { name, about, attest: attest.toString('base64'), signature: signature.toString('base64'), expect }
  })
}

/** What is done to one host, in order, and how many of the requests of each step are permitted. */
export type Step =
  | {
      readonly do: 'request'
      readonly times: number
      readonly artifact: 'once' | 'always'
      readonly permitted: number
      readonly reason: string | null
    }
  | { readonly do: 'revoke'; readonly artifact: 'once' | 'always' }
  | { readonly do: 'restart' }

export interface ScriptVector {
  readonly name: string
  readonly about: string
  readonly steps: readonly Step[]
}

const request = (
  times: number,
  artifact: 'once' | 'always',
  permitted: number,
  reason: string | null = null,
): Step => ({ do: 'request', times, artifact, permitted, reason })

/** `once` has one use, `always` any number; both are permitted in the world of artifact/defaults.json. */
export const SCRIPTS: readonly ScriptVector[] = [
  {
    name: '50 requests at once for one use',
    about: 'exactly one is permitted',
    steps: [request(50, 'once', 1, 'REPLAYED')],
  },
  {
    name: '50 requests at once for any number',
    about: 'all are permitted',
    steps: [request(50, 'always', 50)],
  },
  {
    name: 'a use across a restart',
    about: 'what was used is used',
    steps: [request(1, 'once', 1), { do: 'restart' }, request(1, 'once', 0, 'REPLAYED')],
  },
  {
    name: 'revocation across a restart',
    about: 'what was revoked is revoked',
    steps: [
      request(1, 'always', 1),
      { do: 'revoke', artifact: 'always' },
      request(1, 'always', 0, 'REVOKED'),
      { do: 'restart' },
      request(1, 'always', 0, 'REVOKED'),
    ],
  },
  {
    name: 'revoked before its first use',
    about: 'a denial consumes nothing, and permits nothing',
    steps: [
      { do: 'revoke', artifact: 'once' },
      request(50, 'once', 0, 'REVOKED'),
      { do: 'restart' },
      request(1, 'once', 0, 'REVOKED'),
    ],
  },
]
export const ARTIFACTS = {
  once: artifact(),
  always: artifact(it => {
    it.id = 'job-2'
    it.validity.maxUses = 'any'
  }),
}

/** A decision as a log has it: deciding again on the same inputs has to give the same. */
export interface RecordVector {
  readonly name: string
  readonly about: string
  readonly given: Case[2]
  readonly claims: 'permit' | 'deny'
  readonly expect: 'same' | 'forged'
}
export const RECORDS: readonly RecordVector[] = [
  { name: 'a permit', about: 'the inputs lead to it', given: {}, claims: 'permit', expect: 'same' },
  {
    name: 'a denial',
    about: 'the inputs lead to it',
    given: { artifact: null },
    claims: 'deny',
    expect: 'same',
  },
  {
    name: 'a forged permit: expired',
    about: 'the artifact had ended',
    given: at('2026-11-23T00:00:00.000Z'),
    claims: 'permit',
    expect: 'forged',
  },
  {
    name: 'a forged permit: nobody signed',
    about: 'no artifact at all',
    given: { artifact: null },
    claims: 'permit',
    expect: 'forged',
  },
  {
    name: 'a forged permit: not attested',
    about: 'the gate was closed',
    given: gate({ state: 'STALE', deadlineInMs: null }),
    claims: 'permit',
    expect: 'forged',
  },
  {
    name: 'a forged permit: revoked',
    about: 'its key was revoked',
    given: { revoked: { key: [alice.public.id] } },
    claims: 'permit',
    expect: 'forged',
  },
  {
    name: 'a forged denial',
    about: 'what was permitted is hidden',
    given: at(NOW),
    claims: 'deny',
    expect: 'forged',
  },
]

/** Entries of a log, and the root of the tree head that somebody keeps of it. */
export interface TreeVector {
  readonly name: string
  readonly about: string
  readonly entries: readonly string[]
  /** SHA-256, hexadecimal. */
  readonly root: string
  readonly expect: 'same' | 'changed'
}

/** The root over entries (RFC 6962 section 2.1). */
export function rootOf(entries: readonly string[]): string {
  const range = new CompactRange()
  for (const entry of entries) range.append(leafHash(Buffer.from(entry)))
  return range.root().toString('hex')
}

const log = ['permit job-1', 'start job-1', 'end job-1', 'deny job-2', 'revoke job-1']
const tree = (name: string, about: string, entries: readonly string[]): TreeVector => ({
  name,
  about,
  entries,
  root: rootOf(log),
  expect: entries === log ? 'same' : 'changed',
})
export const TREES: readonly TreeVector[] = [
  tree('as it was', 'the entries of the head', log),
  tree(
    'a payload changed under an unchanged tree',
    'one entry says something else',
    log.with(0, 'permit job-9'),
  ),
  tree('a forged permit', 'a denial becomes a permit', log.with(3, 'permit job-2')),
  tree('an entry dropped', 'the last one', log.slice(0, -1)),
  tree('an entry added', 'one more', [...log, 'permit job-3']),
  tree('two entries exchanged', 'in another order', log.with(0, 'start job-1').with(1, 'permit job-1')),
  tree('nothing', 'no entries', []),
]
