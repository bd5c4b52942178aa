import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { inlineBlob, LineageError, type LineageEvent, LogReader, type TimeSpan } from '../../lineage/index.ts'
import { api, CallError, TransportError, type WritClient } from '../../proto/client.ts'
import { CliError } from '../error.ts'
import { statePath } from '../state-directory.ts'
import { LINEAGE_PATH } from '../verify/bundle.ts'
import { readBlobOf } from './entries.ts'

/** An entry as it came, not read yet. */
export interface RawEntry {
  readonly index: number
  readonly bytes: Buffer
}

/** Where entries are read from: a running daemon, or a directory that holds a log. Nothing that it gives is verified. */
export interface LogSource {
  readonly where: 'daemon' | 'directory'
  /** Positions of a span of time: from, to (exclusive); and how many entries there are. */
  range(span: TimeSpan): Promise<{ from: number; to: number; size: number }>
  /** Entries from `from` up to, not including, `to`, as far as they may be seen; of these types, unless there are none. */
  read(from: number, to: number, types?: ReadonlySet<string>): AsyncIterable<RawEntry>
  /** Those from `from` on, then what is appended, until the signal aborts. null: the daemon is gone for now. */
  follow(from: number, types: ReadonlySet<string>, signal: AbortSignal): AsyncIterable<RawEntry | null>
  /** The position of the decision on an execution as far as the source knows it without searching; null if it does not. */
  decisionOf(executionId: string): Promise<number | null>
  /** A blob that an entry carries or names; null if it may not be seen, or is not there any longer. */
  blob(event: LineageEvent, digest: string): Promise<Buffer | null>
}

/** How long to wait between two attempts to reach a daemon that is gone. */
const RETRY_MS = 500

/** A running daemon. Whoever is not an auditor sees the entries of its own executions only. */
export function daemonSource(daemon: WritClient): LogSource {
  async function* read(from: number, to: number, types: ReadonlySet<string> = new Set()) {
    if (to <= from) return
    for await (const { index, entry } of daemon.read(api.lineage.ReadEntries, {
      from,
      to,
      types: [...types],
    }))
      yield { index: Number(index), bytes: entry }
  }
  async function* follow(from: number, types: ReadonlySet<string>, signal: AbortSignal) {
    let next = from
    for (let known = true; !signal.aborted; ) {
      try {
        const request = { from: next, types: [...types], follow: true }
        for await (const { index, entry } of daemon.read(api.lineage.ReadEntries, request, { signal })) {
          known = true
          next = Number(index) + 1
          yield { index: Number(index), bytes: entry }
        }
      } catch (error) {
        if (signal.aborted) return
        const back = error instanceof CallError && error.status === 'OUT_OF_RANGE'
        if (back) throw new CliError('NOT_VERIFIED', `the lineage has become shorter than ${next} entries`)
        if (!(error instanceof TransportError && error.code === 'UNAVAILABLE')) throw error
      }
      // A daemon that stops ends the stream; it may come back.
      if (known) yield null
      known = false
      await sleep(RETRY_MS, undefined, { signal }).catch(() => undefined)
    }
  }
  return {
    where: 'daemon',
    read,
    follow,
    async range({ sinceMs, untilMs }) {
      const time = (ms: number | null) => (ms === null ? '' : new Date(ms).toISOString())
      const request = { since: time(sinceMs), until: time(untilMs) }
      const { from, to, size } = await daemon.call(api.lineage.LocateEntries, request)
      return { from: Number(from), to: Number(to), size: Number(size) }
    },
    async decisionOf(executionId) {
      try {
        const { execution } = await daemon.call(api.execution.Get, { executionId })
        return execution === null ? null : Number(execution.decisionIndex)
      } catch (error) {
        if (error instanceof CallError && error.status === 'NOT_FOUND') return null
        throw error
      }
    },
    async blob(event, digest) {
      try {
        return await readBlobOf(daemon, event, digest)
      } catch (error) {
        const unseen = error instanceof CallError && ['PERMISSION_DENIED', 'NOT_FOUND'].includes(error.status)
        if (unseen) return null
        throw error
      }
    },
  }
}

/** The log within a directory: an exported bundle, a daemon's state directory, or the lineage's directory itself. @throws CliError */
export function logDirectory(directory: string): string {
  const candidates = [directory, join(directory, LINEAGE_PATH), statePath(directory, 'lineage')]
  const found = candidates.find(path =>
    ['checkpoint', 'tile', 'state/tail'].some(name => existsSync(join(path, name))),
  )
  if (found !== undefined) return found
  throw new CliError('FILE_MISSING', `there is no lineage in ${directory}`, {
    at: directory,
    next: 'Name an exported bundle, or the daemon’s state directory, and check whether you may read it.',
  })
}

/** A directory, read as it is now. Nothing in it is changed, and a daemon may go on writing. @throws CliError */
export function directorySource(directory: string): LogSource & { readonly reader: LogReader } {
  const path = logDirectory(directory)
  const reader = explained(() => LogReader.open(path))
  return {
    where: 'directory',
    reader,
    async *read(from, to) {
      if (to <= from) return
      try {
        for await (const entries of reader.read(from, Math.min(to, reader.size)))
          for (const { index, bytes } of entries) yield { index: Number(index), bytes }
      } catch (error) {
        throw asCliError(error)
      }
    },
    follow() {
      throw new CliError('USAGE', 'a directory is read as it is now: --follow needs the daemon')
    },
    async range(span) {
      const { from, to } = await reader.locate(span).catch(error => {
        throw asCliError(error)
      })
      return { from, to, size: reader.size }
    },
    decisionOf: async () => null,
    async blob(event, digest) {
      const carried = inlineBlob(event, digest)
      if (carried !== undefined) return carried
      return reader.blob(digest).catch(error => {
        if (error instanceof LineageError && error.code === 'BLOB_ABSENT') return null
        throw asCliError(error)
      })
    },
  }
}

function explained<T>(work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw asCliError(error)
  }
}

function asCliError(error: unknown): unknown {
  if (!(error instanceof LineageError)) return error
  return new CliError('FILE_UNREADABLE', `the log cannot be read: ${error.message} [${error.code}]`, {
    at: error.at,
    cause: error,
    next: '`writ lineage verify` says what is wrong with it; --from and --to read around what is damaged.',
  })
}
