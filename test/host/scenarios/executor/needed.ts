import { equal, match } from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Guest } from '../../guest.ts'
import type { Bench } from '../bench.ts'
import { runTask, UNIT } from './launcher.ts'

const SHIPPED = join(import.meta.dirname, '../../../../packaging/systemd', UNIT)
const WITHOUT = `/run/systemd/system/${UNIT}.d/without.conf`

/** Numbers of capabilities (linux/capability.h). */
const NUMBERS: Readonly<Record<string, number>> = {
  CAP_CHOWN: 0,
  CAP_DAC_READ_SEARCH: 2,
  CAP_KILL: 5,
  CAP_SETGID: 6,
  CAP_SETUID: 7,
  CAP_SETPCAP: 8,
  CAP_NET_ADMIN: 12,
  CAP_SYS_ADMIN: 21,
  CAP_MKNOD: 27,
  CAP_LEASE: 28,
}

/**
 * What a launch with a loopback device comes to without one of them: the order and the status (wire.h) that refuse it. The other three are needed
 * for less; test/native/privileges.test.ts says for what.
 */
const WITHOUT_IT: Readonly<Record<string, RegExp>> = {
  CAP_SYS_ADMIN: /^refused: order 4, status 26/,
  CAP_SETUID: /^refused: order 3, status 30/,
  CAP_SETGID: /^refused: order 3, status 30/,
  CAP_SETPCAP: /^refused: order 3, status 30/,
  CAP_MKNOD: /^refused: order 4, status 26/,
  CAP_NET_ADMIN: /^refused: order 4, status 26/,
  CAP_CHOWN: /launchd\.sock: (Permission denied|No such file|Connection refused)/,
}

/** The launcher has the capabilities of its unit, and none that it could do without. */
export async function needed({ steps }: Bench, guest: Guest): Promise<void> {
  const shipped = readFileSync(SHIPPED, 'utf8')
    .split('\n')
    .flatMap(line => /^CapabilityBoundingSet=(.*)$/.exec(line)?.[1]?.split(' ') ?? [])
  await steps.step(
    `writ-launchd has the ${shipped.length} capabilities of its unit, and no other`,
    async () => {
      const status = await guest.ok(`cat /proc/$(systemctl show --value -p MainPID ${UNIT})/status`)
      const set = shipped.reduce((all, name) => all | (1n << BigInt(NUMBERS[name] ?? 63)), 0n)
      const hex = set.toString(16).padStart(16, '0')
      for (const name of ['CapPrm', 'CapEff', 'CapBnd']) match(status, new RegExp(`^${name}:\\t${hex}$`, 'm'))
      for (const name of ['CapInh', 'CapAmb']) match(status, new RegExp(`^${name}:\\t0{16}$`, 'm'))
    },
  )
  for (const [name, says] of Object.entries(WITHOUT_IT))
    await steps.step(`without ${name} a launch fails`, async () => {
      await restart(
        guest,
        shipped.filter(other => other !== name),
      )
      match(await runTask(guest, ['network=2'], 'exit', '7'), says)
    })
  await steps.step('with all of them it does not', async () => {
    await restart(guest, shipped)
    equal(await runTask(guest, ['network=2'], 'exit', '7'), 'cause 1, exit 7, signal 0\n')
  })
}

/** Starts the launcher with these capabilities; whether it comes up is the caller's question. */
async function restart(guest: Guest, capabilities: readonly string[]): Promise<void> {
  await guest.ok(`mkdir -p $(dirname ${WITHOUT})`)
  await guest.put(
    WITHOUT,
    `[Service]\nCapabilityBoundingSet=\nCapabilityBoundingSet=${capabilities.join(' ')}\nRestart=no\n`,
  )
  await guest.ok(`systemctl daemon-reload; systemctl reset-failed; systemctl restart ${UNIT} || true`, {
    timeoutMs: 300_000,
  })
}
