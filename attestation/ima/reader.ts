import type { HashAlgorithm } from '../tpm2/structures/index.ts'
import { AsciiImaLog } from './ascii-log.ts'
import { BankFold } from './bank-fold.ts'
import { BOOT_AGGREGATE } from './boot-aggregate.ts'
import { matchesColumn } from './column.ts'
import { decodeEntry, type ImaEntry } from './entry.ts'
import { ImaLogError } from './error.ts'
import { type ImaLogForm, imaLogForm } from './form.ts'
import { detectLayout, frameAt, frameEnd, hashedData, type ImaLayout } from './layout.ts'
import { IMA_PCR } from './replay.ts'

/** What a whole log amounts to. */
export interface ImaSummary {
  readonly form: ImaLogForm
  readonly entries: number
  readonly violations: number
  /** Entries of each template, and of each PCR. */
  readonly templates: Readonly<Record<string, number>>
  readonly pcrs: readonly number[]
  /** PCR 10 of each bank after the last entry, and the same as kernels before 5.8 extended the banks other than SHA-1. */
  readonly pcr10: Readonly<Partial<Record<HashAlgorithm, string>>>
  readonly pcr10Padded: Readonly<Partial<Record<HashAlgorithm, string>>>
  /** Digest of the first `boot_aggregate`, `algorithm:hex`. */
  readonly aggregate: string | null
  /** Entries whose template hash is not that of their data, and the number of the first one. */
  readonly badEntries: number
  readonly firstBadEntry: number | null
}

/** Most templates that are counted by name: their names are the host's. */
const MAX_TEMPLATES = 64
/** What is kept of the bytes that are not yet an entry is let go of when so many are behind. */
const COMPACT_BYTES = 1 << 20

export interface ImaReaderOptions {
  readonly form?: ImaLogForm
  readonly banks?: readonly HashAlgorithm[]
  /** Called with each entry, in order. */
  readonly onEntry?: (entry: ImaEntry) => void
}

/** Reads a log of any size with bounded memory: nothing of an entry is kept once it has been seen. */
export class ImaLogReader {
  readonly #onEntry: (entry: ImaEntry) => void
  readonly #folds: readonly BankFold[]
  readonly #templates = new Map<string, number>()
  readonly #pcrs = new Set<number>()
  #form: ImaLogForm | null
  #ascii: AsciiImaLog | null = null
  #layout: ImaLayout | null = null
  #pending: Buffer = Buffer.alloc(0)
  #offset = 0
  #entries = 0
  #violations = 0
  #badEntries = 0
  #firstBadEntry: number | null = null
  #aggregate: string | null = null

  constructor({
    form,
    banks = ['sha1', 'sha256', 'sha384', 'sha512'],
    onEntry = () => {},
  }: ImaReaderOptions = {}) {
    this.#form = form ?? null
    this.#onEntry = onEntry
    this.#folds = banks.flatMap(bank => [
      new BankFold(bank, 'native'),
      ...(bank === 'sha1' ? [] : [new BankFold(bank, 'padded')]),
    ])
  }

  /** Takes the next bytes. @throws ImaLogError */
  push(bytes: Uint8Array): void {
    if (bytes.length === 0) return
    this.#form ??= imaLogForm(bytes)
    if (this.#form === 'ascii') this.#ascii ??= new AsciiImaLog()
    this.#binary(this.#ascii?.push(bytes) ?? bytes)
  }

  /** Says that this is all. @throws ImaLogError */
  end(): ImaSummary {
    if (this.#ascii !== null) this.#binary(this.#ascii.end())
    if (this.#pending.length > 0)
      throw new ImaLogError(
        'IMA_LOG_TRUNCATED',
        `IMA log: ${this.#pending.length} bytes after the last whole entry`,
        {
          at: `entry ${this.#entries}`,
          offset: this.#offset,
        },
      )
    const values = (extend: BankFold['extend']) =>
      Object.fromEntries(
        this.#folds
          .filter(fold => fold.extend === extend)
          .map(fold => [fold.bank, fold.value.toString('hex')]),
      )
    return {
      form: this.#form ?? 'binary',
      entries: this.#entries,
      violations: this.#violations,
      templates: Object.fromEntries(this.#templates),
      pcrs: [...this.#pcrs].sort((a, b) => a - b),
      pcr10: values('native'),
      pcr10Padded: values('padded'),
      aggregate: this.#aggregate,
      badEntries: this.#badEntries,
      firstBadEntry: this.#firstBadEntry,
    }
  }

  #binary(bytes: Uint8Array): void {
    const log = this.#pending.length === 0 ? Buffer.from(bytes) : Buffer.concat([this.#pending, bytes])
    this.#layout ??= detectLayout(log)
    let start = 0
    if (this.#layout !== null) {
      for (;;) {
        const end = this.#frameEnd(log, start, this.#layout)
        if (end < 0) break
        this.#entry(log, start, end, this.#layout)
        start = end
      }
    }
    this.#offset += start
    const rest = log.subarray(start)
    this.#pending = log.length > COMPACT_BYTES ? Buffer.from(rest) : rest
  }

  #frameEnd(log: Buffer, start: number, layout: ImaLayout): number {
    try {
      return frameEnd(log, start, log.length, layout, this.#entries)
    } catch (error) {
      if (!(error instanceof ImaLogError) || error.offset === undefined || this.#ascii !== null) throw error
      const { code, message, at, offset } = error
      throw new ImaLogError(code, message, { at, offset: this.#offset + offset, cause: error })
    }
  }

  #entry(log: Buffer, start: number, end: number, layout: ImaLayout): void {
    const frame = frameAt(log, start, end, layout)
    const data = hashedData(log, frame)
    const column = log.subarray(frame.column, frame.column + layout.columnBytes)
    const violation = column.every(byte => byte === 0)
    const entry = decodeEntry({
      index: this.#entries,
      pcr: frame.pcr,
      template: log.toString('latin1', frame.nameStart, frame.nameEnd),
      violation,
      columnMatches: violation || matchesColumn(column, data),
      data,
      bigEndian: layout.bigEndian,
    })
    if (frame.pcr === IMA_PCR) for (const fold of this.#folds) fold.add(violation ? null : data)
    this.#count(entry)
    this.#onEntry(entry)
  }

  #count({ index, pcr, template, violation, columnMatches, path, digest }: ImaEntry): void {
    this.#entries++
    if (violation) this.#violations++
    if (!columnMatches) {
      this.#badEntries++
      this.#firstBadEntry ??= index
    }
    if (this.#templates.has(template) || this.#templates.size < MAX_TEMPLATES)
      this.#templates.set(template, (this.#templates.get(template) ?? 0) + 1)
    if (this.#pcrs.size < MAX_TEMPLATES) this.#pcrs.add(pcr)
    if (path === BOOT_AGGREGATE) this.#aggregate ??= digest
  }
}
