import { parse, TomlError } from 'smol-toml'
import * as v from 'valibot'
import { utf8ToString } from '../../encoding/text.ts'
import { CliError } from '../error.ts'
import { readDocument } from '../files.ts'

/** Most bytes of a file of answers. */
const MAX_ANSWERS_BYTES = 64 << 10
const MAX_FILES = 100

const text = v.pipe(
  v.string(),
  v.minLength(1, 'must not be empty'),
  v.maxLength(4096, 'is longer than 4096 characters'),
  v.check(value => !value.includes('\0'), 'has a NUL'),
)
const path = v.pipe(
  text,
  v.check(value => value.startsWith('/'), 'has to be an absolute path'),
)
const paths = v.pipe(v.array(path), v.maxLength(MAX_FILES, `has at most ${MAX_FILES} items`))

/** Sections and keys of the answers, with what counts without them. Each is explained by `--print-answers`, and a test compares the two. */
export const answersSchema = v.strictObject({
  places: v.optional(
    v.strictObject({
      etc: v.optional(path, '/etc/writ'),
      state_directory: v.optional(path, '/var/lib/writ'),
      credentials: v.optional(v.union([path, v.literal('none')])),
      socket: v.optional(path, '/run/writ/writd.sock'),
      event_log: v.optional(path, '/sys/kernel/security/tpm0/binary_bios_measurements'),
      userspace_log: v.optional(v.union([path, v.literal('none')]), '/run/log/systemd/tpm2-measure.log'),
      ima_log: v.optional(
        v.union([path, v.literal('none')]),
        '/sys/kernel/security/ima/binary_runtime_measurements',
      ),
      ima_policy: v.optional(path, '/etc/ima/ima-policy'),
      grub: v.optional(path, '/etc/default/grub.d'),
    }),
    {},
  ),
  tpm: v.optional(
    v.strictObject({
      where: v.optional(
        v.pipe(text, v.regex(/^(device|swtpm):\/[^,]+$/, 'has to be device:PATH or swtpm:PATH')),
        'device:/dev/tpmrm0',
      ),
      hardware_roots: v.optional(paths, []),
      simulated: v.optional(v.picklist(['deny', 'allow']), 'deny'),
      owner_auth_env: v.optional(text),
      endorsement_auth_env: v.optional(text),
    }),
    {},
  ),
  daemon: v.optional(v.strictObject({ user: v.optional(text, 'writ') }), {}),
  keys: v.optional(
    v.strictObject({
      operator: v.optional(v.union([v.literal('new'), path]), 'new'),
      release: v.optional(v.union([v.literal('new'), v.literal('none'), path]), 'new'),
      passphrase_file: v.optional(path),
      passphrase_env: v.optional(text),
      sign_command: v.optional(text),
    }),
    {},
  ),
  documents: v.optional(
    v.strictObject({
      trust: v.optional(path),
      policy: v.optional(path),
      policies: v.optional(v.picklist(['refuse', 'take']), 'refuse'),
      reference: v.optional(path),
    }),
    {},
  ),
  reference: v.optional(
    v.strictObject({
      // With the scripts of the packages, which dpkg executes at each upgrade and removal of one.
      files: v.optional(paths, ['/usr', '/etc', '/var/lib/dpkg/info']),
      packages: v.optional(v.boolean(), false),
      components: v.optional(v.pipe(v.array(text), v.maxLength(16, 'has at most 16 items')), []),
    }),
    {},
  ),
  ima: v.optional(
    v.strictObject({
      policy: v.optional(v.picklist(['install', 'leave']), 'install'),
      less: v.optional(v.picklist(['refuse', 'accept']), 'refuse'),
      boot: v.optional(v.picklist(['say', 'grub', 'without']), 'say'),
    }),
    {},
  ),
  service: v.optional(
    v.strictObject({
      start: v.optional(v.boolean(), true),
      attested_seconds: v.optional(
        v.pipe(
          v.number(),
          v.integer('has to be a whole number'),
          v.minValue(1, 'is at least 1'),
          v.maxValue(3600, 'is at most 3600'),
        ),
        120,
      ),
    }),
    {},
  ),
  hello: v.optional(v.strictObject({ run: v.optional(v.boolean(), true) }), {}),
})

/** What `writ setup` is told: the answers to all that it would ask, and the places that it uses. */
export type Answers = v.InferOutput<typeof answersSchema>
/** The same as a file has it: every key may be missing. */
export type GivenAnswers = v.InferInput<typeof answersSchema>

/**
 * Reads a file of answers. A section or key that is not known is an error, as is a value out of its range.
 *
 * @throws CliError
 */
export async function readAnswers(file: string): Promise<GivenAnswers> {
  return parseAnswers(await readDocument(file, 'a file of answers', MAX_ANSWERS_BYTES), file)
}

/**
 * @param bytes controlled by whoever wrote the file
 * @param file its name, for errors
 * @throws CliError `FILE_MALFORMED`
 */
export function parseAnswers(bytes: Buffer, file: string): GivenAnswers {
  const wrong = (why: string, at?: string, cause?: unknown) =>
    new CliError('FILE_MALFORMED', `cannot use ${file} as a file of answers: ${why}`, {
      at: at ?? file,
      cause,
      next: '`writ setup --print-answers` shows every key.',
    })
  let table: GivenAnswers
  try {
    table = parse(utf8ToString(bytes), { maxDepth: 4 }) as GivenAnswers
  } catch (cause) {
    const said = cause instanceof TomlError ? cause.message.replace(/^Invalid TOML document: /, '') : ''
    throw wrong(said === '' ? 'it is not TOML in UTF-8' : (said.split('\n')[0] ?? ''), undefined, cause)
  }
  const issue = issueOf(table)
  if (issue !== null) throw wrong(issue.text, issue.key)
  return table
}

/** All answers, with what counts where nothing was said. @throws CliError `USAGE` */
export function completeAnswers(given: GivenAnswers): Answers {
  const issue = issueOf(given)
  if (issue !== null) throw new CliError('USAGE', issue.text, { at: issue.key })
  return v.parse(answersSchema, given)
}

function issueOf(table: unknown): { key: string; text: string } | null {
  const result = v.safeParse(answersSchema, table)
  if (result.success) return null
  const [issue] = result.issues
  const key = v.getDotPath(issue) ?? 'the file'
  return { key, text: `${key} ${issue.expected === 'never' ? 'is not known' : issueText(issue)}` }
}

/** What our own rules say they say themselves; of a type valibot says what was expected. */
function issueText(issue: v.BaseIssue<unknown>): string {
  return issue.kind === 'validation' ? issue.message : `has to be ${issue.expected}, not ${issue.received}`
}
