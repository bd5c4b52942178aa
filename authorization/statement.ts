import * as v from 'valibot'
import { AuthorizationError } from './error.ts'
import {
  any,
  argument,
  authorityName,
  cgroupPath,
  children,
  deviceName,
  digest,
  executionId,
  hostId,
  hostLabel,
  id,
  integer,
  list,
  network,
  orAny,
  parseDocument,
  path,
  seccomp,
  time,
  unitName,
  userId,
  variableName,
} from './schema.ts'
import { sealedSecrets } from './secrets.ts'

/** in-toto Attestation Framework, Statement v1. */
export const STATEMENT_TYPE = 'https://in-toto.io/Statement/v1'
/** The version of the predicate is in its URI: another meaning gets another URI. */
export const PREDICATE_TYPE = 'https://writ.dev/authorization/v1'
/** DSSE payload type of an in-toto statement (in-toto Attestation Framework, Envelope). */
export const ARTIFACT_PAYLOAD_TYPE = 'application/vnd.in-toto+json'
/** Most bytes of a statement. Its envelope is a third longer. */
export const MAX_STATEMENT_BYTES = 96 * 1024

const anyValue = v.strictObject({ any: v.literal(true) })
const subjectName = v.pipe(v.string(), v.minLength(1), v.maxLength(256))
const file = v.strictObject({
  subject: subjectName,
  path,
  /** The kernel starts an interpreter for a script; a `tree` is a directory; everything else that is read is `other`. */
  role: v.picklist(['interpreter', 'script', 'other', 'tree']),
})
const stream = v.picklist(['pipe', 'null', 'terminal'])
const bound = (least: number) => orAny(integer(least, Number.MAX_SAFE_INTEGER))
/** `any`, or a list that is not empty: nothing would fit an empty one. */
const some = <T extends v.GenericSchema>(schema: T, most: number) =>
  orAny(v.pipe(list(schema, most), v.minLength(1)))
/** A hundred years; more is a mistake. */
const seconds = integer(1, 3_155_760_000)

const scope = v.strictObject({
  program: v.strictObject({ subject: subjectName, path: orAny(path) }),
  files: list(file, 255, item => item.path),
  argv: orAny(v.pipe(v.array(v.union([argument, anyValue])), v.minLength(1), v.maxLength(256))),
  env: orAny(
    list(
      v.strictObject({ name: variableName, value: v.union([argument, anyValue]) }),
      256,
      item => item.name,
    ),
  ),
  cwd: orAny(path),
  user: v.union([
    any,
    v.literal('own'),
    v.strictObject({
      uid: v.pipe(userId, v.minValue(1)),
      gid: v.pipe(userId, v.minValue(1)),
      groups: list(v.pipe(userId, v.minValue(1)), 32),
    }),
  ]),
  stdio: orAny(v.strictObject({ stdin: stream, stdout: stream, stderr: stream })),
  sandbox: v.strictObject({ network, seccomp, writable: list(path, 64) }),
  limits: v.strictObject({
    runTime: orAny(seconds),
    memoryBytes: bound(1),
    pids: bound(1),
    cpuSeconds: bound(1),
    cpuPercent: bound(1),
    openFiles: bound(1),
    outputBytes: bound(0),
    fileBytes: bound(1),
  }),
  devices: list(deviceName, 16),
  /** Whether it may outlive the call that starts it. Left out: it may not. */
  detach: v.exactOptional(v.boolean()),
  children,
})

const predicate = v.strictObject({
  id,
  issuer: v.union([authorityName, v.pipe(v.string(), v.regex(/^host:000b[0-9a-f]{64}$/))]),
  /** Both have to fit: the host is one of `hosts`, and carries one of `labels`. */
  audience: v.strictObject({ hosts: some(hostId, 1024), labels: some(hostLabel, 64) }),
  validity: v.strictObject({
    notBefore: time,
    notAfter: time,
    maxUses: orAny(integer(1, 1_000_000_000)),
  }),
  initiator: v.strictObject({
    uids: some(userId, 256),
    gids: some(userId, 256),
    units: some(unitName, 256),
    /** The caller is in one of them or below it. */
    cgroups: some(cgroupPath, 64),
    /** The caller's own program, by digest. Advisory: whoever runs it can change it in memory. */
    programs: some(digest, 256),
  }),
  scope,
  environment: v.strictObject({
    referenceValues: orAny(digest),
    maxEvidenceAge: orAny(seconds),
    simulated: v.picklist(['allow', 'deny']),
    /** The TPM's count of resets: an artifact for one boot of one host. TPMS_CLOCK_INFO.resetCount is a UINT32 (TPM 2.0 Part 2, 10.11.1). */
    resetCount: orAny(integer(0, 0xffff_ffff)),
  }),
  policy: v.strictObject({ digest: orAny(digest) }),
  /** Secrets that only the TPMs of the hosts that they were sealed for give up. Left out: none. */
  secrets: v.exactOptional(sealedSecrets),
  parent: v.strictObject({ execution: v.union([any, v.literal('none'), executionId]) }),
  /** What a lapse of the host's attestation does. Frozen for longer than the grace it is killed all the same: seconds, at most a day. */
  onLapse: v.union([
    v.literal('kill'),
    v.strictObject({ freeze: v.strictObject({ grace: integer(1, 86_400) }) }),
  ]),
})

export const statementSchema = v.strictObject({
  _type: v.literal(STATEMENT_TYPE),
  subject: v.pipe(
    list(
      v.strictObject({
        name: subjectName,
        /** The name of the digest says what it is of: no file can have the digest of a directory. */
        digest: v.union([v.strictObject({ sha256: digest }), v.strictObject({ writTreeV1: digest })]),
      }),
      256,
      item => item.name,
    ),
    v.minLength(1),
  ),
  predicateType: v.literal(PREDICATE_TYPE),
  predicate,
})

export type Statement = v.InferOutput<typeof statementSchema>
/** Who may run what, where, how, until when, how often: the predicate of an authorization artifact. */
export type Authorization = Statement['predicate']
export type Scope = Authorization['scope']

/** The digest of a subject, whatever it is of. */
export function subjectDigest({ digest }: Statement['subject'][number]): string {
  return 'sha256' in digest ? digest.sha256 : digest.writTreeV1
}

/**
 * Parses the payload of an artifact. Its signatures are not looked at here.
 *
 * @param payload controlled by whoever signed the artifact, or by whoever sent it if nobody did
 * @throws AuthorizationError `STATEMENT_MALFORMED` with the field in `at`
 */
export function parseStatement(payload: Uint8Array): Statement {
  const parsed = parseDocument(statementSchema, payload, 'STATEMENT_MALFORMED', {
    maxBytes: MAX_STATEMENT_BYTES,
    maxDepth: 8,
  })
  checkConsistent(parsed)
  return parsed
}

/** Whether a terminal, if there is one, is input, output and errors together. */
export function oneTerminal(stdio: Readonly<Record<'stdin' | 'stdout' | 'stderr', string>>): boolean {
  const modes = [stdio.stdin, stdio.stdout, stdio.stderr]
  return !modes.includes('terminal') || modes.every(mode => mode === 'terminal')
}

/** What the shape alone cannot say. */
function checkConsistent({ subject, predicate }: Statement): void {
  const fail = (at: string, what: string): never => {
    throw new AuthorizationError('STATEMENT_MALFORMED', `${at}: ${what}`, { at })
  }
  const { validity, scope, onLapse, initiator } = predicate
  if (validity.notAfter <= validity.notBefore) fail('predicate.validity', 'it ends before it begins')
  if (onLapse !== 'kill' && scope.devices.length > 0) {
    fail('predicate.onLapse', 'an execution with devices cannot be frozen: a device goes on without it')
  }
  const { programs, ...others } = initiator
  if (programs !== 'any' && Object.values(others).every(limit => limit === 'any'))
    fail('predicate.initiator.programs', "the caller's program is advisory and cannot be the only limit")
  if (scope.stdio !== 'any' && !oneTerminal(scope.stdio)) {
    fail('predicate.scope.stdio', 'a terminal is all three streams or none')
  }
  if (scope.program.path !== 'any' && scope.files.some(({ path }) => path === scope.program.path)) {
    fail('predicate.scope.files', 'the path of the program is listed again')
  }
  // A digest that no path is compared with would read as a promise that nobody keeps.
  const named = new Set(subject.map(({ name }) => name))
  const used = new Set([scope.program.subject, ...scope.files.map(item => item.subject)])
  for (const name of used) if (!named.has(name)) fail('predicate.scope', `no subject is named ${name}`)
  for (const name of named) if (!used.has(name)) fail('subject', `no path is given for ${name}`)
  const trees = new Set(subject.filter(({ digest }) => 'writTreeV1' in digest).map(({ name }) => name))
  if (trees.has(scope.program.subject)) fail('predicate.scope.program', 'a directory is no program')
  for (const file of scope.files) {
    if ((file.role === 'tree') !== trees.has(file.subject))
      fail(
        'predicate.scope.files',
        `${file.subject}: a directory has the role tree and a writTreeV1, and nothing else has`,
      )
    if (file.role === 'tree' && file.path === '/')
      fail('predicate.scope.files', 'the root directory is no subject')
  }
}
