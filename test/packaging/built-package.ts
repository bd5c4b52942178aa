import { type SpawnSyncReturns, spawnSync } from 'node:child_process'
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { copyCheckout } from './checkout-copy.ts'

export const HOUSE = resolve(import.meta.dirname, '../..')

/** Mount namespaces are made by root. */
export const IS_ROOT = process.getuid?.() === 0

/** When the tests' packages were made, so that it is known. */
const DATED = { SOURCE_DATE_EPOCH: '1795000000' }

type Result = SpawnSyncReturns<string>

/** A command that has to succeed. */
export function succeed(command: string, args: readonly string[], env: Record<string, string> = {}): string {
  const result = spawnSync(command, args, { cwd: HOUSE, encoding: 'utf8', env: { ...process.env, ...env } })
  if (result.error !== undefined) throw result.error
  if (result.status !== 0) throw new Error(`${command} ${args.join(' ')}:\n${result.stdout}${result.stderr}`)
  return result.stdout
}

/** The package as `npm run package` makes it, up to the file tree: no compression, no lintian. */
export class BuiltPackage {
  readonly directory = mkdtempSync(join(tmpdir(), 'writ-package-'))
  /** The file tree. */
  readonly root = join(this.directory, 'root')
  readonly #built = join(this.directory, 'built')

  constructor() {
    for (const path of [this.root, this.#built]) mkdirSync(path)
    succeed('sh', ['packaging/deb/tree.sh', this.root, this.#built], DATED)
  }

  /**
   * The package without compression, as the one of {@link builtElsewhere} is: what decides about its bytes but for that.
   *
   * @returns the path of the .deb
   */
  packed(): string {
    return packed(this.root, this.path('packed.deb'))
  }

  /** Builds the same sources once more: elsewhere, by nobody, with another umask, time zone, language and home. @returns the path of the .deb */
  builtElsewhere(): string {
    const checkout = this.path('somewhere else/and deeper')
    mkdirSync(checkout, { recursive: true })
    copyCheckout(checkout)
    const [root, made] = [this.path('again/root'), this.path('again/built')]
    for (const path of [root, made]) mkdirSync(path, { recursive: true })
    const nobody = IS_ROOT ? ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'] : []
    if (IS_ROOT) succeed('chown', ['-R', '65534:65534', checkout, this.path('again')])
    chmodSync(this.directory, 0o755)
    const build = 'umask 077 && cd "$0" && exec sh packaging/deb/tree.sh "$1" "$2"'
    const [command = '', ...args] = [...nobody, 'sh', '-c', build, checkout, root, made]
    succeed(command, args, { ...DATED, TZ: 'Pacific/Auckland', LANG: 'tr_TR.UTF-8', LC_ALL: '', HOME: made })
    return packed(root, this.path('again.deb'))
  }

  /** A path of the test's own. */
  path(name: string): string {
    return join(this.directory, name)
  }

  /** Every file and link of the tree, as paths below it. */
  files(): string[] {
    return readdirSync(this.root, { recursive: true, withFileTypes: true })
      .filter(entry => !entry.isDirectory())
      .map(entry => join(entry.parentPath, entry.name).slice(this.root.length + 1))
      .toSorted()
  }

  /** Runs the tool where it was built: it needs nothing but itself. */
  writ(args: readonly string[], options: { env?: Record<string, string>; cwd?: string } = {}): Result {
    return spawnSync(join(this.root, 'usr/bin/writ'), args, {
      cwd: options.cwd ?? this.directory,
      encoding: 'utf8',
      env: { PATH: process.env.PATH, ...options.env },
    })
  }

  /** Runs a command where the package is installed: in a mount namespace of its own, in which its files lie over the system's. */
  installed(command: readonly string[], env: Record<string, string> = {}): Result {
    const [unshare = '', ...args] = [...this.#installing('exec "$@"'), ...command]
    return spawnSync(unshare, args, {
      encoding: 'utf8',
      env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', ...env },
    })
  }

  /** What {@link GovernedHost.startDaemon} goes through, so that the installed daemon runs instead of that of the checkout. */
  installedAs({ uid, gid }: { uid: number; gid: number }): string[] {
    const drop = `setpriv --reuid ${uid} --regid ${gid} --clear-groups`
    return this.#installing(`shift && exec ${drop} /usr/sbin/writd "$@"`)
  }

  #installing(then: string): string[] {
    const mount = 'mount -t overlay overlay -o "lowerdir=$0/usr:/usr" /usr'
    return ['unshare', '--mount', 'sh', '-c', `${mount} && ${then}`, this.root]
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true })
  }
}

function packed(root: string, deb: string): string {
  succeed('dpkg-deb', ['--root-owner-group', '-Znone', '--build', root, deb], DATED)
  return deb
}

/** A shared library that leaves a file when it is loaded. */
export function traitorLibrary(directory: string, trace: string): string {
  const source = join(directory, 'traitor.c')
  writeFileSync(
    source,
    `#include <fcntl.h>
__attribute__((constructor)) static void run(void) { open("${trace}", O_CREAT | O_WRONLY, 0600); }
`,
  )
  const library = join(directory, 'traitor.so')
  succeed('gcc', ['-shared', '-fPIC', '-o', library, source])
  copyFileSync(library, join(directory, 'writ.node'))
  return library
}
