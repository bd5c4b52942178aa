import type { EventType, LineageEvent } from './schema.ts'

type EventOf<T extends EventType> = Extract<LineageEvent, { type: T }>
type FieldOf<T extends EventType> = Exclude<keyof EventOf<T>, 'v' | 'type' | 'time' | 'bootNs'> & string

/** What the documentation says of an event: of itself, and of each field. */
interface Description<T extends EventType> {
  readonly says: string
  readonly fields: { readonly [F in FieldOf<T>]: string }
}

/** What every event has. */
export const COMMON = {
  v: 'version of the event’s form',
  type: 'kind of event',
  time: 'wall clock, UTC with milliseconds; whether it is relied on is said by `clock-untrusted` and `clock-trusted`',
  bootNs: 'CLOCK_BOOTTIME in nanoseconds, as a decimal number; never goes back within a run',
} as const

const DOCUMENT = {
  digest: 'SHA-256 of the payload',
  version: 'version of the document',
  blob: 'the signed envelope',
} as const

const DECIDED = {
  outcome: 'permit or deny',
  record: 'the full record: every input or its digest, enough to decide again',
  inputs:
    'digests of what the record names: artifact, policy, trust roots, labels, revocations, records of ancestors',
  inline: 'blobs of `record` and `inputs` that the entry carries itself, by digest, in base64',
  reasons: 'why it was denied, in the fixed order; empty for a permit',
  artifact: 'digest of the artifact’s payload; null if there was none that could be read',
  caller:
    'who asked: uid and gid as the kernel knows them; pid, cgroup and unit at that time; the parent if it came through an execution’s own socket',
  links:
    'entries that it rests on: where the policy and the trust roots came into force, the newest appraisal, the START of the parent',
} as const

const CLEARED = { digest: 'SHA-256 of the payload', blob: 'the operator’s signed clearance' } as const

/** Of every kind of event. What is listed here is what docs/lineage.md and the published JSON Schema say. */
export const DESCRIPTIONS: { readonly [T in EventType]: Description<T> } = {
  'daemon-start': {
    says: 'The daemon begins a run.',
    fields: {
      daemonVersion: 'version of the daemon',
      bootId: 'the kernel’s id of this boot',
      configDigest: 'the configuration in force, as canonical JSON',
      sessionKeySpki: 'public key of this run, which the quotes of its evidence bind',
      logKeySpki: 'public key of the Ed25519 line of the log’s checkpoints',
      hostId: 'Name of the attestation key',
      clean: 'whether the run before ended by a clean stop',
      tier: 'what kind of TPM the daemon takes this one for; hardware is proved by its certificate alone',
    },
  },
  config: {
    says: 'Another configuration is in force.',
    fields: {
      digest: 'the configuration, as canonical JSON',
      changed: 'keys with another value than before',
    },
  },
  'daemon-stop': { says: 'The daemon stops in order.', fields: { cause: 'the signal or reason' } },
  recovery: {
    says: 'The log was opened after an unclean stop. Nothing vouches for the last entries before it.',
    fields: { tail: 'entries that were in the log then' },
  },
  'tail-accepted': {
    says: 'An operator accepts what was in the log at an unclean stop: limited uses issued before count again.',
    fields: { tail: 'entries that are accepted', ...CLEARED },
  },
  'rollback-accepted': {
    says: 'An operator accepts files that were put back. What came after them is lost, uses among it.',
    fields: {
      counter: 'where the TPM’s counter stood',
      tail: 'entries of the files',
      root: 'their root',
      ...CLEARED,
    },
  },
  epoch: {
    says: 'The first entry of a log that takes the place of one that cannot go on; it commits to what is left of that.',
    fields: {
      epoch: 'number of this log; the first has none',
      previous:
        'origin of the log before, its newest checkpoint, the longest beginning that is whole, and the list of its files',
      carried:
        'what it goes on with that is no entry of its own: executions that had not ended, digests of what ran, what was lost',
      attest: 'the newest quote in the log before; null if there is none',
      why: 'what is wrong with the log before',
    },
  },
  'epoch-accepted': {
    says: 'An operator accepts the new log: uses from before count as lost.',
    fields: {
      epoch: 'which',
      counter: 'where the TPM’s counter stood',
      tail: 'entries of the log as it was found',
      root: 'their root',
      ...CLEARED,
    },
  },
  'trust-transition': {
    says: 'The gate changes its state. Everything below ATTESTED forbids.',
    fields: {
      from: 'state before',
      to: 'state from now on',
      epoch: 'number of the openings so far; what runs belongs to one',
      reasons: 'why',
    },
  },
  'failure-cleared': { says: 'An operator clears the failure that is in force.', fields: CLEARED },
  'clock-untrusted': {
    says: 'The wall clock is not relied on: nothing is permitted by it from here on.',
    fields: { why: 'what was seen' },
  },
  'clock-trusted': {
    says: 'The wall clock is relied on again.',
    fields: {
      by: 'return: it came back; tpm: the TPM’s clock explains it; operator: somebody signed for it',
      digest: 'SHA-256 of the payload of the clearance; null unless an operator signed',
      blob: 'the clearance; null unless an operator signed',
    },
  },
  appraisal: {
    says: 'One attestation cycle: evidence was taken and judged.',
    fields: {
      verdict: 'pass, degraded or fail',
      evidence:
        'blobs: attestation and signature of the quote, firmware log, user-space log, pieces of the IMA log and how much of them counts',
      binding:
        'what the quote’s qualifyingData commits to: nonce, tree and session key of this daemon, reference values',
      clock: 'the TPM’s clock and reset count; null when the quote proves nothing',
      reasons: 'what was found',
    },
  },
  'reference-values': {
    says: 'Reference values come into force.',
    fields: { digest: DOCUMENT.digest, blob: DOCUMENT.blob },
  },
  'trust-roots': { says: 'Trust roots come into force.', fields: DOCUMENT },
  policy: { says: 'A policy comes into force.', fields: DOCUMENT },
  'secret-policy': {
    says: 'It is said anew in which states of this host its TPM opens secrets.',
    fields: DOCUMENT,
  },
  'host-labels': { says: 'The operator labels this host.', fields: DOCUMENT },
  revocation: {
    says: 'Something is revoked, for good.',
    fields: {
      digest: DOCUMENT.digest,
      epoch: 'number of the revocation; they only go up',
      blob: DOCUMENT.blob,
      manifest: 'names this and all revocations before it; decisions refer to it',
    },
  },
  decision: {
    says: 'A request was decided. A permit is also the use of its artifact.',
    fields: {
      ...DECIDED,
      executionId: 'the execution that it is for; null if the request named none that could be read',
      use: 'of a permit: issuer and id of the artifact, how many uses it has (null: unlimited), and the end of its validity',
    },
  },
  renewal: {
    says: 'What was permitted before was decided again. Consumes nothing.',
    fields: { ...DECIDED, executionId: 'the execution that it is for' },
  },
  'denials-counted': {
    says: 'A flood of denials of one caller, as one entry.',
    fields: {
      uid: 'the caller',
      count: 'denials',
      reasonCounts: 'how often each reason was given',
      from: 'time of the first',
      to: 'time of the last',
    },
  },
  'execution-start': {
    says: 'START: written before the first instruction.',
    fields: {
      executionId: 'which',
      decision: 'entry of the permit',
      subjects: 'SHA-256 of the program and of the files that were bound to it',
      pid: 'in the host’s PID namespace',
      cgroup: 'its cgroup',
      epoch: 'the gate’s opening that it belongs to',
      parent: 'the execution that asked for it; null for a root',
    },
  },
  freeze: {
    says: 'A lapse froze it: it stands still.',
    fields: { executionId: 'which', decision: 'entry of its permit', cause: 'what lapsed' },
  },
  thaw: {
    says: 'It goes on.',
    fields: {
      executionId: 'which',
      renewal: 'entry that permits it',
      epoch: 'the gate’s opening that it belongs to from now on',
    },
  },
  'hand-over': {
    says: 'The launcher keeps it while no daemon runs, under the lease that it has. What is kept and has no such entry, the next run ends.',
    fields: {
      executionId: 'which',
      decision: 'entry of its permit',
      over: 'restart: one that was announced; crash: any end of the daemon, as the configuration says',
      stdinBytes: 'how much its standard input had got since its start; null where nobody can know',
      outputBytes: 'how much its callers had been sent since its start; null where nobody can know',
      inputEnded:
        'whether its standard input has ended, so that nothing more of it, and no other end, is given to it',
      attach: 'SHA-256 of the token with which its caller attaches to it; null if nobody can',
      children:
        'how many children it had started, and how many of them in the last minute; null if it may have none',
    },
  },
  adoption: {
    says: 'A later run of the daemon takes it over, and it goes on. Written before the launcher is asked.',
    fields: {
      executionId: 'which',
      decision: 'entry of its permit',
      renewal: 'entry that permits it',
      epoch: 'the gate’s opening that it belongs to from now on',
    },
  },
  'kill-sent': {
    says: 'The order to end it was given.',
    fields: { executionId: 'which', decision: 'entry of its permit', cause: 'why' },
  },
  'execution-end': {
    says: 'END: nothing of it is left.',
    fields: {
      executionId: 'which',
      decision: 'entry of its permit',
      cause:
        'why it ended; `NOT_AS_PERMITTED`: it was kept over a restart, and was not what was permitted under its id',
      exitCode: 'null if a signal ended it, or it never ran',
      signal: 'null if it exited',
      rusage: 'what it used, as the kernel counts: CPU time in microseconds, peak memory in KiB',
      confirmedDead: 'whether its cgroup was seen to be empty',
      streams: 'SHA-256 and length of what went in and came out; null unless asked for',
    },
  },
  checkpoint: {
    says: 'A checkpoint was published before this entry.',
    fields: {
      size: 'entries that it is of',
      root: 'their root',
      note: 'the signed note, in base64',
      pcrs: 'values of the quoted PCRs, one after another: their digest is the quote’s pcrDigest; null if they had moved before they could be read',
    },
  },
  snapshot: {
    says: 'What the entries before this one add up to, so that a start need not read them all. Whoever verifies adds them up again.',
    fields: {
      size: 'how many entries from the beginning it adds up',
      digest: 'the snapshot',
      previous: 'entry of the snapshot before; null for the first',
      horizon:
        'from here on, uses of artifacts that were valid until before this time are not kept; null: all are',
    },
  },
  'evidence-dropped': {
    says: 'Blobs that are not kept any longer. What names them goes on proving what they were.',
    fields: {
      before: 'entries before this one have lost them',
      digests: 'which',
      bytes: 'how much room they took',
    },
  },
  counter: { says: 'The TPM’s counter moved.', fields: { value: 'to this value' } },
}
