import { parseCheckpointText } from './checkpoint-text.ts'
import { isBy } from './cosignature.ts'
import { type Note, type NoteSignature, type NoteVerifier, parseNote } from './note.ts'
import type { PolicyGroup, PolicyLog, PolicyWitness, WitnessPolicy } from './witness-policy.ts'

/** What one witness of a policy has to do with a checkpoint. */
export interface WitnessFinding {
  /** As the policy names it, for a person: its octets read as UTF-8. */
  readonly name: string
  /** As its lines name it. */
  readonly keyName: string
  /** `bad`: it has lines here, none of which holds. */
  readonly cosigned: 'yes' | 'no' | 'bad'
  /** Seconds since 1970 that its newest good line states; undefined without one. */
  readonly time: bigint | undefined
}

/** What a policy says of a checkpoint. It is good enough only if both `log` and `quorum` are `yes`. */
export interface PolicyJudgement {
  readonly origin: string
  readonly size: number
  readonly root: Buffer
  /** Whether a log of the policy signed it; `not listed`: the policy lists none, so that it has to be known from elsewhere whose checkpoint it is. */
  readonly log: 'yes' | 'no' | 'not listed'
  readonly quorum: 'yes' | 'no'
  /** Whether cosignatures are asked for at all. */
  readonly quorumAsked: boolean
  /** Every witness of the policy in its order. */
  readonly witnesses: readonly WitnessFinding[]
}

/**
 * Judges a checkpoint by a policy (C2SP tlog-policy): it has to be signed by any one of the logs listed, under the origin that this log's key is
 * named after, and to be cosigned as the quorum says. Lines of unknown keys are ignored. A witness counts if one of its lines holds, so that nobody
 * takes a cosignature away by adding a bad one; it counts once, however many lines it has. When it cosigned is said, not judged.
 *
 * @param checkpoint the note of any log, its bytes or taken apart, controlled by whoever sent them
 * @throws LineageError `NOTE_MALFORMED`, `CHECKPOINT_MALFORMED`
 */
export function judgeByPolicy(checkpoint: Buffer | Note, policy: WitnessPolicy): PolicyJudgement {
  const note = Buffer.isBuffer(checkpoint) ? parseNote(checkpoint) : checkpoint
  const { origin, size, root } = parseCheckpointText(note.text)
  const findings = new Map(policy.witnesses.map(witness => [witness, findWitness(note, witness)]))
  return {
    origin,
    size,
    root,
    log: judgeLogs(note, origin, policy.logs),
    quorum: policy.quorum === null || hasWitnessed(policy.quorum, findings) ? 'yes' : 'no',
    quorumAsked: policy.quorum !== null,
    witnesses: [...findings.values()],
  }
}

function judgeLogs(note: Note, origin: string, logs: readonly PolicyLog[]): PolicyJudgement['log'] {
  if (logs.length === 0) return 'not listed'
  // The key's name has to be the origin ("Defining a log"): another log's key proves nothing about this one.
  const signed = logs.some(({ key }) => key.name === origin && goodLines(note, key).length > 0)
  return signed ? 'yes' : 'no'
}

function findWitness(note: Note, { name, key }: PolicyWitness): WitnessFinding {
  const good = goodLines(note, key)
  const times = good.map(({ signature }) => key.timestamp(signature))
  const claimed = note.signatures.some(line => isBy(key, line))
  return {
    name: Buffer.from(name, 'latin1').toString('utf8'),
    keyName: key.name,
    cosigned: good.length > 0 ? 'yes' : claimed ? 'bad' : 'no',
    time: times.reduce<bigint | undefined>(
      (newest, time) => (newest === undefined || time > newest ? time : newest),
      undefined,
    ),
  }
}

function goodLines({ text, signatures }: Note, key: NoteVerifier): NoteSignature[] {
  return signatures.filter(line => isBy(key, line) && key.verify(text, line.signature))
}

/** Members were defined on earlier lines, so this ends. */
function hasWitnessed(
  it: PolicyWitness | PolicyGroup,
  findings: ReadonlyMap<PolicyWitness, WitnessFinding>,
): boolean {
  if ('key' in it) return findings.get(it)?.cosigned === 'yes'
  return it.members.filter(member => hasWitnessed(member, findings)).length >= it.threshold
}
