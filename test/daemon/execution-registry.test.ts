import { describe, expect, test } from 'vitest'
import { NOT_SIGNED } from '../../authorization/index.ts'
import { ENDED_KEPT, ExecutionRegistry, type PermittedExecution } from '../../daemon/execution-registry.ts'
import { decide } from '../authorization/scenario.ts'

const terms = decide().terms ?? expect.fail()
const id = (n: number) => n.toString(16).padStart(32, '0')
const permitted = (n: number): PermittedExecution => ({
  executionId: id(n),
  callerUid: 1000,
  parentExecutionId: null,
  artifactDigest: '',
  issuer: 'release',
  signed: NOT_SIGNED,
  terms,
  epoch: 1n,
  decisionIndex: 0n,
  decisionRecord: '',
  permittedTime: '',
  origin: null,
})
const all = { visible: () => true, includeEnded: true, limit: 1e6, after: null }

describe('the executions of this run', () => {
  test('are bounded: what has ended is forgotten, the oldest first, and never what lives', () => {
    const registry = new ExecutionRegistry()
    registry.add(permitted(0))
    for (let n = 1; n <= ENDED_KEPT + 500; n++) {
      registry.add(permitted(n))
      registry.end(id(n), {})
    }
    expect(registry.list(all)).toHaveLength(ENDED_KEPT + 1)
    expect(registry.get(id(0))?.state).toBe('PREPARING')
    expect(registry.get(id(500))).toBeUndefined()
    expect(registry.get(id(501))?.state).toBe('ENDED')
    expect(registry.liveCount).toBe(1)
  })

  test('end once, and nothing about them changes afterwards', () => {
    const registry = new ExecutionRegistry()
    registry.add(permitted(1))
    registry.end(id(1), { exitCode: 1 })
    registry.end(id(1), { exitCode: 2 })
    registry.update(id(1), { state: 'RUNNING' })
    expect(registry.get(id(1))).toMatchObject({ state: 'ENDED', end: { exitCode: 1 } })
    expect(registry.liveCount).toBe(0)
    expect(() => registry.add(permitted(1))).toThrow('a second time')
  })

  test('are listed newest first, page by page, each once', () => {
    const registry = new ExecutionRegistry()
    for (let n = 0; n < 25; n++) registry.add(permitted(n))
    for (let n = 0; n < 25; n += 5) registry.end(id(n), {})
    const seen: string[] = []
    for (let after: string | null = null; ; ) {
      const page = registry.list({ ...all, includeEnded: false, limit: 7, after })
      if (page.length === 0) break
      seen.push(...page.map(({ executionId }) => executionId ?? ''))
      after = seen.at(-1) ?? null
    }
    expect(seen).toEqual(
      Array.from({ length: 25 }, (_, n) => 24 - n)
        .filter(n => n % 5 !== 0)
        .map(id),
    )
  })

  test('listed from one that is forgotten are none: a page never begins anew', () => {
    const registry = new ExecutionRegistry()
    registry.add(permitted(1))
    expect(registry.list({ ...all, after: id(9) })).toEqual([])
  })

  test('are told to a watcher: those that live, then each change', async () => {
    const registry = new ExecutionRegistry()
    registry.add(permitted(1))
    const over = new AbortController()
    const changes = registry.watch(over.signal)[Symbol.asyncIterator]()
    expect((await changes.next()).value).toMatchObject({ executionId: id(1) })
    registry.end(id(1), {})
    expect((await changes.next()).value).toMatchObject({ state: 'EXECUTION_STATE_ENDED' })
    over.abort()
    expect((await changes.next()).done).toBe(true)
  })
})
