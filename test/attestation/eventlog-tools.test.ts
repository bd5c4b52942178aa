import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, it } from 'vitest'
import { ANY_EVENT_LOG, describeEventLog, EventLogError, parseEventLog } from '../../attestation/index.ts'
import { RECORDED_EVIDENCE } from '../support/recorded-evidence.ts'
import { fixture } from './recorded-host.ts'
import {
  EV_IPL,
  EV_NO_ACTION,
  event,
  separator,
  sha1Event,
  specId,
  startupLocality,
  u32le,
} from './tcg-log.ts'

const found = spawnSync('tpm2_eventlog', ['--version'], { encoding: 'utf8' })
const missing = found.status !== 0
/** Debian 12 has 5.4; what is wrong there is mended in 5.6 (tpm2-software/tpm2-tools#3242). */
const isOld = / version="5\.[0-5][".]/.test(found.stdout ?? '')
if (missing) console.warn('eventlog-tools: left out, there is no tpm2_eventlog')

type Pcrs = Record<string, Record<string, string>>

/** The PCRs that tpm2_eventlog computes; null when it refuses the log. */
function theirs(path: string): Pcrs | null {
  const { status, stdout } = spawnSync('tpm2_eventlog', [path], { encoding: 'utf8', maxBuffer: 64 << 20 })
  const section = stdout.split(/^pcrs:$/m)[1]
  if (status !== 0 || section === undefined) return null
  const pcrs: Pcrs = {}
  let bank = ''
  for (const line of section.split('\n')) {
    const [, name] = /^ {2}(\w+):$/.exec(line) ?? []
    if (name !== undefined) bank = name
    const [, pcr, hex] = /^ {4}(\d+) *: 0x([0-9a-f]+)$/.exec(line) ?? []
    if (pcr !== undefined && hex !== undefined) pcrs[bank] = { ...pcrs[bank], [pcr]: hex }
  }
  return pcrs
}

/** The same, of this project; null when the log is malformed. */
function ours(path: string): Pcrs | null {
  try {
    const { pcrs } = describeEventLog(parseEventLog(readFileSync(path), ANY_EVENT_LOG))
    const banks = Array.from(pcrs, ([bank, values]) => [
      bank,
      Object.fromEntries(Array.from(values, ([pcr, value]) => [pcr, value.toString('hex')])),
    ])
    return Object.fromEntries(banks.filter(([, values]) => Object.keys(values ?? {}).length > 0))
  } catch (error) {
    if (error instanceof EventLogError) return null
    throw error
  }
}

describe.skipIf(missing)('beside tpm2_eventlog', () => {
  const folder = mkdtempSync(join(tmpdir(), 'writ-eventlog-'))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  const written = (...parts: Buffer[]): string => {
    const path = join(folder, 'log.bin')
    writeFileSync(path, Buffer.concat(parts))
    return path
  }
  const both = ['sha1', 'sha256'] as const
  const data = Buffer.from('measured')

  it.each(['debian13-uki', 'debian13-uki-secureboot'])('the same PCRs of %s', host => {
    const path = fileURLToPath(new URL(`../fixtures/hosts/${host}/eventlog.bin`, import.meta.url))
    expect(fixture(host, 'eventlog.bin').length).toBeGreaterThan(1_000)
    expect(ours(path)).toEqual(theirs(path))
  })

  it('the same PCRs of both formats, and of any order of banks', () => {
    const log = [specId(both), event(4, EV_IPL, data, { banks: ['sha256', 'sha1'] })]
    expect(ours(written(...log))).toEqual(theirs(written(...log)))
    const sha1 = [sha1Event(4, EV_IPL, data), sha1Event(5, EV_IPL, data)]
    expect(ours(written(...sha1))).toEqual(theirs(written(...sha1)))
  })

  it('where it is wrong: it takes no startup locality into account, and extends EV_NO_ACTION (5.5 and before)', () => {
    const path = written(specId(['sha256']), startupLocality(3), event(0, EV_IPL, data))
    const isSame = JSON.stringify(ours(path)) === JSON.stringify(theirs(path))
    expect(isSame).toBe(!isOld)
    // PFP 1.06, section 10.4.5.3, and section 10.4.1: an EV_NO_ACTION event is never extended.
    const noAction = written(specId(['sha256']), event(4, EV_NO_ACTION, data), event(5, EV_IPL, data))
    expect(Object.keys(ours(noAction)?.sha256 ?? {})).toEqual(['5'])
    expect(Object.keys(theirs(noAction)?.sha256 ?? {})).toEqual(isOld ? ['4', '5'] : ['5'])
  })

  it('where it is wrong: it takes an event without digests, which extends nothing that the log tells', () => {
    const path = written(specId(['sha256']), event(4, EV_IPL, data, { banks: [] }))
    expect(theirs(path)).not.toBe(null)
    const { problems } = describeEventLog(parseEventLog(readFileSync(path), ANY_EVENT_LOG))
    expect(problems.map(({ code }) => code)).toEqual(['EVENT_LOG_BANK_MISSING'])
    expect(() => parseEventLog(readFileSync(path))).toThrow(EventLogError)
  })

  it('where it is wrong: it takes a header of version 1.2', () => {
    const header = specId(['sha256'])
    header.set([2, 1], 32 + 16 + 4)
    const path = written(header, event(4, EV_IPL, data))
    expect([theirs(path) === null, ours(path)]).toEqual([false, null])
  })

  it('where it is wrong: it refuses EV_NO_ACTION with PCR 0xFFFFFFFF, and extends a PCR that no TPM has', () => {
    // PFP 1.06, section 10.4.5: informational events may have that index.
    const noPcr = written(specId(['sha256']), event(0xffffffff, EV_NO_ACTION, data), event(4, EV_IPL, data))
    expect([theirs(noPcr), Object.keys(ours(noPcr)?.sha256 ?? {})]).toEqual([null, ['4']])
    // PTP 1.05, section 4.6: there are 24.
    const pcr24 = written(specId(['sha256']), event(24, EV_IPL, data))
    expect([Object.keys(theirs(pcr24)?.sha256 ?? {}), ours(pcr24)]).toEqual([['24'], {}])
  })

  it('where it says nothing: two separators, and a digest that is not that of the data', () => {
    const twice = written(specId(['sha256']), separator(4), separator(4))
    const other = written(specId(['sha256']), event(4, 4, u32le(0), { digestOf: data }))
    for (const path of [twice, other]) {
      expect(ours(path)).toEqual(theirs(path))
      expect(describeEventLog(parseEventLog(readFileSync(path))).problems.length).toBe(1)
    }
  })
})

interface Entry {
  readonly path: string
  readonly kind: string
  readonly role: string
  readonly expected: { toolDifference?: string[]; ccel?: boolean; reasons?: string[] }
}

describe.skipIf(missing || RECORDED_EVIDENCE === undefined)(
  'beside tpm2_eventlog, recorded logs (WRIT_FIXTURES)',
  () => {
    it('the same PCRs of every log that it reads rightly', () => {
      const root = RECORDED_EVIDENCE ?? ''
      const manifest = JSON.parse(readFileSync(join(root, 'manifest.json'), 'utf8')) as { entries: Entry[] }
      const logs = manifest.entries.filter(
        ({ kind, role, expected }) =>
          kind === 'eventlog' &&
          role === 'case' &&
          expected.toolDifference === undefined &&
          expected.ccel === undefined &&
          !expected.reasons?.includes('pcr-out-of-range'),
      )
      const differing = logs
        .map(({ path }) => join(root, path))
        .filter(path => JSON.stringify(ours(path)) !== JSON.stringify(theirs(path)))
      expect(differing).toEqual([])
      expect(logs.length).toBeGreaterThan(30)
    })
  },
)
