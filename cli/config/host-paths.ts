import { type Stats, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { PartialConfig } from '../../configuration/daemon-file.ts'
import { systemReason } from '../files.ts'
import { liveFiles } from '../probe/index.ts'
import { statePath } from '../state-directory.ts'
import type { Findings } from './findings.ts'
import { type Identity, isDenied, modeText, READ, WRITE, whyNoAccess } from './identity.ts'
import { type PassedSocket, passedSocket } from './socket-unit.ts'

/** `sun_path` has 108 bytes with its NUL (unix(7)). */
const MAX_SOCKET_PATH = 107
/** Widest mode of the socket's directory, as the daemon makes it (packaging/writd.toml, socket_access). */
const DIRECTORY_MODES = { owner: 0o700, group: 0o750, all: 0o755 } as const
/** Widest mode of the socket that the daemon serves on (packaging/writd.toml, socket_access). */
const SOCKET_MODES = { owner: 0o600, group: 0o660, all: 0o666 } as const

/**
 * Looks at the TPM, the state directory and the place of the socket, which are this host's.
 *
 * @param user the daemon's user; null where nobody knows who it is
 */
export async function checkHostPaths(
  config: PartialConfig,
  user: Identity | null,
  findings: Findings,
): Promise<void> {
  checkTpm(config, user, findings)
  checkState(config, user, findings)
  await checkSocket(config, user, findings)
}

function checkTpm(
  { tpm: { transport, path } }: PartialConfig,
  user: Identity | null,
  findings: Findings,
): void {
  if (transport === undefined || path === undefined) return
  const stat = found(path, 'tpm.path', findings)
  if (stat === null) return
  if (transport === 'device' ? !stat.isCharacterDevice() : !stat.isSocket()) {
    const what = transport === 'device' ? 'device' : 'socket, which the transport swtpm needs'
    findings.error('FILE_UNUSABLE', 'tpm.path', `${path} is no ${what}`)
    return
  }
  const why = user === null ? null : whyNoAccess(path, user, READ | WRITE)
  if (why !== null) findings.error('FILE_NO_ACCESS', 'tpm.path', why)
}

function checkState(
  { daemon: { stateDirectory } }: PartialConfig,
  user: Identity | null,
  findings: Findings,
): void {
  const key = 'daemon.state_directory'
  if (stateDirectory === undefined) return
  const stat = found(stateDirectory, key, findings, ' (`writ init` makes it)')
  if (stat === null) return
  if (!stat.isDirectory()) findings.error('FILE_UNUSABLE', key, `${stateDirectory} is no directory`)
  if (user !== null && stat.uid !== user.uid)
    findings.error(
      'FILE_NO_ACCESS',
      key,
      `${stateDirectory} belongs to uid ${stat.uid}, not to uid ${user.uid}`,
    )
  if ((stat.mode & 0o022) !== 0)
    findings.error(
      'FILE_UNSAFE',
      key,
      `others than its owner can write ${stateDirectory} (mode ${modeText(stat)})`,
    )
  found(
    join(statePath(stateDirectory, 'identity'), 'identity.json'),
    key,
    findings,
    ' (`writ init` makes it)',
  )
}

async function checkSocket(
  { daemon: { socket, socketAccess } }: PartialConfig,
  user: Identity | null,
  findings: Findings,
): Promise<void> {
  const key = 'daemon.socket'
  if (socket === undefined || socketAccess === undefined) return
  if (Buffer.byteLength(socket) > MAX_SOCKET_PATH)
    findings.error('CONFIG_BAD_VALUE', key, `is longer than ${MAX_SOCKET_PATH} bytes`)
  const passed = await passedSocket(liveFiles(''), socket)
  if (passed !== null) {
    checkPassed(passed, socketAccess, findings)
    return
  }
  const directory = dirname(socket)
  const stat = statSync(directory, { throwIfNoEntry: false })
  // The daemon makes it, if it can; at a boot the service manager does.
  if (stat === undefined) return
  const wide = stat.mode & 0o777 & ~DIRECTORY_MODES[socketAccess]
  if (wide !== 0) {
    const most = DIRECTORY_MODES[socketAccess].toString(8)
    findings.error(
      'FILE_UNSAFE',
      key,
      `${directory} has mode ${modeText(stat)}, at most ${most} with this access`,
    )
  }
  if (user !== null && stat.uid !== user.uid)
    findings.error('FILE_NO_ACCESS', key, `${directory} belongs to uid ${stat.uid}, not to uid ${user.uid}`)
}

/** The unit opens the socket, in a directory that the service manager makes; the daemon refuses one that is open wider than its configuration says. */
export function checkPassed(
  { mode, from }: PassedSocket,
  access: keyof typeof SOCKET_MODES,
  findings: Findings,
): void {
  const key = 'daemon.socket_access'
  const most = SOCKET_MODES[access]
  const octal = (bits: number) => bits.toString(8).padStart(4, '0')
  const set = `SocketMode=${octal(most)} (systemctl edit writd.socket) goes with "${access}"`
  if ((mode & ~most) !== 0)
    findings.error(
      'FILES_DISAGREE',
      key,
      `${from} has mode ${octal(mode)}, on which the daemon does not serve; ${set}`,
    )
  else if (mode !== most)
    findings.warn(
      'FILES_DISAGREE',
      key,
      `${from} has mode ${octal(mode)}, and the socket stays no wider than that; ${set}`,
    )
}

function found(path: string, key: string, findings: Findings, advice = ''): Stats | null {
  try {
    return statSync(path)
  } catch (error) {
    if (isDenied(error)) findings.warn('FILE_NO_ACCESS', key, `${path} could not be looked at from here`)
    else findings.error('FILE_UNUSABLE', key, `${path}: ${systemReason(error)}${advice}`)
    return null
  }
}
