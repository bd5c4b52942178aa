import { spawnSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statfsSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { basename, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ofType, processesWith, readLineage } from '../audit.ts'
import { GovernedHost, NEEDS_ROOT } from '../governed-host.ts'
import { attempt, endingDaemon, leaves, Soundness } from './soundness.ts'

const TRUE = { program: '/bin/true', argv: ['/bin/true'] }

function must(...command: [string, ...string[]]): string {
  const { status, stdout, stderr } = spawnSync(command[0], command.slice(1), { encoding: 'utf8' })
  if (status !== 0) throw new Error(`${command.join(' ')}: ${stderr}`)
  return stdout.trim()
}

describe.skipIf(NEEDS_ROOT !== null)('a disk that fails', () => {
  const marker = `89${process.pid}`
  let host: GovernedHost
  let sound: Soundness
  let sleep: Buffer
  let loose: Buffer
  /** The state directory is a small disk of its own. */
  const state = () => host.path('state')
  const image = (of: GovernedHost) => of.path('disk.img')
  const mount = (of: GovernedHost) =>
    must('mount', '-o', 'loop,errors=remount-ro', image(of), of.path('state'))

  beforeAll(async () => {
    host = await GovernedHost.start({
      enrolled: true,
      beforeStart: fresh => {
        must('truncate', '-s', '40M', image(fresh))
        must('mkfs.ext4', '-q', '-m', '0', image(fresh))
        renameSync(fresh.path('state'), fresh.path('state.made'))
        mkdirSync(fresh.path('state'))
        mount(fresh)
        must('cp', '-a', `${fresh.path('state.made')}/.`, fresh.path('state'))
      },
    })
    const good = readFileSync(await host.issue('good', TRUE.argv))
    loose = readFileSync(await host.issue('loose', TRUE.argv, ['--any-arguments']))
    sleep = readFileSync(await host.issue('sleep', ['/bin/sleep', `77${marker}`]))
    sound = await new Soundness(host, good).begin()
  }, 120_000)
  afterAll(async () => {
    sound?.close()
    await host?.stopDaemon()
    spawnSync('umount', [state()])
    await host?.close()
  })

  /** Takes what room there is. */
  function fill(): void {
    const { bavail, bsize } = statfsSync(state())
    spawnSync('dd', ['if=/dev/zero', `of=${join(state(), 'ballast')}`, `bs=${bsize}`, `count=${bavail + 1}`])
    expect(statfsSync(state()).bavail).toBe(0)
  }
  const empty = () => unlinkSync(join(state(), 'ballast'))

  /** Starts something that goes on. */
  async function start(): Promise<{ id: string; over: Promise<unknown> }> {
    const call = sound.client.executeCall({
      artifact: sleep,
      workload: { program: '/bin/sleep', argv: ['/bin/sleep', `77${marker}`] },
    })
    const { value } = await call.answers.next()
    await expect.poll(() => processesWith(marker).length).toBeGreaterThan(0)
    const over = (async () => {
      for await (const _ of call.answers);
    })().catch(() => undefined)
    return { id: value?.started?.executionId ?? '', over }
  }

  test('full: permits are denied with LINEAGE_UNAVAILABLE, what runs ends with its lease, and its end is recorded', async () => {
    const { id, over } = await start()
    const pid = host.daemonPid
    fill()
    // Larger than what a prepared segment takes inline, so that it needs room of its own.
    const big = { ...TRUE, argv: ['/bin/true', 'x'.repeat(100_000)] }
    const denied = await attempt(sound.client, loose, big)
    expect(denied).toMatchObject({ refused: 'LINEAGE_UNAVAILABLE' })
    // Told now: what is counted with its entry is counted once there is room again.
    const metrics = await host.ok('metrics', '--from', host.path('metrics/metrics.sock'))
    expect(metrics).toContain('writ_denial_reasons_total{reason="LINEAGE_UNAVAILABLE"} 0\n')
    expect(metrics).toContain('writ_decisions_unrecorded_total 1\n')
    // No evidence can be kept, so nothing renews the lease.
    await host.until('STALE')
    await over
    expect(processesWith(marker)).toEqual([])
    expect(leaves(host)).toEqual([])
    const { stderr, code } = await host.writ([
      'run',
      '--artifact',
      host.path('good.artifact.json'),
      '--',
      '/bin/true',
    ])
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining('ATTESTATION_STALE') })
    const status = JSON.parse(await host.ok('status', '--json'))
    expect(JSON.stringify(status)).toContain('LINEAGE_UNAVAILABLE')
    const before = await readLineage(sound.client)
    expect(ofType(before, 'kill-sent').some(({ event }) => event.executionId === id)).toBe(true)
    expect(
      ofType(before, 'execution-end').find(({ event }) => event.executionId === id)?.event,
    ).toMatchObject({
      confirmedDead: true,
    })
    expect(ofType(before, 'trust-transition').at(-1)?.event).toMatchObject({ to: 'STALE' })

    // Half-written files would take the room that is found next.
    expect(readdirSync(join(state(), 'lineage/state/tmp'))).toEqual([])
    empty()
    await host.attested()
    expect(host.daemonPid).toBe(pid)
    await sound.check()
    // The denial that had no room is not lost.
    await expect
      .poll(
        async () =>
          ofType(await readLineage(sound.client), 'denials-counted').some(
            ({ event }) => event.uid === 0 && event.count > 0,
          ),
        { timeout: 12_000, interval: 500 },
      )
      .toBe(true)
  }, 60_000)

  test('filled with small permits: denied at some point, never wrongly permitted, and good again', async () => {
    const from = (await readLineage(sound.client)).length
    fill()
    const outcomes = new Map<string, number>()
    let permitted = 0
    for (let i = 0; i < 400 && (outcomes.get('LINEAGE_UNAVAILABLE') ?? 0) < 3; i++) {
      const { refused } = await attempt(sound.client, loose, {
        ...TRUE,
        argv: ['/bin/true', 'y'.repeat(20_000)],
      })
      if (refused === null) permitted++
      outcomes.set(refused ?? 'ran', (outcomes.get(refused ?? 'ran') ?? 0) + 1)
      if (refused?.includes('ATTESTATION_STALE')) break
    }
    empty()
    await host.attested()
    const entries = await readLineage(sound.client, from)
    const permits = ofType(entries, 'decision').filter(({ event }) => event.outcome === 'permit')
    // Each one that ran has its entry.
    expect(permits.length).toBeGreaterThanOrEqual(permitted)
    expect(
      [...outcomes.keys()].every(key => /^(ran|LINEAGE_UNAVAILABLE|ATTESTATION_STALE.*)$/.test(key)),
    ).toBe(true)
    await sound.check()
  }, 60_000)

  test('full at the start: never attested, and the reason is said; good once there is room', async () => {
    await host.stopDaemon()
    fill()
    // Whether there is room for the log itself depends on what the run before had prepared. There is none for evidence.
    const { code, stderr } = await endingDaemon(host.path('writd.toml'), 10_000)
    expect(stderr).toMatch(/ENOSPC/)
    expect(stderr).not.toContain('"to":"ATTESTED"')
    expect(code).toBe(stderr.includes('serving') ? 0 : 1)
    empty()
    await host.startDaemon()
    await host.attested()
    sound.reconnect()
    await sound.check()
  }, 60_000)

  test('that fails and goes read-only: the daemon ends with the reason, what runs ends, and nothing is lost', async () => {
    const { over } = await start()
    const before = (await readLineage(sound.client)).length
    const loop = basename(must('findmnt', '-n', '-o', 'SOURCE', state()))
    writeFileSync(`/sys/fs/ext4/${loop}/trigger_fs_error`, '1')
    expect(await host.daemonExit()).toBe(1)
    expect(host.daemonLog).toMatch(/the lineage cannot be written/)
    await over
    await expect.poll(() => processesWith(marker), { timeout: 15_000 }).toEqual([])
    await expect.poll(() => leaves(host), { timeout: 5_000 }).toEqual([])

    const { code, stderr } = await endingDaemon(host.path('writd.toml'))
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: expect.stringMatching(/^writd: .*\[LINEAGE_UNAVAILABLE\]\n$/),
    })
    const { code: cli, stderr: said } = await host.writ(['status'])
    expect({ cli, said }).toEqual({ cli: 1, said: expect.stringContaining('cannot reach writd') })

    must('umount', state())
    // A mount namespace that another process has just been given may hold the file system for a moment; mounted meanwhile, it
    // would be the old one again, read-only.
    await expect.poll(() => existsSync(`/sys/fs/ext4/${loop}`), { timeout: 20_000 }).toBe(false)
    // 0: nothing to mend, 1: mended.
    expect(spawnSync('e2fsck', ['-p', '-f', image(host)]).status).toBeLessThanOrEqual(1)
    mount(host)
    await host.startDaemon()
    await host.attested()
    sound.reconnect()
    await sound.check()
    const after = await readLineage(sound.client)
    expect(after.length).toBeGreaterThanOrEqual(before)
    expect(ofType(after, 'recovery').length).toBeGreaterThan(0)
    await sound.verifies('disk')
  }, 90_000)
})
