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

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Two: swtpm, launcher and daemon tests each run several processes of their own.
    maxWorkers: 2,
    pool: 'forks',
    allowOnly: false,
    globalSetup: 'test/support/setup.ts',
    sequence: { sequencer: LongFirst },
  },
})
