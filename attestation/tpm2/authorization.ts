import { randomBytes } from 'node:crypto'
import { TPM_RH } from './constants.ts'
import { TpmError } from './error.ts'
import {
  authorizationArea,
  checkAuthorization,
  NONCE_SIZE,
  type ResponseAuthorization,
  type SessionMoment,
} from './session-hmac.ts'
import { sized, u8, u32 } from './structures/integers.ts'

/** Authorizes one handle of a command, and checks the TPM's answer to that. */
export interface Authorization {
  /** Encrypts the first parameter of a command, if this session does that; called before {@link authorizeCommand}. */
  protectCommand?(parameters: Buffer): Buffer
  /** Decrypts the first parameter of a response, if this session does that; called after {@link checkResponse}. */
  openResponse?(title: string, parameters: Buffer): Buffer
  /** TPMS_AUTH_COMMAND for a command with this cpHash. */
  authorizeCommand(cpHash: Buffer): Buffer
  /** @throws TpmError `TPM_UNAUTHENTIC` unless the answer is from the holder of the same authValue */
  checkResponse(title: string, rpHash: Buffer, answer: ResponseAuthorization): void
}

/** sessionAttributes.continueSession (Part 2, section 8.4). */
const CONTINUE = 0x01

/** The empty password, for entities that have none (PCRs, hierarchies without an auth, an NV index of the vendor). */
export const EMPTY_PASSWORD: Authorization = password(Buffer.alloc(0))

/** A password in the clear: only for hierarchies while provisioning, never for a key (Part 1, section 19.4). */
export function password(auth: Buffer): Authorization {
  return {
    authorizeCommand: () =>
      Buffer.concat([u32(TPM_RH.PW), sized(Buffer.alloc(0)), u8(CONTINUE), sized(auth)]),
    checkResponse(title, _rpHash, answer) {
      if (answer.nonce.length !== 0 || answer.hmac.length !== 0) {
        throw new TpmError('TPM_MALFORMED', `${title}: answer to a password carries a nonce or an HMAC`)
      }
    },
  }
}

/** A policy session that ends with the command. It is unbound and unsalted, so that its HMAC is empty (Part 1, section 19.6.5). */
export function policySession(handle: number): Authorization {
  return {
    authorizeCommand: () =>
      Buffer.concat([u32(handle), sized(randomBytes(NONCE_SIZE)), u8(0), sized(Buffer.alloc(0))]),
    checkResponse(title, _rpHash, answer) {
      if (answer.hmac.length !== 0) {
        throw new TpmError('TPM_MALFORMED', `${title}: answer in a policy session carries an HMAC`)
      }
    },
  }
}

/**
 * An HMAC session for one entity (Part 1, section 19.6). It is neither bound nor salted: the session key is then empty
 * and the authValue itself keys the HMAC. That is enough here, since each authValue is 32 random bytes that nobody can
 * guess from a recorded exchange; salt would protect guessable ones, and cost an RSA or ECDH operation of the TPM at
 * each quote. Nonces of both sides are fresh with each command, so that no exchange can be replayed.
 */
export class HmacSession implements Authorization {
  readonly handle: number
  readonly #key: Buffer
  #nonceTpm: Buffer
  #nonceCaller: Buffer = Buffer.alloc(0)
  #attributes = 0
  /** Set for each command but the last: the TPM frees the session by itself when one succeeds without it. */
  keep = false
  /** True once the TPM has freed it. */
  ended = false

  constructor(handle: number, nonceTpm: Buffer, authValue: Buffer) {
    this.handle = handle
    this.#nonceTpm = nonceTpm
    this.#key = withoutTrailingZeros(authValue)
  }

  authorizeCommand(cpHash: Buffer): Buffer {
    this.#nonceCaller = randomBytes(NONCE_SIZE)
    this.#attributes = this.keep ? CONTINUE : 0
    return authorizationArea(this.handle, cpHash, this.#moment)
  }

  checkResponse(title: string, rpHash: Buffer, answer: ResponseAuthorization): void {
    if (!this.keep) this.ended = true
    this.#nonceTpm = checkAuthorization(title, rpHash, answer, this.#moment)
  }

  get #moment(): SessionMoment {
    const [key, nonceCaller, nonceTpm] = [this.#key, this.#nonceCaller, this.#nonceTpm]
    return { key, nonceCaller, nonceTpm, attributes: this.#attributes }
  }
}

/** The TPM drops trailing zeros of an authValue when it stores it (Part 1, section 19.6.4.3). */
export function withoutTrailingZeros(auth: Buffer): Buffer {
  let end = auth.length
  while (end > 0 && auth[end - 1] === 0) end--
  return Buffer.from(auth.subarray(0, end))
}
