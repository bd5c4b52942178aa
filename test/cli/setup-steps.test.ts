import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest'
import { CliError } from '../../cli/error.ts'
import { liveProbes, type Probes, seen, type TpmFacts, unseen } from '../../cli/probe/index.ts'
import type { UnitFacts } from '../../cli/probe/probes.ts'
import { completeAnswers, type GivenAnswers } from '../../cli/setup/answers.ts'
import { Authority } from '../../cli/setup/authority.ts'
import { setupFiles } from '../../cli/setup/files.ts'
import type { StepContext, StepName } from '../../cli/setup/step.ts'
import { attested } from '../../cli/setup/steps/attested.ts'
import { host } from '../../cli/setup/steps/host.ts'
import { service } from '../../cli/setup/steps/service.ts'
import { unitsAgainst } from '../../cli/setup/unit-places.ts'
import { configDigest, parseConfig } from '../../configuration/daemon-file.ts'
import type { AttestationStatus } from '../../proto/generated/writ/v1/AttestationStatus.ts'

const HARDWARE: TpmFacts = {
  vendor: { manufacturer: 'IFX', vendorString: 'SLB9672', firmwareVersion: 1n, revision: 159 },
  hierarchies: { ownerAuthSet: true, endorsementAuthSet: true, lockoutAuthSet: true, inLockout: false },
  use: {} as TpmFacts['use'],
  banks: [{ bank: 'sha256', pcrs: [0] }],
  ekCertificate: Buffer.of(1),
  ekIntermediates: [],
  persistentHandles: [],
  nvIndices: [],
}

const directory = mkdtempSync(join(tmpdir(), 'writ-steps-'))
afterAll(() => rmSync(directory, { recursive: true }))

/** A context whose host is empty but for what is said of it. */
function context(
  said: Partial<Probes>,
  given: GivenAnswers = {},
  changed: readonly StepName[] = [],
): StepContext {
  const answers = completeAnswers(given)
  const files = setupFiles(answers)
  const probes: Probes = {
    ...liveProbes({ tpm: answers.tpm.where, socket: join(directory, 'none'), root: directory }),
    euid: 0,
    ...said,
  }
  return {
    answers,
    stage: 'all',
    files,
    authority: new Authority(answers, files, null),
    probes,
    changed: new Set(changed),
  }
}

const tpm = (facts: Partial<TpmFacts> | ReturnType<typeof unseen>) => ({
  where: 'device:/dev/tpmrm0',
  facts: async () => ('seen' in facts ? facts : seen({ ...HARDWARE, ...facts })),
})

/** What the host lacks, as the step says it. */
async function missing(said: Partial<Probes>, given: GivenAnswers = {}): Promise<string[]> {
  const error = await host.look(context(said, given)).catch((error: unknown) => error)
  expect(error).toBeInstanceOf(CliError)
  return [...(error as CliError).lines]
}

describe('the host', () => {
  test('everything that is missing is said at once, each with what to do', async () => {
    const lines = await missing({ euid: 1000, tpm: tpm(unseen('missing', 'there is no such device')) })
    for (const said of [
      'this is not root',
      'Switch it on in the firmware',
      'no event log',
      'no IMA log',
      'no cgroup v2',
    ])
      expect(lines.join('\n')).toContain(said)
  })

  test('a hierarchy of cgroups without what limits are made of is a note, by the same judgement as the doctor has', async () => {
    const root = mkdtempSync(join(tmpdir(), 'writ-cgroup-'))
    const put = (path: string, content: string | Buffer) => {
      mkdirSync(dirname(join(root, path)), { recursive: true })
      writeFileSync(join(root, path), content)
    }
    cpSync('test/fixtures/hosts/debian13-uki', root, { recursive: true })
    const { files } = liveProbes({ tpm: 'device:/none', socket: '/none', root })
    const places = { event_log: '/eventlog.bin', ima_log: '/ima.bin' }
    const hierarchies = { ...HARDWARE.hierarchies, ownerAuthSet: false, endorsementAuthSet: false }
    const notes = async (controllers: string) => {
      put('sys/fs/cgroup/cgroup.controllers', controllers)
      const found = await host.look(context({ files, tpm: tpm({ hierarchies }) }, { places }))
      return (found.warnings ?? []).filter(line => line.includes('cgroup'))
    }
    expect(await notes('hugetlb\n')).toEqual([expect.stringContaining('lacks memory, pids, cpu:')])
    expect(await notes('cpuset cpu io memory hugetlb pids\n')).toEqual([])
    rmSync(root, { recursive: true })
  })

  test.each(['0:0', '0', '00:5', 'root', '0:61190'])(
    'the daemon is not set up as %s, in no stage',
    async user => {
      for (const stage of ['all', 'image', 'first-boot'] as const)
        await expect(host.look({ ...context({}, { daemon: { user } }), stage })).rejects.toMatchObject({
          code: 'USAGE',
          at: 'daemon.user',
        })
    },
  )

  test('what a TPM is like decides', async () => {
    const tpmLines = async (facts: Partial<TpmFacts>, given?: GivenAnswers) =>
      (await missing({ tpm: tpm(facts) }, given)).filter(line => line.includes('TPM')).join()
    expect(await tpmLines({ banks: [{ bank: 'sha1', pcrs: [0] }] })).toContain('tpm2_pcrallocate')
    const simulated = { vendor: { ...HARDWARE.vendor, manufacturer: 'IBM', vendorString: 'SW   TPM' } }
    expect(await tpmLines(simulated)).toContain('--simulated allow')
    expect(await tpmLines(simulated, { tpm: { simulated: 'allow' } })).not.toContain('simulated')
    expect(await tpmLines({})).not.toContain('simulated')
  })

  test('whose TPM has an owner is asked for the authValue by the name of a variable, unless it is given', async () => {
    const lines = async (given: GivenAnswers) => (await missing({ tpm: tpm({}) }, given)).join('\n')
    const none = await lines({})
    expect(none).toContain('--owner-auth-env (answers: tpm.owner_auth_env)')
    expect(none).toContain('--endorsement-auth-env')
    const half = await lines({ tpm: { owner_auth_env: 'OWNER' } })
    expect(half).not.toContain('--owner-auth-env')
    expect(half).toContain('--endorsement-auth-env')
    const hierarchies = { ...HARDWARE.hierarchies, ownerAuthSet: false, endorsementAuthSet: false }
    expect((await missing({ tpm: tpm({ hierarchies }) })).join()).not.toContain('auth-env')
  })

  describe('whose systemd has the units of the package', () => {
    const units = join(directory, 'usr/lib/systemd/system')
    beforeEach(() => cpSync('packaging/systemd', units, { recursive: true }))
    afterEach(() => {
      rmSync(units, { recursive: true })
      rmSync(join(directory, 'etc'), { recursive: true, force: true })
    })
    const started: Partial<Probes> = { services: { unit: async () => seen({} as UnitFacts) } }
    const against = (places: GivenAnswers['places'], more: GivenAnswers = {}) =>
      unitsAgainst(context(started, { ...more, places: { credentials: '/etc/writ/credentials', ...places } }))

    test('goes by the answers as they are shipped', async () => {
      expect(await against({})).toEqual([])
    })

    test.each<[string, GivenAnswers, string]>([
      ['configuration', { places: { etc: '/srv/writ' } }, '/srv/writ/writd.toml (places.etc)'],
      ['configuration of the launcher', { places: { etc: '/srv/writ' } }, 'writ-launchd.service starts'],
      ['secrets', { places: { credentials: 'none' } }, 'wants /etc/writ/credentials/secrets.json'],
      ['state', { places: { state_directory: '/srv/state' } }, '/srv/state (places.state_directory)'],
      ['user', { daemon: { user: '61190' } }, 'runs as writ, and the state is made for 61190'],
      ['socket', { places: { socket: '/srv/w.sock' } }, '/srv/w.sock (places.socket)'],
    ])('is told at once of another %s', async (_, { places, ...more }, said) => {
      expect((await against(places, more)).join('\n')).toContain(said)
      const usual = { credentials: '/etc/writ/credentials' }
      const given = { ...more, places: { ...usual, ...places } }
      for (const stage of ['all', 'image', 'first-boot'] as const)
        await expect(host.look({ ...context(started, given), stage })).rejects.toMatchObject({
          code: 'HOST_UNFIT',
          message: expect.stringContaining('units'),
          lines: expect.arrayContaining([expect.stringContaining(said)]),
        })
      expect(await against(places, { ...more, service: { start: false } })).toEqual([])
    })

    test('goes by what somebody has changed in the units', async () => {
      const write = (unit: string, text: string) => {
        mkdirSync(join(directory, `etc/systemd/system/${unit}.d`), { recursive: true })
        writeFileSync(join(directory, `etc/systemd/system/${unit}.d/own.conf`), text)
      }
      const conditions = ['writd.toml', 'launchd.conf'].map(name => `ConditionPathExists=/srv/writ/${name}\n`)
      write(
        'writd.service',
        `[Unit]\nConditionPathExists=\n${conditions[0]}[Service]\nExecStart=\nExecStart=/usr/lib/writ/writd --config /srv/writ/writd.toml\n`,
      )
      write(
        'writ-launchd.service',
        `[Unit]\nConditionPathExists=\n${conditions[1]}[Service]\nExecStart=\nExecStart=/usr/lib/writ/writ-launchd --config \\\n  /srv/writ/launchd.conf\n`,
      )
      expect(await against({ etc: '/srv/writ' })).toEqual([])
      expect((await against({})).join()).toContain(
        'starts "/usr/lib/writ/writd --config /srv/writ/writd.toml"',
      )
    })

    test('is not asked where systemd does not run', async () => {
      expect(await unitsAgainst(context({}, { places: { etc: '/srv/writ' } }))).toEqual([])
    })
  })

  test('an image is not taken for the host', async () => {
    const found = await host.look({ ...context({ euid: 1000 }), stage: 'image' })
    expect(found.state).toBe('skipped')
  })
})

describe('the service', () => {
  const UNIT: UnitFacts = {
    ...{ load: 'loaded', active: 'inactive', sub: 'dead', file: 'disabled', path: '/x', dropIns: [] },
    ...{ needsReload: false, result: 'success', mainPid: 0, restarts: 0, since: 0 },
  }
  /** @param then what is seen of the unit once somebody had systemctl do something */
  const unit = (facts: Partial<UnitFacts>, then: UnitFacts['active'] = 'active') => ({
    services: {
      unit: async () =>
        seen({ ...UNIT, ...facts, ...(existsSync(join(directory, 'called')) ? { active: then } : {}) }),
    },
  })
  const called = () => readFileSync(join(directory, 'called'), 'utf8').trim().split('\n')
  const path = process.env.PATH

  beforeEach(() => {
    rmSync(join(directory, 'called'), { force: true })
    systemctl('exit 0')
    process.env.PATH = `${directory}:${path}`
  })
  afterAll(() => {
    process.env.PATH = path
  })

  /** What is started in the place of systemctl, of which this host has none that works. */
  function systemctl(end: string): void {
    const file = join(directory, 'systemctl')
    writeFileSync(file, `#!/bin/sh\nshift\necho "$@" >>${directory}/called\n${end}\n`)
    chmodSync(file, 0o755)
  }

  async function start(facts: Partial<UnitFacts>, changed: readonly StepName[] = []) {
    const found = await service.look(context(unit(facts), {}, changed))
    if (found.state === 'to do') await found.carryOut()
    return found.state
  }

  test.each<[string, Partial<UnitFacts>, readonly StepName[], readonly string[]]>([
    ['new', {}, [], ['enable writd.service', 'start writd.service']],
    ['enabled, stopped', { file: 'enabled' }, [], ['start writd.service']],
    [
      'given up',
      { file: 'enabled', active: 'failed' },
      [],
      ['reset-failed writd.service', 'start writd.service'],
    ],
    [
      'with a new configuration',
      { file: 'enabled', active: 'active' },
      ['configuration'],
      ['restart writd.service'],
    ],
  ])('%s', async (_, facts, changed, calls) => {
    expect(await start(facts, changed)).toBe('to do')
    expect(called()).toEqual(calls)
  })

  test('systemctl is given nothing of an environment that may have passphrases', async () => {
    systemctl('echo "secret=$WRIT_TEST_SECRET" >>"$0.environment"')
    process.env.WRIT_TEST_SECRET = 'of the keys'
    try {
      await start({})
    } finally {
      delete process.env.WRIT_TEST_SECRET
    }
    const seenThere = readFileSync(join(directory, 'systemctl.environment'), 'utf8')
    expect([...new Set(seenThere.trim().split('\n'))]).toEqual(['secret='])
  })

  test('what runs is left alone', async () => {
    expect(await start({ file: 'enabled', active: 'active' })).toBe('done')
    expect(() => called()).toThrow('ENOENT')
  })

  test('what runs by another configuration than the file has is restarted: a run before was ended in between', async () => {
    const etc = join(directory, 'etc')
    mkdirSync(etc)
    const configured = (seconds: number) =>
      Buffer.from(
        `[attestation]\ncycle_seconds = ${seconds}\nreference_values = "/r"\n[trust]\ngovernance_keys = ["/o"]\ntrust_roots = "/t"\npolicy_bundle = "/p"\n`,
      )
    const file = configured(7)
    writeFileSync(join(etc, 'writd.toml'), file)
    const calls = async (inForce: Buffer) => {
      const configuration = { digest: configDigest(parseConfig(inForce)) }
      const status = async () => seen({ configuration } as unknown as AttestationStatus)
      const running = { ...unit({ file: 'enabled', active: 'active' }), daemon: { socket: '', status } }
      const found = await service.look(context(running, { places: { etc } }))
      if (found.state === 'to do') await found.carryOut()
      return existsSync(join(directory, 'called')) ? called() : []
    }
    expect(await calls(file)).toEqual([])
    expect(await calls(configured(8))).toEqual(['restart writd.service'])
  })

  test('a launcher that runs by an older configuration is said, with what a restart ends, and left alone', async () => {
    const file = join(directory, 'etc/writ/launchd.conf')
    mkdirSync(join(directory, 'etc/writ'), { recursive: true })
    writeFileSync(file, '')
    const { mtimeMs } = statSync(file)
    const warnings = async (facts: Partial<UnitFacts>) =>
      (await service.look(context(unit({ file: 'enabled', active: 'active', ...facts })))).warnings?.join()
    expect(await warnings({ since: mtimeMs - 5000 })).toMatch(
      /systemctl restart writ-launchd.*ends all executions/,
    )
    expect(await warnings({ since: mtimeMs + 5000 })).toBe('')
    expect(await warnings({ since: null })).toContain('cannot be seen')
    expect(await warnings({ active: 'inactive' })).toBe('')
    expect(existsSync(join(directory, 'called'))).toBe(false)
  })

  test('what cannot start is said, with where the reason is', async () => {
    await expect(start({ load: 'masked' })).rejects.toMatchObject({
      code: 'HOST_UNFIT',
      next: expect.stringContaining('unmask'),
    })
    systemctl('echo "Job failed." >&2; exit 1')
    await expect(start({})).rejects.toMatchObject({
      code: 'HOST_UNFIT',
      next: expect.stringContaining('journalctl'),
    })
    await expect(start({})).rejects.toThrow('Job failed.')
  })

  test('a unit that systemd left out, content with itself, is not said to run', async () => {
    const skipped = context(unit({}, 'inactive'), { places: { etc: '/srv/writ' } })
    const found = await service.look(skipped)
    if (found.state !== 'to do') throw new Error(found.state)
    await expect(found.carryOut()).rejects.toMatchObject({
      code: 'HOST_UNFIT',
      message: expect.stringContaining('did not start'),
      lines: expect.arrayContaining([expect.stringContaining('/srv/writ')]),
    })
  })

  test('nothing is started where that is not wanted, and how is said', async () => {
    const found = await service.look(
      context(unit({}), { service: { start: false }, daemon: { user: '61190' } }),
    )
    expect([found.state, found.found.join()]).toEqual(['skipped', expect.stringContaining('writd --config')])
  })
})

test('a host that is not attested in time is said to be so, with its reasons', async () => {
  const status = {
    state: 'GATE_STATE_STALE',
    reasons: [{ code: 'TPM_TIMEOUT', message: 'no answer', at: '' }],
    tier: 'TPM_TIER_HARDWARE',
    hostId: '',
  }
  const daemon = { socket: '', status: async () => seen(status as never) }
  const found = await attested.look(context({ daemon }, { service: { attested_seconds: 1 } }))
  if (found.state !== 'to do') throw new Error(found.state)
  await expect(found.carryOut()).rejects.toMatchObject({
    message: expect.stringContaining('not attested after 1 s: the daemon is STALE'),
    lines: ['TPM_TIMEOUT: no answer'],
  })
})
