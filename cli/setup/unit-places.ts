import { join, resolve } from 'node:path'
import { type FileProbe, readUnit, type UnitText } from '../probe/index.ts'
import { credentialsPlace, LOG_KEY, readOwner, STATE } from '../state-directory.ts'
import type { Answers } from './answers.ts'
import type { StepContext } from './step.ts'
import { statePlaces } from './steps/identity.ts'

const SERVICE = 'writd.service'
const LAUNCHER = 'writ-launchd.service'
const SOCKET = 'writd.socket'

/**
 * What of the answers the installed units do not go by: they name places themselves, and a daemon whose files are elsewhere is left out, or does
 * not find them. Said before anything is made, not once all of it is at a place where nobody looks.
 *
 * @returns a line each; none where there are no units, or nothing is to be started
 */
export async function unitsAgainst({
  answers,
  files,
  probes,
  stage,
}: StepContext): Promise<readonly string[]> {
  if (!answers.service.start) return []
  // In an image nothing runs, and the units lie where systemd will find them.
  if (stage !== 'image' && !(await probes.services.unit(SERVICE)).seen) return []
  const service = await readUnit(probes.files, SERVICE)
  const launcher = await readUnit(probes.files, LAUNCHER)
  if (service === null || launcher === null) return []
  const made = madeFiles(answers, files)
  return [
    ...commandAgainst(SERVICE, service, files.config),
    ...commandAgainst(LAUNCHER, launcher, files.launchd),
    ...(await filesAgainst(probes.files, SERVICE, service, made)),
    ...stateAgainst(service, answers.places.state_directory),
    ...userAgainst(service, answers.daemon.user),
    ...socketAgainst(await readUnit(probes.files, SOCKET), answers.places.socket),
  ]
}

/** What the setup makes of what units look for. */
function madeFiles(answers: Answers, { config, launchd }: StepContext['files']): ReadonlySet<string> {
  const { state_directory } = answers.places
  const identity = join(state_directory, STATE.identity)
  const secrets = credentialsPlace(statePlaces(answers)) ?? identity
  return new Set([
    config,
    launchd,
    join(identity, 'identity.json'),
    join(secrets, 'secrets.json'),
    join(secrets, LOG_KEY),
  ])
}

function commandAgainst(name: string, unit: UnitText, config: string): string[] {
  const command = unit.values('ExecStart').at(-1) ?? ''
  return ` ${command} `.includes(` ${config} `)
    ? []
    : [`${name} starts "${command}", and the configuration is ${config} (places.etc)`]
}

async function filesAgainst(
  probe: FileProbe,
  name: string,
  unit: UnitText,
  made: ReadonlySet<string>,
): Promise<string[]> {
  const wanted = [
    ...unit.values('ConditionPathExists'),
    ...unit.values('LoadCredential').map(value => value.slice(value.indexOf(':') + 1)),
  ].filter(path => path.startsWith('/') && !made.has(path))
  const open: string[] = []
  for (const path of new Set(wanted)) if (!(await probe.stat(path)).seen) open.push(path)
  return open.map(path => `${name} wants ${path}, which is not where the answers have it (places)`)
}

/** With ProtectSystem=strict the daemon writes where its unit says, and nowhere else. */
function stateAgainst(unit: UnitText, state: string): string[] {
  if (unit.values('ProtectSystem').at(-1) !== 'strict') return []
  const words = (setting: string) => unit.values(setting).flatMap(value => value.split(/\s+/))
  const writable = [
    ...words('StateDirectory').map(directory => join('/var/lib', directory)),
    ...words('ReadWritePaths').map(path => path.replace(/^[-+]+/, '')),
  ]
  const path = resolve(state)
  if (writable.some(above => path === above || path.startsWith(`${above}/`))) return []
  return [
    `${SERVICE} lets the daemon write to ${writable.join(', ')}, and its state is ${state} (places.state_directory)`,
  ]
}

function userAgainst(unit: UnitText, user: string): string[] {
  const own = unit.values('User').at(-1) ?? 'root'
  if (own === user || uidOf(own) === uidOf(user)) return []
  return [`${SERVICE} runs as ${own}, and the state is made for ${user} (daemon.user)`]
}

/** Not a number where there is no such user, which is like no other. */
function uidOf(user: string): number {
  try {
    return readOwner(user).uid
  } catch {
    return Number.NaN
  }
}

function socketAgainst(unit: UnitText | null, socket: string): string[] {
  const listens = unit?.values('ListenStream') ?? []
  return listens.length === 0 || listens.includes(socket)
    ? []
    : [`${SOCKET} listens at ${listens.join(', ')}, and the socket is ${socket} (places.socket)`]
}
