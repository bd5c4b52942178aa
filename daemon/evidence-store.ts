import type { Quote } from '../attestation/index.ts'
import type { Lineage, LineageEvent } from '../lineage/index.ts'
import type { HostLogs } from './host-logs.ts'

type KeptEvidence = (LineageEvent & { type: 'appraisal' })['evidence']

/** Pieces of the IMA log that one entry names before they are made one: an entry names at most 512. */
const MAX_PIECES = 256

/** Most bytes of a piece, below those of a blob (`MAX_BLOB_BYTES`). */
const IMA_PIECE_BYTES = 32 << 20

/**
 * Puts evidence beside the lineage by its digest. The logs of a host hardly change from cycle to cycle: what has been
 * stored and is still kept is not stored again, and of the IMA log only what is new.
 */
export class EvidenceStore {
  readonly #lineage: Lineage
  readonly #known = new Map<'eventLog' | 'userspaceLog', { bytes: Buffer; digest: string }>()
  #ima: { pieces: string[]; length: number } = { pieces: [], length: 0 }

  constructor(lineage: Lineage) {
    this.#lineage = lineage
  }

  /** Durable when it resolves. @throws LineageError */
  async keep(quote: Quote, logs: HostLogs): Promise<KeptEvidence> {
    const [attest, signature, eventLog, userspaceLog, ima] = await Promise.all([
      this.#lineage.putBlob(quote.attest),
      this.#lineage.putBlob(quote.signature),
      this.#keepLog('eventLog', logs.eventLog),
      logs.userspaceLog && this.#keepLog('userspaceLog', logs.userspaceLog),
      this.#keepIma(logs),
    ])
    return { attest, signature, eventLog, userspaceLog, imaLog: ima.pieces, imaLength: ima.length }
  }

  async #keepLog(kind: 'eventLog' | 'userspaceLog', bytes: Buffer): Promise<string> {
    const known = this.#known.get(kind)
    if (known?.bytes.equals(bytes) && this.#lineage.holdBlob(known.digest)) return known.digest
    const digest = await this.#lineage.putBlob(bytes)
    this.#known.set(kind, { bytes, digest })
    return digest
  }

  async #keepIma({ imaLog, imaNew }: HostLogs): Promise<{ pieces: string[]; length: number }> {
    if (imaLog === null || imaNew === null) return { pieces: [], length: 0 }
    const goesOn = this.#ima.length + imaNew.length === imaLog.length
    const kept = this.#ima.pieces.every(digest => this.#lineage.holdBlob(digest))
    if (!goesOn || !kept || this.#ima.pieces.length >= MAX_PIECES) this.#ima = { pieces: [], length: 0 }
    const pieces = [...this.#ima.pieces]
    for (let at = this.#ima.length; at < imaLog.length; at += IMA_PIECE_BYTES) {
      pieces.push(await this.#lineage.putBlob(imaLog.subarray(at, at + IMA_PIECE_BYTES)))
    }
    this.#ima = { pieces, length: imaLog.length }
    return this.#ima
  }
}
