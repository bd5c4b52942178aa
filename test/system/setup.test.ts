import { createHash } from 'node:crypto'
import { lstatSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { GovernedHost, NEEDS_ROOT } from './governed-host.ts'
import { answersFor, measurePolicy, REMARK, type Setup, setup, states, writeOwnConfig } from './setup-host.ts'

/** Every file below the host's directory that the setup may touch, with content, owner and mode. */
function fingerprint(host: GovernedHost): Record<string, string> {
  const found: Record<string, string> = {}
  const walk = (directory: string) => {
    for (const name of readdirSync(directory)) {
      const path = join(directory, name)
      if (['tpm', 'answers.toml', 'lineage'].includes(name)) continue
      const info = lstatSync(path)
      if (info.isDirectory()) walk(path)
      if (!info.isFile()) continue
      const digest = createHash('sha256').update(readFileSync(path)).digest('hex')
      found[path.slice(host.dir.length + 1)] = `${info.uid} ${(info.mode & 0o7777).toString(8)} ${digest}`
    }
  }
  walk(host.dir)
  return found
}

describe.skipIf(NEEDS_ROOT !== null)(
  `writ setup, from nothing to a governed hello (${NEEDS_ROOT ?? 'as root'})`,
  () => {
    let host: GovernedHost
    const step = (result: Setup, name: string) => result.steps.find(item => item.name === name)

    beforeAll(async () => {
      host = await GovernedHost.booted()
      writeOwnConfig(host)
    }, 60_000)
    afterAll(() => host?.close(), 60_000)

    test('a simulated TPM is refused unless it is asked for in so many words, and nothing is touched', async () => {
      const before = fingerprint(host)
      const refused = await setup(host, answersFor(host, { tpm: { simulated: 'deny' } }))
      expect(refused).toMatchObject({ code: 1, complete: false, changed: false, waiting: null })
      expect(states(refused)).toEqual({ host: 'failed' })
      expect(step(refused, 'host')?.error?.lines.join()).toContain('--simulated allow')
      expect(fingerprint(host)).toEqual(before)
    })

    test('a trial says what would be done, and touches nothing', async () => {
      const before = fingerprint(host)
      const trial = await setup(host, answersFor(host), '--dry-run')
      expect(trial).toMatchObject({ code: 0, complete: false, changed: false })
      expect(states(trial)).toMatchObject({
        host: 'unchanged',
        identity: 'to do',
        keys: 'to do',
        ima: 'to do',
        hello: 'to do',
      })
      expect(step(trial, 'host')?.warnings.join()).toContain('SIMULATED')
      expect(fingerprint(host)).toEqual(before)
    })

    test('it goes as far as it can without a reboot, and says what comes next', async () => {
      const first = await setup(host, answersFor(host))
      expect(states(first)).toEqual({
        ...{ host: 'unchanged', identity: 'changed', keys: 'changed', trust: 'changed', policy: 'changed' },
        ima: 'waiting',
      })
      expect(first).toMatchObject({
        code: 1,
        complete: false,
        changed: true,
        waiting: { for: 'BOOT_OPTIONS' },
      })
      expect(first.waiting?.next).toContain('ima_policy=tcb')
      expect(step(first, 'keys')?.warnings.join()).toMatch(/made on the host.*not encrypted/)
      expect(readFileSync(host.path('ima/ima-policy'))).toEqual(readFileSync('packaging/ima/ima-policy'))
      expect(statSync(host.path('operator.key')).mode & 0o777).toBe(0o600)
      // Again without a reboot: nothing is made twice, and it still waits.
      const before = fingerprint(host)
      const again = await setup(host, answersFor(host))
      expect(again).toMatchObject({ code: 1, changed: false, waiting: { for: 'BOOT_OPTIONS' } })
      expect(fingerprint(host)).toEqual(before)
    })

    test('less than it should be measured, and a command line that lacks what IMA needs, are answers and notes', async () => {
      await measurePolicy(host)
      const refused = await setup(host, answersFor(host, { ima: { less: 'refuse' } }))
      expect(refused).toMatchObject({ code: 1, changed: false, waiting: null })
      expect(step(refused, 'ima')?.error?.message).toMatch(/measures less.*executions read/)
      expect(step(refused, 'ima')?.error?.next).toContain('ima.less = "accept"')
      // The policy is in the log; that the kernel was booted without the options is no less true.
      const said = await setup(host, answersFor(host, { ima: { boot: 'say' } }))
      expect(said).toMatchObject({ code: 1, changed: false, waiting: { for: 'BOOT_OPTIONS' } })
      expect(said.waiting?.next).toContain('ima.boot = "without"')
      const accepted = await setup(host, answersFor(host), '--dry-run')
      const notes = step(accepted, 'ima')?.warnings.join('\n')
      expect(notes).toMatch(/measures less.*\n.*without ima_policy=tcb/)
      // What would wait is no failure of a trial; that it is not complete is in its result.
      const trial = await setup(host, answersFor(host, { ima: { boot: 'say' } }), '--dry-run')
      expect(trial).toMatchObject({ code: 0, complete: false, waiting: { for: 'BOOT_OPTIONS' } })
    })

    test('after the boot it captures, writes the configuration and waits for the daemons', async () => {
      const second = await setup(host, answersFor(host))
      expect(second.steps.map(({ error }) => error)).toEqual(second.steps.map(() => null))
      expect(states(second)).toEqual({
        ...{
          host: 'unchanged',
          identity: 'unchanged',
          keys: 'unchanged',
          trust: 'unchanged',
          policy: 'unchanged',
        },
        ...{ ima: 'unchanged', reference: 'changed', configuration: 'changed', service: 'waiting' },
      })
      expect(second).toMatchObject({ code: 1, changed: true, waiting: { for: 'START' } })
      expect(second.waiting?.next).toContain('writd --config')
      const config = readFileSync(host.path('writd.toml'), 'utf8')
      // What somebody wrote there stays, remarks and all.
      expect(config).toContain(REMARK)
      expect(config).toContain('cycle_seconds = 1   # a test has no time')
      expect(config).toContain('transport = "swtpm"')
      await host.ok('config', 'check', host.path('writd.toml'), '--launchd', host.path('launchd.conf'))
    })

    test('with the daemons running it ends with a governed hello, its refused repetition and a receipt', async () => {
      await host.startLauncher()
      await host.startDaemon()
      const third = await setup(host, answersFor(host))
      expect(third.steps.map(({ error }) => error)).toEqual(third.steps.map(() => null))
      expect(third).toMatchObject({ code: 0, complete: true, changed: true, waiting: null })
      expect(states(third)).toMatchObject({ service: 'unchanged', hello: 'changed' })
      expect(step(third, 'hello')?.did.join()).toMatch(/hello, governed.*REPLAYED/)
      expect(third.backUp.join()).toMatch(/operator\.key.*identity.*lineage export/)
      const { hostId } = JSON.parse(await host.ok('status', '--json'))
      await host.ok('receipt', 'verify', '--host', hostId, host.path('hello.receipt.json'))
      const decisions = await host.ok('lineage', 'grep', 'decision')
      expect(decisions).toContain('REPLAYED')
    })

    test('again, it changes nothing, and says so', async () => {
      const before = fingerprint(host)
      const size = JSON.parse(await host.ok('status', '--json')).lineageSize
      const again = await setup(host, answersFor(host))
      expect(again).toMatchObject({ code: 0, complete: true, changed: false, waiting: null })
      expect(new Set(Object.values(states(again)))).toEqual(new Set(['unchanged']))
      expect(fingerprint(host)).toEqual(before)
      // Evidence and checkpoints alone: no decision was asked for.
      expect(await host.writ(['lineage', 'grep', 'decision', '--from', size])).toMatchObject({
        code: 1,
        stdout: '',
      })
    })

    test('keys that were taken away, as they should be, are not made anew', async () => {
      renameSync(host.path('operator.key'), host.path('elsewhere.key'))
      renameSync(host.path('release.key'), host.path('elsewhere-release.key'))
      const again = await setup(host, answersFor(host))
      expect(again).toMatchObject({ code: 0, complete: true, changed: false })
      renameSync(host.path('elsewhere.key'), host.path('operator.key'))
      renameSync(host.path('elsewhere-release.key'), host.path('release.key'))
    })

    test('nothing that says something else is overwritten', async () => {
      await host.ok('key', 'new', host.path('stranger'))
      const other = await setup(host, answersFor(host, { keys: { operator: host.path('stranger.pub') } }))
      expect(other).toMatchObject({ code: 2, changed: false })
      expect(step(other, 'keys')?.error).toMatchObject({ code: 'FILE_EXISTS' })
      writeFileSync(host.path('other.json'), '{}')
      const document = await setup(host, answersFor(host, { documents: { policy: host.path('other.json') } }))
      expect(step(document, 'policy')?.error).toMatchObject({ code: 'FILE_EXISTS' })
      const config = readFileSync(host.path('writd.toml'), 'utf8')
      writeFileSync(host.path('writd.toml'), config.replace('/trust.json"', '/mine.json"'))
      const set = await setup(host, answersFor(host))
      expect(step(set, 'configuration')?.error).toMatchObject({
        code: 'FILE_EXISTS',
        message: expect.stringContaining('trust.trust_roots'),
      })
      writeFileSync(host.path('writd.toml'), config)
    })

    test('a document that the operator did not sign is not taken', async () => {
      renameSync(host.path('policy.json'), host.path('kept.json'))
      await host.ok(
        ...['policy', 'sign', host.path('policies'), '--version', '1', '--valid', '1d'],
        ...['--key', host.path('stranger.key'), '--out', host.path('forged.json')],
      )
      const forged = await setup(host, answersFor(host, { documents: { policy: host.path('forged.json') } }))
      expect(step(forged, 'policy')?.error?.message).toContain('UNSIGNED')
      expect(readdirSync(host.dir)).not.toContain('policy.json')
      const taken = await setup(host, answersFor(host, { documents: { policy: host.path('kept.json') } }))
      expect(states(taken)).toMatchObject({ policy: 'changed' })
      expect(taken).toMatchObject({ code: 0, complete: true, changed: true })
    })

    test('it goes on from wherever it was cut', async () => {
      // Each as a kill -9 between two writes leaves it.
      for (const [gone, changed] of [
        ['operator.pub', 'keys'],
        ['release.pub', 'keys'],
        ['trust.json', 'trust'],
        ['reference.json', 'reference'],
        ['hello.receipt.json', 'hello'],
      ] as const) {
        const captured = readFileSync(host.path('captured.json'))
        rmSync(host.path(gone))
        const again = await setup(host, answersFor(host))
        expect([gone, again.code, states(again)[changed]]).toEqual([gone, 0, 'changed'])
        // What was captured is what somebody may have looked at.
        expect(readFileSync(host.path('captured.json'))).toEqual(captured)
      }
    }, 60_000)

    test('a host that FAILED is told so, with the reason', async () => {
      await host.stopDaemon()
      const connected = host.tpm.connect()
      await connected.pcrExtend(4, [{ bank: 'sha256', digest: Buffer.alloc(32, 7) }])
      await connected.close()
      await host.startDaemon()
      await host.until('FAILED')
      const failed = await setup(host, answersFor(host))
      expect(failed).toMatchObject({ code: 1, complete: false })
      expect(step(failed, 'attested')?.error?.message).toContain('FAILED')
      expect(step(failed, 'attested')?.error?.lines.length).toBeGreaterThan(0)
    })

    test('answers that are wrong are named, and nothing is done', async () => {
      for (const [text, said] of [
        ['[tpm]\nwher = "x"', 'tpm.wher'],
        ['[nothing]', 'nothing'],
        ['[places]\netc = "relative"', 'places.etc'],
        ['[keys', 'answers.toml'],
      ] as const) {
        writeFileSync(host.path('answers.toml'), text)
        const { code, stderr } = await host.writ(['setup', '--answers', host.path('answers.toml')])
        expect([code, stderr]).toEqual([2, expect.stringContaining(said)])
      }
      const { code, stderr } = await host.writ(['setup'])
      expect([code, stderr]).toEqual([2, expect.stringContaining('nobody to ask')])
    })
  },
)
