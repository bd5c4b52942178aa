import { type Place, type Step, stepsOf } from '../operations/page.ts'
import { word } from './governed.ts'
import type { Guest } from './guest.ts'
import { HostTestError } from './processes.ts'

/** What happens to the host before the commands that come next (`<!-- given: NAME -->`); where it was booted for that, the guest that it is now. */
export type Givens = Readonly<Record<string, () => Promise<Guest | undefined>>>

/** Of the shell between two commands, and two boots. */
const STATE = '/var/tmp/runbook'
/** An upgrade under emulation takes minutes. */
const PATIENCE_MS = 900_000

/** Follows pages of docs/operations as written: a shell of root's in the guest, whose variables and working directory last from one command to the next. */
export class Runbook {
  #guest: Guest

  private constructor(guest: Guest) {
    this.#guest = guest
  }

  /** @param directory where the shell is at first */
  static async open(guest: Guest, directory: string): Promise<Runbook> {
    await guest.ok(
      `mkdir -p ${STATE} && : >${STATE}/variables && echo ${word(directory)} >${STATE}/directory`,
    )
    return new Runbook(guest)
  }

  /** Where it is now. */
  get guest(): Guest {
    return this.#guest
  }

  /** Gives the shell a variable that a page expects. */
  async set(name: string, value: string): Promise<void> {
    await this.#guest.ok(`echo ${word(`export ${name}=${word(value)}`)} >>${STATE}/variables`)
  }

  /**
   * Runs the commands of a page, in their order, each after what is given there.
   *
   * @param written what a word of the page stands for here
   * @returns how many there were
   * @throws HostTestError where one does not do what the page says
   */
  async follow(
    page: string,
    givens: Givens = {},
    written: readonly [string, string][] = [],
    place: Place = 'sh host',
  ): Promise<number> {
    let count = 0
    for (const step of stepsOf(page, place)) {
      if ('given' in step) {
        const happens = givens[step.given]
        if (happens === undefined) throw new HostTestError(`${page}: nobody knows what "${step.given}" is`)
        this.#guest = (await happens()) ?? this.#guest
        continue
      }
      await this.#one(page, step, asHere(step.command, written))
      count++
    }
    if (count === 0) throw new HostTestError(`${page} has no block that begins with ${place}`)
    return count
  }

  async #one(page: string, { line, says, refused }: Step, command: string): Promise<void> {
    const script = [
      `. ${STATE}/variables`,
      `cd "$(cat ${STATE}/directory)"`,
      // Whatever is set is there for the next command.
      'set -a',
      command,
      'ended=$?',
      `export -p >${STATE}/variables; pwd >${STATE}/directory; exit $ended`,
    ].join('\n')
    const { status, stdout, stderr } = await this.#guest.run(script, { timeoutMs: PATIENCE_MS })
    const said = `${stdout}${stderr}`
    const wrong = (what: string) => new HostTestError(`${page}:${line}: ${command}\n${what}\n${said}`)
    if ((status !== 0) !== refused) throw wrong(`ended with ${status}`)
    if (says !== null && !said.includes(says)) throw wrong(`does not say: ${says}`)
  }
}

/** A command of a page with the words of this place. */
export function asHere(command: string, written: readonly [string, string][]): string {
  return written.reduce((text, [word, here]) => text.replaceAll(word, here), command)
}
