import type { BootStatements } from '../../reference/boot-statements.ts'
import type { BootImages, UkiStatement } from '../../reference/statements.ts'
import { type Ledger, named, oneOf } from './ledger.ts'
import type { MeasuredEvent } from './measured-boot.ts'
import { ATTEMPT_DIGEST, isRoutine } from './routine.ts'

const IMAGE_PCR = 4

type Statements = Pick<BootStatements, 'bootImages' | 'ukis'>

/**
 * Judges the images that were started: the listed ones in their order, each once, then one of the UKIs, if there are any, with the kernel in it where
 * its stub had the firmware start it. Each attempt of the firmware begins anew, and the last one has to be whole.
 *
 * @returns the UKIs that may be running; all of them where nothing tells
 */
export function judgeBootImages(ledger: Ledger, { bootImages, ukis }: Statements): readonly UkiStatement[] {
  if (!ledger.isDescribed(IMAGE_PCR)) return ukis
  const events = ledger.take(IMAGE_PCR, () => true)
  if (bootImages === 'any') return ukis
  let attempt = new Attempt(ledger, bootImages, ukis)
  for (const event of events) {
    if (event.digest === ATTEMPT_DIGEST) attempt = new Attempt(ledger, bootImages, ukis)
    else if (!isRoutine(IMAGE_PCR, event.digest)) attempt.start(event)
  }
  return attempt.end()
}

class Attempt {
  readonly #ledger: Ledger
  readonly #images: Exclude<BootImages, 'any'>
  readonly #ukis: readonly UkiStatement[]
  #next = 0
  /** Those that have the UKI's image digest; null before one was started. */
  #started: readonly UkiStatement[] | null = null
  #kernelStarted = false

  constructor(ledger: Ledger, images: Exclude<BootImages, 'any'>, ukis: readonly UkiStatement[]) {
    this.#ledger = ledger
    this.#images = images
    this.#ukis = ukis
  }

  start(event: MeasuredEvent): void {
    const { digest } = event
    if (this.#started !== null) {
      if (!this.#kernelStarted && this.#started.some(({ kernel }) => kernel === digest)) {
        this.#kernelStarted = true
      } else {
        this.#unknown(
          event,
          this.#started.some(({ kernel }) => kernel !== undefined) ? 'its kernel' : 'no image',
        )
      }
      return
    }
    const at = this.#images.findIndex(({ digests }, i) => i >= this.#next && digests.includes(digest))
    if (at >= 0) {
      this.#skip(at, event.at)
      this.#next = at + 1
      return
    }
    const started = this.#ukis.filter(({ image }) => image === digest)
    if (started.length === 0) {
      this.#unknown(event, this.#expected())
      return
    }
    this.#skip(this.#images.length, event.at)
    this.#next = this.#images.length
    this.#started = started
  }

  end(): readonly UkiStatement[] {
    this.#skip(this.#images.length, `PCR ${IMAGE_PCR}`)
    if (this.#ukis.length > 0 && this.#started === null) {
      const expected = oneOf(this.#ukis.map(({ name }) => name))
      this.#ledger.fail('BOOT_IMAGE_MISSING', 'none of the listed UKIs was started', 'PCR 4', expected)
    }
    return this.#started ?? []
  }

  /** Names the images before `index` that a boot may not do without. */
  #skip(index: number, at: string): void {
    for (const { name, digests, optional } of this.#images.slice(this.#next, index)) {
      if (optional) continue
      this.#ledger.fail('BOOT_IMAGE_MISSING', `${name} was not started`, at, `${name}: ${oneOf(digests)}`)
    }
    this.#next = Math.max(this.#next, index)
  }

  #expected(): string {
    const rest = this.#images.slice(this.#next)
    const needed = rest.findIndex(({ optional }) => !optional)
    const images = needed < 0 ? rest : rest.slice(0, needed + 1)
    const ukis = needed < 0 ? this.#ukis.map(({ name }) => name) : []
    return oneOf([...images.map(({ name, digests }) => `${name} ${oneOf(digests)}`), ...ukis]) || 'no image'
  }

  #unknown(event: MeasuredEvent, expected: string): void {
    this.#ledger.fail(
      'BOOT_IMAGE_UNKNOWN',
      `${named(event)}: an image was started that is not listed here`,
      event.at,
      expected,
    )
  }
}
