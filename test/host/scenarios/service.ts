import { equal, match, notEqual, ok } from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { eventually } from '../eventually.ts'
import { exportLineage, until } from '../governed.ts'
import type { Guest } from '../guest.ts'
import { ofType, readEntries } from '../lineage.ts'
import { newerPackage } from '../newer-package.ts'
import type { Bench } from './bench.ts'
import { dpkg } from './install.ts'
import { killMain, longLease, mainPid } from './long-run.ts'
import { type Answer, answers, journalOf, prepareService, startAsking, UNIT } from './service/inference.ts'
import { acceptScripts } from './upgrade-values.ts'
import { verified } from './verified.ts'

/** How many answers are waited for after each thing that is done. */
const AFTERWARDS = 10

/** An inference server runs as a governed unit and answers, whatever is done to the daemon by plan; a crash of the daemon ends it. */
export async function service(bench: Bench): Promise<void> {
  const { steps, machine, dir, deb } = bench
  const guest = await steps.boot('the host boots again', () => machine.boot())
  await steps.step('and is ATTESTED', () => until(guest, 'ATTESTED'))
  // A daemon that takes one second to start elsewhere takes as long as the lease here, where the emulator is not alone.
  await steps.step('its leases last over a restart in emulation', () => longLease(guest))
  await steps.step('an inference server and its weights are signed, and its unit starts', async () => {
    await prepareService(bench, guest)
    await guest.ok(`systemctl start ${UNIT}`, { timeoutMs: 300_000 })
    await eventually(
      async () => /^instance [0-9a-f]{16}$/m.test(await journalOf(guest, UNIT)),
      240_000,
      () => journalOf(guest, UNIT),
    )
  })
  await steps.step('a user asks it for digits, several times a second, and gets them', async () => {
    await startAsking(guest)
    await moreAnswers(guest, AFTERWARDS)
  })
  const before = await sight(guest)

  await steps.step(
    'systemctl restart writd: the same process answers, and not one request fails',
    async () => {
      const writd = await mainPid(guest, 'writd.service')
      await guest.ok('systemctl restart writd.service', { timeoutMs: 300_000 })
      notEqual(await mainPid(guest, 'writd.service'), writd)
      await goesOn(guest, before)
    },
  )
  await steps.step('it is restarted twice in a row: the same', async () => {
    for (let i = 0; i < 2; i++) {
      await guest.ok('systemctl restart writd.service', { timeoutMs: 300_000 })
      await until(guest, 'ATTESTED')
    }
    await goesOn(guest, before)
  })
  const newer = await newerPackage(deb, dir)
  await guest.put('/root/newer.deb', readFileSync(newer))
  await steps.step('reference values for the upgrade are loaded: the same', async () => {
    await acceptScripts(bench, guest, newer)
    await goesOn(guest, before)
  })
  await steps.step('the package is upgraded, and only writd is restarted: the same', async () => {
    const [writd, launcher] = [
      await mainPid(guest, 'writd.service'),
      await mainPid(guest, 'writ-launchd.service'),
    ]
    await dpkg(guest, '-i /root/newer.deb')
    equal(await mainPid(guest, 'writ-launchd.service'), launcher)
    notEqual(await mainPid(guest, 'writd.service'), writd)
    await goesOn(guest, before)
  })
  await steps.step('what it wrote is in the journal whole: each line once, in order', async () => {
    const all = await journalOf(guest, UNIT)
    const numbers = [...all.matchAll(/^answer (\d+)$/gm)].map(([, number]) => Number(number))
    ok(numbers.length > 4 * AFTERWARDS, `${numbers.length} lines`)
    for (const [index, number] of numbers.entries()) equal(number, index + 1)
    console.log(`           ${numbers.length} answers, the slowest in ${slowest(await answers(guest))} ms`)
  })
  await steps.step(
    'a crash of writd ends it, as the configuration says; the unit brings it back',
    async () => {
      await killMain(guest, 'writd.service')
      await eventually(
        async () => (await answers(guest)).at(-1)?.instance !== before.instance,
        300_000,
        () => journalOf(guest, UNIT),
      )
      await until(guest, 'ATTESTED')
      await eventually(
        async () => !['', before.instance].includes((await answers(guest)).at(-1)?.instance ?? ''),
        300_000,
        () => journalOf(guest, UNIT),
      )
    },
  )
  await steps.step('the unit is stopped: its program ends in order', async () => {
    await guest.ok('systemctl stop ask.service')
    await guest.ok(`systemctl stop ${UNIT}`, { timeoutMs: 300_000 })
    match(await journalOf(guest, UNIT), /^\d+ answers$/m)
  })
  const bundle = join(dir, 'bundle')
  await steps.step('the lineage is exported and verified outside', async () => {
    await exportLineage(guest, bundle)
    await verified(bench, bundle)
  })
  await steps.step('it tells of each hand-over and each adoption, of one execution', async () => {
    const events = readEntries(bundle)
    const over = ofType(events, 'hand-over').map(({ executionId }) => executionId)
    const adopted = ofType(events, 'adoption').map(({ executionId }) => executionId)
    equal(new Set(over).size, 1)
    ok(over.length >= 4, `${over.length} hand-overs`)
    equal(adopted.join(), over.join())
    equal(ofType(events, 'execution-start').filter(({ executionId }) => executionId === over[0]).length, 1)
  })
  await steps.powerOff(guest)
}

interface Sight {
  readonly instance: string
  readonly command: string
  readonly asked: number
}

/** Which process answers, which `writ run` stands for it, and how often it was asked so far. */
async function sight(guest: Guest): Promise<Sight> {
  const all = await answers(guest)
  return { instance: all.at(-1)?.instance ?? '', command: await mainPid(guest, UNIT), asked: all.length }
}

async function moreAnswers(guest: Guest, count: number): Promise<void> {
  const before = (await answers(guest)).length
  await eventually(
    async () => (await answers(guest)).length >= before + count,
    120_000,
    () => journalOf(guest, UNIT),
  )
}

/** The host is ATTESTED again, and the same process has answered everything since. @throws AssertionError */
async function goesOn(guest: Guest, before: Sight): Promise<void> {
  await until(guest, 'ATTESTED')
  await sleep(5_000)
  await moreAnswers(guest, AFTERWARDS)
  const all = await answers(guest)
  equal(JSON.stringify(all.filter(({ instance }) => instance !== before.instance)), '[]')
  ok(all.length > before.asked)
  equal(await mainPid(guest, UNIT), before.command)
  equal(await guest.ok(`systemctl show --value -p NRestarts ${UNIT}`), '0')
}

function slowest(all: readonly Answer[]): number {
  return Math.max(...all.map(({ milliseconds }) => milliseconds))
}
