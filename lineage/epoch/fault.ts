/** Something that is wrong with a log. */
export interface Fault {
  readonly code: string
  readonly message: string
  /** File, relative to the log's directory; null if the whole is meant. */
  readonly at: string | null
}
