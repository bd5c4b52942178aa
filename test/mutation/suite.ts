import type { CollectedTest, Suite } from './vitest.ts'

/** What a test throws to say that it cannot run here. */
const SKIPPED = Symbol('skipped')
const context = {
  skip(): never {
    throw SKIPPED
  },
}

/** From the outermost on. */
function suitesOf(suite: Suite | null): Suite[] {
  return suite === null ? [] : [...suitesOf(suite.parent), suite]
}

/** Runs one test with all that its suites do before and after it. Rejects if it fails. */
async function runTest({ suite, body }: CollectedTest): Promise<void> {
  const suites = suitesOf(suite)
  for (const each of suites) {
    if (each.begun) continue
    each.begun = true
    for (const hook of each.before) await hook()
  }
  for (const hook of suites.flatMap(each => each.beforeEach)) await hook()
  try {
    await body(context)
  } catch (error) {
    if (error !== SKIPPED) throw error
  } finally {
    for (const hook of suites.toReversed().flatMap(each => each.afterEach)) await hook()
  }
}

/** What the suites of these tests do in the end. */
async function end(tests: readonly CollectedTest[]): Promise<void> {
  const begun = new Set(tests.flatMap(({ suite }) => suitesOf(suite)).filter(suite => suite.begun))
  for (const suite of [...begun].reverse()) for (const hook of suite.after) await hook()
}

/**
 * Runs tests of one file in their order, up to the first that fails.
 *
 * @param wanted by position; the others are left out
 * @param seen is told of each test that passed
 * @returns the name of the one that failed, with why
 */
export async function runTests(
  tests: readonly CollectedTest[],
  wanted: (position: number) => boolean,
  seen: (position: number) => void = () => {},
): Promise<{ readonly name: string; readonly error: unknown } | null> {
  try {
    for (const [position, test] of tests.entries()) {
      if (!wanted(position)) continue
      try {
        await runTest(test)
      } catch (error) {
        return { name: test.name, error }
      }
      seen(position)
    }
    return null
  } finally {
    await end(tests).catch(() => {})
  }
}
