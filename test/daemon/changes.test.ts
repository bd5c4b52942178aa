import { describe, expect, it } from 'vitest'
import { Changes } from '../../daemon/changes.ts'

describe('a watcher', () => {
  it('gets what is there, then each change, then ends with its signal', async () => {
    const changes = new Changes<string, string>()
    const stop = new AbortController()
    const watch = changes.watch([['a', 'a1']], stop.signal)
    changes.publish('b', 'b1')
    const seen: string[] = []
    for await (const value of watch) {
      seen.push(value)
      if (value === 'b1') setTimeout(() => changes.publish('a', 'a2'), 5)
      if (value === 'a2') stop.abort()
    }
    expect(seen).toEqual(['a1', 'b1', 'a2'])
  })

  it('that reads slowly misses states between, never the last, and holds one per key', async () => {
    const changes = new Changes<number, string>()
    const stop = new AbortController()
    const watch = changes.watch([], stop.signal)[Symbol.asyncIterator]()
    for (let round = 0; round < 1000; round++) {
      for (let key = 0; key < 3; key++) changes.publish(key, `${key}:${round}`)
    }
    const seen = [await watch.next(), await watch.next(), await watch.next()].map(r => r.value)
    expect(seen).toEqual(['0:999', '1:999', '2:999'])
    const next = watch.next()
    stop.abort()
    expect((await next).done).toBe(true)
  })

  it('that is over gets nothing more, in whatever way it ended', async () => {
    const changes = new Changes<string, string>()
    const aborted = AbortSignal.abort()
    for await (const _ of changes.watch([['a', 'a']], aborted)) expect.fail('a value')
    const left = new AbortController()
    for await (const _ of changes.watch([['a', 'a']], left.signal)) break
    // Publishing reaches no watcher: nothing is kept for one that is gone.
    changes.publish('a', 'b')
    expect(left.signal.aborted).toBe(false)
  })
})
