import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** Files of these rooms take many seconds, the others few: with the long ones first all workers end at about the same time. */
const LONG = /\/test\/(?:system|cli|packaging|proto)\//

class LongFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files)
    const long = ({ moduleId }: TestSpecification) => LONG.test(moduleId)
    return [...sorted.filter(long), ...sorted.filter(file => !long(file))]
  }
}

/**
 * Rooms whose tests are functions over bytes: they start nothing that lives on and change nothing of their process. Their files share one process and
 * its modules, of which each would else load several hundred anew.
 */
const PURE = 'encoding|signing|configuration|authorization|attestation|lineage|receipt'
/** What in these rooms talks to a TPM, or changes its process. */
const OWN_PROCESS = [
  'test/attestation/tpm2/**/*.test.ts',
  'test/attestation/historic/*.test.ts',
  'test/attestation/identity/activation.test.ts',
  'test/attestation/appraise-swtpm.test.ts',
  'test/lineage/crash.test.ts',
  'test/lineage/epoch.test.ts',
  'test/lineage/retention-faults.test.ts',
  'test/lineage/swtpm.test.ts',
]

export default defineConfig({
  test: {
    projects: [
      {
        extends: true,
        test: {
          name: 'pure',
          include: [`test/(${PURE})/**/*.test.ts`],
          exclude: OWN_PROCESS,
          isolate: false,
        },
      },
      {
        extends: true,
        test: { name: 'hosts', include: ['test/*.test.ts', `test/!(${PURE})/**/*.test.ts`, ...OWN_PROCESS] },
      },
    ],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Of two processors: tests of whole hosts run several processes of their own, and wait for each other's deadlines half of the time.
    maxWorkers: 3,
    pool: 'forks',
    allowOnly: false,
    globalSetup: 'test/support/setup.ts',
    sequence: { sequencer: LongFirst },
  },
})
