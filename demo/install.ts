import { cp, mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DemoError, run } from './processes.ts'
import { REPOSITORY, type Workspace } from './workspace.ts'

/** What the programs need of the checkout. */
const PARTS = [
  'attestation',
  'authorization',
  'cli',
  'daemon',
  'encoding',
  'lineage',
  'native/build',
  'package.json',
  'packaging',
  'proto',
  'signing',
  'writ',
]

/**
 * A place from where every user can read the programs: the checkout, or, when others may not look into it (a clone below
 * `/root`, a umask of 077), a copy of what is needed.
 */
export async function readableRepository(workspace: Workspace, uid: number): Promise<string> {
  const probe = [
    'sh',
    '-c',
    'test -r "$1/daemon/main.ts" && test -r "$1/package.json" && "$1/writ" --version',
    'sh',
    REPOSITORY,
  ]
  if ((await run(probe, { uid })).status === 0) return REPOSITORY
  const target = await workspace.makeDirectory('programs')
  for (const part of PARTS) await cp(join(REPOSITORY, part), join(target, part), { recursive: true })
  await mkdir(join(target, 'node_modules'))
  for (const name of await runtimePackages()) {
    await cp(join(REPOSITORY, 'node_modules', name), join(target, 'node_modules', name), { recursive: true })
  }
  const { status, stderr } = await run(['chmod', '-R', 'a+rX', target])
  if (status !== 0) throw new DemoError(`cannot copy the programs: ${stderr}`)
  return target
}

/** The packages at run time, from the lock file: what is not for development only, and is here on this machine. */
async function runtimePackages(): Promise<string[]> {
  const lock: { packages: Record<string, { dev?: boolean }> } = JSON.parse(
    await readFile(join(REPOSITORY, 'package-lock.json'), 'utf8'),
  )
  const names = Object.entries(lock.packages)
    .filter(
      ([path, { dev }]) =>
        path.startsWith('node_modules/') && dev !== true && !path.includes('/node_modules/'),
    )
    .map(([path]) => path.slice('node_modules/'.length))
    .filter(name => !name.startsWith('@bufbuild/'))
  const present = await Promise.all(
    names.map(async name => (await run(['test', '-d', join(REPOSITORY, 'node_modules', name)])).status === 0),
  )
  return names.filter((_, i) => present[i])
}
