import type { EnrolledAk } from '../../attestation/index.ts'
import { type CheckpointText, parseCheckpointText } from '../c2sp/checkpoint-text.ts'
import { type Note, type NoteVerifier, parseNote, verifyNote } from '../c2sp/note.ts'
import { judgeByPolicy, type PolicyJudgement } from '../c2sp/policy-judgement.ts'
import type { WitnessPolicy } from '../c2sp/witness-policy.ts'
import { type Checkpoint, parseCheckpoint, verifyTpmSignature } from '../checkpoint.ts'
import { failed, failedBy, notChecked, type PropertyResult, verified } from './result.ts'
import { TPM } from './signatures.ts'

export const CHECKPOINT_FORM = 'checkpoint form'
export const CHECKPOINT_ORIGIN = 'origin'
export const CHECKPOINT_KEY = 'signature by the log’s key'
export const POLICY_LOG = 'log of the witness policy'
export const POLICY_QUORUM = 'quorum of the witness policy'

/** What the person who verifies brings to judge a checkpoint by itself. Nothing of it comes from who sent it. */
export interface HeadTrust {
  /** The host's attestation key as the operator enrolled it. */
  readonly ak?: EnrolledAk
  /** Keys of the log in their text form, read; one of them has to have signed. */
  readonly logKeys?: readonly NoteVerifier[]
  /** The name that the log has to have. */
  readonly origin?: string
  readonly policy?: WitnessPolicy
}

/** What was found of one checkpoint. `head` is there when it could be read, verified or not. */
export interface HeadVerification {
  readonly results: readonly PropertyResult[]
  readonly head: CheckpointText | undefined
}

/**
 * Judges a checkpoint, of this project's form or any other log's (C2SP tlog-checkpoint), by every key and rule that is brought. It holds only if
 * something that was brought vouches for it: without a key and without a policy that lists its log nothing does, and the TPM's signature reads
 * NOT CHECKED.
 *
 * @param bytes the note, controlled by whoever sent it
 */
export function verifyHead(bytes: Buffer, trust: HeadTrust): HeadVerification {
  let note: Note
  let head: CheckpointText
  try {
    note = parseNote(bytes)
    head = parseCheckpointText(note.text)
  } catch (error) {
    return { results: [failedBy(CHECKPOINT_FORM, error, 'checkpoint')], head: undefined }
  }
  const results = [
    verified(CHECKPOINT_FORM, `${head.origin}, ${head.size} entries, root ${head.root.toString('hex')}`),
    ...checkName(head, trust.origin),
    ...checkTpm(bytes, trust),
    ...checkLogKeys(note, head, trust.logKeys ?? []),
    ...(trust.policy === undefined ? [] : policyResults(judgeByPolicy(bytes, trust.policy))),
  ]
  return { results, head }
}

function checkName({ origin }: CheckpointText, expected: string | undefined): PropertyResult[] {
  if (expected === undefined) return []
  return [
    origin === expected
      ? verified(CHECKPOINT_ORIGIN, origin)
      : failed(CHECKPOINT_ORIGIN, `this is the log ${origin}, not ${expected}`, 'checkpoint'),
  ]
}

/** The tpm2-quote line, where the form has one; a log of another make that has to have one does not hold. */
function checkTpm(bytes: Buffer, { ak, logKeys = [], policy }: HeadTrust): PropertyResult[] {
  let checkpoint: Checkpoint
  try {
    checkpoint = parseCheckpoint(bytes)
  } catch (error) {
    if (ak !== undefined) return [failedBy(TPM, error, 'checkpoint')]
    const known = logKeys.length > 0 || (policy?.logs.length ?? 0) > 0
    return known ? [] : [notChecked(TPM, 'it has none, and no key of the log was given')]
  }
  if (ak === undefined) return [notChecked(TPM, 'no attestation key was given')]
  try {
    const { clock } = verifyTpmSignature(checkpoint, ak)
    return [
      verified(
        TPM,
        `reset count ${clock.resetCount}, restart count ${clock.restartCount}, clock ${clock.clock} ms`,
      ),
    ]
  } catch (error) {
    return [failedBy(TPM, error, 'checkpoint')]
  }
}

/** A line under the origin's name by one of these keys: what another log's key signed proves nothing about this one. */
export function checkLogKeys(
  note: Note,
  { origin }: CheckpointText,
  keys: readonly NoteVerifier[],
): PropertyResult[] {
  if (keys.length === 0) return []
  const own = keys.filter(({ name }) => name === origin)
  if (own.length === 0) {
    return [
      failed(
        CHECKPOINT_KEY,
        `the keys that were given are of ${keys[0]?.name}, not of ${origin}`,
        'checkpoint',
      ),
    ]
  }
  try {
    verifyNote(note, own)
    return [verified(CHECKPOINT_KEY, `by a key of ${origin} that was given`)]
  } catch (error) {
    return [failedBy(CHECKPOINT_KEY, error, 'checkpoint')]
  }
}

/** What a policy says, as properties. */
export function policyResults(found: PolicyJudgement): PropertyResult[] {
  const { origin, log, quorum, quorumAsked, witnesses } = found
  const good = witnesses.filter(({ cosigned }) => cosigned === 'yes')
  const seen =
    good.length === 0
      ? `none of ${witnesses.length} witnesses cosigned it`
      : `cosigned by ${good.map(({ name, time }) => `${name} (${instant(time)})`).join(', ')}, ${good.length} of ${witnesses.length} witnesses`
  const bad = witnesses.filter(({ cosigned }) => cosigned === 'bad').map(({ name }) => name)
  const beside = bad.length === 0 ? '' : `; what is there by ${bad.join(', ')} does not hold`
  return [
    log === 'yes'
      ? verified(POLICY_LOG, origin)
      : log === 'not listed'
        ? notChecked(POLICY_LOG, 'the policy lists no log')
        : failed(POLICY_LOG, `no log of the policy signed a checkpoint of ${origin}`, 'checkpoint'),
    !quorumAsked
      ? verified(POLICY_QUORUM, 'the policy asks for none')
      : quorum === 'yes'
        ? verified(POLICY_QUORUM, seen + beside)
        : failed(POLICY_QUORUM, seen + beside, 'checkpoint'),
  ]
}

/** RFC 3339, as far as dates go. */
function instant(seconds: bigint | undefined): string {
  const date = new Date(Number(seconds ?? 0n) * 1000)
  return Number.isNaN(date.getTime()) ? `${seconds} s` : date.toISOString().replace('.000Z', 'Z')
}
