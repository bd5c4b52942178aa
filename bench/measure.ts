/** One thing measured beside its reference, in turns, so that a disturbance of the machine hits both. */
export interface Row {
  readonly row: string
  /** Median of ours over median of the reference; of rates the other way round, so that less is always better. */
  readonly ratio: number
  readonly goal: number
  readonly met: boolean
  /** Milliseconds per operation, ours. */
  readonly median: number
  readonly p99: number
  /** What the reference is, and its median in milliseconds. */
  readonly reference: string
}

type Operation = () => Promise<unknown> | unknown

/** Runs ours and the reference in turns and compares their medians. */
export async function compare(
  row: string,
  goal: number,
  ours: Operation,
  reference: { readonly name: string; readonly run: Operation },
  rounds: number,
): Promise<Row> {
  const times = { ours: [] as number[], reference: [] as number[] }
  for (let i = 0; i < Math.ceil(rounds / 10); i++) {
    await ours()
    await reference.run()
  }
  for (let i = 0; i < rounds; i++) {
    times.ours.push(await timed(ours))
    times.reference.push(await timed(reference.run))
  }
  const median = quantile(times.ours, 0.5)
  const base = quantile(times.reference, 0.5)
  const ratio = median / base
  return {
    row,
    ratio,
    goal,
    met: ratio <= goal,
    median,
    p99: quantile(times.ours, 0.99),
    reference: `${reference.name}: ${base.toFixed(3)} ms`,
  }
}

async function timed(operation: Operation): Promise<number> {
  const start = performance.now()
  await operation()
  return performance.now() - start
}

function quantile(times: readonly number[], q: number): number {
  const sorted = times.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? Number.NaN
}
