import { cpSync, existsSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { canonicalJsonBytes } from '../../encoding/json.ts'
import {
  type Carried,
  encodeCarried,
  epochOrigin,
  finishEpoch,
  inspectLog,
  listFiles,
  NewEpochError,
  parseCarried,
  parseEpochOrigin,
  takeWriterLock,
} from '../../lineage/index.ts'
import { type Io, systemIo } from '../../lineage/writer/io.ts'
import { accept, HASH, makeLog, nextEpoch } from './support/epochs.ts'
import { ORIGIN, openLog, temporaryDirectory } from './support/log.ts'

describe('the name of an epoch', () => {
  test.each([
    ['writ/host', 1, 'writ/host'],
    ['writ/host', 2, 'writ/host/epoch-2'],
    ['a', 17, 'a/epoch-17'],
  ])('%s, epoch %i', (base, epoch, origin) => {
    expect(epochOrigin(base, epoch)).toBe(origin)
    expect(parseEpochOrigin(origin)).toEqual({ base, epoch })
  })

  test.each(['a/epoch-1', 'a/epoch-0', 'a/epoch-02', '/epoch-2', 'a/epoch-2x', 'a/epoch-1234567890'])(
    '%s is all of it a name',
    origin => expect(parseEpochOrigin(origin)).toEqual({ base: origin, epoch: 1 }),
  )
})

describe('what is carried over', () => {
  const carried: Carried = {
    governed: [HASH],
    open: ['0f'.repeat(16)],
    lost: [{ index: 3, type: 'revocation', blob: HASH }],
  }

  test('has one encoding', () => {
    const bytes = encodeCarried(carried)
    expect(parseCarried(bytes)).toEqual(carried)
    expect(bytes).toEqual(canonicalJsonBytes({ v: 1, ...carried }))
    for (const other of [
      Buffer.concat([bytes, Buffer.from(' ')]),
      canonicalJsonBytes({ v: 2, ...carried }),
      canonicalJsonBytes({ v: 1, ...carried, more: 1 }),
      canonicalJsonBytes({ v: 1, ...carried, open: ['x'] }),
      Buffer.from('null'),
    ])
      expect(() => parseCarried(other)).toThrow(expect.objectContaining({ code: 'EVENT_INVALID' }))
  })

  test('is refused typed, whatever the bytes are', () => {
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), fc.json().map(Buffer.from)), bytes => {
        try {
          parseCarried(bytes)
        } catch (error) {
          expect(error).toMatchObject({ code: 'EVENT_INVALID' })
        }
      }),
      { numRuns: 200 },
    )
  })
})

describe('the next epoch', () => {
  test('leaves the old log as it is, has a name of its own, and is opened only as an operator has seen it', async () => {
    const { directory, signer, nv } = await makeLog(300)
    rmSync(join(directory, 'state/tail'), { recursive: true })
    const before = (await listFiles(directory)).toString()
    const aside = await nextEpoch(directory)
    expect(aside).toBe(`${directory}.epoch-1`)
    expect((await listFiles(aside ?? '')).toString()).toBe(before)
    const opened = openLog(directory, { signer, counter: nv, create: false })
    const error = (await opened.catch(error => error)) as NewEpochError
    expect(error).toBeInstanceOf(NewEpochError)
    expect(error).toMatchObject({
      code: 'LINEAGE_NEW_EPOCH',
      found: { epoch: 2, size: 1, counter: nv.value },
    })
    const { found } = error
    const { epoch: _, ...restored } = found
    for (const other of [
      { ...found, epoch: 3 },
      { ...found, counter: found.counter + 1n },
      { ...found, size: 2 },
      { ...found, root: Buffer.alloc(32) },
      restored,
    ]) {
      await expect(openLog(directory, { signer, counter: nv, accepted: other })).rejects.toMatchObject({
        code: 'LINEAGE_NEW_EPOCH',
      })
    }
    const log = await openLog(directory, { signer, counter: nv, accepted: found })
    expect(log).toMatchObject({ epoch: 2, origin: `${ORIGIN}/epoch-2`, openedAfterUncleanStop: false })
    await expect(log.anchor()).rejects.toThrow('accepted')
    // A stop before it is in the log leaves it as it was.
    await log.close()
    await expect(openLog(directory, { signer, counter: nv })).rejects.toMatchObject({
      code: 'LINEAGE_NEW_EPOCH',
    })
  })

  test('goes on with the counter once its acceptance is durable, and says its name in its checkpoints', async () => {
    const { directory, signer, nv } = await makeLog(3)
    rmSync(join(directory, 'state/anchor'))
    await nextEpoch(directory)
    await accept(directory, signer, nv)
    const before = nv.value
    const log = await openLog(directory, { signer, counter: nv })
    expect(nv.value).toBe(before + 1n)
    const { origin } = await log.checkpoint()
    expect(origin).toBe(`${ORIGIN}/epoch-2`)
    await log.close()
    // The old files under the new name's place are a fork of nothing: they have another name, and the counter has moved on.
    cpSync(`${directory}.epoch-1/checkpoint`, join(directory, 'checkpoint'))
    await expect(openLog(directory, { signer, counter: nv })).rejects.toMatchObject({
      code: 'LINEAGE_BROKEN',
    })
  })

  test('has the number after every log that was put aside', async () => {
    const { directory, signer, nv } = await makeLog(3)
    const copy = `${directory}.copy`
    cpSync(directory, copy, { recursive: true })
    await nextEpoch(directory)
    await accept(directory, signer, nv)
    rmSync(join(directory, 'state/anchor'))
    expect(await nextEpoch(directory)).toBe(`${directory}.epoch-2`)
    // The first log, put back, is neither the first nor the second to be put aside.
    rmSync(directory, { recursive: true })
    renameSync(copy, directory)
    expect(await nextEpoch(directory)).toBe(`${directory}.epoch-3`)
    expect(await inspectLog(directory, ORIGIN)).toMatchObject({ origin: `${ORIGIN}/epoch-4`, epoch: 4 })
  })

  test('is not begun in place of one that somebody has open', async () => {
    const { directory, signer, nv } = await makeLog(3)
    const log = await openLog(directory, { signer, counter: nv })
    expect(() => takeWriterLock(join(directory, 'state/lock'))).toThrow(
      expect.objectContaining({ code: 'LINEAGE_LOCKED' }),
    )
    await log.close()
    const lock = takeWriterLock(join(directory, 'state/lock'))
    // Whoever closes any descriptor of the lock's file lets it go: the list leaves it alone.
    expect((await listFiles(directory)).toString()).not.toContain('state/lock')
    await expect(openLog(directory, { signer, counter: nv })).rejects.toMatchObject({
      code: 'LINEAGE_LOCKED',
    })
    lock.release()
  })

  test('may be cut short anywhere: run again, it is there, whole, and so is the old log', async () => {
    const { directory } = await makeLog(20)
    rmSync(join(directory, 'state/anchor'))
    const before = (await listFiles(directory)).toString()
    // How many calls there are, and which of them are tried: the last ones give the logs their names.
    const whole = join(temporaryDirectory(), 'lineage')
    cpSync(directory, whole, { recursive: true })
    const counted = stopsAfter(Number.POSITIVE_INFINITY)
    await nextEpoch(whole, { io: counted.io })
    const total = counted.calls()
    const all = process.env.WRIT_FAULTS === 'all'
    for (let calls = 0; calls < total; calls += all || calls >= total - 5 ? 1 : Math.ceil(total / 8)) {
      const copy = join(temporaryDirectory(), 'lineage')
      cpSync(directory, copy, { recursive: true })
      const killed = stopsAfter(calls)
      await Promise.race([nextEpoch(copy, { io: killed.io }), killed.stopped])
      if (!(await finishEpoch(copy)) && !existsSync(`${copy}.epoch-1`)) await nextEpoch(copy)
      expect((await listFiles(`${copy}.epoch-1`)).toString(), `after ${calls} calls`).toBe(before)
      const found = await inspectLog(copy, ORIGIN)
      expect(found, `after ${calls} calls`).toMatchObject({ faults: [], origin: `${ORIGIN}/epoch-2` })
      expect(found.beginning.size).toBe(1)
      expect(existsSync(`${copy}.next`)).toBe(false)
    }
  })
})

/** System calls of a process that is killed before the call after so many: none of its promises is ever kept. */
function stopsAfter(most: number): { readonly io: Io; readonly stopped: Promise<void>; calls(): number } {
  const { promise: stopped, resolve } = Promise.withResolvers<void>()
  let calls = 0
  const dead = () => {
    if (calls++ < most) return false
    resolve()
    return true
  }
  const call =
    <Args extends unknown[], T>(run: (...args: Args) => Promise<T>) =>
    (...args: Args): Promise<T> =>
      dead() ? new Promise<T>(() => undefined) : run(...args)
  const io: Io = {
    open: call(systemIo.open),
    write: (fd, bytes, position) => {
      if (!dead()) systemIo.write(fd, bytes, position)
    },
    writeLarge: call(systemIo.writeLarge),
    fdatasync: call(systemIo.fdatasync),
    fsync: call(systemIo.fsync),
    close: systemIo.close,
    rename: call(systemIo.rename),
    unlink: call(systemIo.unlink),
    mkdir: call(systemIo.mkdir),
  }
  return { io, stopped, calls: () => calls }
}
