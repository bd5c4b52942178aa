import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { EVENTS } from '../../daemon/log/event.ts'
import { api, CallError, WritClient } from '../../proto/client.ts'
import { Datagrams, journalObject, WITH_JOURNAL } from '../support/datagrams.ts'
import { GovernedHost, NEEDS_ROOT, WRITD } from './governed-host.ts'

/** The journal's socket is one of ours; the last program becomes the daemon's user. */
const THROUGH = [
  ...['sh', '-c', WITH_JOURNAL],
  ...['setpriv', `--reuid=${WRITD.uid}`, `--regid=${WRITD.gid}`, '--clear-groups'],
]

describe.skipIf(NEEDS_ROOT !== null)('under a service manager', () => {
  let host: GovernedHost
  let manager: Datagrams
  let journal: Datagrams
  const start = (entries: Datagrams) =>
    host.startDaemon(
      {
        NOTIFY_SOCKET: manager.path,
        WATCHDOG_USEC: '1500000',
        JOURNAL: entries.path,
      },
      THROUGH,
    )
  beforeAll(async () => {
    manager = await Datagrams.open()
    journal = await Datagrams.open()
    host = await GovernedHost.start()
    await host.stopDaemon()
    host.daemonLog = ''
    await start(journal)
    await host.attested()
  }, 120_000)
  afterAll(async () => {
    await host?.close()
    manager?.close()
    journal?.close()
  })

  const entries = (event: keyof typeof EVENTS) =>
    journal.received.map(journalObject).filter(({ MESSAGE_ID }) => MESSAGE_ID === EVENTS[event])
  const pets = () => manager.texts.filter(text => text === 'WATCHDOG=1').length

  test('the daemon says that it is ready, what state the gate is in, and that it lives', async () => {
    expect(manager.texts).toContain('READY=1')
    await expect.poll(() => manager.texts).toContain('STATUS=ATTESTED (TPM: simulated)')
    const before = pets()
    await expect.poll(pets, { timeout: 5000 }).toBeGreaterThan(before + 2)
  })

  test('an execution is found in the journal by its id, and nothing goes to standard error', async () => {
    const artifact = await host.issue('true', ['/bin/true'])
    await host.ok('run', '--artifact', artifact, '--', '/bin/true')
    await expect.poll(() => entries('execution-ended')).toHaveLength(1)
    const [started] = entries('execution-started')
    const [ended] = entries('execution-ended')
    expect(started).toMatchObject({
      WRIT_EXECUTION: expect.stringMatching(/^[0-9a-f]{32}$/),
      WRIT_PROGRAM: '/bin/true',
      WRIT_CALLER_UID: '0',
      WRIT_ISSUER: 'release',
      PRIORITY: '6',
      SYSLOG_IDENTIFIER: 'writd',
    })
    expect(ended).toMatchObject({
      WRIT_EXECUTION: started?.WRIT_EXECUTION,
      WRIT_CAUSE: 'EXITED',
      WRIT_EXIT_CODE: '0',
    })
    expect(entries('trust-transition')[0]).toMatchObject({
      WRIT_STATE: 'ATTESTED',
      WRIT_STATE_BEFORE: 'UNATTESTED',
    })
    expect(host.daemonLog).toBe('')
  })

  test('what a caller sends is the value of its field, and no other field', async () => {
    const program = '/bin/true\nMESSAGE_ID=0\nPRIORITY=0'
    const artifact = readFileSync(host.path('true.artifact.json'))
    const client = new WritClient(host.socket)
    await client
      .call(api.execution.Authorize, { artifact, workload: { program, argv: [program] } })
      .catch(error => expect(error).toBeInstanceOf(CallError))
    client.close()
    await expect.poll(() => entries('decision-denied')).toHaveLength(1)
    expect(entries('decision-denied')[0]).toMatchObject({
      WRIT_PROGRAM: program,
      WRIT_REASON: 'SCOPE_EXCEEDED',
      PRIORITY: '4',
      WRIT_ENTRY: expect.stringMatching(/^[0-9]+$/),
    })
  })

  test('a TPM that never answers ends the telling, and one that answers again begins it', async () => {
    host.tpm.hang()
    try {
      // Three cycles of one second, and the patience with the TPM; then nothing for as long as the manager would wait.
      await expect.poll(() => entries('watchdog').length, { timeout: 40_000, interval: 200 }).toBe(1)
      const before = pets()
      await new Promise(resolve => setTimeout(resolve, 2500))
      expect(pets()).toBe(before)
    } finally {
      host.tpm.resume()
    }
    const before = pets()
    await expect.poll(pets, { timeout: 20_000 }).toBeGreaterThan(before + 1)
    await host.attested()
  }, 90_000)

  test('a stop says so, and how long it may take', async () => {
    expect(await host.stopDaemon()).toBe(0)
    await expect
      .poll(() => manager.texts)
      .toContainEqual(
        expect.stringMatching(/^STOPPING=1\nEXTEND_TIMEOUT_USEC=[0-9]+\nSTATUS=stopping: SIGTERM$/),
      )
    await expect.poll(() => entries('daemon-stop')).toMatchObject([{ WRIT_CAUSE: 'SIGTERM' }])
  })

  test('a journal that is full and that nobody reads holds up no decision', async () => {
    const full = await Datagrams.open('full')
    const client = new WritClient(host.socket)
    try {
      await start(full)
      await host.attested()
      const artifact = readFileSync(host.path('true.artifact.json'))
      const denied = () =>
        client
          .call(api.execution.Authorize, {
            artifact,
            workload: { program: '/bin/false', argv: ['/bin/false'] },
          })
          .then(
            () => 'permitted',
            error => (error instanceof CallError ? 'denied' : String(error)),
          )
      expect(await Promise.all(Array.from({ length: 20 }, denied))).toEqual(Array(20).fill('denied'))
      await host.ok('run', '--artifact', host.path('true.artifact.json'), '--', '/bin/true')
    } finally {
      client.close()
      await host.stopDaemon()
      full.close()
    }
  }, 60_000)
})
