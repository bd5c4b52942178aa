import { equal, ok } from 'node:assert/strict'
import { join } from 'node:path'
import { exportLineage } from '../governed.ts'
import { codes, ofType, readEntries } from '../lineage.ts'
import type { BootOptions } from '../machine.ts'
import type { Bench } from './bench.ts'
import { sinceStart } from './cycles.ts'
import { deniedAsFailed, type Named, toldAsFailed, transitions } from './failed.ts'
import { verifiedAsFailed } from './verified.ts'

/** The host boots from the same disk, otherwise than it was captured: it fails, and nothing runs on it. */
async function otherBoot(bench: Bench, options: BootOptions, what: string, named: Named): Promise<void> {
  const { steps, machine, dir } = bench
  const guest = await steps.boot(`the host boots ${what}`, () => machine.boot(options))
  await steps.step('it is FAILED; status, journal, metrics and probe say why', () =>
    toldAsFailed(guest, [named]),
  )
  await steps.step('what was permitted is denied', () => deniedAsFailed(bench, guest))
  const bundle = join(dir, 'bundle')
  await steps.step('the lineage is exported, and its log is verified outside', async () => {
    await exportLineage(guest, bundle)
    await verifiedAsFailed(bench, bundle)
  })
  await steps.step('it tells of a failed appraisal, and the gate was never open', async () => {
    const events = sinceStart(readEntries(bundle))
    const appraisals = ofType(events, 'appraisal')
    ok(appraisals.length > 0)
    ok(appraisals.every(({ verdict }) => verdict === 'fail'))
    equal(transitions(events), 'UNATTESTED FAILED')
    const decisions = ofType(events, 'decision')
    ok(decisions.some(({ reasons }) => codes(reasons).includes('ATTESTATION_FAILED')))
    ok(decisions.every(({ outcome }) => outcome === 'deny'))
    equal(ofType(events, 'execution-start').length, 0)
  })
  await steps.powerOff(guest)
}

export function otherCommandLine(bench: Bench): Promise<void> {
  return otherBoot(bench, { kernelImage: 'other' }, 'with another kernel command line', {
    names: /PCR (4|11|12)\b/,
  })
}

export function otherKernelImage(bench: Bench): Promise<void> {
  return otherBoot(bench, { kernelImage: 'rebuilt' }, 'another kernel image, which the same key has signed', {
    names: /PCR (4|11)\b/,
  })
}

export function secureBootOff(bench: Bench): Promise<void> {
  return otherBoot(bench, { secureBoot: false }, 'with Secure Boot switched off', {
    code: 'SECURE_BOOT_MISMATCH',
    names: /./,
  })
}
