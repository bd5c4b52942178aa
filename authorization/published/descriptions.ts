/** What each field means, in one sentence, for the readers of the published schemas. The path has no numbers: `a.b[].c`. */
type Descriptions = Readonly<Record<string, string>>

const AUTHORIZATION: Descriptions = {
  '': 'An in-toto Statement v1 whose predicate says who may run what. docs/artifact.md has the rules that go beyond this schema.',
  _type: 'The in-toto Statement of this version.',
  subject: 'Every file and directory of the closure. Each name is used in scope, none is left over.',
  'subject[].name': 'What scope calls it. Told apart by its code points.',
  'subject[].digest': 'SHA-256 of a file, or the tree digest of a directory.',
  predicateType: 'Another meaning has another URI.',
  'predicate.id': 'One id of the issuer: another artifact of the same issuer under the same id is denied.',
  'predicate.issuer':
    "An authority of the host's trust roots, or host: and the host's id for one that the daemon minted.",
  'predicate.audience': 'The hosts that it is for. Both have to fit.',
  'predicate.audience.hosts': 'Ids of hosts: the Names of their attestation keys.',
  'predicate.audience.labels': 'The host carries one of them, by a signed document of its operator.',
  'predicate.validity.notBefore': 'From this instant on.',
  'predicate.validity.notAfter': 'At this instant it has ended.',
  'predicate.validity.maxUses': 'How many executions may be permitted under it.',
  'predicate.initiator': 'Who may ask, as the kernel says. All have to fit.',
  'predicate.initiator.uids': 'Users.',
  'predicate.initiator.gids': 'Groups: the effective one of the caller.',
  'predicate.initiator.units': "Units of the system's service manager.",
  'predicate.initiator.cgroups': 'The caller is in one of them or below it.',
  'predicate.initiator.programs': "SHA-256 of the caller's program. Advisory: never the only limit.",
  'predicate.scope': 'What may run, and how. A request may ask for less, never for more.',
  'predicate.scope.program': 'The file that is executed.',
  'predicate.scope.files': 'The other files of the closure.',
  'predicate.scope.argv': 'The whole vector, argv[0] included.',
  'predicate.scope.env':
    'Exactly these variables. any never covers those that make a program load something else.',
  'predicate.scope.cwd': 'The working directory.',
  'predicate.scope.user': 'own: a uid of its own. Never root.',
  'predicate.scope.stdio': 'Where the standard streams lead. A terminal is all three or none.',
  'predicate.scope.sandbox': 'The walls around it.',
  'predicate.scope.sandbox.writable': 'Paths that it may write below.',
  'predicate.scope.limits': 'The most that it may use.',
  'predicate.scope.limits.runTime': 'Seconds by the clock of the boot.',
  'predicate.scope.limits.cpuSeconds': 'Seconds of processor time.',
  'predicate.scope.limits.cpuPercent': 'Of one processor.',
  'predicate.scope.devices': "Classes of devices, as the host's launcher names them.",
  'predicate.scope.detach':
    'Whether it may go on when the call that starts it is over. Left out: it may not.',
  'predicate.scope.children': 'What it may start through its own socket.',
  'predicate.environment': 'What the host has to be.',
  'predicate.environment.referenceValues': 'Digest of the reference values that the host is judged by.',
  'predicate.environment.maxEvidenceAge': 'Seconds.',
  'predicate.environment.simulated': 'Whether a software TPM will do.',
  'predicate.environment.resetCount': "The TPM's count of resets: one boot.",
  'predicate.policy.digest': 'Digest of the policy bundle that has to be in force.',
  'predicate.parent.execution': 'none: not for children. An id: only for children of that execution.',
  'predicate.secrets':
    'Secrets that only the TPMs of the hosts that they were sealed for give up. Left out: none.',
  'predicate.secrets[].descriptor': 'Under which the program finds it.',
  'predicate.onLapse': "What becomes of it when the host's evidence is too old. grace is in seconds.",
}

const TRUST: Descriptions = {
  '': 'Which authorities may sign artifacts. Signed by a governance key.',
  version: 'Never goes back on one host.',
  notAfter: 'From this instant on nothing is permitted under them.',
  'authorities[].name': 'What artifacts call their issuer.',
  'authorities[].threshold': 'How many distinct holders have to approve.',
  'authorities[].requester': 'Whether somebody has to have asked for it, whose own approval does not count.',
  'authorities[].keys[].key': 'Base64 DER SubjectPublicKeyInfo, Ed25519 or P-256.',
  'authorities[].keys[].holder': 'Who has it. Two keys of one holder are one voice.',
  'authorities[].keys[].notBefore': 'Its signatures count from this instant on, judged at the decision.',
  'authorities[].keys[].notAfter': 'At this instant they count no more.',
}

const POLICY: Descriptions = {
  '': 'Cedar policies with their schema and entities. Signed by a governance key.',
  version: 'Never goes back on one host.',
  notBefore: 'From when it may decide; before, nothing is permitted.',
  notAfter: 'At this instant it may no longer decide; then nothing is permitted.',
  cedarVersion: 'The version of the Cedar language that the policies are written in.',
  policies: 'Text by id; one static policy each.',
  schema: 'Cedar schema text.',
  'entities[].attrs': 'As the schema has them.',
}

const REVOCATION: Descriptions = {
  '': 'What is permitted no more. Signed by a governance key; never taken back.',
  epoch: "Above every earlier document's.",
}

const LABELS: Descriptions = {
  '': 'What the operator calls a host. Signed by a governance key.',
  version: 'Never goes back on one host.',
  host: 'The one host that it is for.',
  notAfter: 'From then on the host has no labels.',
}

const CLEARANCE: Descriptions = {
  '': "An operator's word that one failure, or one doubtful tail of the log, has been looked at. Signed by a governance key.",
  host: 'The one host that it is for.',
}

export const DESCRIPTIONS = {
  'authorization-v1': AUTHORIZATION,
  'trust-v1': TRUST,
  'policy-bundle-v1': POLICY,
  'revocation-v1': REVOCATION,
  'host-labels-v1': LABELS,
  'failure-clearance-v1': CLEARANCE,
} as const
