import { mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import type { Quote } from '../../../attestation/index.ts'
import { Attestor, type AttestorOptions } from '../../../daemon/attestor.ts'
import { TrustGate } from '../../../daemon/gate.ts'
import { LeasePage } from '../../../daemon/native.ts'
import type { SignedReferenceValues } from '../../../daemon/reference-values.ts'
import { WallClock } from '../../../daemon/wall-clock.ts'
import { silent } from '../../daemon/support/world.ts'
import { type Parts, parts, SyntheticHost } from '../synthetic-host.ts'

export const MAX_AGE_NS = 30_000_000_000n

type AskedQuote = (asked: { extraData: Buffer }) => Promise<Quote>
type CycleOptions = Record<string, unknown> & {
  tpm: { quote: AskedQuote }
  reference: () => SignedReferenceValues
}

/** An attestor over a host whose TPM is a key of ours: each quote can be what no TPM would say. */
export function setupCycle() {
  const host = new SyntheticHost()
  const measured: Parts = parts()
  const evidence = host.evidence(measured)
  const folder = mkdtempSync(join(tmpdir(), 'writ-historic-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  writeFileSync(join(folder, 'eventlog'), evidence.eventLog)
  writeFileSync(join(folder, 'userspace'), evidence.userspaceLog ?? '')
  writeFileSync(join(folder, 'ima'), evidence.imaLog ?? '')
  const values = host.reference()
  const reference = { values, digest: values.digest, envelope: Buffer.alloc(0) }
  const clock = { ns: 1_000_000_000n }
  const bootNs = () => ++clock.ns
  const gate = new TrustGate({ lease: LeasePage.create(), maxEvidenceAgeNs: MAX_AGE_NS, now: () => clock.ns })
  const asked: Buffer[] = []
  let ticks = 1000n
  const quote = async ({ extraData }: { extraData: Buffer }): Promise<Quote> => {
    asked.push(extraData)
    return host.key.quote(host.pcrs(measured), {
      extraData,
      clock: { clock: ++ticks, resetCount: 7, restartCount: 0, safe: true },
    })
  }
  /** What throws when it is asked, by what it stands in for. */
  const faults: { logs?: () => never; store?: () => never } = {}
  const lineage = {
    size: 0n,
    rootHash: () => Buffer.alloc(32),
    holdBlob: () => true,
    putBlob: async () => faults.store?.() ?? '0'.repeat(64),
  }
  const options: CycleOptions = {
    tpm: { quote },
    clock: new WallClock({ wallMs: () => Number(clock.ns / 1_000_000n), bootNs, monotonicNs: bootNs }),
    ...{ lineage, gate, bootNs, tier: 'simulated', cycleMs: 1e6, recoverByItself: false, log: silent },
    ak: host.key.ak,
    signingKey: {},
    openLog: async (kind: string) => faults.logs?.() ?? openSync(join(folder, kind), 'r'),
    recorder: { record: async () => 0n },
    sessionKeySpkiDigest: Buffer.alloc(32, 9),
    reference: () => reference,
    governed: new Set(),
    previous: null,
  }
  const attestor = new Attestor(options as unknown as AttestorOptions)
  onTestFinished(() => attestor.stop())
  return {
    host,
    attestor,
    faults,
    gate,
    clock,
    asked,
    reference,
    options,
    state: () => gate.snapshot().state,
  }
}
