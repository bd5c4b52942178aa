import { parseRecord, parseStatement } from '../../authorization/index.ts'
import { sha256Hex } from '../../encoding/digest.ts'
import { WritError } from '../../encoding/error.ts'
import type { JsonValue } from '../../encoding/json.ts'
import { inlineBlob, type LineageEvent } from '../../lineage/index.ts'
import { parseEnvelope } from '../../signing/dsse.ts'

export type Decided = Extract<LineageEvent, { type: 'decision' | 'renewal' }>

/** What the record and the artifact of a decision say that its entry does not. */
export interface RequestFacts {
  /** As it was asked for. */
  readonly program: string | null
  readonly argv: readonly string[]
  /** SHA-256 of what was found there, and of the files with it. */
  readonly digests: readonly string[]
  readonly issuer: string | null
  readonly id: string | null
  /** The whole record, and the artifact's statement; null if they are not at hand. */
  readonly record: JsonValue | null
  readonly statement: JsonValue | null
}

/** Of what is no decision, or cannot be had. */
export const NO_FACTS: RequestFacts = {
  ...{ program: null, argv: [], digests: [], issuer: null, id: null, record: null, statement: null },
}

/** Records and artifacts are small; a larger blob is evidence and not looked for an artifact in. */
const MAX_INPUT_BYTES = 1 << 20

/** Gives a blob that an entry names; null if it is not to be had. */
export type ReadBlob = (event: LineageEvent, digest: string) => Promise<Buffer | null>

/** What an entry carries itself, and nothing else: costs no question. */
export const carriedBlob: ReadBlob = async (event, digest) => inlineBlob(event, digest) ?? null

/**
 * Reads the record of a decision and its artifact. What cannot be had, or cannot be read, is null: whoever asked sent the artifact, and it may be
 * anything.
 */
export async function requestFacts(event: Decided, blob: ReadBlob): Promise<RequestFacts> {
  const bytes = await blob(event, event.record)
  if (bytes === null) return NO_FACTS
  try {
    const record = parseRecord(bytes)
    const { inputs, terms } = record
    const digests = [...(terms === null ? [] : [terms.program, ...terms.files]), ...(inputs?.observed ?? [])]
    const artifact = inputs?.artifact == null ? null : await blob(event, inputs.artifact.digest)
    return {
      program: inputs?.request.program ?? null,
      argv: inputs?.request.argv ?? [],
      digests: digests.flatMap(found =>
        'sha256' in found && typeof found.sha256 === 'string' ? [found.sha256] : [],
      ),
      record: record as unknown as JsonValue,
      ...statementOf(artifact, event.artifact),
      ...(event.type === 'decision' && event.use !== null
        ? { issuer: event.use.issuer, id: event.use.id }
        : {}),
    }
  } catch (error) {
    if (error instanceof WritError) return NO_FACTS
    throw error
  }
}

function statementOf(
  artifact: Buffer | null,
  digest: string | null,
): Pick<RequestFacts, 'issuer' | 'id' | 'statement'> {
  const none = { issuer: null, id: null, statement: null }
  if (artifact === null || artifact.length > MAX_INPUT_BYTES) return none
  try {
    const { payload } = parseEnvelope(artifact)
    if (sha256Hex(payload) !== digest) return none
    const statement = parseStatement(payload)
    const { issuer, id } = statement.predicate
    return { issuer, id, statement: statement as unknown as JsonValue }
  } catch (error) {
    if (error instanceof WritError) return none
    throw error
  }
}

/** The command line as it was asked for; null if it is not known. */
export function commandOf({ program, argv }: RequestFacts): string | null {
  return program === null ? null : [program, ...argv.slice(1)].join(' ')
}
