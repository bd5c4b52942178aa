import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { ANNOUNCED_MS, Announcement } from '../../../daemon/hand-over/announcement.ts'

const UNIT = join(import.meta.dirname, '../../../packaging/systemd/writd.service')

const MODULE = join(import.meta.dirname, '../../../daemon/hand-over/announcement.ts')
/** Says of each stop whether it was announced; what was announced for one counts for no other. */
const STOPPED = `
const { Announcement } = await import(${JSON.stringify(MODULE)})
const next = () => {
  process.removeAllListeners('SIGUSR2')
  const it = new Announcement()
  process.once('SIGTERM', async () => {
    const covers = await it.covers()
    next()
    console.log(covers)
  })
}
next()
process.stdin.resume().on('end', () => process.exit())
console.log('ready')
`

describe('what was announced', () => {
  let nowMs = 5_000
  const announcement = () => new Announcement(() => BigInt(nowMs) * 1_000_000n)
  const announce = () => process.emit('SIGUSR2')
  afterEach(() => void process.removeAllListeners('SIGUSR2'))

  test('counts for the stop that follows, and only within its time', async () => {
    const it = announcement()
    expect(await it.covers()).toBe(false)
    announce()
    expect(await it.covers()).toBe(true)
    nowMs += ANNOUNCED_MS - 1
    expect(await it.covers()).toBe(true)
    nowMs += 1
    expect(await it.covers()).toBe(false)
    announce()
    expect(await it.covers()).toBe(true)
  })

  test('counts if it comes a moment after the stop, whatever was announced before', async () => {
    const it = announcement()
    let heard = 0
    it.onHeard = () => heard++
    announce()
    nowMs += ANNOUNCED_MS
    const covers = it.covers()
    setTimeout(announce, 5)
    expect(await covers).toBe(true)
    expect(heard).toBe(2)
  })

  test('counts when it and the stop come at the same instant, each time', async () => {
    const daemon = spawn(process.execPath, ['--input-type=module', '-e', STOPPED], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    daemon.stdout.setEncoding('utf8')
    try {
      expect((await once(daemon.stdout, 'data'))[0]).toBe('ready\n')
      for (let tries = 0; tries < 300; tries++) {
        for (const signal of ['SIGUSR2', 'SIGTERM'] as const) daemon.kill(signal)
        expect((await once(daemon.stdout, 'data'))[0], `try ${tries}`).toBe('true\n')
      }
    } finally {
      daemon.kill('SIGKILL')
    }
  })

  test('counts for as long as a stop by the service manager can take, twice', () => {
    const [, seconds] = /^TimeoutStopSec=(\d+)s$/m.exec(readFileSync(UNIT, 'utf8')) ?? []
    expect(ANNOUNCED_MS).toBe(2 * Number(seconds) * 1000)
  })
})
