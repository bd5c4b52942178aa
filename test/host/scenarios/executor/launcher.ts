import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { PROGRAMS, word } from '../../governed.ts'
import type { Guest } from '../../guest.ts'
import { ok } from '../../processes.ts'
import type { Bench } from '../bench.ts'

export const UNIT = 'writ-launchd.service'
/** The launcher's part of the v2 hierarchy, and where executions get their cgroups in it. */
export const CGROUP = `/sys/fs/cgroup/system.slice/${UNIT}`
/** What a workload is here; programs/task.c says what it can do. */
export const TASK = `${PROGRAMS}/task`
const SOCKET = '/run/writ-launchd/launchd.sock'
/** A launcher that has lost a capability may refuse an order, or never answer it. */
const ORDER_SECONDS = 120

/** Compiles a program, and puts it into the guest. @returns where it is there */
export async function place(
  { operator }: Bench,
  guest: Guest,
  source: string,
  name: string,
): Promise<string> {
  await ok(['gcc', '-D_GNU_SOURCE', '-std=gnu17', '-O2', '-static', '-o', operator.path(name), source])
  await guest.put(`${PROGRAMS}/${name}`, readFileSync(operator.path(name)), '755')
  return `${PROGRAMS}/${name}`
}

/** The programs of this scenario, and the launcher's orders from them alone: writd is stopped. */
export async function takeOver(bench: Bench, guest: Guest): Promise<void> {
  for (const name of ['task', 'orders'])
    await place(bench, guest, join(import.meta.dirname, `../../programs/${name}.c`), name)
  await guest.ok('systemctl stop writd.socket writd.service', { timeoutMs: 300_000 })
}

/** The command that orders a launch with `limits` (programs/orders.c) of a program with arguments. */
export async function orderCommand(
  guest: Guest,
  limits: readonly string[],
  command: readonly string[],
): Promise<string> {
  const uid = await guest.ok('id -u writ')
  const orders = [`${PROGRAMS}/orders`, SOCKET, uid, ...limits, '--', ...command]
  return `timeout ${ORDER_SECONDS} ${orders.map(word).join(' ')}`
}

/** The socket and the uid that bench/'s `order` takes. */
export async function launcherAddress(guest: Guest): Promise<string> {
  return `${SOCKET} ${await guest.ok('id -u writ')}`
}

/** Runs the task. @returns what it wrote, and in the last line how it ended */
export async function runTask(
  guest: Guest,
  limits: readonly string[],
  ...args: readonly string[]
): Promise<string> {
  const { stdout, stderr } = await guest.run(await orderCommand(guest, limits, [TASK, ...args]), {
    timeoutMs: 2_000 * ORDER_SECONDS,
  })
  return `${stdout}${stderr}`
}

/** How many executions have a cgroup. */
export async function leafCount(guest: Guest): Promise<number> {
  return Number(await guest.ok(`find ${CGROUP}/executions -mindepth 1 -maxdepth 1 -type d | wc -l`))
}
