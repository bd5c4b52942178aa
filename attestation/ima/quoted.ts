import type { HashAlgorithm } from '../tpm2/structures/index.ts'
import { ImaLogError } from './error.ts'
import { binaryImaLog, type ImaLogForm } from './form.ts'
import { type ImaExtend, ImaReplay } from './replay.ts'

/** Why a log does not stand for quoted values of PCR 10. */
export interface ImaFault {
  readonly code:
    | 'IMA_TEMPLATE_HASH_MISMATCH'
    | 'IMA_PCR_MISMATCH'
    | 'IMA_BANKS_DISAGREE'
    | ImaLogError['code']
  readonly message: string
  /** The first entry that it is about. */
  readonly entry?: number
  readonly bank?: HashAlgorithm
}

/** How far quoted values of PCR 10 cover a log. */
export interface QuotedImaLog {
  readonly faults: readonly ImaFault[]
  /** Entries that the value of each bank covers; what follows is not attested yet. No number for a bank that none fits. */
  readonly attested: Readonly<Partial<Record<HashAlgorithm, number>>>
  /** How the banks other than SHA-1 were extended. */
  readonly extend: ImaExtend | null
}

/**
 * Compares a whole log with values of PCR 10 that a TPM quoted. The log stands when every entry can be read and has the template hash that
 * its column says, and when there is one position at which every bank has its quoted value. No value fits a log of which it covers
 * nothing: the boot begins with `boot_aggregate`.
 *
 * @param quoted trusted; without any, nothing of the log is attested, and still its entries are looked at
 * @throws ImaLogError for bytes that are no IMA log
 */
export function compareWithQuoted(
  bytes: Uint8Array,
  quoted: ReadonlyMap<HashAlgorithm, Uint8Array>,
  form?: ImaLogForm,
): QuotedImaLog {
  const log = binaryImaLog(bytes, form)
  const faults: ImaFault[] = []
  const attested: Partial<Record<HashAlgorithm, number>> = {}
  let extend: ImaExtend | null = null
  const read = new ImaReplay()
  read.append(log)
  read.finish()
  faults.push(...faultyEntries(read))
  for (const [bank, value] of quoted) {
    for (const how of bank === 'sha1' ? (['native'] as const) : (['native', 'padded'] as const)) {
      const replay = new ImaReplay({ bank, extend: how })
      replay.append(log)
      replay.finish()
      const position = replay.findPosition(pcr10 => pcr10.equals(value))
      if (position === null || (position === 0 && replay.length > 0)) continue
      attested[bank] = position
      if (bank !== 'sha1') extend = how
      break
    }
    if (attested[bank] === undefined)
      faults.push({
        code: 'IMA_PCR_MISMATCH',
        message: `no position of the log gives the quoted PCR 10 of the ${bank} bank`,
        bank,
      })
  }
  const positions = new Set(Object.values(attested))
  if (positions.size > 1)
    faults.push({ code: 'IMA_BANKS_DISAGREE', message: 'the banks cover different parts of the log' })
  return { faults, attested, extend }
}

/** Entries that cannot be read, or whose column lies. */
function faultyEntries(replay: ImaReplay): ImaFault[] {
  const faults: ImaFault[] = []
  for (let index = replay.first; index < replay.length; index++) {
    try {
      if (replay.entry(index).columnMatches) continue
      const message = `entry ${index}: its template hash is not that of its data`
      faults.push({ code: 'IMA_TEMPLATE_HASH_MISMATCH', message, entry: index })
    } catch (error) {
      if (!(error instanceof ImaLogError)) throw error
      faults.push({ code: error.code, message: error.message, entry: index })
    }
  }
  return faults
}
