import { modeText } from '../config/identity.ts'
import { type Look, type Probes, readUnit, seen, type UnitFacts } from '../probe/index.ts'

/** The unit that opens the socket of metrics and probes for the daemon. */
export const METRICS_UNIT = 'writd-metrics.socket'
/** Widest mode of a socket that the daemon serves them on (daemon/metrics/listen.ts). */
const MOST = 0o660

/** Why nobody gets metrics. */
export interface MetricsFault {
  readonly what: string
  /** A unit, or a socket. */
  readonly where: string
  /** Where more is known than that the unit has to be looked at. */
  readonly todo?: string
}

/**
 * Whether the daemon gets a socket for its metrics that it serves on.
 *
 * @param unit what systemd says of {@link METRICS_UNIT}
 * @param running whether the daemon runs, to which the socket belongs
 * @returns null: it does; unseen: as far as it can be seen
 */
export async function metricsFault(
  { files }: Probes,
  unit: UnitFacts,
  running: boolean,
): Promise<Look<MetricsFault | null>> {
  const where = METRICS_UNIT
  const ofUnit = faultOfUnit(unit)
  if (ofUnit !== null) return seen(ofUnit)
  const text = await readUnit(files, where)
  for (const address of text?.values('ListenStream') ?? []) {
    if (!address.startsWith('/')) {
      if (isLoopback(address)) continue
      return seen({
        what: `ListenStream=${address} is not of this host alone, and the daemon does not serve on it`,
        where,
        todo: '`systemctl edit writd-metrics.socket`: ListenStream=127.0.0.1:9464, or a path',
      })
    }
    const socket = await files.lstat(address)
    if (!socket.seen && socket.why !== 'missing') return socket
    if (!socket.seen && unit.active === 'active')
      return seen({ what: 'there is no such socket, though its unit is active', where: address })
    if (socket.seen && (socket.value.mode & ~MOST) !== 0)
      return seen({
        what: `mode ${modeText(socket.value)}, at most 0660: the daemon does not serve on it`,
        where: address,
        todo: '`systemctl edit writd-metrics.socket`: SocketMode=0660; then restart it and writd',
      })
  }
  if (running && unit.active !== 'active')
    return seen({ what: `the unit is ${unit.active}, and the daemon runs`, where })
  return text?.unread ?? seen(null)
}

/** What systemd says of the unit by itself. */
function faultOfUnit(unit: UnitFacts): MetricsFault | null {
  const where = METRICS_UNIT
  if (unit.load === 'not-found')
    return { what: 'systemd does not find the unit', where, todo: '`apt install --reinstall writ`' }
  if (unit.load === 'masked' || unit.file.startsWith('masked'))
    return {
      what: 'the unit is masked',
      where,
      todo: `\`systemctl unmask ${where}\`, if that was not meant; then \`systemctl restart ${where} writd\``,
    }
  if (unit.load !== 'loaded') return { what: `systemd says of the unit: ${unit.load || 'nothing'}`, where }
  return unit.active === 'failed' ? { what: `the unit has failed: ${unit.result}`, where } : null
}

/** ListenStream= takes ADDRESS:PORT, and a port alone for every address (systemd.socket(5)). */
function isLoopback(address: string): boolean {
  return /^(?:127(?:\.[0-9]{1,3}){3}|\[::1\]):[0-9]+$/.test(address)
}
