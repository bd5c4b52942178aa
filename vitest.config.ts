import { defineConfig } from 'vitest/config'

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
  },
})
