import {
  ANY_EVENT_LOG,
  type BankName,
  EventLogError,
  isHashAlgorithm,
  judgeEventLog,
  parseEventLog,
  type QuotedPcrs,
} from '../../../attestation/index.ts'
import type { JsonValue } from '../../../encoding/json.ts'
import type { Answerer } from '../case.ts'

const TPM_FORMATS = ['agile', 'sha1', 'empty'] as const
const CC_FORMATS = ['agile', 'ccel', 'empty'] as const

/** `quoted` is the PCR values to present, `ccel` says that the log is one of a confidential VM. */
export const answerEventLog: Answerer = ({ bytes, given }) => {
  try {
    const registers = given.ccel === true ? 'cc' : 'tpm'
    const formats = given.ccel === true ? CC_FORMATS : TPM_FORMATS
    const log = parseEventLog(bytes, { ...ANY_EVENT_LOG, formats })
    const judged = judgeEventLog(log, readQuoted(given.quoted), { registers })
    const { verdict, secureBoot, exitBootServices, startupLocality } = judged
    // The suite names these banks; a log may have others, which are replayed and judged all the same.
    const named = judged.replays.filter(({ bank }) => isHashAlgorithm(bank))
    const banks = named.map(({ bank, pcrs, extended }) => [
      bank,
      Object.fromEntries(Array.from(extended, pcr => [pcr, pcrs.get(pcr)?.toString('hex') ?? ''])),
    ])
    const reasons = judged.reasons.map(({ code, at }) => `${code} ${at}`)
    const facts = { secureBoot, exitBootServices, startupLocality, reasons }
    return { parse: 'ok', verdict, banks: Object.fromEntries(banks), ...facts }
  } catch (error) {
    if (!(error instanceof EventLogError)) throw error
    return { parse: 'error', verdict: 'reject', reasons: [error.code] }
  }
}

function readQuoted(value: JsonValue | undefined): QuotedPcrs {
  const banks = Object.entries((value ?? {}) as Record<BankName, Record<string, string>>)
  return new Map(
    banks.map(([bank, pcrs]) => [
      bank as BankName,
      new Map(Object.entries(pcrs).map(([pcr, hex]) => [Number(pcr), Buffer.from(hex, 'hex')])),
    ]),
  )
}
