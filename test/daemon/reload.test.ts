import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { describe, expect, it, onTestFinished } from 'vitest'
import { configBytes } from '../../configuration/daemon-file.ts'
import { readConfig } from '../../configuration/read-file.ts'
import { configValue, RELOADED_KEYS } from '../../configuration/schema.ts'
import { LogLevels } from '../../daemon/log/log-level.ts'
import { Reload } from '../../daemon/reload.ts'
import { Settings } from '../../daemon/settings.ts'
import { sha256Hex } from '../../encoding/digest.ts'
import { LineageError } from '../../lineage/index.ts'
import { CHANGED } from '../configuration/changed-values.ts'
import { ofType, world } from './support/world.ts'

const TRUST = '[trust]\ngovernance_keys = ["/k"]\n'

async function setup(text = TRUST) {
  const daemon = await world()
  const dir = mkdtempSync(join(tmpdir(), 'writ-reload-'))
  onTestFinished(() => rmSync(dir, { recursive: true }))
  const path = join(dir, 'writd.toml')
  const write = (text: string) => writeFileSync(path, text, { mode: 0o600 })
  write(text)
  const settings = new Settings(readConfig(path))
  const said: string[] = []
  const lines: string[] = []
  const log = pino({ level: 'info' }, { write: line => void lines.push(line) })
  const reload = new Reload({
    ...{ path, settings, log, lineage: daemon.lineage, recorder: daemon.recorder },
    attestor: { cycle: async () => void said.push('cycle'), retime: () => void said.push('retime cycle') },
    sealing: { retime: () => void said.push('retime sealing'), soon: () => void said.push('seal') },
    gate: { expire: () => void said.push('expire') },
    notify: state => void said.push(state.replace(/\d{6,}/, 'NOW')),
    changed: () => void said.push('status'),
    levels: new LogLevels(log, () => settings.now.daemon.logLevel),
  })
  return { ...daemon, path, write, settings, said, log, lines, reload }
}

describe('a reload', () => {
  it('records a change with its configuration, then puts all of it in force', async () => {
    const it = await setup()
    it.write(`${TRUST}[minting]\nenabled = true\n[daemon]\nlog_level = "debug"\n[quota]\ncalls = 7\n`)
    const limits = it.settings.quotaLimits()
    await it.reload.soon()
    expect(it.settings.now).toMatchObject({ minting: { enabled: true }, quota: { calls: 7 } })
    expect({ level: it.log.level, calls: limits.calls }).toEqual({ level: 'debug', calls: 7 })
    const [entry, ...more] = ofType(await it.events(), 'config')
    expect(more).toEqual([])
    expect(entry).toMatchObject({
      digest: it.settings.digest,
      changed: ['daemon.log_level', 'quota.calls', 'minting.enabled'],
    })
    expect(sha256Hex(await it.lineage.getBlob(it.settings.digest))).toBe(it.settings.digest)
    expect(await it.lineage.getBlob(it.settings.digest)).toEqual(configBytes(readConfig(it.path)))
    expect(it.said).toEqual([
      'RELOADING=1\nMONOTONIC_USEC=NOW',
      'seal',
      'READY=1\nSTATUS=configuration in force',
      'status',
    ])
    expect(it.settings.report).toMatchObject({ waiting: [], refusal: null, entry: it.lineage.size - 1n })
  })

  it.each([
    [
      'a value',
      `${TRUST}[quota]\ncalls = 7\nconnections = 0\n`,
      'CONFIG_BAD_VALUE, quota.connections, line 5',
    ],
    ['a name', `${TRUST}[quota]\ncalls = 7\ncall = 7\n`, 'CONFIG_UNKNOWN_KEY, quota.call, line 5'],
    ['the form', `${TRUST}[quota]\ncalls = 7\n[`, 'CONFIG_SYNTAX, line 5'],
    [
      'the mixture with what waits',
      `${TRUST}[execution]\nuid_range = [70000, 70299]\n[access]\nauditors = [60600]\n`,
      'CONFIG_BAD_VALUE, access.auditors',
    ],
  ])('of a file with a fault in %s changes nothing, and says so', async (_, text, refusal) => {
    const it = await setup()
    const before = { config: it.settings.whole, digest: it.settings.digest, size: it.lineage.size }
    it.write(text)
    await it.reload.soon()
    expect({ config: it.settings.whole, digest: it.settings.digest, size: it.lineage.size }).toEqual(before)
    expect(it.settings.report.refusal).toBe(refusal)
    expect(it.said).toEqual([
      'RELOADING=1\nMONOTONIC_USEC=NOW',
      `READY=1\nSTATUS=configuration file refused: ${refusal}`,
      'status',
    ])
    expect(it.lines.join('')).toContain('the configuration stays as it is')
    // The next good one clears the refusal.
    it.write(TRUST)
    await it.reload.soon()
    expect(it.settings.report.refusal).toBeNull()
  })

  it('that cannot be recorded changes nothing', async () => {
    const it = await setup()
    it.write(`${TRUST}[minting]\nenabled = true\n`)
    await it.lineage.close()
    await it.reload.soon()
    expect(it.settings.now.minting.enabled).toBe(false)
    expect(it.settings.report.refusal).toBe('LINEAGE_CLOSED')
  })

  it('is not in force before its entry is durable', async () => {
    const it = await setup()
    it.write(`${TRUST}[minting]\nenabled = true\n`)
    const seen: boolean[] = []
    it.recorder.record = async () => {
      seen.push(it.settings.now.minting.enabled)
      throw new LineageError('LINEAGE_UNAVAILABLE', 'no space')
    }
    await it.reload.soon()
    expect({ seen, now: it.settings.now.minting.enabled }).toEqual({ seen: [false], now: false })
    expect(it.settings.report.refusal).toBe('LINEAGE_UNAVAILABLE')
  })

  it('names the keys that wait for a restart, and leaves them', async () => {
    const it = await setup()
    it.write(`${TRUST}[daemon]\nsocket = "/run/b"\n[quota]\ncalls = 7\n`)
    await it.reload.soon()
    expect(it.settings.whole.daemon.socket).toBe('/run/writ/writd.sock')
    expect(it.settings.now.quota.calls).toBe(7)
    expect(it.settings.report.waiting).toEqual(['daemon.socket'])
    expect(it.lines.join('')).toContain('"waiting":["daemon.socket"]')
    expect(ofType(await it.events(), 'config').map(({ changed }) => changed)).toEqual([['quota.calls']])
  })

  it('of an unchanged file writes no entry', async () => {
    const it = await setup()
    const { size } = it.lineage
    await it.reload.soon()
    expect(it.lineage.size).toBe(size)
    expect(it.settings.report.reloadTime).not.toBeNull()
  })

  it('tells those who wait by a timer; fresh evidence comes before a shorter age', async () => {
    const it = await setup()
    it.write(
      `${TRUST}[attestation]\ncycle_seconds = 2\nmax_evidence_age_seconds = 5\n[lineage]\ncounter_minutes = 3\n`,
    )
    await it.reload.soon()
    expect(it.said.slice(1, -2)).toEqual(['cycle', 'retime cycle', 'expire', 'retime sealing', 'seal'])
    expect(it.settings.maxEvidenceAgeNs).toBe(5_000_000_000n)
  })

  it('that is asked for during another comes after it, once', async () => {
    const it = await setup()
    it.write(`${TRUST}[quota]\ncalls = 7\n`)
    const all = [it.reload.soon(), it.reload.soon(), it.reload.soon()]
    it.write(`${TRUST}[quota]\ncalls = 8\n`)
    await Promise.all(all)
    expect(it.settings.now.quota.calls).toBe(8)
    expect(it.said.filter(text => text.startsWith('READY'))).toHaveLength(2)
  })
})

describe('settings', () => {
  it('an auditor that is taken out is none from then on', () => {
    const settings = new Settings(readOf(`${TRUST}[access]\nauditors = [5]\n`))
    expect(settings.rolesOf(5)).toEqual({ governor: false, auditor: true })
    settings.replace(readOf(`${TRUST}[access]\nauditors = []\n`))
    expect(settings.rolesOf(5)).toEqual({ governor: false, auditor: false })
  })

  it.each(RELOADED_KEYS)('%s is in force as soon as it is replaced', name => {
    const [section = '', key = ''] = name.split('.')
    const settings = new Settings(readOf(TRUST))
    const next = readOf(`${TRUST}[${section}]\n${key} = ${CHANGED[name]}\n`)
    const views = () =>
      JSON.stringify(
        [
          settings.quotaLimits(),
          settings.sealingOptions(),
          settings.now,
          settings.rolesOf(1001),
          settings.digest,
        ],
        (_, value) => (typeof value === 'bigint' ? String(value) : value),
      )
    const before = views()
    settings.replace(next)
    expect(views()).not.toBe(before)
    expect(configValue(settings.whole, name)).toEqual(configValue(next, name))
  })
})

function readOf(text: string) {
  const dir = mkdtempSync(join(tmpdir(), 'writ-reload-'))
  onTestFinished(() => rmSync(dir, { recursive: true }))
  writeFileSync(join(dir, 'c'), text, { mode: 0o600 })
  return readConfig(join(dir, 'c'))
}
