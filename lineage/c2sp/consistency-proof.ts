import { base64ToBytes, utf8ToString } from '../../encoding/text.ts'
import { LineageError } from '../error.ts'
import { HASH_SIZE } from '../tree/merkle.ts'
import { MAX_NOTE_BYTES } from './note.ts'

/**
 * That the tree of a checkpoint goes on from a smaller one, in text: what a log sends to a witness (C2SP tlog-witness, "add-checkpoint"), so that
 * the file can be posted to one as it is. Taken apart; nothing is verified.
 */
export interface ConsistencyProof {
  /** Entries of the smaller tree. */
  readonly oldSize: number
  /** As RFC 6962 section 2.1.2 orders them. */
  readonly hashes: readonly Buffer[]
  /** The larger tree's checkpoint, for `parseNote`. */
  readonly checkpoint: Buffer
}

/** "The client MUST NOT send more than 63 consistency proof lines." */
const MAX_HASHES = 63
const MAX_BYTES = MAX_NOTE_BYTES + 64 * MAX_HASHES

function malformed(what: string, cause?: unknown): LineageError {
  return new LineageError('PROOF_MALFORMED', `consistency proof: ${what}`, { cause })
}

/** The bytes of a proof. The inverse of {@link parseConsistencyProof}. */
export function formatConsistencyProof({ oldSize, hashes, checkpoint }: ConsistencyProof): Buffer {
  const lines = [`old ${oldSize}`, ...hashes.map(hash => hash.toString('base64')), '']
  return Buffer.concat([Buffer.from(lines.map(line => `${line}\n`).join('')), checkpoint])
}

/**
 * Takes a proof apart.
 *
 * @param bytes controlled by whoever sent them
 * @throws LineageError `PROOF_MALFORMED`
 */
export function parseConsistencyProof(bytes: Buffer): ConsistencyProof {
  if (bytes.length > MAX_BYTES) throw malformed(`${bytes.length} bytes, at most ${MAX_BYTES}`)
  const blank = bytes.indexOf('\n\n')
  if (blank < 0) throw malformed('no empty line before the checkpoint')
  let lines: string[]
  try {
    lines = utf8ToString(bytes.subarray(0, blank), 'proof').split('\n')
  } catch (cause) {
    throw malformed('not UTF-8', cause)
  }
  const size = /^old (0|[1-9][0-9]{0,15})$/.exec(lines.shift() ?? '')?.[1]
  if (size === undefined || !Number.isSafeInteger(Number(size))) throw malformed('no size of an old tree')
  if (lines.length > MAX_HASHES) throw malformed(`${lines.length} hashes, at most ${MAX_HASHES}`)
  const hashes = lines.map(line => {
    try {
      return base64ToBytes(line, 'a hash')
    } catch (cause) {
      throw malformed('a hash is not base64', cause)
    }
  })
  if (hashes.some(({ length }) => length !== HASH_SIZE)) throw malformed('a hash of another length')
  const checkpoint = bytes.subarray(blank + 2)
  if (checkpoint.length === 0) throw malformed('no checkpoint')
  return { oldSize: Number(size), hashes, checkpoint }
}
