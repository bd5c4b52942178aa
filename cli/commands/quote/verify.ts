import type { Command } from 'commander'
import {
  type BankValues,
  examineQuote,
  formatFirmwareVersion,
  historyHost,
  MAX_PCR_FILE_BYTES,
  type PcrSelection,
  QUOTED_SELECTION,
  type QuoteFinding,
  type QuoteKey,
  type ReferenceValues,
  readClaimedPcrs,
  readQuoteKey,
  readSelectionText,
  readSignatureFormat,
  type SignatureFormat,
  selectionText,
} from '../../../attestation/index.ts'
import { addCommand, addNote, setAction } from '../../command.ts'
import { CliError, EXIT } from '../../error.ts'
import { readAs, readDocument } from '../../files.ts'
import { printable, styled } from '../../output.ts'
import { openHistory } from '../../quote-history.ts'
import { readReferenceFile } from '../../reference/file.ts'
import { resultLine } from '../../verify/property.ts'

interface Options {
  attest: string
  signature: string
  key: string
  nonce: string
  pcrsSelected: string
  signatureFormat: string
  name?: string
  pcrs?: string
  eventlog?: string
  userspace?: string
  ima?: string
  reference?: string
  operatorKey?: string
  history?: string
  refuseWeak?: boolean
}

/** Most bytes of an IMA log that is read; a hundred thousand entries have about 13 MB. */
const MAX_IMA_BYTES = 256 << 20

const FORM = {
  verified: 'boolean: whether nothing failed of all that could be checked',
  reasons: [
    {
      code: 'text',
      severity: 'text: fail, degrade or notice',
      message: 'text',
      'at?': 'text',
      'expected?': 'text',
    },
  ],
  properties: [{ property: 'text', status: 'text: VERIFIED, NOT CHECKED or FAILED', detail: 'text' }],
  'clock|null': 'decimal: milliseconds that the TPM was powered',
  'resetCount|null': 'number',
  'restartCount|null': 'number',
  'safe|null': 'boolean',
  'firmwareVersion|null': 'hex',
  'clockStep|null': 'text: how the clock follows the history',
  'signature|null': { scheme: 'text', hash: 'text' },
  'pcrs|null': { '*': 'json: the values of one bank, by PCR, in hexadecimal' },
  unexplained: ['text: bank:PCR, of which no log says anything'],
  imaAttestedEntries: 'number',
  'key|null': { form: 'text', 'name|null': 'hex' },
} as const

export function addQuoteVerify(parent: Command): void {
  const command = addCommand(
    parent,
    'verify',
    'Verify a TPM quote by a key that you trust, and the logs that explain its PCRs. Files are as tpm2-tools write them.',
    `writ quote verify --attest quote.msg --signature quote.sig --key ak.pub --nonce 8f1c… --pcrs-selected sha256:0,1,7
     writ quote verify --attest quote.msg --signature quote.sig --key ak.pub --nonce none --pcrs-selected sha1:0,1+sha256:all \\
     --eventlog binary_bios_measurements --ima binary_runtime_measurements --history hosts/`,
    FORM,
  )
    .requiredOption('--attest <file>', 'the TPMS_ATTEST')
    .requiredOption('--signature <file>', 'the signature: TPMT_SIGNATURE, or bare')
    .requiredOption(
      '--key <file>',
      'TPM2B_PUBLIC, TPMT_PUBLIC, a public key (PEM, DER) or a certificate (PEM, DER)',
    )
    .requiredOption(
      '--nonce <hex|none>',
      'the nonce that was asked for; `none` does not check it, and empty is the empty one',
    )
    .requiredOption(
      '--pcrs-selected <list>',
      'the PCRs that were asked for, for example sha1:0,1+sha256:0,1; all is 0 to 23',
    )
    .option('--signature-format <form>', 'auto, tpmt, raw, or for example rsassa-sha256-raw', 'auto')
    .option('--name <hex>', "the key's Name, as enrolment showed it")
    .option(
      '--pcrs <file>',
      'PCR values: JSON by bank and PCR, what tpm2_pcrread prints, or the file of tpm2_quote --pcr',
    )
    .option('--eventlog <file>', "the firmware's log, replayed in each quoted bank")
    .option('--userspace <file>', "systemd's log of what user space measured")
    .option('--ima <file>', 'the IMA log, binary or ASCII')
    .option('--reference <file>', 'signed reference values that the host has to meet (with --operator-key)')
    .option('--operator-key <file>', 'the key that signed the reference values')
    .option(
      '--history <file|directory>',
      'what is remembered of the host: nothing may go back, no nonce may come twice',
    )
    .option('--refuse-weak', 'fail for SHA-1 and for RSA keys below 2048 bits, which are only told otherwise')
  addNote(
    command,
    'The quote shows what the TPM of this key has in its PCRs; that the key is in a TPM is shown by its enrolment or its certificate, not here. A bare public\n' +
      'key or a certificate says nothing of its attributes: "attestation key" is then NOT CHECKED, and a program that has the private key could have made it all.',
  )
  setAction<Options>(command, async ({ options, output }) => {
    const selection = readSelection(options.pcrsSelected)
    const extraData = readExtraData(options.nonce)
    const signatureFormat = readFormat(options.signatureFormat)
    const name = options.name === undefined ? null : readHex(options.name, '--name')
    const key = await readAs(options.key, 'the key of the quote', readQuoteKey)
    const reference = await readReference(options, selection)
    const claimedPcrs = await readOptional(options.pcrs, 'PCR values', readClaimedPcrs, MAX_PCR_FILE_BYTES)
    const history =
      options.history === undefined ? null : await openHistory(options.history, historyHost(key))
    const log = (path: string | undefined, what: string, most?: number) =>
      readOptional(path, what, (bytes): Uint8Array => bytes, most)
    const found = examineQuote({
      quote: {
        attest: await readDocument(options.attest, 'the quote'),
        signature: await readDocument(options.signature, 'the signature'),
      },
      key,
      signatureFormat,
      name,
      extraData,
      pcrs: { exactly: selection },
      logs: {
        eventLog: await log(options.eventlog, "the firmware's log"),
        userspaceLog: await log(options.userspace, 'the user-space log'),
        imaLog: await log(options.ima, 'the IMA log', MAX_IMA_BYTES),
      },
      claimedPcrs,
      reference,
      history: history?.history,
      time: new Date().toISOString(),
      refuseWeak: options.refuseWeak ?? false,
    })
    if (found.nextHistory !== undefined) await history?.remember(found.nextHistory)
    output.result(resultOf(found, key), () => linesOf(found))
    return found.verified ? EXIT.done : EXIT.refused
  })
}

function resultOf(found: QuoteFinding, key: QuoteKey): object {
  const { quote, pcrs, verified, reasons, properties, clockStep, unexplained, imaAttestedEntries } = found
  return {
    verified,
    reasons,
    properties,
    clock: quote?.clock.clock ?? null,
    resetCount: quote?.clock.resetCount ?? null,
    restartCount: quote?.clock.restartCount ?? null,
    safe: quote?.clock.safe ?? null,
    firmwareVersion: quote && formatFirmwareVersion(quote.firmwareVersion),
    clockStep,
    signature: quote && { scheme: quote.scheme, hash: quote.hash },
    pcrs: pcrs && pcrsOf(pcrs),
    unexplained,
    imaAttestedEntries,
    key: { form: key.form, name: key.name?.toString('hex') ?? null },
  }
}

function pcrsOf(banks: BankValues): Record<string, Record<string, string>> {
  const bank = (values: ReadonlyMap<number, Uint8Array>): Record<string, string> =>
    Object.fromEntries(Array.from(values, ([pcr, value]) => [pcr, Buffer.from(value).toString('hex')]))
  return Object.fromEntries(Array.from(banks, ([name, values]) => [name, bank(values)]))
}

function linesOf({
  verified,
  reasons,
  properties,
  quote,
  clockStep,
  imaAttestedEntries,
}: QuoteFinding): string[] {
  const { clock, resetCount, restartCount, safe } = quote?.clock ?? {}
  return [
    ...properties.map(resultLine),
    ...reasons.map(({ code, severity, message }) => `${severity.padEnd(11)}  ${code}: ${printable(message)}`),
    ...(quote === null
      ? []
      : [
          `clock        ${clock} ms, reset ${resetCount}, restart ${restartCount}${safe ? '' : ', not safe'}${clockStep === null ? '' : `: ${clockStep}`}`,
          `firmware     ${formatFirmwareVersion(quote.firmwareVersion)}`,
        ]),
    ...(imaAttestedEntries > 0 ? [`IMA          ${imaAttestedEntries} entries attested`] : []),
    verified ? styled(['bold', 'green'], 'verified') : styled(['bold', 'red'], 'not verified'),
  ]
}

function readSelection(text: string): PcrSelection[] {
  const selection = readSelectionText(text)
  if (selection !== null) return selection
  throw new CliError(
    'USAGE',
    '--pcrs-selected takes banks with their PCRs, each once, for example sha1:0,1+sha256:0,1',
  )
}

function readExtraData(text: string): Buffer | null {
  return text === 'none' ? null : readHex(text, '--nonce')
}

function readHex(text: string, option: string): Buffer {
  if (/^(?:[0-9a-fA-F]{2})*$/.test(text)) return Buffer.from(text, 'hex')
  throw new CliError('USAGE', `${option} takes hexadecimal digits, two for each byte`)
}

function readFormat(text: string): SignatureFormat {
  const format = readSignatureFormat(text)
  if (format !== undefined) return format
  throw new CliError('USAGE', '--signature-format takes auto, tpmt, raw, or for example rsassa-sha256-raw')
}

async function readOptional<T>(
  path: string | undefined,
  what: string,
  read: (bytes: Buffer) => T,
  most?: number,
): Promise<T | null> {
  return path === undefined ? null : await readAs(path, what, read, most)
}

/** The appraisal is of what the daemon asks for, so it needs the same PCRs and the log of what put them there. */
async function readReference(
  { reference, operatorKey, eventlog }: Options,
  selection: readonly PcrSelection[],
): Promise<ReferenceValues | null> {
  if (reference === undefined) return null
  if (operatorKey === undefined)
    throw new CliError('USAGE', '--reference needs --operator-key: whose values they are')
  if (eventlog === undefined) throw new CliError('USAGE', "--reference needs --eventlog: the firmware's log")
  const about = selectionText(QUOTED_SELECTION)
  if (selectionText(selection) !== about)
    throw new CliError('USAGE', `--reference needs a quote of ${about}, which reference values are about`)
  return (await readReferenceFile(reference, operatorKey)).values
}
