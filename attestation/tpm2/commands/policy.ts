import type { ByteReader } from '../../../encoding/byte-reader.ts'
import { TPM_CC, type TPM_EO, TPM_RH } from '../constants.ts'
import { TpmError } from '../error.ts'
import { type Entity, permanent, type TpmCommand } from '../marshal.ts'
import { type PcrSelection, writePcrSelection } from '../structures/index.ts'
import { sized, u16, u32 } from '../structures/integers.ts'

/** TPMT_TK_VERIFIED (TPM 2.0 Part 2, section 10.6.5): the TPM's own word that a signature is good. Bytes as it gave them. */
export type VerifiedTicket = Buffer

/** TPM_ST_VERIFIED (Part 2, section 6.9). */
const ST_VERIFIED = 0x8022

/** TPM2_VerifySignature (Part 3, section 20.1). `signature` is a whole TPMT_SIGNATURE. */
export function verifySignatureCommand(
  key: Entity,
  digest: Buffer,
  signature: Buffer,
): TpmCommand<VerifiedTicket> {
  return {
    title: 'TPM2_VerifySignature',
    code: TPM_CC.VerifySignature,
    handles: [key],
    parameters: Buffer.concat([sized(digest), signature]),
    parse(reader) {
      const tag = reader.u16be('validation.tag')
      const hierarchy = reader.u32be('validation.hierarchy')
      const hmac = reader.sized16be('validation.digest')
      if (tag !== ST_VERIFIED || hierarchy !== TPM_RH.OWNER) {
        throw new TpmError('TPM_MALFORMED', 'TPM2_VerifySignature: the ticket is not one of this hierarchy')
      }
      return Buffer.concat([u16(tag), u32(hierarchy), sized(hmac)])
    },
  }
}

function policyCommand(title: string, code: number, session: number, parameters: Buffer): TpmCommand<void> {
  return { title, code, handles: [permanent(session)], parameters, parse: () => undefined }
}

/** TPM2_PolicyPCR (Part 3, section 23.7): the TPM refuses at once unless these PCRs have this digest now. */
export function policyPcrCommand(
  session: number,
  pcrDigest: Buffer,
  selection: readonly PcrSelection[],
): TpmCommand<void> {
  const parameters = Buffer.concat([sized(pcrDigest), writePcrSelection(selection)])
  return policyCommand('TPM2_PolicyPCR', TPM_CC.PolicyPCR, session, parameters)
}

/** TPM2_PolicyNV (Part 3, section 23.9): the TPM refuses unless the index compares so with `operand`. `auth` authorizes the reading. */
export function policyNvCommand(
  session: number,
  index: Entity,
  operand: Buffer,
  operation: (typeof TPM_EO)[keyof typeof TPM_EO],
): TpmCommand<void> {
  return {
    title: 'TPM2_PolicyNV',
    code: TPM_CC.PolicyNV,
    handles: [index, index, permanent(session)],
    parameters: Buffer.concat([sized(operand), u16(0), u16(operation)]),
    parse: () => undefined,
  }
}

/** TPM2_PolicyAuthorize (Part 3, section 23.16): puts the signer's key in the place of what it approved. */
export function policyAuthorizeCommand(
  session: number,
  approved: {
    readonly policy: Buffer
    readonly policyRef: Buffer
    readonly keyName: Buffer
    readonly ticket: VerifiedTicket
  },
): TpmCommand<void> {
  const { policy, policyRef, keyName, ticket } = approved
  const parameters = Buffer.concat([sized(policy), sized(policyRef), sized(keyName), ticket])
  return policyCommand('TPM2_PolicyAuthorize', TPM_CC.PolicyAuthorize, session, parameters)
}

/** TPM2_PolicyAuthValue (Part 3, section 23.17): the session's HMAC will have to show the object's authValue. */
export function policyAuthValueCommand(session: number): TpmCommand<void> {
  return policyCommand('TPM2_PolicyAuthValue', TPM_CC.PolicyAuthValue, session, Buffer.alloc(0))
}

/** TPM2_PolicyGetDigest (Part 3, section 23.19). */
export function policyGetDigestCommand(session: number): TpmCommand<Buffer> {
  return {
    title: 'TPM2_PolicyGetDigest',
    code: TPM_CC.PolicyGetDigest,
    handles: [permanent(session)],
    parameters: Buffer.alloc(0),
    parse: (reader: ByteReader) => Buffer.from(reader.sized16be('policyDigest')),
  }
}
