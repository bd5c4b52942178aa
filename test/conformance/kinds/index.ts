import type { Answerer } from '../case.ts'

/** Who answers which kind of case. */
export const ANSWERERS: Readonly<Record<string, Answerer>> = {}
