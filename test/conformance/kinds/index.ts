import type { Answerer } from '../case.ts'
import { answerDsse } from './dsse.ts'

/** Who answers which kind of case. */
export const ANSWERERS: Readonly<Record<string, Answerer>> = {
  dsse: answerDsse,
}
