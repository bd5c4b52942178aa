import type { Authorization, Statement } from '../../../../authorization/index.ts'
import { canonicalJson } from '../../../../encoding/json.ts'
import { statement } from '../world.ts'

export const made = (change: (it: Authorization, whole: Statement) => unknown): string => {
  const whole = statement()
  change(whole.predicate, whole)
  return canonicalJson(whole)
}
export const whole = made(() => {})
export const spelled = (from: string | RegExp, to: string): string => {
  const out = whole.replace(from, to)
  if (out === whole) throw new Error(`nothing to replace: ${from}`)
  return out
}
export const any = <T>(value: unknown): T => value as T
export const many = <T>(count: number, item: (n: number) => T): T[] =>
  Array.from({ length: count }, (_, n) => item(n))
export const hex = (n: number, digits = 64): string => n.toString(16).padStart(digits, '0')
