import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Finished, HostTestError, ok, run } from './processes.ts'

const WRIT = join(import.meta.dirname, '../../writ')

/** A file that the operator has under the path that the guest has it under. */
export interface Placed {
  readonly outside: string
  readonly inGuest: string
}

/** Whoever answers for the host: has the keys, and works on another machine, with the checkout's `writ`. */
export class Operator {
  readonly dir: string

  private constructor(dir: string) {
    this.dir = dir
  }

  /** New keys, and trust roots and a policy that they sign. */
  static async make(dir: string): Promise<Operator> {
    mkdirSync(join(dir, 'policies'), { recursive: true })
    const operator = new Operator(dir)
    await operator.writ('key', 'new', operator.path('operator'))
    await operator.writ('key', 'new', operator.path('release'))
    const signed = (name: string) => ['--version', '1', '--key', operator.key, '--out', operator.path(name)]
    await operator.writ(
      ...['key', 'trust', 'sign', '--authority', `release=${operator.path('release.pub')}`],
      ...signed('trust.json'),
    )
    writeFileSync(operator.path('policies/start.cedar'), 'permit (principal, action, resource);\n')
    await operator.writ(
      'policy',
      'sign',
      operator.path('policies'),
      '--valid',
      'any',
      ...signed('policy.json'),
    )
    return operator
  }

  /** One that was made before. */
  static of(dir: string): Operator {
    return new Operator(dir)
  }

  path(name: string): string {
    return join(this.dir, name)
  }

  read(name: string): Buffer {
    return readFileSync(this.path(name))
  }

  get key(): string {
    return this.path('operator.key')
  }

  get publicKey(): string {
    return this.path('operator.pub')
  }

  /** Runs `writ --json`, whatever comes of it. */
  async try(...args: string[]): Promise<Finished> {
    return run([WRIT, ...args, '--json'], { timeoutMs: 300_000 })
  }

  /** Runs `writ --json`. @returns its answer @throws HostTestError unless it exits with 0 */
  async writ(...args: string[]): Promise<unknown> {
    const { status, stdout, stderr } = await this.try(...args)
    if (status !== 0)
      throw new HostTestError(`writ ${args.slice(0, 3).join(' ')}: ${status}\n${stdout}${stderr}`)
    return stdout.length > 0 ? JSON.parse(stdout.toString()) : undefined
  }

  /**
   * Signs an artifact for a program of the guest.
   *
   * @param placed the program here, and its path there: an artifact names both digest and path
   * @param files other files of its closure
   * @returns the artifact
   */
  async issue(
    name: string,
    placed: Placed,
    args: readonly string[],
    options: readonly string[],
    files: readonly Placed[] = [],
  ): Promise<Buffer> {
    const out = this.path(`${name}.artifact.json`)
    const writ = [
      WRIT,
      'issue',
      '--key',
      this.path('release.key'),
      '--issuer',
      'release',
      ...options,
      '--out',
      out,
    ]
    // In a mount namespace of its own, where the guest's files are at their places.
    const script =
      'while [ "$1" != -- ]; do mkdir -p "$(dirname "$2")"; touch "$2"; mount --bind "$1" "$2"; shift 2; done; shift; exec "$@"'
    const above = '/srv/writ-test'
    const all = [placed, ...files]
    for (const { inGuest } of all)
      if (!inGuest.startsWith(`${above}/`)) throw new HostTestError(`${inGuest}: not below ${above}`)
    await ok(
      [
        ...['unshare', '--mount', '--propagation', 'private', 'sh', '-euc'],
        `mount -t tmpfs tmpfs /srv; ${script}`,
        ...['issue', ...all.flatMap(({ outside, inGuest }) => [outside, inGuest]), '--', ...writ],
        ...files.flatMap(({ inGuest }) => ['--file', inGuest]),
        ...['--', placed.inGuest, ...args],
      ],
      { timeoutMs: 120_000 },
    )
    return readFileSync(out)
  }
}
