import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { CACHE } from './base-root.ts'
import { type GuestImage, guestImage } from './image.ts'
import { Machine } from './machine.ts'
import { HostTestError, ok } from './processes.ts'
import { type Bench, operatorIn } from './scenarios/bench.ts'
import type { Steps } from './steps.ts'

export interface Scenario {
  readonly name: string
  readonly run: (bench: Bench) => Promise<void>
}

const ROOT = resolve(import.meta.dirname, '../..')
/** What scenarios leave for those after them: `install` a machine with the package, `govern` one that is provisioned and has governed. */
const LEFT = join(CACHE, 'left')
const LEAVES: readonly string[] = ['install', 'govern']
/** What a scenario starts from, where that is not what `govern` has left. */
const FOLLOWS: Readonly<Record<string, string | undefined>> = {
  install: undefined,
  govern: 'install',
  setup: 'install',
}

/** Builds what a run needs, and gives each scenario a machine. */
export class Workshop {
  readonly #say: (line: string) => void
  #dir: string | undefined
  #image: GuestImage | undefined
  #deb = ''

  constructor(say: (line: string) => void) {
    this.#say = say
  }

  /** The package and the image. @throws HostTestError */
  async open(): Promise<void> {
    mkdirSync(CACHE, { recursive: true, mode: 0o755 })
    mkdirSync(LEFT, { recursive: true, mode: 0o700 })
    // Beside the images, so that a copy of a disk can share its blocks.
    this.#dir = mkdtempSync(join(CACHE, 'run-'))
    this.#deb = process.env.WRIT_HOST_TEST_DEB || (await this.#build(this.#dir))
    const depends = await ok(['dpkg-deb', '--field', this.#deb, 'Depends'])
    // Of alternatives the first.
    const packages = depends.split(',').map(one => one.trim().split(/[ |(]/)[0] ?? '')
    this.#image = await guestImage(packages, this.#say)
  }

  /** Runs a scenario on a machine of its own: a copy of what the scenario before it has left, or one that was never switched on. */
  async run({ name, run }: Scenario, steps: Steps): Promise<void> {
    const image = this.#image
    if (image === undefined || this.#dir === undefined) throw new HostTestError('the workshop is closed')
    const dir = join(this.#dir, name.replaceAll(' ', '-'))
    mkdirSync(dir)
    const from = name in FOLLOWS ? FOLLOWS[name] : 'govern'
    const source = from === undefined ? undefined : join(LEFT, from)
    if (source !== undefined && !existsSync(source))
      throw new HostTestError(`there is no host to start from: \`${from}\` has to pass first`)
    const machine =
      source === undefined
        ? await Machine.make(image, join(dir, 'machine'))
        : await Machine.at(join(source, 'machine')).copy(join(dir, 'machine'))
    if (source !== undefined) await ok(['cp', '-a', join(source, 'operator'), join(dir, 'operator')])
    const operator = await operatorIn(join(dir, 'operator'))
    await run({ steps, machine, operator, dir, deb: this.#deb })
    if (LEAVES.includes(name)) {
      rmSync(join(LEFT, name), { recursive: true, force: true })
      renameSync(dir, join(LEFT, name))
    } else rmSync(dir, { recursive: true, force: true })
  }

  close(): void {
    if (this.#dir) rmSync(this.#dir, { recursive: true, force: true, maxRetries: 3 })
  }

  async #build(output: string): Promise<string> {
    this.#say('building the package')
    await ok(['sh', join(ROOT, 'packaging/deb/build.sh'), output], { cwd: ROOT, timeoutMs: 1_800_000 })
    const name = readdirSync(output).find(file => file.endsWith('_amd64.deb'))
    if (name === undefined) throw new HostTestError('packaging/deb/build.sh made no package for amd64')
    return join(output, name)
  }
}
