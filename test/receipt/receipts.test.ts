import { describe, expect, test, vi } from 'vitest'
import { Receipts } from '../../daemon/receipts.ts'
import type { Lineage } from '../../lineage/index.ts'
import { parseReceipt } from '../../receipt/index.ts'
import { begun, withSigner } from './support/finished.ts'

const HOST_PART = {
  akPublicArea: Buffer.from('public'),
  akCertificate: null,
  ekCertificate: null,
  ekIntermediates: [],
}
const none = () => new AbortController().signal
const CALLER = 1000

async function receipts(seal: (lineage: Lineage) => unknown = lineage => lineage.checkpoint()) {
  const w = await begun()
  const done = [await w.run(), await w.run()]
  const { lineage, signer } = await withSigner(w)
  const asked: number[] = []
  const known = new Map(done.map(({ id, permit }) => [id, permit]))
  const running = new Set<string>()
  const made = new Receipts({
    ...{ lineage, host: HOST_PART, logKey: signer.logKey },
    permitOf: id => known.get(id) ?? null,
    isRunning: id => running.has(id),
    seal: () => {
      asked.push(performance.now())
      void seal(lineage)
    },
  })
  const request = (n = 0) => ({ executionId: done[n]?.id ?? '', decision: null, auditor: false })
  return { made, done, known, running, asked, lineage, request }
}

describe('receipts', () => {
  test('wait for a checkpoint that covers the end, and ask for one only if there is none', async () => {
    const { made, asked, request, lineage } = await receipts()
    const first = parseReceipt(await made.make(CALLER, request(), none()))
    expect(asked.length).toBe(1)
    expect(first.checkpoint).toEqual(lineage.latestCheckpoint()?.note)
    await made.make(CALLER, request(1), none())
    expect(asked.length).toBe(1)
  })

  test('ask for a checkpoint once a second at most, however many wait for it', async () => {
    let calls = 0
    // The TPM is gone for a while.
    const { made, asked, request } = await receipts(lineage => calls++ > 0 && lineage.checkpoint())
    const both = Array.from({ length: 2 }, (_, i) => made.make(CALLER, request(i), none()))
    await Promise.all(both)
    expect(asked.length).toBe(2)
    expect((asked[1] ?? 0) - (asked[0] ?? 0)).toBeGreaterThanOrEqual(999)
  })

  test('are not looked for in the log while the execution runs', async () => {
    const { made, running, lineage, request } = await receipts()
    running.add(request().executionId)
    const read = vi.spyOn(lineage, 'readEntries')
    await expect(made.make(CALLER, request(), none())).rejects.toMatchObject({ code: 'NOT_ENDED' })
    expect(read).not.toHaveBeenCalled()
    running.clear()
    await made.make(CALLER, request(), none())
  })

  test('are given up when nobody waits for them, and leave their place', async () => {
    const { made, request } = await receipts(() => undefined)
    const gone = new AbortController()
    const all = Array.from({ length: 4 }, () => made.make(CALLER, request(), gone.signal))
    gone.abort(new Error('gone'))
    for (const one of all) await expect(one).rejects.toThrow('gone')
  })

  test('of one uid do not keep those of another from their turn, and have a bound', async () => {
    const { made, request } = await receipts(() => undefined)
    const gone = new AbortController()
    const all = Array.from({ length: 18 }, () => made.make(CALLER, request(), gone.signal))
    const refused = made.make(CALLER, request(), gone.signal)
    await expect(refused).rejects.toMatchObject({ code: 'BUSY' })
    // Somebody else still gets a place.
    const other = made.make(CALLER + 1, request(), gone.signal)
    gone.abort(new Error('gone'))
    for (const one of [...all, other]) await expect(one).rejects.toThrow('gone')
  })

  test('of what the daemon does not remember need to be told where the permit is, but for auditors', async () => {
    const { made, known, done, request } = await receipts()
    known.clear()
    const [first] = done
    await expect(made.make(CALLER, request(), none())).rejects.toMatchObject({ code: 'ENTRY_MISSING' })
    const told = await made.make(CALLER, { ...request(), decision: first?.permit ?? 0n }, none())
    await expect(
      made.make(CALLER, { ...request(), decision: done[1]?.permit ?? 0n }, none()),
    ).rejects.toMatchObject({ code: 'NOT_PERMITTED' })
    const searched = await made.make(CALLER, { ...request(), auditor: true }, none())
    expect(parseReceipt(searched).entries).toEqual(parseReceipt(told).entries)
  })

  test('carry what their caller may see', async () => {
    const { made, request } = await receipts()
    const own = parseReceipt(await made.make(CALLER, request(), none()))
    const audited = parseReceipt(await made.make(CALLER, { ...request(), auditor: true }, none()))
    expect([...own.blobs.values()].map(String).sort()).toEqual(['attest', 'signature'])
    const more = [...audited.blobs.values()].map(String)
    expect(more.length).toBeGreaterThan(2)
    // Policy and trust roots among them.
    expect(more.some(text => text.includes('payload'))).toBe(true)
  })
})
