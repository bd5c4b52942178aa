import { execFileSync } from 'node:child_process'
import { CliError } from '../error.ts'

/**
 * A pattern as shells have it: `*` stands for anything but a slash, `**` for anything, `?` for one letter that is no slash. Everything else stands
 * for itself.
 */
export function glob(pattern: string): RegExp {
  const parts = pattern.split(/(\*\*|\*|\?)/)
  const text = parts.map(part =>
    part === '**'
      ? '.*'
      : part === '*'
        ? '[^/]*'
        : part === '?'
          ? '[^/]'
          : part.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'),
  )
  return new RegExp(`^${text.join('')}$`, 'su')
}

/** Whether a text is the beginning of a SHA-256 digest, and long enough not to be anything else. */
const isDigest = (text: string) => /^[0-9a-f]{12,64}$/.test(text)

/** What a program is picked by: a pattern of its path, or of its name if it has no slash; or its SHA-256, or the beginning of that. */
export function programPattern(
  text: string,
): (program: string | null, digests: readonly string[]) => boolean {
  if (isDigest(text)) return (_, digests) => digests.some(digest => digest.startsWith(text))
  const pattern = glob(text)
  if (text.includes('/')) return program => program !== null && pattern.test(program)
  return program => program !== null && pattern.test(program.slice(program.lastIndexOf('/') + 1))
}

/** What an artifact is picked by: its id, or its digest or the beginning of that. */
export function artifactPattern(text: string): (digest: string | null, id: string | null) => boolean {
  const pattern = glob(text)
  return (digest, id) =>
    (id !== null && pattern.test(id)) || (isDigest(text) && digest?.startsWith(text) === true)
}

/** The uid of a user that is named, or given as a number. @throws CliError */
export function readUid(text: string): number {
  const uid = Number(text)
  if (/^[0-9]{1,10}$/.test(text) && uid <= 0xffff_ffff) return uid
  if (/^[A-Za-z_][A-Za-z0-9_.-]{0,63}\$?$/.test(text)) {
    try {
      const found = execFileSync('getent', ['passwd', '--', text], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      })
      return Number(found.split(':')[2])
    } catch {
      // Said below.
    }
  }
  throw new CliError('USAGE', `there is no user ${JSON.stringify(text)} here`, { next: 'Give the uid.' })
}
