import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { sha256Hex } from '../../encoding/digest.ts'
import { canonicalJsonBytes } from '../../encoding/json.ts'
import {
  beginEpoch,
  type Carried,
  encodeCarried,
  epochOrigin,
  exportLog,
  finishEpoch,
  inspectLog,
  type LineageEvent,
  listFiles,
  NewEpochError,
  parseCarried,
  parseEpochOrigin,
  salvage,
  takeWriterLock,
  verifyLog,
} from '../../lineage/index.ts'
import { type Io, systemIo } from '../../lineage/io.ts'
import { EpochCheck } from '../../lineage/verify/epochs.ts'
import {
  CONFIG,
  daemonStart,
  fill,
  numbered,
  ORIGIN,
  openLog,
  type TestSigner,
  temporaryDirectory,
  testSigner,
} from './support/log.ts'

const HASH = 'ab'.repeat(32)
const common = { v: 1, time: '2026-11-21T02:00:00.000Z', bootNs: '1' } as const

/** A counter that no file can set back. */
function counter(at = 7n) {
  const it = { value: at, read: async () => it.value, increment: async () => ++it.value }
  return it
}

/** A log of `size` entries with a checkpoint of all of them and one of its first entries, closed. */
async function makeLog(size: number, signer = testSigner(), nv = counter()) {
  const directory = join(temporaryDirectory(), 'lineage')
  const log = await openLog(directory, { signer, counter: nv })
  await log.putBlob(CONFIG)
  await log.append(daemonStart(signer.logKey, Buffer.from(signer.ak.name).toString('hex')))
  await fill(log, 1, size)
  await log.checkpoint()
  await log.close()
  // A start lets go of what is in tiles.
  if (size > 256) await (await openLog(directory, { signer, counter: nv })).close()
  return { directory, signer, nv }
}

const facts: Carried = { governed: [], open: [], lost: [] }

/** The next epoch with an `epoch` entry that says what was found, and what else is given. */
async function next(
  directory: string,
  options: {
    io?: Io
    more?: readonly LineageEvent[]
    carried?: Carried
    change?: (event: LineageEvent) => LineageEvent
  } = {},
): Promise<string | null> {
  const found = await inspectLog(directory, ORIGIN)
  const files = await listFiles(directory)
  const { beginning, note, origin, epoch } = found
  return beginEpoch(
    directory,
    {
      base: ORIGIN,
      previous: epoch,
      entries: async log => {
        const event: LineageEvent = {
          ...common,
          type: 'epoch',
          epoch: epoch + 1,
          previous: {
            origin,
            checkpoint: note?.toString('base64') ?? null,
            salvaged: { size: beginning.size, root: beginning.root.toString('hex') },
            files: await log.putBlob(files),
          },
          carried: await log.putBlob(encodeCarried(options.carried ?? facts)),
          attest: null,
          why: { code: 'LINEAGE_BROKEN', message: 'a test', at: null },
        }
        return [options.change?.(event) ?? event, ...(options.more ?? [])]
      },
    },
    options.io,
  )
}

function damage(path: string, at: number): void {
  const bytes = readFileSync(path)
  bytes[at] = (bytes[at] ?? 0) ^ 0xff
  writeFileSync(path, bytes)
}

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

describe('what is left of a log', () => {
  test('is all of it where nothing is wrong, and nothing is written', async () => {
    const { directory } = await makeLog(300)
    const before = (await listFiles(directory)).toString()
    const seen: number[] = []
    const found = await inspectLog(directory, ORIGIN, (_, index) => void seen.push(index))
    expect(found).toMatchObject({ faults: [], beyond: 0, origin: ORIGIN, epoch: 1 })
    expect(found.beginning.size).toBe(300)
    expect(seen).toEqual(Array.from({ length: 300 }, (_, i) => i))
    expect((await listFiles(directory)).toString()).toBe(before)
  })

  // Entries 0 to 255 are in tiles, the rest in the tail.
  test.each<[string, (directory: string) => void, number, string]>([
    ['a damaged bundle', d => damage(join(d, 'tile/entries/000'), 5_000), -1, 'tile/entries/000'],
    ['a missing bundle', d => rmSync(join(d, 'tile/entries/000')), 0, 'tile/entries/000'],
    ['a cut bundle', d => truncateSync(join(d, 'tile/entries/000'), 900), 0, 'tile/entries/000'],
    ['a link in place of a bundle', linkBundle, 0, 'tile/entries/000'],
    ['a damaged tile', d => damage(join(d, 'tile/0/000'), 32 * 100), 100, 'tile'],
    ['a missing tile', d => rmSync(join(d, 'tile/0/000')), 300, 'tile/0/000'],
    ['no tail', d => rmSync(join(d, 'state/tail'), { recursive: true }), 300, 'checkpoint'],
    ['a damaged record', d => writeFileSync(join(d, 'state/anchor'), '{}'), 300, 'state/anchor'],
    ['no record of the counter', d => rmSync(join(d, 'state/anchor')), 300, 'state/anchor'],
    ['a damaged checkpoint', d => damage(join(d, 'checkpoint'), 2), 300, 'checkpoint'],
  ])('with %s', async (_, breaks, size, at) => {
    const { directory } = await makeLog(300)
    breaks(directory)
    const found = await inspectLog(directory, ORIGIN)
    expect(found.faults.length).toBeGreaterThan(0)
    expect(found.faults.map(fault => fault.at ?? '').some(path => path.startsWith(at))).toBe(true)
    if (size >= 0) expect(found.beginning.size).toBe(size)
    else expect(found.beginning.size).toBeLessThan(256)
    expect(found.beginning.size + found.beyond).toBeGreaterThan(0)
  })

  test('ends at the newest promise that holds where a later one does not', async () => {
    const { directory, signer, nv } = await makeLog(3)
    const anchor = readFileSync(join(directory, 'state/anchor'))
    const other = `${directory}.other`
    cpSync(directory, other, { recursive: true })
    const log = await openLog(directory, { signer, counter: nv })
    await fill(log, 3, 20)
    await log.checkpoint()
    await log.close()
    const fork = await openLog(other, { signer, counter: counter(nv.value - 2n) })
    await fill(fork, 50, 80)
    await fork.close()
    rmSync(join(directory, 'state/tail'), { recursive: true })
    cpSync(join(other, 'state/tail'), join(directory, 'state/tail'), { recursive: true })
    rmSync(join(directory, 'tile'), { recursive: true })
    rmSync(join(directory, 'state/stop'))
    writeFileSync(join(directory, 'state/anchor'), anchor)
    const found = await inspectLog(directory, ORIGIN)
    expect(found.faults).toContainEqual({
      code: 'LINEAGE_BROKEN',
      message: 'it speaks of another tree of 20 entries',
      at: 'checkpoint',
    })
    expect(found.beginning.size).toBe(3)
    expect(found.beyond).toBe(30)
  })

  test('in a damaged tail is what lies before and behind the damage', async () => {
    const { directory, signer } = await makeLog(3)
    const log = await openLog(directory, { signer, counter: counter(9n) })
    for (let n = 3; n < 40; n++) await log.append(numbered(n))
    await log.close()
    const tail = join(directory, 'state/tail')
    const path = join(tail, readdirSync(tail).filter(name => name !== 'spare')[0] ?? '')
    const bytes = readFileSync(path)
    const at = bytes.indexOf('"bootNs":"20"')
    expect(at).toBeGreaterThan(0)
    damage(path, at + 10)
    const seen: number[] = []
    const found = await inspectLog(directory, ORIGIN, (_, index) => void seen.push(index))
    expect(found.beginning.size).toBe(20)
    expect(seen).toEqual(Array.from({ length: 40 }, (_, i) => i).filter(i => i !== 20))
    expect(found.beyond).toBe(19)
  })

  test('never throws, whatever the files are', async () => {
    const { directory } = await makeLog(300)
    const files = (await listFiles(directory))
      .toString()
      .split('\n')
      .map(line => line.slice(66))
      .filter(path => path !== '' && !path.startsWith('evidence'))
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...files),
        fc.oneof(fc.uint8Array({ maxLength: 64 }), fc.constant(null)),
        fc.nat(5_000),
        async (name, bytes, at) => {
          const copy = join(temporaryDirectory(), 'lineage')
          cpSync(directory, copy, { recursive: true })
          const path = join(copy, name)
          if (bytes === null) rmSync(path)
          else {
            const old = readFileSync(path)
            Buffer.from(bytes).copy(old, Math.min(at, old.length))
            writeFileSync(path, old)
          }
          const found = await inspectLog(copy, ORIGIN)
          expect(found.beginning.size).toBeLessThanOrEqual(300)
        },
      ),
      { numRuns: Number(process.env.WRIT_FUZZ_RUNS ?? 8) },
    )
  })
})

function linkBundle(directory: string): void {
  const path = join(directory, 'tile/entries/000')
  renameSync(path, `${directory}.elsewhere`)
  symlinkSync(`${directory}.elsewhere`, path)
}

describe('the list of files', () => {
  test('is what sha256sum writes, in one order, with links and what cannot be a file named', async () => {
    const directory = temporaryDirectory()
    mkdirSync(join(directory, 'b'))
    writeFileSync(join(directory, 'b/one'), 'x')
    writeFileSync(join(directory, 'a'), '')
    writeFileSync(join(directory, 'new\nline'), '')
    symlinkSync('/etc/passwd', join(directory, 'link'))
    const empty = sha256Hex(Buffer.alloc(0))
    expect((await listFiles(directory)).toString()).toBe(
      [
        `${empty}  a`,
        `${sha256Hex(Buffer.from('x'))}  b/one`,
        `${'link'.padEnd(64, '-')}  link`,
        `${empty}  "new\\nline"`,
        '',
      ].join('\n'),
    )
  })

  test('that is too long leaves out what is named by its own digest, and commits to it all the same', async () => {
    const { directory } = await makeLog(3)
    const all = await listFiles(directory)
    const short = await listFiles(directory, 200)
    expect(short.toString()).toMatch(/^# 1 blobs of evidence under their own digests, names [0-9a-f]{64}\n/)
    expect(short.length).toBeLessThan(all.length)
    // A blob that does not hold what its name says is listed.
    damage(
      join(directory, `evidence/sha256/${sha256Hex(CONFIG).slice(0, 2)}/${sha256Hex(CONFIG).slice(2)}`),
      0,
    )
    expect((await listFiles(directory, 200)).toString()).toMatch(/^# 0 blobs(?:.|\n)*evidence\/sha256/)
  })
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
    const aside = await next(directory)
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
    await next(directory)
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
    await next(directory)
    await accept(directory, signer, nv)
    rmSync(join(directory, 'state/anchor'))
    expect(await next(directory)).toBe(`${directory}.epoch-2`)
    // The first log, put back, is neither the first nor the second to be put aside.
    rmSync(directory, { recursive: true })
    renameSync(copy, directory)
    expect(await next(directory)).toBe(`${directory}.epoch-3`)
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
    await next(whole, { io: counted.io })
    const total = counted.calls()
    const all = process.env.WRIT_FAULTS === 'all'
    for (let calls = 0; calls < total; calls += all || calls >= total - 5 ? 1 : Math.ceil(total / 8)) {
      const copy = join(temporaryDirectory(), 'lineage')
      cpSync(directory, copy, { recursive: true })
      const killed = stopsAfter(calls)
      await Promise.race([next(copy, { io: killed.io }), killed.stopped])
      if (!(await finishEpoch(copy)) && !existsSync(`${copy}.epoch-1`)) await next(copy)
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

/** As a daemon does it: the acceptance is durable before the counter moves. */
async function accept(directory: string, signer: TestSigner, nv: ReturnType<typeof counter>): Promise<void> {
  const { found } = (await openLog(directory, { signer, counter: nv }).catch(error => error)) as NewEpochError
  const log = await openLog(directory, { signer, counter: nv, accepted: found })
  await log.putBlob(CONFIG)
  await log.append(daemonStart(signer.logKey, Buffer.from(signer.ak.name).toString('hex')))
  await log.append({
    ...common,
    type: 'epoch-accepted',
    epoch: found.epoch,
    counter: String(found.counter),
    tail: found.size,
    root: found.root.toString('hex'),
    digest: HASH,
    blob: await log.putBlob(Buffer.from('a clearance')),
  })
  await log.anchor()
  await log.checkpoint()
  await log.close()
}

describe('the verification of an epoch', () => {
  const revocation = (blob: string): LineageEvent => ({
    ...common,
    type: 'revocation',
    digest: HASH,
    epoch: 1,
    blob,
    manifest: blob,
  })

  /** A log with a revocation and a failure, put aside, and the next epoch with what is given. */
  async function epochs(options: Parameters<typeof next>[1] = {}) {
    const { directory, signer, nv } = await makeLog(3)
    const log = await openLog(directory, { signer, counter: nv })
    const blob = await log.putBlob(Buffer.from('a revocation'))
    await log.append(revocation(blob))
    await log.append({
      ...common,
      type: 'trust-transition',
      from: 'UNATTESTED',
      to: 'FAILED',
      epoch: 1,
      reasons: [],
    })
    await log.close()
    rmSync(join(directory, 'state/anchor'))
    const more = options.more ?? [
      revocation(blob),
      { ...common, type: 'trust-transition', from: 'UNATTESTED', to: 'FAILED', epoch: 0, reasons: [] },
    ]
    await next(directory, { ...options, more })
    const store = join(directory, `evidence/sha256/${blob.slice(0, 2)}`)
    mkdirSync(store, { recursive: true })
    writeFileSync(join(store, blob.slice(2)), 'a revocation')
    await accept(directory, signer, nv)
    const exported = `${directory}.exported`
    await exportLog(directory, exported)
    const verify = async (previous?: string) => {
      const { results } = await verifyLog(exported, {
        ak: signer.ak,
        ...(previous === undefined ? {} : { previous: [previous] }),
      })
      return Object.fromEntries(
        results.map(({ property, status, detail }) => [property, `${status} ${detail}`]),
      )
    }
    return { verify, aside: `${directory}.epoch-1`, directory }
  }

  test('holds the old log against the first entry', async () => {
    const { verify, aside } = await epochs()
    const alone = await verify()
    expect(alone.epoch).toMatch(/^VERIFIED 2, after/)
    expect(alone['log before this one']).toMatch(/^NOT CHECKED/)
    expect((await verify(aside))['log before this one']).toMatch(/^VERIFIED/)
    writeFileSync(join(aside, 'more'), '')
    expect((await verify(aside))['log before this one']).toMatch(/^FAILED .*more/)
    rmSync(join(aside, 'more'))
    rmSync(join(aside, 'checkpoint'))
    expect((await verify(aside))['log before this one']).toMatch(/^FAILED .*checkpoint/)
  })

  test.each<[string, Parameters<typeof next>[1], RegExp]>([
    [
      'a revocation that was left behind',
      {
        more: [
          { ...common, type: 'trust-transition', from: 'UNATTESTED', to: 'FAILED', epoch: 0, reasons: [] },
        ],
      },
      /was not carried over/,
    ],
    ['a program that never ran', { carried: { ...facts, governed: [HASH] } }, /no START of it/],
    [
      'another size of what was whole',
      { change: event => salvaged(event, { size: 4 }) },
      /entries are whole/,
    ],
    [
      'another root of what was whole',
      { change: event => salvaged(event, { root: HASH }) },
      /entries are whole/,
    ],
    [
      'another checkpoint',
      { change: event => previousOf(event, { checkpoint: 'AAAA' }) },
      /newest checkpoint/,
    ],
    ['other files', { change: event => previousOf(event, { files: sha256Hex(CONFIG) }) }, /./],
  ])('tells %s', async (_, options, why) => {
    const { verify, aside } = await epochs(options)
    const found = await verify(aside)
    expect(found['log before this one']).toMatch(/^FAILED/)
    expect(found['log before this one']).toMatch(why)
  })

  test('tells a failure that was left behind', async () => {
    const blob = sha256Hex(Buffer.from('a revocation'))
    const { verify, aside } = await epochs({ more: [revocation(blob)] })
    expect((await verify(aside))['log before this one']).toMatch(/^FAILED .*as if it had not/)
  })

  test('tells a name that is not that of its epoch, and a beginning in the middle', () => {
    const event: LineageEvent & { type: 'epoch' } = {
      ...common,
      type: 'epoch',
      epoch: 2,
      previous: { origin: 'h', checkpoint: null, salvaged: { size: 0, root: HASH }, files: HASH },
      carried: HASH,
      attest: null,
      why: { code: 'LINEAGE_BROKEN', message: '', at: null },
    }
    const status = (origin: string, ...events: LineageEvent[]) => {
      const check = new EpochCheck()
      for (const [index, it] of events.entries()) check.take(it, index)
      return check.result({ origin }).map(({ status, detail }) => `${status} ${detail}`)
    }
    const other = (origin: string) => ({ ...event, previous: { ...event.previous, origin } })
    expect(status('h', numbered(0))).toEqual([])
    expect(status('h/epoch-2', event)).toEqual([expect.stringMatching(/^VERIFIED 2, after h,/)])
    expect(status('h/epoch-3', { ...other('h'), epoch: 3 })).toEqual([expect.stringMatching(/^VERIFIED/)])
    for (const [why, found] of [
      ['says nothing of it', status('h/epoch-2', numbered(0))],
      ['its first entry epoch 2', status('h/epoch-3', event)],
      ['its first entry epoch 2', status('h', event)],
      ['not an earlier epoch', status('h/epoch-2', other('elsewhere'))],
      ['not an earlier epoch', status('h/epoch-2', other('h/epoch-2'))],
      ['in the middle', status('h', numbered(0), event)],
    ] as const)
      expect(found).toEqual([expect.stringMatching(new RegExp(`^FAILED .*${why}`))])
  })

  test('a log that took no other’s place has no log before it', async () => {
    const { directory, signer } = await makeLog(3)
    const exported = `${directory}.exported`
    await exportLog(directory, exported)
    const names = (await verifyLog(exported, { ak: signer.ak })).results.map(({ property }) => property)
    expect(names).not.toContain('epoch')
    const { results } = await verifyLog(exported, { ak: signer.ak, previous: [directory] })
    expect(results.at(-1)).toMatchObject({ property: 'log before this one', status: 'FAILED' })
  })
})

function previousOf(event: LineageEvent, change: object): LineageEvent {
  return event.type === 'epoch' ? { ...event, previous: { ...event.previous, ...change } } : event
}

function salvaged(event: LineageEvent, change: object): LineageEvent {
  return event.type === 'epoch'
    ? previousOf(event, { salvaged: { ...event.previous.salvaged, ...change } })
    : event
}

test('nobody is needed to look at what is left of nothing', async () => {
  const directory = join(temporaryDirectory(), 'lineage')
  expect(await salvage(directory, () => undefined)).toMatchObject({ beyond: 0, faults: [], note: null })
  expect(await inspectLog(directory, ORIGIN)).toMatchObject({ faults: [{ code: 'LINEAGE_ABSENT' }] })
})
