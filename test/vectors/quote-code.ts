import { type Quote, QuoteError, verifyQuote } from '../../attestation/index.ts'
import { EVIDENCE_GIVEN } from './source/negative.ts'

/** What this implementation says of a quote, under what the vectors of evidence give. */
export function quoteCode(quote: Quote): string {
  const { akPublicArea, akName, extraData, pcrSelection } = EVIDENCE_GIVEN
  const ak = { publicArea: Buffer.from(akPublicArea, 'base64'), name: Buffer.from(akName, 'hex') }
  try {
    verifyQuote(quote, { ak, extraData: Buffer.from(extraData, 'hex'), pcrSelection })
    return 'VERIFIED'
  } catch (error) {
    if (error instanceof QuoteError) return error.code
    throw error
  }
}
