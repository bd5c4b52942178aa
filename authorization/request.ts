import * as v from 'valibot'
import { AuthorizationError } from './error.ts'
import {
  argument,
  checkShape,
  deviceName,
  digest,
  executionId,
  integer,
  list,
  network,
  path,
  seccomp,
  unitName,
  userId,
  variableName,
} from './schema.ts'
import { oneTerminal } from './statement.ts'

/** Most bytes of a request in canonical JSON. */
export const MAX_REQUEST_BYTES = 256 * 1024

const stream = v.picklist(['pipe', 'null', 'terminal'])
const bound = (least: number) => v.nullable(integer(least, Number.MAX_SAFE_INTEGER))

/** All of it comes from the caller. Null means "as the artifact's scope has it". */
export const requestSchema = v.strictObject({
  /** Drawn by the daemon. */
  executionId,
  /**
   * `authorize` with no artifact asks for a minted one; with one it asks whether `execute` would be permitted. `continue` is the
   * daemon's own question: whether what was permitted, and has its use, would be permitted now.
   */
  operation: v.picklist(['execute', 'authorize', 'continue']),
  program: path,
  /** `argv[0]` included. */
  argv: v.nullable(v.pipe(v.array(argument), v.minLength(1), v.maxLength(4096))),
  env: v.nullable(list(v.strictObject({ name: variableName, value: argument }), 1024, item => item.name)),
  cwd: v.nullable(path),
  user: v.nullable(
    v.union([v.literal('own'), v.strictObject({ uid: userId, gid: userId, groups: list(userId, 32) })]),
  ),
  stdio: v.nullable(
    v.pipe(
      v.strictObject({ stdin: stream, stdout: stream, stderr: stream }),
      v.check(stdio => oneTerminal(stdio), 'a terminal is all three streams or none'),
    ),
  ),
  sandbox: v.strictObject({
    network: v.nullable(network),
    seccomp: v.nullable(seccomp),
    writable: v.nullable(list(path, 64)),
  }),
  limits: v.strictObject({
    runTimeMs: bound(1),
    memoryBytes: bound(1),
    pids: bound(1),
    cpuSeconds: bound(1),
    cpuPercent: bound(1),
    openFiles: bound(1),
    outputBytes: bound(0),
    fileBytes: bound(1),
  }),
  devices: v.nullable(list(deviceName, 16)),
  /** Whether it wants a socket through which it may start children. */
  children: v.boolean(),
  /** Whether it is to outlive the call that starts it. */
  detach: v.optional(v.boolean(), false),
  /** Further files of the closure. With an artifact they must be among its files; without one they are hashed for it. */
  files: list(path, 255),
})

export type ExecutionRequest = v.InferOutput<typeof requestSchema>

/** Requests that {@link parseRequest} made: nothing else has to look at their shape again. */
const parsed = new WeakSet<ExecutionRequest>()

/** Who asks, as the kernel says. No message can say otherwise. */
export const callerSchema = v.strictObject({
  uid: userId,
  gid: userId,
  /** A hint: the process may be gone and its number another's. */
  pid: integer(0, 0x7fff_ffff),
  cgroup: v.pipe(v.string(), v.maxLength(4096)),
  /** The systemd unit of that cgroup. */
  unit: v.nullable(unitName),
  /** SHA-256 of the program that the caller runs, where it could be hashed. Advisory: its user can change it in memory. */
  program: v.nullable(digest),
  /** The execution whose own socket the caller came through. */
  parentExecution: v.nullable(executionId),
})

export type Caller = v.InferOutput<typeof callerSchema>

/** What was found at a path. */
export const observedSchema = v.union([
  v.strictObject({ path, sha256: digest, size: integer(0, Number.MAX_SAFE_INTEGER) }),
  v.strictObject({ path, error: v.pipe(v.string(), v.maxLength(200)) }),
])

/** The bytes that will run, hashed and held by the launcher; or why a path could not be opened. */
export type ObservedSubject = v.InferOutput<typeof observedSchema>

/**
 * Checks a request that a caller sent.
 *
 * @throws AuthorizationError `REQUEST_MALFORMED` with the field in `at`
 */
export function parseRequest(value: unknown): ExecutionRequest {
  const request = checkShape(requestSchema, value, 'REQUEST_MALFORMED')
  // The order of the members makes no difference to the length.
  const size = Buffer.byteLength(JSON.stringify(request))
  if (size > MAX_REQUEST_BYTES) {
    throw new AuthorizationError(
      'REQUEST_MALFORMED',
      `a request of ${size} bytes, at most ${MAX_REQUEST_BYTES}`,
    )
  }
  parsed.add(request)
  return request
}

/** A request in the shape that its schema gives it. @throws AuthorizationError `INPUT_MALFORMED` */
export function checkedRequest(request: ExecutionRequest): ExecutionRequest {
  return parsed.has(request) ? request : checkShape(requestSchema, request, 'INPUT_MALFORMED')
}
