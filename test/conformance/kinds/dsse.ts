import { sha256Hex } from '../../../encoding/digest.ts'
import { checkOtherSignatures, parseOtherEnvelope } from '../../../signing/dsse.ts'
import { SigningError } from '../../../signing/error.ts'
import { readOtherKey } from '../../../signing/other-key.ts'
import type { Answerer } from '../case.ts'

/** Whether an envelope has as many signatures by distinct keys of the verifier's as it asks. */
export const answerDsse: Answerer = given => {
  const {
    envelope: file,
    keys,
    threshold,
  } = given.case as {
    envelope: string
    keys: string[]
    threshold: number
  }
  try {
    const envelope = parseOtherEnvelope(given.read(file))
    const trusted = keys.map(name => readOtherKey(given.read(name).toString('latin1')))
    if (!checkOtherSignatures(envelope, trusted, threshold).met) return { verify: false }
    return {
      verify: true,
      payloadType: envelope.payloadType,
      payloadSha256: sha256Hex(envelope.payload),
    }
  } catch (error) {
    if (error instanceof SigningError) return { verify: false, reason: error.code }
    throw error
  }
}
