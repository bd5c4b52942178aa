import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { CliError } from '../error.ts'
import { systemReason } from '../files.ts'

/** SHA-256 of a file's bytes as they are now. @throws CliError */
export async function digestOf(path: string, what: string): Promise<string> {
  try {
    if (!(await stat(path)).isFile())
      throw new CliError('FILE_UNREADABLE', `${path} is not a regular file`, { at: path })
    const hash = createHash('sha256')
    for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer)
    return hash.digest('hex')
  } catch (cause) {
    if (cause instanceof CliError) throw cause
    throw new CliError('FILE_MISSING', `cannot read ${path} as ${what}: ${systemReason(cause)}`, {
      at: path,
      cause,
    })
  }
}
