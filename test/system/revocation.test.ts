import { readFileSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type RevocationTarget, signRevocation } from '../../authorization/index.ts'
import { sha256Hex } from '../../encoding/digest.ts'
import { api, WritClient } from '../../proto/client.ts'
import { parseEnvelope } from '../../signing/dsse.ts'
import { readPrivateKey } from '../../signing/key.ts'
import { GovernedHost, NEEDS_ROOT } from './governed-host.ts'

/** More than the quota of a flood would let through, and more than one page. */
const MANY = 2_500
const marker = String(process.pid % 100_000)
const SLEEP = (n: number) => ['/bin/sleep', `${60 + n}.${marker}`]

describe.skipIf(NEEDS_ROOT !== null)(`revocations (${NEEDS_ROOT ?? 'as root'})`, () => {
  let host: GovernedHost
  let client: WritClient
  let epoch = 0

  const start = () => {
    client = new WritClient(host.socket)
  }
  const key = () => readPrivateKey(readFileSync(host.path('operator.key'), 'utf8'))
  const revoke = (...targets: RevocationTarget[]) =>
    client.call(api.governance.Revoke, {
      envelope: signRevocation({ version: 1, epoch: ++epoch, revoke: targets }, key()),
    })
  /** Runs it until it is started. */
  const run = async (artifact: string, argv: readonly string[]) => {
    const call = client.executeCall({
      artifact: readFileSync(artifact),
      workload: { program: argv[0] ?? '', argv: [...argv] },
    })
    const { value } = await call.answers.next()
    const executionId = value?.started?.executionId ?? ''
    const end = async () => {
      let last: { cause?: unknown; confirmedDead?: boolean } | undefined
      for await (const { ended } of call.answers) last = ended ?? last
      return last
    }
    return { executionId, end }
  }
  const denied = async (artifact: string, argv: readonly string[]) =>
    (await host.writ(['run', '--artifact', artifact, '--', ...argv])).stderr

  beforeAll(async () => {
    host = await GovernedHost.start()
    start()
  }, 120_000)
  afterAll(async () => {
    client?.close()
    await host?.close()
  })

  test('of an artifact, a program, an execution and an authority key end what runs at once, and deny it from then on', async () => {
    const payload = (path: string) => sha256Hex(parseEnvelope(readFileSync(path)).payload)
    const kinds: [string, (artifact: string, executionId: string) => RevocationTarget][] = [
      ['artifact', artifact => ({ kind: 'artifact', digest: payload(artifact) })],
      ['execution', (_, id) => ({ kind: 'execution', id })],
      ['program', () => ({ kind: 'program', digest: sha256Hex(readFileSync('/bin/sleep')) })],
    ]
    for (const [n, [kind, target]] of kinds.entries()) {
      const artifact = await host.issue(kind, SLEEP(n))
      const { executionId, end } = await run(artifact, SLEEP(n))
      const before = performance.now()
      const { executionIds } = await revoke(target(artifact, executionId))
      expect(executionIds).toEqual([executionId])
      expect(await end()).toMatchObject({ cause: 'END_CAUSE_REVOKED', confirmedDead: true })
      expect(performance.now() - before).toBeLessThan(3_000)
      if (kind !== 'execution') expect(await denied(artifact, SLEEP(n))).toMatch(/REVOKED/)
    }
  }, 60_000)

  test('survive a restart, also a hard one, and a restart without the key that signed them', async () => {
    const artifact = await host.issue('again', ['/usr/bin/true'])
    await revoke({ kind: 'artifact', digest: sha256Hex(parseEnvelope(readFileSync(artifact)).payload) })
    for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
      await host.stopDaemon(signal)
      await host.startDaemon()
      await host.attested()
      client.close()
      start()
      expect(await denied(artifact, ['/usr/bin/true'])).toMatch(/REVOKED/)
      // An epoch never goes back.
      const envelope = signRevocation(
        { version: 1, epoch, revoke: [{ kind: 'key', id: 'ab'.repeat(32) }] },
        key(),
      )
      await expect(client.call(api.governance.Revoke, { envelope })).rejects.toMatchObject({
        message: expect.stringMatching(/cannot follow/),
      })
    }
  }, 60_000)

  test('of a list are in force as one, are listed in pages, and come back from the list', async () => {
    const list = host.path('list.txt')
    const lines = Array.from({ length: MANY }, (_, i) => `program ${sha256Hex(Buffer.from(String(i)))}`)
    writeFileSync(list, ['# what was sold', '', ...lines].join('\n'))
    await host.ok('revoke', '--from', list, '--key', host.path('operator.key'))
    const shown = JSON.parse(await host.ok('revoke', '--list', '--json')) as {
      epoch: string
      total: string
      revocations: { kind: string; id: string }[]
    }
    // One document holds 2,048.
    epoch += 2
    expect(shown.epoch).toBe(String(epoch))
    expect(shown.total).toBe(String(shown.revocations.length))
    expect(shown.revocations.slice(-MANY).map(({ kind, id }) => `${kind} ${id}`)).toEqual(lines)
    const page = await client.call(api.governance.ListRevocations, { pageSize: 7, pageToken: '3' })
    expect(page.revocations.map(({ id }) => id)).toEqual(shown.revocations.slice(3, 10).map(({ id }) => id))
    await expect(client.call(api.governance.ListRevocations, { pageToken: '-1' })).rejects.toBeDefined()
    await expect(client.call(api.governance.ListRevocations, { pageSize: 1001 })).rejects.toBeDefined()
    writeFileSync(list, 'program nothing\n')
    expect((await host.writ(['revoke', '--from', list, '--key', host.path('operator.key')])).stderr).toMatch(
      /line 1 names no program/,
    )
  }, 60_000)

  test('of the policy in force, and of another host: the one denies all and refuses the bundle, the other nothing', async () => {
    const artifact = await host.issue('small', ['/usr/bin/true'])
    await revoke({ kind: 'host', id: `000b${'77'.repeat(32)}` })
    await host.ok('run', '--artifact', artifact, '--', '/usr/bin/true')
    const { policyDigest } = (await client.call(api.attestation.GetStatus, {})).status ?? {}
    await revoke({ kind: 'policy', digest: policyDigest ?? '' })
    expect(await denied(artifact, ['/usr/bin/true'])).toMatch(/REVOKED: the policy/)
    await expect(
      client.call(api.governance.LoadPolicy, { envelope: readFileSync(host.path('policy.json')) }),
    ).rejects.toMatchObject({ message: expect.stringMatching(/is revoked/) })
  }, 60_000)

  test('of the host end what runs and deny everything; of the governance key, its documents are refused', async () => {
    const artifact = await host.issue('last', ['/usr/bin/true'])
    await revoke({ kind: 'host', id: host.hostId })
    expect(await denied(artifact, ['/usr/bin/true'])).toMatch(/REVOKED: the host/)
    await revoke({ kind: 'key', id: key().public.id })
    await expect(revoke({ kind: 'key', id: 'cd'.repeat(32) })).rejects.toMatchObject({
      message: expect.stringMatching(/a governance key that signed it is revoked/),
    })
    // What it signed before stays in force, over a restart too.
    await host.stopDaemon()
    await host.startDaemon()
    await host.attested()
    client.close()
    start()
    const { status } = await client.call(api.attestation.GetStatus, {})
    expect(status).toMatchObject({ revocationEpoch: String(epoch - 1) })
    expect(status?.trustRootsDigest).not.toBe('')
    expect(await denied(artifact, ['/usr/bin/true'])).toMatch(/REVOKED: the host/)
    await expect(
      client.call(api.governance.LoadTrustRoots, { envelope: readFileSync(host.path('trust.json')) }),
    ).rejects.toMatchObject({ message: expect.stringMatching(/is revoked/) })
  }, 60_000)
})
