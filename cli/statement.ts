import { randomBytes } from 'node:crypto'
import { resolve } from 'node:path'
import type { Authorization, SubjectDigest } from '../authorization/index.ts'
import { readChildren } from './children.ts'
import { type Closure, findClosure, subjectsOf } from './closure/closure.ts'
import { CliError } from './error.ts'
import type { PlannedWorkload } from './plan-file.ts'
import type { ScopeOptions } from './scope-options.ts'
import { readValidity } from './validity.ts'
import { programPath, readEnvironment, readUser, TERMINAL } from './workload.ts'

/** What `writ issue` is told beside the workload. */
export interface IssueOptions {
  issuer: string
  host: string[]
  valid: number
  uses: string
  uid: string[]
  policy: string
  referenceValues: string
  id?: string
  notBefore?: string
  unit?: string[]
  label?: string[]
  gid?: string[]
  cgroup?: string[]
  callerProgram?: string[]
  resetCount?: number
  maxEvidenceAge?: number
  simulated: 'allow' | 'deny'
  parent: string
  onLapse: 'kill' | 'freeze'
  grace?: number
}

/** The two halves of an artifact's statement. */
export interface StatementParts {
  readonly subjects: readonly SubjectDigest[]
  readonly predicate: Authorization
}

/** `any` alone, or all of what was listed. @throws CliError when both are mixed */
function anyOr<T>(option: string, items: readonly string[], read: (text: string) => T): 'any' | T[] {
  if (!items.includes('any')) return items.map(read)
  if (items.length > 1) throw new CliError('USAGE', `${option} any cannot be combined with others`)
  return 'any'
}

function whole(option: string): (text: string) => number {
  return text => {
    if (/^[0-9]{1,15}$/.test(text)) return Number(text)
    throw new CliError('USAGE', `${option} takes a whole number or any, not ${JSON.stringify(text)}`)
  }
}

/** What is frozen is frozen for a time that is named. @throws CliError */
function readOnLapse({ onLapse, grace }: IssueOptions): Authorization['onLapse'] {
  if (onLapse === 'kill' && grace === undefined) return onLapse
  if (onLapse === 'kill') throw new CliError('USAGE', '--grace goes with --on-lapse freeze')
  if (grace === undefined) throw new CliError('USAGE', '--on-lapse freeze needs --grace')
  return { freeze: { grace } }
}

/**
 * What is signed of a workload: exactly this program with exactly these arguments. Files are hashed as they are now.
 *
 * @param libraries whether loader and shared libraries are subjects as well
 * @throws CliError
 */
export async function planWorkload(
  name: string,
  rest: readonly string[],
  options: ScopeOptions,
  libraries: boolean,
): Promise<PlannedWorkload & { readonly closure: Closure }> {
  const path = programPath(name)
  const env = readEnvironment(options.env)
  const user = readUser(options.user)
  const closure = await findClosure(path, {
    interpreter: options.interpreter,
    files: options.file,
    trees: options.tree,
    libraries,
    libraryPath: env.LD_LIBRARY_PATH,
  })
  const { subjects, program, files } = subjectsOf(closure.items)
  return {
    closure,
    subjects,
    scope: {
      program,
      files,
      argv: options.anyArguments === true ? 'any' : [path, ...rest],
      env: Object.entries(env).map(([name, value]) => ({ name, value })),
      cwd: options.cwd === undefined ? '/' : resolve(options.cwd),
      user: user === undefined ? 'own' : { ...user, groups: [] },
      stdio: options.terminal === true ? TERMINAL : { stdin: 'pipe', stdout: 'pipe', stderr: 'pipe' },
      sandbox: {
        network: options.network ?? 'none',
        seccomp: options.seccomp ?? 'default',
        writable: (options.writable ?? []).map(path => resolve(path)),
      },
      limits: {
        runTime: options.runTime ?? 'any',
        memoryBytes: options.memory ?? 'any',
        pids: options.pids ?? 'any',
        cpuSeconds: options.cpuSeconds ?? 'any',
        openFiles: options.openFiles ?? 'any',
        outputBytes: options.outputBytes ?? 'any',
        cpuPercent: options.cpuPercent ?? 'any',
        fileBytes: options.fileBytes ?? 'any',
      },
      devices: options.device ?? [],
      ...(options.detach === true ? { detach: true } : {}),
      children: readChildren(options),
    },
  }
}

/** The statement that allows a workload as planned. @throws CliError */
export function buildStatement({ subjects, scope }: PlannedWorkload, options: IssueOptions): StatementParts {
  const predicate: Authorization = {
    id: options.id ?? randomBytes(16).toString('hex'),
    issuer: options.issuer,
    audience: {
      hosts: anyOr('--host', options.host, text => text),
      labels: options.label === undefined ? 'any' : anyOr('--label', options.label, text => text),
    },
    validity: {
      ...readValidity(options),
      maxUses: options.uses === 'any' ? 'any' : whole('--uses')(options.uses),
    },
    initiator: {
      uids: anyOr('--uid', options.uid, whole('--uid')),
      gids: options.gid === undefined ? 'any' : anyOr('--gid', options.gid, whole('--gid')),
      units: options.unit === undefined ? 'any' : anyOr('--unit', options.unit, text => text),
      cgroups: options.cgroup === undefined ? 'any' : anyOr('--cgroup', options.cgroup, text => text),
      programs:
        options.callerProgram === undefined
          ? 'any'
          : anyOr('--caller-program', options.callerProgram, text => text),
    },
    scope,
    environment: {
      referenceValues: options.referenceValues,
      maxEvidenceAge: options.maxEvidenceAge ?? 'any',
      simulated: options.simulated,
      resetCount: options.resetCount ?? 'any',
    },
    policy: { digest: options.policy },
    parent: { execution: options.parent },
    onLapse: readOnLapse(options),
  }
  return { subjects, predicate }
}
