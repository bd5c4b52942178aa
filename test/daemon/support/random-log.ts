import fc from 'fast-check'
import { expect } from 'vitest'
import {
  signClearance,
  signHostLabels,
  signRevocation,
  signTrustRoots,
} from '../../../authorization/index.ts'
import { Snapshots } from '../../../daemon/history/snapshots.ts'
import type { EventBody } from '../../../daemon/recorder.ts'
import { sha256Hex } from '../../../encoding/digest.ts'
import type { Lineage, LineageEvent } from '../../../lineage/index.ts'
import type { PrivateKey } from '../../../signing/key.ts'
import { governance, HOST, mallory, policyEnvelope } from '../../authorization/scenario.ts'
import { daemonStart } from '../../lineage/support/log.ts'
import { referenceEnvelope } from './reference.ts'

export const HEX = 'ab'.repeat(32)
const KEYS = { governance, mallory } as const
type Signer = keyof typeof KEYS

const LABELS = { policy: 1, 'trust-roots': 1, 'host-labels': 1, 'reference-values': 1 }

/** A log that is made of drawn events, each of a form that the daemon could have written. */
export class Writer {
  readonly lineage: Lineage
  readonly snapshots: Snapshots
  #ms = Date.parse('2026-11-21T02:00:00.000Z')
  #bootMs = 1000
  #epoch = 0
  #versions = 0
  #tpm = 5000n
  #failed = -1
  #fault = -1
  #tail = -1

  constructor(lineage: Lineage) {
    this.lineage = lineage
    const record = (body: EventBody) => this.write(body)
    const quiet = { warn: (fields: object) => expect(fields).toBe('no warning'), debug: () => undefined }
    this.snapshots = new Snapshots({
      lineage,
      recorder: { record },
      uses: { forgetBefore: function* () {} },
      log: quiet,
      everyEntries: 1,
    })
  }

  get nowMs(): number {
    return this.#ms
  }

  pass(ms: number): void {
    this.#ms += ms
    this.#bootMs += ms
    this.#tpm += BigInt(Math.max(0, ms))
  }

  /** The wall clock is set, and nothing else moves. */
  setClock(byMs: number): void {
    this.#ms = Math.max(Date.parse('2026-01-01T00:00:00.000Z'), this.#ms + byMs)
  }

  async write(body: EventBody): Promise<bigint> {
    const time = new Date(this.#ms).toISOString()
    const event = { ...body, v: 1, time, bootNs: String(BigInt(this.#bootMs) * 1_000_000n) } as LineageEvent
    return (await this.lineage.append(event)).index
  }

  async start(boot: number): Promise<void> {
    const event = daemonStart(governance, HOST) as LineageEvent & { type: 'daemon-start' }
    await this.write({ ...event, bootId: `01234567-89ab-cdef-0123-${String(boot).padStart(12, '0')}` })
  }

  async document(kind: keyof typeof LABELS, by: Signer): Promise<void> {
    const version = ++this.#versions
    const key = KEYS[by]
    const blob = await this.lineage.putBlob(document(kind, version, key))
    const body = { type: kind, digest: HEX, version, blob }
    await this.write(kind === 'reference-values' ? { type: kind, digest: HEX, blob } : (body as EventBody))
  }

  async revoke(what: Signer | 'program'): Promise<void> {
    const epoch = ++this.#epoch
    const target =
      what === 'program'
        ? { kind: 'program' as const, digest: HEX }
        : { kind: 'key' as const, id: KEYS[what].public.id }
    const blob = await this.lineage.putBlob(
      signRevocation({ version: 1, epoch, revoke: [target] }, governance),
    )
    await this.write({ type: 'revocation', digest: HEX, epoch, blob, manifest: blob })
  }

  async appraise(verdict: 'pass' | 'fail', isClock: boolean, isBack: boolean): Promise<void> {
    const attest = await this.lineage.putBlob(Buffer.from(`attest ${this.#tpm}`))
    await this.write({
      type: 'appraisal',
      verdict,
      evidence: { attest, signature: HEX, eventLog: HEX, userspaceLog: null, imaLog: [], imaLength: 0 },
      binding: {
        domain: 'writ/v1/cycle',
        nonce: HEX,
        treeSize: 0,
        lineageRoot: HEX,
        sessionKeySpkiDigest: HEX,
        referenceValuesDigest: HEX,
      },
      clock: isClock ? { clock: String(this.#tpm), resetCount: 1, restartCount: 0, safe: true } : null,
      reasons: isBack ? [{ code: 'CLOCK_ROLLED_BACK', message: 'back', at: null }] : [],
    })
  }

  async transition(from: 'ATTESTED' | 'FAILED', to: 'FAILED' | 'UNATTESTED'): Promise<void> {
    const reasons = [{ code: 'PCR_VALUE_UNKNOWN', message: `no ${this.#ms}`, at: null }]
    const index = await this.write({ type: 'trust-transition', from, to, epoch: 1, reasons })
    if (to === 'FAILED') this.#failed = Number(index)
  }

  async clear(kind: 'failure' | 'tail' | 'clock', by: Signer, isRight: boolean): Promise<void> {
    const off = isRight ? 0 : 1
    const clears =
      kind === 'failure'
        ? { kind, transition: Math.max(0, this.#failed) + off }
        : kind === 'tail'
          ? { kind, tail: Math.max(0, this.#tail) + off }
          : { kind, entry: Math.max(0, this.#fault) + off, time: new Date(this.#ms).toISOString() }
    const blob = await this.lineage.putBlob(signClearance({ version: 1, host: HOST, clears }, KEYS[by]))
    if (kind === 'failure') await this.write({ type: 'failure-cleared', digest: HEX, blob })
    else if (kind === 'tail')
      await this.write({ type: 'tail-accepted', tail: Math.max(0, this.#tail), digest: HEX, blob })
    else await this.write({ type: 'clock-trusted', by: 'operator', digest: HEX, blob })
  }

  async distrust(): Promise<void> {
    this.#fault = Number(await this.write({ type: 'clock-untrusted', why: `because ${this.#ms}` }))
  }

  trust(by: 'return' | 'tpm'): Promise<bigint> {
    return this.write({ type: 'clock-trusted', by, digest: null, blob: null })
  }

  async recover(): Promise<void> {
    this.#tail = Number(this.lineage.size)
    await this.write({ type: 'recovery', tail: this.#tail })
  }

  async acceptRollback(): Promise<void> {
    const blob = await this.lineage.putBlob(Buffer.from('{}'))
    await this.write({ type: 'rollback-accepted', counter: '7', tail: 0, root: HEX, digest: HEX, blob })
  }

  async permit(
    execution: number,
    artifact: number,
    parent: number | null,
    hours: number,
    maxUses: number | null = null,
  ): Promise<void> {
    await this.write({
      type: 'decision',
      outcome: 'permit',
      record: HEX,
      inputs: [],
      inline: {},
      reasons: [],
      artifact: payloadOf(artifact),
      caller: {
        uid: 1000 + execution,
        gid: 1,
        pid: 1,
        cgroup: null,
        unit: null,
        parent: parent === null ? null : idOf(parent),
      },
      links: { policy: null, trustRoots: null, appraisal: null, parent: null },
      executionId: idOf(execution),
      use: {
        issuer: 'ops',
        id: `job-${artifact}`,
        maxUses,
        notAfter: new Date(Date.parse('2026-11-21T02:00:00.000Z') + hours * 3600_000).toISOString(),
      },
    })
  }

  begin(execution: number, parent: number | null): Promise<bigint> {
    return this.write({
      type: 'execution-start',
      executionId: idOf(execution),
      decision: 1,
      subjects: [payloadOf(execution)],
      pid: 1,
      cgroup: '/',
      epoch: 1,
      parent: parent === null ? null : idOf(parent),
    })
  }

  end(execution: number): Promise<bigint> {
    return this.write({
      type: 'execution-end',
      executionId: idOf(execution),
      decision: 1,
      cause: 'EXITED',
      exitCode: 0,
      signal: null,
      rusage: {},
      confirmedDead: true,
      streams: null,
    })
  }
}

export const idOf = (n: number) => n.toString(16).padStart(32, '0')
export const payloadOf = (n: number) => sha256Hex(Buffer.from(`payload ${n}`))
const documents = new Map<string, Buffer>()

function document(kind: keyof typeof LABELS, version: number, key: PrivateKey): Buffer {
  const name = `${kind} ${version} ${key.public.id}`
  const made = documents.get(name) ?? makeDocument(kind, version, key)
  documents.set(name, made)
  return made
}

function makeDocument(kind: keyof typeof LABELS, version: number, key: PrivateKey): Buffer {
  if (kind === 'policy')
    return key === governance
      ? policyEnvelope({ version })
      : Buffer.from(policyEnvelope({ version })).fill(0x20, 5, 6)
  if (kind === 'trust-roots') return signTrustRoots({ notAfter: 'any', version, authorities: [] }, key)
  if (kind === 'host-labels')
    return signHostLabels({ version, host: HOST, labels: ['gpu'], notAfter: 'any' }, key)
  return referenceEnvelope(version % 2 === 0 ? 'a' : 'b', key, version)
}

const signer = fc.constantFrom<Signer>('governance', 'mallory')
const small = fc.nat(5)
const parent = fc.option(small)

/** What may happen, and how often in proportion. */
export const happening: fc.Arbitrary<(w: Writer) => unknown> = fc.oneof(
  { weight: 6, arbitrary: fc.constant((w: Writer) => w.snapshots.make()) },
  {
    weight: 5,
    arbitrary: fc.constantFrom(100, 3000, 7_200_000, 200_000_000).map(ms => (w: Writer) => w.pass(ms)),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(-400_000_000, 9000, 4e10).map(ms => (w: Writer) => w.setClock(ms)),
  },
  { weight: 1, arbitrary: fc.nat(1).map(boot => (w: Writer) => w.start(boot)) },
  {
    weight: 3,
    arbitrary: fc.tuple(fc.constantFrom(...(Object.keys(LABELS) as (keyof typeof LABELS)[])), signer).map(
      ([kind, by]) =>
        (w: Writer) =>
          w.document(kind, by),
    ),
  },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom('mallory' as const, 'governance' as const, 'program' as const)
      .map(what => (w: Writer) => w.revoke(what)),
  },
  {
    weight: 4,
    arbitrary: fc
      .tuple(fc.constantFrom('pass' as const, 'fail' as const), fc.boolean(), fc.boolean())
      .map(it => (w: Writer) => w.appraise(...it)),
  },
  {
    weight: 3,
    arbitrary: fc.constantFrom(['ATTESTED', 'FAILED'] as const, ['FAILED', 'UNATTESTED'] as const).map(
      ([from, to]) =>
        (w: Writer) =>
          w.transition(from, to),
    ),
  },
  {
    weight: 5,
    arbitrary: fc
      .tuple(
        fc.constantFrom('failure' as const, 'tail' as const, 'clock' as const),
        signer,
        fc.integer({ min: 0, max: 3 }),
      )
      .map(
        ([kind, by, right]) =>
          (w: Writer) =>
            w.clear(kind, by, right > 0),
      ),
  },
  { weight: 3, arbitrary: fc.constant((w: Writer) => w.distrust()) },
  {
    weight: 2,
    arbitrary: fc.constantFrom('return' as const, 'tpm' as const).map(by => (w: Writer) => w.trust(by)),
  },
  { weight: 1, arbitrary: fc.constant((w: Writer) => w.recover()) },
  { weight: 1, arbitrary: fc.constant((w: Writer) => w.acceptRollback()) },
  {
    weight: 5,
    arbitrary: fc
      .tuple(small, small, parent, fc.constantFrom(1, 30, 90, 9000))
      .map(it => (w: Writer) => w.permit(...it)),
  },
  { weight: 3, arbitrary: fc.tuple(small, parent).map(it => (w: Writer) => w.begin(...it)) },
  { weight: 3, arbitrary: small.map(it => (w: Writer) => w.end(it)) },
)
