export type PropertyStatus = 'VERIFIED' | 'FAILED' | 'NOT CHECKED'

/** One named property of a log and what became of it. */
export interface PropertyResult {
  readonly property: string
  readonly status: PropertyStatus
  /** For a person. */
  readonly detail: string
  /** The first file at fault, relative to the directory. */
  readonly file?: string
}

export function verified(property: string, detail: string): PropertyResult {
  return { property, status: 'VERIFIED', detail }
}

export function notChecked(property: string, detail: string): PropertyResult {
  return { property, status: 'NOT CHECKED', detail }
}

export function failed(property: string, detail: string, file?: string): PropertyResult {
  return file === undefined
    ? { property, status: 'FAILED', detail }
    : { property, status: 'FAILED', detail, file }
}

/** A failure from what a step threw. Anything thrown is a failed property, whatever it is. */
export function failedBy(property: string, error: unknown, file: string): PropertyResult {
  return failed(property, error instanceof Error ? error.message : String(error), file)
}
