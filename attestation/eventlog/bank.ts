import { getHashes, hash } from 'node:crypto'
import { ALG, type HashAlgorithm, hashName, hashSize } from '../tpm2/structures/index.ts'

/** The banks that a log may declare beside those that Writ quotes, under the names that tpm2-tools has for them. */
const OTHER_BANKS = [
  { id: ALG.SM3_256, name: 'sm3_256', size: 32, openssl: 'sm3' },
  { id: ALG.SHA3_256, name: 'sha3_256', size: 32, openssl: 'sha3-256' },
  { id: ALG.SHA3_384, name: 'sha3_384', size: 48, openssl: 'sha3-384' },
  { id: ALG.SHA3_512, name: 'sha3_512', size: 64, openssl: 'sha3-512' },
] as const

/** A bank: a hash that Writ knows, or the number of one that it does not (`0x0099`). */
export type BankName = HashAlgorithm | (typeof OTHER_BANKS)[number]['name'] | `0x${string}`

/** A bank that a log declares. */
export interface EventLogBank {
  /** TPM_ALG_ID. */
  readonly id: number
  readonly name: BankName
  /** Bytes of a digest, as the log says; for a known hash this is its size. */
  readonly digestBytes: number
  /** Whether this runtime has the hash, so that the bank can be replayed. */
  readonly replayable: boolean
}

const OTHER_BY_NAME = new Map<string, (typeof OTHER_BANKS)[number]>(
  OTHER_BANKS.map(bank => [bank.name, bank]),
)
const QUOTED: ReadonlySet<string> = new Set(['sha1', 'sha256', 'sha384', 'sha512'])
/** Lazily: the list costs a millisecond, and almost no log declares another bank. */
let available: ReadonlySet<string> | null = null

function isAvailable(openssl: string): boolean {
  available ??= new Set(getHashes())
  return available.has(openssl)
}

/**
 * The bank with this TPM_ALG_ID and digests of this size, or null when a known hash has another size.
 *
 * @param id of the log, like `digestBytes`
 */
export function bankOf(id: number, digestBytes: number): EventLogBank | null {
  const name = hashName(id)
  if (name !== undefined) {
    return hashSize(name) === digestBytes ? { id, name, digestBytes, replayable: true } : null
  }
  const other = OTHER_BANKS.find(bank => bank.id === id)
  if (other === undefined) {
    return { id, name: `0x${id.toString(16).padStart(4, '0')}`, digestBytes, replayable: false }
  }
  if (other.size !== digestBytes) return null
  return { id, name: other.name, digestBytes, replayable: isAvailable(other.openssl) }
}

/** Whether the name is that of a hash that Writ also knows outside of logs. */
export function isHashAlgorithm(name: BankName): name is HashAlgorithm {
  return QUOTED.has(name)
}

/** What a bank's hash makes of data. @throws TypeError for a bank that is not `replayable` */
export function bankDigest(name: BankName, data: Uint8Array): Buffer {
  return Buffer.from(bankDigestText(name, data), 'latin1')
}

/**
 * {@link bankDigest} with a character for each byte: a one-shot hash gives a string in a third of the time that it takes to give a Buffer.
 *
 * @throws TypeError for a bank that is not `replayable`
 */
export function bankDigestText(name: BankName, data: Uint8Array): string {
  const openssl = QUOTED.has(name) ? name : (OTHER_BY_NAME.get(name)?.openssl ?? name)
  return hash(openssl, data, 'latin1')
}

/** Whether a digest is what a bank's hash makes of data. @throws TypeError for a bank that is not `replayable` */
export function isBankDigest(digest: Buffer, name: BankName, data: Uint8Array): boolean {
  return bankDigestText(name, data) === digest.toString('latin1')
}

/** The bytes of a digest of a bank, null when its hash is not known. */
export function bankDigestBytes(name: BankName): number | null {
  if (isHashAlgorithm(name)) return hashSize(name)
  return OTHER_BY_NAME.get(name)?.size ?? null
}
