import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach } from 'vitest'
import { liveProbes } from '../../cli/probe/index.ts'
import { completeAnswers, type GivenAnswers } from '../../cli/setup/answers.ts'
import { Person } from '../../cli/setup/ask.ts'
import { Authority } from '../../cli/setup/authority.ts'
import { setupFiles } from '../../cli/setup/files.ts'
import type { StepContext } from '../../cli/setup/step.ts'

/** What a step of the setup is told where all is in one directory, and nobody can be asked. */
export function contextIn(
  etc: string,
  given: GivenAnswers = {},
  stage: StepContext['stage'] = 'all',
): StepContext {
  const answers = completeAnswers({ ...given, places: { etc, ...given.places } })
  const files = setupFiles(answers)
  return {
    answers,
    stage,
    files,
    authority: new Authority(answers, files, null),
    probes: liveProbes({ tpm: answers.tpm.where, socket: join(etc, 'none'), root: etc }),
    changed: new Set(),
  }
}

/** A directory of its own for each test of a file, for what the setup keeps below /etc/writ. */
export function ownPlace(): { readonly etc: string; at(name: string): string } {
  let etc = ''
  beforeEach(() => {
    etc = mkdtempSync(join(tmpdir(), 'writ-etc-'))
  })
  afterEach(() => rmSync(etc, { recursive: true }))
  return {
    get etc() {
      return etc
    },
    at: name => join(etc, name),
  }
}

/** Somebody at a terminal who says the same to every question. */
export class Answering extends Person {
  readonly questions: string[] = []
  readonly #answer: boolean

  constructor(answer: boolean) {
    super()
    this.#answer = answer
  }

  override async yes(question: string): Promise<boolean> {
    this.questions.push(question)
    return this.#answer
  }
}
