import type { Answerer } from '../case.ts'
import { answerCertificates } from './certs.ts'
import { answerDsse } from './dsse.ts'
import { answerEar } from './ear.ts'
import { answerEventLog } from './eventlog.ts'
import { answerIma } from './ima.ts'
import { answerJson } from './json.ts'
import { answerMerkle } from './merkle.ts'
import { answerNote } from './note.ts'
import { answerQuote } from './quote.ts'

/** Who answers which kind of case. */
export const ANSWERERS: Readonly<Record<string, Answerer>> = {
  certs: answerCertificates,
  dsse: answerDsse,
  ear: answerEar,
  eventlog: answerEventLog,
  ima: answerIma,
  json: answerJson,
  merkle: answerMerkle,
  note: answerNote,
  quote: answerQuote,
}
