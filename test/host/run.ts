// Runs Writ on a host that boots for real: test/host/run.ts [FILTER…]
// A Debian 13 guest with measured boot (OVMF, swtpm, a signed unified kernel image, IMA) in QEMU. Each line is a step with its time; the
// last is `N passed, N failed`. The exit status is 0 when something ran and nothing failed, 1 when something failed, and 77
// where this machine cannot run it. With a filter, scenarios start from the host that the newest whole run has left.
// WRIT_HOST_TEST_ACCEL=kvm uses KVM instead of emulation; WRIT_HOST_TEST_DEB names a package that is built already.
import { killAll } from './processes.ts'
import { missing, NEEDS } from './requirements.ts'
import { confined } from './scenarios/confined.ts'
import { cycles } from './scenarios/cycles.ts'
import { executor } from './scenarios/executor.ts'
import { govern } from './scenarios/govern.ts'
import { install } from './scenarios/install.ts'
import { kills } from './scenarios/kills.ts'
import { numbers } from './scenarios/numbers.ts'
import { otherCommandLine, otherKernelImage, secureBootOff } from './scenarios/other-boot.ts'
import { outages } from './scenarios/outages.ts'
import { packageLife } from './scenarios/package.ts'
import { replacement } from './scenarios/replacement.ts'
import { rollback } from './scenarios/rollback.ts'
import { runbooks } from './scenarios/runbooks.ts'
import { service } from './scenarios/service.ts'
import { setup } from './scenarios/setup.ts'
import { suspend } from './scenarios/suspend.ts'
import { tamper } from './scenarios/tamper.ts'
import { units } from './scenarios/units.ts'
import { Steps } from './steps.ts'
import { type Scenario, Workshop } from './workshop.ts'

/** What autotools' and Debian's test runners take for "skipped". */
const SKIPPED = 77

const why = missing()
if (why !== undefined) {
  console.log(`test:host: skipped: ${why}\ntest:host: ${NEEDS}`)
  process.exit(SKIPPED)
}

/** In their order. The first two make what the others start from. */
const SCENARIOS: readonly Scenario[] = [
  { name: 'install', run: install },
  { name: 'govern', run: govern },
  { name: 'setup', run: setup },
  { name: 'cycles', run: cycles },
  { name: 'kills', run: kills },
  { name: 'units', run: units },
  { name: 'service', run: service },
  { name: 'executor', run: executor },
  { name: 'AppArmor', run: confined },
  { name: 'package', run: packageLife },
  { name: 'other command line', run: otherCommandLine },
  { name: 'other kernel image', run: otherKernelImage },
  { name: 'Secure Boot off', run: secureBootOff },
  { name: 'outages', run: outages },
  { name: 'suspend', run: suspend },
  { name: 'runbooks', run: runbooks },
  { name: 'TPM replacement', run: replacement },
  { name: 'numbers', run: numbers },
  { name: 'tamper', run: tamper },
  { name: 'roll-back', run: rollback },
]

const filters = process.argv.slice(2)
const chosen = SCENARIOS.filter(
  ({ name }) => filters.length === 0 || filters.some(filter => name.includes(filter)),
)
if (chosen.length === 0) {
  console.error(`no scenario is named so; there are: ${SCENARIOS.map(({ name }) => name).join(', ')}`)
  process.exit(2)
}

const workshop = new Workshop(say => console.log(say))
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.once(signal, () => {
    killAll()
    workshop.close()
    process.exit(130)
  })

const steps = new Steps()
try {
  await workshop.open()
  for (const scenario of chosen) await steps.scenario(scenario.name, () => workshop.run(scenario, steps))
} catch (error) {
  steps.failed++
  steps.failures.push(`${(error as Error).stack}`)
} finally {
  killAll()
  workshop.close()
}
for (const failure of steps.failures) console.error(`\nFAILED ${failure}`)
process.exitCode = steps.failed === 0 && steps.passed > 0 ? 0 : 1
console.log(`\n${steps.passed} passed, ${steps.failed} failed`)
