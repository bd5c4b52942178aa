import type { ReferenceDocument } from './document.ts'

/** One thing that is not as it was. */
export interface ReferenceChange {
  /** The field of the document. */
  readonly field: keyof ReferenceDocument
  readonly kind: 'added' | 'removed' | 'changed'
  /** In words. */
  readonly text: string
  /** The PCR that it is measured into; null where there is none. */
  readonly pcr: number | null
  /** What is there now, by digest, where there is one. */
  readonly digest: string | null
}

/** A statement's differences, before they are put to their field. */
export type StatementChange = Omit<ReferenceChange, 'field'>

/** A statement that became `any`, or is none any longer. */
export function opened(what: string, open: boolean, pcr: number | null = null): StatementChange {
  const text = open ? `${what}: anything is accepted now` : `${what}: only what is listed is accepted now`
  return { kind: 'changed', text, pcr, digest: null }
}
