import { isDeepStrictEqual } from 'node:util'
import { type JsonObject, parseJson } from '../../encoding/json.ts'
import type { ReadBlob } from './documents.ts'
import { atEntry, type Holds, type LogEntry, StepFailure } from './steps.ts'

/** What decisions depend on of the configuration that was in force. */
export interface ConfigFacts {
  readonly minting: boolean
  readonly maxEvidenceAgeMs: number
  /** For how long evidence is kept at least; null if it does not say. */
  readonly evidenceMinAgeMs: number | null
}

/** Most bytes of a configuration as canonical JSON. */
const MAX_BYTES = 1 << 20

/**
 * Every configuration that the log says was in force is there, and each change names exactly the keys that have another value than before.
 * Whether they are good is not judged: they are what the operator wrote, shown.
 */
export async function checkConfigurations(entries: readonly LogEntry[], blob: ReadBlob): Promise<Holds> {
  let before: JsonObject | null = null
  let starts = 0
  let changes = 0
  for (const { index, event } of entries) {
    if (event.type !== 'daemon-start' && event.type !== 'config') continue
    await atEntry(index, async () => {
      const now = parse(await blob(event.type === 'config' ? event.digest : event.configDigest))
      factsOf(now)
      if (event.type === 'daemon-start') starts++
      else {
        if (before === null) throw new StepFailure('a change of a configuration before there is one')
        const changed = differences(before, now)
        if (!isDeepStrictEqual(changed, event.changed.toSorted()))
          throw new StepFailure(`it changes ${changed.join(', ') || 'nothing'}, and says otherwise`)
        changes++
      }
      before = now
    })
  }
  return { detail: `${starts} starts and ${changes} changes while running, each configuration as it was` }
}

/** Reads what decisions depend on. @throws StepFailure */
export async function readConfigFacts(digest: string, blob: ReadBlob): Promise<ConfigFacts> {
  return factsOf(parse(await blob(digest)))
}

function parse(bytes: Buffer): JsonObject {
  const value = parseJson(bytes, { maxBytes: MAX_BYTES, maxDepth: 4 })
  if (!isObject(value)) throw new StepFailure('the configuration is not an object')
  return value
}

function factsOf(config: JsonObject): ConfigFacts {
  const { minting, attestation, lineage } = config
  const enabled = isObject(minting) ? minting.enabled : undefined
  const age = isObject(attestation) ? attestation.maxEvidenceAgeSeconds : undefined
  if (typeof enabled !== 'boolean' || typeof age !== 'number')
    throw new StepFailure('the configuration does not say what decisions depend on')
  const days = isObject(lineage) ? lineage.evidenceMinDays : undefined
  const evidenceMinAgeMs = typeof days === 'number' ? days * 86_400_000 : null
  return { minting: enabled, maxEvidenceAgeMs: age * 1000, evidenceMinAgeMs }
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** `section.key` of every value that differs, as the file names it, sorted. */
function differences(before: JsonObject, now: JsonObject): string[] {
  const names = new Set<string>()
  for (const [one, other] of [
    [before, now],
    [now, before],
  ] as const) {
    for (const [section, values] of Object.entries(one)) {
      if (!isObject(values)) throw new StepFailure('a section of the configuration is not an object')
      const others = isObject(other[section]) ? other[section] : {}
      for (const [key, value] of Object.entries(values))
        if (!isDeepStrictEqual(value, others[key])) names.add(`${section}.${snakeCase(key)}`)
    }
  }
  return [...names].sort()
}

/** `maxEvidenceAgeSeconds` to `max_evidence_age_seconds`. */
function snakeCase(key: string): string {
  return key.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`)
}
