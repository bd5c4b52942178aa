import { sha256Hex } from '../encoding/digest.ts'
import { WritError } from '../encoding/error.ts'
import { base64ToBytes } from '../encoding/text.ts'
import { checkSignatures, type Envelope, parseEnvelope } from '../signing/dsse.ts'
import { type PublicKey, readPublicKey } from '../signing/key.ts'
import type { DecisionInput } from './input.ts'
import { type Reason, reason } from './reason.ts'
import { type ArtifactSigner, NOT_SIGNED, type Signed } from './signers.ts'
import { ARTIFACT_PAYLOAD_TYPE, parseStatement, type Statement } from './statement.ts'
import type { Authority } from './trust.ts'

/** Most bytes of an artifact's envelope; what is longer is not read. */
export const MAX_ARTIFACT_BYTES = 160 * 1024

/** An artifact as it was sent. `bytes` is null when it is too long to be kept. */
export interface SentArtifact {
  readonly digest: string
  readonly size: number
  readonly bytes: Uint8Array | null
}

/** What is looked at to open an artifact, in the order of the reasons. */
export const OPENING = ['envelope', 'signatures', 'statement', 'issuer'] as const
export type Opening = (typeof OPENING)[number]

/** What an artifact says, and who signed it. Nothing of it is to be acted on unless all `faults` are empty. */
export interface OpenedArtifact {
  readonly sent: SentArtifact | null
  /** SHA-256 of the decoded payload: what names the artifact everywhere. */
  readonly digest: string | null
  readonly statement: Statement | null
  /** Who signed it for its issuer, whenever their keys count. */
  readonly signed: Signed
  /** Made by the daemon itself. */
  readonly minted: boolean
  /** What was trusted when it was opened. */
  readonly roots: Roots
  readonly faults: Readonly<Record<Opening, readonly Reason[]>>
}

/** What was sent is looked at several times on its way; nobody writes to it. */
const known = new WeakMap<Uint8Array, SentArtifact>()

/** An artifact as it came, with its digest. The bytes must not be changed afterwards. */
export function sentArtifact(bytes: Uint8Array): SentArtifact {
  const before = known.get(bytes)
  if (before !== undefined) return before
  const kept = bytes.length > MAX_ARTIFACT_BYTES ? null : bytes
  const sent = { digest: sha256Hex(bytes), size: bytes.length, bytes: kept }
  known.set(bytes, sent)
  return sent
}

export type Roots = Pick<DecisionInput, 'trustRoots' | 'minting' | 'host'>

/**
 * Opens an artifact: envelope → signatures → statement → schema. The order is the order of the reasons; all of them run,
 * as far as the one before leaves something to look at.
 *
 * @param sent controlled by the caller; null if no artifact was sent
 */
export function openArtifact(sent: SentArtifact | null, roots: Roots): OpenedArtifact {
  const nothing = { sent, digest: null, statement: null, signed: NOT_SIGNED, minted: false, roots }
  const none = { envelope: [], signatures: [], statement: [], issuer: [] }
  if (sent === null) {
    const missing = [reason('ARTIFACT_MISSING', 'the request has no artifact')]
    return { ...nothing, faults: { ...none, envelope: missing } }
  }

  const envelope = readEnvelope(sent)
  if ('code' in envelope) return { ...nothing, faults: { ...none, envelope: [envelope] } }

  const signers = findSigners(envelope, roots)
  const statement = readStatement(envelope)
  const digest = sha256Hex(envelope.payload)
  const signatures = signers.reasons
  if ('code' in statement)
    return { ...nothing, digest, faults: { ...none, signatures, statement: [statement] } }

  const { issuer } = statement.predicate
  const authority = authorityOf(issuer, roots)
  const signed = { rule: authority, by: signersOf(authority, signers.keys) }
  const unknown = signatures.length > 0 ? [] : nobodyOf(issuer, signed)
  return {
    sent,
    digest,
    statement,
    signed,
    minted: issuer.startsWith('host:'),
    roots,
    faults: { ...none, signatures, issuer: unknown },
  }
}

/**
 * Who of an authority's keys signed these bytes, with what the authority asks: for whoever checks an artifact beside a decision.
 *
 * @param authority from trust roots that were verified
 */
export function signedBy(envelope: Envelope, authority: Authority): Signed {
  const keys = authority.keys.map(({ key }) => key)
  return { rule: authority, by: signersOf(authority, checkSignatures(envelope, keys, 1).signers) }
}

/** Only in words of this project: those of a runtime differ between its releases, and a record must not. */
function malformed(cause: unknown, at?: string): Reason {
  const what =
    typeof cause === 'string' ? cause : cause instanceof WritError ? cause.message : 'it cannot be read'
  return reason('ARTIFACT_MALFORMED', what, at)
}

function readEnvelope(sent: SentArtifact): Envelope | Reason {
  if (sent.bytes === null) {
    return malformed(`an artifact of ${sent.size} bytes, at most ${MAX_ARTIFACT_BYTES} are read`)
  }
  let envelope: Envelope
  try {
    envelope = parseEnvelope(sent.bytes)
  } catch (cause) {
    return malformed(cause, (cause as { at?: string }).at)
  }
  if (envelope.payloadType === ARTIFACT_PAYLOAD_TYPE) return envelope
  return malformed(`the payload type is not ${ARTIFACT_PAYLOAD_TYPE}`, 'payloadType')
}

function readStatement(envelope: Envelope): Statement | Reason {
  try {
    return parseStatement(envelope.payload)
  } catch (cause) {
    return malformed(cause, (cause as { at?: string }).at)
  }
}

/** The session key that was read last: a daemon has one, and reading it costs as much as a signature. */
let newest: { readonly spki: string; readonly key: PublicKey } | undefined

function sessionKey({ minting }: Roots): PublicKey | null {
  if (!minting.enabled) return null
  const spki = minting.sessionKeySpki
  if (newest?.spki !== spki) newest = { spki, key: readPublicKey(base64ToBytes(spki, 'session key')) }
  return newest.key
}

/** Which of all the trusted keys signed these bytes. A `keyid` only helps to say what is wrong, never what is right. */
function findSigners(envelope: Envelope, roots: Roots): { keys: readonly PublicKey[]; reasons: Reason[] } {
  const session = sessionKey(roots)
  const trusted = [...(roots.trustRoots?.keys ?? []), ...(session === null ? [] : [session])]
  const keys = trusted.length === 0 ? [] : checkSignatures(envelope, trusted, 1).signers
  if (keys.length > 0) return { keys, reasons: [] }
  if (envelope.signatures.length === 0) {
    return { keys, reasons: [reason('SIGNATURE_INVALID', 'nobody signed the artifact', 'signatures')] }
  }
  const claimed = envelope.signatures.find(({ keyid }) => trusted.some(key => key.id === keyid))
  const found =
    claimed === undefined
      ? reason('SIGNER_UNTRUSTED', 'no key that is trusted here signed the artifact', 'signatures')
      : reason('SIGNATURE_INVALID', `the signature said to be by ${claimed.keyid} is not`, 'signatures')
  return { keys, reasons: [found] }
}

/** The keys that may sign for an issuer: those of the authority of that name, or this host's session key for this host. */
function authorityOf(issuer: string, roots: Roots): Authority | null {
  if (issuer !== `host:${roots.host.id}`) return roots.trustRoots?.authorities.get(issuer) ?? null
  const key = sessionKey(roots)
  if (key === null) return null
  const own = { key, holder: issuer, role: 'approver', notBefore: 'any', notAfter: 'any' } as const
  return { name: issuer, authority: issuer, threshold: 1, requester: 'none', keys: [own] }
}

function signersOf(authority: Authority | null, keys: readonly PublicKey[]): ArtifactSigner[] {
  const signed = new Set(keys.map(key => key.id))
  return (authority?.keys ?? [])
    .filter(({ key }) => signed.has(key.id))
    .map(({ key, ...terms }) => ({ keyId: key.id, ...terms }))
}

/** Whether anybody at all signed for the issuer. Whether they are enough depends on the moment: {@link signersMissing}. */
function nobodyOf(issuer: string, { rule, by }: Signed): Reason[] {
  const at = 'predicate.issuer'
  if (rule === null) return [reason('SIGNER_UNTRUSTED', `${issuer} may not sign artifacts here`, at)]
  if (by.length === 0) return [reason('SIGNER_UNTRUSTED', `no key of ${issuer} signed the artifact`, at)]
  return []
}
