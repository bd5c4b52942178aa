import { sha256Hex } from '../encoding/digest.ts'
import { WritError } from '../encoding/error.ts'
import { base64ToBytes } from '../encoding/text.ts'
import { checkSignatures, type Envelope, parseEnvelope } from '../signing/dsse.ts'
import { type PublicKey, readPublicKey } from '../signing/key.ts'
import type { DecisionInput } from './input.ts'
import { type Reason, reason } from './reason.ts'
import { ARTIFACT_PAYLOAD_TYPE, parseStatement, type Statement } from './statement.ts'

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
  /** Ids of the issuer's keys that signed. */
  readonly keyIds: readonly string[]
  /** How many of them are needed. */
  readonly threshold: number
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
  const nothing = { sent, digest: null, statement: null, keyIds: [], threshold: 1, minted: false, roots }
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
  const keyIds = signers.keys.filter(key => authority?.ids.has(key.id)).map(key => key.id)
  const threshold = authority?.threshold ?? 1
  const counted = signatures.length > 0 ? [] : countSigners(issuer, keyIds, authority)
  return {
    sent,
    digest,
    statement,
    keyIds,
    threshold,
    minted: issuer.startsWith('host:'),
    roots,
    faults: { ...none, signatures, issuer: counted },
  }
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

interface Signers {
  readonly ids: ReadonlySet<string>
  readonly threshold: number
}

/** The keys that may sign for an issuer: those of the authority of that name, or this host's session key for this host. */
function authorityOf(issuer: string, roots: Roots): Signers | null {
  if (issuer === `host:${roots.host.id}`) {
    const session = sessionKey(roots)
    return session === null ? null : { ids: new Set([session.id]), threshold: 1 }
  }
  const authority = roots.trustRoots?.authorities.get(issuer)
  if (authority === undefined) return null
  return { ids: new Set(authority.keys.map(key => key.id)), threshold: authority.threshold }
}

function countSigners(issuer: string, keyIds: readonly string[], authority: Signers | null): Reason[] {
  const at = 'predicate.issuer'
  if (authority === null) return [reason('SIGNER_UNTRUSTED', `${issuer} may not sign artifacts here`, at)]
  if (keyIds.length === 0) return [reason('SIGNER_UNTRUSTED', `no key of ${issuer} signed the artifact`, at)]
  if (keyIds.length >= authority.threshold) return []
  const needed = `${keyIds.length} keys of ${issuer} signed, ${authority.threshold} are needed`
  return [reason('THRESHOLD_NOT_MET', needed, 'signatures')]
}
