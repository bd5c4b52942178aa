/** One thing measured beside its reference. In JSON exactly these fields, in this order. */
export interface Row {
  readonly row: string
  /** Ours over the reference, so that less is always better; of rates the reference's over ours. Null: not measured. */
  readonly ratio: number | null
  /** Most that the ratio may be. */
  readonly goal: number
  readonly met: boolean
  /** Milliseconds per operation, ours, unless the row's name gives another unit. */
  readonly median: number | null
  readonly p99: number | null
  /** What the reference is and what it took in this run; of a row that was not measured, why not. */
  readonly reference: string
}

/** How long the turns of one row may take, and how many there are however long they take. */
const ROW_SECONDS = 10
const LEAST_ROUNDS = 3

/** What is done once. */
export type Operation = () => Promise<unknown> | unknown

/** Does something once and gives the milliseconds that it took. */
export type Timed = () => Promise<number>

/** A part of a reference; the parts' medians are added up. */
export interface Part {
  readonly name: string
  readonly time: Timed
}

/** Why a row cannot be measured on this machine. */
export class CannotRun extends Error {
  override readonly name = 'CannotRun'
}

/** Takes the time here, in this process. */
export function timed(operation: Operation): Timed {
  return async () => {
    const start = performance.now()
    await operation()
    return performance.now() - start
  }
}

/**
 * Runs ours and every part of the reference in turns, so that a disturbance of the machine hits them all, and compares medians.
 *
 * @param rounds most turns; a tenth as many go before them and do not count. After {@link ROW_SECONDS} there are no more.
 */
export async function compare(
  row: string,
  goal: number,
  ours: Timed,
  parts: readonly Part[],
  rounds: number,
): Promise<Row> {
  const warmup = Math.floor(rounds / 10)
  const end = performance.now() + ROW_SECONDS * 1000
  const times: number[] = []
  const partTimes = parts.map((): number[] => [])
  for (let i = -warmup; i < rounds && (i < LEAST_ROUNDS || performance.now() < end); i++) {
    const time = await ours()
    if (i >= 0) times.push(time)
    for (const [p, part] of parts.entries()) {
      const partTime = await part.time()
      if (i >= 0) partTimes[p]?.push(partTime)
    }
  }
  const medians = partTimes.map(median)
  const base = medians.reduce((sum, value) => sum + value, 0)
  const described = parts.map(({ name }, p) => `${name} ${format(medians[p] ?? Number.NaN)} ms`)
  return makeRow(row, goal, times, median(times) / base, described.join(' + '))
}

/** A row of values, in milliseconds or the unit that its name gives. */
export function makeRow(
  row: string,
  goal: number,
  values: readonly number[],
  ratio: number,
  reference: string,
): Row {
  return {
    row,
    ratio,
    goal,
    met: ratio <= goal,
    median: median(values),
    p99: quantile(values, 0.99),
    reference,
  }
}

/** The row of what was not measured. */
export function unmeasured(row: string, goal: number, why: string): Row {
  return { row, ratio: null, goal, met: false, median: null, p99: null, reference: why }
}

/**
 * What `--check` does not let pass: rows that miss their goal. One that cannot be measured here misses nothing; but where none was measured, nothing
 * was checked, and that is said of each.
 */
export function missed(rows: readonly Row[]): readonly Row[] {
  const measured = rows.filter(({ ratio }) => ratio !== null)
  return measured.length === 0 ? rows : measured.filter(({ met }) => !met)
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5)
}

export function quantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? Number.NaN
}

/** Three digits that count. */
export function format(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3)
}
