import { REVOCATION_KINDS, type RevocationKind, type RevocationTarget } from '../authorization/index.ts'
import { CliError } from './error.ts'

/** What names each kind of thing: a SHA-256, an AK's Name, an execution's id. */
const IDS: Readonly<Record<RevocationKind, RegExp>> = {
  artifact: /^[0-9a-f]{64}$/,
  key: /^[0-9a-f]{64}$/,
  program: /^[0-9a-f]{64}$/,
  policy: /^[0-9a-f]{64}$/,
  host: /^000b[0-9a-f]{64}$/,
  execution: /^[0-9a-f]{32}$/,
}

/** Most bytes of a list: some hundred thousand lines. */
export const MAX_LIST_BYTES = 32 << 20

export function isRevocable(kind: RevocationKind, id: string): boolean {
  return IDS[kind].test(id)
}

export function revocationTarget(kind: RevocationKind, id: string): RevocationTarget {
  return kind === 'key' || kind === 'host' || kind === 'execution' ? { kind, id } : { kind, digest: id }
}

/**
 * Reads a list of what to revoke: a kind and a digest or id on each line, apart by blanks. Empty lines and what comes after a `#` say nothing.
 *
 * @param text controlled by whoever made the list
 * @throws CliError `FILE_MALFORMED` with the line
 */
export function parseRevocationList(text: string, path: string): RevocationTarget[] {
  return text.split('\n').flatMap((line, at) => {
    const words = line
      .replace(/#.*/, '')
      .split(/[ \t\r]+/)
      .filter(word => word !== '')
    if (words.length === 0) return []
    const [kind, id] = words as [RevocationKind, string | undefined]
    const wrong =
      !REVOCATION_KINDS.includes(kind) || words.length !== 2
        ? `is not a kind (${REVOCATION_KINDS.join(', ')}) and what it names`
        : !isRevocable(kind, id ?? '')
          ? `names no ${kind}`
          : undefined
    if (wrong !== undefined || id === undefined)
      throw new CliError('FILE_MALFORMED', `${path}: line ${at + 1} ${wrong}`, { at: path })
    return [revocationTarget(kind, id)]
  })
}
