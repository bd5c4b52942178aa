import { mkdtempSync, readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { Client, credentials } from '@grpc/grpc-js'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { WritClient } from '../../proto/client.ts'
import { exportAndVerify, ofType, processesWith, readLineage } from './audit.ts'
import { GovernedHost, NEEDS_ROOT } from './governed-host.ts'
import { compileSocketCaller } from './inside.ts'
import { KeptCall } from './kept-call.ts'

const SOCKET = '/run/writ/parent.sock'
const SLOW = { timeout: 30_000 }

/** What a caller has of an execution that it started. */
interface Started {
  readonly executionId: string
  readonly attachToken: Buffer
  readonly call: KeptCall
}

/** An execution that was adopted is a parent as before: on its own socket, which nobody made anew. */
describe.skipIf(NEEDS_ROOT !== null)('children of what goes on over restarts', () => {
  let host: GovernedHost
  const calls: KeptCall[] = []
  const servers: Server[] = []
  const clients: Client[] = []
  beforeAll(async () => {
    host = await GovernedHost.start({
      enrolled: true,
      config: { attestation: 'cycle_seconds = 1\nmax_evidence_age_seconds = 20' },
    })
  }, 120_000)
  afterAll(async () => {
    for (const call of calls) call.cancel()
    for (const client of clients) client.close()
    for (const server of servers) server.close()
    await host?.close()
  })

  const open = (to: string | Client, method: 'Execute' | 'Attach', start: object): KeptCall => {
    const call = new KeptCall(to, method, { start } as never)
    calls.push(call)
    return call
  }
  async function start(
    to: string | Client,
    artifact: string,
    argv: string[],
    children = false,
  ): Promise<Started> {
    const workload = { program: argv[0], argv, children }
    const call = open(to, 'Execute', { artifact: readFileSync(artifact), workload })
    await expect.poll(() => call.first('started') ?? call.error, SLOW).toHaveProperty('executionId')
    const { executionId = '', attachToken } = call.first('started') ?? {}
    return { executionId, attachToken: attachToken as Buffer, call }
  }
  async function attach(to: string | Client, { executionId, attachToken }: Started): Promise<Started> {
    const call = open(to, 'Attach', { executionId, attachToken })
    await expect.poll(() => call.first('attached') ?? call.error, SLOW).toHaveProperty('executionId')
    return { executionId, attachToken, call }
  }
  /** Hands on one connection to a process of the parent, which makes one to its own socket. Gives that connection. */
  async function inside({ call }: Started): Promise<Client> {
    const path = join(mkdtempSync(host.path('inside-')), 'relay')
    const from = call.output.length
    let taken = -1
    const server = createServer(socket => {
      socket.on('error', () => undefined)
      call.send('@@@@')
      socket.on('data', piece => call.send(piece))
      const timer = setInterval(() => {
        const { output } = call
        // Before that come last words of the connection before, from when nobody read them.
        const begun = output.indexOf('@@@@', from)
        if (taken < 0 && begun >= 0) taken = begun + 4
        if (taken < 0) return
        if (output.length > taken) socket.write(output.subarray(taken))
        taken = output.length
        if (call.first('handedOver') !== undefined || socket.destroyed) clearInterval(timer)
      }, 5).unref()
    })
    servers.push(server)
    await new Promise<void>(resolve => server.listen(path, resolve))
    const client = new Client(`unix:${path}`, credentials.createInsecure())
    clients.push(client)
    return client
  }
  async function restart(): Promise<void> {
    process.kill(host.daemonPid, 'SIGUSR2')
    expect(await host.stopDaemon()).toBe(0)
    await host.startDaemon()
    await host.attested()
  }

  test('work, count and end with it, after one restart and after two', async () => {
    const relay = [compileSocketCaller(host.path('caller')), 'again', SOCKET]
    const sleeps = (marker: string) => ['/bin/sleep', marker]
    const child = ['--parent', 'any']
    const parentArtifact = await host.issue('parent', relay, [
      '--valid',
      '2h',
      '--children',
      '--max-children',
      '4',
    ])
    const echo = await host.issue('echo', ['/bin/echo', 'hello'], child)
    const sleep = await host.issue('sleep', sleeps('8200001'), child)
    const later = await host.issue('later', sleeps('8200002'), child)

    const first = await start(host.socket, parentArtifact, relay, true)
    const before = await start(await inside(first), sleep, sleeps('8200001'))
    await expect.poll(() => processesWith('8200001').length, SLOW).toBe(1)
    const [pid] = processesWith('8200001')
    const cgroups: string[] = []

    let [parent, kept] = [first, before]
    for (const run of [1, 2]) {
      await restart()
      expect(await parent.call.over).toBe(null)
      parent = await attach(host.socket, parent)
      // On that connection from within it is the parent that asks: for its child of before, and for another.
      const own = await inside(parent)
      kept = await attach(own, kept)
      const said = await start(own, echo, ['/bin/echo', 'hello'])
      expect(await said.call.over).toBe(null)
      expect([run, String(said.call.output), said.call.first('ended')]).toMatchObject([
        run,
        'hello\n',
        { exitCode: 0 },
      ])
      expect(processesWith('8200001')).toEqual([pid])
      cgroups.push(readFileSync(`/proc/${pid}/cgroup`, 'utf8'))
      if (run === 1) continue
      // The fourth, after one before the restarts and one after each; the fifth is one too many.
      const last = await start(own, later, sleeps('8200002'))
      const fifth = open(own, 'Execute', {
        artifact: readFileSync(echo),
        workload: { program: '/bin/echo', argv: ['/bin/echo', 'hello'] },
      })
      expect(String(await fifth.over)).toMatch(/SCOPE_EXCEEDED|parent\.children\.max/)
      await host.ok('terminate', parent.executionId)
      await expect.poll(() => [...processesWith('8200001'), ...processesWith('8200002')], SLOW).toEqual([])
      const client = new WritClient(host.socket)
      const ends = async () =>
        Object.fromEntries(
          ofType(await readLineage(client), 'execution-end').map(({ event }) => [
            event.executionId,
            event.cause,
          ]),
        )
      await expect.poll(ends, SLOW).toMatchObject({
        ...{ [parent.executionId]: 'TERMINATED', [kept.executionId]: 'PARENT' },
        ...{ [last.executionId]: 'PARENT', [said.executionId]: 'EXITED' },
      })
      const starts = ofType(await readLineage(client), 'execution-start').map(({ event }) => event.parent)
      expect(starts).toEqual([null, ...Array(4).fill(parent.executionId)])
      client.close()
    }
    expect(cgroups[0]).toBe(cgroups[1])
    expect(await exportAndVerify(host, 'bundle')).toMatch(/4 hand-overs, 4 adoptions/)
  }, 120_000)
})
