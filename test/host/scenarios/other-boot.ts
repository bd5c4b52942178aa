import { equal, match, ok } from 'node:assert/strict'
import { join } from 'node:path'
import { exportLineage, until } from '../governed.ts'
import { ofType, readEntries } from '../lineage.ts'
import type { BootOptions } from '../machine.ts'
import type { Bench } from './bench.ts'
import { sinceStart } from './cycles.ts'
import { deniedAsFailed, transitions } from './failed.ts'
import { verifiedAsFailed } from './verified.ts'

/** The host boots from the same disk, otherwise than it was captured: it fails, and nothing runs on it. */
async function otherBoot(bench: Bench, options: BootOptions, what: string, named: RegExp): Promise<void> {
  const { steps, machine, dir } = bench
  const guest = await steps.boot(`the host boots ${what}`, () => machine.boot(options))
  await steps.step('it is FAILED, and says why', async () => {
    const { reasons } = await until(guest, 'FAILED')
    match(JSON.stringify(reasons), named)
  })
  await steps.step('what was permitted is denied', () => deniedAsFailed(bench, guest))
  const bundle = join(dir, 'bundle')
  await steps.step('the lineage is exported, and its log is verified outside', async () => {
    await exportLineage(guest, bundle)
    await verifiedAsFailed(bench, bundle)
  })
  await steps.step('it tells of a failed appraisal, and the gate was never open', async () => {
    const events = sinceStart(readEntries(bundle))
    ok(ofType(events, 'appraisal').some(({ verdict }) => verdict === 'fail'))
    equal(transitions(events), 'UNATTESTED FAILED')
  })
  await steps.powerOff(guest)
}

export function otherCommandLine(bench: Bench): Promise<void> {
  return otherBoot(bench, { kernelImage: 'other' }, 'with another kernel command line', /PCR (4|11|12)\b/)
}

export function otherKernelImage(bench: Bench): Promise<void> {
  return otherBoot(
    bench,
    { kernelImage: 'rebuilt' },
    'another kernel image, which the same key has signed',
    /PCR (4|11)\b/,
  )
}

export function secureBootOff(bench: Bench): Promise<void> {
  return otherBoot(bench, { secureBoot: false }, 'with Secure Boot switched off', /SECURE_BOOT_MISMATCH/)
}
