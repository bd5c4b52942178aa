import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { api, WritClient } from '../../proto/client.ts'
import { allAreThere, compileDescendants, Leaf } from '../support/descendants.ts'
import { type Issue, issuerLike } from './artifacts.ts'
import { exportAndVerify, ofType, readLineage } from './audit.ts'
import { GovernedHost, NEEDS_ROOT } from './governed-host.ts'

/** What a machine with more to do may add to anything. */
const SLACK_MS = 3000
/** Of the artifacts whose executions are to outlive a daemon for a while. */
const EVIDENCE_AGE_S = 5

interface Clan {
  readonly id: string
  readonly leaf: Leaf
  readonly cancel: () => void
  /** The cause that its caller is told; null when the call was cut off. */
  readonly told: Promise<string | null>
}

/** Every way to an end that comes to the daemon first, or is the daemon's own; test/native/ends.test.ts has those of the launcher. */
describe.skipIf(NEEDS_ROOT !== null)(
  'with descendants of every kind, an execution ends when (needs root)',
  () => {
    let host: GovernedHost
    let daemon: WritClient
    let issue: Issue
    let program = ''
    const leaves: Leaf[] = []

    beforeAll(async () => {
      host = await GovernedHost.start({ enrolled: true })
      program = compileDescendants(host.path('descendants'))
      const template = await host.issue('descendants', [program])
      issue = issuerLike(host, template)
      daemon = new WritClient(host.socket)
    }, 120_000)
    afterEach(() => {
      for (const leaf of leaves.splice(0)) leaf.close()
    })
    afterAll(async () => {
      daemon?.close()
      await host?.close()
    })

    const leafOf = (id: string): Leaf => {
      const leaf = new Leaf(join(host.cgroup, 'executions', id))
      leaves.push(leaf)
      return leaf
    }

    async function start(change?: Parameters<Issue>[0], more: string[] = []): Promise<Clan> {
      const call = daemon.executeCall({
        artifact: issue(change),
        workload: { program, argv: [program, ...more] },
      })
      const started = Promise.withResolvers<string>()
      const ready = Promise.withResolvers<void>()
      let said = ''
      const listen = async (): Promise<string | null> => {
        try {
          for await (const { started: start, stdout, ended } of call.answers) {
            if (start) started.resolve(start.executionId)
            if (stdout) said += Buffer.from(stdout).toString()
            if (allAreThere(said)) ready.resolve()
            if (ended) return ended.confirmedDead ? ended.cause : 'NOT CONFIRMED'
          }
        } catch (error) {
          started.reject(error)
          ready.reject(error)
        }
        return null
      }
      const told = listen()
      const id = await started.promise
      await ready.promise
      const leaf = leafOf(id)
      leaf.expectAllKinds()
      return { id, leaf, cancel: () => call.cancel(), told }
    }

    /** Nobody is left, by what the kernel says; that it began and that it ended is in the log. */
    async function expectGone({ id, leaf }: Clan, withinMs: number, cause: RegExp): Promise<void> {
      await leaf.emptied(withinMs + SLACK_MS)
      await expect.poll(() => leaf.remains(), { timeout: 10_000 }).toEqual([])
      await expect.poll(() => endsOf(id), { timeout: 10_000 }).toEqual([expect.stringMatching(cause)])
    }

    async function endsOf(id: string): Promise<string[]> {
      const entries = await readLineage(daemon)
      expect(ofType(entries, 'execution-start').filter(({ event }) => event.executionId === id)).toHaveLength(
        1,
      )
      return ofType(entries, 'execution-end').flatMap(({ event }) =>
        event.executionId === id ? [`${event.cause}${event.confirmedDead ? '' : ' unconfirmed'}`] : [],
      )
    }

    async function restarted(): Promise<void> {
      await host.startDaemon()
      await host.attested()
      daemon.close()
      daemon = new WritClient(host.socket)
    }

    test('its caller cancels', async () => {
      const clan = await start()
      clan.cancel()
      await expectGone(clan, 0, /^CALLER_GONE$/)
    })

    test('its caller is killed', async () => {
      const artifact = host.path('descendants.artifact.json')
      const child = host.spawnWrit(['run', '--artifact', artifact, '--', program])
      let said = ''
      child.stdout?.on('data', piece => (said += piece))
      await expect.poll(() => allAreThere(said), { timeout: 15_000 }).toBe(true)
      const { executions } = await daemon.call(api.execution.List, {})
      const [id = ''] = executions.map(({ executionId }) => executionId)
      const leaf = leafOf(id)
      leaf.expectAllKinds()
      const gone = once(child, 'exit')
      child.kill('SIGKILL')
      await gone
      await expectGone({ id, leaf, cancel: () => undefined, told: Promise.resolve(null) }, 0, /^CALLER_GONE$/)
    })

    test('it is terminated', async () => {
      const clan = await start()
      await daemon.call(api.execution.Terminate, { executionId: clan.id })
      expect(clan.leaf.isEmpty()).toBe(true)
      expect(await clan.told).toBe('END_CAUSE_TERMINATED')
      await expectGone(clan, 0, /^TERMINATED$/)
    })

    test('it is revoked', async () => {
      const clan = await start()
      await host.ok('revoke', '--execution', clan.id, '--key', host.path('operator.key'))
      await expectGone(clan, 0, /^REVOKED$/)
      expect(await clan.told).toBe('END_CAUSE_REVOKED')
    })

    test('policy does not permit it any more', async () => {
      const clan = await start(it => ({ ...it, scope: { ...it.scope, argv: [program, '1'] } }), ['1'])
      mkdirSync(host.path('forbidding'))
      const forbid = 'forbid (principal, action, resource) when { context.request.argv.contains("1") };'
      writeFileSync(host.path('forbidding/all.cedar'), 'permit (principal, action, resource);\n')
      writeFileSync(host.path('forbidding/some.cedar'), `${forbid}\n`)
      const out = host.path('forbidding.json')
      const key = host.path('operator.key')
      await host.ok(
        ...['policy', 'sign', host.path('forbidding'), '--version', '2', '--valid', 'any'],
        ...['--key', key, '--out', out],
      )
      await host.ok('policy', 'load', out)
      await expectGone(clan, 0, /^DENIED$/)
      expect(await clan.told).toBe('END_CAUSE_DENIED')
    })

    test('its artifact expires', async () => {
      const notAfter = new Date(Date.now() + 2500).toISOString()
      const clan = await start(it => ({ ...it, validity: { ...it.validity, notAfter } }))
      await expectGone(clan, 2500, /^EXPIRY$/)
      expect(await clan.told).toBe('END_CAUSE_EXPIRED')
    })

    test('the attestation is stale: the TPM hangs', async () => {
      const [clan, held] = [await start(), await start(it => ({ ...it, onLapse: { freeze: { grace: 1 } } }))]
      host.tpm.hang()
      try {
        await expectGone(clan, 8000, /^(LAPSE|EPOCH|LEASE)$/)
        expect(await clan.told).toBe('END_CAUSE_ATTESTATION_STALE')
        await expectGone(held, 2000, /^GRACE$/)
      } finally {
        host.tpm.resume()
      }
      await host.attested()
    })

    test('the daemon hangs', async () => {
      const clan = await start(it => ({
        ...it,
        environment: { ...it.environment, maxEvidenceAge: EVIDENCE_AGE_S },
      }))
      process.kill(host.daemonPid, 'SIGSTOP')
      try {
        await clan.leaf.emptied(EVIDENCE_AGE_S * 1000 + SLACK_MS)
      } finally {
        process.kill(host.daemonPid, 'SIGCONT')
      }
      await expectGone(clan, 0, /^(LAPSE|EPOCH|LEASE)$/)
      await clan.told
      await host.attested()
    })

    test('the daemon is killed: by its lease, and the next daemon records it', async () => {
      const clan = await start(it => ({
        ...it,
        environment: { ...it.environment, maxEvidenceAge: EVIDENCE_AGE_S },
      }))
      await host.stopDaemon('SIGKILL')
      // What was running runs on, as long as its lease.
      expect(clan.leaf.isEmpty()).toBe(false)
      await clan.leaf.emptied(EVIDENCE_AGE_S * 1000 + SLACK_MS)
      await restarted()
      await expectGone(clan, 0, /^LEASE$/)
      expect(await clan.told).toBeNull()
    })

    test('the daemon is told to stop', async () => {
      const clan = await start()
      expect(await host.stopDaemon()).toBe(0)
      expect(clan.leaf.isEmpty()).toBe(true)
      await restarted()
      await expectGone(clan, 0, /^DAEMON$/)
    })

    test('the launcher is killed', async () => {
      const clan = await start()
      await host.stopLauncher('SIGKILL')
      await clan.leaf.emptied(SLACK_MS)
      expect(await host.daemonExit()).toBe(1)
      await host.startLauncher()
      await restarted()
      await expectGone(clan, 0, /^(LAUNCHER_LOST|SUPERSEDED)$/)
    })

    test('an appraisal fails: a PCR is extended', async () => {
      const [clan, held] = [await start(), await start(it => ({ ...it, onLapse: { freeze: { grace: 60 } } }))]
      const tpm = host.tpm.connect()
      try {
        await tpm.pcrExtend(4, [
          { bank: 'sha1', digest: Buffer.alloc(20, 1) },
          { bank: 'sha256', digest: Buffer.alloc(32, 1) },
        ])
      } finally {
        await tpm.close()
      }
      await expectGone(clan, 4000, /^(LAPSE|EPOCH)$/)
      expect(await clan.told).toBe('END_CAUSE_ATTESTATION_FAILED')
      // Nothing is held for what does not pass.
      await expectGone(held, 0, /^(LAPSE|EPOCH)$/)
      await host.until('FAILED')
    })

    test('and the log says of each that it began and how it ended, and verifies', async () => {
      const entries = await readLineage(daemon)
      const starts = ofType(entries, 'execution-start').map(({ event }) => event.executionId)
      const ends = ofType(entries, 'execution-end').map(({ event }) => event.executionId)
      expect(starts.length).toBeGreaterThanOrEqual(14)
      expect(ends.toSorted()).toEqual(starts.toSorted())
      await exportAndVerify(host, 'bundle')
    })
  },
)
