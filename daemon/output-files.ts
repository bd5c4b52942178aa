import { chmod, mkdir, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Logger } from 'pino'
import { OutputFile } from './output-file.ts'

/** Looked at anew each time. */
export interface OutputFileLimits {
  /** Most bytes for one execution; 0 keeps nothing. */
  readonly fileBytes: number
  /** Most bytes for all together. */
  readonly totalBytes: number
  /** Executions at one time, among which the total is shared. */
  readonly maxExecutions: number
  /** How long the output of one that has ended is kept. */
  readonly keptMs: number
}

/** Most executions that have files, however small. */
const MOST_KEPT = 1000

/** Id of the execution, entry of its permit, number of the file. */
const NAME = /^([0-9a-f]{32})\.(0|[1-9][0-9]{0,15})\.([0-9]{1,9})$/

interface Kept {
  readonly file: OutputFile
  /** Entry of its permit, which says whose it is. */
  readonly decision: bigint
  /** When it ended; null while it runs. */
  endedMs: number | null
}

/**
 * The output of detached executions, in a directory of the daemon's own. All together never take more than the total: each that runs has
 * an equal share of it at most, and those that have ended give way first, oldest first, or when they are old enough.
 */
export class OutputFiles {
  readonly #directory: string
  readonly #limits: OutputFileLimits
  readonly #log: Logger
  /** Those that ended earlier come first. */
  readonly #kept = new Map<string, Kept>()
  #bytes = 0

  private constructor(directory: string, limits: OutputFileLimits, log: Logger) {
    this.#directory = directory
    this.#limits = limits
    this.#log = log
  }

  /**
   * Takes over what an earlier daemon left. A directory that cannot be used is no reason not to start: output is lost then, and that is
   * logged.
   */
  static async open(directory: string, limits: OutputFileLimits, log: Logger): Promise<OutputFiles> {
    const files = new OutputFiles(directory, limits, log)
    try {
      await mkdir(directory, { mode: 0o700 }).catch(error => {
        if (error.code !== 'EEXIST') throw error
      })
      await chmod(directory, 0o700)
      await files.#takeOver()
    } catch (err) {
      log.error({ err }, 'output of detached executions cannot be kept')
    }
    return files
  }

  /** Bytes that all hold. */
  get bytes(): number {
    return this.#bytes
  }

  /**
   * Begins to keep the output of an execution.
   *
   * @param decision entry of its permit: the files outlast whoever remembers whose it is, and their names say where that can be found
   */
  open(executionId: string, decision: bigint): OutputFile {
    this.#tidy()
    const { fileBytes, totalBytes, maxExecutions } = this.#limits
    const limit = Math.min(fileBytes, Math.floor(totalBytes / maxExecutions))
    const file = this.#file(executionId, decision, limit)
    this.#kept.set(executionId, { file, decision, endedMs: null })
    return file
  }

  /** Goes on with what an earlier daemon kept of an execution that outlived it. Where there is nothing of it, as {@link open}. */
  async goOn(executionId: string, decision: bigint): Promise<OutputFile> {
    const before = this.#kept.get(executionId)
    if (before?.decision !== decision) return this.open(executionId, decision)
    const { fileBytes, totalBytes, maxExecutions } = this.#limits
    const limit = Math.min(fileBytes, Math.floor(totalBytes / maxExecutions))
    const file = this.#file(executionId, decision, limit, before.file.segments)
    await file.goOn()
    this.#kept.set(executionId, { file, decision, endedMs: null })
    return file
  }

  /** Undefined if nothing of it is known here. */
  get(executionId: string): OutputFile | undefined {
    return this.#kept.get(executionId)?.file
  }

  /** Entry of the permit of an execution; undefined if nothing of it is known here. */
  decisionOf(executionId: string): bigint | undefined {
    return this.#kept.get(executionId)?.decision
  }

  /** Nothing more comes from it. */
  async end(executionId: string): Promise<void> {
    const kept = this.#kept.get(executionId)
    if (kept === undefined) return
    await kept.file.end()
    kept.endedMs = Date.now()
    // To the end of the line of those that give way.
    this.#kept.delete(executionId)
    this.#kept.set(executionId, kept)
    this.#tidy()
  }

  #file(
    executionId: string,
    decision: bigint,
    limit: number,
    segments?: readonly { number: number; path: string; bytes: number }[],
  ) {
    return new OutputFile({
      ...{ directory: this.#directory, name: `${executionId}.${decision}`, limit },
      ...(segments === undefined ? {} : { segments }),
      take: bytes => {
        this.#bytes += bytes
        if (bytes > 0 && this.#bytes > this.#limits.totalBytes) this.#tidy()
      },
      onFault: err => this.#log.warn({ err, executionId }, 'output of a detached execution is lost'),
    })
  }

  /** Lets go of what has ended and is too old, too much or too many. */
  #tidy(): void {
    const oldest = Date.now() - this.#limits.keptMs
    for (const [executionId, { file, endedMs }] of this.#kept) {
      if (endedMs === null) continue
      const over = this.#bytes > this.#limits.totalBytes || this.#kept.size > MOST_KEPT
      if (!over && endedMs >= oldest) continue
      this.#kept.delete(executionId)
      void file.remove()
    }
  }

  async #takeOver(): Promise<void> {
    const found = new Map<
      string,
      { decision: bigint; segments: { number: number; path: string; bytes: number }[]; ms: number }
    >()
    for (const name of await readdir(this.#directory)) {
      const [, executionId, index, digits] = NAME.exec(name) ?? []
      // What is not ours stays.
      if (executionId === undefined || index === undefined || digits === undefined) continue
      const path = join(this.#directory, name)
      const { size, mtimeMs } = await stat(path)
      const of = found.get(executionId) ?? { decision: BigInt(index), segments: [], ms: 0 }
      of.segments.push({ number: Number(digits), path, bytes: size })
      of.ms = Math.max(of.ms, mtimeMs)
      found.set(executionId, of)
    }
    for (const [executionId, { decision, segments, ms }] of [...found].sort(([, a], [, b]) => a.ms - b.ms)) {
      segments.sort((a, b) => a.number - b.number)
      this.#bytes += segments.reduce((sum, { bytes }) => sum + bytes, 0)
      this.#kept.set(executionId, {
        ...{ file: this.#file(executionId, decision, 0, segments), decision },
        endedMs: ms,
      })
    }
    this.#tidy()
  }
}
