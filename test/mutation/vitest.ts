import { format } from 'node:util'

// The real one: this module is of no generation, and `expect` works without a runner.
export { assert, expect, vi } from 'vitest'

/**
 * What a test file sees as `vitest` while mutants are tried: the same words for as much of it as the tests of the domain rooms use. Starting
 * vitest for each mutant would take a second, where most mutants are dead after a few milliseconds.
 */

type Body = (context: { skip(): never }) => unknown
type Hook = () => unknown

export interface Suite {
  readonly parent: Suite | null
  readonly before: Hook[]
  readonly after: Hook[]
  readonly beforeEach: Hook[]
  readonly afterEach: Hook[]
  readonly skipped: boolean
  begun: boolean
}
export interface CollectedTest {
  readonly name: string
  readonly suite: Suite
  readonly body: Body
}

function suiteIn(parent: Suite | null, skipped: boolean): Suite {
  return { parent, before: [], after: [], beforeEach: [], afterEach: [], skipped, begun: false }
}

let here = suiteIn(null, false)
let names: string[] = []
let tests: CollectedTest[] = []

/** Collects the tests of what is loaded. */
export async function collect(load: () => Promise<unknown>): Promise<readonly CollectedTest[]> {
  here = suiteIn(null, false)
  names = []
  tests = []
  await load()
  return tests
}

function addSuite(name: string, body: () => void, skipped = false): void {
  const outer = here
  here = suiteIn(outer, outer.skipped || skipped)
  names.push(name)
  try {
    body()
  } finally {
    names.pop()
    here = outer
  }
}

function addTest(name: string, first: unknown, second?: unknown): void {
  const body = (typeof first === 'function' ? first : second) as Body
  if (!here.skipped) tests.push({ name: [...names, name].join(' > '), suite: here, body })
}

type Row = readonly unknown[]
const rowOf = (item: unknown): Row => (Array.isArray(item) ? item : [item])

function each(add: (name: string, body: () => unknown) => void) {
  return (table: readonly unknown[]) => (name: string, body: (...row: Row) => unknown) => {
    for (const item of table) {
      const row = rowOf(item)
      const places = name.match(/%[a-z]/g)?.length ?? 0
      add(format(name, ...row.slice(0, places)), () => body(...row))
    }
  }
}

const skipIf = (skip: unknown) => (name: string, body: () => void) => addSuite(name, body, Boolean(skip))

export const describe = Object.assign(addSuite, {
  each: each((name, body) => addSuite(name, body as () => void)),
  skipIf,
})
export const it = Object.assign(addTest, {
  each: each((name, body) => addTest(name, body)),
  skipIf: (skip: unknown) => (name: string, first: unknown, second?: unknown) => {
    if (!skip) addTest(name, first, second)
  },
})
export const test = it
export const beforeAll = (hook: Hook): unknown => here.before.push(hook)
export const afterAll = (hook: Hook): unknown => here.after.push(hook)
export const beforeEach = (hook: Hook): unknown => here.beforeEach.push(hook)
export const afterEach = (hook: Hook): unknown => here.afterEach.push(hook)
