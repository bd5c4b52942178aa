import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { predictPcr11, readUki } from '../../../attestation/uki/index.ts'
import { ukiImage } from '../../support/pe-image.ts'

/** WRIT_SYSTEMD_MEASURE names one of another version. */
const TOOL = process.env.WRIT_SYSTEMD_MEASURE ?? '/usr/lib/systemd/systemd-measure'
const present = existsSync(TOOL)
if (!present) console.warn(`skipped: no ${TOOL} to compare with (Debian package systemd)`)

describe.skipIf(!present)('systemd-measure calculate', () => {
  const directory = mkdtempSync(join(tmpdir(), 'writ-measure-'))
  afterAll(() => rmSync(directory, { recursive: true, force: true }))

  const run = (...args: string[]): string => execFileSync(TOOL, args, { encoding: 'utf8', timeout: 20_000 })
  const version = present ? (/systemd (\d+)/.exec(run('--version'))?.[1] ?? '') : ''
  const help = present ? run('--help') : ''
  const all = ['linux', 'osrel', 'cmdline', 'initrd', 'ucode', 'splash', 'dtb', 'uname', 'sbat', 'pcrpkey']
  const known = all.filter(name => help.includes(`--${name}=`))
  const contents = all.map((name, i) => [name, Buffer.alloc(100 + 700 * i, i + 1)] as const)

  it.each([
    ['one part', ['linux']],
    ['all parts that it knows', known],
    ['every other part', known.filter((_, i) => i % 2 === 0)],
  ])('gives the values that are predicted: %s', (_, names) => {
    const parts = contents.filter(([name]) => names.includes(name))
    const phases = ['enter-initrd', 'enter-initrd:leave-initrd:sysinit:ready', 'sysinit:ready']
    const files = parts.map(([name, data]) => {
      const path = join(directory, name)
      writeFileSync(path, data)
      return `--${name}=${path}`
    })
    const banks = ['sha1', 'sha256', 'sha384'] as const
    const options = [...banks.map(bank => `--bank=${bank}`), ...phases.map(phase => `--phase=${phase}`)]
    const printed = run('calculate', '--json=short', ...files, ...options)
    const sections = parts.map(([name, data]) => [`.${name}`, data] as const)
    // The order in the file is not the order of measuring.
    const uki = readUki(ukiImage(sections.toReversed(), { stub: version }))
    const measured = JSON.parse(printed) as Record<string, { phase: string; pcr: number; hash: string }[]>
    for (const bank of banks) {
      const predicted = predictPcr11(uki, { bank, phases }).values
      const expected = new Map(measured[bank]?.map(({ phase, hash }) => [phase, hash]))
      expect(expected.size).toBe(phases.length)
      for (const { phase, value } of predicted)
        expect([phase, value.toString('hex')]).toEqual([phase, expected.get(phase)])
    }
  })
})
