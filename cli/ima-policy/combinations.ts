/**
 * Which words may stand together in a rule (ima_validate_rule and ima_parse_rule of security/integrity/ima/ima_policy.c). The kernel takes nothing of a
 * policy in which one rule has others, and the log has its file all the same.
 */

const OF_ACCESS = [
  ...['uid', 'euid', 'gid', 'egid', 'fowner', 'fgroup', 'fsuuid', 'fsmagic', 'fsname', 'pcr', 'template'],
  ...['obj_user', 'obj_role', 'obj_type', 'subj_user', 'subj_role', 'subj_type'],
] as const
const OF_FILES = [...OF_ACCESS, 'mask', 'permit_directio', 'appraise_type', 'appraise_algos'] as const
const OF_SIGNED = new Set([...OF_FILES, 'appraise_flag'])

/** By hook; what is not here is of files, as a rule without a hook is. */
const BESIDE_HOOK: ReadonlyMap<string, ReadonlySet<string>> = new Map([
  ['MODULE_CHECK', OF_SIGNED],
  ['KEXEC_KERNEL_CHECK', OF_SIGNED],
  ['KEXEC_INITRAMFS_CHECK', OF_SIGNED],
  ['KEXEC_CMDLINE', new Set(OF_ACCESS)],
  ['KEY_CHECK', new Set(['uid', 'gid', 'pcr', 'template', 'keyrings'])],
  ['CRITICAL_DATA', new Set(['uid', 'gid', 'pcr', 'template', 'label'])],
  ['SETXATTR_CHECK', new Set(['appraise_algos'])],
])
const BESIDE_FILES: ReadonlySet<string> = new Set([...OF_FILES, 'digest_type'])

/** Hooks without a file: there is nothing but its digest. */
const MEASURED_ONLY: ReadonlySet<string> = new Set(['KEXEC_CMDLINE', 'KEY_CHECK', 'CRITICAL_DATA'])
/** Words of which the second is refused. An effective id takes the place of a real one. */
const ONCE: ReadonlyMap<string, string> = new Map([
  ...['func', 'mask', 'fsmagic', 'fsuuid', 'uid', 'gid', 'fowner', 'fgroup', 'pcr', 'template'].map(
    name => [name, name] as const,
  ),
  ...['keyrings', 'label', 'appraise_algos'].map(name => [name, name] as const),
  ['euid', 'uid'],
  ['egid', 'gid'],
])

/**
 * Why the kernel would not take a rule of words each of which it knows; null where it would.
 *
 * @param names of the words behind the action, in their order
 */
export function clash(action: string, func: string | null, names: readonly string[]): string | null {
  const seen = new Set<string>()
  for (const name of names) {
    const kind = ONCE.get(name)
    if (kind !== undefined && seen.has(kind)) return `${name} is one too many`
    if (kind !== undefined) seen.add(kind)
  }
  const beside = (func === null ? undefined : BESIDE_HOOK.get(func)) ?? BESIDE_FILES
  const odd = names.find(name => name !== 'func' && !beside.has(name))
  if (odd !== undefined) return `${odd} does not go with ${func === null ? 'a rule without func' : func}`
  if (action !== 'appraise' && names.some(name => name.startsWith('appraise_')))
    return 'only what is appraised has conditions on its signature'
  if (action !== 'measure' && (seen.has('pcr') || seen.has('template')))
    return 'only what is measured has a PCR and a template'
  const isMeasuring = action === 'measure' || action === 'dont_measure'
  if (func !== null && MEASURED_ONLY.has(func) && !isMeasuring) return `${func} is measured alone`
  if (func === 'SETXATTR_CHECK' && !seen.has('appraise_algos')) return `${func} wants appraise_algos`
  return null
}
