import { type EarAlgorithm, earKeyFromJwk, verifyEar } from '../../../attestation/index.ts'
import { WritError } from '../../../encoding/error.ts'
import { type JsonObject, parseJson } from '../../../encoding/json.ts'
import type { Answerer } from '../case.ts'

interface EarCase {
  token: string
  key: string
  algorithms: EarAlgorithm[]
  now?: number
  nonce?: string
}

/** Whether a token holds by one key, at the time and for the nonce that the case gives, and the status of each part. */
export const answerEar: Answerer = given => {
  const { token, key, algorithms, now, nonce } = given.case as unknown as EarCase
  try {
    const { submods } = verifyEar(given.read(token).toString('utf8'), {
      key: earKeyFromJwk(parseJson(given.read(key)) as JsonObject),
      algorithms,
      now: now ?? null,
      nonce: nonce ?? null,
    })
    return {
      verify: true,
      status: Object.fromEntries(Array.from(submods, ([name, { status }]) => [name, status])),
    }
  } catch (error) {
    if (error instanceof WritError) return { verify: false, reason: error.code }
    throw error
  }
}
