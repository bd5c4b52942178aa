import { type JsonValue, parseJson } from '../../encoding/json.ts'
import { type HashAlgorithm, hashSize, isHashAlgorithm } from '../tpm2/structures/index.ts'
import { QuoteInputError } from './error.ts'
import type { BankValues } from './pcr-digest.ts'
import { isPcrsFile, parsePcrsFile } from './pcrs-file.ts'

/** Most bytes of a file of PCR values: 24 PCRs of four banks are 12 kB in hexadecimal. */
export const MAX_PCR_FILE_BYTES = 1 << 20

/** Banks that TPMs have (TCG Algorithm Registry 1.34, table 3) and no quote here covers: their values are passed over. */
const OTHER_BANKS = /^(?:sm3_256|sha3_(?:256|384|512))$/

/**
 * Reads PCR values that somebody brought beside a quote: JSON `{"sha256": {"0": hex, …}, …}`, what `tpm2_pcrread`
 * prints, or the file of `tpm2_quote --pcr`. Nothing in it is attested until a quote's digest covers it.
 *
 * @throws QuoteInputError `QUOTE_PCRS_MALFORMED`
 */
export function readClaimedPcrs(bytes: Uint8Array): BankValues {
  if (isPcrsFile(bytes)) return parsePcrsFile(bytes)
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
  const banks = new Map<HashAlgorithm, Map<number, Buffer>>()
  for (const [bank, pcr, hex] of /^\s*\{/.test(text) ? jsonValues(bytes) : printedValues(text)) {
    if (OTHER_BANKS.test(bank)) continue
    if (!isHashAlgorithm(bank)) throw malformed(`no bank is called ${bank.slice(0, 32)}`)
    const value = Buffer.from(hex, 'hex')
    if (value.toString('hex') !== hex.toLowerCase() || value.length !== hashSize(bank)) {
      throw malformed(`PCR ${pcr.slice(0, 8)} of ${bank} has not ${hashSize(bank)} bytes of hexadecimal`)
    }
    const values = banks.get(bank) ?? new Map<number, Buffer>()
    const index = Number(pcr)
    if (!/^(?:0|[1-9]\d?)$/.test(pcr) || values.has(index))
      throw malformed(`no PCR, or one twice: ${pcr.slice(0, 8)} of ${bank}`)
    banks.set(bank, values.set(index, value))
  }
  return banks
}

type Line = readonly [bank: string, pcr: string, hex: string]

function jsonValues(bytes: Uint8Array): Line[] {
  let json: JsonValue
  try {
    json = parseJson(bytes, { maxBytes: MAX_PCR_FILE_BYTES, maxDepth: 4 })
  } catch (cause) {
    throw malformed(cause instanceof Error ? cause.message : 'not JSON', cause)
  }
  return entriesOf(json).flatMap(([bank, values]) =>
    entriesOf(values).map(([pcr, hex]): Line => {
      if (typeof hex !== 'string') throw malformed(`PCR ${pcr.slice(0, 8)} is not text`)
      return [bank, pcr, hex]
    }),
  )
}

function entriesOf(json: JsonValue): [string, JsonValue][] {
  if (typeof json !== 'object' || json === null || Array.isArray(json))
    throw malformed('not an object of banks')
  return Object.entries(json)
}

/** `  sha256:` above `    0 : 0x3D45…`; a bank without PCRs stands alone (tpm2-tools, lib/pcr.c, pcr_print_values). */
function printedValues(text: string): Line[] {
  const lines: Line[] = []
  let bank = ''
  for (const line of text.split('\n')) {
    const value = /^\s*(\d{1,2})\s*:\s*0x([0-9A-Fa-f]+)\s*$/.exec(line)
    if (value?.[1] !== undefined && value[2] !== undefined) lines.push([bank, value[1], value[2]])
    else {
      const head = /^\s*(?:pcrs:|(\w+)\s*:)?\s*$/.exec(line)
      if (head === null) throw malformed('neither JSON nor the output of tpm2_pcrread')
      bank = head[1] ?? bank
    }
  }
  return lines
}

function malformed(what: string, cause?: unknown): QuoteInputError {
  return new QuoteInputError('QUOTE_PCRS_MALFORMED', `PCR values: ${what}`, { at: 'pcrs', cause })
}
