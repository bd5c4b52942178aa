import { readFileSync, writeFileSync } from 'node:fs'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { WritError } from '../../encoding/error.ts'
import { mutateBytes } from './bytes.ts'
import type { Coverage } from './coverage.ts'
import { Random } from './random.ts'
import { type FuzzTarget, onTypedErrors } from './target.ts'

/** What no execution may do: throw what is not typed, take longer, or need more memory. */
export type FaultKind = 'crash' | 'hang' | 'memory'
export interface Fault {
  readonly kind: FaultKind
  readonly target: string
  readonly what: string
  readonly input: Buffer
}

/** Longest time of one execution, by the processor's clock of this thread: others share the machine. */
export const MOST_MS = 100
/** Most memory beyond what the process had before. */
export const MOST_BYTES = 64 << 20
/** Inputs that are kept beside the seeds. */
const MOST_KEPT = 2000
/** In one batch of so many, blocks are counted. */
const COUNTED = 4

export interface Progress {
  executions: number
  /** Processor time of all executions with what made their inputs. */
  ms: number
  slowestMs: number
  /** Most memory that a batch of executions took on. */
  peakBytes: number
}

const collectGarbage = (() => {
  setFlagsFromString('--expose-gc')
  return runInNewContext('gc') as () => void
})()

onTypedErrors(error => error instanceof WritError)

/** Memory of this process now and the most it was since {@link forgetPeak}, from the kernel. */
function resident(): { now: number; peak: number } {
  const status = readFileSync('/proc/self/status', 'latin1')
  const kilobytes = (name: string) =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? 0) << 10
  return { now: kilobytes('VmRSS'), peak: kilobytes('VmHWM') }
}

/** proc(5), /proc/pid/clear_refs: 5 sets the peak back to what there is now. */
function forgetPeak(): void {
  writeFileSync('/proc/self/clear_refs', '5')
}

function cpuMs(): number {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1000
}

/** One target with what it has found so far. */
export class Fuzzer {
  readonly target: FuzzTarget
  readonly progress: Progress = { executions: 0, ms: 0, slowestMs: 0, peakBytes: 0 }
  readonly faults: Fault[] = []
  readonly #random: Random
  readonly #corpus: Buffer[]
  readonly #words: Buffer[]
  readonly #batchSize: number
  #batches = 0

  constructor(target: FuzzTarget, seed: number, batchSize = 256) {
    this.target = target
    this.#batchSize = batchSize
    this.#random = new Random(seed)
    this.#corpus = [...target.seeds]
    this.#words = (target.words ?? []).map(word => Buffer.from(word, 'utf8'))
  }

  get kept(): number {
    return this.#corpus.length - this.target.seeds.length
  }

  /** The seeds as they are, so that what is counted as new is new. */
  warmUp(coverage?: Coverage): void {
    for (const seed of this.target.seeds) this.#check(seed)
    this.progress.executions += this.target.seeds.length
    coverage?.take()
  }

  /** Runs a batch; with `coverage`, some of them are counted, and inputs that reach what none has reached are kept. */
  batch(coverage?: Coverage): void {
    const inputs = Array.from({ length: this.#batchSize }, () => this.#mutated())
    const counted = coverage !== undefined && this.#batches++ % COUNTED === 0
    forgetPeak()
    const before = resident().now
    const start = cpuMs()
    for (const input of inputs) this.#check(input)
    this.progress.ms += cpuMs() - start
    this.progress.executions += inputs.length
    const grown = resident().peak - before
    if (grown > MOST_BYTES) this.#blameMemory(inputs)
    else this.progress.peakBytes = Math.max(this.progress.peakBytes, grown)
    if (!counted) return
    const found = coverage.take()
    if (found.size > 0) this.#keep(inputs, found, coverage)
  }

  #mutated(): Buffer {
    const random = this.#random
    // The shorter of two, mostly: it is done sooner.
    const [one, two] = [random.pick(this.#corpus), random.pick(this.#corpus)]
    const base = one.length < two.length || random.oneIn(4) ? one : two
    const other = random.pick(this.#corpus)
    const structured = random.oneIn(2) ? this.target.structure?.(random, base, other) : undefined
    if (structured !== undefined && !random.oneIn(3)) return structured
    return mutateBytes(random, structured ?? base, other, this.#words)
  }

  #check(input: Buffer): void {
    const start = performance.now()
    this.#run(input)
    const ms = performance.now() - start
    // Another process may have had the processor meanwhile: only what is slow each time is slow.
    if (ms > MOST_MS) this.#blameTime(input)
    else if (ms > this.progress.slowestMs) this.progress.slowestMs = ms
  }

  #run(input: Buffer): void {
    try {
      this.target.run(input)
    } catch (error) {
      if (!(error instanceof WritError))
        this.#fault('crash', error instanceof Error ? (error.stack ?? error.message) : String(error), input)
    }
  }

  #blameTime(input: Buffer): void {
    const times = [1, 2, 3].map(() => {
      const start = cpuMs()
      this.#run(input)
      return cpuMs() - start
    })
    const least = Math.min(...times)
    this.progress.slowestMs = Math.max(this.progress.slowestMs, least)
    if (least > MOST_MS) this.#fault('hang', `${Math.round(least)} ms`, input)
  }

  /** A batch leaves garbage of all its executions: what counts is what one of them needs. */
  #blameMemory(inputs: readonly Buffer[]): void {
    for (const input of inputs) {
      collectGarbage()
      forgetPeak()
      const before = resident().now
      this.#run(input)
      const grown = resident().peak - before
      this.progress.peakBytes = Math.max(this.progress.peakBytes, grown)
      if (grown > MOST_BYTES) this.#fault('memory', `${grown >> 20} MB`, input)
    }
  }

  /** Finds the inputs of a batch that reach blocks which no input before it has reached: first among sixteen, then one by one. */
  #keep(inputs: readonly Buffer[], found: ReadonlySet<string>, coverage: Coverage): void {
    const open = new Set(found)
    for (let from = 0; from < inputs.length && open.size > 0; from += 16) {
      const some = inputs.slice(from, from + 16)
      for (const input of some) this.#run(input)
      if (coverage.reached(open).length === 0) continue
      for (const input of some) {
        this.#run(input)
        const reached = coverage.reached(open)
        for (const block of reached) open.delete(block)
        if (reached.length > 0) this.#add(input)
      }
    }
  }

  #add(input: Buffer): void {
    this.#corpus.push(Buffer.from(input))
    if (this.kept > MOST_KEPT) this.#corpus.splice(this.target.seeds.length, 1)
  }

  #fault(kind: FaultKind, what: string, input: Buffer): void {
    if (this.faults.length < 64)
      this.faults.push({ kind, target: this.target.name, what, input: Buffer.from(input) })
  }
}
