import { existsSync } from 'node:fs'
import { execa } from 'execa'
import { seen, unseen } from '../look.ts'
import type { ServiceProbe, UnitFacts } from '../probes.ts'

const PROPERTIES = [
  'LoadState',
  'ActiveState',
  'SubState',
  'UnitFileState',
  'FragmentPath',
  'DropInPaths',
  'NeedDaemonReload',
  'Result',
  'MainPID',
  'NRestarts',
  'ActiveEnterTimestamp',
]
const TIMEOUT_MS = 5_000

/** @param ask false: systemd is not asked, whatever runs the host */
export function liveServices(ask: boolean): ServiceProbe {
  return {
    // sd_booted(3): the directory is there while systemd runs the host.
    unit: async name =>
      ask && existsSync('/run/systemd/system')
        ? show(name)
        : unseen('unsupported', 'systemd does not run this host'),
  }
}

async function show(name: string) {
  const result = await execa(
    'systemctl',
    ['show', '--no-pager', `--property=${PROPERTIES.join(',')}`, '--', name],
    {
      reject: false,
      stdin: 'ignore',
      timeout: TIMEOUT_MS,
      maxBuffer: 1 << 16,
      env: { LC_ALL: 'C', TZ: 'UTC' },
    },
  )
  return result.failed
    ? unseen('failed', `systemctl show ${name}: ${result.stderr || result.shortMessage}`, result.code ?? null)
    : seen(unitFacts(result.stdout))
}

/** Reads what `systemctl show` prints; a property that is not there is empty. */
export function unitFacts(text: string): UnitFacts {
  const properties = new Map<string, string>()
  for (const [, name = '', value = ''] of text.matchAll(/^([A-Za-z]+)=(.*)$/gm)) properties.set(name, value)
  const get = (name: string): string => properties.get(name) ?? ''
  return {
    load: get('LoadState'),
    active: get('ActiveState'),
    sub: get('SubState'),
    file: get('UnitFileState'),
    path: get('FragmentPath'),
    dropIns: get('DropInPaths')
      .split(' ')
      .filter(path => path !== ''),
    needsReload: get('NeedDaemonReload') === 'yes',
    result: get('Result'),
    mainPid: Number(get('MainPID')) || 0,
    restarts: Number(get('NRestarts')) || 0,
    since: timeIn(get('ActiveEnterTimestamp')),
  }
}

/** As systemd prints it: `Sun 2026-11-22 10:44:39 UTC`. */
function timeIn(text: string): number | null {
  const [, date, time] = /(\d{4}-\d{2}-\d{2}) (\d{2}:\d{2}:\d{2}) UTC$/.exec(text) ?? []
  const at = date === undefined ? Number.NaN : Date.parse(`${date}T${time}Z`)
  return Number.isNaN(at) ? null : at
}
