import { hash } from 'node:crypto'
import {
  ANY_EVENT_LOG,
  type BankName,
  type EventLog,
  judgeEventLog,
  parseEventLog,
  type QuotedPcrs,
  replayAll,
} from '../../attestation/index.ts'
import { specId } from './tcg-log.ts'

export const data = Buffer.from('measured')
export const digest = hash('sha256', data, 'buffer')
export const ZERO = Buffer.alloc(32)

export const parse = (...parts: Buffer[]): EventLog => parseEventLog(Buffer.concat(parts), ANY_EVENT_LOG)
export const of = (...parts: Buffer[]): EventLog => parse(specId(), ...parts)

/** What a TPM would quote if it had been extended as this log says. */
export function honest(log: EventLog): Map<BankName, Map<number, Buffer>> {
  return new Map(
    replayAll(log).map(({ bank, pcrs, extended }) => [
      bank,
      new Map(Array.from(extended, pcr => [pcr, pcrs.get(pcr) ?? ZERO])),
    ]),
  )
}

export const quote = (values: Record<number, Buffer>, bank: BankName = 'sha256'): QuotedPcrs =>
  new Map([[bank, new Map(Object.entries(values).map(([pcr, value]) => [Number(pcr), value]))]])

export const codes = (log: EventLog, quoted: QuotedPcrs = honest(log)): string[] =>
  judgeEventLog(log, quoted).reasons.map(({ code }) => code)
