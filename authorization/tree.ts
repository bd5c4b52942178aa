import { createHash } from 'node:crypto'

/** The first field of a manifest; another form would get another one. */
const MANIFEST_FORM = 'writ-tree-v1'
/** A tree with more is refused by the launcher (native/launchd/tree.h). */
export const MAX_TREE_ENTRIES = 131_072
export const MAX_TREE_DEPTH = 32

/**
 * One name below the top of a directory. Paths and link targets are bytes, as the kernel has them; neither can contain a NUL. A file is executable if its
 * owner may execute it; no other mode counts.
 */
export type TreeEntry = { readonly path: Buffer } & (
  | { readonly kind: 'directory' }
  | { readonly kind: 'file'; readonly executable: boolean; readonly sha256: string }
  | { readonly kind: 'link'; readonly target: Buffer }
)

const NUL = Buffer.alloc(1)

/** By their names from the top on, each name by its bytes: a directory comes right before what is in it. */
function byNames(a: TreeEntry, b: TreeEntry): number {
  // A slash sorts below every byte that a name can have.
  return Buffer.compare(slashLowest(a.path), slashLowest(b.path))
}

function slashLowest(path: Buffer): Buffer {
  return Buffer.from(path.map(byte => (byte === 0x2f ? 0 : byte)))
}

/** The bytes whose SHA-256 is the digest of a directory (docs/artifact.md, "Directories"). */
export function treeManifest(entries: readonly TreeEntry[]): Buffer {
  const fields: Buffer[] = [Buffer.from(MANIFEST_FORM)]
  for (const entry of entries.toSorted(byNames)) {
    if (entry.kind === 'directory') fields.push(Buffer.from('d'))
    else if (entry.kind === 'link') fields.push(Buffer.from('l'), entry.target)
    else fields.push(Buffer.from(entry.executable ? 'x' : 'f'), Buffer.from(entry.sha256))
    fields.push(entry.path)
  }
  return Buffer.concat(fields.flatMap(field => [field, NUL]))
}

/** The digest of a directory, in lower-case hexadecimal. */
export function treeDigest(entries: readonly TreeEntry[]): string {
  return createHash('sha256').update(treeManifest(entries)).digest('hex')
}
