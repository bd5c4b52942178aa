import { describe, expect, it } from 'vitest'
import { checkpointExtraData } from '../../attestation/index.ts'
import { formatNote, parseNote } from '../../lineage/c2sp/note.ts'
import { encodeTpmSignature } from '../../lineage/checkpoint.ts'
import { CompactRange, leafHash } from '../../lineage/tree/merkle.ts'
import { RecentTrees } from '../../lineage/verify/recent-trees.ts'
import { stranger, type Telling, ToldLog } from './support/told-log.ts'

const CHAIN = 'chain of checkpoints'

/** What is said of the chain of a log with an honest checkpoint, this one and another honest one. */
async function chainWith(telling: (log: ToldLog) => Telling | Promise<Telling>): Promise<string | undefined> {
  const log = await ToldLog.make()
  await log.fill(3)
  await log.tell()
  await log.fill(2)
  await log.tell(await telling(log))
  return (await log.verify())[CHAIN]
}

describe('the chain of checkpoints', () => {
  it('holds, and says how many, since when and across how many resets', async () => {
    const log = await ToldLog.make()
    for (let told = 0; told < 3; told++) {
      await log.fill(2)
      await log.tell()
      await log.appraise()
    }
    log.tpm.resetCount++
    log.tpm.restartCount = 0
    log.tpm.clock = 5n
    log.tpm.safe = false
    await log.start()
    await log.tell()
    const results = await log.verify()
    expect(results[CHAIN]).toBe(
      'VERIFIED the published one and 4 before it are anchored in the TPM since 2026-11-21T02:00:00.000Z, across 1 resets',
    )
    expect(Object.values(results).filter(said => said.startsWith('FAILED'))).toEqual([])
  })

  it('is of the published one alone where the log tells of none', async () => {
    const log = await ToldLog.make()
    expect((await log.verify())[CHAIN]).toMatch(/^VERIFIED the published one and 0 before it/)
  })

  it('is not checked without an attestation key; what contradicts the entries fails all the same', async () => {
    const log = await ToldLog.make()
    await log.fill(3)
    await log.tell()
    const { ak: _, ...trust } = log.trust
    const without = async () => {
      Object.assign(log, { trust })
      return (await log.verify())[CHAIN]
    }
    expect(await without()).toBe('NOT CHECKED no attestation key was given')
    await log.tell({ size: 2, root: Buffer.alloc(32) })
    expect(await without()).toMatch(/^FAILED/)
  })

  it.each<[string, (log: ToldLog) => Telling | Promise<Telling>, string]>([
    [
      'of another log',
      () => ({ origin: 'lineage.example/other' }),
      'a checkpoint of the log lineage.example/other',
    ],
    [
      'of a tree that the log did not have',
      ({ size }) => ({ size, root: Buffer.alloc(32, 1) }),
      'another tree at',
    ],
    [
      'of more entries than there were',
      ({ size }) => ({ size: size + 1, root: Buffer.alloc(32) }),
      'which there were not yet',
    ],
    ['of no more entries than the one before', () => ({ size: 4 }), 'entries after one of 4'],
    ['of fewer entries than the one before', () => ({ size: 3 }), 'entries after one of 4'],
    ['of another size than its entry says', () => ({ entry: { size: 5 } }), 'another size or root'],
    [
      'of another root than its entry says',
      () => ({ entry: { root: '0'.repeat(64) } }),
      'another size or root',
    ],
    [
      'with the PCR values of another quote',
      async ({ log }) => ({ entry: { pcrs: await log.putBlob(Buffer.alloc(512, 9)) } }),
      'not those that its checkpoint quotes',
    ],
    ['by another log key', ({ signer }) => ({ signer: stranger('log key', signer) }), "not by the log's key"],
    [
      'by another attestation key',
      ({ signer }) => ({ signer: stranger('AK', signer) }),
      'another attestation key',
    ],
    ['that is no note', () => ({ note: () => Buffer.from('no note') }), 'entry 7:'],
  ])('fails with one %s', async (_, telling, detail) => {
    const found = await chainWith(telling)
    expect(found).toMatch(/^FAILED/)
    expect(found).toContain(detail)
  })

  it.each<[string, (state: ToldLog['tpm']) => void]>([
    ['of other PCRs', state => Object.assign(state, { selection: '00000001000b03ff0f00' })],
    ['of no PCR', state => Object.assign(state, { selection: '00000000' })],
    ['that no TPM generated', state => Object.assign(state, { magic: 'ff544348' })],
  ])('fails with a quote %s', async (_, change) => {
    const found = await chainWith(async log => ({ note: await resigned(log, change) }))
    expect(found).toMatch(/^FAILED entry 7: /)
  })

  it('fails with a quote that is bound to another checkpoint', async () => {
    const found = await chainWith(async log => ({
      note: await resigned(log, () => undefined, Buffer.from('other')),
    }))
    expect(found).toMatch(/^FAILED entry 7: the tpm2-quote line does not hold.*not bound/)
  })

  /** The note with a quote by the right key, of another state or over other bytes. */
  async function resigned(log: ToldLog, change: (state: ToldLog['tpm']) => void, over?: Buffer) {
    return (note: Buffer) => {
      const { text, signatures } = parseNote(note)
      const state = { ...log.tpm }
      change(log.tpm)
      const quote = log.signer.software.quote(checkpointExtraData(over ?? text))
      Object.assign(log.tpm, state)
      const [own, tpm] = signatures
      if (own === undefined || tpm === undefined) throw new Error('two lines')
      return formatNote({ text, signatures: [own, { ...tpm, signature: encodeTpmSignature(quote) }] })
    }
  }

  describe('in the TPM’s time', () => {
    it.each<[string, (state: ToldLog['tpm']) => void, string]>([
      [
        'clock goes back',
        state => Object.assign(state, { clock: 500n }),
        'clock went back from 1010 to 510 ms',
      ],
      [
        'reset count goes back',
        state => Object.assign(state, { resetCount: 1 }),
        'reset count went back from 2 to 1',
      ],
      [
        'restart count goes back',
        state => Object.assign(state, { restartCount: 0 }),
        'restart count went back from 1 to 0',
      ],
      ['clock ceases to be safe', state => Object.assign(state, { safe: false }), 'ceased to be safe'],
      [
        'firmware goes back',
        state => Object.assign(state, { firmware: '2019102300163635', resetCount: 3 }),
        'firmware went back',
      ],
      [
        'firmware changes without a reset',
        state => Object.assign(state, { firmware: '2019102300163637' }),
        'without a reset',
      ],
    ])('fails when its %s', async (_, change, detail) => {
      const log = await ToldLog.make()
      await log.tell()
      await log.fill()
      change(log.tpm)
      await log.tell()
      expect((await log.verify())[CHAIN]).toMatch(/^FAILED/)
      expect((await log.verify())[CHAIN]).toContain(detail)
      // The published one is held against those before it just as well.
      const published = await ToldLog.make()
      await published.tell()
      change(published.tpm)
      expect((await published.verify())[CHAIN]).toMatch(new RegExp(`^FAILED .*${detail.split(' from ')[0]}`))
    })

    it('fails when the clock goes back between two of trees from before the first of their entries', async () => {
      const log = await ToldLog.make()
      await log.fill(5)
      await log.tell({ size: 3 })
      log.tpm.clock = 500n
      await log.tell({ size: 5 })
      log.tpm.clock = 5000n
      expect((await log.verify())[CHAIN]).toMatch(
        /^FAILED entry 7: .*clock went back from 1010 to 510 ms since the checkpoint before it$/,
      )
    })

    it('takes newer firmware across a reset, and counts it', async () => {
      const log = await ToldLog.make()
      await log.tell()
      Object.assign(log.tpm, { firmware: '2019102300163637', resetCount: 3, restartCount: 0, clock: 1n })
      expect((await log.verify())[CHAIN]).toMatch(/^VERIFIED .*1 resets, 1 changes of its firmware$/)
    })

    it('fails when the clock is behind that of an appraisal before it, or an appraisal behind a checkpoint before it', async () => {
      const log = await ToldLog.make()
      log.tpm.clock = 5000n
      await log.appraise()
      log.tpm.clock = 4000n
      await log.tell()
      expect((await log.verify())[CHAIN]).toMatch(
        /^FAILED entry 2: the checkpoint in entry 2: the TPM's clock went back .* since the appraisal in entry 1$/,
      )
      const other = await ToldLog.make()
      other.tpm.clock = 5000n
      await other.tell()
      other.tpm.clock = 4000n
      await other.appraise()
      other.tpm.clock = 6000n
      expect((await other.verify())[CHAIN]).toMatch(/^FAILED entry 2: the appraisal in entry 2/)
    })

    it('does not mind in which order two have their entries that were made at one time', async () => {
      const log = await ToldLog.make()
      await log.fill()
      const earlier = await log.appraised()
      await log.tell()
      await log.log.append(earlier)
      expect((await log.verify())[CHAIN]).toMatch(/^VERIFIED/)
      // The same quote in a tree that has the checkpoint's entry was made after it.
      const late = { ...earlier, binding: { ...earlier.binding, treeSize: log.size } }
      await log.log.append(late)
      expect((await log.verify())[CHAIN]).toMatch(/^FAILED/)
    })

    it('passes over a host that failed for its clock, as it says itself', async () => {
      const log = await ToldLog.make()
      await log.tell()
      const { clock, ...event } = await log.appraised('fail')
      const back = { ...event, clock: clock && { ...clock, clock: '1' } }
      const reasons = [{ code: 'CLOCK_ROLLED_BACK', message: 'it went back', at: null }]
      await log.log.append({ ...back, reasons })
      expect((await log.verify())[CHAIN]).toMatch(/^VERIFIED/)
      await log.log.append(back)
      expect((await log.verify())[CHAIN]).toMatch(/^FAILED/)
    })
  })

  it('looks up a tree of long ago in the tiles', async () => {
    const log = await ToldLog.make()
    await log.fill(300)
    const { log: lineage } = log
    const root = await lineage.rootAt(200n)
    await log.fill(17_000)
    await log.tell({ size: 200, root })
    expect((await log.verify())[CHAIN]).toMatch(/^VERIFIED/)
    await log.tell({ size: 250, root })
    expect((await log.verify())[CHAIN]).toMatch(/^FAILED entry \d+: the log had another tree at 250 entries$/)
  })

  it('looks at the signatures of some of very many, always at the newest, and at all if asked', async () => {
    const log = await ToldLog.make()
    const signer = stranger('log key', log.signer)
    const keep = false
    for (let told = 0; told < 530; told++) await log.tell(told === 520 ? { signer, keep } : { keep })
    const found = (await log.verify())[CHAIN]
    expect(found).toMatch(/^VERIFIED .* and 530 before it .*\(signatures of 51[0-9] looked at\)/)
    const FORGED = /^FAILED .*not by the log's key/
    expect((await log.verify({ everyCheckpoint: true }))[CHAIN]).toMatch(FORGED)
    await log.tell({ signer, keep })
    expect((await log.verify())[CHAIN]).toMatch(FORGED)
    await log.tell({ keep })
    expect((await log.verify())[CHAIN]).toMatch(/^VERIFIED/)
    log.tpm.resetCount++
    await log.tell({ signer, keep })
    await log.tell({ keep })
    expect((await log.verify())[CHAIN]).toMatch(FORGED)
  })
})

it('the newest trees of a log have the roots that they had', () => {
  const range = new CompactRange()
  const trees = new RecentTrees()
  const roots = [range.root()]
  for (let n = 0; n < 700; n++) {
    range.append(leafHash(Buffer.from(String(n))), trees.completed)
    trees.appended()
    roots.push(range.root())
    expect(trees.rootAt(n + 2)).toBeUndefined()
  }
  for (const [size, root] of roots.entries()) expect(trees.rootAt(size), String(size)).toEqual(root)
})
