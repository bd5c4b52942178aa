import { basename, dirname, resolve } from 'node:path'
import { parse, TomlError } from 'smol-toml'
import * as v from 'valibot'
import type { TrustRootsFields } from '../authorization/index.ts'
import { utf8ToString } from '../encoding/text.ts'
import { CliError } from './error.ts'
import { readDocument } from './files.ts'
import { readInstant } from './instant.ts'
import { readTrustedKey } from './keys.ts'

type AuthorityFields = TrustRootsFields['authorities'][number]
type KeyFields = AuthorityFields['keys'][number]

const when = v.optional(v.union([v.string(), v.date()]), 'any')
const fileSchema = v.strictObject({
  version: v.optional(v.number()),
  not_after: v.optional(v.union([v.string(), v.date()])),
  authority: v.array(
    v.strictObject({
      name: v.string(),
      threshold: v.optional(v.number(), 1),
      requester: v.optional(v.picklist(['required', 'none']), 'none'),
      key: v.array(
        v.strictObject({
          file: v.string(),
          holder: v.optional(v.string()),
          role: v.optional(v.picklist(['approver', 'requester']), 'approver'),
          not_before: when,
          not_after: when,
        }),
      ),
    }),
  ),
})

/** What a file of authorities says; what it leaves open is for the command line. */
export interface TrustFile {
  readonly version: number | undefined
  readonly notAfter: string | undefined
  readonly authorities: readonly AuthorityFields[]
}

function instant(value: string | Date, where: string): string {
  if (value === 'any') return value
  return readInstant(value instanceof Date ? value.toISOString() : value, where)
}

/** Whoever has a key, when only its file is named: `keys/alice.pub` is alice's. */
function holderOf(file: string): string {
  return basename(file).replace(/\.(pub|pem|der)$/, '')
}

async function readKey(file: string, terms: Omit<KeyFields, 'key'>, authority: string): Promise<KeyFields> {
  const key = await readTrustedKey(file, `a key of the authority ${authority}`)
  return { key: key.spki.toString('base64'), ...terms }
}

/**
 * Reads authorities from a TOML file. Key files are named relative to it.
 *
 * @throws CliError
 */
export async function readTrustFile(path: string): Promise<TrustFile> {
  const bytes = await readDocument(path, 'a file of authorities', 256 << 10)
  const { version, not_after, authority } = parseFile(path, bytes)
  const authorities: AuthorityFields[] = []
  for (const { name, threshold, requester, key } of authority) {
    const keys: KeyFields[] = []
    for (const { file, holder, role, not_before, not_after } of key) {
      const at = `${path}: ${name}, ${file}`
      const window = { notBefore: instant(not_before, at), notAfter: instant(not_after, at) }
      const terms = { holder: holder ?? holderOf(file), role, ...window }
      keys.push(await readKey(resolve(dirname(path), file), terms, name))
    }
    authorities.push({ name, threshold, requester, keys })
  }
  return { version, notAfter: not_after && instant(not_after, path), authorities }
}

function parseFile(path: string, bytes: Buffer): v.InferOutput<typeof fileSchema> {
  const wrong = (why: string, cause?: unknown) =>
    new CliError('FILE_MALFORMED', `cannot use ${path} as a file of authorities: ${why}`, {
      at: path,
      cause,
      next: 'docs/trust-roots.md has an example.',
    })
  let table: unknown
  try {
    table = parse(utf8ToString(bytes))
  } catch (cause) {
    const why = cause instanceof TomlError ? (cause.message.split('\n')[0] ?? '') : 'it is not UTF-8 text'
    throw wrong(why, cause)
  }
  const result = v.safeParse(fileSchema, table)
  if (result.success) return result.output
  const [issue] = result.issues
  throw wrong(`${v.getDotPath(issue) ?? 'the file'}: ${issue.message}`)
}

/** Reads `NAME[:THRESHOLD]=FILE,FILE`. Each file's name says whose key it is. @throws CliError */
export async function readAuthority(text: string): Promise<AuthorityFields> {
  const [, name, threshold = '1', files] = /^([^:=]+)(?::([0-9]{1,2}))?=(.+)$/.exec(text) ?? []
  if (name === undefined || files === undefined) {
    throw new CliError(
      'USAGE',
      `--authority takes NAME=FILE or NAME:THRESHOLD=FILE,FILE, not ${JSON.stringify(text)}`,
    )
  }
  const keys = await readKeys(files, 'approver', name)
  return { name, threshold: Number(threshold), requester: 'none', keys }
}

/** Adds `NAME=FILE,FILE`: keys that ask, and have to, for artifacts of that authority. @throws CliError */
export async function addRequester(
  authorities: readonly AuthorityFields[],
  text: string,
): Promise<AuthorityFields[]> {
  const [, name, files] = /^([^:=]+)=(.+)$/.exec(text) ?? []
  if (name === undefined || files === undefined || authorities.every(other => other.name !== name)) {
    throw new CliError(
      'USAGE',
      `--requester takes NAME=FILE,FILE with the name of an --authority, not ${JSON.stringify(text)}`,
    )
  }
  const keys = await readKeys(files, 'requester', name)
  return authorities.map(other =>
    other.name === name ? { ...other, requester: 'required', keys: [...other.keys, ...keys] } : other,
  )
}

function readKeys(files: string, role: KeyFields['role'], authority: string): Promise<KeyFields[]> {
  const terms = (file: string) => ({ holder: holderOf(file), role, notBefore: 'any', notAfter: 'any' })
  return Promise.all(files.split(',').map(file => readKey(file, terms(file), authority)))
}

/** Who has to sign for an authority, in words: its threshold counts holders of approving keys, not keys. */
export function authorityLine({
  name,
  threshold,
  requester,
  keys,
}: Pick<AuthorityFields, 'name' | 'threshold' | 'requester'> & {
  keys: readonly { holder: string; role: string }[]
}): string {
  const approvers = new Set(keys.filter(({ role }) => role === 'approver').map(({ holder }) => holder))
  const asked = requester === 'required' ? ', and a requester who is none of them' : ''
  return `${name}: ${threshold} of ${approvers.size}${asked}`
}
