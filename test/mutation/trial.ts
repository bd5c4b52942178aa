import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as after } from 'node:timers/promises'
import type { Fate, Mutant } from './mutant.ts'
import type { Answer, Question, TestFile } from './protocol.ts'

/** Modules that were loaded stay in memory, so a process ends after so many mutants. */
const MUTANTS_PER_PROCESS = 100
/** A mutant can make a loop endless. Its tests take a second or two without it. */
const HUNG_MS = 30_000
const SURVEY_MS = 1_800_000

/** One process that loads mutants, renewed when it is full or hangs. */
export class Trial {
  #child: ChildProcess | null = null
  #tried = 0

  async #ask(question: Question, ms: number): Promise<Answer | 'hung'> {
    this.#child ??= fork(join(import.meta.dirname, 'worker.ts'), {
      serialization: 'advanced',
      // To strip types is what Node does all the time; to be asked for it is what the warning is about.
      execArgv: ['--disable-warning=ExperimentalWarning'],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    })
    const child = this.#child
    child.send(question)
    const stop = new AbortController()
    const [answer] = await Promise.race([
      once(child, 'message', { signal: stop.signal }),
      once(child, 'exit', { signal: stop.signal }).then(() => ['hung']),
      after(ms, ['hung'], { signal: stop.signal }),
    ])
    stop.abort()
    if (answer === 'hung') this.end()
    return answer as Answer | 'hung'
  }

  /** Runs the tests once without a mutant. */
  async survey(files: readonly string[], mutants: readonly Mutant[]): Promise<readonly TestFile[]> {
    const answer = await this.#ask({ ask: 'survey', files, mutants }, SURVEY_MS)
    this.end()
    if (answer !== 'hung' && 'survey' in answer) return answer.survey
    throw new Error(answer !== 'hung' && 'error' in answer ? answer.error : 'the tests do not end')
  }

  async try(
    mutant: Mutant,
    files: readonly { file: string; tests: readonly number[] }[],
    ms: number = HUNG_MS,
  ): Promise<Fate> {
    if (files.length === 0) return { kind: 'uncovered' }
    if (this.#tried >= MUTANTS_PER_PROCESS) this.end()
    this.#tried += 1
    const answer = await this.#ask({ ask: 'try', mutant, files }, ms)
    if (answer === 'hung') return { kind: 'hung' }
    if ('fate' in answer) return answer.fate
    throw new Error('error' in answer ? answer.error : 'an answer to another question')
  }

  end(): void {
    this.#child?.kill('SIGKILL')
    this.#child = null
    this.#tried = 0
  }
}
