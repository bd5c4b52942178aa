import { spawnSync } from 'node:child_process'
import { chownSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { api, CallError, WritClient } from '../../../proto/client.ts'
import { ofType, processesWith, readLineage } from '../audit.ts'
import { GovernedHost, NEEDS_ROOT, WRITD } from '../governed-host.ts'
import { endingDaemon, endingLauncher, Soundness } from './soundness.ts'

const TRUE = { program: '/bin/true', argv: ['/bin/true'] }

describe.skipIf(NEEDS_ROOT !== null)('a start that finds something wrong, and a second one', () => {
  const marker = `87${process.pid}`
  let host: GovernedHost
  let sound: Soundness
  let good: Buffer
  let sleep: Buffer

  beforeAll(async () => {
    host = await GovernedHost.start({
      enrolled: true,
      config: { quota: 'requests_per_second = 10000\nrequest_burst = 10000' },
    })
    good = readFileSync(await host.issue('good', TRUE.argv))
    sleep = readFileSync(await host.issue('sleep', ['/bin/sleep', `77${marker}`]))
    sound = await new Soundness(host, good).begin()
  }, 120_000)
  afterAll(async () => {
    sound?.close()
    await host?.close()
  })

  const status = async () => (await sound.client.call(api.attestation.GetStatus, {})).status

  /** The same bytes with one changed. */
  function flipped(bytes: Buffer, at: number): Buffer {
    const out = Buffer.from(bytes)
    out.writeUInt8((out[at] ?? 0) ^ 0x01, at)
    return out
  }

  /** Does something while an execution runs, which goes on through it, in its epoch. */
  async function unharmed(action: () => Promise<unknown>): Promise<void> {
    const { epoch } = (await status()) ?? {}
    const call = sound.client.executeCall({
      artifact: sleep,
      workload: { program: '/bin/sleep', argv: ['/bin/sleep', `77${marker}`] },
    })
    const { value } = await call.answers.next()
    const executionId = value?.started?.executionId ?? ''
    await expect.poll(() => processesWith(marker).length, { timeout: 10_000 }).toBeGreaterThan(0)
    await action()
    expect(processesWith(marker).length).toBeGreaterThan(0)
    expect(await status()).toMatchObject({ state: 'GATE_STATE_ATTESTED', epoch, executions: 1 })
    const { execution } = await sound.client.call(api.execution.Terminate, { executionId })
    expect(execution?.end).toMatchObject({ cause: 'END_CAUSE_TERMINATED', confirmedDead: true })
    for await (const _ of call.answers);
    await sound.check()
  }

  /** A configuration like the host's, but for some lines. */
  function variant(name: string, of: string, changes: [string | RegExp, string][]): string {
    const text = changes.reduce(
      (text, [from, to]) => text.replace(from, to),
      readFileSync(host.path(of), 'utf8'),
    )
    writeFileSync(host.path(name), text, { mode: 0o644 })
    return host.path(name)
  }

  test('a second daemon: the same, with a socket of its own, with a state of its own', async () => {
    mkdirSync(host.path('run2'), { mode: 0o755 })
    chownSync(host.path('run2'), WRITD.uid, WRITD.gid)
    const ownSocket = variant('socket.toml', 'writd.toml', [['run/writd.sock', 'run2/writd.sock']])
    await unharmed(async () => {
      for (const config of [host.path('writd.toml'), ownSocket]) {
        const { code, stderr } = await endingDaemon(config)
        expect({ code, stderr }).toEqual({
          code: 1,
          stderr: 'writd: another writer has this lineage open [LINEAGE_LOCKED]\n',
        })
      }
    })
  }, 60_000)

  test('a second launcher: on the same socket, and with one of its own on the same cgroup', async () => {
    const ownSocket = variant('launchd2.conf', 'launchd.conf', [
      ['launchd/launchd.sock', 'launchd2/launchd.sock'],
    ])
    await unharmed(async () => {
      const same = await endingLauncher(host.path('launchd.conf'))
      expect(same).toMatchObject({
        code: 1,
        stderr: expect.stringMatching(/launchd\.sock: another launcher/),
      })
      const other = await endingLauncher(ownSocket)
      expect(other).toMatchObject({ code: 1, stderr: expect.stringMatching(/cgroup .*: another launcher/) })
    })
  }, 60_000)

  test('a document with one wrong byte, anywhere, is refused when it is loaded, and nothing changes', async () => {
    const before = await status()
    const size = (await status())?.lineageSize
    for (const [file, method] of [
      ['reference.json', api.governance.LoadReferenceValues],
      ['trust.json', api.governance.LoadTrustRoots],
      ['policy.json', api.governance.LoadPolicy],
    ] as const) {
      const envelope = readFileSync(host.path(file))
      const steps = Math.max(1, Math.floor(envelope.length / 40))
      let refused = 0
      for (let at = 0; at < envelope.length; at += steps) {
        const call = sound.client.call(method, { envelope: flipped(envelope, at) })
        const error = await call.then(
          () => null,
          (error: unknown) => error,
        )
        // The hint of who signed is not signed; whatever it says, the signature decides.
        const hint = envelope.indexOf('"keyid"')
        if (error === null) {
          expect(at).toBeGreaterThan(hint)
          continue
        }
        expect(error).toBeInstanceOf(CallError)
        expect((error as CallError).code).toBe('FAULT')
        expect((error as CallError).status).toMatch(/INVALID_ARGUMENT|PERMISSION_DENIED|FAILED_PRECONDITION/)
        refused++
      }
      expect(refused).toBeGreaterThan(30)
      const path = host.path(`wrong-${file}`)
      writeFileSync(path, flipped(envelope, envelope.indexOf('"payload":"') + 40))
      const command = { 'reference.json': 'reference', 'trust.json': 'key trust', 'policy.json': 'policy' }[
        file
      ]
      const { code, stderr } = await host.writ([...command.split(' '), 'load', path])
      expect(code).toBeGreaterThan(0)
      expect(stderr).toMatch(/^writ: the daemon refused: .*\[[A-Z_]+\]/)
    }
    const after = await status()
    expect(after).toMatchObject({
      referenceValuesDigest: before?.referenceValuesDigest,
      policyDigest: before?.policyDigest,
      trustRootsDigest: before?.trustRootsDigest,
    })
    expect(Number(after?.lineageSize) - Number(size)).toBeLessThan(100)
    await sound.check()
  }, 60_000)

  test('a file of the identity or of the log with one wrong byte: the start is refused, and good with the right one', async () => {
    await host.stopDaemon()
    const state = host.path('state')
    const files = [
      'identity/identity.json',
      'identity/secrets.json',
      'identity/log.key',
      'lineage/checkpoint',
      'lineage/state/anchor',
      'lineage/state/stop',
      `lineage/state/tail/${readdirSync(join(state, 'lineage/state/tail')).find(name => /^[0-9]+$/.test(name))}`,
    ].filter(name => existsSync(join(state, name)))
    expect(files.length).toBeGreaterThanOrEqual(5)
    for (const name of files) {
      const path = join(state, name)
      const { uid, gid, mode } = statSync(path)
      const bytes = readFileSync(path)
      writeFileSync(path, flipped(bytes, Math.min(200, Math.floor(bytes.length / 2))))
      const { code, stderr } = await endingDaemon(host.path('writd.toml'))
      writeFileSync(path, bytes)
      chownSync(path, uid, gid)
      expect({ name, code, stderr, mode }).toEqual({
        name,
        code: 1,
        stderr: expect.stringMatching(/^writd: .+ \[[A-Z_]+\](?:; see `writ lineage recover --help`)?\n$/),
        mode: statSync(path).mode,
      })
    }
    await host.startDaemon()
    await host.attested()
    sound.reconnect()
    await sound.check()
  }, 120_000)

  test('swtpm gone at the start: unattested, denied, and good when it is back', async () => {
    await host.stopDaemon()
    await host.tpm.restart('state')
    await host.tpm.kill()
    await host.startDaemon()
    sound.reconnect()
    const { state, reasons } = (await status()) ?? {}
    expect(state).toBe('GATE_STATE_UNATTESTED')
    await expect
      .poll(async () => (await status())?.reasons.map(({ code }) => code), { timeout: 10_000 })
      .toEqual(['TPM_UNAVAILABLE'])
    expect(reasons?.length).toBe(1)
    expect(await sound.good()).toMatchObject({ refused: 'ATTESTATION_STALE,LINEAGE_UNAVAILABLE' })
    const cli = await host.writ(['run', '--artifact', host.path('good.artifact.json'), '--', '/bin/true'])
    expect(cli).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/ATTESTATION_STALE: .*UNATTESTED[\s\S]*writ status/),
    })
    await expect(sound.client.call(api.lineage.GetCheckpoint, {})).rejects.toMatchObject({
      faultCode: 'TPM_UNAVAILABLE',
    })
    await host.tpm.start('clear')
    await host.boot()
    await host.until('ATTESTED', 30_000)
    await sound.check()
    await expect
      .poll(async () => ofType(await readLineage(sound.client), 'denials-counted').at(-1)?.event, {
        timeout: 10_000,
      })
      .toMatchObject({ uid: 0, count: 2, reasonCounts: { ATTESTATION_STALE: 2, LINEAGE_UNAVAILABLE: 2 } })
  }, 90_000)

  test('a TPM that hangs at the start: the same; and a stop while it waits is a clean one', async () => {
    await host.stopDaemon()
    host.tpm.hang()
    try {
      await host.startDaemon()
      sound.reconnect()
      expect((await status())?.state).toBe('GATE_STATE_UNATTESTED')
      expect(await sound.good()).toMatchObject({ refused: 'ATTESTATION_STALE,LINEAGE_UNAVAILABLE' })
      expect(await host.stopDaemon()).toBe(0)
      await host.startDaemon()
      sound.reconnect()
      await expect
        .poll(async () => (await status())?.reasons.map(({ code }) => code), { timeout: 15_000 })
        .toEqual(['TPM_TIMEOUT'])
    } finally {
      host.tpm.resume()
    }
    await host.until('ATTESTED', 30_000)
    expect((await status())?.doubtfulTail).toBeUndefined()
    await sound.check()
  }, 90_000)

  test('the wall clock an hour back while it runs: denied with CLOCK_UNTRUSTED, what runs goes on to its end', async () => {
    await host.stopDaemon()
    const library = host.path('clock.so')
    const built = spawnSync(
      'cc',
      ['-shared', '-fPIC', '-O1', '-o', library, join(import.meta.dirname, 'clock.c')],
      {
        encoding: 'utf8',
      },
    )
    expect(built.stderr).toBe('')
    const offset = host.path('offset')
    writeFileSync(offset, '0')
    await host.startDaemon({ LD_PRELOAD: library, WRIT_TEST_CLOCK: offset })
    await host.attested()
    sound.reconnect()
    const { epoch } = (await status()) ?? {}
    // Eight seconds of validity are eight seconds, whatever becomes of the clock.
    const soon = readFileSync(await host.issue('soon', ['/bin/sleep', `78${marker}`], ['--valid', '8s']))
    const call = sound.client.executeCall({
      artifact: soon,
      workload: { program: '/bin/sleep', argv: ['/bin/sleep', `78${marker}`] },
    })
    const { value } = await call.answers.next()
    expect(value?.started).toBeDefined()
    writeFileSync(offset, '-3600')
    expect(await sound.good()).toMatchObject({ refused: expect.stringMatching(/CLOCK_UNTRUSTED/) })
    // The lease hangs on the boot clock.
    await new Promise(resolve => setTimeout(resolve, 6_000))
    expect(await status()).toMatchObject({ state: 'GATE_STATE_ATTESTED', epoch })
    let end: unknown
    for await (const { ended } of call.answers) end = ended ?? end
    expect(end).toMatchObject({ cause: 'END_CAUSE_EXPIRED', confirmedDead: true })
    // A daemon that starts with the clock set back knows it by its log.
    await host.stopDaemon()
    await host.startDaemon({ LD_PRELOAD: library, WRIT_TEST_CLOCK: offset })
    await host.attested()
    sound.reconnect()
    expect(await sound.good()).toMatchObject({ refused: expect.stringMatching(/CLOCK_UNTRUSTED/) })
    expect(await status()).toMatchObject({ clockFault: expect.stringMatching(/behind|set back/) })
    // Right again, it is relied on when the next quote agrees.
    writeFileSync(offset, '0')
    await expect.poll(async () => (await status())?.clockFault, { timeout: 20_000 }).toBe('')
    await sound.check()
    // Set forward by more than its operator's clock can be off, nobody accepts it.
    const operator = ['--key', host.path('operator.key')]
    const clear = () => host.writ(['clear', '--clock', ...operator])
    expect((await clear()).stderr).toMatch(/the wall clock is relied on/)
    writeFileSync(offset, '3600')
    expect(await sound.good()).toMatchObject({ refused: expect.stringMatching(/CLOCK_UNTRUSTED/) })
    await expect.poll(async () => (await status())?.clockFault).toMatch(/set forward/)
    expect((await clear()).stderr).toMatch(/CLEARANCE_NOT_APPLICABLE/)
    // Quotes do not explain it, and an operator says that two minutes are right, and then that they are not.
    for (const seconds of ['120', '0']) {
      writeFileSync(offset, seconds)
      if (seconds === '0')
        expect(await sound.good()).toMatchObject({ refused: expect.stringMatching(/CLOCK_UNTRUSTED/) })
      await expect.poll(async () => (await status())?.clockFault).not.toBe('')
      expect((await clear()).stderr).toBe('')
      await sound.check()
    }
    await host.stopDaemon()
    await host.startDaemon({ LD_PRELOAD: library, WRIT_TEST_CLOCK: offset })
    await host.attested()
    sound.reconnect()
    await sound.check()
    await sound.verifies('start')
  }, 120_000)

  test('a document of the first start with one wrong byte: refused by name, and the right one starts cleanly', async () => {
    const starts: { file: string; code: number | null; stderr: string }[] = []
    // In the order in which they are read: what is right is in the log from then on, and its file is not read again.
    const files = ['trust.json', 'policy.json', 'reference.json']
    const fresh = await GovernedHost.start({
      beforeStart: async made => {
        for (const file of files) {
          const right = readFileSync(made.path(file))
          for (const where of file === 'trust.json' ? ['"payload":"', '"sig":"'] : ['"payload":"']) {
            writeFileSync(made.path(file), flipped(right, right.indexOf(where) + where.length + 20))
            starts.push({ file, ...(await endingDaemon(made.path('writd.toml'))) })
          }
          writeFileSync(made.path(file), right)
        }
      },
    })
    try {
      const client = new WritClient(fresh.socket)
      expect((await client.call(api.attestation.GetStatus, {})).status?.doubtfulTail).toBeUndefined()
      client.close()
    } finally {
      await fresh.close()
    }
    expect(starts).toHaveLength(1 + files.length)
    for (const { file, code, stderr } of starts) {
      expect({ code, stderr }).toEqual({
        code: 1,
        stderr: expect.stringMatching(new RegExp(`writd: \\S+/${file}: .+ \\[[A-Z_]+\\]\n$`)),
      })
    }
  }, 180_000)
})
