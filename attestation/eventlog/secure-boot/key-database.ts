import type { LoggedCertificate, SignatureEntry, SignatureList } from '../decode/index.ts'

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

/** @param digest in hex; digests of two algorithms have different sizes, or are not told apart by anything else */
export function hasDigest(database: KeyDatabase, digest: string): boolean {
  return database.imageDigests.some(item => item.digest === digest)
}
