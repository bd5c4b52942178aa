import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { Datagrams, journalObject, WITH_JOURNAL } from '../support/datagrams.ts'
import { isRoot, LAUNCHD, TestHost, WRITD_UID } from './host.ts'

describe.skipIf(!isRoot)('the launcher under a service manager (needs root)', () => {
  const ends: (() => unknown)[] = []
  afterEach(async () => {
    for (const end of ends.splice(0).toReversed()) await end()
  })

  function launch(env: Record<string, string>, command = 'exec "$0" "$@"') {
    const host = new TestHost()
    ends.push(() => host.stop())
    const child = spawn('sh', ['-c', command, LAUNCHD, '--config', host.writeConfig()], {
      env: { PATH: process.env.PATH, ...env },
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    ends.push(() => ended(child))
    return { host, child }
  }

  async function ended(child: ChildProcess, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null) return
    const exit = once(child, 'exit')
    child.kill('SIGCONT')
    child.kill(signal)
    await exit
  }

  async function open(how: 'read' | 'full' = 'read'): Promise<Datagrams> {
    const datagrams = await Datagrams.open(how)
    ends.push(() => datagrams.close())
    return datagrams
  }

  const pets = (manager: Datagrams) => manager.texts.filter(text => text === 'WATCHDOG=1').length

  test('says that it is ready, that it lives while its loop turns, and that it stops', async () => {
    const manager = await open()
    const { child } = launch({ NOTIFY_SOCKET: manager.path, WATCHDOG_USEC: '300000' })
    await expect.poll(() => pets(manager), { timeout: 5000 }).toBeGreaterThan(3)
    expect(manager.texts[0]).toBe('READY=1')
    child.kill('SIGSTOP')
    await new Promise(resolve => setTimeout(resolve, 200))
    const before = pets(manager)
    await new Promise(resolve => setTimeout(resolve, 600))
    expect(pets(manager)).toBe(before)
    child.kill('SIGCONT')
    await expect.poll(() => pets(manager), { timeout: 5000 }).toBeGreaterThan(before)
    await ended(child)
    await expect.poll(() => manager.texts).toContain('STOPPING=1')
  })

  test('tells nothing where another process is watched, or none', async () => {
    const manager = await open()
    for (const env of [{ WATCHDOG_USEC: '30000', WATCHDOG_PID: '1' }, { WATCHDOG_USEC: 'soon' }, {}])
      launch({ NOTIFY_SOCKET: manager.path, ...(env as Record<string, string>) })
    await expect
      .poll(() => manager.texts.filter(text => text === 'READY=1').length, { timeout: 5000 })
      .toBe(3)
    await new Promise(resolve => setTimeout(resolve, 300))
    expect(pets(manager)).toBe(0)
  })

  test('has its words in the journal with the kind of event, and nowhere else, whatever the environment says', async () => {
    const journal = await open()
    const elsewhere = await open()
    const { host, child } = launch(
      { JOURNAL: journal.path, WRIT_JOURNAL_SOCKET: elsewhere.path },
      WITH_JOURNAL,
    )
    let said = ''
    child.stderr?.on('data', piece => (said += piece))
    await expect.poll(() => journal.received.length, { timeout: 5000 }).toBe(1)
    const entry = journalObject(journal.received[0] ?? Buffer.alloc(0))
    const [, ready] = /EVENT_LAUNCHER_READY "([0-9a-f]{32})"/.exec(
      readFileSync(join(import.meta.dirname, '../../native/launchd/log.h'), 'utf8'),
    ) ?? ['', '']
    expect(entry).toEqual({
      MESSAGE: expect.stringMatching(/^ready; Landlock/),
      MESSAGE_ID: ready,
      PRIORITY: '6',
      SYSLOG_IDENTIFIER: 'writ-launchd',
    })
    const writd = await host.connect()
    const running = await writd.start(['/bin/sleep', '60'])
    const supervisor = Number(
      execFileSync('pgrep', ['-P', String(child.pid)], { encoding: 'utf8' }).split('\n')[0],
    )
    process.kill(supervisor, 'SIGKILL')
    await running.ended
    await expect
      .poll(() => journal.received.map(journalObject))
      .toContainEqual(expect.objectContaining({ WRIT_EXECUTION: running.executionId, PRIORITY: '4' }))
    writd.client.close()
    expect(said).toBe('')
    expect(elsewhere.received).toEqual([])
  })

  test('raises its own limit of open files, and a workload has the one that the launcher was started with', async () => {
    const { host, child } = launch({}, 'ulimit -Sn 300; exec "$0" "$@"')
    await expect.poll(() => listens(host), { timeout: 5000 }).toBe(true)
    const writd = await host.connect()
    expect((await writd.sh('ulimit -Sn')).stdout).toBe('300\n')
    expect((await writd.sh('ulimit -n', { limits: { openFiles: 64 } })).stdout).toBe('64\n')
    writd.client.close()
    const [, soft, hard] =
      /^Max open files +([0-9]+) +([0-9]+)/m.exec(readFileSync(`/proc/${child.pid}/limits`, 'utf8')) ?? []
    expect(soft).toBe(hard)
  })

  test.each([
    ['a full journal', WITH_JOURNAL],
    [
      'a full pipe as standard error',
      `mkfifo "$PIPE"; exec 2<>"$PIPE"; head -c 65536 /dev/zero >&2; exec "$0" "$@"`,
    ],
  ])('%s holds up no execution', async (_, command) => {
    const full = await open('full')
    const { host } = launch({ JOURNAL: full.path, PIPE: join(full.dir, 'pipe') }, command)
    await expect.poll(() => listens(host), { timeout: 5000 }).toBe(true)
    const writd = await host.connect()
    const { end } = await writd.run(['/bin/true'])
    expect(end.exitCode).toBe(0)
    writd.client.close()
  })
})

function listens({ socket }: TestHost): boolean {
  return readFileSync('/proc/net/unix', 'utf8')
    .split('\n')
    .some(
      line =>
        line.endsWith(`/${basename(socket)}`) &&
        statSync(socket, { throwIfNoEntry: false })?.uid === WRITD_UID,
    )
}
