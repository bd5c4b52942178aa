import { randomBytes } from 'node:crypto'
import { type AttestationKey, parseReport, tier } from '../../attestation/index.ts'
import { base64ToBytes } from '../../encoding/text.ts'
import {
  type Checkpoint,
  type LineageEvent,
  parseCheckpoint,
  verifyConsistency,
  verifyLogSignature,
  verifyTpmSignature,
} from '../../lineage/index.ts'
import { api, CallError, type WritClient } from '../../proto/client.ts'
import { readPublicKey } from '../../signing/key.ts'
import { readBlobOf, readEntries } from '../lineage/entries.ts'
import type { BundleHost } from '../verify/bundle.ts'
import { checkIdentity } from '../verify/identity.ts'
import type { PropertyResult } from '../verify/property.ts'
import { type LogEntry, property, StepFailure } from '../verify/steps.ts'
import { EARLIER, type VerifyTrust } from '../verify/verify.ts'
import { type OpenedSource, type RequestSource, Unseen } from './source.ts'

/** Entries that are read at once when the log is searched from its end. */
const STEP = 4096

const refused = (error: unknown): boolean =>
  error instanceof CallError && error.status === 'PERMISSION_DENIED'
const missing = (error: unknown): boolean => error instanceof CallError && error.status === 'NOT_FOUND'

/** What a running daemon lets its caller see. */
class DaemonSource implements RequestSource {
  readonly where = 'daemon'
  readonly #daemon: WritClient
  #newest: Checkpoint | null | undefined

  constructor(daemon: WritClient) {
    this.#daemon = daemon
  }

  async *read(from: number, to?: number): AsyncIterable<LogEntry> {
    if (to !== undefined && to <= from) return
    try {
      for await (const { index, event } of readEntries(this.#daemon, from, to ?? 0)) yield { index, event }
    } catch (error) {
      // Entries that are not there are as little to be seen as those of others.
      if (!(error instanceof CallError && error.status === 'OUT_OF_RANGE')) throw error
    }
  }

  /** Asks the daemon, which forgets what ended long ago, and then looks through the log from its end. */
  async decisionOf(executionId: string): Promise<number | null> {
    try {
      const { execution } = await this.#daemon.call(api.execution.Get, { executionId })
      if (execution !== null) return Number(execution.decisionIndex)
    } catch (error) {
      if (!missing(error)) throw error
    }
    const { status } = await this.#daemon.call(api.attestation.GetStatus, {})
    for (let to = Number(status?.lineageSize ?? 0); to > 0; to -= STEP) {
      for await (const { index, event } of this.read(Math.max(0, to - STEP), to)) {
        if (event.type === 'decision' && event.executionId === executionId) return index
      }
    }
    return null
  }

  async blob(event: LineageEvent, digest: string): Promise<Buffer> {
    try {
      return await readBlobOf(this.#daemon, event, digest)
    } catch (error) {
      if (refused(error)) throw new Unseen('the daemon shows documents and evidence to auditors only')
      throw error
    }
  }

  async checkpoint(size: number): Promise<Checkpoint | null> {
    this.#newest ??= await this.#checkpoint(false)
    if (this.#newest === null || this.#newest.size < size) {
      // Only auditors have one signed.
      this.#newest = await this.#checkpoint(true).catch(error => {
        if (refused(error)) return this.#newest ?? null
        throw error
      })
    }
    return this.#newest
  }

  async #checkpoint(fresh: boolean): Promise<Checkpoint | null> {
    try {
      return parseCheckpoint((await this.#daemon.call(api.lineage.GetCheckpoint, { fresh })).note)
    } catch (error) {
      if (missing(error)) return null
      throw error
    }
  }

  async inclusion(index: number, size: number): Promise<readonly Buffer[]> {
    return (await this.#daemon.call(api.lineage.GetInclusionProof, { index, treeSize: size })).hashes
  }

  async goesOnFrom({ size, root }: { size: number; root: Buffer }, checkpoint: Checkpoint): Promise<boolean> {
    if (size > checkpoint.size) return false
    const proof =
      size === 0
        ? []
        : (
            await this.#daemon.call(api.lineage.GetConsistencyProof, {
              oldSize: size,
              newSize: checkpoint.size,
            })
          ).hashes
    return verifyConsistency({
      ...{ size1: BigInt(size), root1: root, size2: BigInt(checkpoint.size), root2: checkpoint.root },
      proof,
    })
  }
}

/**
 * Opens the running daemon as a source. Its own word proves nothing of it: who the host is, and whose signature the checkpoint has,
 * is checked by what the caller brings.
 *
 * @param needed how many entries the checkpoint should have
 * @throws CallError
 */
export async function openDaemon(daemon: WritClient, trust: VerifyTrust): Promise<OpenedSource> {
  const source = new DaemonSource(daemon)
  const { operators, hostId, roots } = trust
  if (operators.length === 0 && hostId === null && roots === null) {
    return { source, ak: null, hardware: false, properties: [], log: null }
  }
  const identity = await checkIdentity(await askForHost(daemon), trust)
  return {
    source,
    ak: identity.ak,
    hardware: tier(identity.ek) === 'hardware',
    properties: identity.results,
    log: null,
  }
}

/** What the daemon says of its TPM. It comes with a report, whose quote is not looked at here. */
async function askForHost(daemon: WritClient): Promise<BundleHost> {
  const report = parseReport(await daemon.report({ nonce: randomBytes(32) }))
  const { akPublicArea, akCertificate, ekCertificate, ekIntermediates } = report
  return {
    identity: {
      akPublicArea: Buffer.from(akPublicArea),
      ekCertificate: ekCertificate && Buffer.from(ekCertificate),
      ekIntermediates: ekIntermediates.map(der => Buffer.from(der)),
    },
    identityFault: null,
    akCertificate: akCertificate && Buffer.from(akCertificate),
    stray: null,
  }
}

/** What can be said of a daemon's checkpoint: whose it is, and that it goes on from what the caller has seen. */
export async function checkCheckpoint(
  source: RequestSource,
  checkpoint: Checkpoint,
  ak: AttestationKey | null,
  earlier: readonly Buffer[],
): Promise<PropertyResult[]> {
  const byTpm = await property(
    'TPM signature of the checkpoint',
    () => {
      if (ak === null) return { notChecked: 'nothing that you gave vouches for the attestation key' }
      const { clock } = verifyTpmSignature(checkpoint, ak)
      return { detail: `reset count ${clock.resetCount}, restart count ${clock.restartCount}` }
    },
    ak !== null,
  )
  const byLog = await property(
    'Ed25519 signature of the checkpoint',
    async () => {
      for await (const { event } of source.read(0, 1)) {
        if (event.type !== 'daemon-start') break
        const key = readPublicKey(base64ToBytes(event.logKeySpki, 'log key'))
        verifyLogSignature(checkpoint, key)
        return { notChecked: `it is by ${key.id}, a key that the log brings along` }
      }
      return { notChecked: 'the entry that names its key is not yours to see' }
    },
    false,
  )
  if (earlier.length === 0) return [byTpm, byLog]
  const goesOn = await property(EARLIER, async () => {
    for (const bytes of earlier) {
      const seen = parseCheckpoint(bytes)
      if (seen.origin !== checkpoint.origin)
        throw new StepFailure(`the earlier checkpoint is of ${seen.origin}`)
      if (!(await source.goesOnFrom(seen, checkpoint)))
        throw new StepFailure(`the log does not go on from its tree of ${seen.size} entries`)
    }
    return { detail: `the log goes on from all ${earlier.length}` }
  })
  return [byTpm, byLog, goesOn]
}
