import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import {
  encodeReportHistory,
  MAX_REPORT_HISTORY_BYTES,
  parseReportHistory,
  type ReportHistory,
} from '../../attestation/index.ts'
import { CliError } from '../error.ts'
import { readAs, systemReason, writeDocument } from '../files.ts'

/** Where the histories of hosts are kept, each in a file `<host id>.report.json`. One verification of a host at a time; of two at once, the later one is kept. */
export class HistoryDirectory {
  readonly #directory: string

  /** @param directory of whoever verifies; made when it is not there */
  constructor(directory: string) {
    this.#directory = directory
  }

  /** Null when nothing is known of the host. @throws CliError when what is known cannot be read: it is not forgotten */
  async read(hostId: string): Promise<ReportHistory | null> {
    const path = this.#path(hostId)
    try {
      const history = await readAs(path, 'a history of reports', parseReportHistory, MAX_REPORT_HISTORY_BYTES)
      if (history.hostId !== hostId)
        throw new CliError('FILE_MALFORMED', `${path} is of another host`, { at: path })
      return history
    } catch (error) {
      if (error instanceof CliError && error.code === 'FILE_MISSING') return null
      throw error
    }
  }

  /** Replaces what is known of a host, all at once. @throws CliError */
  async write(history: ReportHistory): Promise<void> {
    try {
      await mkdir(this.#directory, { recursive: true, mode: 0o700 })
    } catch (cause) {
      throw new CliError('FILE_UNWRITABLE', `cannot make ${this.#directory}: ${systemReason(cause)}`, {
        at: this.#directory,
        cause,
      })
    }
    await writeDocument(this.#path(history.hostId), encodeReportHistory(history), {
      mode: 0o600,
      replace: true,
    })
  }

  #path(hostId: string): string {
    return join(this.#directory, `${hostId}.report.json`)
  }
}
