// Runs Writ on a host that boots for real: test/host/run.ts [FILTER…]
// A Debian 13 guest with measured boot (OVMF, swtpm, a signed unified kernel image, IMA) in QEMU. Each line is a step with its time; the
// last is `N passed, N failed`. The exit status is 0 when something ran and nothing failed, 1 when something failed, and 77
// where this machine cannot run it. WRIT_HOST_TEST_ACCEL=kvm uses KVM instead of emulation.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { CACHE } from './base-root.ts'
import { guestImage } from './image.ts'
import { Machine } from './machine.ts'
import { killAll } from './processes.ts'
import { missing, NEEDS } from './requirements.ts'
import type { Bench } from './scenarios/bench.ts'
import { measuredBoot } from './scenarios/measured-boot.ts'
import { Steps } from './steps.ts'

/** What autotools' and Debian's test runners take for "skipped". */
const SKIPPED = 77

const why = missing()
if (why !== undefined) {
  console.log(`test:host: skipped: ${why}\ntest:host: ${NEEDS}`)
  process.exit(SKIPPED)
}

const SCENARIOS: readonly [name: string, run: (bench: Bench) => Promise<void>][] = [
  ['measured boot', measuredBoot],
]

const filters = process.argv.slice(2)
const chosen = SCENARIOS.filter(
  ([name]) => filters.length === 0 || filters.some(filter => name.includes(filter)),
)
if (chosen.length === 0) {
  console.error(`no scenario is named so; there are: ${SCENARIOS.map(([name]) => name).join(', ')}`)
  process.exit(2)
}

// Beside the images, so that a copy of a disk can share its blocks.
mkdirSync(CACHE, { recursive: true, mode: 0o755 })
const dir = mkdtempSync(join(CACHE, 'run-'))
const cleanUp = () => {
  killAll()
  rmSync(dir, { recursive: true, force: true, maxRetries: 3 })
}
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.once(signal, () => {
    cleanUp()
    process.exit(130)
  })

const steps = new Steps()
try {
  const image = await guestImage([], line => console.log(line))
  for (const [index, [name, run]] of chosen.entries())
    await steps.scenario(name, async () => {
      await run({ steps, machine: await Machine.make(image, join(dir, `${index}`)) })
    })
} catch (error) {
  steps.failed++
  steps.failures.push(`${(error as Error).stack}`)
} finally {
  cleanUp()
}
for (const failure of steps.failures) console.error(`\nFAILED ${failure}`)
process.exitCode = steps.failed === 0 && steps.passed > 0 ? 0 : 1
console.log(`\n${steps.passed} passed, ${steps.failed} failed`)
