import { WritError } from '../../encoding/error.ts'
import { CliError } from '../error.ts'
import type { Done, Found, Step, StepContext, StepName, WaitingFor } from './step.ts'
import { STEPS } from './steps/index.ts'

/** What came of a step. */
export interface StepResult {
  readonly name: StepName
  readonly state: /** It was as it should be. */
    | 'unchanged'
    | 'changed'
    /** It would be changed; nothing was, because nothing is in a trial. */
    | 'to do'
    /** Not asked for, or not of this stage. */
    | 'skipped'
    /** Somebody has to do something before it can go on. */
    | 'waiting'
    | 'failed'
  readonly found: readonly string[]
  readonly will: readonly string[]
  readonly did: readonly string[]
  readonly warnings: readonly string[]
  readonly waiting: { readonly for: WaitingFor; readonly next: string } | null
  readonly error: CliError | WritError | null
}

export interface SetupResult {
  /** Whether all steps are done. */
  readonly complete: boolean
  readonly changed: boolean
  readonly steps: readonly StepResult[]
  readonly waiting: StepResult['waiting']
}

/** Whoever watches: told before each piece of work, so that nobody sits before a silent terminal. */
export interface Watcher {
  looking(step: Step): void
  /** Before something is changed. @returns false: the person said no */
  goOn(step: Step, found: Found): Promise<boolean>
  over(step: Step, result: StepResult): void
}

/** What a run is told beside its context. */
export interface RunOptions {
  readonly watcher: Watcher
  /** Look, and change nothing. */
  readonly trial: boolean
  readonly steps?: readonly Step[]
}

/**
 * Takes the steps in their order, each after a look, until one fails or waits for somebody. What is done already is left alone, so a run
 * that was interrupted, or that waited, is gone on with by another one.
 *
 * @throws CliError NOT_CONFIRMED, and whatever is no finding about the host
 */
export async function runSetup(
  context: Omit<StepContext, 'changed'>,
  { watcher, trial, steps = STEPS }: RunOptions,
): Promise<SetupResult> {
  const changed = new Set<StepName>()
  const results: StepResult[] = []
  for (const step of steps) {
    watcher.looking(step)
    const result = await take(step, { ...context, changed }, watcher, trial)
    if (result.state === 'changed' || (result.state === 'waiting' && result.did.length > 0))
      changed.add(step.name)
    results.push(result)
    watcher.over(step, result)
    if (result.state === 'failed' || (result.waiting !== null && !trial)) break
  }
  const waiting = results.find(({ waiting }) => waiting !== null)?.waiting ?? null
  const complete = results.every(({ state }) => ['unchanged', 'changed', 'skipped'].includes(state))
  return { complete, changed: changed.size > 0, steps: results, waiting }
}

const NOTHING = { found: [], will: [], did: [], warnings: [], waiting: null, error: null } as const

async function take(step: Step, context: StepContext, watcher: Watcher, trial: boolean): Promise<StepResult> {
  let found: Found
  try {
    found = await step.look(context)
  } catch (error) {
    return { ...NOTHING, name: step.name, state: 'failed', error: expected(error) }
  }
  const seen = { ...NOTHING, name: step.name, found: found.found, warnings: found.warnings ?? [] }
  switch (found.state) {
    case 'done':
      return { ...seen, state: 'unchanged' }
    case 'skipped':
      return { ...seen, state: 'skipped' }
    case 'waiting':
      return { ...seen, state: 'waiting', waiting: { for: found.for, next: found.next } }
    case 'to do':
      break
  }
  const planned = { ...seen, will: found.will }
  if (trial) return { ...planned, state: 'to do' }
  if (!(await watcher.goOn(step, found)))
    throw new CliError('NOT_CONFIRMED', 'stopped; `writ setup` goes on from here')
  let done: Done
  try {
    done = await found.carryOut()
  } catch (error) {
    return { ...planned, state: 'failed', error: expected(error) }
  }
  return {
    ...planned,
    state: done.waiting === undefined ? 'changed' : 'waiting',
    did: done.did,
    warnings: [...planned.warnings, ...(done.warnings ?? [])],
    waiting: done.waiting ?? null,
  }
}

/** What is wrong with host, input or daemon is a result; a defect of this program is not. */
function expected(error: unknown): CliError | WritError {
  if (error instanceof WritError && !(error instanceof CliError && error.code === 'NOT_CONFIRMED'))
    return error
  throw error
}
