import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { Command } from 'commander'
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { newest } from '../../cli/lineage/newest.ts'
import { openSelection } from '../../cli/lineage/open-selection.ts'
import {
  addSelectionOptions,
  addSourceOptions,
  type SelectionOptions,
  type SourceOptions,
  withSource,
} from '../../cli/lineage/selection.ts'
import { Output } from '../../cli/output.ts'
import { RpcServer } from '../../daemon/rpc/server.ts'
import { sha256Hex } from '../../encoding/digest.ts'
import { encodeEvent, type LineageEvent } from '../../lineage/index.ts'
import { artifact, PROGRAM, PROGRAM_DIGEST } from '../authorization/scenario.ts'
import { GENEROUS, type Rig, startRig } from '../daemon/rpc/rig.ts'
import { ofType, peer, workload, world } from '../daemon/support/world.ts'
import { openLog, temporaryDirectory } from '../lineage/support/log.ts'
import { type Session, WRIT, writ } from './cli.ts'

const PARENT = 'aaaa0123456789abcdef0123456789ab'
const CHILD = 'bbbb0123456789abcdef0123456789ab'
const OTHER = 'aaaa9999999999999999999999999999'
const JOB = artifact()
const BASE = Date.parse('2026-11-21T02:00:00.000Z')

/**
 * A log as a daemon writes it: a policy and trust roots; a permit with its START; a child of it, that is killed; the END of both; a denial an hour
 * later, counted denials, and another execution two hours later.
 */
async function history(): Promise<LineageEvent[]> {
  const w = await world()
  await w.decider.decide(peer(), 'execute', JOB, workload())
  await w.decider.decide(peer(), 'execute', JOB, workload()).catch(() => undefined)
  const [permit, denial] = ofType(await w.events(), 'decision')
  const documents = (await w.events()).filter(({ type }) => type === 'policy' || type === 'trust-roots')
  if (permit === undefined || denial === undefined) return expect.fail('no decisions')
  const at = (seconds: number) => ({
    v: 1 as const,
    bootNs: String(seconds),
    time: new Date(BASE + 1000 * seconds).toISOString(),
  })
  const start = (
    executionId: string,
    decision: number,
    parent: string | null,
    seconds: number,
  ): LineageEvent => ({
    ...{ ...at(seconds), type: 'execution-start', executionId, decision, parent },
    ...{ subjects: [PROGRAM_DIGEST], pid: 77, cgroup: '/writ/x', epoch: 1 },
  })
  const end = (executionId: string, decision: number, cause: string, seconds: number): LineageEvent => ({
    ...{ ...at(seconds), type: 'execution-end', executionId, decision, cause, exitCode: 0, signal: null },
    ...{ rusage: {}, confirmedDead: true, streams: null },
  })
  const links = { policy: 1, trustRoots: 0, appraisal: null, parent: null }
  const unit = { ...permit.caller, unit: 'jobs.service', cgroup: '/system.slice/jobs.service' }
  return [
    ...documents.map((event, i) => ({ ...event, ...at(i) })),
    { ...permit, ...at(2), links, executionId: PARENT, caller: unit },
    start(PARENT, 2, null, 3),
    {
      ...permit,
      ...at(4),
      links: { ...links, parent: 3 },
      executionId: CHILD,
      caller: { ...unit, parent: PARENT },
    },
    start(CHILD, 4, PARENT, 5),
    { ...at(6), type: 'kill-sent', executionId: CHILD, decision: 4, cause: 'PARENT_ENDED' },
    end(CHILD, 4, 'KILLED', 7),
    end(PARENT, 2, 'EXITED', 8),
    { ...denial, ...at(3600), links },
    {
      ...{ ...at(3601), type: 'denials-counted', uid: 4242, count: 7, reasonCounts: { CAPACITY: 7 } },
      ...{ from: at(3600).time, to: at(3601).time },
    },
    { ...permit, ...at(7200), links, executionId: OTHER, caller: { ...permit.caller, uid: 4242 } },
    start(OTHER, 11, null, 7201),
  ]
}

let made: LineageEvent[] | undefined

/** The same in every test. */
async function allEvents(): Promise<LineageEvent[]> {
  made ??= await history()
  return made
}

async function directory(): Promise<string> {
  const dir = temporaryDirectory()
  const lineage = await openLog(dir)
  for (const event of await allEvents()) await lineage.append(event)
  await lineage.putBlob(JOB)
  await lineage.close()
  return dir
}

async function daemon(): Promise<Rig> {
  const rig = await startRig()
  onTestFinished(() => rig.stop())
  rig.core.blobs.set(sha256Hex(JOB), JOB)
  for (const [i, event] of (await allEvents()).entries())
    rig.core.entries.push({ index: BigInt(i), bytes: encodeEvent(event), owner: null })
  return rig
}

const lines = ({ stdout }: Session) =>
  stdout
    .trimEnd()
    .split('\n')
    .filter(line => line !== '')
/** Positions of the entries that a command prints as JSON. */
const positions = (session: Session): number[] => lines(session).map(line => JSON.parse(line).index)

describe.each(['directory', 'daemon'] as const)('entries are picked, from a %s,', where => {
  let read: (...options: string[]) => Promise<number[]>
  beforeEach(async () => {
    const named =
      where === 'directory' ? ['--directory', await directory()] : ['--socket', (await daemon()).socket]
    read = async (...options) => {
      const command = addSourceOptions(addSelectionOptions(new Command())).option('--count <n>', '', Number)
      const given = command
        .parse([...named, ...options], { from: 'user' })
        .opts<SelectionOptions & SourceOptions & { count?: number }>()
      return withSource(given, new Output(false), async source => {
        const opened = await openSelection(source, given)
        return (await newest(opened, given.count ?? 100)).map(({ index }) => index)
      })
    }
  })
  const pick = (...options: string[]) => read(...options)

  test('by position, time, type and number', async () => {
    expect(await pick()).toEqual((await allEvents()).map((_, i) => i))
    expect(await pick('--count', '2')).toEqual([11, 12])
    expect(await pick('--from', '3', '--to', '5')).toEqual([3, 4])
    expect(await pick('--since', '2026-11-21T03:00:00Z')).toEqual([9, 10, 11, 12])
    expect(await pick('--until', '2026-11-21T02:00:03Z')).toEqual([0, 1, 2, 3])
    expect(
      await pick('--since', '2026-11-21T02:00:04Z', '--until', '2026-11-21T03:00:00Z', '--count', '3'),
    ).toEqual([7, 8, 9])
    expect(await pick('--type', 'execution-start', '--type', 'kill-sent')).toEqual([3, 5, 6, 12])
  })

  test('by outcome and reason', async () => {
    expect(await pick('--outcome', 'deny')).toEqual([9, 10])
    expect(await pick('--outcome', 'permit', '--count', '1')).toEqual([11])
    expect(await pick('--reason', 'replayed', '--reason', 'PARENT_ENDED')).toEqual([6, 9])
    expect(await pick('--reason', 'CAPACITY')).toEqual([10])
  })

  test('by who asked, of all entries of an execution', async () => {
    expect(await pick('--caller', '4242')).toEqual([10, 11, 12])
    expect(await pick('--caller', 'root')).toEqual([])
    expect(await pick('--unit', 'jobs.*')).toEqual([2, 3, 4, 5, 6, 7, 8])
    expect(await pick('--cgroup', '/system.slice', '--type', 'execution-end')).toEqual([7, 8])
    expect(await pick('--cgroup', '/system')).toEqual([])
  })

  test('by what was asked for', async () => {
    const all = [2, 3, 4, 5, 6, 7, 8, 9, 11, 12]
    for (const program of [PROGRAM, 'infer', 'inf?r', '/opt/**', PROGRAM_DIGEST.slice(0, 16)])
      expect(await pick('--program', program), program).toEqual(all)
    expect(await pick('--program', '/opt/*')).toEqual([])
    expect(await pick('--issuer', 'release', '--count', '1')).toEqual([12])
    expect(await pick('--artifact', 'job-*', '--outcome', 'deny')).toEqual([9])
    expect(await pick('--artifact', 'another')).toEqual([])
  })

  test('by execution, with all that it led to', async () => {
    expect(await pick('--execution', 'bbbb')).toEqual([4, 5, 6, 7])
    expect(await pick('--execution', PARENT)).toEqual([2, 3, 8])
    expect(await pick('--execution', PARENT, '--descendants')).toEqual([2, 3, 4, 5, 6, 7, 8])
    expect(await pick('--execution', PARENT, '--descendants', '--count', '2')).toEqual([7, 8])
    expect(await pick('--execution', PARENT, '--type', 'execution-end', '--descendants')).toEqual([7, 8])
  })
})

test('a beginning that several executions have, one that none has, and what is no id are told apart', async () => {
  const from = ['--directory', await directory()]
  const several = await writ(['lineage', 'tail', '--execution', 'aaaa', ...from])
  expect(several).toMatchObject({ status: 2, stdout: '' })
  expect(several.stderr).toContain(PARENT)
  expect(several.stderr).toContain(OTHER)
  expect((await writ(['lineage', 'tail', '--execution', 'cccc', ...from])).stderr).toContain(
    'no execution cccc',
  )
  expect(await writ(['lineage', 'tail', '--execution', 'aa', ...from])).toMatchObject({ status: 2 })
  for (const wrong of [
    ['--type', 'x'],
    ['--outcome', 'x'],
    ['--since', 'x'],
    ['--caller', 'no such user'],
    ['--descendants'],
    ['--follow'],
  ])
    expect(await writ(['lineage', 'tail', ...wrong, ...from]), wrong.join(' ')).toMatchObject({
      status: 2,
      stdout: '',
    })
})

test('lines have their columns in the same place, without colours and uncut where nobody sits', async () => {
  const { stdout } = await writ(['lineage', 'tail', '--directory', await directory()])
  const shown = stdout.trimEnd().split('\n')
  expect(shown[2]).toBe(
    '#2     2026-11-21T02:00:02.000Z  PERMIT      uid 1000   aaaa01234567  /opt/app/infer --digits 7 [job-1 by release]',
  )
  expect(shown[9]).toMatch(
    /^#9 {5}2026-11-21T03:00:00.000Z {2}DENY {8}uid 1000 {17}REPLAYED: \/opt\/app\/infer --digits 7$/,
  )
  // biome-ignore lint/suspicious/noControlCharactersInRegex: no escape comes through.
  expect(stdout).not.toMatch(/\u001b/)
})

describe('what is looked for', () => {
  const grep = async (...args: string[]) =>
    writ(['lineage', 'grep', '--directory', await directory(), ...args])

  test('is found in entries, records and artifacts; nothing is status 1, and no pattern 2', async () => {
    expect(positions(await grep('--json', 'PARENT_ENDED'))).toEqual([6])
    expect(positions(await grep('--json', '^/opt/app/infer$'))).toEqual([2, 4, 9, 11])
    expect(positions(await grep('--json', '--ignore-case', '--fixed', 'JOB-1', '--caller', '4242'))).toEqual([
      11,
    ])
    expect(await grep('nothing has this')).toMatchObject({ status: 1, stdout: '', stderr: '' })
    expect(await grep('(')).toMatchObject({ status: 2, stdout: '' })
    expect((await grep('--fixed', '(')).status).toBe(1)
    expect(await grep('--total', '^77$')).toMatchObject({ status: 0, stdout: '3\n' })
  })

  test('is found in the fields that are named alone, which are shown', async () => {
    expect(positions(await grep('--json', '--field', 'caller.uid', '^4242$'))).toEqual([11])
    expect(positions(await grep('--json', '--field', 'uid', '^4242$'))).toEqual([10, 11])
    expect((await grep('--field', 'unit', 'jobs', '--to', '3')).stdout).toMatch(
      /^#2 .*\n +caller\.unit: jobs\.service\n/,
    )
  })
})

test('an entry shows what it rests on, and an execution all its entries', async () => {
  const from = ['--directory', await directory()]
  const child = await writ(['lineage', 'show', '4', ...from])
  expect(child.stdout).toMatch(/rests on\nparent +#3 .*START.*\ntrust roots +#0 .*\npolicy +#1 /)
  const whole = await writ(['lineage', 'show', 'bbbb', '--json', ...from])
  const { executionId, entries, links } = JSON.parse(whole.stdout)
  expect(executionId).toBe(CHILD)
  expect(entries.map(({ index }: { index: number }) => index)).toEqual([4, 5, 6, 7])
  expect(links.map(({ as, index }: { as: string; index: number }) => [as, index])).toEqual([
    ['parent', 3],
    ['trust roots', 0],
    ['policy', 1],
  ])
  expect(JSON.parse((await writ(['lineage', 'show', '7', '--json', ...from])).stdout).links).toMatchObject([
    { as: 'decision', index: 4, event: { type: 'decision' } },
  ])
  expect(await writ(['lineage', 'show', '99', ...from])).toMatchObject({ status: 2, stdout: '' })
})

test('a tree has the children within, and what ended first comes first', async () => {
  const from = ['--directory', await directory()]
  const { stdout } = await writ(['lineage', 'tree', ...from])
  const shown = stdout.split('\n').filter(line => /execution|PERMIT|START|KILL|END|DENY/.test(line))
  expect(
    shown.map(line => line.replaceAll(/ {2}#.*| {2}(uid|artifact|pid|\/opt|KILLED|PARENT|EXITED).*/g, '')),
  ).toEqual([
    'execution aaaa01234567',
    '├─ decision  PERMIT  aaaa01234567',
    '├─ START  aaaa01234567',
    '├─ execution bbbb01234567',
    '│  ├─ inherits    from the execution that asked for it, aaaa01234567',
    '│  ├─ decision  PERMIT  bbbb01234567',
    '│  ├─ START  bbbb01234567',
    '│  ├─ KILL  bbbb01234567',
    '│  └─ END  bbbb01234567',
    '└─ END  aaaa01234567',
    'DENY',
    'DENY',
    'execution aaaa99999999',
    '├─ decision  PERMIT  aaaa99999999',
    '└─ START  aaaa99999999',
  ])
  const one = await writ(['lineage', 'tree', 'bbbb', ...from])
  expect(one.stdout).toMatch(/^execution aaaa01234567 .*#2…#3\n└─ execution bbbb01234567/)
  expect(one.stdout).not.toContain('9999')
  expect(
    lines(await writ(['lineage', 'tree', '--json', '--from', '9', '--to', '11', ...from])).map(
      line => JSON.parse(line).entries,
    ),
  ).toEqual([[9], [10]])
})

test('what is followed comes as it is appended, waits for a daemon that is gone, and ends with its reader', async () => {
  const rig = await daemon()
  const args = [
    'lineage',
    'grep',
    '--follow',
    '--json',
    '--socket',
    rig.socket,
    '--type',
    'kill-sent',
    'REVOKED|DONE',
  ]
  const child = spawn(WRIT, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', chunk => {
    stdout += chunk
  })
  child.stderr.on('data', chunk => {
    stderr += chunk
  })
  const append = (cause: string, n: number) =>
    rig.core.entries.push({
      index: BigInt(rig.core.entries.length),
      bytes: encodeEvent({
        ...{ v: 1, type: 'kill-sent', time: '2026-11-21T05:00:00.000Z', bootNs: String(n) },
        ...{ executionId: OTHER, decision: 11, cause },
      }),
      owner: null,
    })
  append('REVOKED', 1)
  await vi.waitFor(() => expect(stdout).toContain('"REVOKED"'), 10_000)
  append('LAPSED', 2)
  const begin = performance.now()
  append('DONE', 3)
  await vi.waitFor(() => expect(stdout).toContain('"DONE"'), { timeout: 5_000, interval: 5 })
  expect(performance.now() - begin).toBeLessThan(2_000)
  expect(
    stdout
      .trimEnd()
      .split('\n')
      .map(line => JSON.parse(line).index),
  ).toEqual([13, 15])
  await rig.server.close(1_000)
  await new Promise(resolve => setTimeout(resolve, 300))
  expect({ exitCode: child.exitCode, stderr }).toEqual({ exitCode: null, stderr: '' })
  const again = new RpcServer({
    core: rig.core,
    levels: rig.levels,
    quota: GENEROUS,
    log: { warn: () => undefined, error: () => undefined },
  })
  onTestFinished(() => again.close(200))
  append('REVOKED', 4)
  await again.listen({
    ...{ path: rig.socket, access: 'all', parentExecution: null },
    roles: () => ({ governor: true, auditor: true }),
    refuse: () => null,
  })
  await vi.waitFor(() => expect(stdout.split('\n').length).toBe(4), { timeout: 10_000 })
  append('DONE', 5)
  await vi.waitFor(() => expect(stdout).toContain('"index":17'), { timeout: 10_000 })
  expect(
    stdout
      .trimEnd()
      .split('\n')
      .map(line => JSON.parse(line).index),
  ).toEqual([13, 15, 16, 17])
  child.kill('SIGINT')
  await once(child, 'close')
})
