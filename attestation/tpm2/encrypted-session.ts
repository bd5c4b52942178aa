import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { kdfA } from '../identity/kdf.ts'
import { type Authorization, withoutTrailingZeros } from './authorization.ts'
import { TpmError } from './error.ts'
import type { ResponseAuthorization } from './session-hmac.ts'
import { authorizationArea, checkAuthorization, NONCE_SIZE, type SessionMoment } from './session-hmac.ts'

/** Bits of TPMA_SESSION (TPM 2.0 Part 2, section 8.4). */
const ATTRIBUTE = { continueSession: 1 << 0, decrypt: 1 << 5, encrypt: 1 << 6 } as const
/** Of the session's AES key and of its block, in bytes. */
const KEY_SIZE = 16
const IV_SIZE = 16

export interface EncryptedSessionParts {
  readonly handle: number
  readonly nonceCaller: Buffer
  readonly nonceTpm: Buffer
  /** What only the TPM and the caller know: the salt. */
  readonly salt: Buffer
}

/**
 * A salted session, of HMAC or policy, that encrypts the first parameter both ways (TPM 2.0 Part 1, sections 19.6 and 21). Whoever
 * listens on the way to the TPM, or answers in its place, has neither the salt nor anything that comes from it.
 */
export class EncryptedSession implements Authorization {
  readonly handle: number
  readonly #sessionKey: Buffer
  /** Of the entity that the session authorizes: part of both keys once the session has it. */
  #authValue: Buffer = Buffer.alloc(0)
  #nonceTpm: Buffer
  #nonceCaller: Buffer
  #fresh = false
  /** TPMA_SESSION `decrypt`: the command's first parameter is encrypted. */
  encryptCommand = false
  /** TPMA_SESSION `encrypt`: the response's first parameter is encrypted. */
  encryptResponse = false
  /** Set for each command but the last: the TPM frees the session by itself when one succeeds without it. */
  keep = false
  /** True once the TPM has freed it. */
  ended = false

  constructor({ handle, nonceCaller, nonceTpm, salt }: EncryptedSessionParts) {
    this.handle = handle
    this.#nonceCaller = nonceCaller
    this.#nonceTpm = nonceTpm
    // Part 1, section 19.6.8: the session key of an unbound session is KDFa over the salt and the two first nonces.
    this.#sessionKey = kdfA('sha256', salt, 'ATH', nonceTpm, nonceCaller, 256)
  }

  /** The authValue of what the next command uses; with TPM2_PolicyAuthValue the HMAC shows that the caller has it. */
  authorizeWith(authValue: Buffer): void {
    this.#authValue = withoutTrailingZeros(authValue)
  }

  /** Forgets the keys. The session cannot be used afterwards. */
  wipe(): void {
    this.#sessionKey.fill(0)
    this.#authValue.fill(0)
  }

  protectCommand(parameters: Buffer): Buffer {
    this.#nonceCaller = randomBytes(NONCE_SIZE)
    this.#fresh = true
    if (!this.encryptCommand) return parameters
    const { start, end } = firstParameter('command', parameters)
    const { key, iv } = this.#cipher(this.#nonceCaller, this.#nonceTpm)
    const cipher = createCipheriv('aes-128-cfb', key, iv)
    const hidden = Buffer.concat([cipher.update(parameters.subarray(start, end)), cipher.final()])
    return Buffer.concat([parameters.subarray(0, start), hidden, parameters.subarray(end)])
  }

  authorizeCommand(cpHash: Buffer): Buffer {
    if (!this.#fresh) throw new Error('a command is protected before it is authorized')
    this.#fresh = false
    return authorizationArea(this.handle, cpHash, this.#moment)
  }

  checkResponse(title: string, rpHash: Buffer, answer: ResponseAuthorization): void {
    if (!this.keep) this.ended = true
    this.#nonceTpm = checkAuthorization(title, rpHash, answer, this.#moment)
  }

  openResponse(title: string, parameters: Buffer): Buffer {
    if (!this.encryptResponse) return parameters
    const { start, end } = firstParameter(title, parameters)
    const { key, iv } = this.#cipher(this.#nonceTpm, this.#nonceCaller)
    const cipher = createDecipheriv('aes-128-cfb', key, iv)
    const plain = Buffer.concat([cipher.update(parameters.subarray(start, end)), cipher.final()])
    return Buffer.concat([parameters.subarray(0, start), plain, parameters.subarray(end)])
  }

  get #attributes(): number {
    return (
      (this.keep ? ATTRIBUTE.continueSession : 0) |
      (this.encryptCommand ? ATTRIBUTE.decrypt : 0) |
      (this.encryptResponse ? ATTRIBUTE.encrypt : 0)
    )
  }

  /** Part 1, section 21.3: key and IV of CFB from KDFa over sessionKey ‖ authValue and both nonces. */
  #cipher(newer: Buffer, older: Buffer): { key: Buffer; iv: Buffer } {
    const bytes = kdfA('sha256', this.#secret(), 'CFB', newer, older, (KEY_SIZE + IV_SIZE) * 8)
    return { key: bytes.subarray(0, KEY_SIZE), iv: bytes.subarray(KEY_SIZE) }
  }

  get #moment(): SessionMoment {
    const [key, nonceCaller, nonceTpm] = [this.#secret(), this.#nonceCaller, this.#nonceTpm]
    return { key, nonceCaller, nonceTpm, attributes: this.#attributes }
  }

  #secret(): Buffer {
    return Buffer.concat([this.#sessionKey, this.#authValue])
  }
}

/** Only a TPM2B can be encrypted, and of it the content, not the size (Part 1, section 21.1). */
function firstParameter(title: string, parameters: Buffer): { start: number; end: number } {
  const size = parameters.length < 2 ? Number.POSITIVE_INFINITY : parameters.readUInt16BE()
  if (2 + size > parameters.length) {
    throw new TpmError('TPM_MALFORMED', `${title}: the first parameter is longer than all of them`)
  }
  return { start: 2, end: 2 + size }
}
