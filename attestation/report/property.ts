import { WritError } from '../../encoding/error.ts'

/** One property of a report, in words that stand in the output as they are. */
export interface ReportProperty {
  readonly name:
    | 'freshness'
    | 'host'
    | 'quote'
    | 'AK certificate'
    | 'EK certificate'
    | 'clock'
    | 'logs'
    | 'reference values'
    | 'executions'
    | 'lineage checkpoint'
    | 'lineage growth'
  readonly status: 'VERIFIED' | 'NOT CHECKED' | 'FAILED'
  readonly detail: string
}

/** What one step finds. The value is there for later steps, if there is anything for them. */
export interface Checked<T> {
  readonly status: ReportProperty['status']
  readonly detail: string
  readonly value?: T
}

export function verified<T>(detail: string, value?: T): Checked<T> {
  return value === undefined ? { status: 'VERIFIED', detail } : { status: 'VERIFIED', detail, value }
}

export function failed(detail: string): Checked<never> {
  return { status: 'FAILED', detail }
}

export function notChecked<T>(detail: string, value?: T): Checked<T> {
  return value === undefined ? { status: 'NOT CHECKED', detail } : { status: 'NOT CHECKED', detail, value }
}

/** Runs a step; evidence that it cannot understand is a failure of the step. */
export function guarded<T>(step: () => Checked<T>): Checked<T> {
  try {
    return step()
  } catch (error) {
    if (!(error instanceof WritError)) throw error
    return failed(error.message)
  }
}
