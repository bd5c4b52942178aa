import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const read = (path: string): string =>
  readFileSync(fileURLToPath(new URL(`../../packaging/${path}`, import.meta.url)), 'utf8')

const lines = read('ima/ima-policy').split('\n')
const rules = lines.filter(line => line !== '' && !line.startsWith('#'))

interface Rule {
  readonly action: string
  readonly func: string
  readonly conditions: readonly string[]
}

/** As the kernel reads it (security/integrity/ima/ima_policy.c, ima_parse_rule): words with single spaces, each keyword once. */
function parse(rule: string): Rule {
  const [action = '', ...words] = rule.split(' ')
  const keywords = words.map(word => /^([a-z]+)[=<>](\S+)$/.exec(word)?.[1] ?? expect.fail(rule))
  expect(new Set(keywords).size, rule).toBe(keywords.length)
  const known = ['func', 'mask', 'fsmagic', 'fowner', 'uid']
  expect(
    keywords.every(keyword => known.includes(keyword)),
    rule,
  ).toBe(true)
  const func = words.find(word => word.startsWith('func='))?.slice('func='.length)
  return { action, func: func ?? '', conditions: words.filter(word => !word.startsWith('func=')) }
}

describe('the IMA policy that the package ships', () => {
  const parsed = rules.map(parse)

  it('measures all code, from whatever file system and user, and what the kernel takes in', () => {
    const all = parsed.filter(
      ({ action, conditions }) => action === 'measure' && conditions.every(word => word === 'mask=MAY_EXEC'),
    )
    expect(all.map(({ func }) => func).sort()).toEqual([
      'BPRM_CHECK',
      'FIRMWARE_CHECK',
      'KEXEC_CMDLINE',
      'KEXEC_INITRAMFS_CHECK',
      'KEXEC_KERNEL_CHECK',
      'MMAP_CHECK',
      'MODULE_CHECK',
      'POLICY_CHECK',
    ])
  })

  it('leaves out reads alone, never what is executed', () => {
    const left = parsed.filter(({ action }) => action !== 'measure')
    expect(left.map(({ action }) => action)).toEqual(left.map(() => 'dont_measure'))
    expect(left.map(({ func }) => func)).toEqual(left.map(() => 'FILE_CHECK'))
  })

  it('measures what the users of executions read, those that launchd.conf gives them', () => {
    const [, first, last] = /^uids = (\d+)-(\d+)$/m.exec(read('launchd.conf')) ?? expect.fail('no uids')
    const byUid = parsed.filter(({ conditions }) => conditions.some(word => word.startsWith('uid')))
    // The first rule that fits decides, so those above the range are taken out before.
    expect(byUid).toEqual([
      { action: 'dont_measure', func: 'FILE_CHECK', conditions: ['mask=^MAY_READ', `uid>${last}`] },
      {
        action: 'measure',
        func: 'FILE_CHECK',
        conditions: ['mask=^MAY_READ', 'fowner=0', `uid>${Number(first) - 1}`],
      },
    ])
    // Files that last only, or each scratch file of a program would be an entry: tmpfs comes before them.
    const tmpfs = parsed.findIndex(({ conditions }) => conditions.includes('fsmagic=0x1021994'))
    expect(tmpfs).toBeGreaterThanOrEqual(0)
    expect(tmpfs).toBeLessThan(parsed.indexOf(byUid[0] ?? expect.fail()))
  })

  it('can be loaded by hand too, where one write takes a page', () => {
    expect(lines.filter(line => Buffer.byteLength(line) >= 4095)).toEqual([])
    expect(lines.at(-1)).toBe('')
  })
})
