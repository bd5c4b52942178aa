import { base64ToBytes, utf8ToString } from '../../encoding/text.ts'
import { LineageError } from '../error.ts'
import { HASH_SIZE } from '../tree/merkle.ts'
import { MAX_NOTE_BYTES } from './note.ts'

/** An inclusion proof with the checkpoint that it is for (C2SP tlog-proof), taken apart. Nothing is verified. */
export interface TlogProof {
  /** What the application put beside it; nobody signed it. */
  readonly extra: Buffer | undefined
  readonly index: bigint
  /** From the leaf's sibling up. */
  readonly hashes: readonly Buffer[]
  /** The checkpoint's bytes, for `parseNote`. */
  readonly checkpoint: Buffer
}

const HEADER = 'c2sp.org/tlog-proof@v1'
/** A tree has at most 2^64 leaves. */
const MAX_HASHES = 64
const MAX_EXTRA_CHARACTERS = 1 << 20
const MAX_BYTES = MAX_NOTE_BYTES + MAX_EXTRA_CHARACTERS + 64 * MAX_HASHES

function malformed(what: string, cause?: unknown): LineageError {
  return new LineageError('PROOF_MALFORMED', `transparency log proof: ${what}`, { cause })
}

function decode(text: string, what: string): Buffer {
  try {
    return base64ToBytes(text, what)
  } catch (cause) {
    throw malformed(`${what} is not base64`, cause)
  }
}

/**
 * Takes a proof apart (C2SP tlog-proof, "Format").
 *
 * @param bytes controlled by whoever sent them
 * @throws LineageError `PROOF_MALFORMED`
 */
export function parseTlogProof(bytes: Buffer): TlogProof {
  if (bytes.length > MAX_BYTES) throw malformed(`${bytes.length} bytes, at most ${MAX_BYTES}`)
  const blank = bytes.indexOf('\n\n')
  if (blank < 0) throw malformed('no empty line before the checkpoint')
  let lines: string[]
  try {
    lines = utf8ToString(bytes.subarray(0, blank), 'proof').split('\n')
  } catch (cause) {
    throw malformed('not UTF-8', cause)
  }
  if (lines.shift() !== HEADER) throw malformed('another first line')
  const extra = lines[0]?.startsWith('extra ') ? decode(lines.shift()?.slice(6) ?? '', 'extra') : undefined
  const index = /^index (0|[1-9][0-9]{0,19})$/.exec(lines.shift() ?? '')?.[1]
  if (index === undefined || BigInt(index) >= 1n << 64n) throw malformed('no index')
  if (lines.length > MAX_HASHES) throw malformed(`${lines.length} hashes`)
  const hashes = lines.map(line => decode(line, 'a hash'))
  if (hashes.some(({ length }) => length !== HASH_SIZE)) throw malformed('a hash of another length')
  const checkpoint = bytes.subarray(blank + 2)
  if (checkpoint.length === 0) throw malformed('no checkpoint')
  return { extra, index: BigInt(index), hashes, checkpoint }
}

/** The bytes of a proof. The inverse of {@link parseTlogProof}. */
export function formatTlogProof({ extra, index, hashes, checkpoint }: TlogProof): Buffer {
  const lines = [
    HEADER,
    ...(extra === undefined ? [] : [`extra ${extra.toString('base64')}`]),
    `index ${index}`,
    ...hashes.map(hash => hash.toString('base64')),
    '',
  ]
  return Buffer.concat([Buffer.from(lines.map(line => `${line}\n`).join('')), checkpoint])
}
