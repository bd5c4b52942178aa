import { createReadStream } from 'node:fs'
import type { Command } from 'commander'
import { Option } from 'commander'
import {
  compareWithQuoted,
  type HashAlgorithm,
  type ImaEntry,
  ImaKeyring,
  type ImaLogForm,
  ImaLogReader,
  MAX_IMA_LOG_BYTES,
  type QuotedImaLog,
  readImaKeys,
  verifyEntrySignature,
} from '../../../attestation/index.ts'
import { WritError } from '../../../encoding/error.ts'
import { addCommand, addNote, setAction } from '../../command.ts'
import { CliError, EXIT, type ExitStatus } from '../../error.ts'
import { readAs, readDocument, systemReason } from '../../files.ts'
import {
  IMA_ENTRY_FORM,
  IMA_SUMMARY_FORM,
  imaEntryJson,
  imaSummaryJson,
  type SignatureCounts,
} from '../../ima/json.ts'
import { imaEntryLine, imaSummaryLines } from '../../ima/lines.ts'
import { MALFORMED, reportMalformed } from '../../malformed.ts'
import type { Output } from '../../output.ts'
import { collect } from '../../workload.ts'

const BANKS = ['sha1', 'sha256', 'sha384', 'sha512'] as const

interface Options {
  bank?: HashAlgorithm
  form?: ImaLogForm
  key?: string[]
  pcr10?: string[]
  list?: boolean
}

export function addImaShow(parent: Command): void {
  const command = addCommand(
    parent,
    'show <file>',
    'Show an IMA log: what it measured, and the values of PCR 10 that it comes to.',
    `writ ima show /sys/kernel/security/ima/binary_runtime_measurements
     writ ima show ima.bin --list --json
     writ ima show ima.txt --key /etc/keys/x509_ima.der --pcr10 sha256:0a1447c3…85c8`,
    [
      { fields: IMA_SUMMARY_FORM },
      { when: 'with --list', as: 'lines', fields: IMA_ENTRY_FORM },
      { when: 'when the log is malformed; with --list as the last line', fields: MALFORMED },
    ],
  )
    .addOption(new Option('--bank <hash>', 'only this bank of PCR 10').choices(BANKS))
    .addOption(
      new Option('--form <form>', 'what the log is, if not what it looks like').choices(['binary', 'ascii']),
    )
    .option('--list', 'every entry instead, one in a line, as they are read')
    .option('--key <file>', 'certificate or public key that is trusted to sign files (repeatable)', collect)
    .option(
      '--pcr10 <bank:hex>',
      'a value that a TPM quoted: how much of the log it covers (repeatable)',
      collect,
    )
  addNote(
    command,
    'An entry is true only as far as a TPM has quoted PCR 10. The exit status is 1 for a log that is malformed, that has an entry with a wrong template hash, that a quoted value does not fit, or that has an invalid signature by a trusted key. A log of any size is read with little memory, except with --pcr10.',
  )
  setAction<Options>(command, async ({ args, options, output }) => {
    const [path = ''] = args
    const keyring = options.key === undefined ? null : await readKeyring(options.key)
    const quoted = quotedValues(options.pcr10 ?? [])
    const showing = new Showing(output, keyring, options)
    try {
      return await showing.show(path, quoted)
    } catch (error) {
      if (!options.list || !output.json || !isFinding(error)) return reportMalformed(error, output)
      const { code, message, at, offset } = error
      await output.item({ error: { code, message, at, offset } }, () => [])
      return EXIT.refused
    }
  })
}

function isFinding(error: unknown): error is WritError {
  return error instanceof WritError && !(error instanceof CliError)
}

/** One pass over a log. */
class Showing {
  readonly #output: Output
  readonly #keyring: ImaKeyring | null
  readonly #options: Options
  readonly #reader: ImaLogReader
  readonly #signatures: SignatureCounts = {
    valid: 0,
    invalid: 0,
    'unknown-key': 0,
    missing: 0,
    unverifiable: 0,
  }
  /** Entries that were read and not printed yet: those of one piece of the file. */
  #entries: ImaEntry[] = []

  constructor(output: Output, keyring: ImaKeyring | null, options: Options) {
    this.#output = output
    this.#keyring = keyring
    this.#options = options
    this.#reader = new ImaLogReader({
      ...(options.form === undefined ? {} : { form: options.form }),
      banks: options.bank === undefined ? BANKS : [options.bank],
      onEntry: entry => {
        if (keyring !== null) this.#signatures[verifyEntrySignature(entry, keyring).outcome]++
        if (options.list) this.#entries.push(entry)
      },
    })
  }

  async show(path: string, values: ReadonlyMap<HashAlgorithm, Buffer>): Promise<ExitStatus | undefined> {
    for await (const piece of pieces(path)) {
      this.#reader.push(piece)
      if (!(await this.#print())) return undefined
    }
    const summary = this.#reader.end()
    if (!(await this.#print())) return undefined
    const quoted = values.size === 0 ? null : await this.#compare(path, values)
    const signatures = this.#keyring === null ? null : this.#signatures
    if (!this.#options.list) {
      this.#output.result(imaSummaryJson(summary, signatures, quoted), () =>
        imaSummaryLines(summary, signatures, quoted),
      )
    }
    const good =
      summary.badEntries === 0 && this.#signatures.invalid === 0 && (quoted?.faults.length ?? 0) === 0
    return good ? EXIT.done : EXIT.refused
  }

  async #print(): Promise<boolean> {
    const entries = this.#entries
    this.#entries = []
    for (const entry of entries) {
      const more = await this.#output.item(imaEntryJson(entry, this.#keyring), () => [
        imaEntryLine(entry, this.#keyring),
      ])
      if (!more) return false
    }
    return true
  }

  async #compare(path: string, values: ReadonlyMap<HashAlgorithm, Buffer>): Promise<QuotedImaLog> {
    const bytes = await readDocument(path, 'an IMA log', MAX_IMA_LOG_BYTES)
    return compareWithQuoted(bytes, values, this.#options.form)
  }
}

async function* pieces(path: string): AsyncGenerator<Buffer> {
  try {
    yield* createReadStream(path, { highWaterMark: 1 << 16 }) as AsyncIterable<Buffer>
  } catch (cause) {
    if (cause instanceof WritError) throw cause
    const missing = cause instanceof Error && 'code' in cause && cause.code === 'ENOENT'
    throw new CliError(
      missing ? 'FILE_MISSING' : 'FILE_UNREADABLE',
      `cannot use ${path} as an IMA log: ${systemReason(cause)}`,
      {
        at: path,
        cause,
      },
    )
  }
}

async function readKeyring(files: readonly string[]): Promise<ImaKeyring> {
  const keys = files.map(file => readAs(file, 'a trusted key', bytes => readImaKeys(bytes, file)))
  return new ImaKeyring((await Promise.all(keys)).flat())
}

function quotedValues(texts: readonly string[]): ReadonlyMap<HashAlgorithm, Buffer> {
  return new Map(
    texts.map(text => {
      const [bank = '', hex = ''] = text.split(':')
      const value = Buffer.from(hex, 'hex')
      const sizes: Readonly<Record<string, number>> = { sha1: 20, sha256: 32, sha384: 48, sha512: 64 }
      if (!Object.hasOwn(sizes, bank) || value.length !== sizes[bank] || hex.length !== 2 * value.length)
        throw new CliError('USAGE', `${text} is not a bank and its value`, {
          at: '--pcr10',
          next: 'For example --pcr10 sha256: and 64 hexadecimal digits.',
        })
      return [bank as HashAlgorithm, value]
    }),
  )
}
