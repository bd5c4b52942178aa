import * as v from 'valibot'
import { type JsonValue, parseJson } from '../encoding/json.ts'
import { AuthorizationError, type AuthorizationErrorCode } from './error.ts'

/** The fields that the project's documents share. Lengths are bounded here, so that no reader has to. */

export const text = (pattern: RegExp, what: string) => v.pipe(v.string(), v.regex(pattern, what))

/** Lower-case hexadecimal SHA-256. */
export const digest = text(/^[0-9a-f]{64}$/, 'not a lower-case hexadecimal SHA-256')
/** An AK's Name (TPM 2.0 Part 1, section 16): nameAlg SHA-256 (0x000b) and the digest of its public area. */
export const hostId = text(/^000b[0-9a-f]{64}$/, 'not the Name of an AK')
/** 128 random bits that the daemon draws for each execution. */
export const executionId = text(/^[0-9a-f]{32}$/, 'not an execution id')
export const id = text(/^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$/, 'not an id')
/** Name of an authority. No colon: what has one, as `host:…`, cannot be an authority of the trust roots. */
export const authorityName = text(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, 'not the name of an authority')
/** A systemd unit name (systemd.unit(5): at most 255 characters of this alphabet). */
export const unitName = text(/^[A-Za-z0-9:_.\\@-]{1,255}$/, 'not a unit name')

/** What a fleet calls some of its hosts; signed by the operator (`host-labels.ts`). */
export const hostLabel = text(/^[A-Za-z0-9][A-Za-z0-9._:=/-]{0,127}$/, 'not a label')
/** A cgroup as the kernel writes it in /proc/PID/cgroup (cgroups(7)): PATH_MAX with its NUL. */
export const cgroupPath = v.pipe(
  v.string(),
  v.maxLength(4095),
  v.check(value => value.startsWith('/') && !/\p{Cc}/u.test(value) && value.isWellFormed(), 'not a cgroup'),
)

/** RFC 3339 in UTC with milliseconds: one instant has one spelling. */
export const time = v.pipe(
  text(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/, 'not a time of the form 2026-11-21T02:00:00.000Z'),
  v.check(value => {
    const ms = Date.parse(value)
    return !Number.isNaN(ms) && new Date(ms).toISOString() === value
  }, 'not an instant that exists'),
)

export const integer = (least: number, most: number) =>
  v.pipe(v.number(), v.safeInteger(), v.minValue(least), v.maxValue(most))

/** Kernel uid and gid range; 2^32-1 means "no change" to setresuid(2). */
export const userId = integer(0, 0xffff_fffe)

/** An absolute path in the one spelling that the kernel resolves without a detour; PATH_MAX is 4096 with its NUL. */
export const path = v.pipe(
  v.string(),
  v.maxLength(4095),
  v.check(
    value =>
      value === '/' ||
      (value.startsWith('/') &&
        !value.includes('\0') &&
        value.isWellFormed() &&
        value
          .slice(1)
          .split('/')
          .every(part => part !== '' && part !== '.' && part !== '..')),
    'not an absolute path without empty, "." and ".." parts',
  ),
)

/** A class of devices, as a host's launchd.conf names it: WIRE_DEVICE_NAME_SIZE (native/shared/wire.h) with its NUL. */
export const deviceName = text(/^[a-z0-9][a-z0-9-]{0,30}$/, 'not the name of a class of devices')

/** From the narrowest to the widest. */
export const networks = ['none', 'loopback', 'host'] as const
/** Which system calls there are; the first has fewer. */
export const seccompProfiles = ['strict', 'default'] as const
export const network = v.picklist(networks)
export const seccomp = v.picklist(seccompProfiles)

/** Text that execve(2) can take: no NUL, at most MAX_ARG_STRLEN (include/uapi/linux/binfmts.h). */
export const argument = v.pipe(
  v.string(),
  v.maxBytes(131_071),
  v.check(value => !value.includes('\0') && value.isWellFormed(), 'has a NUL or is not Unicode text'),
)
export const variableName = text(/^[A-Za-z_][A-Za-z0-9_]{0,255}$/, 'not the name of an environment variable')

export const any = v.literal('any')
export const orAny = <T extends v.GenericSchema>(schema: T) => v.union([any, schema])

/** A list without repeats, told apart by `key`. */
export function list<T extends v.GenericSchema>(
  schema: T,
  most: number,
  key: (item: v.InferOutput<T>) => unknown = item => item,
) {
  return v.pipe(
    v.array(schema),
    v.maxLength(most),
    v.check(items => new Set(items.map(key)).size === items.length, 'something is listed twice'),
  )
}

/** What an execution may start: in its life, at one time and within any minute; how deep; which programs. */
export const children = v.union([
  v.literal('none'),
  v.strictObject({
    max: orAny(integer(1, 1_000_000)),
    atOnce: orAny(integer(1, 1_000_000)),
    perMinute: orAny(integer(1, 1_000_000)),
    depth: integer(1, 16),
    programs: orAny(list(digest, 256)),
  }),
])

/** A field path such as `predicate.scope.argv[2]`. */
function issuePath(issue: v.BaseIssue<unknown>): string {
  return (issue.path ?? [])
    .map(({ key }) => (typeof key === 'number' ? `[${key}]` : `.${String(key)}`))
    .join('')
    .replace(/^\./, '')
}

/**
 * Checks a value against a schema. The output is built anew from the schema's fields.
 *
 * @throws AuthorizationError `code`, with the first offending field in `at`
 */
export function checkShape<T extends v.GenericSchema>(
  schema: T,
  value: unknown,
  code: AuthorizationErrorCode,
): v.InferOutput<T> {
  const result = v.safeParse(schema, value, { abortEarly: true, abortPipeEarly: true })
  if (result.success) return result.output
  const issue = deepest(result.issues[0])
  const at = issuePath(issue)
  throw new AuthorizationError(code, `${at || 'document'}: ${sayIssue(issue)}`, { at: at || undefined })
}

/** What each of valibot's own rules asks for, where a schema gives no words of its own. */
const RULES: Readonly<Record<string, (requirement: unknown) => string>> = {
  safe_integer: () => 'has to be a whole number',
  min_value: least => `has to be at least ${least}`,
  max_value: most => `has to be at most ${most}`,
  length: count => `has to have exactly ${count} items`,
  min_length: least => (least === 1 ? 'must not be empty' : `needs at least ${least} items or characters`),
  max_length: most => `has more than ${most} items or characters`,
  max_bytes: most => `has more than ${most} bytes`,
}

const NAMES: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  boolean: 'true or false',
  Object: 'an object',
  Array: 'a list',
  undefined: 'nothing',
  unknown: 'something else',
}

/** In the words of the document; schemas that say something of their own are left to say it. */
function sayIssue(issue: v.BaseIssue<unknown>): string {
  if (!issue.message.startsWith('Invalid ')) return issue.message
  const rule = RULES[issue.type]
  if (issue.kind === 'validation' && rule !== undefined) return rule(issue.requirement)
  if (issue.expected === 'never') return 'is not a known field'
  if (issue.type === 'strict_object' && issue.received === 'undefined') return 'is missing'
  const name = (text: string) => NAMES[text] ?? (text.length > 80 ? `${text.slice(0, 80)}…` : text)
  const expected = (issue.expected ?? 'something else').replace(/^\((.*)\)$/, '$1')
  const choices = expected.split(' | ').map(name)
  return `has to be ${choices.length > 1 ? 'one of ' : ''}${choices.join(', ')}, not ${name(issue.received)}`
}

/** A union's own issue only says that no branch fits; the branch that got furthest says why. */
function deepest(issue: v.BaseIssue<unknown>): v.BaseIssue<unknown> {
  const inner = (issue.issues ?? []).filter(({ path }) => path !== undefined)
  const best = inner.sort((a, b) => (b.path?.length ?? 0) - (a.path?.length ?? 0))[0]
  if (best === undefined) return issue
  const path = [...(issue.path ?? []), ...(best.path ?? [])] as unknown as v.BaseIssue<unknown>['path']
  return deepest({ ...best, path })
}

/**
 * Parses JSON bytes strictly and checks them against a schema.
 *
 * @param bytes controlled by whoever sent them
 * @throws AuthorizationError `code`
 */
export function parseDocument<T extends v.GenericSchema>(
  schema: T,
  bytes: Uint8Array,
  code: AuthorizationErrorCode,
  limits: { maxBytes: number; maxDepth: number },
): v.InferOutput<T> {
  return checkShape(schema, readJson(bytes, code, limits), code)
}

/** Parses JSON bytes strictly. @throws AuthorizationError `code` */
export function readJson(
  bytes: Uint8Array,
  code: AuthorizationErrorCode,
  limits: { maxBytes: number; maxDepth: number },
): JsonValue {
  try {
    return parseJson(bytes, limits)
  } catch (cause) {
    throw new AuthorizationError(code, cause instanceof Error ? cause.message : 'not JSON', { cause })
  }
}
