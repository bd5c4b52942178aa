import { WritError } from '../../../encoding/error.ts'
import {
  checkTiledLog,
  parseCheckpointText,
  parseNote,
  parseNoteKey,
  verifyConsistency,
  verifyInclusion,
  verifyNote,
} from '../../../lineage/index.ts'
import type { Answer, Answerer, ConformanceCase } from '../case.ts'

interface LogCase {
  readonly checkpoint: string
  readonly vkeys: readonly string[]
  readonly origin?: string
  /** Whether the log has its entries in bundles; left out: it has. */
  readonly entries?: boolean
}

function checkLog(given: ConformanceCase): Answer {
  const { checkpoint, vkeys, origin, entries = true } = given.case as unknown as LogCase
  const note = parseNote(given.read(checkpoint))
  verifyNote(note, vkeys.map(parseNoteKey))
  const head = parseCheckpointText(note.text)
  if (origin !== undefined && origin !== head.origin) return { valid: false }
  const read = (path: string): Buffer | undefined => {
    try {
      return given.read(path)
    } catch (error) {
      if (['ENOENT', 'EISDIR', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? ''))
        return undefined
      throw error
    }
  }
  checkTiledLog(read, head, entries)
  return { valid: true }
}

type Vector = Readonly<Record<string, bigint | string | readonly string[] | null>>

/** Numbers of these vectors go to 2^64. */
function readVector(bytes: Buffer): Vector {
  const exact = (_: string, value: unknown, { source }: { source?: string } = {}) =>
    typeof value === 'number' ? BigInt(source ?? '') : value
  return JSON.parse(bytes.toString(), exact)
}

function checkProof(vector: Vector): boolean {
  const bytes = (value: unknown) => Buffer.from(typeof value === 'string' ? value : '', 'base64')
  const number = (name: string) => vector[name] as bigint
  const proof = Array.from((vector.proof ?? []) as readonly string[], bytes)
  return 'leafIdx' in vector
    ? verifyInclusion({
        leafHash: bytes(vector.leafHash),
        index: number('leafIdx'),
        size: number('treeSize'),
        proof,
        root: bytes(vector.root),
      })
    : verifyConsistency({
        size1: number('size1'),
        size2: number('size2'),
        proof,
        root1: bytes(vector.root1),
        root2: bytes(vector.root2),
      })
}

/** Whether a proof holds, or a log of tiles makes the root that its checkpoint says. */
export const answerMerkle: Answerer = given => {
  try {
    return given.case === undefined ? { valid: checkProof(readVector(given.bytes)) } : checkLog(given)
  } catch (error) {
    if (error instanceof WritError || error instanceof SyntaxError) return { valid: false }
    throw error
  }
}
