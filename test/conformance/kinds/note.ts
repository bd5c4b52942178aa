import { WritError } from '../../../encoding/error.ts'
import {
  parseCheckpointText,
  parseNote,
  parseNoteKey,
  parseTlogProof,
  treeHeadVerifier,
  verifyNote,
} from '../../../lineage/index.ts'
import type { Answer, Answerer, ConformanceCase } from '../case.ts'

interface NoteGiven {
  readonly vkeys?: readonly string[]
  readonly format?: 'checkpoint' | 'tlog-proof' | 'rfc6962'
  /** Base64 of the log's key, for `rfc6962`. */
  readonly spki?: string
  readonly checkpointOrigin?: string
  /** The root that a bundle says the checkpoint is for. */
  readonly bundleRoot?: string
}

function judge({ given, bytes }: ConformanceCase): Answer {
  const { vkeys = [], format, spki, checkpointOrigin, bundleRoot } = given as NoteGiven
  if (format === 'tlog-proof') {
    parseTlogProof(bytes)
    return { valid: true }
  }
  const note = parseNote(bytes)
  if (format === 'rfc6962') {
    const { origin } = parseCheckpointText(note.text)
    verifyNote(note, [treeHeadVerifier(origin, Buffer.from(spki ?? '', 'base64'))])
    return { valid: true }
  }
  const signers = verifyNote(note, vkeys.map(parseNoteKey))
  if (format !== 'checkpoint' && checkpointOrigin === undefined) return { valid: true, signers }
  const { origin, size, root } = parseCheckpointText(note.text)
  const checkpoint = { origin, size, root: root.toString('base64') }
  const asked = checkpointOrigin === undefined || checkpointOrigin === origin
  const bound = bundleRoot === undefined || (signers.includes(origin) && bundleRoot === checkpoint.root)
  return { valid: asked && bound, signers, checkpoint }
}

/** Whether a note is signed by known keys, and is the checkpoint that is asked for. */
export const answerNote: Answerer = given => {
  try {
    return judge(given)
  } catch (error) {
    if (error instanceof WritError) return { valid: false, reason: error.code }
    throw error
  }
}
