import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { LineageEvent, NvCounter, RolledBackError } from '../../lineage/index.ts'
import { faultyIo } from './support/faulty-io.ts'
import { fill, openLog, temporaryDirectory } from './support/log.ts'

/** A counter that goes up and never down, and can lose a command or its answer. */
class TestCounter implements NvCounter {
  value = 7n
  fault: 'did not persist' | 'did persist' | undefined

  async read(): Promise<bigint> {
    return this.value
  }

  async increment(): Promise<bigint> {
    const fault = this.fault
    this.fault = undefined
    if (fault !== 'did not persist') this.value++
    if (fault !== undefined) throw new Error('the TPM is gone')
    return this.value
  }
}

const rolledBack = { code: 'LINEAGE_ROLLED_BACK' }

function record(directory: string): { counter: string; done: boolean; size: number } {
  return JSON.parse(readFileSync(join(directory, 'state/anchor'), 'utf8'))
}

describe('the counter', () => {
  it('moves at start and at stop and stands for the tree of that time', async () => {
    const directory = temporaryDirectory()
    const counter = new TestCounter()
    const log = await openLog(directory, { counter })
    expect([counter.value, record(directory)]).toMatchObject([8n, { counter: '8', done: true, size: 0 }])
    await fill(log, 0, 5)
    expect(await log.anchor()).toBe(9n)
    expect(record(directory)).toMatchObject({ counter: '9', done: true, size: 5 })
    await log.close()
    expect(counter.value).toBe(10n)
    const reopened = await openLog(directory, { counter })
    expect(reopened.openedAfterUncleanStop).toBe(false)
    await reopened.close()
    expect(counter.value).toBe(12n)
  })

  it('shows files that were put back', async () => {
    const directory = temporaryDirectory()
    const copy = temporaryDirectory()
    const counter = new TestCounter()
    const log = await openLog(directory, { counter })
    await fill(log, 0, 5)
    await log.close()
    cpSync(directory, copy, { recursive: true })
    const later = await openLog(directory, { counter })
    await fill(later, 5, 6)
    await later.close()
    rmSync(directory, { recursive: true })
    cpSync(copy, directory, { recursive: true })
    await expect(openLog(directory, { counter })).rejects.toMatchObject(rolledBack)
  })

  describe('and files that were put back, which an operator accepts,', () => {
    const accepted: LineageEvent = {
      ...{ v: 1, time: '2026-11-21T02:00:00.000Z', bootNs: '1', type: 'rollback-accepted' },
      ...{ counter: '11', tail: 5, root: '0'.repeat(64), digest: '0'.repeat(64), blob: '0'.repeat(64) },
    }
    /** A copy of five entries, found after the log went on. */
    async function putBack() {
      const directory = temporaryDirectory()
      const copy = temporaryDirectory()
      const counter = new TestCounter()
      const log = await openLog(directory, { counter })
      await fill(log, 0, 5)
      await log.close()
      cpSync(directory, copy, { recursive: true })
      const later = await openLog(directory, { counter })
      await fill(later, 5, 6)
      await later.close()
      rmSync(directory, { recursive: true })
      cpSync(copy, directory, { recursive: true })
      const { found } = await openLog(directory, { counter }).then(
        () => expect.fail('it opened'),
        (error: RolledBackError) => error,
      )
      return { directory, counter, found }
    }

    it('go on from where they are, and the counter moves after the log says so', async () => {
      const { directory, counter, found } = await putBack()
      expect(found).toMatchObject({ counter: counter.value, size: 5 })
      const log = await openLog(directory, { counter, accepted: found })
      expect(counter.value).toBe(found.counter)
      await expect(log.anchor()).rejects.toThrow('accepted')
      await log.append(accepted)
      expect(await log.anchor()).toBe(found.counter + 1n)
      await log.close()
      await (await openLog(directory, { counter })).close()
    })

    it('are found again as long as the log does not say so, however the daemon ended', async () => {
      const { directory, counter, found } = await putBack()
      await (await openLog(directory, { counter, accepted: found })).close()
      expect(counter.value).toBe(found.counter)
      await expect(openLog(directory, { counter })).rejects.toMatchObject({ ...rolledBack, found })
    })

    it('are found again when the daemon ended between the entry and the counter', async () => {
      const { directory, counter, found } = await putBack()
      const log = await openLog(directory, { counter, accepted: found })
      await log.append(accepted)
      const crashed = temporaryDirectory()
      cpSync(directory, crashed, { recursive: true })
      await expect(openLog(crashed, { counter, accepted: found })).rejects.toMatchObject(rolledBack)
      await log.close()
    })

    it('and no others: another tree, another value of the counter, no record', async () => {
      const { directory, counter, found } = await putBack()
      const others = [
        { ...found, size: 4 },
        { ...found, root: Buffer.alloc(32) },
        { ...found, counter: found.counter + 1n },
      ]
      for (const accepted of others)
        await expect(openLog(directory, { counter, accepted })).rejects.toMatchObject(rolledBack)
      rmSync(join(directory, 'state/anchor'))
      await expect(openLog(directory, { counter, accepted: found })).rejects.toMatchObject(rolledBack)
    })
  })

  it.each([
    ['is behind the record', (counter: TestCounter) => counter.value--],
    ['is ahead of the record', (counter: TestCounter) => counter.value++],
  ])('that %s keeps the lineage from opening', async (_, move) => {
    const directory = temporaryDirectory()
    const counter = new TestCounter()
    await (await openLog(directory, { counter })).close()
    move(counter)
    await expect(openLog(directory, { counter })).rejects.toMatchObject(rolledBack)
  })

  it('without a record is refused for a lineage that has entries', async () => {
    const directory = temporaryDirectory()
    const counter = new TestCounter()
    const log = await openLog(directory, { counter })
    await fill(log, 0, 5)
    await log.close()
    rmSync(join(directory, 'state/anchor'))
    await expect(openLog(directory, { counter })).rejects.toMatchObject(rolledBack)
  })

  it.each(['did not persist', 'did persist'] as const)(
    'whose increment fails and %s is accepted at the next start',
    async effect => {
      const directory = temporaryDirectory()
      const counter = new TestCounter()
      const log = await openLog(directory, { counter })
      await fill(log, 0, 5)
      counter.fault = effect
      await expect(log.anchor()).rejects.toThrow('the TPM is gone')
      expect(record(directory)).toMatchObject({ counter: '9', done: false, size: 5 })
      counter.fault = effect
      await expect(log.close()).rejects.toThrow('the TPM is gone')
      const reopened = await openLog(directory, { counter })
      expect([reopened.size, reopened.openedAfterUncleanStop]).toEqual([5n, true])
      expect(record(directory)).toMatchObject({ counter: String(counter.value), done: true })
      await reopened.close()
    },
  )

  it.each(['did not persist', 'did persist'] as const)(
    'whose record fails to be written and %s is accepted at the next start',
    async effect => {
      for (const nth of [1, 2]) {
        const directory = temporaryDirectory()
        const counter = new TestCounter()
        const io = faultyIo()
        const log = await openLog(directory, { counter, io })
        await fill(log, 0, 5)
        io.fail('rename', nth, effect)
        await expect(log.anchor()).rejects.toMatchObject({ code: 'LINEAGE_UNAVAILABLE' })
        await log.close()
        const reopened = await openLog(directory, { counter })
        expect(reopened.size).toBe(5n)
        await reopened.close()
      }
    },
  )

  it('that stands where a record says it went is refused when the tree is another', async () => {
    const directory = temporaryDirectory()
    const counter = new TestCounter()
    const log = await openLog(directory, { counter })
    await fill(log, 0, 5)
    await log.close()
    const path = join(directory, 'state/anchor')
    writeFileSync(path, readFileSync(path, 'utf8').replace(/"size":5/, '"size":6'))
    await expect(openLog(directory, { counter })).rejects.toMatchObject(rolledBack)
    writeFileSync(path, '{}')
    await expect(openLog(directory, { counter })).rejects.toMatchObject({ code: 'LINEAGE_BROKEN' })
  })

  it('that someone else moves ends the anchoring', async () => {
    const counter = new TestCounter()
    const log = await openLog(temporaryDirectory(), { counter })
    const increment = counter.increment.bind(counter)
    counter.increment = async () => {
      await increment()
      return increment()
    }
    await expect(log.anchor()).rejects.toMatchObject(rolledBack)
    await expect(log.close()).rejects.toMatchObject(rolledBack)
  })
})
