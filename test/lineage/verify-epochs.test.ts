import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { encodeReferenceValues } from '../../attestation/index.ts'
import { sha256Hex } from '../../encoding/digest.ts'
import { exportLog, type Lineage, type LineageEvent, verifyLog } from '../../lineage/index.ts'
import { EpochCheck } from '../../lineage/verify/epochs.ts'
import { signEnvelope } from '../../signing/dsse.ts'
import { generateKey } from '../../signing/key.ts'
import { SyntheticHost } from '../attestation/synthetic-host.ts'
import { accept, common, facts, HASH, makeLog, nextEpoch } from './support/epochs.ts'
import { CONFIG, numbered, openLog } from './support/log.ts'

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
  async function epochs(
    options: Parameters<typeof nextEpoch>[1] & { old?: (log: Lineage) => Promise<unknown> } = {},
  ) {
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
    await options.old?.(log)
    await log.close()
    rmSync(join(directory, 'state/anchor'))
    const more = options.more ?? [
      revocation(blob),
      { ...common, type: 'trust-transition', from: 'UNATTESTED', to: 'FAILED', epoch: 0, reasons: [] },
    ]
    await nextEpoch(directory, { ...options, more })
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

  test.each<[string, Parameters<typeof nextEpoch>[1], RegExp]>([
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

  const envelope = (text: string | Buffer) =>
    signEnvelope('text/plain', Buffer.from(text), [generateKey('ed25519')])
  const failed: LineageEvent = {
    ...common,
    ...{ type: 'trust-transition', from: 'UNATTESTED', to: 'FAILED', epoch: 0, reasons: [] },
  }
  const carriedRevocation = revocation(sha256Hex(Buffer.from('a revocation')))
  const policy = (blob: string): LineageEvent => ({
    ...common,
    type: 'policy',
    digest: HASH,
    version: 1,
    blob,
  })

  test.each<[string, (log: Lineage) => Promise<unknown>, Parameters<typeof nextEpoch>[1], RegExp]>([
    [
      'a failure that a clearance is said to have ended',
      async log => {
        // The failure is entry 4.
        for (const transition of [2, 4]) {
          const clearance = { clears: { kind: 'failure', transition } }
          const blob = await log.putBlob(envelope(JSON.stringify(clearance)))
          await log.append({ ...common, type: 'failure-cleared', digest: HASH, blob })
        }
      },
      { more: [carriedRevocation] },
      /as if it had not/,
    ],
    [
      'a wall clock that was not relied on',
      log => log.append({ ...common, type: 'clock-untrusted', why: 'it was set back' }),
      {},
      /^FAILED the wall clock was not relied on \(entry 5\)/,
    ],
    [
      'a policy that was left behind because a newer one is lost',
      async log => {
        await log.append(policy(await log.putBlob(envelope('older'))))
        await log.append(policy(HASH))
      },
      { carried: { ...facts, lost: [{ index: 6, type: 'policy', blob: HASH }] } },
      /was not carried over/,
    ],
    [
      'reference values that were left behind',
      async log => {
        const blob = await log.putBlob(envelope(encodeReferenceValues(new SyntheticHost().document())))
        await log.append({ ...common, type: 'reference-values', digest: HASH, blob })
      },
      {},
      /was not carried over/,
    ],
  ])('tells %s', async (_, old, options, why) => {
    const { verify, aside } = await epochs({ ...options, old })
    const found = (await verify(aside))['log before this one']
    expect(found).toMatch(/^FAILED/)
    expect(found).toMatch(why)
  })

  test('tells a revocation that is named as lost, and is there', async () => {
    const signed = envelope('a revocation that is there')
    const blob = sha256Hex(signed)
    const old = async (log: Lineage) => log.append(revocation(await log.putBlob(signed)))
    const lost = [{ index: 5, type: 'revocation', blob } as const]
    const options = { old, more: [carriedRevocation, failed], carried: { ...facts, lost } }
    const { verify, aside } = await epochs(options)
    expect((await verify(aside))['log before this one']).toBe(
      `FAILED a document is named as lost, and the old log has it: ${blob}`,
    )
    // What is lost indeed may be named.
    const gone = await epochs({
      ...options,
      old: log => log.append(revocation(HASH)),
      carried: { ...facts, lost: [{ index: 5, type: 'revocation', blob: HASH }] },
    })
    expect((await gone.verify(gone.aside))['log before this one']).toMatch(/^VERIFIED/)
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
