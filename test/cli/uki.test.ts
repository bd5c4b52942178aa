import { hash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { afterAll, describe, expect, test } from 'vitest'
import {
  appraise,
  encodeReferenceValues,
  parseReferenceValues,
  predictPcr11,
  readUki,
} from '../../attestation/index.ts'
import { SyntheticHost } from '../attestation/synthetic-host.ts'
import { boot, uki } from '../attestation/uki/made-up-boot.ts'
import { ukiImage } from '../support/pe-image.ts'
import { temporaryDirectory, writ } from './cli.ts'

const dir = temporaryDirectory()
const at = { cwd: dir.path }
afterAll(() => dir.remove())

describe('writ uki show', () => {
  const image = ukiImage([
    ['.linux', 'kernel'],
    ['.osrel', 'PRETTY_NAME="Test OS 1"\n'],
    ['.cmdline', 'root=/dev/vda2 \u001b[31m'],
    ['.uname', '6.12.0'],
  ])
  writeFileSync(dir.in('uki.efi'), image)

  test('shows its parts and the registers that they lead to', async () => {
    const { status, stdout } = await writ(
      ['uki', 'show', '--json', '--phase', 'sysinit:ready', 'uki.efi'],
      at,
    )
    const shown = JSON.parse(stdout)
    const { stub, osRelease, uname, kernel } = shown
    expect({ status, stub, osRelease, uname, kernel }).toEqual({
      status: 0,
      stub: 'systemd-stub 257.9',
      osRelease: 'Test OS 1',
      uname: '6.12.0',
      kernel: null,
    })
    const [profile, ...others] = shown.profiles
    expect(others).toEqual([])
    expect(profile.sections.map(({ name, size }: { name: string; size: number }) => [name, size])).toEqual([
      ['.linux', 6],
      ['.osrel', 24],
      ['.cmdline', 20],
      ['.uname', 6],
    ])
    expect(profile.sections[0].digests.sha384).toBe(hash('sha384', 'kernel'))
    for (const bank of ['sha1', 'sha256', 'sha384'] as const) {
      const [predicted] = predictPcr11(readUki(image), { bank, phases: ['sysinit:ready'] }).values
      expect(profile.pcr11[0].values[bank]).toBe(predicted?.value.toString('hex'))
    }
  })

  test('shows it to a person, and moves no cursor', async () => {
    const { stdout } = await writ(['uki', 'show', 'uki.efi'], at)
    expect(stdout).toContain('command line root=/dev/vda2 \\u001b[31m\n')
    expect(stdout).toMatch(/^PCR 11 {7}sha256:[0-9a-f]{64} {2}sysinit:ready$/m)
  })

  test('says of a file that is no image where it is wrong', async () => {
    writeFileSync(dir.in('cut.efi'), image.subarray(0, 2000))
    const { status, stdout } = await writ(['uki', 'show', '--json', 'cut.efi'], at)
    expect(status).toBe(1)
    expect(JSON.parse(stdout).error).toMatchObject({
      code: 'PE_SECTION_MALFORMED',
      offset: expect.any(Number),
    })
    const person = await writ(['uki', 'show', 'cut.efi'], at)
    expect([person.status, person.stdout]).toEqual([1, ''])
    expect(person.stderr).toContain('not in the file')
  })

  test('refuses a wrong phase and a missing file as wrong use', async () => {
    expect((await writ(['uki', 'show', '--phase', 'a b', 'uki.efi'], at)).status).toBe(2)
    expect((await writ(['uki', 'show', 'missing.efi'], at)).status).toBe(2)
    expect((await writ(['uki', 'show', '.'], at)).status).toBe(2)
  })
})

describe('writ reference add --uki', () => {
  const host = new SyntheticHost()
  const before = boot(uki('initrd 1'), { initrd: 'initrd 1' })
  const after = boot(uki('initrd 2'), { initrd: 'initrd 2' })
  writeFileSync(dir.in('base.json'), encodeReferenceValues(host.document(before)))
  writeFileSync(dir.in('new.efi'), uki('initrd 2'))
  const verdict = (file: string, of: typeof before) =>
    appraise({
      evidence: host.evidence(of),
      reference: parseReferenceValues(readFileSync(dir.in(file))),
      expected: host.expected,
      previous: null,
      governedDigests: new Set(),
    }).verdict

  test('accepts the image before any host has started it', async () => {
    expect(verdict('base.json', after)).toBe('fail')
    const add = [
      'reference',
      'add',
      'base.json',
      '--uki',
      'new.efi',
      '--phase',
      'sysinit:ready',
      '--out',
      'next.json',
    ]
    const { status, stdout, stderr } = await writ([...add, '--json'], at)
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    const { revision, changes, open } = JSON.parse(stdout)
    expect({ revision, open }).toEqual({ revision: 2, open: [] })
    expect(changes.join('\n')).toContain('Test OS 1')
    expect([verdict('next.json', after), verdict('next.json', before)]).toEqual(['pass', 'pass'])
    expect(verdict('next.json', boot(uki('initrd 3'), { initrd: 'initrd 3' }))).toBe('fail')
  })

  test('refuses what is no image, and options without one', async () => {
    const add = async (...words: string[]) => {
      const { status, stderr } = await writ(
        ['reference', 'add', 'base.json', ...words, '--out', 'x.json'],
        at,
      )
      return [status, stderr] as const
    }
    expect(await add('--uki', 'base.json')).toEqual([1, expect.stringContaining('PE_NOT_AN_IMAGE')])
    expect(await add('--uki', 'new.efi', '--profile', '1')).toEqual([
      2,
      expect.stringContaining('no profile 1'),
    ])
    expect(await add('--uki', 'new.efi', '--profile', 'x')).toEqual([
      2,
      expect.stringContaining('whole number'),
    ])
    expect(await add('--phase', 'ready')).toEqual([2, expect.stringContaining('--uki')])
  })
})
