import { type Commands, loadGroup } from '../command.ts'

/** Every command, loaded only when it is asked for, so that a small one starts fast. In the order of the help. */
export const COMMANDS: Commands = {
  setup: async p => (await import('./setup.ts')).addSetup(p),
  init: async p => (await import('./init.ts')).addInit(p),
  doctor: async p => (await import('./doctor.ts')).addDoctor(p),
  plan: async p => (await import('./plan.ts')).addPlan(p),
  run: async p => (await import('./run.ts')).addRun(p),
  authorize: async p => (await import('./authorize.ts')).addAuthorize(p),
  issue: async p => (await import('./issue.ts')).addIssue(p),
  approve: async p => (await import('./approve.ts')).addApprove(p),
  status: async p => (await import('./status.ts')).addStatus(p),
  executions: async p => (await import('./executions.ts')).addExecutions(p),
  logs: async p => (await import('./logs.ts')).addLogs(p),
  wait: async p => (await import('./wait.ts')).addWait(p),
  terminate: async p => (await import('./terminate.ts')).addTerminate(p),
  revoke: async p => (await import('./revoke.ts')).addRevoke(p),
  explain: async p => (await import('./explain.ts')).addExplain(p),
  eventlog: loadGroup('eventlog', 'Read the log of what firmware and boot loader measured.', {
    show: async p => (await import('./eventlog/show.ts')).addEventLogShow(p),
  }),
  ima: loadGroup('ima', 'Read what IMA measured.', {
    show: async p => (await import('./ima/show.ts')).addImaShow(p),
  }),
  report: loadGroup('report', 'Have the host prove its state now, and check such a proof.', {
    create: async p => (await import('./report/create.ts')).addReportCreate(p),
    show: async p => (await import('./report/show.ts')).addReportShow(p),
    verify: async p => (await import('./report/verify.ts')).addReportVerify(p),
  }),
  receipt: loadGroup('receipt', 'Get or make the receipt of an execution, and check one offline.', {
    get: async p => (await import('./receipt/get.ts')).addReceiptGet(p),
    make: async p => (await import('./receipt/make.ts')).addReceiptMake(p),
    verify: async p => (await import('./receipt/verify.ts')).addReceiptVerify(p),
  }),
  reference: loadGroup(
    'reference',
    'Say what a good host is: capture, compare, extend, sign, show and load reference values.',
    {
      capture: async p => (await import('./reference/capture.ts')).addReferenceCapture(p),
      diff: async p => (await import('./reference/diff.ts')).addReferenceDiff(p),
      add: async p => (await import('./reference/add.ts')).addReferenceAdd(p),
      sign: async p => (await import('./reference/sign.ts')).addReferenceSign(p),
      show: async p => (await import('./reference/show.ts')).addReferenceShow(p),
      load: async p => (await import('./reference/load.ts')).addReferenceLoad(p),
    },
  ),
  uki: loadGroup('uki', 'Read unified kernel images.', {
    show: async p => (await import('./uki/show.ts')).addUkiShow(p),
  }),
  quote: loadGroup('quote', 'Verify quotes of any TPM.', {
    verify: async p => (await import('./quote/verify.ts')).addQuoteVerify(p),
  }),
  certificate: loadGroup('certificate', "Verify certificates of TPMs' keys.", {
    verify: async p => (await import('./certificate/verify.ts')).addCertificateVerify(p),
  }),
  policy: loadGroup('policy', 'Make, try, show and load policy bundles.', {
    schema: async p => (await import('./policy/schema.ts')).addPolicySchema(p),
    sign: async p => (await import('./policy/sign.ts')).addPolicySign(p),
    show: async p => (await import('./policy/show.ts')).addPolicyShow(p),
    load: async p => (await import('./policy/load.ts')).addPolicyLoad(p),
    test: async p => (await import('./policy/test.ts')).addPolicyTest(p),
    explain: async p => (await import('./policy/explain.ts')).addPolicyExplain(p),
  }),
  labels: loadGroup('labels', 'Say what a host is called: sign, show and load its labels.', {
    sign: async p => (await import('./labels/sign.ts')).addLabelsSign(p),
    show: async p => (await import('./labels/show.ts')).addLabelsShow(p),
    load: async p => (await import('./labels/load.ts')).addLabelsLoad(p),
  }),
  secret: loadGroup('secret', "Seal secrets to hosts' TPMs, and say in which state of a host they open.", {
    recipient: async p => (await import('./secret/recipient.ts')).addSecretRecipient(p),
    seal: async p => (await import('./secret/seal.ts')).addSecretSeal(p),
    policy: loadGroup('policy', 'Sign, show and load secret policies.', {
      sign: async p => (await import('./secret/policy.ts')).addSecretPolicySign(p),
      show: async p => (await import('./secret/policy-show.ts')).addSecretPolicyShow(p),
      load: async p => (await import('./secret/policy.ts')).addSecretPolicyLoad(p),
    }),
  }),
  clear: async p => (await import('./clear.ts')).addClear(p),
  lineage: loadGroup('lineage', 'Read the log of everything that was decided and seen.', {
    tail: async p => (await import('./lineage/tail.ts')).addLineageTail(p),
    show: async p => (await import('./lineage/show.ts')).addLineageShow(p),
    grep: async p => (await import('./lineage/grep.ts')).addLineageGrep(p),
    tree: async p => (await import('./lineage/tree.ts')).addLineageTree(p),
    export: async p => (await import('./lineage/export.ts')).addLineageExport(p),
    import: async p => (await import('./lineage/import.ts')).addLineageImport(p),
    prove: async p => (await import('./lineage/prove.ts')).addLineageProve(p),
    verify: async p => (await import('./lineage/verify.ts')).addLineageVerify(p),
    recover: async p => (await import('./lineage/recover.ts')).addLineageRecover(p),
  }),
  verify: async p => (await import('./verify.ts')).addVerify(p),
  replay: async p => (await import('./replay.ts')).addReplay(p),
  key: loadGroup('key', 'Make and show keys, name the authorities, enroll a host.', {
    new: async p => (await import('./key/new.ts')).addKeyNew(p),
    show: async p => (await import('./key/show.ts')).addKeyShow(p),
    enroll: loadGroup('enroll', 'Have the operator certify a host, in five steps.', {
      request: async p => (await import('./key/enroll/request.ts')).addEnrollRequest(p),
      challenge: async p => (await import('./key/enroll/challenge.ts')).addEnrollChallenge(p),
      answer: async p => (await import('./key/enroll/answer.ts')).addEnrollAnswer(p),
      certify: async p => (await import('./key/enroll/certify.ts')).addEnrollCertify(p),
      install: async p => (await import('./key/enroll/install.ts')).addEnrollInstall(p),
    }),
    trust: loadGroup('trust', 'Name the authorities that may sign artifacts.', {
      sign: async p => (await import('./key/trust/sign.ts')).addTrustSign(p),
      show: async p => (await import('./key/trust/show.ts')).addTrustShow(p),
      load: async p => (await import('./key/trust/load.ts')).addTrustLoad(p),
    }),
  }),
  config: loadGroup('config', 'Check and show configuration files.', {
    check: async p => (await import('./config/check.ts')).addConfigCheck(p),
    show: async p => (await import('./config/show.ts')).addConfigShow(p),
    default: async p => (await import('./config/default.ts')).addConfigDefault(p),
  }),
  metrics: async p => (await import('./metrics.ts')).addMetrics(p),
  'log-level': async p => (await import('./log-level.ts')).addLogLevel(p),
  completion: async p => (await import('./completion.ts')).addCompletion(p, COMMANDS),
}
