import { chownSync, mkdirSync, writeFileSync } from 'node:fs'

/** The daemon's user. It needs no entry in any database. */
export const WRITD = { uid: 64_990, gid: 64_990 } as const

/** Where a governed host is. */
export interface Place {
  path(name: string): string
  readonly tpmSocket: string
  readonly cgroup: string
}

/**
 * Writes writd.toml and launchd.conf of a governed host.
 *
 * @param extra more lines of a section of writd.toml, by its name
 */
export function writeConfigs({ path, tpmSocket, cgroup }: Place, extra: Record<string, string>): void {
  const section = (name: string, lines: string[]): string =>
    [`[${name}]`, ...lines, extra[name] ?? '', ''].join('\n')
  const toml = [
    section('daemon', [
      `socket = "${path('run/writd.sock')}"`,
      'socket_access = "all"',
      `state_directory = "${path('state')}"`,
      `launcher_socket = "${path('launchd/launchd.sock')}"`,
      'shutdown_grace_seconds = 1',
    ]),
    section('tpm', ['transport = "swtpm"', `path = "${tpmSocket}"`]),
    section('attestation', [
      extra.attestation === undefined ? 'cycle_seconds = 1\nmax_evidence_age_seconds = 5' : '',
      `reference_values = "${path('reference.json')}"`,
    ]),
    section('trust', [
      `governance_keys = ["${path('operator.pub')}"]`,
      `trust_roots = "${path('trust.json')}"`,
      `policy_bundle = "${path('policy.json')}"`,
    ]),
    section('execution', ['uid_range = [70000, 70299]']),
    section('metrics', [`socket = "${path('metrics/metrics.sock')}"`]),
    ...['access', 'rpc', 'quota', 'minting', 'lineage'].map(name => section(name, [])),
  ].join('\n')
  mkdirSync(path('metrics'), { recursive: true, mode: 0o750 })
  chownSync(path('metrics'), WRITD.uid, WRITD.gid)
  writeFileSync(path('writd.toml'), toml, { mode: 0o644 })
  writeLauncherConfig({ path, cgroup })
}

/** Writes launchd.conf of a governed host. */
export function writeLauncherConfig({ path, cgroup }: Pick<Place, 'path' | 'cgroup'>): void {
  const launchd = [
    `socket = ${path('launchd/launchd.sock')}`,
    `writd_uid = ${WRITD.uid}`,
    `writd_gid = ${WRITD.gid}`,
    'uids = 70000-70299',
    `event_log = ${path('eventlog.bin')}`,
    `userspace_log = ${path('userspace.jsonseq')}`,
    `ima_log = ${path('ima.bin')}`,
    `cgroup = ${cgroup}`,
    '',
  ].join('\n')
  writeFileSync(path('launchd.conf'), launchd, { mode: 0o600 })
}
