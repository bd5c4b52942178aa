import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Datagrams } from '../support/datagrams.ts'
import { GovernedHost, NEEDS_ROOT, WRITD } from './governed-host.ts'

/** A terminal in raw mode: a character device that takes commands and never answers, until it is gone. */
const NEVER_ANSWERS = `
import os, pty, sys, tty
master, slave = pty.openpty()
tty.setraw(slave)
os.chown(os.ttyname(slave), int(sys.argv[1]), -1)
print(os.ttyname(slave), flush=True)
os.close(slave)
sys.stdin.read()
`

describe.skipIf(NEEDS_ROOT !== null)('a TPM device that hangs at the start', () => {
  let host: GovernedHost
  let manager: Datagrams
  let device: ChildProcess
  let path = ''
  beforeAll(async () => {
    manager = await Datagrams.open()
    host = await GovernedHost.start()
    await host.stopDaemon()
    device = spawn('python3', ['-c', NEVER_ANSWERS, String(WRITD.uid)], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    path = String((await once(device.stdout ?? device, 'data'))[0]).trim()
    const config = readFileSync(host.path('writd.toml'), 'utf8')
    writeFileSync(
      host.path('writd.toml'),
      config.replace(/transport = "swtpm"\npath = .*/, `transport = "device"\npath = "${path}"`),
    )
    host.daemonLog = ''
    await host.startDaemon({ NOTIFY_SOCKET: manager.path, WATCHDOG_USEC: '1500000' })
  }, 120_000)
  afterAll(async () => {
    device?.kill('SIGKILL')
    await host?.stopDaemon('SIGKILL')
    await host?.close()
    manager?.close()
  })

  const pets = () => manager.texts.filter(text => text === 'WATCHDOG=1').length
  const opened = () =>
    readdirSync(`/proc/${host.daemonPid}/fd`).filter(fd => {
      try {
        return readlinkSync(`/proc/${host.daemonPid}/fd/${fd}`) === path
      } catch {
        return false
      }
    }).length

  test('does not keep the daemon from ending when it is told to', async () => {
    await expect.poll(opened, { timeout: 20_000 }).toBe(1)
    expect(await host.stopDaemon()).toBe(0)
    await host.startDaemon({ NOTIFY_SOCKET: manager.path, WATCHDOG_USEC: '1500000' })
  }, 40_000)

  test('ends the telling of the watchdog, keeps one thread, and gets on when its commands end', async () => {
    expect(pets()).toBeGreaterThan(0)
    await expect
      .poll(() => host.daemonLog, { timeout: 40_000, interval: 200 })
      .toMatch(/watchdog is told nothing/)
    expect(host.daemonLog).toMatch(/the TPM has given no answer for 2[0-9] s/)
    expect(opened()).toBe(1)
    const before = pets()
    await new Promise(resolve => setTimeout(resolve, 2500))
    expect(pets()).toBe(before)
    expect(await host.status()).toMatchObject({ state: 'UNATTESTED' })
    // It is absent from now on, and that is an answer.
    device.kill('SIGKILL')
    await expect.poll(pets, { timeout: 20_000 }).toBeGreaterThan(before + 1)
    expect(opened()).toBe(0)
    expect(await host.stopDaemon()).toBe(0)
  }, 90_000)
})
