import { WritError } from '../../encoding/error.ts'

/** Evidence that is not kept any longer, as the log itself says, and that nobody brought from elsewhere. */
export class EvidenceDropped extends WritError<'EVIDENCE_DROPPED'> {
  constructor(digest: string, entry: number) {
    super('EVIDENCE_DROPPED', `${digest} is not kept any longer, says entry ${entry}`, { at: digest })
  }
}

/** Whether dropped evidence is why something could not be done, however deep. */
export function wasDropped(error: unknown): boolean {
  for (let cause = error, depth = 0; cause instanceof Error && depth < 8; cause = cause.cause, depth++)
    if (cause instanceof EvidenceDropped) return true
  return false
}
