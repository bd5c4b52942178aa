import { onTestFinished } from 'vitest'
import { sha256Hex } from '../../../encoding/digest.ts'
import type { Lineage } from '../../../lineage/index.ts'
import type { Numbered, ReceiptLog } from '../../../receipt/index.ts'
import { HOST, REFERENCE, session } from '../../authorization/scenario.ts'
import { running } from '../../daemon/support/executions.ts'
import { type World, world } from '../../daemon/support/world.ts'
import { openLog, testSigner } from '../../lineage/support/log.ts'
import { CONFIG, daemonStart } from '../../lineage/support/plain-events.ts'

/** The daemon begins a run and appraises its host, for real but for the evidence. */
async function begin(w: World): Promise<void> {
  await w.lineage.putBlob(CONFIG)
  const { lineage, recorder, time, gate } = w
  const start = daemonStart(session, HOST)
  await lineage.append(start)
  const lineageRoot = lineage.rootHash().toString('hex')
  const index = await recorder.record({
    type: 'appraisal',
    verdict: 'pass',
    evidence: {
      attest: await lineage.putBlob(Buffer.from('attest')),
      signature: await lineage.putBlob(Buffer.from('signature')),
      eventLog: await lineage.putBlob(Buffer.from('log')),
      userspaceLog: null,
      ...{ imaLog: [], imaLength: 0 },
    },
    binding: {
      domain: 'writ/v1/cycle',
      nonce: '0'.repeat(64),
      treeSize: Number(lineage.size),
      lineageRoot,
      sessionKeySpkiDigest: sha256Hex(session.public.spki),
      referenceValuesDigest: REFERENCE,
    },
    clock: null,
    reasons: [],
  })
  time.bootNs += 1n
  gate.renew({
    ...{ instantNs: time.bootNs, referenceValuesDigest: REFERENCE, tier: 'simulated', resetCount: 1 },
    ...{ claims: null, appraisalIndex: index },
  })
}

/** A world whose daemon has begun, and which runs what is permitted. */
export async function begun() {
  const w = await world()
  await begin(w)
  return {
    ...w,
    /** Runs one execution to its end. */
    async run(): Promise<{ id: string; permit: bigint }> {
      const { id, done } = await running(w)
      w.launcher.end(id, { exitCode: 0 })
      await done
      return { id, permit: w.registry.get(id)?.decisionIndex ?? -1n }
    },
    begin: () => begin(w),
  }
}

/** The log of a world, from now on with a signer of checkpoints. */
export async function withSigner(
  w: Pick<World, 'lineage' | 'dir'>,
): Promise<{ lineage: Lineage; signer: ReturnType<typeof testSigner> }> {
  await w.lineage.close()
  const signer = testSigner()
  const lineage = await openLog(w.dir, { signer })
  onTestFinished(() => lineage.close().catch(() => undefined))
  return { lineage, signer }
}

/** A lineage as the source of receipts. */
export function sourceOf(lineage: Lineage): ReceiptLog {
  return {
    get size() {
      return lineage.size
    },
    entry: index => lineage.entry(index),
    readEntries: (from, to) => lineage.readEntries(from, to),
    inclusionProof: (index, size) => lineage.inclusionProof(index, size),
    consistencyProof: (size1, size2) => lineage.consistencyProof(size1, size2),
    blob: digest => lineage.getBlob(digest).catch(() => null),
  }
}

/** The types of entries, in their order. */
export const types = (entries: readonly Numbered[]) => entries.map(({ event }) => event.type)
