import { hash } from 'node:crypto'
import {
  type LoggedCertificate,
  type SignatureEntry,
  type SignatureList,
  toBeSigned,
} from '../decode/index.ts'

/** The contents of PK, KEK, db or dbx as firmware measured them. */
export interface KeyDatabase {
  /** Which event of the log measured it. */
  readonly event: number
  readonly certificates: readonly LoggedCertificate[]
  /** Authenticode digests of images. */
  readonly imageDigests: readonly { readonly algorithm: string; readonly digest: string }[]
  /** All entries, in order, with those of other kinds. */
  readonly lists: readonly SignatureList[]
}

export function keyDatabase(event: number, lists: readonly SignatureList[]): KeyDatabase {
  const entries = lists.flatMap(list => list.entries)
  return {
    event,
    certificates: entries.flatMap(entry => (entry.kind === 'certificate' ? [entry.certificate] : [])),
    imageDigests: entries.flatMap(entry =>
      entry.kind === 'image-digest' ? [{ algorithm: entry.algorithm, digest: entry.digest }] : [],
    ),
    lists,
  }
}

/** Whether a database has this certificate or digest. Who enrolled it does not count. */
export function hasEntry(database: KeyDatabase, entry: SignatureEntry): boolean {
  if (entry.kind === 'certificate') {
    return database.certificates.some(({ sha256 }) => sha256 === entry.certificate.sha256)
  }
  return entry.kind === 'image-digest' && hasDigest(database, entry.digest)
}

/** Whether a certificate is revoked by the digest of its to-be-signed part (UEFI 2.10, section 32.4.1). */
export function hasCertificateDigest(database: KeyDatabase, { der }: LoggedCertificate): boolean {
  const signed = toBeSigned(der)
  if (signed === null) return false
  return database.lists
    .flatMap(({ entries }) => entries)
    .some(entry => entry.kind === 'certificate-digest' && hash(entry.algorithm, signed) === entry.digest)
}

/** @param digest in hex; digests of two algorithms have different sizes, or are not told apart by anything else */
export function hasDigest(database: KeyDatabase, digest: string): boolean {
  return database.imageDigests.some(item => item.digest === digest)
}
