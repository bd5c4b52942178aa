import { judgeEventLog, type QuotedPcrs } from '../eventlog/index.ts'
import { compareWithQuoted, IMA_PCR } from '../ima/index.ts'
import type { BankValues } from '../quote/index.ts'
import type { HashAlgorithm } from '../tpm2/structures/index.ts'
import type { ReadLogs, ReplayedBanks } from './replay.ts'

/** Something that a log says and the quoted values do not, or the other way round. */
export interface LogFault {
  readonly code: string
  readonly message: string
  /** `PCR 7`, `event 12`, `entry 508`. */
  readonly at?: string
}

/** What the logs and the quoted values say of each other. */
export interface Comparison {
  readonly faults: readonly LogFault[]
  /** IMA entries that the quote covers; 0 without an IMA log. */
  readonly imaAttestedEntries: number
  /** Quoted PCRs that none of the logs is about, as `sha256:10`. */
  readonly unexplained: readonly string[]
}

/** The PCRs that systemd extends and its log is about, beside 9 (systemd, docs/TPM2_PCR_MEASUREMENTS.md). */
const USERSPACE_PCRS: ReadonlySet<number> = new Set([11, 12, 13, 14, 15])
/** PCRs that the firmware's log is about (PFP 1.06, section 3.3.4). */
const FIRMWARE_PCRS = 10

/**
 * Compares logs with the values that a quote proved, PCR by PCR.
 *
 * @param values proven by the quote's digest
 * @throws ImaLogError
 */
export function compareLogs(logs: ReadLogs, banks: ReplayedBanks, values: BankValues): Comparison {
  const faults: LogFault[] = []
  if (logs.eventLog !== null) {
    const firmwareOnly: QuotedPcrs = new Map(
      Array.from(values, ([bank, pcrs]) => [
        bank,
        new Map(Array.from(pcrs).filter(([pcr]) => isAbout(logs, banks, bank, pcr) === 'firmware')),
      ]),
    )
    for (const { code, message, at } of judgeEventLog(logs.eventLog, firmwareOnly).reasons)
      faults.push({ code, message, at })
  }
  const unexplained: string[] = []
  const quotedIma = new Map<HashAlgorithm, Uint8Array>()
  for (const [bank, pcrs] of values) {
    for (const [pcr, value] of pcrs) {
      const about = isAbout(logs, banks, bank, pcr)
      if (about === null) unexplained.push(`${bank}:${pcr}`)
      else if (about === 'ima') quotedIma.set(bank, value)
      else if (about === 'both' && !(banks.get(bank)?.get(pcr)?.value.equals(value) ?? false)) {
        const message = `PCR ${pcr} (${bank}): the logs together give ${banks.get(bank)?.get(pcr)?.value.toString('hex')}, quoted is ${Buffer.from(value).toString('hex')}`
        faults.push({ code: 'QUOTE_PCR_DIGEST_MISMATCH', message, at: `PCR ${pcr}` })
      }
    }
  }
  const ima = logs.imaLog !== null && quotedIma.size > 0 ? compareWithQuoted(logs.imaLog, quotedIma) : null
  for (const { code, message, entry } of ima?.faults ?? [])
    faults.push({ code, message, at: entry === undefined ? `PCR ${IMA_PCR}` : `entry ${entry}` })
  const attested = Object.values(ima?.attested ?? {})
  return { faults, imaAttestedEntries: attested.length === 0 ? 0 : Math.min(...attested), unexplained }
}

function isFirmwareOnly(banks: ReplayedBanks, pcr: number): boolean {
  return (
    pcr !== IMA_PCR &&
    !Array.from(banks.values()).some(pcrs =>
      pcrs.get(pcr)?.extensions.some(({ at }) => at.startsWith('record')),
    )
  )
}

/** Which comparison a quoted PCR belongs to; null when no log is about it. */
export function isAbout(
  logs: ReadLogs,
  banks: ReplayedBanks,
  bank: HashAlgorithm,
  pcr: number,
): 'ima' | 'firmware' | 'both' | null {
  if (pcr === IMA_PCR) return logs.imaLog === null ? null : 'ima'
  const isExtended = (banks.get(bank)?.get(pcr)?.extensions.length ?? 0) > 0
  const ofUserspace = logs.userspace !== null && (USERSPACE_PCRS.has(pcr) || !isFirmwareOnly(banks, pcr))
  if (ofUserspace) return 'both'
  // Without the other log nobody knows what user space extended on top.
  if (logs.eventLog === null || USERSPACE_PCRS.has(pcr)) return null
  return pcr < FIRMWARE_PCRS || isExtended ? 'firmware' : null
}
