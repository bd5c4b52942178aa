import { createHash, randomBytes } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { open, stat } from 'node:fs/promises'
import { basename, resolve } from 'node:path'
import type { Authorization, SubjectDigest } from '../authorization/index.ts'
import { CliError } from './error.ts'
import { systemReason } from './files.ts'
import { treeOf } from './tree.ts'
import { readValidity } from './validity.ts'
import { programPath, readEnvironment, readUser, TERMINAL, type WorkloadOptions } from './workload.ts'

/** What `writ issue` is told beside the workload. */
export interface IssueOptions extends WorkloadOptions {
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
  interpreter?: string
  tree?: string[]
  anyArguments?: boolean
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

/** SHA-256 of a file's bytes as they are now. @throws CliError */
export async function digestOf(path: string, what: string): Promise<string> {
  try {
    if (!(await stat(path)).isFile())
      throw new CliError('FILE_UNREADABLE', `${path} is not a regular file`, { at: path })
    const hash = createHash('sha256')
    for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer)
    return hash.digest('hex')
  } catch (cause) {
    if (cause instanceof CliError) throw cause
    throw new CliError('FILE_MISSING', `cannot read ${path} as ${what}: ${systemReason(cause)}`, {
      at: path,
      cause,
    })
  }
}

/** The interpreter that the first line of a script names (execve(2)); null for what is no script. */
async function interpreterOf(path: string): Promise<string | null> {
  const file = await open(path)
  try {
    // BINPRM_BUF_SIZE of include/uapi/linux/binfmts.h.
    const { buffer, bytesRead } = await file.read(Buffer.alloc(256), 0, 256, 0)
    const line = buffer.subarray(0, bytesRead).toString('latin1')
    return /^#![ \t]*([^ \t\n]+)/.exec(line)?.[1] ?? null
  } finally {
    await file.close()
  }
}

type Role = Authorization['scope']['files'][number]['role']

/** Program and further files, hashed, each with a name of its own. */
async function readClosure(program: string, options: IssueOptions) {
  const digest = await digestOf(program, 'the program')
  const found = options.interpreter ?? (await interpreterOf(program))
  const wanted: { path: string; role: Role }[] = [
    ...(found === null ? [] : [{ path: resolve(found), role: 'interpreter' as const }]),
    ...(options.file ?? []).map(path => ({ path: resolve(path), role: 'other' as const })),
    ...(options.tree ?? []).map(path => ({ path: resolve(path), role: 'tree' as const })),
  ]
  const names = new Set([basename(program)])
  const files = await Promise.all(
    wanted.map(async ({ path, role }, i) => {
      const subject = names.has(basename(path)) ? `${i + 1}-${basename(path)}` : basename(path)
      names.add(subject)
      const sha256 =
        role === 'tree' ? (await treeOf(path)).sha256 : await digestOf(path, 'a file of the closure')
      return { path, role, subject, sha256 }
    }),
  )
  return {
    subjects: [
      { name: basename(program), sha256: digest },
      ...files.map(({ subject, sha256, role }) => ({
        name: subject,
        sha256,
        ...(role === 'tree' ? { kind: 'tree' as const } : {}),
      })),
    ],
    files: files.map(({ subject, path, role }) => ({ subject, path, role })),
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
 * The statement that allows exactly this workload. Files are hashed as they are now.
 *
 * @throws CliError
 */
export async function buildStatement(
  name: string,
  rest: readonly string[],
  options: IssueOptions,
): Promise<StatementParts> {
  const program = programPath(name)
  const { subjects, files } = await readClosure(program, options)
  const validity = readValidity(options)
  const user = readUser(options.user)
  const predicate: Authorization = {
    id: options.id ?? randomBytes(16).toString('hex'),
    issuer: options.issuer,
    audience: {
      hosts: anyOr('--host', options.host, text => text),
      labels: options.label === undefined ? 'any' : anyOr('--label', options.label, text => text),
    },
    validity: {
      ...validity,
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
    scope: {
      program: { subject: basename(program), path: program },
      files,
      argv: options.anyArguments === true ? 'any' : [program, ...rest],
      env: Object.entries(readEnvironment(options.env)).map(([name, value]) => ({ name, value })),
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
      children:
        options.children === true
          ? { max: 'any', atOnce: 'any', perMinute: 'any', depth: 1, programs: 'any' }
          : 'none',
    },
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
