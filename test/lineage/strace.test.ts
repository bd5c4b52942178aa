import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { checkpointExtraData } from '../../attestation/index.ts'
import { formatCheckpointText } from '../../lineage/c2sp/checkpoint-text.ts'
import { exportLog, leafHash, parseCheckpoint, verifyLog } from '../../lineage/index.ts'
import { CompactRange } from '../../lineage/tree/merkle.ts'
import { generateKey, privateKeyToPem } from '../../signing/key.ts'
import { memoryDirectory } from '../support/memory.ts'
import { numbered, ORIGIN, openLog } from './support/log.ts'
import { SoftwareAk } from './support/software-ak.ts'
import {
  type Call,
  callsIn,
  type Fault,
  hasStrace,
  type Life,
  live,
  newPlace,
  type Place,
} from './support/strace.ts'

/**
 * `all`: each call, killed in it and with an error, more than a thousand lives. `kinds`: of each kind the first and the last, some two hundred.
 * Otherwise of each system call the first and the last, and a spread sample of kinds.
 */
const FAULTS = process.env.WRIT_FAULTS
const LANES = 2

const logKey = generateKey('ed25519')
const software = new SoftwareAk()
const keys = { log: privateKeyToPem(logKey), ak: software.pem }

function said(lives: readonly Life[], word: string): string[] {
  return lives.flatMap(({ lines }) =>
    lines.filter(line => line.startsWith(`${word} `)).map(line => line.slice(word.length + 1)),
  )
}

/** What was told to anybody, in all lives so far, holds in the log as the next start finds it, which goes on from there. */
async function checkPromises(place: Place, lives: readonly Life[]): Promise<void> {
  const signed = new Set(said(lives, 'sign'))
  const log = await openLog(place.directory, {
    counter: {
      read: async () => BigInt(readFileSync(place.counter, 'utf8')),
      increment: async () => {
        const next = BigInt(readFileSync(place.counter, 'utf8')) + 1n
        writeFileSync(place.counter, String(next).padStart(20, '0'))
      },
    },
    signer: {
      logKey,
      ak: software.ak,
      async quote(extraData) {
        signed.add(extraData.toString('hex'))
        return software.quote(extraData)
      },
    },
  })
  if (log.openedAfterUncleanStop) {
    const { v, time, bootNs } = numbered(0)
    await log.append({ v, time, bootNs, type: 'recovery', tail: Number(log.tailIndex) })
  }
  const notes = said(lives, 'published').map(note => Buffer.from(note, 'base64'))
  const newest = log.latestCheckpoint()?.size ?? -1
  for (const note of notes) expect(parseCheckpoint(note).size).toBeLessThanOrEqual(newest)
  await log.append(numbered(9_999))
  await log.checkpoint()

  // Every answered decision is there, and every tree that was ever signed is the one that the log has at that size: no size has two.
  const leaves: string[] = []
  const trees = new Set<string>()
  const range = new CompactRange()
  while (BigInt(leaves.length) < log.size) {
    for (const { bytes } of await log.readEntries(BigInt(leaves.length), log.size)) {
      trees.add(treeOf(range))
      const leaf = leafHash(bytes)
      range.append(leaf)
      leaves.push(leaf.toString('hex'))
    }
  }
  trees.add(treeOf(range))
  for (const ack of said(lives, 'ack')) {
    const [index, leaf] = ack.split(' ')
    if (leaves[Number(index)] !== leaf) expect.fail(`entry ${index} is not the one that was answered`)
  }
  expect([...signed].filter(extraData => !trees.has(extraData))).toEqual([])
  for (const digest of said(lives, 'blob')) await log.getBlob(digest)
  await log.close()

  const copy = join(dirname(place.directory), 'export')
  await exportLog(place.directory, copy)
  const { results } = await verifyLog(copy, {
    ak: software.ak,
    logKey: logKey.public,
    origin: ORIGIN,
    earlier: notes,
  })
  const faults = results.filter(({ status }) => status === 'FAILED')
  // A life that ended before its first entries has no start in its log.
  expect(faults.filter(({ property }) => property !== 'host identity' || leaves.length > 400)).toEqual([])
}

function treeOf(range: CompactRange): string {
  const text = formatCheckpointText({ origin: ORIGIN, size: range.size, root: range.root() })
  return checkpointExtraData(text).toString('hex')
}

const modules = mkdtempSync(join(tmpdir(), 'writ-modules-'))
const bases = [modules]
afterAll(() => {
  for (const base of bases) rmSync(base, { recursive: true, force: true })
})

/** A place with the log of lives that went well, or with none. */
function prepare(template?: Place): Place {
  const base = mkdtempSync(join(memoryDirectory(), 'writ-strace-'))
  bases.push(base)
  const directory = join(base, 'log')
  mkdirSync(directory, { mode: 0o700 })
  const place = newPlace(base, directory, keys, modules)
  if (template === undefined) return place
  cpSync(template.directory, directory, { recursive: true })
  cpSync(template.counter, place.counter)
  return place
}

const ERRORS = ['EIO', 'ENOSPC', 'EROFS'] as const

/** @param ends whether the sample has the first and the last of each system call besides */
function faultsOf(calls: readonly Call[], ends: boolean): Fault[] {
  const kill = (call: Call): Fault => ({ call, effect: 'KILL' })
  const fail = (call: Call, i: number): Fault => ({ call, effect: ERRORS[i % ERRORS.length] ?? 'EIO' })
  if (FAULTS === 'all') return calls.flatMap((call, i) => [kill(call), fail(call, i)])
  const endsOf = (groups: Iterable<Call[]>, turn: number) =>
    [...groups].flatMap((of, i) => {
      const [first, last] = [of[0], of.at(-1)] as [Call, Call]
      return (i + turn) % 2 === 0 ? [kill(first), fail(last, i)] : [fail(first, i), kill(last)]
    })
  const kinds = [...Map.groupBy(calls, ({ name, what }) => `${name} ${what}`).values()]
  if (FAULTS === 'kinds') return endsOf(kinds, 0)
  const sample = endsOf(kinds, 1).filter((_, i) => i % 31 === 0)
  return ends ? [...sample, ...endsOf(Map.groupBy(calls, ({ name }) => name).values(), 0)] : sample
}

/** One life with a fault, and what holds afterwards. */
async function suffer(template: Place | undefined, before: readonly Life[], fault: Fault): Promise<void> {
  const place = prepare(template)
  const life = await live(place, fault)
  if (!life.hit) expect.fail(`it was not hit: ${life.lines.at(-1)}`)
  const last = life.lines.at(-1) ?? ''
  // A sync that failed is never passed over; lack of room, and what nobody needs, may be.
  const ends = /sync$/.test(fault.call.name)
    ? /^refused LINEAGE_UNAVAILABLE$/
    : /^(closed|refused LINEAGE_UNAVAILABLE)$/
  if (fault.effect !== 'KILL') expect(last).toMatch(ends)
  await checkPromises(place, [...before, life])
  rmSync(dirname(place.directory), { recursive: true, force: true })
}

async function sufferAll(
  template: Place | undefined,
  before: readonly Life[],
  faults: readonly Fault[],
): Promise<void> {
  const waiting = faults.values()
  const lane = async () => {
    for (const fault of waiting) {
      const { call, effect } = fault
      await suffer(template, before, fault).catch(cause => {
        throw new Error(`${call.name} ${call.nth} of ${call.what}, ${effect}: ${String(cause)}`, { cause })
      })
    }
  }
  await Promise.all(Array.from({ length: LANES }, lane))
}

/*
 * The kernel kills the process in a system call, or says that the call failed: each call by which the log opens, writes, syncs, renames or removes
 * something, as one undisturbed run made them.
 */
describe.skipIf(!hasStrace)('a writer whose system calls fail (skipped where there is no strace)', () => {
  const limit = FAULTS === undefined ? 180_000 : 3_600_000

  it(
    'in its first life keeps what it promised',
    async () => {
      const place = prepare()
      const life = await live(place)
      expect(life.lines.at(-1)).toBe('closed')
      const calls = callsIn(life.trace, place.directory)
      await checkPromises(place, [life])
      const faults = faultsOf(calls, true)
      expect(faults.length).toBeGreaterThan(15)
      await sufferAll(undefined, [], faults)
    },
    limit,
  )

  it(
    'in a later life keeps what it and the one before promised',
    async () => {
      const template = prepare()
      const before = await live(template)
      const place = prepare(template)
      const life = await live(place)
      const calls = callsIn(life.trace, place.directory)
      await checkPromises(place, [before, life])
      const faults = faultsOf(calls, false)
      expect(faults.length).toBeGreaterThan(2)
      await sufferAll(template, [before], faults)
    },
    limit,
  )
})
