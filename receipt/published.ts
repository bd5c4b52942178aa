import * as v from 'valibot'
import { receiptSchema } from './file.ts'
import { BETWEEN } from './story.ts'

/** Schemas that are published under docs/schema, with what their fields mean. The statement's is only published: the verifier makes the statement anew. */

const text = v.pipe(v.string(), v.maxLength(4096))
const digest = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/))
const time = v.pipe(v.string(), v.regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/))
const decimal = v.pipe(v.string(), v.regex(/^(?:0|[1-9][0-9]{0,19})$/))
const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0))
const id = v.pipe(v.string(), v.regex(/^[0-9a-f]{32}$/))
const hostId = v.pipe(v.string(), v.regex(/^000b[0-9a-f]{64}$/))
const path = v.pipe(v.string(), v.maxLength(4095))
const list = <T extends v.GenericSchema>(item: T, most: number) => v.pipe(v.array(item), v.maxLength(most))
const file = { path, sha256: digest }
const stdio = v.picklist(['pipe', 'null', 'terminal'])
const bound = v.nullable(count)
const stream = v.nullable(v.strictObject({ sha256: digest, bytes: count }))
const document = v.strictObject({
  envelope: v.nullable(digest),
  document: v.nullable(v.strictObject({ entry: count, digest, version: count })),
})
const counters = v.custom<Record<string, number>>(value => typeof value === 'object')

const statementSchema = v.strictObject({
  _type: v.literal('https://in-toto.io/Statement/v1'),
  subject: v.pipe(
    v.array(
      v.strictObject({
        name: path,
        digest: v.union([v.strictObject({ sha256: digest }), v.strictObject({ writTreeV1: digest })]),
      }),
    ),
    v.minLength(1),
    v.maxLength(260),
  ),
  predicateType: v.literal('https://writ.dev/execution-receipt/v1'),
  predicate: v.strictObject({
    execution: id,
    parent: v.strictObject({ execution: v.nullable(id), start: v.nullable(count) }),
    host: v.strictObject({
      ...{ id: hostId, entry: count, daemonVersion: text, bootId: text },
      tier: v.picklist(['hardware', 'simulated', 'unknown']),
      configuration: digest,
    }),
    caller: v.strictObject({
      ...{ uid: count, gid: count, pid: count },
      ...{ cgroup: v.nullable(text), unit: v.nullable(text) },
    }),
    workload: v.strictObject({
      program: v.strictObject(file),
      files: list(
        v.strictObject({ ...file, role: v.picklist(['interpreter', 'script', 'other', 'tree']) }),
        255,
      ),
      argv: list(v.string(), 1 << 16),
      cwd: path,
      user: v.union([v.literal('own'), v.strictObject({ uid: count, gid: count, groups: list(count, 32) })]),
      stdio: v.strictObject({ stdin: stdio, stdout: stdio, stderr: stdio }),
      sandbox: v.strictObject({
        network: v.picklist(['none', 'loopback', 'host']),
        seccomp: v.picklist(['strict', 'default']),
        writable: list(path, 64),
      }),
      limits: v.strictObject({
        ...{ runTimeMs: bound, memoryBytes: bound, pids: bound, cpuSeconds: bound },
        ...{ cpuPercent: bound, openFiles: bound, outputBytes: bound, fileBytes: bound },
      }),
      devices: list(text, 16),
      detach: v.boolean(),
      environment: digest,
    }),
    artifact: v.strictObject({
      ...{ digest: v.nullable(digest), issuer: v.nullable(text), id: v.nullable(text), maxUses: bound },
    }),
    policy: document,
    trustRoots: document,
    revocations: digest,
    appraisal: v.strictObject({
      ...{ entry: count, time, verdict: v.picklist(['pass', 'degraded']) },
      ...{ reasons: list(text, 64), referenceValues: digest, quote: digest },
    }),
    decision: v.strictObject({ entry: count, time, record: digest }),
    start: v.strictObject({ entry: count, time, bootNs: decimal, pid: count, cgroup: text, epoch: count }),
    between: list(
      v.strictObject({
        ...{ entry: count, type: v.picklist(BETWEEN), time },
        ...{ cause: v.nullable(text), outcome: v.nullable(v.picklist(['permit', 'deny'])) },
      }),
      512,
    ),
    end: v.strictObject({
      ...{ entry: count, time, bootNs: decimal, cause: text },
      ...{ exitCode: bound, signal: bound, confirmedDead: v.literal(true), rusage: counters },
      streams: v.nullable(v.strictObject({ stdin: stream, stdout: stream, stderr: stream })),
    }),
  }),
})

type Descriptions = Readonly<Record<string, string>>

const RECEIPT: Descriptions = {
  '': 'A receipt of an execution that has ended, as a file. docs/receipt.md has the rules that go beyond this schema.',
  statement:
    'DSSE envelope of an in-toto Statement, by the log\u2019s Ed25519 key; unsigned if it was made from files alone.',
  checkpoint: 'The C2SP signed note that all proofs lead to.',
  entries: 'Entries of the log by their index, each with its inclusion proof.',
  'entries[].entry': 'As hashed into the tree, in base64.',
  'entries[].proof': 'Leaf side first (RFC 6962 section 2.1.1).',
  history:
    'Consistency proof from the tree that the appraisal\u2019s quote is bound to (RFC 6962 section 2.1.2).',
  blobs: 'What entries name and do not carry.',
  host: 'What the host says of its TPM. Nothing in it is to be believed before somebody who is trusted vouches for it.',
  'host.akPublicArea': 'TPMT_PUBLIC of the attestation key.',
  'host.akCertificate': 'By the operator, DER.',
}

const STATEMENT: Descriptions = {
  '': 'What the log says of one execution: a pure function of the entries that a receipt carries. docs/receipt.md.',
  subject:
    'Program and files by SHA-256, directories by their tree digest, and standard streams whose digests were asked for.',
  'predicate.execution': 'Drawn by the daemon.',
  'predicate.parent': 'The execution that asked for it, and the entry of its START.',
  'predicate.host.id': 'Name of the attestation key.',
  'predicate.host.entry': 'Entry of the start of the daemon that permitted it.',
  'predicate.host.tier': 'What the daemon takes its TPM for.',
  'predicate.caller': 'As the kernel said when it connected.',
  'predicate.workload.environment': 'SHA-256 of the canonical JSON of [{name, value}].',
  'predicate.artifact.digest': 'Of its decoded payload.',
  'predicate.policy.envelope': 'SHA-256 of the envelope that the decision was made by.',
  'predicate.policy.document': 'The entry that put it in force, and the digest of its payload.',
  'predicate.trustRoots.envelope': 'SHA-256 of the envelope that the decision was made by.',
  'predicate.revocations': 'Digest of the manifest of all revocations that counted.',
  'predicate.appraisal.quote': 'SHA-256 of the TPMS_ATTEST.',
  'predicate.decision.record': 'Digest of the record, which has all that is needed to decide again.',
  'predicate.start.epoch': 'Of the trust gate.',
  'predicate.between': 'Everything between START and END.',
  'predicate.end.rusage': 'Counters by name.',
  'predicate.end.streams':
    'Null unless their digests were asked for; a stream is null if not all of it went through the daemon.',
}

/** By the name of the file and of the schema\u2019s URI. */
export const PUBLISHED_RECEIPT_SCHEMAS = [
  { name: 'receipt-v1', title: 'A receipt as a file', schema: receiptSchema, descriptions: RECEIPT },
  {
    name: 'execution-receipt-v1',
    title: 'In-toto Statement of a receipt',
    schema: statementSchema,
    descriptions: STATEMENT,
  },
] as const
