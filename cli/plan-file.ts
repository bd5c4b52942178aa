import * as v from 'valibot'
import type { Authorization, SubjectDigest } from '../authorization/index.ts'
import { parseJson } from '../encoding/json.ts'
import { CliError } from './error.ts'
import { readDocument, writeDocument } from './files.ts'

/** What `writ plan` found would run, for somebody to sign: the subjects and the scope of an artifact, and nothing of who may run it where. */
export interface PlannedWorkload {
  readonly subjects: readonly SubjectDigest[]
  readonly scope: Authorization['scope']
}

const MAX_PLAN_BYTES = 256 * 1024
const isObject = (value: unknown): boolean =>
  value !== null && typeof value === 'object' && !Array.isArray(value)

const planSchema = v.strictObject({
  writPlan: v.literal(1),
  subjects: v.array(
    v.strictObject({ name: v.string(), sha256: v.string(), kind: v.exactOptional(v.literal('tree')) }),
  ),
  /** Every field of it is checked when the statement is made. */
  scope: v.custom<Authorization['scope']>(isObject, 'has to be an object'),
})

/** @throws CliError when the file exists */
export function writePlan(path: string, { subjects, scope }: PlannedWorkload): Promise<void> {
  return writeDocument(path, Buffer.from(`${JSON.stringify({ writPlan: 1, subjects, scope }, null, 2)}\n`))
}

/**
 * Reads a plan. Nobody vouches for it: what is in it has to be shown to whoever signs.
 *
 * @throws CliError
 */
export async function readPlan(path: string): Promise<PlannedWorkload> {
  const bytes = await readDocument(path, 'a plan', MAX_PLAN_BYTES)
  const fail = (why: string, cause?: unknown) =>
    new CliError('FILE_MALFORMED', `cannot use ${path} as a plan: ${why}`, { at: path, cause })
  let value: unknown
  try {
    value = parseJson(bytes, { maxBytes: MAX_PLAN_BYTES, maxDepth: 8 })
  } catch (cause) {
    throw fail(cause instanceof Error ? cause.message : 'not JSON', cause)
  }
  const read = v.safeParse(planSchema, value, { abortEarly: true })
  if (read.success) return { subjects: read.output.subjects, scope: read.output.scope }
  const [issue] = read.issues
  throw fail(`${v.getDotPath(issue) ?? 'the plan'}: ${issue.message}`)
}
