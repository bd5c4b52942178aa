import { TPM_CC } from '../constants.ts'
import type { Entity, TpmCommand } from '../marshal.ts'
import {
  ALG,
  type PcrSelection,
  parseQuoteAttest,
  parseSignature,
  writePcrSelection,
} from '../structures/index.ts'
import { sized, u16 } from '../structures/integers.ts'

/** A quote as the TPM gave it: TPMS_ATTEST and TPMT_SIGNATURE. Well-formed, and nothing more: verify it. */
export interface Quote {
  readonly attest: Buffer
  readonly signature: Buffer
}

/** TPM2_Quote (TPM 2.0 Part 3, section 18.4), with the key's own scheme. */
export function quoteCommand(
  key: Entity,
  extraData: Uint8Array,
  selection: readonly PcrSelection[],
): TpmCommand<Quote> {
  return {
    title: 'TPM2_Quote',
    code: TPM_CC.Quote,
    handles: [key],
    parameters: Buffer.concat([sized(extraData), u16(ALG.NULL), writePcrSelection(selection)]),
    parse(reader) {
      // Copies: the response's buffer is part of a larger one, and evidence is kept.
      const attest = Buffer.from(reader.sized16be('quoted'))
      const signature = Buffer.from(reader.bytes(reader.remaining, 'signature'))
      parseQuoteAttest(attest)
      parseSignature(signature)
      return { attest, signature }
    },
  }
}
