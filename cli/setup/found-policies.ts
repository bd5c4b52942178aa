import { readdir } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { modeText } from '../config/identity.ts'
import { CliError } from '../error.ts'
import { readDocument, systemReason, TEMPORARY } from '../files.ts'
import { statOwn } from './place.ts'

/** What the first policy says: an artifact is needed in any case, and this adds no rule of its own. */
export const FIRST_POLICY = `// Whatever an artifact allows is permitted. Rules of the host's own come here: see docs/policy.md.
permit (principal, action, resource);
`

/** The file that the setup makes for it. */
export function firstPolicyFile(directory: string): string {
  return join(directory, 'start.cedar')
}

/**
 * Looks at policies that lie there before any are signed. Whoever put them there decides with them what may run on the host.
 *
 * @returns a line for the directory and one for each file in it: name, size, owner, mode; null where there is nothing but what a setup has made,
 *   be it half
 * @throws CliError `HOST_UNFIT` for what others than root can change: what is looked at need not be what is signed
 */
export async function foundPolicies(directory: string): Promise<readonly string[] | null> {
  const names = await readdir(directory).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT') return null
    throw new CliError('HOST_UNFIT', `cannot look at ${directory}: ${systemReason(cause)}`, {
      at: directory,
      cause,
    })
  })
  if (names === null) return null
  const lines = [await ownersLine(directory, 'directory')]
  for (const name of names.sort()) lines.push(await ownersLine(join(directory, name), 'file'))
  return (await isFirst(directory, names)) ? null : lines
}

async function ownersLine(path: string, kind: 'file' | 'directory'): Promise<string> {
  const info = await statOwn(path, kind)
  const owner = `of uid ${info.uid}, mode ${modeText(info)}`
  return kind === 'directory' ? `${path}: ${owner}` : `${basename(path)}: ${info.size} bytes, ${owner}`
}

/** Whether nobody but a setup has written there; one that was killed may have left the file half, or the directory empty. */
async function isFirst(directory: string, names: readonly string[]): Promise<boolean> {
  const first = firstPolicyFile(directory)
  const others = names.filter(name => name.replace(TEMPORARY, '') !== basename(first))
  if (others.length > 0) return false
  return (
    !names.includes(basename(first)) ||
    (await readDocument(first, 'a policy')).equals(Buffer.from(FIRST_POLICY))
  )
}
