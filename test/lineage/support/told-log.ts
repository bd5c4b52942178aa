import { hash } from 'node:crypto'
import { join } from 'node:path'
import { bindExtraData } from '../../../attestation/index.ts'
import { signCheckpoint } from '../../../lineage/checkpoint.ts'
import {
  bindingOf,
  exportLog,
  type Lineage,
  type LineageEvent,
  type LogTrust,
  verifyLog,
} from '../../../lineage/index.ts'
import { generateKey } from '../../../signing/key.ts'
import {
  CONFIG,
  daemonStart,
  fill,
  ORIGIN,
  openLog,
  type TestSigner,
  temporaryDirectory,
  testSigner,
} from './log.ts'
import type { SoftwareAk } from './software-ak.ts'

type Told = LineageEvent & { type: 'checkpoint' }
type Appraised = LineageEvent & { type: 'appraisal' }

const common = { v: 1, time: '2026-11-21T02:00:00.000Z', bootNs: '1' } as const

/** What a test changes of a checkpoint that is told of. */
export interface Telling {
  /** Signs in place of the host's own key and TPM. */
  readonly signer?: TestSigner
  readonly origin?: string
  readonly size?: number
  readonly root?: Buffer
  /** Of the entry, after it was signed. */
  readonly entry?: Partial<Told>
  /** Whether the PCR values are put beside the log. Default true. */
  readonly keep?: boolean
  readonly note?: (note: Buffer) => Buffer
}

/** A log that tells of its checkpoints and appraisals, with a software key in the place of the TPM, whose state a test sets. */
export class ToldLog {
  readonly signer: TestSigner
  readonly log: Lineage
  readonly trust: LogTrust
  /** Bytes of the IMA log and of systemd's, as the next appraisal has them. */
  ima: Buffer = Buffer.alloc(0)
  userspace: Buffer | null = null

  private constructor(signer: TestSigner, log: Lineage) {
    this.signer = signer
    this.log = log
    this.trust = { ak: signer.ak, origin: ORIGIN }
  }

  static async make(): Promise<ToldLog> {
    const signer = testSigner()
    const log = await openLog(temporaryDirectory(), { signer })
    const told = new ToldLog(signer, log)
    await log.putBlob(CONFIG)
    await told.start()
    return told
  }

  get tpm(): SoftwareAk['state'] {
    return this.signer.software.state
  }

  get size(): number {
    return Number(this.log.size)
  }

  async start(): Promise<void> {
    await this.log.append(daemonStart(this.signer.logKey, Buffer.from(this.signer.ak.name).toString('hex')))
  }

  /** Some entries of no matter. */
  fill(count = 1): Promise<void> {
    return fill(this.log, this.size, this.size + count)
  }

  /** Time goes by for the TPM, and a checkpoint is told of. @returns its entry */
  async tell(telling: Telling = {}): Promise<number> {
    this.tpm.clock += 10n
    const { signer = this.signer, origin = ORIGIN, size = this.size, keep = true } = telling
    const root = telling.root ?? (await this.log.rootAt(BigInt(size)))
    const { note } = await signCheckpoint(signer, origin, { size, root })
    const values = Buffer.concat(this.tpm.pcrs)
    if (keep) await this.log.putBlob(values)
    const { index } = await this.log.append({
      ...common,
      type: 'checkpoint',
      size,
      root: root.toString('hex'),
      note: (telling.note?.(note) ?? note).toString('base64'),
      pcrs: keep ? hash('sha256', values) : null,
      ...telling.entry,
    })
    return Number(index)
  }

  /** An appraisal that is bound to the log as it is, or to what is given, but has its entry only when it is appended. */
  async appraised(
    verdict: Appraised['verdict'] = 'pass',
    signer = this.signer,
    bound: Partial<Appraised['binding']> = {},
  ): Promise<Appraised> {
    this.tpm.clock += 10n
    const { log, tpm } = this
    const { clock, resetCount, restartCount, safe } = tpm
    const digest = hash('sha256', 'some')
    const event: Appraised = {
      ...common,
      type: 'appraisal',
      verdict,
      binding: {
        domain: 'writ/v1/cycle',
        nonce: digest,
        treeSize: this.size,
        lineageRoot: log.rootHash().toString('hex'),
        sessionKeySpkiDigest: digest,
        referenceValuesDigest: digest,
        ...bound,
      },
      clock: { clock: String(clock), resetCount, restartCount, safe },
      reasons: [],
      evidence: {
        attest: digest,
        signature: digest,
        eventLog: await log.putBlob(Buffer.from('an event log')),
        userspaceLog: this.userspace && (await log.putBlob(this.userspace)),
        imaLog: this.ima.length === 0 ? [] : [await log.putBlob(this.ima)],
        imaLength: this.ima.length,
      },
    }
    const quote = signer.software.quote(bindExtraData(bindingOf(event)))
    const [attest, signature] = await Promise.all(
      [quote.attest, quote.signature].map(bytes => log.putBlob(bytes)),
    )
    return { ...event, evidence: { ...event.evidence, attest: attest ?? '', signature: signature ?? '' } }
  }

  async appraise(verdict: Appraised['verdict'] = 'pass'): Promise<number> {
    return Number((await this.log.append(await this.appraised(verdict))).index)
  }

  async gate(from: 'UNATTESTED' | 'ATTESTED' | 'STALE' | 'FAILED', to: typeof from): Promise<void> {
    await this.log.append({ ...common, type: 'trust-transition', from, to, epoch: 1, reasons: [] })
  }

  /** An appraisal passes, and the gate opens. */
  async attest(): Promise<void> {
    await this.appraise()
    await this.gate('UNATTESTED', 'ATTESTED')
  }

  /** Publishes, exports and verifies; gives what became of each property. */
  async verify(trust: LogTrust = {}, keep = true): Promise<Record<string, string>> {
    this.tpm.clock += 10n
    if (keep) await this.log.putBlob(Buffer.concat(this.tpm.pcrs))
    await this.log.checkpoint()
    const target = join(temporaryDirectory(), 'export')
    await exportLog(this.log.directory, target)
    const { results } = await verifyLog(target, { ...this.trust, ...trust })
    return Object.fromEntries(
      results.map(({ property, status, detail }) => [property, `${status} ${detail}`]),
    )
  }
}

/** Another host's keys. */
export function stranger(part: 'log key' | 'AK', of: TestSigner): TestSigner {
  const other = testSigner()
  other.software.state = of.software.state
  return part === 'log key' ? { ...of, logKey: generateKey('ed25519') } : { ...other, logKey: of.logKey }
}
