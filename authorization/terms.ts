import * as v from 'valibot'
import {
  argument,
  children,
  deviceName,
  digest,
  integer,
  list,
  network,
  path,
  seccomp,
  time,
  userId,
  variableName,
} from './schema.ts'
import { secretTerms } from './secrets.ts'

const stream = v.picklist(['pipe', 'null', 'terminal'])
const bound = v.nullable(integer(0, Number.MAX_SAFE_INTEGER))

export const termsSchema = v.strictObject({
  program: v.strictObject({ path, sha256: digest }),
  files: list(
    v.strictObject({ path, sha256: digest, role: v.picklist(['interpreter', 'script', 'other', 'tree']) }),
    255,
    item => item.path,
  ),
  argv: v.pipe(v.array(argument), v.minLength(1)),
  /** The whole environment, ordered by name. */
  env: list(v.strictObject({ name: variableName, value: argument }), 1024, item => item.name),
  cwd: path,
  /** `own`: a uid of its own from the configured range. */
  user: v.union([v.literal('own'), v.strictObject({ uid: userId, gid: userId, groups: list(userId, 32) })]),
  stdio: v.strictObject({ stdin: stream, stdout: stream, stderr: stream }),
  sandbox: v.strictObject({ network, seccomp, writable: list(path, 64) }),
  /** Null: not limited by the artifact. */
  limits: v.strictObject({
    runTimeMs: bound,
    memoryBytes: bound,
    pids: bound,
    cpuSeconds: bound,
    cpuPercent: bound,
    openFiles: bound,
    outputBytes: bound,
    fileBytes: bound,
  }),
  devices: list(deviceName, 16),
  /** Whether it outlives the call that starts it. */
  detach: v.optional(v.boolean(), false),
  children,
  /** Secrets by name, and the descriptors that the program finds them under. Left out: none. */
  secrets: v.exactOptional(secretTerms),
  onLapse: v.union([
    v.literal('kill'),
    v.strictObject({ freeze: v.strictObject({ graceMs: integer(1, 86_400_000) }) }),
  ]),
  /** Null: as long as the host's own rule allows. */
  maxEvidenceAgeMs: bound,
  notAfter: time,
})

/** What a permit permits, with nothing left open: the order for the launcher. */
export type LaunchTerms = v.InferOutput<typeof termsSchema>
