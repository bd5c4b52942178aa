import { stat } from 'node:fs/promises'
import { parse, TomlError } from 'smol-toml'
import {
  compileBundle,
  lapseOf,
  type PolicyBundleFields,
  type PolicyCase,
  parsePolicyBundle,
  parsePolicyCases,
} from '../authorization/index.ts'
import { parseJson } from '../encoding/json.ts'
import { utf8ToString } from '../encoding/text.ts'
import { parseEnvelope } from '../signing/dsse.ts'
import { CliError } from './error.ts'
import { readAs } from './files.ts'
import { parsePolicyDirectory } from './policy-directory.ts'

/** What a bundle said to one case. */
export interface CaseAnswer {
  readonly name: string
  readonly expected: PolicyCase['expect']
  readonly found: PolicyCase['expect']
  /** Those that decided, or that failed to evaluate, sorted. */
  readonly policies: readonly string[]
  /** Why it is not what was expected; null when it is. */
  readonly wrong: string | null
  /** Why the bundle said nothing; null when it did. */
  readonly error: string | null
}

/** Policies to try: a directory as `writ policy sign` takes it, or a signed bundle, whose signature is not looked at. @throws CliError */
export async function readPolicies(path: string): Promise<PolicyBundleFields> {
  const directory = await stat(path).then(
    found => found.isDirectory(),
    () => false,
  )
  if (directory) return parsePolicyDirectory(path, { version: 1, notBefore: 'any', notAfter: 'any' })
  return readAs(path, 'a policy bundle', bytes => parsePolicyBundle(parseEnvelope(bytes).payload))
}

/** Reads a file of cases: JSON when it is named so, else TOML. @throws CliError */
export function readCases(path: string): Promise<PolicyCase[]> {
  const what = 'a file of cases (docs/policy.md has an example)'
  return readAs(path, what, bytes =>
    parsePolicyCases(path.endsWith('.json') ? parseJson(bytes, { maxDepth: 12 }) : parseToml(path, bytes)),
  )
}

function parseToml(path: string, bytes: Buffer): unknown {
  try {
    return withTimes(parse(utf8ToString(bytes)))
  } catch (cause) {
    if (!(cause instanceof TomlError)) throw cause
    const [why = ''] = cause.message.split('\n')
    throw new CliError('FILE_MALFORMED', `cannot use ${path} as a file of cases: ${why}`, { at: path, cause })
  }
}

/** Times of TOML in the one form of documents. */
function withTimes(value: unknown): unknown {
  if (value instanceof Date) return new Date(value.getTime()).toISOString()
  if (Array.isArray(value)) return value.map(withTimes)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, withTimes(item)]))
}

/** The time of a case: its own, or the present. */
export const nowOf = ({ now }: PolicyCase): string => now ?? new Date().toISOString()

/** Something that answers cases under a bundle. @throws AuthorizationError `POLICY_INVALID` */
export function answerer(bundle: PolicyBundleFields): (asked: PolicyCase) => CaseAnswer {
  const { evaluate } = compileBundle(bundle)
  return asked => {
    const now = nowOf(asked)
    const lapse = lapseOf(bundle, now)
    if (lapse !== null) return judged(asked, 'error', [], lapse)
    const answer = evaluate({ ...asked.question, now })
    if (answer.outcome === 'failed') return judged(asked, 'error', answer.failed, answer.message)
    return judged(asked, answer.outcome === 'allow' ? 'permit' : 'deny', answer.determining, null)
  }
}

function judged(
  { name, expect, policies: wanted }: PolicyCase,
  found: CaseAnswer['found'],
  policies: readonly string[],
  error: string | null,
): CaseAnswer {
  const by = (ids: readonly string[]) => ids.join(', ') || 'no policy'
  const others = wanted !== null && by(wanted.toSorted()) !== by(policies)
  const wrong =
    found !== expect
      ? `${found} by ${by(policies)}, not ${expect}`
      : others
        ? `${found} by ${by(policies)}, not by ${by(wanted)}`
        : null
  return { name, expected: expect, found, policies, wrong, error }
}
