import {
  BOOT_AGGREGATE,
  IMA_PCR,
  type ImaEntry,
  ImaLogError,
  type ImaReplay,
  namesFileFirst,
} from '../ima/index.ts'
import type { ReferenceValues } from '../reference/document.ts'
import { isSignedFile } from '../reference/ima-list.ts'
import type { PathPattern } from '../reference/ima-pattern.ts'
import { type AppraisalReason, failure } from './reason.ts'

/**
 * The name that IMA has for a static governed program: the launcher executes it from a memfd of this name (native/launchd/staging.c),
 * and a memfd has no path, so that the kernel logs the name (security/integrity/ima/ima_api.c, ima_d_path).
 */
const SUBJECT_MEMFD = 'memfd:writ-subject'

/** Judges the entries of one IMA log by one set of reference values, each entry once. */
export class ImaJudgement {
  readonly #replay: ImaReplay
  readonly #reference: ReferenceValues
  readonly #bootAggregates: ReadonlySet<string>
  #judged: number
  /** Whether an entry of PCR 10 has been seen; the first one is `boot_aggregate`. */
  #begun: boolean
  /** Entries that nothing can excuse. */
  readonly #failures: { index: number; reason: AppraisalReason }[] = []
  /** Entries that are not listed: acceptable only as governed programs, and which those are grows. */
  readonly #unlisted: ImaEntry[] = []
  /** Entries that an exclude rule let pass, by the rule: the first one. */
  readonly #excluded = new Map<PathPattern, ImaEntry>()
  /** Where each component was first measured as it should be, by path. */
  readonly #components = new Map<string, number>()

  constructor(replay: ImaReplay, reference: ReferenceValues, bootAggregates: ReadonlySet<string>) {
    this.#replay = replay
    this.#reference = reference
    this.#bootAggregates = bootAggregates
    // A replay that goes on from a position goes on from entries that have passed, boot_aggregate among them.
    this.#judged = replay.first
    this.#begun = replay.first > 0
  }

  /**
   * Judges the first `count` entries, those that a quote covers.
   *
   * @param governed SHA-256 (hex) of the subjects of every START in the lineage
   */
  judge(count: number, governed: Pick<ReadonlySet<string>, 'has'>): AppraisalReason[] {
    for (; this.#judged < count; this.#judged++) this.#judgeEntry(this.#judged)
    const missing =
      count === 0
        ? [failure('IMA_BOOT_AGGREGATE_MISMATCH', 'the quote covers no IMA entry, not even boot_aggregate')]
        : []
    const failures = this.#failures.filter(({ index }) => index < count).map(({ reason }) => reason)
    const unknown = this.#unlisted
      .filter(entry => entry.index < count && !isGoverned(entry, governed))
      .map(unknownEntry)
    return [...missing, ...this.#unmeasured(count), ...failures, ...unknown, ...this.#exclusions(count)]
  }

  /** The components that the quote covers no good entry of: other code than the named one may be at work, unseen. */
  #unmeasured(count: number): AppraisalReason[] {
    if (this.#replay.first > 0) return []
    return Array.from(this.#reference.components.values())
      .filter(({ path }) => (this.#components.get(path) ?? count) >= count)
      .map(({ name, path }) =>
        failure(
          'COMPONENT_NOT_MEASURED',
          `IMA measured no ${name} with a listed digest at ${path} in this boot`,
          path,
        ),
      )
  }

  /** What was not judged. The text stays the same while a boot goes on. */
  #exclusions(count: number): AppraisalReason[] {
    return Array.from(this.#excluded)
      .filter(([, { index }]) => index < count)
      .map(([{ text }, { index, path }]) => ({
        code: 'IMA_EXCLUDED',
        severity: 'notice',
        message: `nothing at ${text} is judged; the first that was measured there is ${short(path)}`,
        at: `entry ${index}`,
      }))
  }

  #judgeEntry(index: number): void {
    const entry = this.#decode(index)
    // An entry of another PCR is not covered by PCR 10, so it says nothing for or against the host.
    if (entry === null || entry.pcr !== IMA_PCR) return
    const excluded = this.#exclusionOf(entry)
    if (excluded !== undefined && !this.#excluded.has(excluded)) this.#excluded.set(excluded, entry)
    const reason = this.#entryFailure(entry, excluded !== undefined)
    this.#begun = true
    if (reason !== null) this.#failures.push({ index, reason })
    else if (this.#reference.components.has(entry.path)) {
      // Kept for the first good one; a changed one has failed above.
      if (!this.#components.has(entry.path)) this.#components.set(entry.path, index)
    } else if (excluded === undefined && !this.#isListed(entry)) this.#unlisted.push(entry)
  }

  #decode(index: number): ImaEntry | null {
    try {
      return this.#replay.entry(index)
    } catch (error) {
      if (!(error instanceof ImaLogError)) throw error
      this.#failures.push({ index, reason: failure(error.code, error.message, `entry ${index}`) })
      return null
    }
  }

  /** The rule that leaves an entry's path out of judgement; none for a path that something else speaks of. */
  #exclusionOf({ path }: ImaEntry): PathPattern | undefined {
    const { ima, components } = this.#reference
    if (ima.exclude.length === 0 || ima.files.has(path) || components.has(path)) return undefined
    return ima.exclude.find(pattern => pattern.matches(path))
  }

  #entryFailure(entry: ImaEntry, excluded: boolean): AppraisalReason | null {
    const { index, path, digest } = entry
    const at = `entry ${index}`
    if (!entry.columnMatches) {
      return failure(
        'IMA_TEMPLATE_HASH_MISMATCH',
        `${at} (${path}): its template hash is not that of its data`,
        at,
      )
    }
    if (!namesFileFirst(entry.template)) {
      const what = `its template ${JSON.stringify(short(entry.template))} does not begin with one digest and one path`
      return failure(
        'IMA_TEMPLATE_UNSUPPORTED',
        `${at}: ${what}, so that nothing tells which file it is of`,
        at,
      )
    }
    if (entry.violation && !excluded && !this.#reference.ima.toleratedViolations.has(path)) {
      return failure('IMA_VIOLATION', `${at}: ${path} was changed while it was measured`, at)
    }
    const bootAggregate = path === BOOT_AGGREGATE
    if (bootAggregate ? !this.#bootAggregates.has(digest) : !this.#begun) {
      return failure(
        'IMA_BOOT_AGGREGATE_MISMATCH',
        `${at} (${path}) is not the boot_aggregate of this event log`,
        at,
      )
    }
    const component = this.#reference.components.get(path)
    // Not excused by a START: what runs at this path under an artifact is not the daemon.
    if (component !== undefined && !component.digests.includes(digest)) {
      return failure(
        'COMPONENT_CHANGED',
        `${at}: ${digest} of ${path} is not a listed digest of ${component.name}`,
        at,
      )
    }
    return null
  }

  #isListed(entry: ImaEntry): boolean {
    if (entry.violation || entry.path === BOOT_AGGREGATE) return true
    const { ima } = this.#reference
    return ima.files.has(entry.path) ? ima.files.accepts(entry.path, entry.digest) : isSignedFile(entry, ima)
  }
}

/**
 * Whether an entry may be what a START caused. Every other subject is a private copy, bound over the place that its path leads to; symbolic
 * links on the way are followed as the launcher finds them, so a START cannot say which absolute path the kernel will log.
 */
function isGoverned({ path, digest }: ImaEntry, governed: Pick<ReadonlySet<string>, 'has'>): boolean {
  if (path !== SUBJECT_MEMFD && !path.startsWith('/')) return false
  return digest.startsWith('sha256:') && governed.has(digest.slice('sha256:'.length))
}

/** Paths are the host's. */
function short(path: string): string {
  return path.length > 200 ? `${path.slice(0, 200)}…` : path
}

function unknownEntry({ index, path, digest }: ImaEntry): AppraisalReason {
  return failure(
    'IMA_ENTRY_UNKNOWN',
    `${digest} of ${path} is neither listed nor a governed program`,
    `entry ${index}`,
  )
}
