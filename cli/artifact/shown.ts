import type { Statement } from '../../authorization/index.ts'
import type { JsonValue } from '../../encoding/json.ts'
import { CliError } from '../error.ts'

/**
 * The fields that {@link artifactInWords} has words for. Whoever is shown an artifact signs all of it: a field that is not here is one that
 * nobody would have seen.
 */
const FIELDS: readonly RegExp[] = [
  /^(_type|predicateType)$/,
  /^subject\[\]\.(name|digest\.(sha256|writTreeV1))$/,
  /^predicate\.(id|issuer)$/,
  /^predicate\.audience\.(hosts|labels)(\[\])?$/,
  /^predicate\.validity\.(notBefore|notAfter|maxUses)$/,
  /^predicate\.initiator\.(uids|gids|units|cgroups|programs)(\[\])?$/,
  /^predicate\.scope\.(program|files\[\])\.(subject|path|role)$/,
  /^predicate\.scope\.argv(\[\](\.any)?)?$/,
  /^predicate\.scope\.env(\[\]\.(name|value(\.any)?))?$/,
  /^predicate\.scope\.(cwd|detach)$/,
  /^predicate\.scope\.user(\.(uid|gid|groups\[\]))?$/,
  /^predicate\.scope\.stdio(\.(stdin|stdout|stderr))?$/,
  /^predicate\.scope\.sandbox\.(network|seccomp|writable\[\])$/,
  /^predicate\.scope\.limits\.\w+$/,
  /^predicate\.scope\.devices\[\]$/,
  /^predicate\.scope\.children(\.(max|depth|atOnce|perMinute|programs(\[\])?))?$/,
  /^predicate\.environment\.(referenceValues|maxEvidenceAge|simulated|resetCount)$/,
  // The sealed bytes are of use to the TPM alone; what a person can judge is who gets which secret.
  /^predicate\.secrets\[\]\.(name|descriptor|payload)$/,
  /^predicate\.secrets\[\]\.recipients\[\]\.(host|publicArea|duplicate|encryptedSeed|authValue)$/,
  /^predicate\.policy\.digest$/,
  /^predicate\.parent\.execution$/,
  /^predicate\.onLapse(\.freeze\.grace)?$/,
]

/**
 * Characters that a terminal shows as nothing, as a blank that is none, or as something else: format characters, what has no meaning yet, and private ones. Those
 * that would move its cursor are shown as escapes.
 */
const UNSEEN =
  /[\p{Default_Ignorable_Code_Point}\p{Co}\p{Cn}\u2800]|(?! )\p{Zs}|(?![\u202a-\u202e\u2066-\u2069])\p{Cf}/u

/** Refuses to have signed what nobody has seen. @throws CliError `NOT_APPROVED` */
export function checkShown(statement: Statement, at: string): void {
  const lines = notShown(statement)
  if (lines.length === 0) return
  throw new CliError('NOT_APPROVED', 'it says something that this program cannot show', {
    at,
    lines,
    next: 'Nobody should sign what nobody has seen. A later release may know the field.',
  })
}

/** What an artifact says that its words would not show, as paths of fields; empty when a person sees all of it. */
export function notShown(statement: Statement): string[] {
  const out = new Set<string>()
  const walk = (value: JsonValue, path: string): void => {
    if (Array.isArray(value)) for (const item of value) walk(item, `${path}[]`)
    else if (value !== null && typeof value === 'object')
      for (const [key, item] of Object.entries(value)) walk(item, path === '' ? key : `${path}.${key}`)
    else if (!FIELDS.some(field => field.test(path))) out.add(path)
    else if (typeof value === 'string' && UNSEEN.test(value))
      out.add(`${path} (characters that cannot be seen)`)
  }
  walk(statement as unknown as JsonValue, '')
  return [...out]
}
