import { hash } from 'node:crypto'
import type { SignatureEntry, VariableContents } from '../../eventlog/decode/index.ts'

/** A key, or a digest that stands for an image, as a database or an authority names it. */
export interface MeasuredKey {
  /** For people: a certificate's subject. */
  readonly name: string
  /** SHA-256 of a certificate (DER); the digest itself of an image; SHA-256 of anything else. */
  readonly fingerprint: string
}

/** The entries of a database; null for a variable that is none. One that is not set has none. */
export function keysOf(contents: VariableContents): readonly MeasuredKey[] | null {
  if (contents.form === 'absent') return []
  if (contents.form !== 'signatures') return null
  return contents.lists.flatMap(({ entries }) => entries.map(keyOf))
}

/**
 * What an image was let in by: an entry of a database, or SBAT's level. Null for what lets in no image: shim logs its switches as authorities too, and
 * `MokListTrusted`, which is on as a rule, has the value of `MokSBState`, which says that shim verifies nothing (shim, mok.c). Only the whole event
 * tells them apart, so they have to be listed as events.
 */
export function authorityKey(contents: VariableContents, data: Buffer): MeasuredKey | null {
  if (contents.form === 'signature') return keyOf(contents.entry)
  if (contents.form !== 'sbat') return null
  const [level] = contents.entries
  const name = `SBAT level ${[level?.generation, ...(level?.rest ?? [])].join(' ')}`
  return { name, fingerprint: hash('sha256', data) }
}

type Entry = SignatureEntry | Extract<VariableContents, { form: 'signature' }>['entry']

function keyOf(entry: Entry): MeasuredKey {
  switch (entry.kind) {
    case 'certificate': {
      const { sha256, subject } = entry.certificate
      return {
        name: subject === null ? 'a certificate that cannot be read' : commonName(subject),
        fingerprint: sha256,
      }
    }
    case 'image-digest':
      return {
        name: 'an image digest',
        fingerprint: entry.algorithm === 'sha256' ? entry.digest : hash('sha256', entry.digest),
      }
    case 'certificate-digest':
      return { name: 'a certificate digest', fingerprint: hash('sha256', entry.digest) }
    case 'other':
      return { name: 'a signature of another kind', fingerprint: hash('sha256', entry.data) }
  }
}

/** The part of a subject that people know a certificate by; all of it when it has none. */
function commonName(subject: string): string {
  return /(?:^|, )(CN=[^,]*)/.exec(subject)?.[1] ?? subject
}
