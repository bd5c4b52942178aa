import { readMeasuredBoot } from '../appraisal/described/measured-boot.ts'
import { type AttestedLogs, matchQuote, readLogs } from '../appraisal/logs.ts'
import type { AppraisalReason } from '../appraisal/reason.ts'
import { LogReplays } from '../appraisal/replays.ts'
import { isQuirkName, type QuirkName } from '../eventlog/index.ts'
import type { Evidence } from '../evidence.ts'
import { BOOT_AGGREGATE, IMA_PCR, type ImaReplay } from '../ima/index.ts'
import { type EnrolledAk, formatFirmwareVersion, type VerifiedQuote, verifyQuote } from '../quote/index.ts'
import { QUOTED_SELECTION } from '../tpm2/structures/index.ts'
import { captureStatements } from './capture-statements.ts'
import type { Component, ReferenceDocument } from './document.ts'
import { ReferenceValuesError } from './error.ts'
import type { PcrRule } from './pcr-rule.ts'

/** What reference values are captured from. */
export interface CaptureInput extends CaptureWords {
  readonly evidence: Evidence
  readonly expected: { readonly ak: EnrolledAk; readonly extraData: Uint8Array }
}

/** What is said of values beside the evidence that they are from. */
export interface CaptureWords {
  /** For people: which hosts the values are for. */
  readonly name: string
  /** 1 unless it is given. */
  readonly revision?: number
  /** RFC 3339 in UTC. */
  readonly created: string
  /**
   * What has to be measured on such a host: to the digests that are given (those of the files as they are, for what has not been
   * measured yet) come those that the quote covers.
   */
  readonly components: 'any' | readonly Component[]
  /** What the kernel's command line is said to be. Believed where it has a digest that was measured, so that the values have the text. */
  readonly commandLine?: string | null
  /** The rules of values that these are to be compared or merged with: each PCR is captured in the same way. */
  readonly rules?: readonly PcrRule[]
  /** Known faults of firmware that may be put up with; the values name those that had to be. */
  readonly quirks?: readonly string[]
}

/**
 * Makes reference values from a host that is as it should be. They say nothing more than "this was so": whoever signs
 * them says that it is good. Only what the quote covers is captured, so that evidence that was altered on the way, or log entries
 * after the quote, do not get in.
 *
 * @throws QuoteError; ReferenceValuesError `REFERENCE_EVIDENCE_INCONSISTENT`, also for a component without any digest
 */
export function captureReferenceValues(input: CaptureInput): ReferenceDocument {
  const quote = verifyQuote(input.evidence.quote, { ...input.expected, pcrSelection: QUOTED_SELECTION })
  return captureAttested(quote, input.evidence, input).document
}

/** Reference values, and where in the logs is what they list. */
export interface Capture {
  readonly document: ReferenceDocument
  /** `event 12` or `record 3` by PCR and digest, with a space between. */
  readonly places: ReadonlyMap<string, string>
}

/**
 * {@link captureReferenceValues} for a quote that the caller has verified, by whichever key, over SHA-256 PCR 0 to 15.
 *
 * @throws ReferenceValuesError `REFERENCE_EVIDENCE_INCONSISTENT`
 */
export function captureAttested(quote: VerifiedQuote, evidence: Evidence, input: CaptureWords): Capture {
  const logs = attestedLogs(evidence, quote, (input.quirks ?? []).filter(isQuirkName))
  const ima = logs.ima === null ? { files: [], violations: [] } : captureIma(logs.ima, logs.imaEntries)
  const { components } = input
  const isPart = (path: string): boolean =>
    components !== 'any' && components.some(component => component.path === path)
  const { commandLine = null, rules = [] } = input
  const statements = captureStatements(logs, { commandLine, rules })
  const document: ReferenceDocument = {
    version: 2,
    name: input.name,
    revision: input.revision ?? 1,
    created: input.created,
    firmwareVersions: [formatFirmwareVersion(quote.firmwareVersion)],
    ...statements,
    quirks: [...logs.boot.quirks],
    components: components === 'any' ? 'any' : components.map(part => captureComponent(part, ima)),
    ima: { files: ima.files.filter(({ path }) => !isPart(path)), violations: ima.violations },
  }
  return { document, places: placesIn(logs) }
}

function placesIn({ boot, userspace }: AttestedLogs): ReadonlyMap<string, string> {
  const events = Array.from(readMeasuredBoot(boot, userspace).byPcr.values()).flat()
  return new Map(events.map(({ pcr, digest, at }) => [`${pcr} ${digest}`, at]))
}

function captureComponent(part: Component, ima: ReferenceDocument['ima']): Component {
  if (ima.violations.includes(part.path)) throw inconsistent(`${part.path} was changed while it was measured`)
  const measured = ima.files.find(({ path }) => path === part.path)?.digests ?? []
  const digests = [...new Set([...part.digests, ...measured])].sort()
  if (digests.length === 0) throw inconsistent(`${part.path} (${part.name}) was not measured`)
  return { ...part, digests }
}

function inconsistent(what: string): ReferenceValuesError {
  return new ReferenceValuesError(
    'REFERENCE_EVIDENCE_INCONSISTENT',
    `no reference values from this evidence: ${what}`,
  )
}

function attestedLogs(evidence: Evidence, quote: VerifiedQuote, quirks: readonly QuirkName[]): AttestedLogs {
  const reasons: AppraisalReason[] = []
  const logs = readLogs(evidence, new LogReplays(), reasons, null, quirks)
  const attested = logs && matchQuote(quote, logs, undefined, reasons)
  if (attested === null || reasons.length > 0) {
    throw inconsistent(reasons.map(({ message }) => message).join('; '))
  }
  return attested
}

function captureIma(ima: ImaReplay, entries: number): ReferenceDocument['ima'] {
  const files = new Map<string, Set<string>>()
  const violations = new Set<string>()
  for (let index = 0; index < entries; index++) {
    const entry = ima.entry(index)
    if (entry.pcr !== IMA_PCR || entry.path === BOOT_AGGREGATE) continue
    if (entry.violation) violations.add(entry.path)
    else files.set(entry.path, (files.get(entry.path) ?? new Set()).add(entry.digest))
  }
  const both = [...violations].find(path => files.has(path))
  if (both !== undefined) throw inconsistent(`${both} is measured, and was changed while it was`)
  return {
    files: [...files]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([path, digests]) => ({ path, digests: [...digests].sort() })),
    violations: [...violations].sort(),
  }
}
