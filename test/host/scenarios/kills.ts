import { equal, ok } from 'node:assert/strict'
import { join } from 'node:path'
import { eventually } from '../eventually.ts'
import { ALICE, exportLineage, PROGRAMS, until } from '../governed.ts'
import type { Guest } from '../guest.ts'
import { ofType, readEntries } from '../lineage.ts'
import type { Bench } from './bench.ts'
import { issueGreet } from './govern.ts'
import { verified } from './verified.ts'

/** attestation.max_evidence_age_seconds of the guest, and what a supervisor needs to act. */
const LEASE_MS = 60_000 + 30_000

/** Either daemon is killed in the middle of a governed run. */
export async function kills(bench: Bench): Promise<void> {
  const { steps, machine, dir } = bench
  const guest = await steps.boot('the host boots again', () => machine.boot())
  await steps.step('and is ATTESTED', () => until(guest, 'ATTESTED'))
  await guest.put('/run/long.artifact.json', await issueGreet(bench, 'long', ['long', '0', '900'], 'any'))

  await steps.step('a run is under way when writd is killed', async () => {
    await startLong(guest)
    await killMain(guest, 'writd.service')
  })
  await steps.step('it ends within the lease', () => nothingGoverned(guest, LEASE_MS))
  await steps.step('writd is back, and ATTESTED again', () => until(guest, 'ATTESTED'))

  const before = await mainPid(guest, 'writd.service')
  await steps.step('a run is under way when writ-launchd is killed', async () => {
    await startLong(guest)
    await killMain(guest, 'writ-launchd.service')
  })
  await steps.step('it ends at once', () => nothingGoverned(guest, 30_000))
  await steps.step('both are back, and ATTESTED again', async () => {
    await eventually(
      async () => (await mainPid(guest, 'writd.service')) !== before,
      120_000,
      () => guest.ok('ps -e'),
    )
    await until(guest, 'ATTESTED')
  })

  const bundle = join(dir, 'bundle')
  await steps.step('the lineage is exported and verified outside', async () => {
    await exportLineage(guest, bundle)
    await verified(bench, bundle)
  })
  await steps.step('it tells of the unclean stop, its recovery, and the end of each run', async () => {
    const events = readEntries(bundle)
    ok(ofType(events, 'daemon-start').some(({ clean }) => !clean))
    ok(ofType(events, 'recovery').length > 0)
    const started = ofType(events, 'execution-start').map(({ executionId }) => executionId)
    const ended = ofType(events, 'execution-end').map(({ executionId }) => executionId)
    equal(started.filter(id => !ended.includes(id)).join(), '')
  })
  await steps.powerOff(guest)
}

/** Starts a governed run that takes its time, as an ordinary user, and waits until it runs. */
async function startLong(guest: Guest): Promise<void> {
  const run = `writ run --artifact /run/long.artifact.json -- ${PROGRAMS}/greet long 0 900`
  await guest.ok(
    `rm -f /run/long.out; cd /; setsid setpriv --reuid=${ALICE} --regid=${ALICE} --init-groups ${run} </dev/null >/run/long.out 2>&1 &`,
  )
  await eventually(
    async () => (await governed(guest)) > 0,
    240_000,
    async () => `${await guest.get('/run/long.out')}`,
  )
}

async function killMain(guest: Guest, unit: string): Promise<void> {
  await guest.ok(`kill -KILL ${await mainPid(guest, unit)}`)
}

function mainPid(guest: Guest, unit: string): Promise<string> {
  return guest.ok(`systemctl show --value -p MainPID ${unit}`)
}

/** How many processes run as users of executions. */
async function governed(guest: Guest): Promise<number> {
  return Number(await guest.ok("ps -eo uid= | awk '$1 >= 60600 && $1 <= 61183' | wc -l"))
}

async function nothingGoverned(guest: Guest, withinMs: number): Promise<void> {
  await eventually(
    async () => (await governed(guest)) === 0,
    withinMs,
    () => guest.ok('ps -eo uid,pid,args'),
  )
}
