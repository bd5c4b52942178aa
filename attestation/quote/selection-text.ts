import { hashId, hashName, isHashAlgorithm, type PcrSelection } from '../tpm2/structures/index.ts'

/** PCRs of a PC Client TPM (PTP 1.05, section 4.6). */
const PCR_COUNT = 24

/**
 * Reads a selection as tpm2-tools spell it: `sha256:0,1,7`, several banks joined by `+`, `sha256:all` for PCR 0 to 23. The order of the
 * banks counts, as in the quote; that of the PCRs does not, since a bit map has none.
 *
 * @returns null when it is not a selection: an unknown bank, one that is named twice, no PCR, one that is named twice
 */
export function readSelectionText(text: string): PcrSelection[] | null {
  const selections: PcrSelection[] = []
  for (const part of text.split('+')) {
    const [, bank = '', list = ''] = /^(\w+):(all|\d{1,2}(?:,\d{1,2})*)$/.exec(part) ?? []
    if (!isHashAlgorithm(bank)) return null
    const all = Array.from({ length: PCR_COUNT }, (_, pcr) => pcr)
    const named = list === 'all' ? all : list.split(',').map(Number)
    const pcrs = all.filter(pcr => named.includes(pcr))
    if (pcrs.length !== named.length || selections.some(other => other.bank === hashId(bank))) return null
    selections.push({ bank: hashId(bank), pcrs })
  }
  return selections
}

/** A selection in the spelling of {@link readSelectionText}; a bank that Writ does not know by its TPM_ALG_ID. */
export function selectionText(selections: readonly PcrSelection[]): string {
  return selections.map(({ bank, pcrs }) => `${bankName(bank)}:${pcrs.join(',')}`).join('+')
}

/** The name of a bank, `0x12` for one that Writ does not know. */
export function bankName(bank: number): string {
  return hashName(bank) ?? `0x${bank.toString(16)}`
}
