import { readVersion } from '../encoding/version.ts'
import { type Commands, loadCommands, loadGroup, newProgram, runProgram } from './command.ts'

/** Every command, loaded only when it is asked for, so that a small one starts fast. In the order of the help. */
const COMMANDS: Commands = {
  init: async p => (await import('./commands/init.ts')).addInit(p),
  run: async p => (await import('./commands/run.ts')).addRun(p),
  issue: async p => (await import('./commands/issue.ts')).addIssue(p),
  status: async p => (await import('./commands/status.ts')).addStatus(p),
  revoke: async p => (await import('./commands/revoke.ts')).addRevoke(p),
  report: loadGroup('report', 'Quote the host now, and check a quote', {
    create: async p => (await import('./commands/report/create.ts')).addReportCreate(p),
    verify: async p => (await import('./commands/report/verify.ts')).addReportVerify(p),
  }),
  reference: loadGroup('reference', 'Capture, sign, show and load reference values', {
    capture: async p => (await import('./commands/reference/capture.ts')).addReferenceCapture(p),
    sign: async p => (await import('./commands/reference/sign.ts')).addReferenceSign(p),
    show: async p => (await import('./commands/reference/show.ts')).addReferenceShow(p),
    load: async p => (await import('./commands/reference/load.ts')).addReferenceLoad(p),
  }),
  policy: loadGroup('policy', 'Make, show and load policy bundles', {
    sign: async p => (await import('./commands/policy/sign.ts')).addPolicySign(p),
    show: async p => (await import('./commands/policy/show.ts')).addPolicyShow(p),
    load: async p => (await import('./commands/policy/load.ts')).addPolicyLoad(p),
  }),
  clear: async p => (await import('./commands/clear.ts')).addClear(p),
  lineage: loadGroup('lineage', 'Read the log of everything that was decided and seen', {
    tail: async p => (await import('./commands/lineage/tail.ts')).addLineageTail(p),
    show: async p => (await import('./commands/lineage/show.ts')).addLineageShow(p),
    tree: async p => (await import('./commands/lineage/tree.ts')).addLineageTree(p),
    export: async p => (await import('./commands/lineage/export.ts')).addLineageExport(p),
    prove: async p => (await import('./commands/lineage/prove.ts')).addLineageProve(p),
  }),
  verify: async p => (await import('./commands/verify.ts')).addVerify(p),
  key: loadGroup('key', 'Make and show keys, name the authorities, enroll a host', {
    new: async p => (await import('./commands/key/new.ts')).addKeyNew(p),
    show: async p => (await import('./commands/key/show.ts')).addKeyShow(p),
    enroll: loadGroup('enroll', 'Have the operator certify a host, in five steps', {
      request: async p => (await import('./commands/key/enroll/request.ts')).addEnrollRequest(p),
      challenge: async p => (await import('./commands/key/enroll/challenge.ts')).addEnrollChallenge(p),
      answer: async p => (await import('./commands/key/enroll/answer.ts')).addEnrollAnswer(p),
      certify: async p => (await import('./commands/key/enroll/certify.ts')).addEnrollCertify(p),
      install: async p => (await import('./commands/key/enroll/install.ts')).addEnrollInstall(p),
    }),
    trust: loadGroup('trust', 'Name the authorities that may sign artifacts', {
      sign: async p => (await import('./commands/key/trust/sign.ts')).addTrustSign(p),
      show: async p => (await import('./commands/key/trust/show.ts')).addTrustShow(p),
      load: async p => (await import('./commands/key/trust/load.ts')).addTrustLoad(p),
    }),
  }),
}

const argv = process.argv.slice(2)
const program = newProgram('writ')
  .description('Run workloads under signed authorization on an attested host, and check the evidence.')
  .version(readVersion(), '--version', 'print the version')

await loadCommands(program, COMMANDS, argv)
await runProgram(program, argv)
