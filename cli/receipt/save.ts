import { sha256Hex } from '../../encoding/digest.ts'
import type { WritClient } from '../../proto/client.ts'
import { parseReceipt, type Receipt } from '../../receipt/index.ts'
import { writeDocument } from '../files.ts'

/** The JSON form of a receipt that was written. */
export const SAVED_RECEIPT = {
  file: 'text',
  digest: 'digest: of the file',
  bytes: 'number',
  entries: 'number: of the log that it carries',
} as const

/** What was written. */
export interface SavedReceipt {
  readonly file: string
  readonly digest: string
  readonly bytes: number
  readonly entries: number
}

/**
 * Has the daemon make the receipt of an execution, and writes it. Nothing is overwritten.
 *
 * @param decision where its permit is, if that is known
 * @throws CallError, CliError, ReceiptError
 */
export async function saveReceipt(
  daemon: WritClient,
  executionId: string,
  decision: string | undefined,
  file: string,
): Promise<SavedReceipt> {
  const bytes = await daemon.receipt({
    executionId,
    ...(decision === undefined ? {} : { decisionIndex: decision }),
  })
  return writeReceipt(bytes, parseReceipt(bytes), file)
}

/** Writes a receipt, and says what it is. @throws CliError */
export async function writeReceipt(bytes: Buffer, { entries }: Receipt, file: string): Promise<SavedReceipt> {
  await writeDocument(file, bytes)
  return { file, digest: sha256Hex(bytes), bytes: bytes.length, entries: entries.length }
}
