import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import { readCertificateFile } from '../../attestation/index.ts'
import type { PropertyResult } from '../../cli/verify/property.ts'
import type { VerifyTrust } from '../../cli/verify/verify.ts'
import { readPublicKey } from '../../signing/key.ts'
import { issueOptions, type QuietSite, startAfter } from './site.ts'

/** A site after a permit, its replay, a denial without an artifact, two more appraisals and a revocation, with its bundle. */
export async function startVerifiedSite(): Promise<{ site: QuietSite; bundle: string; trust: VerifyTrust }> {
  const { site, bundle } = await startAfter('verified-site', async (site, writ) => {
    const artifact = site.workspace.path('artifact.json')
    const more = ['--uses', '1', '--id', 'once']
    expect((await writ([...issueOptions(site, artifact, more), '/usr/bin/true'])).stderr).toBe('')
    const run = ['run', '--artifact', artifact, '--', '/usr/bin/true']
    expect((await writ(run)).status).toBe(0)
    expect((await writ(run)).stderr).toContain('REPLAYED')
    expect((await writ(['run', '/usr/bin/true'])).stderr).toContain('ARTIFACT_MISSING')
    // A quote that is bound to a history with the denials in it: one that is under way was bound to the history before.
    const count = async () => Number(JSON.parse((await writ(['status', '--json'])).stdout).appraisals)
    const wanted = (await count()) + 2
    while ((await count()) < wanted) await new Promise(resolve => setTimeout(resolve, 200))
    await writ(['revoke', '--artifact', artifact, '--key', join(site.operator, 'operator.key')])
    expect((await writ(run)).stderr).toContain('REVOKED')
  })
  const trust: VerifyTrust = {
    operators: [readPublicKey(readFileSync(join(site.operator, 'operator.pub'), 'utf8'))],
    roots: { hardware: [], other: readCertificateFile(readFileSync(site.tpm.paths.rootCertificate)) },
    hostId: null,
    at: new Date(),
    earlier: [],
  }
  return { site, bundle, trust }
}

export const find = (results: readonly PropertyResult[], name: string): PropertyResult =>
  results.find(({ property }) => property === name) ?? expect.fail(`no property ${name}`)
