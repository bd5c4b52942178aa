import { cpSync } from 'node:fs'
import { basename } from 'node:path'
import fc from 'fast-check'
import { it } from 'vitest'
import { checkpointExtraData } from '../../attestation/index.ts'
import { formatCheckpointText } from '../../lineage/checkpoint.ts'
import { encodeEvent, type Lineage, LineageError, leafHash, parseCheckpoint } from '../../lineage/index.ts'
import { CompactRange } from '../../lineage/tree/merkle.ts'
import { type Call, type Effect, type FaultyIo, faultyIo } from './support/faulty-io.ts'
import { large, numbered, ORIGIN, openLog, temporaryDirectory, testSigner } from './support/log.ts'

const RUNS = Number(process.env.WRIT_FAULT_RUNS ?? 8)

/** What somebody does with a log, and what the system does to it. */
type Step =
  | { does: 'append'; count: number; bytes: number }
  | { does: 'checkpoint' }
  | { does: 'blob'; content: number }
  | { does: 'anchor' }
  /** A clean stop and a start. */
  | { does: 'restart' }
  /** The process is gone; a start finds the files as they are at this moment, whatever is in flight. */
  | { does: 'crash'; turns: number }
  /** One of the next system calls fails. */
  | { does: 'fault'; call: Call; nth: number; effect: Effect; code: string }
  /** The TPM does not answer the next time, before or after it has done what it was asked for. */
  | { does: 'tpm'; effect: Effect }

const EFFECTS = fc.constantFrom<Effect>('did not persist', 'did persist')
const CALLS: Call[] = ['open', 'write', 'writeLarge', 'fdatasync', 'fsync', 'rename', 'unlink', 'mkdir']
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      does: fc.constant('append'),
      count: fc.integer({ min: 1, max: 150 }),
      bytes: fc.constantFrom(100, 100, 9000),
    }),
  },
  { weight: 3, arbitrary: fc.record({ does: fc.constant('checkpoint') }) },
  { weight: 1, arbitrary: fc.record({ does: fc.constant('blob'), content: fc.nat({ max: 3 }) }) },
  { weight: 1, arbitrary: fc.record({ does: fc.constant('anchor') }) },
  { weight: 1, arbitrary: fc.record({ does: fc.constant('restart') }) },
  { weight: 2, arbitrary: fc.record({ does: fc.constant('crash'), turns: fc.nat({ max: 12 }) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      does: fc.constant('fault'),
      call: fc.constantFrom(...CALLS),
      nth: fc.integer({ min: 1, max: 12 }),
      effect: EFFECTS,
      code: fc.constantFrom('EIO', 'ENOSPC', 'EROFS'),
    }),
  },
  { weight: 1, arbitrary: fc.record({ does: fc.constant('tpm'), effect: EFFECTS }) },
) as fc.Arbitrary<Step>

/** A log, those who use it, and all that was ever said to them. */
class World {
  readonly #signer = testSigner()
  #answered = new Map<number, string>()
  #signed = new Set<string>()
  readonly #published: Buffer[] = []
  readonly #blobs = new Set<string>()
  #counter = 7n
  #tpm: Effect | undefined
  #directory = temporaryDirectory()
  #io: FaultyIo = faultyIo()
  #log: Lineage | undefined
  #next = 0

  async take(step: Step): Promise<void> {
    const log = this.#log ?? (await this.#open())
    this.#log = log
    const quietly = (doing: Promise<unknown>) => doing.catch(expected)
    if (step.does === 'append') await quietly(this.#append(log, step.count, step.bytes))
    else if (step.does === 'checkpoint') await quietly(this.#checkpoint(log))
    else if (step.does === 'blob')
      await quietly(log.putBlob(Buffer.alloc(99, step.content)).then(digest => this.#blobs.add(digest)))
    else if (step.does === 'anchor') await quietly(log.anchor())
    else if (step.does === 'fault') this.#io.fail(step.call, step.nth, step.effect, step.code)
    else if (step.does === 'tpm') this.#tpm = step.effect
    else if (step.does === 'restart') await this.#stop(log)
    else await this.#crash(log, step.turns)
  }

  async #append(log: Lineage, count: number, bytes: number): Promise<void> {
    const all = Array.from({ length: count }, async () => {
      const n = this.#next++
      const event = bytes > 1000 ? large(n, bytes) : numbered(n)
      const { index } = await log.append(event)
      this.#answered.set(Number(index), leafHash(encodeEvent(event)).toString('hex'))
    })
    const failed = (await Promise.allSettled(all)).find(ended => ended.status === 'rejected')
    if (failed !== undefined) throw failed.reason
  }

  async #checkpoint(log: Lineage): Promise<void> {
    this.#published.push((await log.checkpoint()).note)
  }

  async #stop(log: Lineage): Promise<void> {
    this.#log = undefined
    await log.close().catch(expected)
  }

  /** @param turns of the event loop that what is on its way gets until the process is gone */
  async #crash(log: Lineage, turns: number): Promise<void> {
    this.#log = undefined
    const doing = [this.#append(log, 30, 100), this.#checkpoint(log), this.#append(log, 200, 100)]
    const ended = Promise.all(doing.map(one => one.catch(expected)))
    for (let turn = 0; turn < turns; turn++) await new Promise(setImmediate)
    const copy = temporaryDirectory()
    cpSync(this.#directory, copy, { recursive: true, filter: path => basename(path) !== 'spare' })
    // What is answered, signed and moved from here on is not: this one goes on only because it cannot be killed.
    const answered = [...this.#answered]
    const signed = [...this.#signed]
    const published = this.#published.length
    const counter = this.#counter
    await ended
    await log.close().catch(expected)
    this.#answered = new Map(answered)
    this.#signed = new Set(signed)
    this.#published.length = published
    this.#counter = counter
    this.#directory = copy
  }

  /** No fault and no loss of power keeps a log from opening: what a start refuses is only what nobody here does. */
  async #open(): Promise<Lineage> {
    this.#io = faultyIo()
    this.#tpm = undefined
    const log = await openLog(this.#directory, {
      io: this.#io,
      counter: { read: async () => this.#counter, increment: () => this.#ask(() => this.#counter++) },
      signer: {
        ...this.#signer,
        quote: extraData => {
          return this.#ask(() => {
            this.#signed.add(extraData.toString('hex'))
            return this.#signer.software.quote(extraData)
          })
        },
      },
    })
    const { v, time, bootNs } = numbered(0)
    if (log.openedAfterUncleanStop)
      await log.append({ v, time, bootNs, type: 'recovery', tail: Number(log.tailIndex) })
    return log
  }

  async #ask<T>(what: () => T): Promise<T> {
    const effect = this.#tpm
    this.#tpm = undefined
    if (effect === 'did not persist') throw new TpmGone()
    const answer = what()
    if (effect !== undefined) throw new TpmGone()
    return answer
  }

  /** All that was promised, to whomever and whenever, holds. */
  async check(): Promise<void> {
    if (this.#log !== undefined) await this.#stop(this.#log)
    const log = await this.#open()
    const leaves: string[] = []
    const roots: Buffer[] = []
    const range = new CompactRange()
    while (BigInt(leaves.length) < log.size) {
      for (const { bytes } of await log.readEntries(BigInt(leaves.length), log.size)) {
        roots.push(range.root())
        const leaf = leafHash(bytes)
        leaves.push(leaf.toString('hex'))
        range.append(leaf)
      }
    }
    roots.push(range.root())
    if (!range.root().equals(log.rootHash())) throw new Error('the entries do not make up the tree')
    for (const [index, leaf] of this.#answered)
      if (leaves[index] !== leaf)
        throw new Error(`entry ${index} of ${leaves.length} is not the one that was answered`)
    const trees = new Set(roots.map((root, size) => extraDataOf(size, root)))
    for (const extraData of this.#signed)
      if (!trees.has(extraData)) throw new Error('a tree was signed that is none of this log')
    for (const note of this.#published) {
      const { size, root } = parseCheckpoint(note)
      if (roots[size]?.equals(root) !== true)
        throw new Error(`the published tree of ${size} is none of this log`)
      if ((log.latestCheckpoint()?.size ?? -1) < size) throw new Error(`the checkpoint of ${size} is gone`)
    }
    for (const digest of this.#blobs) await log.getBlob(digest)
    await this.#checkpoint(log)
    await log.close()
  }
}

class TpmGone extends Error {}

/** What a fault may end in for whoever uses the log. */
function expected(error: unknown): void {
  if (error instanceof TpmGone) return
  if (error instanceof LineageError && error.code === 'LINEAGE_UNAVAILABLE') return
  throw error
}

function extraDataOf(size: number, root: Buffer): string {
  return checkpointExtraData(formatCheckpointText({ origin: ORIGIN, size, root })).toString('hex')
}

it('whatever fails in whatever order, what was answered, signed and published holds', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 14 }), async steps => {
      const world = new World()
      for (const one of steps) await world.take(one)
      await world.check()
    }),
    { numRuns: RUNS },
  )
}, 600_000)
