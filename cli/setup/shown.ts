import { CliError, EXIT, type ExitStatus } from '../error.ts'
import type { JsonForm } from '../form.ts'
import { printable, styled } from '../output.ts'
import type { SetupResult, StepResult } from './run.ts'
import type { Step } from './step.ts'

/** What `writ setup --json` prints. */
export const SETUP_FORM = {
  complete: 'boolean: whether every step is done',
  changed: 'boolean: whether this run changed anything',
  'waiting|null': {
    for: 'text: REBOOT, BOOT_OPTIONS, SIGNATURE, START or HARDWARE_ROOT',
    next: 'text: what somebody has to do',
  },
  steps: [
    {
      name: 'text',
      state: 'text: unchanged, changed, to do (with --dry-run), skipped, waiting or failed',
      found: ['text'],
      will: ['text: what was, or would be, done'],
      did: ['text: what there is now'],
      warnings: ['text: what one should know'],
      'error|null': {
        code: 'text',
        message: 'text',
        'at?': 'text',
        'next?': 'text',
        lines: ['text'],
      },
    },
  ],
  backUp: ['text: what to keep a copy of, elsewhere'],
} as const satisfies JsonForm

/** The result as JSON has it. */
export function setupJson({ complete, changed, waiting, steps }: SetupResult, backUp: readonly string[]) {
  return {
    complete,
    changed,
    waiting,
    steps: steps.map(({ error, waiting, ...step }) => {
      void waiting
      return { ...step, error: error === null ? null : errorJson(error) }
    }),
    backUp,
  }
}

function errorJson(error: NonNullable<StepResult['error']>) {
  const { code, message, at } = error
  return {
    code,
    message,
    ...(at === undefined ? {} : { at }),
    ...(error instanceof CliError ? { next: error.next, lines: error.lines } : { lines: [] }),
  }
}

/** 0 only where all is done, or, of a trial, where no step would fail: what is to be done, or waited for, is its result. */
export function setupStatus({ complete, steps }: SetupResult, trial: boolean): ExitStatus {
  const failed = steps.find(({ state }) => state === 'failed')
  if (failed !== undefined) return failed.error instanceof CliError ? failed.error.exitStatus : EXIT.refused
  return complete || trial ? EXIT.done : EXIT.refused
}

const MARKS: Readonly<Record<StepResult['state'], string>> = {
  unchanged: 'as it should be',
  changed: 'done',
  'to do': 'to do',
  skipped: 'left out',
  waiting: 'waits',
  failed: 'failed',
}

/** The heading of a step. */
export function stepHeading({ title, why }: Step): string[] {
  return ['', styled('bold', title), styled('dim', `  ${why}`)]
}

/** What came of it. */
export function stepLines({ state, found, did, warnings, error, waiting, will }: StepResult): string[] {
  const plain = [...found, ...(state === 'to do' ? will.map(line => `would: ${line}`) : []), ...did]
  const lines = [
    // TPM, firmware and daemon say some of it.
    ...plain.map(printable),
    ...warnings.map(line => styled('yellow', `note: ${printable(line)}`)),
  ].map(line => `  ${line}`)
  const mark = styled(state === 'failed' ? 'red' : state === 'waiting' ? 'yellow' : 'green', MARKS[state])
  const said = [...lines, `  ${mark}`]
  if (waiting !== null) said.push(`  ${printable(waiting.next)}`)
  if (error === null) return said
  said.push(`  ${printable(error.message)}${error instanceof CliError ? '' : ` [${error.code}]`}`)
  if (error instanceof CliError)
    said.push(...error.lines.map(line => `    ${printable(line)}`), `  ${printable(error.next)}`)
  return said
}
