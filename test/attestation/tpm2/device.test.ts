import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readlinkSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { DeviceTransport, Tpm } from '../../../attestation/tpm2/index.ts'
import { quoteFor, type SimulatedHost, startSimulatedHost } from './simulated-host.ts'

/** A terminal in raw mode is a character device; this carries what is written to it to swtpm, and answers back. */
const BRIDGE = `
import os, pty, socket, sys, tty
master, slave = pty.openpty()
tty.setraw(slave)
print(os.ttyname(slave), flush=True)
tpm = socket.socket(socket.AF_UNIX)
tpm.connect(sys.argv[1])
while True:
    command = os.read(master, 4096)
    tpm.sendall(command)
    head = tpm.recv(10, socket.MSG_WAITALL)
    size = int.from_bytes(head[2:6], 'big')
    os.write(master, head + tpm.recv(size - 10, socket.MSG_WAITALL))
`

let host: SimulatedHost
let bridge: ChildProcess
let path: string

beforeAll(async () => {
  host = await startSimulatedHost()
  bridge = spawn('python3', ['-c', BRIDGE, host.simulated.paths.socket], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [line] = await once(bridge.stdout ?? bridge, 'data')
  path = String(line).trim()
})
afterAll(async () => {
  bridge.kill('SIGKILL')
  await host.end()
})

describe('a character device', () => {
  it('carries commands and answers', async () => {
    const tpm = new Tpm(new DeviceTransport(path))
    expect(tpm.tcti).toBe(`device:${path}`)
    for (let i = 0; i < 20; i++) await quoteFor(tpm, host.ak)
    expect((await tpm.nvRead(0x01c00002))?.length).toBeGreaterThan(500)
    await tpm.close()
    await expect(tpm.vendor()).rejects.toMatchObject({ code: 'TPM_CLOSED' })
  })

  it('that gives no answer is a timeout, takes no second command meanwhile, and works again afterwards', async () => {
    const transport = new DeviceTransport(path)
    const tpm = new Tpm(transport, { commandTimeoutMs: 600 })
    await tpm.vendor()
    host.simulated.hang()
    await expect(tpm.vendor()).rejects.toMatchObject({ code: 'TPM_TIMEOUT' })
    const before = performance.now()
    await expect(tpm.vendor()).rejects.toMatchObject({ code: 'TPM_TIMEOUT' })
    expect(performance.now() - before).toBeLessThan(500)
    host.simulated.resume()
    await expect
      .poll(() =>
        tpm.vendor().then(
          ({ manufacturer }) => manufacturer,
          () => '',
        ),
      )
      .toBe('IBM')
    await quoteFor(tpm, host.ak)
    await tpm.close()
  })

  it('that gives no answer keeps one thread, however often it is opened anew', async () => {
    const give = async () => {
      const transport = new DeviceTransport(path)
      const tpm = new Tpm(transport, { commandTimeoutMs: 300 })
      const outcome = await tpm.vendor().then(
        ({ manufacturer }) => manufacturer,
        ({ code }) => code,
      )
      await tpm.close()
      return outcome
    }
    const opened = () =>
      readdirSync('/proc/self/fd').filter(fd => {
        try {
          return readlinkSync(`/proc/self/fd/${fd}`) === path
        } catch {
          return false
        }
      }).length
    host.simulated.hang()
    try {
      // More than the pool has threads.
      for (let i = 0; i < 6; i++) expect(await give()).toBe('TPM_TIMEOUT')
      expect(opened()).toBe(1)
      const late = new Promise(resolve => setTimeout(resolve, 2000, 'the pool is used up'))
      expect(await Promise.race([readFile('/proc/self/comm', 'utf8'), late])).not.toBe('the pool is used up')
    } finally {
      host.simulated.resume()
    }
    await expect.poll(give).toBe('IBM')
    expect(opened()).toBe(0)
  })

  it('that is not there is unavailable', async () => {
    const tpm = new Tpm(new DeviceTransport('/dev/no-such-tpm'))
    await expect(tpm.vendor()).rejects.toMatchObject({ code: 'TPM_UNAVAILABLE' })
    await tpm.close()
  })

  it('that gives nothing is malformed', async () => {
    const tpm = new Tpm(new DeviceTransport('/dev/null'))
    await expect(tpm.vendor()).rejects.toMatchObject({ code: 'TPM_MALFORMED' })
    await tpm.close()
  })
})
