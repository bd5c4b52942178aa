import { type Reason, reason } from './reason.ts'
import type { ExecutionRequest, ObservedSubject } from './request.ts'
import { networks, seccompProfiles } from './schema.ts'
import { type Scope, type Statement, subjectDigest } from './statement.ts'
import type { LaunchTerms } from './terms.ts'

/**
 * Variables that make a program load or run something else. They pass only where the artifact names them; an `any`
 * for the whole environment does not (ld.so(8), glibc tunables, and the interpreters' own manuals).
 */
export const LOADER_VARIABLES =
  /^(?:LD_.*|GLIBC_TUNABLES|GCONV_PATH|LOCPATH|NLSPATH|MALLOC_.*|PYTHON.*|NODE_.*|PERL5.*|PERLLIB|RUBY.*|JAVA_TOOL_OPTIONS|_JAVA_OPTIONS|JDK_JAVA_OPTIONS|BASH_ENV|BASH_FUNC_.*|ENV|SHELLOPTS|IFS|CUDA_INJECTION.*|OCL_ICD_.*|VK_.*|OPENSSL_CONF|OPENSSL_ENGINES)$/

function exceeded(message: string, at: RequestPlace): Reason {
  return reason('SCOPE_EXCEEDED', message, at)
}

/** A path to open and hash, and what its digest has to be; null where the digest is what is asked for. */
export interface SubjectToOpen {
  readonly path: string
  readonly name: string
  /** `tree`: a directory with all that is in it, under its tree digest. */
  readonly kind: 'file' | 'tree'
  readonly sha256: string | null
}

/** What to open for a request under an artifact: the program first. */
export function subjectsToOpen(statement: Statement, request: ExecutionRequest): SubjectToOpen[] {
  const { program, files } = statement.predicate.scope
  const digests = new Map(statement.subject.map(subject => [subject.name, subjectDigest(subject)]))
  return [
    {
      path: program.path === 'any' ? request.program : program.path,
      name: program.subject,
      kind: 'file' as const,
    },
    ...files.map(file => ({
      path: file.path,
      name: file.subject,
      kind: file.role === 'tree' ? ('tree' as const) : ('file' as const),
    })),
  ].map(item => ({ ...item, sha256: digests.get(item.name) ?? null }))
}

/** The bytes at every path are those that were signed. */
export function checkSubjects(
  wanted: readonly SubjectToOpen[],
  observed: readonly ObservedSubject[],
): Reason[] {
  return wanted.flatMap(({ path, name, sha256 }) => {
    const seen = observed.find(item => item.path === path)
    const mismatch = (what: string): Reason[] => [
      reason('SUBJECT_MISMATCH', `${path}: ${what}`, `subject ${name}`),
    ]
    if (seen === undefined) return mismatch('was not opened')
    if ('error' in seen) return mismatch(seen.error)
    if (sha256 !== null && seen.sha256 !== sha256)
      return mismatch(`its digest is ${seen.sha256}, ${sha256} is signed`)
    return []
  })
}

/** What is wrong with a request under a scope, and, if nothing is, the terms that it leads to. */
export interface Resolution {
  readonly reasons: readonly Reason[]
  readonly terms: LaunchTerms | null
}

/** The fields of a request that a scope limits, in the order of the reasons. */
export const SCOPE_FIELDS = [
  'program',
  'argv',
  'env',
  'cwd',
  'user',
  'stdio',
  'detach',
  'sandbox',
  'limits',
  'devices',
  'children',
  'files',
] as const
export type ScopeField = (typeof SCOPE_FIELDS)[number]

/** Where a request does not fit: each place is in one of the {@link SCOPE_FIELDS}. */
type RequestPlace = `request.${ScopeField}${'' | `.${string}` | `[${number}]`}`

/** The reasons that are about one field. */
export function reasonsOf({ reasons }: Resolution, field: ScopeField): readonly Reason[] {
  if (reasons.length === 0) return reasons
  const place = `request.${field}`
  return reasons.filter(({ at = '' }) => at.startsWith(place) && !/[a-z]/i.test(at.charAt(place.length)))
}

type Element = string | { readonly any: true }

function fits(signed: Element, asked: string): boolean {
  return typeof signed !== 'string' || signed === asked
}

/** What a stream can lead to, each more than the one before: a terminal can do what a pipe can, and send signals. */
const STREAM_RANK = { null: 0, pipe: 1, terminal: 2 } as const

/** Collects what one field of the scope finds; gives a harmless value where the request does not fit. */
class Fields {
  readonly reasons: Reason[] = []

  refuse<T>(message: string, at: RequestPlace, instead: T): T {
    this.reasons.push(exceeded(message, at))
    return instead
  }

  argv(signed: Scope['argv'], request: ExecutionRequest): string[] {
    const { argv, program } = request
    if (signed === 'any') return argv ?? [program]
    if (argv === null) {
      if (signed.every(item => typeof item === 'string')) return signed
      return this.refuse('the artifact leaves an argument to the caller, who gave none', 'request.argv', [
        program,
      ])
    }
    if (argv.length !== signed.length) {
      return this.refuse(`${argv.length} arguments, ${signed.length} are signed`, 'request.argv', argv)
    }
    const wrong = signed.findIndex((item, i) => !fits(item, argv[i] ?? ''))
    if (wrong !== -1) this.refuse('another argument is signed', `request.argv[${wrong}]`, argv)
    return argv
  }

  env(signed: Scope['env'], asked: ExecutionRequest['env']): LaunchTerms['env'] {
    const env = (asked ?? []).toSorted(byName)
    if (signed === 'any') {
      for (const { name } of env) {
        if (LOADER_VARIABLES.test(name))
          this.refuse(`${name} is set only if it is signed by name`, 'request.env', env)
      }
      return env
    }
    if (asked === null) {
      const exact = signed.flatMap(({ name, value }) => (typeof value === 'string' ? [{ name, value }] : []))
      if (exact.length === signed.length) return exact.sort(byName)
      return this.refuse('the artifact leaves a variable to the caller, who gave none', 'request.env', exact)
    }
    const values = new Map(signed.map(({ name, value }) => [name, value]))
    for (const { name, value } of env) {
      const allowed = values.get(name)
      if (allowed === undefined) this.refuse(`${name} is not signed`, 'request.env', env)
      else if (!fits(allowed, value)) this.refuse(`another value of ${name} is signed`, 'request.env', env)
      values.delete(name)
    }
    for (const name of values.keys()) this.refuse(`${name} is signed and missing`, 'request.env', env)
    return env
  }

  user(signed: Scope['user'], asked: ExecutionRequest['user']): LaunchTerms['user'] {
    const user = asked ?? (signed === 'any' ? 'own' : signed)
    if (user !== 'own' && (user.uid === 0 || user.gid === 0 || user.groups.includes(0))) {
      return this.refuse('nothing runs as root', 'request.user', user)
    }
    if (signed === 'any' || user === signed) return user
    const same =
      user !== 'own' &&
      signed !== 'own' &&
      user.uid === signed.uid &&
      user.gid === signed.gid &&
      user.groups.every(group => signed.groups.includes(group))
    return same ? user : this.refuse('another user is signed', 'request.user', user)
  }

  stdio(signed: Scope['stdio'], asked: ExecutionRequest['stdio']): LaunchTerms['stdio'] {
    const most = signed === 'any' ? ({ stdin: 'pipe', stdout: 'pipe', stderr: 'pipe' } as const) : signed
    // A terminal changes what a program does, so nobody gets one without asking for it.
    const pipes = { stdin: 'pipe', stdout: 'pipe', stderr: 'pipe' } as const
    const stdio = asked ?? (most.stdin === 'terminal' ? pipes : most)
    for (const name of ['stdin', 'stdout', 'stderr'] as const) {
      if (STREAM_RANK[stdio[name]] > STREAM_RANK[most[name]])
        this.refuse(`no ${stdio[name]} is signed`, `request.stdio.${name}`, 0)
    }
    return stdio
  }

  sandbox(signed: Scope['sandbox'], asked: ExecutionRequest['sandbox']): LaunchTerms['sandbox'] {
    const network = asked.network ?? signed.network
    const writable = asked.writable ?? signed.writable
    const seccomp = asked.seccomp ?? signed.seccomp
    if (!isWithin(networks, network, signed.network)) {
      this.refuse(`the network ${signed.network} is signed`, 'request.sandbox.network', network)
    }
    if (!isWithin(seccompProfiles, seccomp, signed.seccomp)) {
      this.refuse(`the profile ${signed.seccomp} is signed`, 'request.sandbox.seccomp', seccomp)
    }
    for (const path of writable) {
      if (!signed.writable.some(top => isBelow(path, top))) {
        this.refuse(`writing below ${path} is not signed`, 'request.sandbox.writable', path)
      }
    }
    return { network, seccomp, writable }
  }

  limits(signed: Scope['limits'], asked: ExecutionRequest['limits']): LaunchTerms['limits'] {
    const one = (name: keyof LaunchTerms['limits'], most: number | 'any'): number | null => {
      const wanted = asked[name]
      if (most === 'any') return wanted
      if (wanted !== null && wanted > most) {
        return this.refuse(
          `${wanted} is more than the ${most} that are signed`,
          `request.limits.${name}`,
          most,
        )
      }
      return wanted ?? most
    }
    return {
      runTimeMs: one('runTimeMs', signed.runTime === 'any' ? 'any' : signed.runTime * 1000),
      memoryBytes: one('memoryBytes', signed.memoryBytes),
      pids: one('pids', signed.pids),
      cpuSeconds: one('cpuSeconds', signed.cpuSeconds),
      openFiles: one('openFiles', signed.openFiles),
      outputBytes: one('outputBytes', signed.outputBytes),
      cpuPercent: one('cpuPercent', signed.cpuPercent),
      fileBytes: one('fileBytes', signed.fileBytes),
    }
  }

  listed(signed: readonly string[], asked: readonly string[], at: RequestPlace): void {
    for (const item of asked) if (!signed.includes(item)) this.refuse(`${item} is not signed`, at, item)
  }
}

function byName(a: { name: string }, b: { name: string }): number {
  return a.name < b.name ? -1 : 1
}

/** Whether `asked` is `most` or comes before it in a list from the narrowest to the widest. */
export function isWithin<T>(order: readonly T[], asked: T, most: T): boolean {
  return order.indexOf(asked) <= order.indexOf(most)
}

/** Whether a path is `top` or below it. Both are in the one normal spelling. */
export function isBelow(path: string, top: string): boolean {
  return path === top || path.startsWith(top === '/' ? '/' : `${top}/`)
}

/**
 * Holds a request against a signed scope, field by field.
 *
 * @param statement verified
 * @param request controlled by the caller
 */
export function resolveTerms(statement: Statement, request: ExecutionRequest): Resolution {
  const { scope, validity, environment, onLapse, secrets } = statement.predicate
  const [program, ...files] = subjectsToOpen(statement, request)
  if (program === undefined) throw new TypeError('an artifact has a program')
  const f = new Fields()
  if (scope.program.path !== 'any' && request.program !== scope.program.path) {
    f.refuse(`${scope.program.path} is signed`, 'request.program', '')
  }
  const argv = f.argv(scope.argv, request)
  const env = f.env(scope.env, request.env)
  const cwd = request.cwd ?? (scope.cwd === 'any' ? '/' : scope.cwd)
  if (scope.cwd !== 'any' && cwd !== scope.cwd) f.refuse(`${scope.cwd} is signed`, 'request.cwd', '')
  const user = f.user(scope.user, request.user)
  const stdio = f.stdio(scope.stdio, request.stdio)
  const sandbox = f.sandbox(scope.sandbox, request.sandbox)
  const limits = f.limits(scope.limits, request.limits)
  const devices = request.devices ?? scope.devices
  f.listed(scope.devices, devices, 'request.devices')
  if (request.children && scope.children === 'none')
    f.refuse('no children are signed', 'request.children', '')
  if (request.detach && scope.detach !== true)
    f.refuse('that it outlives its call is not signed', 'request.detach', '')
  f.listed([program.path, ...files.map(file => file.path)], request.files, 'request.files')
  if (f.reasons.length > 0) return { reasons: f.reasons, terms: null }
  const roles = new Map(scope.files.map(file => [file.path, file.role]))
  const terms: LaunchTerms = {
    program: { path: program.path, sha256: program.sha256 ?? '' },
    files: files.map(({ path, sha256 }) => ({
      path,
      sha256: sha256 ?? '',
      role: roles.get(path) ?? 'other',
    })),
    argv,
    env,
    cwd,
    user,
    stdio,
    sandbox,
    limits,
    devices,
    detach: request.detach,
    children: request.children ? scope.children : 'none',
    ...(secrets === undefined
      ? {}
      : { secrets: secrets.map(({ name, descriptor }) => ({ name, descriptor })) }),
    onLapse: onLapse === 'kill' ? onLapse : { freeze: { graceMs: onLapse.freeze.grace * 1000 } },
    maxEvidenceAgeMs: environment.maxEvidenceAge === 'any' ? null : environment.maxEvidenceAge * 1000,
    notAfter: validity.notAfter,
  }
  return { reasons: [], terms }
}
