import { hash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { afterAll, describe, expect, test } from 'vitest'
import { predictPcr11, readUki } from '../../attestation/index.ts'
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
