import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import type { Screen } from '../../demo/screen.ts'
import { govern } from '../../demo/steps/govern.ts'
import { provision } from '../../demo/steps/provision.ts'
import { type Site, serve } from '../../demo/steps/serve.ts'
import { simulate } from '../../demo/steps/simulate.ts'
import { Workspace } from '../../demo/workspace.ts'
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

/** A whole host as the demo builds it: simulated TPM, launcher, daemon, everything signed and loaded. */
export async function startSite(): Promise<{ site: Site; workspace: Workspace }> {
  const workspace = await Workspace.create()
  try {
    const tpm = await simulate(silent, workspace)
    const host = await govern(silent, workspace, await provision(silent, workspace, tpm))
    return { site: await serve(silent, workspace, host), workspace }
  } catch (error) {
    await workspace.close()
    throw error
  }
}

/** `writ` with the site's socket, as root unless told otherwise. */
export function at(site: Site): (args: readonly string[], input?: string | Buffer) => Promise<Session> {
  return (args, input = '') => writ(args, { env: { WRIT_SOCKET: site.socket }, input })
}

/** Options of `writ issue` that fit the site; the program and its arguments follow. */
export function issueOptions(site: Site, out: string, more: readonly string[] = []): string[] {
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
