import * as v from 'valibot'
import { AuthorizationError } from '../error.ts'
import {
  argument,
  checkShape,
  deviceName,
  digest,
  executionId,
  hostId,
  hostLabel,
  integer,
  list,
  network,
  path,
  seccomp,
  time,
  unitName,
  userId,
  variableName,
} from '../schema.ts'
import type { PolicyQuestion } from './request.ts'

const ZEROS = '0'.repeat(64)
const name = v.pipe(v.string(), v.minLength(1), v.maxLength(200))
const word = v.pipe(v.string(), v.maxLength(300))
const amount = integer(0, Number.MAX_SAFE_INTEGER)
const optional = v.exactOptional
const claim = optional(integer(-128, 127), 0)
const limit = optional(v.nullable(amount), null)

/** Facts of a request as a person writes them: what is left out is as harmless as it can be. */
const factsSchema = v.strictObject({
  action: optional(v.picklist(['execute', 'authorize']), 'execute'),
  now: optional(time),
  host: optional(hostId, `000b${ZEROS}`),
  hostLabels: optional(list(hostLabel, 64), []),
  caller: optional(
    v.strictObject({
      uid: optional(userId, 1000),
      gid: optional(userId, 1000),
      cgroup: optional(word, '/'),
      unit: optional(v.nullable(unitName), null),
    }),
    {},
  ),
  /** The execution that asks and those above it, nearest first. */
  parents: optional(
    v.pipe(
      v.array(v.strictObject({ execution: executionId, program: optional(digest, ZEROS) })),
      v.maxLength(17),
    ),
    [],
  ),
  attestation: optional(
    v.strictObject({
      tier: optional(v.picklist(['hardware', 'simulated', 'unknown']), 'hardware'),
      ageMs: optional(amount, 0),
      referenceValues: optional(digest, ZEROS),
      resetCount: optional(v.nullable(integer(0, 0xffff_ffff)), null),
      claims: optional(
        v.strictObject({
          'instance-identity': claim,
          configuration: claim,
          executables: claim,
          'file-system': claim,
          hardware: claim,
          'runtime-opaque': claim,
          'storage-opaque': claim,
          'sourced-data': claim,
        }),
        {},
      ),
    }),
    {},
  ),
  artifact: optional(
    v.strictObject({
      kind: optional(v.picklist(['signed', 'minted', 'none']), 'signed'),
      issuer: optional(word, ''),
      id: optional(word, ''),
      digest: optional(digest, ZEROS),
      keys: optional(list(digest, 64), []),
      approvers: optional(list(word, 64), []),
      requester: optional(word, ''),
      secrets: optional(list(word, 64), []),
    }),
    {},
  ),
  program: optional(
    v.strictObject({ path: optional(path, '/bin/true'), sha256: optional(digest, ZEROS) }),
    {},
  ),
  files: optional(list(digest, 255), []),
  request: optional(
    v.strictObject({
      argv: optional(v.pipe(v.array(argument), v.minLength(1), v.maxLength(4096)), ['true']),
      environment: optional(list(variableName, 1024), []),
      cwd: optional(path, '/'),
      user: optional(v.union([v.literal('own'), userId]), 'own'),
      network: optional(network, 'none'),
      seccomp: optional(seccomp, 'default'),
      writable: optional(list(path, 64), []),
      devices: optional(list(deviceName, 16), []),
      children: optional(v.boolean(), false),
      detach: optional(v.boolean(), false),
      limits: optional(
        v.strictObject({
          runTimeMs: limit,
          memoryBytes: limit,
          pids: limit,
          cpuSeconds: limit,
          cpuPercent: limit,
          openFiles: limit,
          outputBytes: limit,
          fileBytes: limit,
        }),
        {},
      ),
    }),
    {},
  ),
  advisory: optional(v.strictObject({ program: optional(v.nullable(digest), null) }), {}),
})

const casesSchema = v.strictObject({
  case: v.pipe(
    list(
      v.strictObject({
        name,
        /** `error`: a policy fails to evaluate, or the bundle is not valid then. */
        expect: v.picklist(['permit', 'deny', 'error']),
        /** Exactly those that decide; left out: any. */
        policies: optional(list(v.pipe(v.string(), v.maxLength(128)), 4096)),
        request: optional(factsSchema, {}),
      }),
      10_000,
      item => item.name,
    ),
    v.minLength(1),
  ),
})

/** A described request and what is expected of a bundle for it. */
export interface PolicyCase {
  readonly name: string
  readonly expect: 'permit' | 'deny' | 'error'
  readonly policies: readonly string[] | null
  /** Null: whenever the case is run. */
  readonly now: string | null
  /** The question, whose time is {@link now} if there is one. */
  readonly question: PolicyQuestion
}

/**
 * Reads cases of a policy: what is known of each request, and what a bundle should say.
 *
 * @param value as a file has it; what is not known in it is an error, so that no case means less than it says
 * @throws AuthorizationError `CASES_MALFORMED` with the field in `at`
 */
export function parsePolicyCases(value: unknown): PolicyCase[] {
  const { case: cases } = checkShape(casesSchema, value, 'CASES_MALFORMED')
  return cases.map(({ name, expect, policies, request }, i) => {
    if (new Set(request.parents.map(({ execution }) => execution)).size < request.parents.length) {
      const at = `case[${i}].request.parents`
      throw new AuthorizationError('CASES_MALFORMED', `${at}: an execution is listed twice`, { at })
    }
    return {
      name,
      expect,
      policies: policies ?? null,
      now: request.now ?? null,
      question: questionOf(request),
    }
  })
}

/** The question that a described request is. */
function questionOf(facts: v.InferOutput<typeof factsSchema>): PolicyQuestion {
  const { caller, attestation, artifact, program, request, advisory } = facts
  const { keys, ...named } = artifact
  const parents = facts.parents.map(({ execution, program }) => ({ executionId: execution, program }))
  return {
    operation: facts.action,
    now: facts.now ?? new Date(0).toISOString(),
    hostId: facts.host,
    hostLabels: facts.hostLabels,
    caller: {
      ...caller,
      pid: 1,
      program: advisory.program,
      parentExecution: parents[0]?.executionId ?? null,
    },
    gate: {
      state: 'ATTESTED',
      epoch: 1,
      evidenceAgeMs: attestation.ageMs,
      deadlineInMs: null,
      referenceValuesDigest: attestation.referenceValues,
      tier: attestation.tier,
      resetCount: attestation.resetCount,
      claims: attestation.claims,
      appraisalIndex: null,
      reasons: [],
    },
    artifact: { ...named, keyIds: keys },
    parents,
    terms: {
      program,
      files: facts.files.map((sha256, i) => ({ path: `/file-${i}`, sha256, role: 'other' as const })),
      argv: request.argv,
      env: request.environment.map(variable => ({ name: variable, value: '' })),
      cwd: request.cwd,
      user: request.user === 'own' ? 'own' : { uid: request.user, gid: request.user, groups: [] },
      stdio: { stdin: 'null', stdout: 'pipe', stderr: 'pipe' },
      sandbox: { network: request.network, seccomp: request.seccomp, writable: request.writable },
      limits: request.limits,
      devices: request.devices,
      detach: request.detach,
      children: request.children
        ? { max: 'any', atOnce: 'any', perMinute: 'any', depth: 1, programs: 'any' }
        : 'none',
      onLapse: 'kill',
      maxEvidenceAgeMs: null,
      notAfter: '9999-12-31T23:59:59.999Z',
    },
  }
}
