import type { ReasonCode, Stage } from '../../../authorization/index.ts'
import type { Given } from '../form.ts'
import { defaults, request } from './world.ts'

/** `permit`, or the stage that denies and its reasons in order. Written down by hand: what the code says is held against it. */
export type Verdict = 'permit' | readonly [Stage, ...ReasonCode[]]

/** One decision: its name, what it is about, what is given beside the defaults, what has to come of it. */
export type Case = readonly [name: string, about: string, given: Partial<Given>, expect: Verdict]

/** A file of decisions. */
export interface Group {
  readonly file: string
  readonly description: string
  readonly cases: readonly Case[]
}

type Part<K extends 'gate' | 'caller' | 'clock' | 'uses' | 'host' | 'minting'> = Partial<
  NonNullable<Given[K]>
>

export const gate = (fields: Part<'gate'>) => ({ gate: { ...defaults.gate, ...fields } })
export const caller = (fields: Part<'caller'>) => ({
  caller: { ...(defaults.caller as NonNullable<Given['caller']>), ...fields },
})
export const at = (now: string) => ({ clock: { now, trusted: true } })
export const uses = (fields: Part<'uses'>) => ({ uses: { ...defaults.uses, ...fields } })
export const asked = (fields: Partial<Given['request']>) => ({ request: { ...request, ...fields } })
