/** Something read from an event's data. */
export interface Field<T> {
  readonly value: T
  /**
   * Whether a digest that extended a PCR covers all the bytes that `value` was read from. Where it is false the host may have written
   * anything. It says nothing about the event's *type*, which is never measured.
   */
  readonly bound: boolean
}

/** The half-open range of an event's data that the measured digest is the hash of. */
export interface Coverage {
  readonly from: number
  readonly to: number
}

/** Something read from the bytes `[from, to)` of an event's data. */
export function field<T>(value: T, covered: Coverage | null, from: number, to: number): Field<T> {
  return { value, bound: covered !== null && covered.from <= from && to <= covered.to }
}
