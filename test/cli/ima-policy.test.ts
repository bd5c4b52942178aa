import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { imaGaps } from '../../cli/ima-policy/judgement.ts'
import { ImaPolicyError, MAX_IMA_POLICY_BYTES, parseImaPolicy } from '../../cli/ima-policy/rules.ts'

const SHIPPED = readFileSync('packaging/ima/ima-policy', 'utf8')
const gaps = (text: string) => imaGaps(parseImaPolicy(Buffer.from(text)))
const said = (text: string) => gaps(text).map(({ serious, text }) => `${serious ? '!' : ' '}${text}`)

/** The built-in policy of ima_policy=tcb as text (default_measurement_rules). */
const TCB = `dont_measure fsmagic=0x9fa0
dont_measure fsmagic=0x62656572
dont_measure fsmagic=0x64626720
dont_measure fsmagic=0x1021994
dont_measure fsmagic=0x1cd1
dont_measure fsmagic=0x42494e4d
dont_measure fsmagic=0x73636673
dont_measure fsmagic=0xf97cff8c
dont_measure fsmagic=0x43415d53
dont_measure fsmagic=0x27e0eb
dont_measure fsmagic=0x63677270
dont_measure fsmagic=0x6e736673
dont_measure fsmagic=0xde5e81e4
measure func=FILE_MMAP mask=MAY_EXEC
measure func=BPRM_CHECK mask=MAY_EXEC
measure func=PATH_CHECK mask=^MAY_READ uid=0
measure func=MODULE_CHECK
measure func=FIRMWARE_CHECK
measure func=POLICY_CHECK
`

describe('what a policy measures', () => {
  test('the shipped one leaves nothing out', () => {
    expect(said(SHIPPED)).toEqual([])
    expect(said(`measure func=KEXEC_CMDLINE\nmeasure\n`)).toEqual([])
  })

  test('the shipped one without any one of its rules that measure leaves that out', () => {
    const lines = SHIPPED.split('\n')
    const measuring = [...lines.entries()].filter(([, line]) => line.startsWith('measure '))
    expect(measuring.length).toBe(9)
    for (const [index, line] of measuring) {
      const found = said(lines.toSpliced(index, 1).join('\n'))
      const [, func = ''] = /func=(\w+)/.exec(line) ?? []
      expect([line, found]).toEqual([line, [expect.stringContaining(`(${func})`)]])
      const isCode = ['BPRM_CHECK', 'MMAP_CHECK', 'MODULE_CHECK'].includes(func)
      expect(found[0]?.startsWith('!')).toBe(isCode)
    }
  })

  test('one that measures a command line alone leaves all code out', () => {
    const found = said('dont_measure fsmagic=0x9fa0\nmeasure func=KEXEC_CMDLINE\n')
    expect(found.slice(0, 2)).toEqual([
      '!files that are executed (BPRM_CHECK): no rule measures them',
      '!files that are mapped as code (MMAP_CHECK): no rule measures them',
    ])
    expect(found.length).toBe(8)
  })

  test("the kernel's own leaves out what is in memory, what executions read, and kexec", () => {
    expect(said(TCB)).toEqual([
      ' files that are executed (BPRM_CHECK): line 4 leaves those in memory out (dont_measure fsmagic=0x1021994)',
      ' files that are mapped as code (MMAP_CHECK): line 4 leaves those in memory out (dont_measure fsmagic=0x1021994)',
      ' kernel modules (MODULE_CHECK): line 4 leaves those in memory out (dont_measure fsmagic=0x1021994)',
      ' firmware (FIRMWARE_CHECK): line 4 leaves those in memory out (dont_measure fsmagic=0x1021994)',
      ' IMA policies (POLICY_CHECK): line 4 leaves those in memory out (dont_measure fsmagic=0x1021994)',
      ...[' kernels', ' initramfs', ' command lines'].map(what => expect.stringContaining(what)),
      expect.stringContaining("root's files that executions read (FILE_CHECK): no rule"),
    ])
  })

  test.each([
    ['a broader rule before it', 'dont_measure\n', 'line 1 keeps them'],
    ['one of the hook', 'dont_measure func=BPRM_CHECK\n', 'line 1 keeps them'],
    ['a file system', 'dont_measure fsmagic=0xef53\n', 'leaves some out'],
    ['a user', 'dont_measure func=BPRM_CHECK uid=1000\n', 'leaves some out'],
    ['an owner', 'dont_measure fowner=0\n', 'leaves some out'],
    ['a label', 'dont_measure obj_type=bin_t\n', 'leaves some out'],
    ['a name of a file system', 'dont_measure fsname=ext4\n', 'leaves some out'],
    ['a group', 'dont_measure func=BPRM_CHECK gid=0\n', 'leaves some out'],
    ['another PCR', 'measure func=BPRM_CHECK pcr=11\n', 'line 1 keeps them'],
  ])('%s hides what is executed, for the first that matches counts', (_, before, why) => {
    expect(said(`${before}${SHIPPED}`)[0]).toMatch(new RegExp(`^!files that are executed.*${why}`))
    // Behind the rule that measures it does nothing.
    const func = /func=(\w+)/.exec(before)?.[1]
    if (func !== undefined) expect(said(`${SHIPPED}${before}`)).toEqual([])
  })

  test.each([
    ['only root', 'measure func=BPRM_CHECK uid=0', 'only some'],
    ['only files of root', 'measure func=BPRM_CHECK fowner=0', 'only some'],
    [
      'only one file system',
      'measure func=BPRM_CHECK fsuuid=8bcbe394-4f13-4144-be8e-5aa9ea2ce2f6',
      'only some',
    ],
    ['reads', 'measure mask=MAY_READ', 'no rule'],
    ['what is written', 'measure func=BPRM_CHECK mask=MAY_WRITE', 'no rule'],
    ['audit', 'audit func=BPRM_CHECK', 'no rule'],
    ['appraisal', 'appraise func=BPRM_CHECK appraise_type=imasig', 'no rule'],
    ['a template without a path', 'measure func=BPRM_CHECK template=d-ng', 'only some'],
  ])('%s is not what is executed', (_, line, why) => {
    const rest = SHIPPED.replace('measure func=BPRM_CHECK mask=MAY_EXEC', line)
    expect(said(rest)).toEqual([expect.stringMatching(new RegExp(`^!files that are executed.*${why}`))])
  })

  test('rules that have nothing to do with measuring are read, and leave nothing out', () => {
    const others = [
      'appraise func=MODULE_CHECK appraise_type=imasig|modsig appraise_flag=check_blacklist',
      'appraise func=SETXATTR_CHECK appraise_algos=sha256',
      'appraise fowner=0 permit_directio',
      'measure func=KEY_CHECK keyrings=.ima',
      'measure func=CRITICAL_DATA label=selinux',
    ]
    expect(said(`${others.join('\n')}\n${SHIPPED}`)).toEqual([])
  })

  test('the same in other words is the same', () => {
    const other = SHIPPED.replace('func=BPRM_CHECK mask=MAY_EXEC', 'func=BPRM_CHECK mask=^MAY_EXEC')
      .replace(
        'measure func=MMAP_CHECK mask=MAY_EXEC',
        '\tmeasure  mask=MAY_EXEC\tfunc=FILE_MMAP permit_directio',
      )
      .replace('measure func=MODULE_CHECK', 'measure func=MODULE_CHECK pcr=10 template=ima-sig')
    expect(said(other)).toEqual([])
    expect(said(SHIPPED.replace('func=BPRM_CHECK', 'func=CREDS_CHECK'))).toEqual([])
  })

  test('executions of other numbers are others', () => {
    const rules = parseImaPolicy(Buffer.from(SHIPPED))
    expect(imaGaps(rules, { first: 60700, last: 60800 })).toEqual([])
    for (const uids of [
      { first: 70_000, last: 70_299 },
      { first: 60_000, last: 61_000 },
      { first: 61_000, last: 62_000 },
    ])
      expect(imaGaps(rules, uids)).toEqual([{ serious: false, text: expect.stringContaining('FILE_CHECK') }])
  })
})

describe('what is no policy', () => {
  test.each([
    ['', 'NO_RULE'],
    ['# measure func=BPRM_CHECK\n\n', 'NO_RULE'],
    ['measure func=BPRM_CHECK\0', 'NOT_TEXT'],
    ['measur func=BPRM_CHECK', 'BAD_RULE'],
    ['func=BPRM_CHECK measure', 'BAD_RULE'],
    ['measure func=BPRM', 'BAD_RULE'],
    ['measure func=BPRM_CHECK func=MMAP_CHECK', 'BAD_RULE'],
    ['measure mask=MAY_RUN', 'BAD_RULE'],
    ['measure uid=root', 'BAD_RULE'],
    ['measure uid=4294967295', 'BAD_RULE'],
    ['measure fsmagic=ext4', 'BAD_RULE'],
    ['measure measure', 'BAD_RULE'],
    ['dont_measure pcr=10', 'BAD_RULE'],
    ['measure func=BPRM_CHECK # all', 'BAD_RULE'],
    ['measure func=BPRM_CHECK appraise_type=imasig', 'BAD_RULE'],
    ['measure func=BPRM_CHECK keyrings=.ima', 'BAD_RULE'],
    ['measure func=MODULE_CHECK label=x', 'BAD_RULE'],
    ['measure func=MODULE_CHECK digest_type=verity', 'BAD_RULE'],
    ['measure func=KEXEC_CMDLINE mask=MAY_READ', 'BAD_RULE'],
    ['measure func=KEY_CHECK fowner=0', 'BAD_RULE'],
    ['measure func=SETXATTR_CHECK appraise_algos=sha256', 'BAD_RULE'],
    ['measure func=SETXATTR_CHECK', 'BAD_RULE'],
    ['appraise func=SETXATTR_CHECK', 'BAD_RULE'],
    ['audit func=KEXEC_CMDLINE', 'BAD_RULE'],
    ['audit func=BPRM_CHECK template=ima-ng', 'BAD_RULE'],
    ['measure uid=0 euid=0', 'BAD_RULE'],
    ['measure gid=0 gid=1', 'BAD_RULE'],
    ['measure template=ima-ng template=ima-sig', 'BAD_RULE'],
    ['measure fs_subtype=fuse.x', 'BAD_RULE'],
    ['measure func=BPRM_CHECK mask=MAY_EXEC\r', 'BAD_RULE'],
    [`measure fsname=${'x'.repeat(4096)}`, 'BAD_RULE'],
    ['#'.repeat(MAX_IMA_POLICY_BYTES + 1), 'TOO_LARGE'],
  ])('%j', (text, code) => {
    expect(() => parseImaPolicy(Buffer.from(text))).toThrow(expect.objectContaining({ code }))
  })

  test('of two lines the wrong one is named', () => {
    expect(() => parseImaPolicy(Buffer.from(`${TCB}measure func=X\n`))).toThrow(
      /line 20: not understood: "func=X"/,
    )
  })
})

test('whatever the bytes are, they are judged or a typed error, and a rule less never measures more', () => {
  const word = fc.constantFrom(
    ...['measure', 'dont_measure', 'appraise', 'func=BPRM_CHECK', 'func=MMAP_CHECK', 'func=FILE_CHECK', '#'],
    ...[
      'mask=MAY_EXEC',
      'mask=^MAY_READ',
      'uid=0',
      'uid>60599',
      'fowner=0',
      'fsmagic=0x9fa0',
      'fsmagic=ef53',
      'pcr=10',
    ],
    ...['pcr=9', 'obj_type=x', 'template=ima-ng', 'permit_directio', '\t', 'func=KEXEC_CMDLINE', 'x'],
  )
  const line = fc.array(word, { maxLength: 5 }).map(words => words.join(' '))
  const text = fc.array(line, { maxLength: 12 }).map(lines => Buffer.from(lines.join('\n')))
  const bytes = fc.uint8Array({ maxLength: 400 }).map(b => Buffer.from(b))
  const shipped = fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 })).map(([at, flip]) => {
    const changed = Buffer.from(SHIPPED)
    const where = at % changed.length
    changed.writeUInt8(changed.readUInt8(where) ^ flip, where)
    return changed
  })
  fc.assert(
    fc.property(fc.oneof(text, bytes, shipped), input => {
      try {
        const rules = parseImaPolicy(input)
        const codes = (list: typeof rules) => new Set(imaGaps(list).map(({ text }) => text.split(':')[0]))
        const all = codes(rules)
        const measuring = rules.filter(({ action }) => action === 'measure')
        for (const rule of measuring)
          expect(codes(rules.filter(other => other !== rule)).isSupersetOf(all)).toBe(true)
      } catch (error) {
        expect(error).toBeInstanceOf(ImaPolicyError)
      }
    }),
    { numRuns: 2000 },
  )
})
