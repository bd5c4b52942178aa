import { execFileSync } from 'node:child_process'
import { chmodSync, copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { signRevocation } from '../../authorization/index.ts'
import { parseEvent } from '../../lineage/index.ts'
import { api, WritClient } from '../../proto/client.ts'
import { readPrivateKey } from '../../signing/key.ts'
import { CHECKOUT, programs } from '../support/programs.ts'
import { exportAndVerify } from './audit.ts'
import { GovernedHost, NEEDS_ROOT } from './governed-host.ts'
import { compileSocketCaller, Inside, ownSockets } from './inside.ts'

const SOCKET = '/run/writ/parent.sock'
const SLEEP = ['/bin/sleep', '40']
const TRUE = ['/bin/true']
/** Of the measurement: `WRIT_DESCENDANTS=100` for the whole number. */
const DESCENDANTS = Number(process.env.WRIT_DESCENDANTS ?? 12)

type Started = { executionId: string }

describe.skipIf(NEEDS_ROOT !== null)('children', () => {
  let host: GovernedHost
  let root: WritClient
  let relay: string[]
  let hidden: string[]
  const artifacts = new Map<string, Buffer>()
  const open: Inside[] = []

  const issue = async (name: string, argv: readonly string[], options: readonly string[] = []) => {
    artifacts.set(name, readFileSync(await host.issue(name, argv, ['--parent', 'any', ...options])))
  }
  const copies: string[] = []
  const copyOfRuntime = (): string => {
    const directory = mkdtempSync(join(tmpdir(), 'writ-runtime-'))
    copies.push(directory)
    chmodSync(directory, 0o755)
    copyFileSync(process.execPath, join(directory, 'node'))
    return join(directory, 'node')
  }
  const artifact = (name: string) => artifacts.get(name) ?? expect.fail(`no artifact ${name}`)

  beforeAll(async () => {
    host = await GovernedHost.start({
      enrolled: true,
      config: {
        quota: 'requests_per_second = 2000\nrequest_burst = 4000\ncalls = 500',
        execution: 'max_executions = 200',
      },
    })
    root = new WritClient(host.socket)
    const program = compileSocketCaller(host.path('caller'))
    relay = [program, 'relay', SOCKET]
    hidden = [program, 'hidden', SOCKET]
    const long = ['--valid', '2h']
    await Promise.all([
      issue('sleep', SLEEP),
      issue('true', TRUE),
      issue('parent', relay, [...long, '--children', '--children-depth', '2']),
      issue('hidden', hidden, [...long, '--children']),
      issue('few', relay, [...long, '--max-children', '2']),
      issue('single', relay, [...long, '--children-at-once', '1', '--children-per-minute', '3']),
      issue('below', relay, ['--valid', '90m', '--children']),
      issue('too-deep', relay, ['--valid', '90m', '--children', '--children-depth', '2']),
      issue('longer', SLEEP, ['--valid', '3h']),
    ])
  }, 120_000)
  afterEach(async () => {
    for (const inside of open.splice(0)) {
      inside.close()
      await root.call(api.execution.Terminate, { executionId: inside.executionId }).catch(() => undefined)
    }
  })
  afterAll(async () => {
    root?.close()
    await host?.close()
    for (const copy of copies) rmSync(copy, { recursive: true })
  })

  const start = async (name = 'parent', argv = relay, by: WritClient = root) => {
    const inside = await Inside.start(host, by, artifact(name), argv)
    open.push(inside)
    return inside
  }
  const sleep = async (
    by: WritClient,
    name = 'sleep',
  ): Promise<Started & { ended: Promise<{ cause: string }> }> => {
    const child = by.execute({ artifact: artifact(name), workload: { program: SLEEP[0] ?? '', argv: SLEEP } })
    child.ended.catch(() => undefined)
    return {
      executionId: (await child.started).executionId,
      ended: child.ended as Promise<{ cause: string }>,
    }
  }
  const run = async (by: WritClient, name = 'true', argv = TRUE, fields = {}) => {
    const child = by.execute({
      artifact: artifact(name),
      workload: { program: argv[0] ?? '', argv, ...fields },
    })
    child.started.catch(() => undefined)
    return await child.ended.then(
      end => String(end.cause),
      error =>
        error.reasons?.map(({ at, code }: { at: string; code: string }) => at || code).join() ?? error.code,
    )
  }
  const list = async (by: WritClient) =>
    (await by.call(api.execution.List, {})).executions.map(({ executionId }) => executionId)
  const find = async (executionId: string) =>
    (await root.call(api.execution.Get, { executionId })).execution ?? expect.fail()
  const events = async () => {
    const all = []
    for await (const { entry } of root.read(api.lineage.ReadEntries, {})) all.push(parseEvent(entry))
    return all
  }

  test('are started on the own socket of their parent, by `writ run` as well, which finds it by itself', async () => {
    // What is writable hides what is signed, and a checkout has its runtime in it.
    const writ = [copyOfRuntime(), join(await programs(), 'cli/main.ts')]
    const child = await host.issue('hello', ['/bin/echo', 'hello'], ['--parent', 'any'])
    const command = [...writ, 'run', '--artifact', child, '--', '/bin/echo', 'hello']
    const seen = [await programs(), CHECKOUT, host.dir].flatMap(path => ['--writable', path])
    const parent = await host.issue('agent', command, ['--children', '--valid', '2h', ...seen])
    const done = await host.writ(['run', '--artifact', parent, '--children', '--', ...command])
    expect(done).toEqual({ code: 0, stdout: 'hello\n', stderr: '' })
    const tree = await host.ok('lineage', 'tree')
    expect(tree).toMatch(/^├─ execution [0-9a-f]+ {2}\/bin\/echo hello$/m)
    const starts = (await events()).filter(({ type }) => type === 'execution-start')
    const [above, below] = starts.slice(-2) as { executionId: string; parent: string | null }[]
    expect(below?.parent).toBe(above?.executionId)
  })

  test('are known by the kernel: a process of the execution, however far it forked away, and no other', async () => {
    const inside = await start('hidden', hidden)
    const child = await sleep(inside.client)
    expect(await find(child.executionId)).toMatchObject({ parentExecutionId: inside.executionId })
    const { pid = 0, uid = 0 } = await find(inside.executionId)
    const there = `/proc/${pid}/root${SOCKET}`
    const knock = (as: number) =>
      execFileSync(relay[0] ?? '', ['as', String(as), there], { encoding: 'utf8' }).trim()
    // From outside, as root and as the execution's own user: the cgroup is another.
    expect(knock(0)).toBe('closed')
    expect(knock(uid)).toBe('closed')
    await expect.poll(() => host.daemonLog).toContain('a process of another execution')
    // That it answers those who belong there is not why.
    expect(await list(inside.client)).toEqual([child.executionId])
  })

  test('may call what starts, shows and ends what is below them, and nothing else', async () => {
    const [inside, other] = [await start(), await start()]
    const below = await start('below', relay, inside.client)
    const [child, grandchild, foreign] = [
      await sleep(inside.client),
      await sleep(below.client),
      await sleep(other.client),
    ]
    expect((await list(inside.client)).toSorted()).toEqual(
      [below.executionId, child.executionId, grandchild.executionId].toSorted(),
    )
    expect(await list(below.client)).toEqual([grandchild.executionId])
    expect(await list(root)).toEqual(
      expect.arrayContaining([inside, child, grandchild].map(e => e.executionId)),
    )
    for (const executionId of [foreign.executionId, inside.executionId, other.executionId])
      for (const method of ['Get', 'Terminate'] as const)
        await expect(inside.client.call(api.execution[method], { executionId })).rejects.toMatchObject({
          status: 'NOT_FOUND',
        })
    await expect(below.client.call(api.execution.Get, child)).rejects.toMatchObject({ status: 'NOT_FOUND' })
    await inside.client.call(api.execution.Terminate, { executionId: grandchild.executionId })
    expect((await find(grandchild.executionId)).state).toBe('EXECUTION_STATE_ENDED')
    for (const refused of [
      inside.client.call(api.attestation.GetStatus, {}),
      inside.client.call(api.lineage.GetCheckpoint, {}),
      inside.client.call(api.governance.LoadPolicy, { envelope: Buffer.from('{}') }),
      inside.client.call(api.governance.Revoke, { envelope: Buffer.from('{}') }),
    ])
      await expect(refused).rejects.toMatchObject({ status: 'PERMISSION_DENIED', faultCode: 'NOT_ALLOWED' })
  })

  test('are as many as their parent may have: in its life, at one time, in a minute, and so deep', async () => {
    const few = await start('few')
    const raced = await Promise.all(Array.from({ length: 40 }, () => run(few.client)))
    expect(raced.filter(cause => cause === 'END_CAUSE_EXIT')).toHaveLength(2)
    expect(new Set(raced)).toEqual(new Set(['END_CAUSE_EXIT', 'parent.children.max']))
    expect(await run(few.client)).toBe('parent.children.max')

    const single = await start('single')
    const first = await sleep(single.client)
    expect(await run(single.client)).toBe('parent.children.atOnce')
    await single.client.call(api.execution.Terminate, { executionId: first.executionId })
    expect([await run(single.client), await run(single.client)]).toEqual(['END_CAUSE_EXIT', 'END_CAUSE_EXIT'])
    expect(await run(single.client)).toBe('parent.children.perMinute')

    const parent = await start()
    const below = await start('below', relay, parent.client)
    expect(await run(below.client)).toBe('END_CAUSE_EXIT')
    // As deep as the parent itself, and one that may have no children at all.
    expect(await run(parent.client, 'too-deep', relay, { children: true })).toBe('parent.children')
    expect(await run(below.client, 'below', relay, { children: true })).toBe('parent.children')
    expect(await run(parent.client, 'longer', SLEEP)).toBe('parent.notAfter')
    expect(await run(parent.client, 'sleep', SLEEP, { children: true })).toBe('request.children')
  })

  test('end with their parent, all of them, however it ends', async () => {
    for (const how of ['killed', 'exits'] as const) {
      const inside = await start()
      const below = await start('below', relay, inside.client)
      const all = [await sleep(inside.client), await sleep(below.client), below]
      const pids = await Promise.all(all.map(async ({ executionId }) => (await find(executionId)).pid ?? 0))
      if (how === 'exits') inside.process.stdin.end()
      else await root.call(api.execution.Terminate, { executionId: inside.executionId })
      await inside.process.ended
      for (const pid of pids) await expect.poll(() => isThere(pid), { timeout: 500 }).toBe(false)
      for (const { executionId } of all) {
        await expect
          .poll(async () => (await find(executionId)).end?.cause, { timeout: 5_000 })
          .toMatch(how === 'killed' ? /^END_CAUSE_PARENT_ENDED$/ : /^END_CAUSE_(PARENT_ENDED|CALLER_GONE)$/)
        expect((await find(executionId)).end?.confirmedDead).toBe(true)
      }
    }
    expect(ownSockets()).toBe(0)
  })

  test('that are being made ready when their parent ends never run, or end with it', async () => {
    for (const how of ['terminated', 'revoked'] as const) {
      const name = `doomed-${how}`
      await issue(name, relay, ['--valid', '2h', '--children'])
      const inside = await start(name)
      const asked = Array.from({ length: 20 }, () => run(inside.client, 'sleep', SLEEP))
      await new Promise(resolve => setTimeout(resolve, 30))
      if (how === 'terminated') await root.call(api.execution.Terminate, { executionId: inside.executionId })
      else await revoke(host, root, inside.started.artifactDigest)
      await inside.process.ended
      await Promise.all(asked)
      await expect.poll(async () => await liveBelow(root, inside.executionId), { timeout: 5_000 }).toEqual([])
      const ids = new Set(
        (await events()).flatMap(e =>
          e.type === 'execution-start' && e.parent === inside.executionId ? [e.executionId] : [],
        ),
      )
      const ends = (await events()).filter(e => e.type === 'execution-end' && ids.has(e.executionId))
      expect(ends).toHaveLength(ids.size)
      // Nothing of them exited by itself: forty seconds have not gone by.
      expect(ends.filter(e => e.type === 'execution-end' && e.cause === 'EXITED')).toEqual([])
    }
  })

  test(`a revocation of the parent ends ${DESCENDANTS} descendants in one step`, async () => {
    await issue('measured', relay, ['--valid', '2h', '--children', '--children-depth', '2'])
    const inside = await start('measured')
    const below = await start('below', relay, inside.client)
    const all: Started[] = [below]
    while (all.length < DESCENDANTS) all.push(await sleep(all.length % 2 ? below.client : inside.client))
    const pids = await Promise.all(all.map(async ({ executionId }) => (await find(executionId)).pid ?? 0))
    const before = performance.now()
    const ended = await revoke(host, root, inside.started.artifactDigest)
    // Each is named in the answer, and dead when that has come, or in a moment.
    await expect.poll(() => pids.filter(isThere), { timeout: 2_000, interval: 2 }).toEqual([])
    const ms = performance.now() - before
    expect(ended.toSorted()).toEqual([inside, ...all].map(({ executionId }) => executionId).toSorted())
    for (const { executionId } of all)
      await expect
        .poll(async () => (await find(executionId)).end?.cause, { timeout: 5_000 })
        .toBe('END_CAUSE_PARENT_ENDED')
    console.info(`revoke to ${DESCENDANTS} dead: ${ms.toFixed(0)} ms`)
  }, 120_000)

  test('leave nothing behind: no socket, no cgroup, no right to start more', async () => {
    const inside = await start()
    const child = await sleep(inside.client)
    expect(ownSockets()).toBe(1)
    await root.call(api.execution.Terminate, { executionId: inside.executionId })
    await expect.poll(ownSockets).toBe(0)
    await expect.poll(() => existsSync(join(host.cgroup, 'executions', inside.executionId))).toBe(false)
    await expect.poll(async () => (await find(child.executionId)).state).toBe('EXECUTION_STATE_ENDED')
    expect(await run(inside.client)).not.toBe('END_CAUSE_EXIT')
  })

  test('have a history that verifies, and each decision on them comes out the same again', async () => {
    await exportAndVerify(host, 'bundle')
    const replay = ['replay', host.path('bundle'), '--operator-key', host.path('operator.pub'), '--json']
    const { same, permits, denials, deviations } = JSON.parse((await host.writ(replay)).stdout)
    expect(deviations).toEqual([])
    expect(same).toBeGreaterThanOrEqual(permits + denials)
  }, 60_000)
})

function isThere(pid: number): boolean {
  try {
    return !/^State:\t[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

async function liveBelow(root: WritClient, parent: string): Promise<string[]> {
  const { executions } = await root.call(api.execution.List, {})
  return executions.filter(e => e.parentExecutionId === parent).map(e => e.executionId)
}

/** Revokes an artifact. Gives the executions that were ended. */
async function revoke(host: GovernedHost, root: WritClient, digest: string): Promise<string[]> {
  const key = readPrivateKey(readFileSync(host.path('operator.key'), 'utf8'))
  const epoch = Number((await root.call(api.governance.ListRevocations, {})).epoch) + 1
  const envelope = signRevocation({ version: 1, epoch, revoke: [{ kind: 'artifact', digest }] }, key)
  return (await root.call(api.governance.Revoke, { envelope })).executionIds
}
