import type { Clearance } from '../../authorization/index.ts'
import { canonicalJson } from '../../encoding/json.ts'

/** What has to be cleared. Of a clock the clearance says the time, too. */
export type ToClear =
  | Exclude<Clearance['clears'], { kind: 'clock' }>
  | Omit<Extract<Clearance['clears'], { kind: 'clock' }>, 'time'>

/** Whether a clearance is for this, and for nothing else of its kind. */
export function isCleared(clears: Clearance['clears'], what: ToClear): boolean {
  const { time: _, ...named } = { time: '', ...clears }
  return canonicalJson(named) === canonicalJson(what)
}
