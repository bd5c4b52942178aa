import { chmodSync, copyFileSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { argumentHints, findClosure } from '../../cli/closure/closure.ts'
import { readElf } from '../../cli/closure/elf.ts'
import { parseList } from '../../cli/closure/shared-libraries.ts'
import { readPlan } from '../../cli/plan-file.ts'
import { sha256Hex } from '../../encoding/digest.ts'
import { type Session, temporaryDirectory, writ } from './cli.ts'

const dir = temporaryDirectory()
afterAll(() => dir.remove())
const SORT = '/usr/bin/sort'
const from = (bytes: Buffer) => (offset: number, length: number) =>
  Promise.resolve(bytes.subarray(offset, offset + length))

describe('the loader of a program', () => {
  const sort = readFileSync(SORT)

  it('is the one that its headers name', async () => {
    const elf = await readElf(from(sort))
    expect(elf?.loader).toMatch(/^\/lib.*\/ld-.*\.so/)
  })

  it('is not there for what is no program, or is cut short', async () => {
    expect(await readElf(from(Buffer.from('#!/bin/sh\n')))).toBe(null)
    expect(await readElf(from(Buffer.alloc(0)))).toBe(null)
    for (const length of [16, 51, 63, 64, 100])
      expect(await readElf(from(sort.subarray(0, length)))).toBe(null)
  })

  it('is found or not, whatever the bytes are, in bounded reads', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(fc.nat(1023), fc.nat(255)), { maxLength: 12 }), async changes => {
        const bytes = Buffer.from(sort.subarray(0, 4096))
        for (const [at, value] of changes) bytes[at] = value
        let most = 0
        const elf = await readElf((offset, length) => {
          most = Math.max(most, length)
          expect(Number.isSafeInteger(offset) && offset >= 0).toBe(true)
          return from(bytes)(offset, length)
        })
        expect(most).toBeLessThanOrEqual(65_536)
        expect(elf === null || elf.loader === null || elf.loader.length > 0).toBe(true)
      }),
      { numRuns: 500 },
    )
  })

  it('lists libraries by the paths at which it opens them', () => {
    const text = [
      '\tlinux-vdso.so.1 (0x00007fc986971000)',
      '\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007fc986760000)',
      '\tlib a.so => /opt/with space/lib a.so (0x00007fc986760000)',
      '\tlibgone.so => not found',
      '\t/lib64/ld-linux-x86-64.so.2 (0x00007fc986973000)',
      '',
    ].join('\n')
    expect(parseList(text)).toEqual({
      libraries: [
        '/lib/x86_64-linux-gnu/libc.so.6',
        '/opt/with space/lib a.so',
        '/lib64/ld-linux-x86-64.so.2',
      ],
      unknown: ['the library libgone.so is not found'],
    })
  })
})

describe('the closure', () => {
  beforeAll(() => {
    writeFileSync(dir.in('tool'), '#!/bin/sh\necho hello\n')
    writeFileSync(dir.in('looked-up'), '#!/usr/bin/env python3\n')
    writeFileSync(dir.in('weights'), 'weights')
    mkdirSync(dir.in('folder'))
  })
  const roles = (items: readonly { why: string; role: string }[]) => items.map(({ why, role }) => [why, role])

  it('is the program, its loader and its libraries, each once', async () => {
    const { items, hints } = await findClosure(SORT, { libraries: true })
    expect(roles(items).slice(0, 2)).toEqual([
      ['program', 'program'],
      ['loader', 'other'],
    ])
    expect(items.some(({ path }) => path.endsWith('/libc.so.6'))).toBe(true)
    expect(items.every(({ path, sha256 }) => sha256 === sha256Hex(readFileSync(path)))).toBe(true)
    expect(new Set(items.map(({ sha256 }) => sha256)).size).toBe(items.length)
    expect(hints).toEqual([])
    expect(roles((await findClosure(SORT, { libraries: false })).items)).toEqual([['program', 'program']])
  })

  it("of a script is its interpreter, and the interpreter's", async () => {
    const { items } = await findClosure(dir.in('tool'), { libraries: true, files: [dir.in('weights')] })
    expect(roles(items).slice(0, 4)).toEqual([
      ['program', 'program'],
      ['first line', 'interpreter'],
      ['named', 'other'],
      ['loader', 'other'],
    ])
    const { hints } = await findClosure(dir.in('looked-up'), { libraries: false })
    expect(hints).toEqual([expect.stringContaining('asks /usr/bin/env to look for "python3"')])
  })

  it('asks no loader that somebody else than root could have written', async () => {
    const bytes = readFileSync(SORT)
    const { loader } = (await readElf(from(bytes))) ?? {}
    const ours = dir
      .in('ld')
      .padEnd(loader?.length ?? 0, 'x')
      .slice(0, loader?.length)
    copyFileSync(loader ?? '', dir.in('mine.so'))
    chmodSync(dir.in('mine.so'), 0o777)
    const other = '/tmp/w'.padEnd(loader?.length ?? 0, 'x')
    expect(ours).toHaveLength(other.length)
    symlinkSync(dir.in('mine.so'), other)
    try {
      const changed = Buffer.from(bytes)
      changed.write(other, changed.indexOf(`${loader}\0`))
      writeFileSync(dir.in('sort'), changed, { mode: 0o755 })
      const { items, hints } = await findClosure(dir.in('sort'), { libraries: true })
      expect(hints).toEqual([expect.stringContaining('was not asked')])
      expect(items.some(({ why }) => why === 'library')).toBe(false)
    } finally {
      const { unlinkSync } = await import('node:fs')
      unlinkSync(other)
    }
  })

  it('says which arguments are files that are not in it', async () => {
    const { items } = await findClosure(dir.in('tool'), { libraries: false, files: [dir.in('weights')] })
    expect(await argumentHints([dir.in('weights'), 'no file', '', '/'], items)).toEqual([])
    expect(await argumentHints([dir.in('looked-up'), dir.in('folder')], items)).toEqual([
      expect.stringContaining('is a file: --file'),
      expect.stringContaining('is a directory: --tree'),
    ])
  })
})

describe('an artifact from a plan', () => {
  const at = { cwd: dir.path }
  const issue = (...more: string[]): Promise<Session> =>
    writ(
      [
        ...['issue', '--key', 'alice.key', '--issuer', 'release', '--host', 'any', '--valid', '1h'],
        ...['--uses', '1', '--uid', '0', '--policy', 'any', '--reference-values', 'any', ...more],
      ],
      at,
    )

  beforeAll(async () => {
    await writ(['key', 'new', 'alice'], at)
    const { status, stderr } = await writ(
      ['plan', '--out', 'plan.json', '--file', 'weights', '--env', 'A=b', '--', './tool', 'weights'],
      at,
    )
    expect([status, stderr]).toEqual([0, ''])
  })

  it('allows what was planned, and shows all of it before it is signed', async () => {
    const said = await issue('--from-plan', 'plan.json', '--yes', '--out', 'a.json', '--json')
    expect(said.status).toBe(0)
    const { subjects, predicate } = JSON.parse(said.stdout)
    const planned = await readPlan(dir.in('plan.json'))
    expect({ subjects, scope: predicate.scope }).toEqual(planned)
    for (const { sha256 } of planned.subjects) expect(said.stderr).toContain(sha256)
    expect(said.stderr).toMatch(/environment\s+A=b/)
  })

  it('is not signed with text that nobody would see', async () => {
    const text = readFileSync(dir.in('plan.json'), 'utf8')
    writeFileSync(dir.in('unseen.json'), text.replace('"b"', '"b\u200b"'))
    const said = await issue('--from-plan', 'unseen.json', '--yes', '--out', 'u.json')
    expect(said.status).not.toBe(0)
    expect(said.stderr).toContain('predicate.scope.env[].value (characters that cannot be seen)')
    expect(() => readFileSync(dir.in('u.json'))).toThrow()
  })

  it('is not signed where nobody can be asked', async () => {
    const said = await issue('--from-plan', 'plan.json', '--out', 'b.json')
    expect(said.status).toBe(2)
    expect(said.stderr).toContain('no terminal to ask at')
    expect(() => readFileSync(dir.in('b.json'))).toThrow()
  })

  it.each([
    ['a program beside it', ['--', './tool'], 'a program'],
    ['an option of the workload beside it', ['--memory', '1G'], '--memory'],
  ])('is refused with %s', async (_, more, named) => {
    const said = await issue('--from-plan', 'plan.json', '--yes', '--out', 'c.json', ...more)
    expect(said.status).toBe(2)
    expect(said.stderr).toContain(`${named} says it again`)
  })

  it.each([
    ['not JSON', 'x'],
    ['another document', '{"a":1}'],
    ['a field too many', (text: string) => text.replace('"writPlan"', '"more":1,"writPlan"')],
    ['a scope that is none', (text: string) => text.replace('"network"', '"net"')],
    ['a digest that is none', (text: string) => text.replace(/"sha256": "..../, '"sha256": "')],
  ])('is refused for a plan that is %s', async (_, change) => {
    const text = readFileSync(dir.in('plan.json'), 'utf8')
    writeFileSync(dir.in('bad.json'), typeof change === 'string' ? change : change(text))
    const said = await issue('--from-plan', 'bad.json', '--yes', '--out', 'd.json')
    expect(said.status).toBe(2)
    expect(() => readFileSync(dir.in('d.json'))).toThrow()
  })
})
