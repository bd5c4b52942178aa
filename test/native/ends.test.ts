import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { bootTimeNs } from '../../daemon/native.ts'
import { compileDescendants } from '../support/descendants.ts'
import { Clan } from './clan.ts'
import { CONTROLLERS, isRoot, SECOND, sleep, TestHost, until, Writd } from './host.ts'

const SOAK = process.env.WRIT_SOAK === '1'
const MANY = SOAK ? 5000 : 500
const SLEEP = ['/bin/sleep', '300']
/** What a machine with more to do may add to anything. */
const SLACK_MS = 1500
const GRACE = { graceNs: 30n * SECOND }
const HALF = SECOND / 2n

type Options = NonNullable<Parameters<Writd['start']>[1]>

/** What happens to an execution, and what has to follow from it. */
interface Cause {
  readonly what: string
  /** Of its order, made right before it. */
  readonly options?: () => Options
  /** Gives the daemon that is there afterwards, where that is another. */
  readonly act: (it: { host: TestHost; writd: Writd; clan: Clan }) => unknown
  /** What its END says; null where nobody is left who could say it. */
  readonly told: RegExp | null
  /** From the act on, without slack: until its cgroup is empty. */
  readonly withinMs: number
  /** Makes the world as it was; the END is waited for after it. */
  readonly after?: (it: { host: TestHost; writd: Writd; clan: Clan }) => unknown
  /** Whoever should tell the END tells it to the next connection. */
  readonly toldLater?: boolean
}

const kill = (pid: number, signal: NodeJS.Signals) => process.kill(pid, signal)
const restart = async ({ host }: { host: TestHost }) => {
  await host.start()
}
/** Holds it, and sees that all of it stands still. */
const hold = async ({ writd, clan }: { writd: Writd; clan: Clan }) => {
  writd.client.lapse(writd.page.lapse() - 1n, true)
  await until(() => clan.leaf.isFrozen() && writd.events.some(event => event.startsWith('held')))
}
const expiring = (): Options => ({ expiryBootNs: bootTimeNs() + (3n * SECOND) / 2n })
/** Its evidence is renewed until something happens to it. */
const aging = (): Options => ({ maxEvidenceAgeNs: SECOND })

/** Every way to an end that there is below the daemon; test/system/ends.test.ts has what comes to the daemon first. */
const CAUSES: readonly Cause[] = [
  {
    what: 'a kill is ordered (revocation, changed policy, cancelled call, terminate)',
    act: ({ writd, clan }) => writd.client.kill(clan.executionId, 'REVOKED'),
    told: /^REVOKED$/,
    withinMs: 0,
  },
  {
    what: 'a lapse is ordered',
    act: ({ writd }) => writd.client.lapse(writd.page.lapse() - 1n),
    told: /^(LAPSE|EPOCH)$/,
    withinMs: 0,
  },
  {
    what: 'a lapse is over before anybody looks, and nobody orders anything',
    options: aging,
    act: ({ writd }) => writd.page.renew(writd.page.lapse(), bootTimeNs()),
    told: /^EPOCH$/,
    withinMs: 1000,
  },
  {
    what: 'the evidence is too old (the daemon hangs, or the TPM)',
    options: aging,
    act: () => undefined,
    told: /^LEASE$/,
    withinMs: 1000,
  },
  {
    what: 'the daemon is gone: by its lease',
    options: aging,
    act: ({ writd }) => writd.client.close(),
    told: /^LEASE$/,
    withinMs: 1000,
    toldLater: true,
  },
  {
    what: 'another daemon comes',
    act: async ({ host, writd }) => {
      writd.client.close()
      return await host.connect()
    },
    told: /^SUPERSEDED$/,
    withinMs: 0,
  },
  {
    what: 'its authorization expires',
    options: expiring,
    act: () => undefined,
    told: /^EXPIRY$/,
    withinMs: 1500,
  },
  {
    what: 'its run time is over',
    options: () => ({ limits: { runTimeNs: (3n * SECOND) / 2n } }),
    act: () => undefined,
    told: /^RUN_TIME$/,
    withinMs: 1500,
  },
  {
    what: 'its processor time is used up',
    options: () => ({ limits: { cpuTimeNs: SECOND / 5n } }),
    act: () => undefined,
    told: /^CPU_TIME$/,
    withinMs: 3000,
  },
  {
    what: 'its first process exits and leaves all others behind',
    act: ({ writd, clan }) => writd.client.signal(clan.executionId, 'SIGUSR1'),
    told: /^EXITED$/,
    withinMs: 0,
  },
  {
    what: 'its supervisor is killed',
    act: ({ clan }) => kill(clan.supervisor, 'SIGKILL'),
    told: /^SUPERVISOR_LOST$/,
    withinMs: 0,
  },
  {
    what: 'its init is killed',
    act: ({ clan }) => kill(clan.running.pid, 'SIGKILL'),
    told: /^INIT_LOST$/,
    withinMs: 0,
  },
  {
    what: 'the launcher is told to stop',
    act: ({ host }) => host.end('SIGTERM'),
    told: /^LAUNCHER_STOP$/,
    withinMs: 0,
    after: restart,
  },
  {
    what: 'the launcher is killed',
    act: ({ host }) => host.end('SIGKILL'),
    told: null,
    withinMs: 0,
    after: restart,
  },
  {
    what: 'launcher and supervisor are killed together',
    act: async ({ host, clan }) => {
      kill(host.pid, 'SIGSTOP') // else it might act in between
      kill(clan.supervisor, 'SIGKILL')
      await host.end('SIGKILL')
    },
    told: null,
    withinMs: 0,
    after: restart,
  },
  {
    what: 'the launcher hangs, and the evidence gets too old',
    options: aging,
    act: ({ host }) => kill(host.pid, 'SIGSTOP'),
    told: /^LEASE$/,
    withinMs: 1000,
    after: ({ host }) => kill(host.pid, 'SIGCONT'),
  },
  {
    what: 'a kill is ordered while its supervisor hangs',
    act: ({ writd, clan }) => {
      kill(clan.supervisor, 'SIGSTOP')
      writd.client.kill(clan.executionId, 'TERMINATED')
    },
    told: /^TERMINATED$/,
    withinMs: 0,
    after: async ({ writd, clan }) => {
      const { executionId } = clan
      await until(() => writd.events.includes(`kill-sent ${executionId} TERMINATED`))
      await sleep(50)
      // The kill was sent, and nobody has seen them dead who could say so.
      expect(writd.hasEnded(executionId)).toBe(false)
      kill(clan.supervisor, 'SIGCONT')
    },
  },
  ...(
    [
      ['its grace is over', () => ({ graceNs: HALF }), () => undefined, /^GRACE$/, 500],
      ['a kill', null, ({ writd, clan }) => writd.client.kill(clan.executionId, 'DENIED'), /^DENIED$/, 0],
      ['its supervisor is killed', null, ({ clan }) => kill(clan.supervisor, 'SIGKILL'), /LOST$/, 0],
      ['its init is killed', null, ({ clan }) => kill(clan.running.pid, 'SIGKILL'), /^INIT_LOST$/, 0],
      ['the daemon is gone', null, ({ writd }) => writd.client.close(), /^LAPSE$/, 0],
      ['the launcher is killed', null, ({ host }) => host.end('SIGKILL'), null, 0],
    ] as [string, (() => Options) | null, Cause['act'], RegExp | null, number][]
  ).map(([what, options, act, told, withinMs]): Cause => {
    const [toldLater, killed] = [what.startsWith('the daemon'), told === null]
    return {
      what: `it is held by a lapse, and then: ${what}`,
      options: options ?? (() => GRACE),
      act: async it => {
        await hold(it)
        await act(it)
      },
      ...{ told, withinMs, toldLater },
      ...(killed ? { after: restart } : {}),
    }
  }),
]

describe.skipIf(!isRoot)('with descendants of every kind, an execution ends when (needs root)', () => {
  const host = new TestHost()
  const program = join(host.directory, 'descendants')
  const took: [string, number][] = []
  let writd: Writd
  let renewing: NodeJS.Timeout | undefined

  beforeAll(async () => {
    compileDescendants(program)
    await host.start()
  })
  beforeEach(async () => {
    writd?.client.close()
    writd = await host.connect()
    const { page } = writd
    renewing = setInterval(() => page.renew(page.read().epoch, bootTimeNs()), 100)
  })
  afterEach(() => clearInterval(renewing))
  afterAll(async () => {
    writd?.client.close()
    await host.stop()
    if (SOAK) for (const [what, ms] of took) console.log(`${ms.toFixed(0).padStart(6)} ms  ${what}`)
  })

  /** Nobody is left, by what the kernel says; nobody is forgotten, by what the launcher says. */
  async function expectGone(clan: Clan): Promise<void> {
    expect(clan.leaf.isEmpty()).toBe(true)
    await until(() => clan.remains().length === 0)
    expect(host.leaves()).toEqual([])
    clan.leaf.close()
  }

  it.each(CAUSES.map(cause => [cause.what, cause] as const))('%s', async (what, cause) => {
    const clan = await Clan.start(host, writd, program, cause.options?.())
    const it = { host, writd, clan }
    clearInterval(renewing)
    const from = performance.now()
    const next = await cause.act(it)
    if (next instanceof Writd) writd = next
    await clan.leaf.emptied(cause.withinMs + SLACK_MS)
    took.push([what, performance.now() - from])
    await cause.after?.(it)
    if (cause.toldLater) {
      await until(() => host.leaves().length === 0)
      writd = await host.connect()
    }
    if (cause.told !== null) {
      const end = await writd.ended(clan.executionId)
      expect(end).toMatchObject({ cause: expect.stringMatching(cause.told), confirmedDead: true })
    }
    await expectGone(clan)
  })

  it('its parent ends', async () => {
    const parent = await writd.start(SLEEP, { children: true })
    const clan = await Clan.start(host, writd, program, { parentExecution: parent.executionId })
    writd.client.kill(parent.executionId, 'TERMINATED')
    await clan.leaf.emptied(SLACK_MS)
    expect((await writd.ended(clan.executionId)).cause).toBe('PARENT')
    await parent.ended
    await expectGone(clan)
  })

  it.each<[string, (clan: Clan) => void, RegExp]>([
    ['a kill', ({ executionId }) => writd.client.kill(executionId, 'REVOKED'), /^REVOKED$/],
    ['a lapse', () => writd.client.lapse(writd.page.lapse() - 1n), /^(LAPSE|EPOCH)$/],
    ['its supervisor is killed', ({ supervisor }) => kill(supervisor, 'SIGKILL'), /^SUPERVISOR_LOST$/],
  ])(`${MANY} processes: %s`, { timeout: 120_000 }, async (what, act, told) => {
    const clan = await Clan.start(host, writd, program, {}, MANY)
    // When the END comes nobody is there any more: it says what was seen, and not that a kill was sent.
    let emptyWhenTold: boolean | undefined
    writd.client.once('ended', () => {
      emptyWhenTold = clan.leaf.isEmpty()
    })
    const from = performance.now()
    act(clan)
    await clan.leaf.emptied(20_000)
    took.push([`${MANY} processes: ${what}`, performance.now() - from])
    expect(await writd.ended(clan.executionId)).toMatchObject({ cause: expect.stringMatching(told) })
    expect(emptyWhenTold).toBe(true)
    await expectGone(clan)
  })

  it('the number of its processes is limited, and used up', async () => {
    const clan = await Clan.start(host, writd, program, { limits: { pids: 120 } })
    expect(host.processes(clan.executionId).length).toBeLessThanOrEqual(121)
    writd.client.kill(clan.executionId, 'REVOKED')
    await clan.leaf.emptied(SLACK_MS)
    await writd.ended(clan.executionId)
    await expectGone(clan)
  })

  describe('it takes more memory than was signed', () => {
    const MIB = 1 << 20
    const eats = async () => {
      const argv = [program, '--eat', String(256 * MIB)]
      const running = await writd.start(argv, { limits: { memoryBytes: 64 * MIB }, unread: true })
      await until(() => host.processes(running.executionId).length > 20)
      await writd.client.signal(running.executionId, 'SIGUSR1')
      return await running.ended
    }
    const controlled = CONTROLLERS.includes('memory')
    it.skipIf(!controlled)('all of it at once (needs the memory controller in cgroup v2)', async () => {
      expect(await eats()).toMatchObject({ cause: 'OUT_OF_MEMORY', signal: 9, confirmedDead: true })
      expect(host.leaves()).toEqual([])
    })
    it.skipIf(controlled)('and is refused where no memory controller is there to see it', async () => {
      await expect(eats()).rejects.toMatchObject({ code: 'LIMIT_UNENFORCEABLE' })
      expect(host.leaves()).toEqual([])
    })
  })
})
