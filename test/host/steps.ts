import type { Guest } from './guest.ts'

/** Counts steps, and prints a line for each with the time that it took. */
export class Steps {
  passed = 0
  failed = 0
  readonly failures: string[] = []
  #scenario = ''
  #guest: Guest | undefined

  /** Runs a scenario: whatever it throws is its failure, and others go on. A guest that it leaves running loses its power. */
  async scenario(name: string, body: () => Promise<void>): Promise<boolean> {
    this.#scenario = name
    console.log(`\n${name}`)
    const before = this.failed
    try {
      await body()
    } catch (error) {
      // A failed step has been told of.
      if (this.failed === before) this.#fail('between steps', error as Error)
    } finally {
      await this.#guest?.cutPower()
      this.#guest = undefined
    }
    return this.failed === before
  }

  /** One thing that has to hold. @throws what `body` throws: the rest of a scenario stands on it */
  async step<T>(what: string, body: () => Promise<T>): Promise<T> {
    const started = performance.now()
    try {
      const result = await body()
      this.passed++
      console.log(`  ok ${seconds(started)}  ${what}`)
      return result
    } catch (error) {
      // All of it is told at the end; whoever watches wants the first of it now.
      console.log(`  FAILED ${seconds(started)}  ${what}: ${`${(error as Error).message}`.slice(0, 400)}`)
      const seen = await this.#guest?.diagnosis().catch(cause => `no diagnosis: ${cause.message}`)
      this.#fail(what, error as Error, seen)
      throw error
    }
  }

  /** A boot as a step. The guest is ended with the scenario if it has not ended before. */
  async boot(what: string, boot: () => Promise<Guest>): Promise<Guest> {
    const guest = await this.step(what, boot)
    this.#guest = guest
    return guest
  }

  /** A shutdown as a step. */
  async powerOff(guest: Guest): Promise<void> {
    await this.step('it shuts down in order', () => guest.powerOff())
    this.#guest = undefined
  }

  #fail(what: string, error: Error, seen = ''): void {
    this.failed++
    this.failures.push(`${this.#scenario}: ${what}\n${error.stack ?? error}\n${seen}`)
  }
}

function seconds(since: number): string {
  return `${((performance.now() - since) / 1000).toFixed(1)} s`.padStart(8)
}
