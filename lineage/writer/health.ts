import { LineageError } from '../error.ts'
import { errno, type Io, isDiskFull } from './io.ts'

/**
 * Decides what a failure means for everything after it. Lack of space passes; any other failed system call, above all a failed
 * fsync, leaves it unknown what is on disk, so that nothing more is written by this process.
 */
export class Health {
  /** Resolves, never rejects, when writing has failed for good: the process that owns the lineage then ends. */
  readonly failed: Promise<LineageError>
  #failure: LineageError | undefined
  readonly #report: (failure: LineageError) => void

  constructor() {
    const { promise, resolve } = Promise.withResolvers<LineageError>()
    this.failed = promise
    this.#report = resolve
  }

  get failure(): LineageError | undefined {
    return this.#failure
  }

  /** Runs a step of writing; what it throws is always a LineageError. After a fatal one no step runs any more. */
  async guard<T>(step: () => Promise<T>): Promise<T> {
    if (this.#failure !== undefined) throw this.#failure
    try {
      return await step()
    } catch (error) {
      throw this.#judge(error)
    }
  }

  /**
   * Runs a step of reading, also when nothing is written any more. A file that is found not to be what the log left there ends writing: nothing is
   * added to a log that is not whole.
   */
  async reading<T>(step: () => Promise<T>): Promise<T> {
    try {
      return await step()
    } catch (error) {
      if (error instanceof LineageError && error.code === 'LINEAGE_BROKEN') this.#judge(error)
      throw error
    }
  }

  /** System calls whose failures are judged one by one. */
  watch(io: Io): Io {
    const watched =
      <Args extends unknown[], T>(call: (...args: Args) => Promise<T>, expected?: string) =>
      async (...args: Args): Promise<T> => {
        if (this.#failure !== undefined) throw this.#failure
        try {
          return await call(...args)
        } catch (error) {
          throw expected !== undefined && errno(error) === expected ? error : this.#judge(error)
        }
      }
    return {
      open: watched(io.open),
      write: (fd, bytes, position) => {
        if (this.#failure !== undefined) throw this.#failure
        try {
          io.write(fd, bytes, position)
        } catch (error) {
          throw this.#judge(error)
        }
      },
      writeLarge: watched(io.writeLarge),
      fdatasync: watched(io.fdatasync),
      fsync: watched(io.fsync),
      // A descriptor is closed whatever happened before.
      close: io.close,
      rename: watched(io.rename),
      unlink: watched(io.unlink, 'ENOENT'),
      mkdir: watched(io.mkdir, 'EEXIST'),
    }
  }

  #judge(error: unknown): LineageError {
    if (this.#failure !== undefined) return this.#failure
    if (isDiskFull(error)) {
      return new LineageError('LINEAGE_UNAVAILABLE', `no space left: ${String(error)}`, { cause: error })
    }
    if (
      error instanceof LineageError &&
      error.code !== 'LINEAGE_BROKEN' &&
      error.code !== 'LINEAGE_ROLLED_BACK'
    ) {
      return error
    }
    this.#failure =
      error instanceof LineageError
        ? error
        : new LineageError(
            'LINEAGE_UNAVAILABLE',
            `writing failed, nothing more is written: ${String(error)}`,
            {
              cause: error,
            },
          )
    this.#report(this.#failure)
    return this.#failure
  }
}
