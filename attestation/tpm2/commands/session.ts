import { randomBytes } from 'node:crypto'
import { TPM_CC, TPM_RH, type TPM_SE } from '../constants.ts'
import { TpmError } from '../error.ts'
import { type Entity, permanent, type TpmCommand } from '../marshal.ts'
import { ALG } from '../structures/index.ts'
import { sized, u8, u16, u32 } from '../structures/integers.ts'

/** Bytes of a nonce: that of the session's hash, SHA-256. */
const NONCE_SIZE = 32

/** TPM2_StartAuthSession (TPM 2.0 Part 3, section 11.1): unbound, unsalted, SHA-256, without parameter encryption. */
export function startAuthSessionCommand(
  type: (typeof TPM_SE)[keyof typeof TPM_SE],
): TpmCommand<{ handle: number; nonceTpm: Buffer }> {
  return {
    title: 'TPM2_StartAuthSession',
    code: TPM_CC.StartAuthSession,
    handles: [permanent(TPM_RH.NULL), permanent(TPM_RH.NULL)],
    parameters: Buffer.concat([
      sized(randomBytes(NONCE_SIZE)),
      sized(Buffer.alloc(0)),
      u8(type),
      u16(ALG.NULL),
      u16(ALG.SHA256),
    ]),
    returnsHandle: true,
    parse(reader, handle) {
      const nonceTpm = Buffer.from(reader.sized16be('nonceTPM'))
      if (nonceTpm.length !== NONCE_SIZE) {
        throw new TpmError('TPM_MALFORMED', `TPM2_StartAuthSession: a nonce of ${nonceTpm.length} bytes`)
      }
      return { handle, nonceTpm }
    },
  }
}

/** The salt of a session, as the holder of the private part of `key` gets it. */
export interface Salt {
  readonly key: Entity
  /** The whole TPM2B_ENCRYPTED_SECRET. */
  readonly encryptedSalt: Buffer
}

/**
 * TPM2_StartAuthSession of a session that encrypts parameters with AES-128-CFB, which every PC Client TPM has (PC Client Platform TPM
 * Profile 1.05, section 4.5). SHA-256; not bound.
 */
export function startEncryptedSessionCommand(
  type: (typeof TPM_SE)[keyof typeof TPM_SE],
  salt: Salt,
  nonceCaller: Buffer,
): TpmCommand<{ handle: number; nonceTpm: Buffer }> {
  return {
    ...startAuthSessionCommand(type),
    handles: [salt.key, permanent(TPM_RH.NULL)],
    parameters: Buffer.concat([
      sized(nonceCaller),
      salt.encryptedSalt,
      u8(type),
      u16(ALG.AES),
      u16(128),
      u16(ALG.CFB),
      u16(ALG.SHA256),
    ]),
  }
}

/** TPM2_PolicySecret (Part 3, section 23.4) without expiry, for a session that is used at once. */
export function policySecretCommand(auth: Entity, session: number): TpmCommand<void> {
  return {
    title: 'TPM2_PolicySecret',
    code: TPM_CC.PolicySecret,
    handles: [auth, permanent(session)],
    // nonceTPM, cpHashA, policyRef: empty; expiration: 0.
    parameters: Buffer.concat([u16(0), u16(0), u16(0), u32(0)]),
    parse(reader) {
      reader.sized16be('timeout')
      // The ticket (TPMT_TK_AUTH) is for sessions with an expiry.
      reader.u16be('policyTicket.tag')
      reader.u32be('policyTicket.hierarchy')
      reader.sized16be('policyTicket.digest')
    },
  }
}
