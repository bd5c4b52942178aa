import {
  boolean,
  constant,
  type Fields,
  integer,
  list,
  matching,
  nullable,
  object,
  oneOf,
  record,
  text,
} from './codec.ts'
import {
  bootId,
  code,
  common,
  count,
  decimal,
  digest,
  executionId,
  gateState,
  hostId,
  index,
  inlineBytes,
  pid,
  reasons,
  spki,
  tier,
  time,
  uid,
} from './fields.ts'

function event<const T extends string, const F extends Fields>(type: T, fields: F) {
  return object({ ...common, type: constant(type), ...fields })
}

const caller = object({
  uid,
  gid: uid,
  pid,
  cgroup: nullable(text(4096)),
  unit: nullable(text(256)),
  /** The execution through whose own socket it came. */
  parent: nullable(executionId),
})

const decided = {
  outcome: oneOf('permit', 'deny'),
  /** The full record, enough to decide again. */
  record: digest,
  /** Further blobs that the record names. */
  inputs: list(digest, 64),
  /** Those of `record` and `inputs` that are here and not in the evidence store, by digest: one sync makes all durable. */
  inline: record(/^[0-9a-f]{64}$/, inlineBytes, 2),
  reasons,
  /** Digest of the artifact's decoded payload. */
  artifact: nullable(digest),
  caller,
  /** Entries that it rests on: where the policy and the trust roots came into force, the newest appraisal, and the START of the parent. */
  links: object({
    policy: nullable(index),
    trustRoots: nullable(index),
    appraisal: nullable(index),
    parent: nullable(index),
  }),
}

/** What went through one stream of an execution. */
const streamDigest = object({ sha256: digest, bytes: count })

/** Every kind of event, by its `type`. A field that ends in `Blob`, and those that {@link blobsOf} names, are in the evidence store. */
export const SCHEMAS = {
  /** The first event of each run of the daemon. `configDigest` is the blob of its configuration, as canonical JSON. `clean` says whether the run before it ended by a clean stop. */
  'daemon-start': event('daemon-start', {
    daemonVersion: text(64),
    bootId,
    configDigest: digest,
    sessionKeySpki: spki,
    logKeySpki: spki,
    hostId,
    clean: boolean,
    tier,
  }),
  /** Another configuration is in force; `digest` is its blob, `changed` names the keys that have another value than before. */
  config: event('config', { digest, changed: list(matching(/^[a-z_]{1,32}\.[a-z_]{1,64}$/, 'a key'), 64) }),
  'daemon-stop': event('daemon-stop', { cause: text(256) }),
  /** The log was opened after an unclean stop: entries below `tail` were in it then. */
  recovery: event('recovery', { tail: index }),
  /** An operator accepts what was in the log at an unclean stop, so that limited uses issued before count again. */
  'tail-accepted': event('tail-accepted', { tail: index, digest, blob: digest }),
  /**
   * An operator accepts files that were put back: the log goes on from `tail` entries with this root, while the TPM's counter stood at `counter`.
   * What came after them is lost, uses among it.
   */
  'rollback-accepted': event('rollback-accepted', {
    counter: decimal,
    tail: index,
    root: digest,
    digest,
    blob: digest,
  }),
  'trust-transition': event('trust-transition', { from: gateState, to: gateState, epoch: count, reasons }),
  'failure-cleared': event('failure-cleared', { digest, blob: digest }),
  /** The wall clock cannot be relied on: nothing is permitted by it from here on. */
  'clock-untrusted': event('clock-untrusted', { why: text(512) }),
  /** It is relied on again: it came back, or the TPM's clock explains it, or an operator signed for it. */
  'clock-trusted': event('clock-trusted', {
    by: oneOf('return', 'tpm', 'operator'),
    digest: nullable(digest),
    blob: nullable(digest),
  }),
  /** One attestation cycle's appraisal. Its quote is bound to the fields of `binding`. */
  appraisal: event('appraisal', {
    verdict: oneOf('pass', 'degraded', 'fail'),
    evidence: object({
      attest: digest,
      signature: digest,
      eventLog: digest,
      userspaceLog: nullable(digest),
      /** Pieces that make up the log in their order; the first `imaLength` bytes of it count. */
      imaLog: list(digest, 512),
      imaLength: count,
    }),
    binding: object({
      domain: oneOf('writ/v1/cycle'),
      nonce: digest,
      treeSize: index,
      lineageRoot: digest,
      sessionKeySpkiDigest: digest,
      referenceValuesDigest: digest,
    }),
    /** Null when the quote proves nothing. */
    clock: nullable(
      object({
        clock: decimal,
        resetCount: integer(0, 0xffff_ffff),
        restartCount: integer(0, 0xffff_ffff),
        safe: boolean,
      }),
    ),
    reasons,
  }),
  'reference-values': event('reference-values', { digest, blob: digest }),
  'trust-roots': event('trust-roots', { digest, version: count, blob: digest }),
  /** In which states of this host its TPM opens secrets. */
  'secret-policy': event('secret-policy', { digest, version: count, blob: digest }),
  policy: event('policy', { digest, version: count, blob: digest }),
  'host-labels': event('host-labels', { digest, version: count, blob: digest }),
  /** `manifest` names the document and, by digest, all before it: what decisions refer to. */
  revocation: event('revocation', { digest, epoch: count, blob: digest, manifest: digest }),
  /** A permit is also the consumption of a use. */
  decision: event('decision', {
    ...decided,
    executionId: nullable(executionId),
    /** What the fold of uses needs, for a permit; `maxUses` null is unlimited, `notAfter` the end of the artifact's validity. */
    use: nullable(
      object({ issuer: text(256), id: text(256), maxUses: nullable(integer(1)), notAfter: time }),
    ),
  }),
  /** A flood of denials of one uid, as one entry. */
  'denials-counted': event('denials-counted', {
    uid,
    count: integer(1),
    reasonCounts: record(/^[A-Z][A-Z0-9_]{1,63}$/, integer(1), 64),
    from: time,
    to: time,
  }),
  'execution-start': event('execution-start', {
    executionId,
    /** Index of the permit. */
    decision: index,
    subjects: list(digest, 256),
    pid,
    cgroup: text(4096),
    epoch: count,
    parent: nullable(executionId),
  }),
  /** It was frozen by a lapse, and stands still. */
  freeze: event('freeze', { executionId, decision: index, cause: code }),
  /** A decision on what was permitted before: whether it would be permitted now. It consumes nothing. */
  renewal: event('renewal', { ...decided, executionId }),
  /** It goes on, as an execution of this epoch; `renewal` is the entry that permits it. */
  thaw: event('thaw', { executionId, renewal: index, epoch: count }),
  /**
   * The launcher keeps it while no daemon runs: over a restart that was announced, or, as the configuration says, over a crash.
   * `stdinBytes` and `outputBytes` count from its start; null where nobody can know. `attach` is the digest of the token that its caller attaches with.
   */
  'hand-over': event('hand-over', {
    executionId,
    decision: index,
    over: oneOf('restart', 'crash'),
    stdinBytes: nullable(count),
    outputBytes: nullable(count),
    /** Whether its input has ended: the end is not given to it again. */
    inputEnded: boolean,
    attach: nullable(digest),
    children: nullable(object({ started: count, lastMinute: count })),
  }),
  /** This run of the daemon takes it over from the one before, as an execution of this epoch; `renewal` is the entry that permits it. */
  adoption: event('adoption', { executionId, decision: index, renewal: index, epoch: count }),
  'kill-sent': event('kill-sent', { executionId, decision: index, cause: code }),
  'execution-end': event('execution-end', {
    executionId,
    /** Index of the permit. */
    decision: index,
    cause: code,
    exitCode: nullable(integer(0, 255)),
    signal: nullable(integer(1, 64)),
    /** Counters by name, as the kernel gives them. */
    rusage: record(/^[a-z][A-Za-z]{0,31}$/, count, 16),
    confirmedDead: boolean,
    /** Null unless whoever asked for it asked for this, too; a stream is null if not all of it went through the daemon. */
    streams: nullable(
      object({
        stdin: nullable(streamDigest),
        stdout: nullable(streamDigest),
        stderr: nullable(streamDigest),
      }),
    ),
  }),
  /**
   * A checkpoint was published: of `size` entries, all before this one. `pcrs` is the blob of the PCR values that its quote is over, 16 times 32
   * bytes: its digest is the quote's own pcrDigest. Null if they had moved before they could be read.
   */
  checkpoint: event('checkpoint', {
    size: index,
    root: digest,
    note: inlineBytes,
    pcrs: nullable(digest),
  }),
  /**
   * The first entry of a log that takes the place of one that cannot go on: what is left of that, and why. `salvaged` is the longest beginning
   * of it that is whole; `checkpoint` the newest that it had published.
   */
  epoch: event('epoch', {
    epoch: integer(2),
    previous: object({
      origin: text(512),
      checkpoint: nullable(inlineBytes),
      salvaged: object({ size: index, root: digest }),
      /** Blob that lists every file of it with its digest. */
      files: digest,
    }),
    /** Blob of what the log goes on with that is no entry of its own (`epoch/carried.ts`). */
    carried: digest,
    /** Blob of the newest quote of the log before: the TPM's clock goes on from there. */
    attest: nullable(digest),
    why: object({ code, message: text(512), at: nullable(text(128)) }),
  }),
  /**
   * An operator accepts the new log as it was found: `tail` entries with this root, while the TPM's counter stood at `counter`. What was used
   * before counts as used.
   */
  'epoch-accepted': event('epoch-accepted', {
    epoch: integer(2),
    counter: decimal,
    tail: index,
    root: digest,
    digest,
    blob: digest,
  }),
  /** Blobs that are not kept any longer; what names them goes on proving what they were. */
  'evidence-dropped': event('evidence-dropped', {
    /** Entries before this one have lost what is listed, save for what later ones name again. */
    before: index,
    digests: list(digest, 768),
    bytes: count,
  }),
  /**
   * `digest` is the blob of what the first `size` entries add up to, as a start would fold them; `previous` the entry of the snapshot before. From
   * this entry on, uses of artifacts that were valid until before `horizon` are not kept.
   */
  snapshot: event('snapshot', {
    size: index,
    digest,
    previous: nullable(index),
    horizon: nullable(time),
  }),
  /** The TPM's counter moved to this value. */
  counter: event('counter', { value: decimal }),
} as const

export type EventType = keyof typeof SCHEMAS
type EventOf<T extends EventType> = (typeof SCHEMAS)[T] extends { readonly type?: infer E }
  ? Exclude<E, undefined>
  : never

/** One entry of the lineage, by `type`. */
export type LineageEvent = { [T in EventType]: EventOf<T> }[EventType]
