import { setTimeout as sleep } from 'node:timers/promises'
import type { Guest } from './guest.ts'
import { type Finished, HostTestError } from './processes.ts'

/** What `writ status --json` says, as far as it is looked at. */
export interface Status {
  readonly state: 'UNATTESTED' | 'ATTESTED' | 'STALE' | 'FAILED'
  readonly reasons: readonly { readonly code: string; readonly message: string; readonly at: string }[]
  readonly hostId: string
  readonly tier: string
  readonly appraisals: string
  readonly lineageSize: string
  readonly secureBoot?: boolean
  readonly failureEntry?: string
  readonly doubtfulTail?: string
}

/** An ordinary user of the guest, member of the group that may connect to the daemon. */
export const ALICE = 'alice'
/** Where the guest has the programs that artifacts are for. */
export const PROGRAMS = '/srv/writ-test'

/** `writ` under emulation: a start takes seconds, on a busy machine a minute, and hashing a system minutes. */
const WRIT_MS = 600_000

/** Quotes a word for the shell. */
export function word(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}

/** Runs the installed `writ`, as root or as another user, whatever comes of it. */
export function tryWrit(
  guest: Guest,
  args: readonly string[],
  { user, input = '' }: { user?: string; input?: string } = {},
): Promise<Finished> {
  const command = ['writ', ...args].map(word).join(' ')
  // setpriv, not su: no session and no PAM between the user and the program.
  const as = user === undefined ? '' : `setpriv --reuid=${user} --regid=${user} --init-groups `
  return guest.run(`cd / && ${as}${command}`, { input, timeoutMs: WRIT_MS })
}

/** As {@link tryWrit}, with --json. @returns the answer @throws HostTestError unless it exits with 0 */
export async function writ<T>(guest: Guest, args: readonly string[], user?: string): Promise<T> {
  const { status, stdout, stderr } = await tryWrit(
    guest,
    [...args, '--json'],
    user === undefined ? {} : { user },
  )
  if (status !== 0)
    throw new HostTestError(`in the guest: writ ${args.slice(0, 3).join(' ')}: ${status}\n${stdout}${stderr}`)
  return JSON.parse(stdout.toString()) as T
}

export function status(guest: Guest): Promise<Status> {
  return writ<Status>(guest, ['status'])
}

/** Waits until the gate is in a state. */
export async function until(guest: Guest, state: Status['state'], withinMs = 300_000): Promise<Status> {
  const deadline = Date.now() + withinMs
  for (;;) {
    const { status, stdout, stderr } = await tryWrit(guest, ['status', '--json'])
    const seen = status === 0 ? (JSON.parse(stdout.toString()) as Status) : undefined
    if (seen?.state === state) return seen
    if (Date.now() > deadline)
      throw new HostTestError(`the gate is not ${state}: ${status} ${stdout}${stderr}`)
    await sleep(1_000)
  }
}

/** Waits until the host was appraised again after all that has happened so far, and is ATTESTED. @throws HostTestError */
export async function attestedAnew(guest: Guest): Promise<void> {
  // One cycle may have had its evidence before; a daemon that was started meanwhile counts from zero.
  const before = Number((await status(guest)).appraisals)
  const deadline = Date.now() + 300_000
  for (;;) {
    const now = await until(guest, 'ATTESTED')
    if (Number(now.appraisals) >= before + 2 || Number(now.appraisals) < before) return
    if (Date.now() > deadline) throw new HostTestError(`${now.appraisals} appraisals`)
    await sleep(1_000)
  }
}

/** Copies the lineage out, into `to`, as root, who is an auditor; what root reads leaves nothing in IMA's log. */
export async function exportLineage(guest: Guest, to: string, ...options: string[]): Promise<void> {
  const bundle = '/run/writ-test-export'
  await guest.ok(`rm -rf ${bundle}`)
  const done = await tryWrit(guest, ['lineage', 'export', bundle, ...options])
  if (done.status !== 0) throw new HostTestError(`writ lineage export: ${done.stdout}${done.stderr}`)
  await guest.getTree(bundle, to)
}
