import { type AttestationKey, tier } from '../../attestation/index.ts'
import { AuthorizationError, Reevaluator } from '../../authorization/index.ts'
import { sha256Hex } from '../../encoding/digest.ts'
import { base64ToBytes } from '../../encoding/text.ts'
import {
  type Checkpoint,
  inlineBlob,
  judgeByPolicy,
  leafHash,
  parseCheckpoint,
  parseEvent,
  policyResults,
  verifyConsistency,
  verifyInclusion,
  verifyLogSignature,
  verifyTpmSignature,
  type WitnessPolicy,
} from '../../lineage/index.ts'
import {
  type Numbered,
  type Receipt,
  readStory,
  type Story,
  statementBytes,
  statementOf,
} from '../../receipt/index.ts'
import { checkSignatures } from '../../signing/dsse.ts'
import { type PublicKey, readPublicKey } from '../../signing/key.ts'
import { tierLabel } from '../tier.ts'
import { checkQuote } from '../verify/appraisals.ts'
import { checkArtifact, checkInline, compareWithEntry } from '../verify/decisions.ts'
import type { ReadBlob } from '../verify/documents.ts'
import { checkIdentity, type IdentityTrust } from '../verify/identity.ts'
import type { KeptEvidence } from '../verify/kept-evidence.ts'
import type { PropertyResult } from '../verify/property.ts'
import { type Holds, type NotLookedAt, property, StepFailure } from '../verify/steps.ts'

/** What the person who verifies brings. Nothing of it is ever taken from the receipt. */
export interface ReceiptTrust extends IdentityTrust {
  /** Whether artifact and decision have to be checked, too, for all to be verified. */
  readonly whole: boolean
  /** Blobs from elsewhere, for what the receipt does not carry; they are hashed here. */
  readonly evidence: KeptEvidence | null
  /** Which witnesses have to have seen the checkpoint. */
  readonly policy: WitnessPolicy | null
}

export interface ReceiptVerification {
  readonly properties: readonly PropertyResult[]
  readonly tier: ReturnType<typeof tierLabel>
  /** Null: nothing vouches for it. */
  readonly hostId: string | null
  /** What the receipt says; null if it contradicts itself. */
  readonly story: Story | null
}

/**
 * Verifies a receipt offline, on a machine that has never seen the host. The trust goes from the TPM down: somebody vouches for the attestation key, that signs
 * the head of a tree, the entries are in it, and what the statement says is made anew from them. Each property stands on its own.
 *
 * @param receipt controlled by whoever made it
 */
export async function verifyReceipt(receipt: Receipt, trust: ReceiptTrust): Promise<ReceiptVerification> {
  const identity = await checkIdentity(hostPart(receipt), trust)
  const { ak } = identity
  const entries: Numbered[] = []
  let carrier: Story['permit'] | null = null
  const blob: ReadBlob = async digest =>
    (carrier && inlineBlob(carrier.event, digest)) ??
    receipt.blobs.get(digest) ??
    (await elsewhere(digest, trust))
  let checkpoint: Checkpoint | null = null
  let story: Story | null = null

  const form = await property('checkpoint form', () => {
    checkpoint = parseCheckpoint(receipt.checkpoint)
    return { detail: `${checkpoint.origin}, ${checkpoint.size} entries` }
  })
  const head = () => checkpoint ?? fail('there is no checkpoint to check by')
  const tpm = await property('TPM signature of the checkpoint', () => checkTpm(head(), ak))
  const inclusion = await property('inclusion of each entry', () => checkInclusion(receipt, head()))
  const read = await property('entries of one execution', async () => {
    for (const { index, bytes } of receipt.entries) entries.push({ index, event: parseEvent(bytes) })
    carrier = entries.find((entry): entry is Story['permit'] => entry.event.type === 'decision') ?? null
    story = await readStory(entries, blob)
    compareWithEntry(story.permit.event, story.record)
    checkInline(story.permit.event, story.record)
    return { detail: `${entries.length} entries, from its permit to its end, of ${story.executionId}` }
  })
  const told = () => story ?? fail('the entries tell no story')
  const treeHolds = tpm.status === 'VERIFIED' && inclusion.status === 'VERIFIED'
  const key = () => logKeyOf(told())

  const properties = [
    ...identity.results.map(({ file: _, ...result }) => result),
    form,
    tpm,
    ...witnessed(receipt, trust.policy, form.status === 'VERIFIED'),
    inclusion,
    read,
    await property('Ed25519 signature of the checkpoint', () => {
      verifyLogSignature(head(), key())
      if (!treeHolds) return { notChecked: `it is by ${key().id}, a key that the receipt brings along` }
      return { detail: `by ${key().id}, which the tree that the TPM signed names` }
    }),
    await property('host of the entries', () => checkHost(told(), ak)),
    await property('statement made anew from the entries', () => checkStatement(receipt, told())),
    await property(
      'signature of the statement',
      () => checkStatementSignature(receipt, key(), treeHolds),
      receipt.statement.signatures.length > 0,
    ),
    await property('quote of the appraisal', async () => {
      if (ak === null) return NOBODY
      await checkQuote(told().appraisal.event, ak, blob)
      return { detail: `entry ${told().appraisal.index}, over PCR 0 to 15 and the history before it` }
    }),
    await property('history before the appraisal', () => checkHistory(receipt, told(), head())),
    await property('artifact signatures', () => checkArtifactOf(told(), trust.operators, blob), trust.whole),
    await property('decision evaluated again', () => reevaluate(told(), trust.operators, blob), trust.whole),
  ]
  const run = (story as Story | null)?.run.event
  return {
    properties,
    // That the daemon itself said it was simulated is believed.
    tier: tierLabel(run?.tier === 'simulated' ? 'simulated' : tier(identity.ek)),
    hostId: ak?.name.toString('hex') ?? null,
    story,
  }
}

const NOBODY: NotLookedAt = { notChecked: 'nothing vouches for the attestation key' }

function fail(what: string): never {
  throw new StepFailure(what)
}

function hostPart({ host }: Receipt): Parameters<typeof checkIdentity>[0] {
  const { akPublicArea, akCertificate, ekCertificate, ekIntermediates } = host
  const identity = { akPublicArea, ekCertificate, ekIntermediates }
  return { identity, identityFault: null, akCertificate, stray: null }
}

/** @throws StepFailure when nobody has it; the caller says what cannot be checked without */
async function elsewhere(digest: string, { evidence }: ReceiptTrust): Promise<Buffer> {
  const bytes = (await evidence?.(digest)) ?? null
  if (bytes === null) throw new StepFailure(`the receipt does not carry ${digest}`)
  if (sha256Hex(bytes) !== digest) throw new StepFailure(`what was kept as ${digest} is something else`)
  return bytes
}

/** What a policy asks of logs and witnesses (C2SP tlog-policy). */
function witnessed(
  { checkpoint }: Receipt,
  policy: WitnessPolicy | null,
  isCheckpoint: boolean,
): PropertyResult[] {
  if (policy === null || !isCheckpoint) return []
  return policyResults(judgeByPolicy(checkpoint, policy)).map(({ property, status, detail }) => ({
    ...{ property, status, detail },
    // A policy without logs is for those who know the log from elsewhere, as here by its host.
    asked: status !== 'NOT CHECKED',
  }))
}

function checkTpm(checkpoint: Checkpoint, ak: AttestationKey | null): Holds | NotLookedAt {
  if (ak === null) return NOBODY
  const { resetCount, restartCount, clock } = verifyTpmSignature(checkpoint, ak).clock
  return { detail: `reset count ${resetCount}, restart count ${restartCount}, clock ${clock} ms` }
}

/** Each entry is in the one tree that the checkpoint is of. */
function checkInclusion({ entries }: Receipt, { size, root }: Checkpoint): Holds {
  if (entries.length === 0) throw new StepFailure('there is no entry')
  for (const { index, bytes, proof } of entries) {
    if (
      !verifyInclusion({ leafHash: leafHash(bytes), index: BigInt(index), size: BigInt(size), proof, root })
    )
      throw new StepFailure(`entry ${index} is not in the tree of ${size} entries`)
  }
  return { detail: `${entries.length} entries in the tree of ${size}` }
}

function logKeyOf({ run }: Story): PublicKey {
  return readPublicKey(base64ToBytes(run.event.logKeySpki, 'logKeySpki'))
}

function checkHost({ run }: Story, ak: AttestationKey | null): Holds | NotLookedAt {
  const { hostId } = run.event
  if (ak === null) return { notChecked: `the entries say ${hostId}; nothing vouches for the attestation key` }
  if (hostId !== ak.name.toString('hex'))
    throw new StepFailure(`the entries are of ${hostId}, the key is of another host`)
  return { detail: `it was permitted on ${hostId}` }
}

/** Byte by byte what the entries and the record make. */
function checkStatement({ statement }: Receipt, story: Story): Holds {
  if (!statementBytes(statementOf(story)).equals(statement.payload))
    throw new StepFailure('the statement says something else than the entries')
  return { detail: `${statementOf(story).subject.length} subjects, every byte` }
}

/** What the entries cannot say is the signer's word: that there are no others between START and END. */
function checkStatementSignature(
  { statement }: Receipt,
  key: PublicKey,
  treeHolds: boolean,
): Holds | NotLookedAt {
  if (statement.signatures.length === 0)
    return { notChecked: 'nobody signed it: it was made from files alone' }
  if (statement.signatures.some(({ keyid }) => keyid !== key.id) || !checkSignatures(statement, [key], 1).met)
    throw new StepFailure("it is not by the log's key")
  return treeHolds
    ? { detail: `by ${key.id}` }
    : { notChecked: `it is by ${key.id}, a key that the receipt brings along` }
}

/** The quote is bound to a tree that this log grew from. */
function checkHistory({ history }: Receipt, { appraisal }: Story, { size, root }: Checkpoint): Holds {
  const { treeSize, lineageRoot } = appraisal.event.binding
  const grown = verifyConsistency({
    size1: BigInt(treeSize),
    size2: BigInt(size),
    proof: history,
    root1: Buffer.from(lineageRoot, 'hex'),
    root2: root,
  })
  if (!grown)
    throw new StepFailure(`the log does not go on from the ${treeSize} entries that the quote is bound to`)
  return { detail: `the log goes on from the ${treeSize} entries that the quote is bound to` }
}

async function checkArtifactOf(
  story: Story,
  operators: readonly PublicKey[],
  blob: ReadBlob,
): Promise<Holds | NotLookedAt> {
  const { inputs, permit, appraisal } = story
  if (operators.length === 0) return { notChecked: "no operator's key was given" }
  if (inputs.artifact === null) return { notChecked: 'it was permitted without an artifact' }
  const missing = await lacking([inputs.artifact.digest, inputs.trustRoots], blob)
  if (missing !== null) return missing
  const digest = await checkArtifact(permit.event, inputs, { operators, blob, appraisal: appraisal.event })
  return { detail: `${digest}, by ${permit.event.use?.issuer ?? 'its issuer'}` }
}

/** Decides again on what the record names. */
async function reevaluate(
  story: Story,
  operators: readonly PublicKey[],
  blob: ReadBlob,
): Promise<Holds | NotLookedAt> {
  if (operators.length === 0) return { notChecked: "no operator's key was given" }
  const reevaluator = new Reevaluator(blob, { governance: operators })
  try {
    const { same } = await reevaluator.reevaluate(await blob(story.permit.event.record))
    if (!same) throw new StepFailure('evaluated again, the decision is another one')
  } catch (error) {
    if (!(error instanceof AuthorizationError) || error.code !== 'BLOB_MISSING') throw error
    return { notChecked: `the receipt does not carry ${error.at}` }
  }
  return { detail: 'a permit again, the same bytes' }
}

/** The first of these that nobody has. */
async function lacking(digests: readonly (string | null)[], blob: ReadBlob): Promise<NotLookedAt | null> {
  for (const digest of digests) {
    if (digest === null) continue
    try {
      await blob(digest)
    } catch {
      return { notChecked: `the receipt does not carry ${digest}` }
    }
  }
  return null
}
