import type { Command } from 'commander'
import { MAX_REFERENCE_ENVELOPE_BYTES } from '../../../attestation/index.ts'
import { api } from '../../../proto/client.ts'
import { addLoadCommand } from '../../documents.ts'

/** The quota of bytes may hold a large file back, and the daemon takes some seconds for it. */
const DEADLINE_MS = 180_000

export function addReferenceLoad(parent: Command): void {
  addLoadCommand(
    parent,
    'reference values',
    'writ reference load reference.json',
    api.governance.LoadReferenceValues,
    { maxBytes: MAX_REFERENCE_ENVELOPE_BYTES, deadlineMs: DEADLINE_MS },
  )
}
