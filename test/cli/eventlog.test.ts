import { writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fixture, readPcrText } from '../attestation/recorded-host.ts'
import { EV_EFI_ACTION, EV_IPL, event, separator, specId } from '../attestation/tcg-log.ts'
import { temporaryDirectory, writ } from './cli.ts'

const dir = temporaryDirectory()
const host = 'test/fixtures/hosts/debian13-uki-secureboot'
afterAll(() => dir.remove())

/** Writes a file of the test's own. */
function written(name: string, ...parts: Buffer[]): string {
  writeFileSync(dir.in(name), Buffer.concat(parts))
  return dir.in(name)
}

interface Shown {
  events: {
    index: number
    pcr: number
    typeName: string
    dataBound: boolean
    digests: Record<string, string>
    decoded: { kind: string; measured: string; name?: { value: string; bound: boolean } }
  }[]
  userspace: { content: string; bound: boolean }[]
  pcrs: Record<string, Record<string, string>>
  images: { path: string; authority: { entry: { certificate: { subject: string } } } | null }[]
  problems: { code: string; at: string; index: number }[]
  quirks: string[]
  secureBoot: boolean | null
  exitBootServices: boolean
  startupLocality: number
  format: string
  registers: string
}

async function show(...args: string[]): Promise<Shown> {
  const { status, stdout, stderr } = await writ(['eventlog', 'show', '--json', ...args])
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  return JSON.parse(stdout) as Shown
}

describe('writ eventlog show', () => {
  let shown: Shown
  beforeAll(async () => {
    shown = await show('--userspace', `${host}/userspace.jsonseq`, `${host}/eventlog.bin`)
  })

  it("comes to the host's PCRs with systemd's log, in every bank", () => {
    const read = fixture('debian13-uki-secureboot', 'pcrread.txt').toString()
    for (const bank of ['sha1', 'sha256']) {
      const values = readPcrText(read, bank)
      for (const [pcr, value] of Object.entries(shown.pcrs[bank] ?? {})) {
        expect([bank, pcr, value]).toEqual([bank, pcr, values.get(Number(pcr))])
      }
      expect(Object.keys(shown.pcrs[bank] ?? {}).map(Number)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 9, 11, 15])
    }
  })

  it('says what was measured, and which of it a digest binds', () => {
    expect(shown).toMatchObject({
      format: 'agile',
      registers: 'tpm',
      secureBoot: true,
      exitBootServices: true,
      startupLocality: 0,
      problems: [],
      quirks: [],
    })
    const secureBoot = shown.events.find(({ decoded }) => decoded.name?.value === 'SecureBoot')
    expect(secureBoot).toMatchObject({ pcr: 7, dataBound: true, decoded: { name: { bound: true } } })
    const boot = shown.events.find(({ decoded }) => decoded.name?.value === 'BootOrder')
    expect(boot).toMatchObject({ dataBound: false, decoded: { measured: 'part', name: { bound: false } } })
    expect(shown.userspace.map(({ content, bound }) => [content.split(':')[0], bound])).toContainEqual([
      'sysinit',
      true,
    ])
    expect(Object.keys(shown.events[1]?.digests ?? {})).toEqual(['sha1', 'sha256'])
  })

  it('names the certificate that authorised an image', () => {
    const [image] = shown.images
    expect(image?.path).toContain('BOOTX64.EFI')
    expect(image?.authority?.entry.certificate.subject).toContain('O=SnakeOil')
  })

  it('shows a malformed log as what it is: the code, and the byte at which it is wrong', async () => {
    const cut = written('cut.bin', specId(), event(4, EV_IPL, Buffer.alloc(9)).subarray(0, -1))
    const { status, stdout, stderr } = await writ(['eventlog', 'show', '--json', cut])
    expect([status, stderr]).toEqual([1, ''])
    const { error } = JSON.parse(stdout)
    expect(error).toMatchObject({ code: 'EVENT_LOG_TRUNCATED', at: 'event 1', offset: specId().length })
    expect(error.message).toContain('event 1')
  })

  it('shows a malformed user-space log the same way', async () => {
    const bad = written('bad.jsonseq', Buffer.from('{}\n'))
    const { status, stdout, stderr } = await writ([
      'eventlog',
      'show',
      '--userspace',
      bad,
      `${host}/eventlog.bin`,
    ])
    expect([status, stdout]).toEqual([1, ''])
    expect(stderr).toContain('user-space log, record 0')
  })

  it('reads an empty log, and shows what a well-formed one should not say', async () => {
    expect(await show(written('empty.bin'))).toMatchObject({ format: 'empty', events: [], pcrs: {} })
    const { problems } = await show(written('twice.bin', specId(), separator(4), separator(4)))
    expect(problems).toMatchObject([{ code: 'EVENT_LOG_SEPARATOR', at: 'event 2', index: 2 }])
  })

  it('takes a quirk by its name, and no other', async () => {
    const padded = event(5, 4, Buffer.alloc(50), { digestOf: Buffer.alloc(4) })
    const log = written('padded.bin', specId(), padded)
    expect((await show(log)).problems).toMatchObject([{ code: 'EVENT_LOG_DATA_MISMATCH' }])
    const excused = await show('--quirk', 'separator-data-padded', log)
    expect([excused.problems, excused.quirks]).toEqual([[], ['separator-data-padded']])
    const wrong = await writ(['eventlog', 'show', '--quirk', 'any', log])
    expect(wrong.status).toBe(2)
    expect(wrong.stderr).toContain('separator-data-padded')
  })

  it('reads registers instead of PCRs where it is told to', async () => {
    const log = written('cc.bin', specId(['sha384']), event(3, EV_IPL, Buffer.of(1), { banks: ['sha384'] }))
    const { stdout } = await writ(['eventlog', 'show', '--ccel', log])
    expect(stdout).toContain('RTMR2')
  })

  it('writes nothing for a terminal that a log can choose', async () => {
    const evil = Buffer.from('\u001b[31mevil\u001b[0m\r\nPCR 7', 'utf8')
    const log = written('evil.bin', specId(), event(5, EV_EFI_ACTION, evil))
    const { status, stdout } = await writ(['eventlog', 'show', log])
    expect(status).toBe(0)
    expect(stdout).not.toContain('\u001b')
    expect(stdout).toContain('\\u001b')
    expect(stdout.split('\n').filter(line => line.includes('evil')).length).toBe(1)
  })

  it('stands in aligned columns', async () => {
    const { stdout } = await writ(['eventlog', 'show', `${host}/eventlog.bin`])
    const [first = '', ...rows] = stdout.split('\n').slice(0, 40)
    const column = first.indexOf('EV_NO_ACTION')
    for (const row of rows) expect(row.slice(column)).toMatch(/^EV_/)
  })

  it('is wrong use with a file that is not there', async () => {
    expect((await writ(['eventlog', 'show', '/nonexistent/log'])).status).toBe(2)
  })
})
