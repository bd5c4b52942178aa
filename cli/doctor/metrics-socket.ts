import { type Probes, readUnit, type UnitFacts, valueIn } from '../probe/index.ts'

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
 * @returns null: it does
 */
export async function metricsFault(
  { files }: Probes,
  unit: UnitFacts,
  running: boolean,
): Promise<MetricsFault | null> {
  const where = METRICS_UNIT
  if (unit.load === 'not-found')
    return { what: 'systemd does not find the unit', where, todo: '`apt install --reinstall writ`' }
  if (unit.load === 'masked' || unit.file.startsWith('masked'))
    return {
      what: 'the unit is masked',
      where,
      todo: `\`systemctl unmask ${where}\`, if that was not meant; then \`systemctl restart ${where} writd\``,
    }
  if (unit.active === 'failed') return { what: `the unit has failed: ${unit.result}`, where }
  for (const address of (await readUnit(files, where))?.values('ListenStream') ?? []) {
    if (!address.startsWith('/') && !isLoopback(address))
      return {
        what: `ListenStream=${address} is not of this host alone, and the daemon does not serve on it`,
        where,
        todo: '`systemctl edit writd-metrics.socket`: ListenStream=127.0.0.1:9464, or a path',
      }
    const socket = address.startsWith('/') ? valueIn(await files.lstat(address)) : null
    if (socket !== null && (socket.mode & ~MOST) !== 0)
      return {
        what: `mode ${socket.mode.toString(8).padStart(4, '0')}, at most 0660: the daemon does not serve on it`,
        where: address,
        todo: '`systemctl edit writd-metrics.socket`: SocketMode=0660; then restart it and writd',
      }
  }
  if (running && unit.active !== 'active')
    return { what: `the unit is ${unit.active}, and the daemon runs`, where }
  return null
}

/** ListenStream= takes ADDRESS:PORT, and a port alone for every address (systemd.socket(5)). */
function isLoopback(address: string): boolean {
  return /^(?:127(?:\.[0-9]{1,3}){3}|\[::1\]):[0-9]+$/.test(address)
}
