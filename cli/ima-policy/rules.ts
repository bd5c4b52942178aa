import { WritError } from '../../encoding/error.ts'
import { clash } from './combinations.ts'

/** Most bytes of a policy that are looked at. The shipped one has a tenth of it, most of it comments. */
export const MAX_IMA_POLICY_BYTES = 128 << 10
/** Most bytes of a line: one write into securityfs takes less than a page. */
const MAX_LINE_BYTES = 4095

export type ImaPolicyErrorCode =
  | 'TOO_LARGE'
  | 'NOT_TEXT'
  /** The kernel refuses a policy without rules. */
  | 'NO_RULE'
  /** A rule that is not understood here; the kernel takes none of a policy in which it does not understand one. */
  | 'BAD_RULE'

/** Why a text is no policy that can be judged. `at` is the line. */
export class ImaPolicyError extends WritError<ImaPolicyErrorCode> {}

/** A condition on a number: `uid>60599`. */
export interface NumberCondition {
  readonly operator: '=' | '<' | '>'
  readonly value: number
}

/** One rule about measuring. Every condition has to hold for it to match. */
export interface ImaRule {
  readonly line: number
  readonly text: string
  readonly action: 'measure' | 'dont_measure'
  readonly func: string | null
  readonly mask: string | null
  /** Magic number of a file system. */
  readonly fsmagic: bigint | null
  readonly uid: NumberCondition | null
  readonly fowner: NumberCondition | null
  /** Which PCR takes the measurement; null: IMA's own. */
  readonly pcr: number | null
  /** Conditions that depend on what cannot be known from here, each with its keyword. */
  readonly others: readonly string[]
}

/** Hooks by the names that a rule has for them, and by the one that is used here (ima_parse_rule). */
const FUNCS: ReadonlyMap<string, string> = new Map([
  ...[
    'FILE_CHECK',
    'MMAP_CHECK',
    'MMAP_CHECK_REQPROT',
    'BPRM_CHECK',
    'CREDS_CHECK',
    'MODULE_CHECK',
    'FIRMWARE_CHECK',
    'KEXEC_KERNEL_CHECK',
    'KEXEC_INITRAMFS_CHECK',
    'KEXEC_CMDLINE',
    'POLICY_CHECK',
    'KEY_CHECK',
    'CRITICAL_DATA',
    'SETXATTR_CHECK',
  ].map(name => [name, name] as const),
  ['PATH_CHECK', 'FILE_CHECK'],
  ['FILE_MMAP', 'MMAP_CHECK'],
])
/** Actions that have nothing to do with measuring: they neither add to it nor keep anything from it (ima_match_policy). */
const OTHER_ACTIONS = ['appraise', 'dont_appraise', 'audit', 'hash', 'dont_hash'] as const
const MASK = /^\^?MAY_(?:READ|WRITE|APPEND|EXEC)$/
/** Templates whose entries say digest and path, as the log's reader wants them. */
const TEMPLATES = ['ima-ng', 'ima-sig']
/** Keywords whose rules match less than all; which, depends on what is not in the text. */
const OTHER_CONDITIONS =
  /^(?:(?:euid|gid|egid|fgroup)[=<>]|(?:fsname|fsuuid|keyrings|label|digest_type|(?:subj|obj)_(?:user|role|type))=)./
/** What says how something is done, not whether it is measured. */
const OPTIONS = /^(?:permit_directio|appraise_(?:type|flag|algos)=.+)$/
/** (uid_t)-1 is none. */
const MAX_ID = 0xffff_fffe

/**
 * Reads a policy as the kernel does (Documentation/ABI/testing/ima_policy; security/integrity/ima/ima_policy.c): a rule a line, words
 * between blanks, lines that are comments. What is not known is an error, and is one for the kernel too, which then takes nothing of it. What
 * newer kernels than that of Debian 13 (6.12) know besides is an error here: comments behind a rule, for example.
 *
 * @param bytes controlled by whoever may write below /etc
 * @returns the rules about measuring, in their order
 * @throws ImaPolicyError
 */
export function parseImaPolicy(bytes: Buffer): readonly ImaRule[] {
  if (bytes.length > MAX_IMA_POLICY_BYTES)
    throw new ImaPolicyError(
      'TOO_LARGE',
      `it has ${bytes.length} bytes, at most ${MAX_IMA_POLICY_BYTES} are read`,
    )
  if (bytes.includes(0)) throw new ImaPolicyError('NOT_TEXT', 'it has a NUL')
  const rules: ImaRule[] = []
  let any = false
  for (const [index, line] of bytes.toString('utf8').split('\n').entries()) {
    const text = line.replace(/^[ \t]+/, '')
    if (text === '' || text.startsWith('#')) continue
    any = true
    const rule = readRule(text, index + 1)
    if (rule !== null) rules.push(rule)
  }
  if (!any) throw new ImaPolicyError('NO_RULE', 'it has no rule')
  return rules
}

/** A rule while it is read. */
type Draft = { -readonly [K in keyof ImaRule]: ImaRule[K] | undefined } & { others: string[] }

/** @returns null for a rule of another action, which is read all the same */
function readRule(text: string, line: number): ImaRule | null {
  const bad = (why: string) => new ImaPolicyError('BAD_RULE', `line ${line}: ${why}`, { at: `line ${line}` })
  if (Buffer.byteLength(text) > MAX_LINE_BYTES) throw bad(`it is longer than ${MAX_LINE_BYTES} bytes`)
  const [action = '', ...rest] = text.split(/[ \t]+/).filter(word => word !== '')
  const isOther = (OTHER_ACTIONS as readonly string[]).includes(action)
  if (action !== 'measure' && action !== 'dont_measure' && !isOther)
    throw bad(`it does not begin with an action that is known: ${shown(action)}`)
  const draft: Draft = {
    ...{ line, text: [action, ...rest].join(' '), action: undefined, others: [] },
    ...{
      func: undefined,
      mask: undefined,
      fsmagic: undefined,
      uid: undefined,
      fowner: undefined,
      pcr: undefined,
    },
  }
  for (const word of rest) if (!takeWord(draft, word)) throw bad(`not understood: ${shown(word)}`)
  const why = clash(
    action,
    draft.func ?? null,
    rest.map(word => word.replace(/[=<>].*$/, '')),
  )
  if (why !== null) throw bad(why)
  if (isOther) return null
  const { func = null, mask = null, fsmagic = null, uid = null, fowner = null, pcr = null } = draft
  const { text: said, others } = draft
  return {
    ...{ line, text: said ?? '', action: action as ImaRule['action'] },
    ...{ func, mask, fsmagic, uid, fowner, pcr, others },
  }
}

/** @returns whether the word is one */
function takeWord(draft: Draft, word: string): boolean {
  const [, name = '', operator = '', value = ''] = /^([a-z_]+)([=<>])(.*)$/.exec(word) ?? []
  const isPlain = operator === '='
  switch (name) {
    case 'func': {
      const func = isPlain ? FUNCS.get(value) : undefined
      draft.func = func
      return func !== undefined
    }
    case 'mask':
      if (!isPlain || !MASK.test(value)) return false
      draft.mask = value
      return true
    case 'fsmagic':
      if (!isPlain || !/^(?:0x)?[0-9a-f]{1,16}$/i.test(value)) return false
      draft.fsmagic = BigInt(`0x${value.replace(/^0x/i, '')}`)
      return true
    case 'uid':
    case 'fowner': {
      if (!/^\d{1,10}$/.test(value) || Number(value) > MAX_ID) return false
      draft[name] = { operator: operator as NumberCondition['operator'], value: Number(value) }
      return true
    }
    case 'pcr':
      if (!isPlain || !/^\d{1,2}$/.test(value) || Number(value) > 31) return false
      draft.pcr = Number(value)
      return true
    case 'template':
      if (!isPlain || value === '') return false
      if (!TEMPLATES.includes(value)) draft.others.push(word)
      return true
  }
  if (OPTIONS.test(word)) return true
  if (!OTHER_CONDITIONS.test(word)) return false
  draft.others.push(word)
  return true
}

/** A word of a file in a message. */
const shown = (word: string): string => JSON.stringify(word.length > 60 ? `${word.slice(0, 60)}…` : word)
