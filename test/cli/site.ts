import { cp, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import {
  replayMeasuredBoot,
  type SimulatedTpm,
  startSimulatedTpm,
} from '../../attestation/tpm2/swtpm/index.ts'
import type { Screen } from '../../demo/screen.ts'
import { type GovernedHost, govern } from '../../demo/steps/govern.ts'
import { provision } from '../../demo/steps/provision.ts'
import { type Site, serve } from '../../demo/steps/serve.ts'
import { simulate } from '../../demo/steps/simulate.ts'
import { RECORDED_HOST, Workspace } from '../../demo/workspace.ts'
import { compiledDirectory } from '../support/compiled.ts'
import { putPrepared } from '../support/prepared.ts'
import { type Session, writ } from './cli.ts'

/** Whether the tests that start the launcher can run. */
export const IS_ROOT = process.getuid?.() === 0
export const NEEDS_ROOT = 'needs root: the launcher makes cgroups and namespaces'

/** A screen that shows nothing. */
const silent = new Proxy({} as Screen, {
  get: (_, name) =>
    name === 'waiting'
      ? (_what: string, work: unknown) => (typeof work === 'function' ? work() : work)
      : () => undefined,
})

/** What is said of a prepared site, beside its directories. */
type Known = Pick<GovernedHost, 'hostId' | 'policyDigest' | 'referenceDigest'>
/** The directories of a host that is provisioned and governed, and was never started. */
const DIRECTORIES = ['tpm', 'state', 'operator']

/** A host whose daemon is not running. */
export type QuietSite = GovernedHost & { readonly workspace: Workspace }

/** A whole host as the demo builds it: simulated TPM, launcher, daemon, everything signed and loaded. */
export async function startSite(): Promise<{ site: Site; workspace: Workspace }> {
  const workspace = await newWorkspace()
  try {
    await putPrepared('site', workspace.directory, prepareSite)
    const host = await hostIn(workspace)
    return { site: await serve(silent, workspace, host), workspace }
  } catch (error) {
    await workspace.close()
    throw error
  }
}

/** Starts and boots the simulated TPM that is in the workspace. */
async function boot(workspace: Workspace): Promise<SimulatedTpm> {
  const tpm = await startSimulatedTpm({ dir: workspace.path('tpm') })
  workspace.atEnd('simulated TPM', () => tpm.kill())
  const read = (name: string) => readFile(join(RECORDED_HOST, name))
  await replayMeasuredBoot(tpm, {
    eventLog: await read('eventlog.bin'),
    userspaceLog: await read('userspace.jsonseq'),
    imaLog: await read('ima.bin'),
  })
  return tpm
}

async function prepareSite(directory: string): Promise<void> {
  const workspace = await newWorkspace()
  try {
    const tpm = await simulate(silent, workspace)
    await keep(await govern(silent, workspace, await provision(silent, workspace, tpm)), workspace, directory)
  } finally {
    await workspace.close()
  }
}

/**
 * What is left of a site that lived through something and ended: its TPM, booted again, and its history as a bundle. The life is lived
 * once in a run of the tests.
 *
 * @param name of this life
 */
export async function startAfter(
  name: string,
  live: (site: Site, writ: ReturnType<typeof at>) => Promise<void>,
): Promise<{ site: QuietSite; bundle: string }> {
  const workspace = await newWorkspace()
  try {
    await putPrepared(name, workspace.directory, async directory => {
      const { site, workspace } = await startSite()
      try {
        await live(site, at(site))
        const bundle = workspace.path('bundle')
        const exported = await at(site)(['lineage', 'export', bundle, '--state-dir', site.stateDirectory])
        if (exported.status !== 0) throw new Error(exported.stderr)
        await keep(site, workspace, directory, 'bundle')
      } finally {
        await workspace.close()
      }
    })
    return { site: { ...(await hostIn(workspace)), workspace }, bundle: workspace.path('bundle') }
  } catch (error) {
    await workspace.close()
    throw error
  }
}

/** Copies what a host has to where {@link hostIn} finds it. Its TPM is stopped. */
async function keep(host: GovernedHost, workspace: Workspace, directory: string, ...more: string[]) {
  await host.tpm.stop()
  const { hostId, policyDigest, referenceDigest } = host
  const known: Known = { hostId, policyDigest, referenceDigest }
  await writeFile(join(directory, 'known.json'), JSON.stringify(known))
  await execa('cp', ['-a', ...[...DIRECTORIES, ...more].map(name => workspace.path(name)), directory])
}

/** The host that is kept in a workspace, booted. */
async function hostIn(workspace: Workspace): Promise<GovernedHost> {
  const tpm = await boot(workspace)
  const known: Known = JSON.parse(await readFile(workspace.path('known.json'), 'utf8'))
  return {
    ...known,
    tpm,
    tpmOption: `swtpm:${tpm.paths.socket}`,
    stateDirectory: workspace.path('state'),
    operator: workspace.path('operator'),
  }
}

async function newWorkspace(): Promise<Workspace> {
  const workspace = await Workspace.create()
  process.env.NODE_COMPILE_CACHE = compiledDirectory()
  return workspace
}

/** `writ` with the site's socket, as root unless told otherwise. */
export function at(site: Site): (args: readonly string[], input?: string | Buffer) => Promise<Session> {
  return (args, input = '') => writ(args, { env: { WRIT_SOCKET: site.socket }, input })
}

/** Options of `writ issue` that fit the site; the program and its arguments follow. */
export function issueOptions(site: GovernedHost, out: string, more: readonly string[] = []): string[] {
  return [
    ...['issue', '--key', join(site.operator, 'release.key'), '--issuer', 'release', '--out', out],
    ...['--host', site.hostId, '--valid', '1h', '--uses', 'any', '--uid', '0', '--simulated', 'allow'],
    ...['--policy', site.policyDigest, '--reference-values', site.referenceDigest, ...more, '--'],
  ]
}

/** A copy of a bundle to spoil. */
export async function copyBundle(from: string, to: string): Promise<string> {
  await cp(from, to, { recursive: true })
  return to
}
