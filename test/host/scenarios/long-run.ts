import { eventually } from '../eventually.ts'
import { ALICE, attestedAnew, PROGRAMS } from '../governed.ts'
import type { Guest } from '../guest.ts'
import type { Bench } from './bench.ts'
import { issueGreet } from './govern.ts'

/** attestation.max_evidence_age_seconds of the guest, and what a supervisor needs to act. */
export const LEASE_MS = 60_000 + 30_000

const LONG_SECONDS = 600

/** Gives what runs a lease that lasts over a restart of the daemon, where the emulator has little of a processor. Taken up without a restart. */
export async function longLease(guest: Guest): Promise<void> {
  const key = 'max_evidence_age_seconds'
  await guest.ok(`sed -i 's/^${key} = .*/${key} = ${LONG_SECONDS}/' /etc/writ/writd.toml`)
  await guest.ok('systemctl reload writd.service', { timeoutMs: 300_000 })
  await attestedAnew(guest)
}

const ARGUMENTS = ['long', '0', '3600'] as const

/** Signs an artifact of any number of uses for a run that takes its time. */
export async function permitLong(bench: Bench, guest: Guest): Promise<void> {
  await guest.put('/run/long.artifact.json', await issueGreet(bench, `long-${Date.now()}`, ARGUMENTS, 'any'))
}

/** Starts one as an ordinary user, and waits until it has said its word: before that a process of its user may be one that makes it ready. */
export async function startLong(guest: Guest): Promise<void> {
  const run = `writ run --artifact /run/long.artifact.json -- ${PROGRAMS}/greet ${ARGUMENTS.join(' ')}`
  await guest.ok(
    `rm -f /run/long.out; cd /; setsid setpriv --reuid=${ALICE} --regid=${ALICE} --init-groups ${run} </dev/null >/run/long.out 2>&1 &`,
  )
  await eventually(
    async () => /^long from uid /m.test(await saidLong(guest)),
    240_000,
    async () => `${await guest.get('/run/long.out')}`,
  )
}

/** What the newest of them wrote, and what `writ run` said of it. */
export async function saidLong(guest: Guest): Promise<string> {
  return `${await guest.get('/run/long.out')}`
}

export async function killMain(guest: Guest, unit: string): Promise<void> {
  await guest.ok(`kill -KILL ${await mainPid(guest, unit)}`)
}

export function mainPid(guest: Guest, unit: string): Promise<string> {
  return guest.ok(`systemctl show --value -p MainPID ${unit}`)
}

/** The processes that run as users of executions. */
export async function governedPids(guest: Guest): Promise<string[]> {
  const pids = await guest.ok("ps -eo uid=,pid= | awk '$1 >= 60600 && $1 <= 61183 { print $2 }'")
  return pids.split('\n').filter(Boolean)
}

/** How many there are. */
export async function governed(guest: Guest): Promise<number> {
  return (await governedPids(guest)).length
}

/** Waits until none does. @throws HostTestError */
export async function nothingGoverned(guest: Guest, withinMs: number): Promise<void> {
  await eventually(
    async () => (await governed(guest)) === 0,
    withinMs,
    () => guest.ok('ps -eo uid,pid,args'),
  )
}
