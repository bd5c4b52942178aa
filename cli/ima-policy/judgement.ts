import type { IdRange } from '../../configuration/launcher-file.ts'
import { ImaPolicyError, type ImaRule, type NumberCondition, parseImaPolicy } from './rules.ts'

/** What a policy leaves out of what the shipped one measures. */
export interface ImaGap {
  /** Code that a user or root can run unseen. Else it is less, and known: code from memory, data, what the kernel takes in. */
  readonly serious: boolean
  /** For people: what is not measured, and by which line. */
  readonly text: string
}

/** Something that has to be measured: the accesses of one kind, as the kernel asks its policy about them. */
interface Need {
  readonly what: string
  /** Hooks, of which one is enough. */
  readonly funcs: readonly string[]
  /** What the kernel asks with; null: with nothing, so that a rule with a mask never matches. */
  readonly mask: 'MAY_EXEC' | 'MAY_READ' | null
  readonly isCode: boolean
  /** File systems that may be left out. */
  readonly without: ReadonlySet<bigint>
  /** Whether it is about executions and files of root's alone. */
  readonly ofExecutions?: boolean
  /** Whether only a rule that names the hook measures it. */
  readonly named?: boolean
}

/** PCR of IMA's log (CONFIG_IMA_MEASURE_PCR_IDX). */
const IMA_PCR = 10
/** As launchd.conf is shipped (`uids`). */
const SHIPPED_UIDS: IdRange = { first: 60600, last: 61183 }

/**
 * File systems of the kernel's own, on which nobody can put a program: proc, sysfs, debugfs, tracefs, securityfs, selinuxfs, smackfs, devpts,
 * binfmt_misc, cgroup, cgroup2, nsfs, efivarfs (include/uapi/linux/magic.h).
 */
const KERNEL_ONLY = new Set([
  ...[0x9fa0n, 0x62656572n, 0x64626720n, 0x74726163n, 0x73636673n, 0xf97cff8cn, 0x43415d53n],
  ...[0x1cd1n, 0x42494e4dn, 0x27e0ebn, 0x63677270n, 0x6e736673n, 0xde5e81e4n],
])
/** tmpfs (also devtmpfs and memfd), ramfs, hugetlbfs. */
const MEMORY: ReadonlySet<bigint> = new Set([0x1021994n, 0x858458f6n, 0x958458f6n])
const FUSE = 0x65735546n

/** What the shipped policy measures; its comments say why (packaging/ima/ima-policy). */
const NEEDS: readonly Need[] = [
  need('files that are executed', ['BPRM_CHECK', 'CREDS_CHECK'], 'MAY_EXEC', { isCode: true }),
  need('files that are mapped as code', ['MMAP_CHECK'], 'MAY_EXEC', { isCode: true }),
  need('kernel modules', ['MODULE_CHECK'], 'MAY_READ', { isCode: true }),
  need('firmware', ['FIRMWARE_CHECK'], 'MAY_READ'),
  need('IMA policies', ['POLICY_CHECK'], 'MAY_READ'),
  need('kernels that kexec loads', ['KEXEC_KERNEL_CHECK'], 'MAY_READ'),
  need('initramfs that kexec loads', ['KEXEC_INITRAMFS_CHECK'], 'MAY_READ'),
  need('command lines that kexec takes', ['KEXEC_CMDLINE'], null, { named: true }),
  need("root's files that executions read", ['FILE_CHECK'], 'MAY_READ', {
    // Scratch files, and what a server of FUSE says anew at each look.
    without: new Set([...KERNEL_ONLY, ...MEMORY, FUSE]),
    ofExecutions: true,
  }),
]

function need(what: string, funcs: readonly string[], mask: Need['mask'], more: Partial<Need> = {}): Need {
  return { what, funcs, mask, isCode: false, without: KERNEL_ONLY, ...more }
}

/**
 * What a policy does not measure of what has to be. The kernel goes by the first rule of the two actions that matches (ima_match_policy);
 * whatever condition a rule has of which the text does not say that it always holds is taken as one that leaves something out.
 *
 * @param uids of executions
 * @returns empty: nothing is left out
 */
export function imaGaps(rules: readonly ImaRule[], uids: IdRange = SHIPPED_UIDS): readonly ImaGap[] {
  return NEEDS.flatMap(need => {
    const gaps = need.funcs.map(func => gapOf(rules, need, func, uids))
    return gaps.includes(null) ? [] : gaps.slice(0, 1).filter(gap => gap !== null)
  })
}

/** What there is to be said of a policy's text. `gaps` null: it cannot be judged, `why` says at which line. */
export type ImaJudgement =
  | { readonly gaps: readonly ImaGap[] }
  | { readonly gaps: null; readonly why: string }

/**
 * Reads and judges a policy.
 *
 * @param uids of executions; as shipped where they are not known
 */
export function judgeImaPolicy(bytes: Buffer, uids?: IdRange): ImaJudgement {
  try {
    return { gaps: imaGaps(parseImaPolicy(bytes), uids) }
  } catch (error) {
    if (error instanceof ImaPolicyError) return { gaps: null, why: error.message }
    throw error
  }
}

/** In one line, for a message. */
export function gapsText(gaps: readonly ImaGap[]): string {
  return gaps.map(({ text }) => text).join('; ')
}

function gapOf(rules: readonly ImaRule[], need: Need, func: string, uids: IdRange): ImaGap | null {
  const name = `${need.what} (${func})`
  const before: ImaRule[] = []
  const some: ImaRule[] = []
  for (const rule of rules) {
    const match = matches(rule, need, func, uids)
    if (match === 'never') continue
    if (rule.action === 'measure' && (rule.pcr ?? IMA_PCR) === IMA_PCR) {
      if (match === 'always') return leftOut(name, before, need.isCode)
      some.push(rule)
    } else if (match === 'always') {
      before.push(rule)
      break
    } else if (rule.fsmagic === null || !need.without.has(rule.fsmagic)) before.push(rule)
  }
  const [first] = some
  const [not] = before
  const why =
    first !== undefined
      ? `only some are measured, by line ${first.line} (${first.text})`
      : not === undefined
        ? 'no rule measures them'
        : `line ${not.line} keeps them from being measured (${not.text})`
  return { serious: need.isCode, text: `${name}: ${why}` }
}

/** The rest is measured. */
function leftOut(name: string, before: readonly ImaRule[], isCode: boolean): ImaGap | null {
  const of = (rule: ImaRule) => rule.fsmagic !== null && MEMORY.has(rule.fsmagic)
  const first = before.find(rule => !of(rule)) ?? before[0]
  if (first === undefined) return null
  const what = of(first) ? 'those in memory' : 'some'
  return {
    serious: isCode && !of(first),
    text: `${name}: line ${first.line} leaves ${what} out (${first.text})`,
  }
}

/** Whether a rule matches what the kernel asks about: each time, never, or as it comes. */
function matches(rule: ImaRule, need: Need, func: string, uids: IdRange): 'always' | 'never' | 'sometimes' {
  if (rule.func !== null && rule.func !== func) return 'never'
  // A rule without a hook may match there or not, as the kernel is.
  const isVague = rule.func === null && need.named === true
  if (rule.mask !== null && rule.mask.replace('^', '') !== need.mask) return 'never'
  const ofUid = held(rule.uid, need.ofExecutions === true ? uids : null)
  const ofOwner = held(rule.fowner, need.ofExecutions === true ? { first: 0, last: 0 } : null)
  if (ofUid === 'never' || ofOwner === 'never') return 'never'
  const isNarrow = isVague || rule.fsmagic !== null || rule.others.length > 0
  return isNarrow || ofUid === 'sometimes' || ofOwner === 'sometimes' ? 'sometimes' : 'always'
}

/** Whether a condition holds for all of a range, for none or for some of it; null: for any number. */
function held(condition: NumberCondition | null, range: IdRange | null): 'always' | 'never' | 'sometimes' {
  if (condition === null) return 'always'
  if (range === null) return 'sometimes'
  const { operator, value } = condition
  const holds = (id: number) => (operator === '=' ? id === value : operator === '<' ? id < value : id > value)
  const [first, last] = [holds(range.first), holds(range.last)]
  const isInside = operator === '=' && value > range.first && value < range.last
  if (operator === '=' && range.first !== range.last) return first || last || isInside ? 'sometimes' : 'never'
  return first && last ? 'always' : first || last ? 'sometimes' : 'never'
}
