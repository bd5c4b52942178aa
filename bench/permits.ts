import { mint } from './authorize.ts'
import type { EmptyRpc } from './empty-rpc.ts'
import { type Governed, policySet } from './governed.ts'
import { format, makeRow, median, type Operation, type Row } from './measure.ts'

const IN_FLIGHT = 64
/** Slices of ours and of the reference take turns; in each, calls are begun for so long. */
const SLICE_MS = 700
const SLICES = 7

export const permitsTitle = `permits (Authorize that mints, durable), ${IN_FLIGHT} in flight, 10 policies`

/** Rate of durable permits beside the rate of empty calls. Milliseconds are those between two answers. */
export async function permits(governed: Governed, empty: EmptyRpc): Promise<Row> {
  await governed.loadPolicies(policySet(10))
  const ours: number[] = []
  const reference: number[] = []
  for (let i = -1; i < SLICES; i++) {
    const our = await slice(() => mint(governed))
    const other = await slice(() => empty.call())
    if (i < 0) continue
    ours.push(our)
    reference.push(other)
  }
  const rate = (ms: number) => `${format(1000 / ms)}/s`
  return makeRow(
    permitsTitle,
    1 / 0.6,
    ours,
    median(ours) / median(reference),
    `empty RPC, ${IN_FLIGHT} in flight: ${rate(median(reference))}; ours: ${rate(median(ours))}`,
  )
}

/** Milliseconds per call. */
async function slice(call: Operation): Promise<number> {
  const start = performance.now()
  let calls = 0
  const worker = async () => {
    while (performance.now() - start < SLICE_MS) {
      await call()
      calls++
    }
  }
  await Promise.all(Array.from({ length: IN_FLIGHT }, worker))
  return (performance.now() - start) / calls
}
