import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { GovernedHost, NEEDS_ROOT } from './governed-host.ts'

type Property = { property: string; status: string; detail: string; asked: boolean }
type Verified = {
  verified: boolean
  properties: Property[]
  tier: string
  hostId: string | null
  statement: unknown
}

describe.skipIf(NEEDS_ROOT !== null)(`a receipt (${NEEDS_ROOT ?? 'as root'})`, () => {
  let host: GovernedHost
  const greet = ['/bin/sh', '-c', 'cat; echo out; echo err >&2; exit 3']

  beforeAll(async () => {
    host = await GovernedHost.start({ enrolled: true })
  }, 120_000)
  afterAll(() => host?.close())

  /** As somebody does it who has never seen the host. */
  async function verify(file: string, ...options: string[]): Promise<{ code: number | null } & Verified> {
    const trust = [
      '--operator-key',
      host.path('operator.pub'),
      '--ek-root',
      host.tpm.paths.intermediateCertificate,
    ]
    const done = await host.writ(['receipt', 'verify', '--json', ...trust, ...options, file])
    if (done.stdout === '') throw new Error(done.stderr)
    return { code: done.code, ...JSON.parse(done.stdout) }
  }

  test('of a run, with the digests of its streams, is verified by a stranger; one of an auditor whole', async () => {
    const artifact = await host.issue('greet', greet)
    const file = host.path('greet.receipt.json')
    const run = ['run', '--artifact', artifact, '--digest-streams', '--receipt', file, '--', ...greet]
    const done = await host.writ(run, { input: 'hello\n' })
    expect(done).toMatchObject({ code: 3, stdout: 'hello\nout\n', stderr: 'err\n' })
    const found = await verify(file, '--whole')
    expect(found).toMatchObject({ code: 0, verified: true, tier: 'simulated TPM', hostId: host.hostId })
  }, 60_000)
})
