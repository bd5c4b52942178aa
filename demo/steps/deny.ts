import { appendFile, copyFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { DemoError, type Finished } from '../processes.ts'
import { type Screen, styled } from '../screen.ts'
import { writ } from '../writ.ts'
import type { Workload } from './infer.ts'
import type { Site } from './serve.ts'

/** One way in which something is not as it was signed. */
interface Case {
  readonly what: string
  readonly reason: string
  attempt(): Promise<Finished>
}

/** Nine requests that are denied, each for another reason. */
export async function deny(screen: Screen, site: Site, workload: Workload): Promise<void> {
  screen.heading('What is not as it was signed is denied, with a reason')
  const good = await workload.issue('good')
  let right = 0
  const cases = denials(site, workload, good)
  for (const { what, reason, attempt } of cases) {
    const { status, stderr } = await screen.waiting(what, attempt())
    const found = /denied: ([A-Z_, ]+)/.exec(stderr)?.[1] ?? `status ${status}: ${stderr.trim()}`
    const as = status === 1 && found === reason
    if (as) right++
    screen.line(
      `${as ? styled('green', '✓') : styled('red', '✗')} ${what.padEnd(18)} ${styled(as ? 'yellow' : 'red', found)}`,
    )
  }
  const after = await workload.run({ artifact: good })
  if (after.status !== 0) throw new DemoError(`the good artifact no longer runs:\n${after.stderr}`)
  screen.result(
    'Denials',
    `${right} of ${cases.length} with their reason code; the good artifact still runs`,
    right === cases.length,
  )
}

function denials(site: Site, workload: Workload, good: string): Case[] {
  const { program, weights } = workload
  return [
    { what: 'no artifact', reason: 'ARTIFACT_MISSING', attempt: () => workload.run({}) },
    {
      what: 'changed program',
      reason: 'SUBJECT_MISMATCH',
      attempt: async () => {
        await copyFile(program, `${program}.kept`)
        await appendFile(program, '\0')
        return workload.run({ artifact: good }).finally(() => rename(`${program}.kept`, program))
      },
    },
    {
      what: 'changed argument',
      reason: 'SCOPE_EXCEEDED',
      attempt: () => workload.run({ artifact: good, argv: [program, 'infer', `${weights}.other`] }),
    },
    {
      what: 'expired',
      reason: 'ARTIFACT_EXPIRED',
      attempt: async () =>
        workload.run({
          artifact: await workload.issue('expired', {
            valid: '1s',
            more: ['--not-before', '2026-01-01T00:00:00.000Z'],
          }),
        }),
    },
    {
      what: 'wrong signer',
      reason: 'SIGNER_UNTRUSTED',
      attempt: async () =>
        workload.run({ artifact: await workload.issue('stranger', { key: 'stranger.key' }) }),
    },
    {
      what: 'used twice',
      reason: 'REPLAYED',
      attempt: async () => {
        const artifact = await workload.issue('once', { uses: '1' })
        const first = await workload.run({ artifact })
        return first.status === 0 ? workload.run({ artifact }) : first
      },
    },
    {
      what: 'revoked',
      reason: 'REVOKED',
      attempt: async () => {
        const artifact = await workload.issue('revoked')
        const key = join(site.operator, 'operator.key')
        const revoked = await writ(['revoke', '--artifact', artifact, '--key', key, '--socket', site.socket])
        return revoked.status === 0 ? workload.run({ artifact }) : revoked
      },
    },
    {
      what: 'wrong host',
      reason: 'AUDIENCE_MISMATCH',
      attempt: async () =>
        workload.run({ artifact: await workload.issue('elsewhere', { host: `000b${'0'.repeat(64)}` }) }),
    },
    {
      what: 'policy forbids',
      reason: 'POLICY_DENIED',
      attempt: async () =>
        workload.run({ artifact: await workload.issue('network', { more: ['--network', 'host'] }) }),
    },
  ]
}
