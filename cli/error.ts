import { WritError } from '../encoding/error.ts'

/** Exit statuses of `writ`; `writ run` returns the program's own once it has started. */
export const EXIT = {
  /** What was asked for is done. */
  done: 0,
  /** Denied, not verified, or could not be carried out; what the command is asked to judge is malformed. */
  refused: 1,
  /** Wrong use, or other input that is malformed or missing. */
  wrongUse: 2,
} as const
export type ExitStatus = number

export type CliErrorCode =
  | 'USAGE'
  | 'NOT_CONFIRMED'
  | 'FILE_MISSING'
  | 'FILE_UNREADABLE'
  | 'FILE_TOO_LARGE'
  | 'FILE_EXISTS'
  | 'FILE_MALFORMED'
  | 'FILE_UNWRITABLE'
  | 'OUTPUT_UNWRITABLE'
  | 'KEY_UNUSABLE'
  | 'NOT_SIGNED_BY_KEY'
  | 'UNKNOWN_ID'
  | 'DAEMON_UNREACHABLE'
  | 'REQUEST_FAILED'
  | 'DENIED'
  | 'HOST_UNFIT'
  | 'NOT_APPROVED'
  | 'NOT_VERIFIED'

/** Codes that mean that the input was right and the answer was no. */
const REFUSALS: ReadonlySet<string> = new Set([
  'NOT_CONFIRMED',
  'OUTPUT_UNWRITABLE',
  'DAEMON_UNREACHABLE',
  'REQUEST_FAILED',
  'DENIED',
  'HOST_UNFIT',
  'NOT_APPROVED',
  'NOT_VERIFIED',
])

/** What helps where whoever reports an error knows nothing better. */
const NEXT: Readonly<Record<CliErrorCode, string>> = {
  USAGE: 'Add --help for the options and an example.',
  NOT_CONFIRMED: 'Answer y to go on.',
  FILE_MISSING: 'Check the path.',
  FILE_UNREADABLE: 'Check the path, and whether you may read it.',
  FILE_TOO_LARGE: 'Check that it is the right file.',
  FILE_EXISTS: 'Choose another name, or move the file away first.',
  FILE_MALFORMED: 'Check that it is the right file, and get it again from where it was made.',
  FILE_UNWRITABLE: 'Check the path, whether you may write there, and the space that is left.',
  OUTPUT_UNWRITABLE: 'Check where the output goes.',
  KEY_UNUSABLE: 'Check the key with `writ key show`.',
  NOT_SIGNED_BY_KEY: 'Check with `writ key show` that it is the right key.',
  UNKNOWN_ID:
    '`writ lineage tree` shows the executions and decisions that you may see, with their positions.',
  DAEMON_UNREACHABLE: 'Start writd, or name its socket with --socket or WRIT_SOCKET.',
  REQUEST_FAILED: '`writ status` shows how the daemon is.',
  DENIED: '`writ lineage tail` shows the decision.',
  HOST_UNFIT: 'Look at the host, and try again.',
  NOT_APPROVED: 'Look at the artifact, and ask whoever sent it.',
  NOT_VERIFIED: 'Do not rely on it; ask whoever sent it.',
}

/** What the command line reports to its user: what is wrong, with which file or option, and what to do next. */
export class CliError extends WritError<CliErrorCode> {
  /** What the user can do now; one sentence. */
  readonly next: string
  /** More lines for the person, between the message and what to do next. */
  readonly lines: readonly string[]
  /** What a script may want beside the message, for `--json`. */
  readonly detail: Readonly<Record<string, unknown>> | undefined

  constructor(
    code: CliErrorCode,
    message: string,
    options: {
      at?: string | undefined
      cause?: unknown
      next?: string | undefined
      lines?: readonly string[]
      detail?: Readonly<Record<string, unknown>> | undefined
    } = {},
  ) {
    super(code, message, options)
    this.next = options.next ?? NEXT[code]
    this.lines = options.lines ?? []
    this.detail = options.detail
  }

  get exitStatus(): ExitStatus {
    return REFUSALS.has(this.code) ? EXIT.refused : EXIT.wrongUse
  }
}
