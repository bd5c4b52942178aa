import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, expect, test } from 'vitest'

const OURS = resolve(import.meta.dirname, '../../packaging/udev')
const files = readdirSync(OURS)
const rules = (path: string): string[] =>
  readFileSync(path, 'utf8')
    .replaceAll('\\\n', '')
    .split('\n')
    .filter(line => /^[^#\s]/.test(line))

/** The distribution's rules, from which users get devices by logging in. */
const SYSTEM = '/usr/lib/udev/rules.d'
const [GIVING, SEATS, CARRIED_OUT] = ['70-uaccess.rules', '71-seat.rules', '73-seat-late.rules']

describe('device rules', () => {
  test('the accelerators are taken back after they were given to who is logged in, and before that is carried out', () => {
    const taking = files.filter(file => rules(join(OURS, file)).some(rule => rule.includes('TAG-=')))
    expect(taking).toHaveLength(1)
    const order = [GIVING, SEATS, ...taking, CARRIED_OUT]
    expect(order).toEqual(order.toSorted())
  })

  test('every rule on an accelerator takes away what gives it to a user, and waits for the operator', () => {
    const lines = rules(join(OURS, '72-writ-accelerator.rules'))
    const wait = lines.indexOf('TEST!="/etc/writ/govern-accelerators", GOTO="writ_end"')
    expect(wait).toBeGreaterThanOrEqual(0)
    const devices = lines.filter(line => line.startsWith('SUBSYSTEM=='))
    for (const line of devices) {
      expect(lines.indexOf(line)).toBeGreaterThan(wait)
      for (const part of ['GROUP="writ-accelerator"', 'MODE="0660"', 'TAG-="uaccess"', 'TAG-="seat"'])
        expect([line, line.includes(part)]).toEqual([line, true])
    }
    for (const device of ['"kfd"', '"accel"', '"drm", KERNEL=="renderD*"', '"drm", KERNEL=="card[0-9]*"'])
      expect(devices.some(line => line.startsWith(`SUBSYSTEM==${device}`))).toBe(true)
  })

  test.skipIf(!existsSync(join(SYSTEM, CARRIED_OUT)))(
    `no later rule gives them back (needs ${SYSTEM})`,
    () => {
      const later = readdirSync(SYSTEM).filter(file => file > '72-writ-accelerator.rules')
      const giving = later.filter(file =>
        rules(join(SYSTEM, file)).some(rule => /TAG\+?="uaccess"/.test(rule.replaceAll('TAG==', ''))),
      )
      expect(giving).toEqual([])
    },
  )

  const verifies = spawnSync('udevadm', ['verify', '--help']).status === 0
  test.skipIf(!verifies)('udev finds nothing wrong (needs udevadm of systemd 254 or newer)', () => {
    const paths = files.map(file => join(OURS, file))
    const result = spawnSync('udevadm', ['verify', '--resolve-names=never', ...paths], { encoding: 'utf8' })
    expect(result).toMatchObject({ status: 0, stderr: '' })
  })
})
