import * as v from 'valibot'
import { WritError } from '../../encoding/error.ts'
import { canonicalJsonBytes, parseJson } from '../../encoding/json.ts'
import { ReportError } from './error.ts'

/** Most executions that a report lists. */
export const MAX_LISTED_EXECUTIONS = 10_000

const digest = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/, 'not a SHA-256 digest in lower-case hexadecimal'))
const executionSchema = v.strictObject({
  id: v.pipe(v.string(), v.regex(/^[0-9a-f]{32}$/, 'not an execution id')),
  state: v.picklist(['PREPARING', 'RUNNING', 'FROZEN', 'ENDING']),
  /** SHA-256 of the artifact's payload that it runs under. */
  artifact: digest,
  /** SHA-256 of the program. */
  subject: digest,
  /** Since when it is permitted or, once it runs, since when it runs. */
  since: v.pipe(v.string(), v.isoTimestamp()),
})
const schema = v.strictObject({
  version: v.literal(1),
  /** Executions of the host that had not ended, listed or not: a caller is told of those that it may see. */
  running: v.pipe(v.number(), v.integer(), v.minValue(0)),
  executions: v.pipe(v.array(executionSchema), v.maxLength(MAX_LISTED_EXECUTIONS)),
})

/** One execution that had not ended. */
export type ReportedExecution = v.InferOutput<typeof executionSchema>
export interface ReportedExecutions {
  readonly running: number
  readonly executions: readonly ReportedExecution[]
}

/** The bytes of the list, which the quote is bound to: canonical JSON, by id. */
export function encodeExecutions({ running, executions }: ReportedExecutions): Buffer {
  const sorted = executions.toSorted((a, b) => (a.id < b.id ? -1 : 1))
  return canonicalJsonBytes({ version: 1, running, executions: sorted })
}

/**
 * Reads the list. It is the daemon's word: bound to the quote, it is as good as the daemon that the reference values know.
 *
 * @param bytes controlled by the host
 * @throws ReportError
 */
export function parseExecutions(bytes: Uint8Array): ReportedExecutions {
  const fail = (what: string, cause?: unknown) =>
    new ReportError('REPORT_MALFORMED', `report: item "executions.json" ${what}`, {
      at: 'executions.json',
      cause,
    })
  let json: unknown
  try {
    json = parseJson(bytes, { maxBytes: 4 << 20, maxDepth: 3 })
  } catch (cause) {
    if (!(cause instanceof WritError)) throw cause
    throw fail(cause.message, cause)
  }
  const parsed = v.safeParse(schema, json)
  if (!parsed.success) {
    const [issue] = parsed.issues
    throw fail(`has a bad ${v.getDotPath(issue) ?? 'form'}: ${issue.message}`)
  }
  const { running, executions } = parsed.output
  const ids = new Set(executions.map(({ id }) => id))
  if (ids.size !== executions.length) throw fail('lists an execution twice')
  if (executions.length > running) throw fail('lists more executions than are running')
  return { running, executions }
}
