import { existsSync } from 'node:fs'
import { chmod, mkdir, mkdtemp, readdir, rm, rmdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The checkout that the demo belongs to. */
export const REPOSITORY = fileURLToPath(new URL('..', import.meta.url)).replace(/\/$/, '')
/** A host that was measured by real firmware and a real kernel. */
export const RECORDED_HOST = join(REPOSITORY, 'test/fixtures/hosts/debian13-uki')

/** Users of the demo. They need no entry in /etc/passwd. */
export const USERS = { writd: 61_190, caller: 61_191 } as const

/**
 * Everything that the demo makes, below one directory and one cgroup, and how it goes away again. What was added last
 * is taken away first.
 */
export class Workspace {
  readonly directory: string
  readonly #undo: { what: string; work: () => Promise<unknown> | undefined }[] = []
  #closing: Promise<void> | undefined

  private constructor(directory: string) {
    this.directory = directory
  }

  static async create(): Promise<Workspace> {
    const directory = await mkdtemp(join(tmpdir(), 'writ-demo-'))
    // Other users of the demo have to get through; what is secret in it has a mode of its own.
    await chmod(directory, 0o755)
    const workspace = new Workspace(directory)
    // The demo's programs keep what Node has compiled, each user for itself: that makes every command faster.
    const compiled = join(directory, 'compiled')
    await mkdir(compiled)
    await chmod(compiled, 0o1777)
    process.env.NODE_COMPILE_CACHE = compiled
    workspace.atEnd('files', () => rm(directory, { recursive: true, force: true, maxRetries: 3 }))
    return workspace
  }

  /** A path below the directory. */
  path(...parts: string[]): string {
    return join(this.directory, ...parts)
  }

  async makeDirectory(name: string): Promise<string> {
    const path = this.path(name)
    await mkdir(path, { recursive: true })
    return path
  }

  atEnd(what: string, work: () => Promise<unknown> | undefined): void {
    this.#undo.push({ what, work })
  }

  /** Takes everything away, whatever fails on the way; may be called twice. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    for (const { what, work } of this.#undo.reverse()) {
      try {
        await work()
      } catch (error) {
        process.stderr.write(
          `demo: ${what} could not be cleaned up: ${error instanceof Error ? error.message : error}\n`,
        )
      }
    }
  }
}

/** Where the cgroup v2 hierarchy is mounted: alone, or beside v1. */
function cgroupMount(): string {
  const mount = ['/sys/fs/cgroup', '/sys/fs/cgroup/unified'].find(
    path => existsSync(join(path, 'cgroup.procs')) && existsSync(join(path, 'cgroup.controllers')),
  )
  if (mount === undefined) throw new Error('there is no cgroup v2 hierarchy, which executions live in')
  return mount
}

/** Names a cgroup for the launcher, which makes it, and takes it away at the end. */
export function demoCgroup(workspace: Workspace): string {
  const path = join(cgroupMount(), `writ-demo-${process.pid}`)
  workspace.atEnd('cgroup', () => removeCgroup(path))
  return path
}

async function removeCgroup(path: string): Promise<void> {
  if (!existsSync(path)) return
  for (const item of await readdir(path, { withFileTypes: true })) {
    if (item.isDirectory()) await removeCgroup(join(path, item.name))
  }
  await rmdir(path)
}
