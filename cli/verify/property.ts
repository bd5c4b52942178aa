import { printable, styled } from '../output.ts'

/** What a verifier says of one property. */
export type Status = 'VERIFIED' | 'NOT CHECKED' | 'FAILED'

/** One named property of what was verified. */
export interface PropertyResult {
  readonly property: string
  readonly status: Status
  /** For a person: how many, which, why not. */
  readonly detail: string
  /** The first file of the bundle that is at fault. */
  readonly file?: string
  /** Whether the person who verifies asked for it: by default everything that does not need something that was not given. */
  readonly asked: boolean
}

/** Whether all that was asked is verified, and nothing has failed. An empty list verifies nothing. */
export function allVerified(properties: readonly PropertyResult[]): boolean {
  return (
    properties.length > 0 &&
    properties.every(({ status, asked }) => status === 'VERIFIED' || (status === 'NOT CHECKED' && !asked))
  )
}

const STYLES = { VERIFIED: 'green', 'NOT CHECKED': 'yellow', FAILED: 'red' } as const

/** One property as a line for a person. */
export function resultLine({ property, status, detail, file }: Omit<PropertyResult, 'asked'>): string {
  const where = file === undefined ? '' : ` [${printable(file)}]`
  return `${styled(['bold', STYLES[status]], status.padEnd(11))}  ${property}${styled('dim', `: ${printable(detail)}`)}${where}`
}
