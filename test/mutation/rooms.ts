import { globSync } from 'node:fs'
import { ROOT } from './loader.ts'

/** The code that says whether something may run: each of its mutants has to be noticed by a test. */
export const VERIFYING: readonly string[] = [
  'authorization/check.ts',
  'authorization/stages.ts',
  'authorization/standing.ts',
  'authorization/stages/artifact.ts',
  'authorization/stages/subjects.ts',
  'authorization/stages/integrity.ts',
  'authorization/stages/policy.ts',
  'authorization/stages/use.ts',
  'authorization/decision.ts',
  'authorization/evaluation.ts',
  'authorization/artifact.ts',
  'authorization/statement.ts',
  'authorization/schema.ts',
  'authorization/request.ts',
  'authorization/input.ts',
  'authorization/gate-snapshot.ts',
  'authorization/terms.ts',
  'authorization/record.ts',
  'authorization/scope.ts',
  'authorization/narrow.ts',
  'authorization/mint.ts',
  'authorization/mint-terms.ts',
  'authorization/trust.ts',
  'authorization/signers.ts',
  'authorization/document.ts',
  'authorization/host-labels.ts',
  'authorization/secrets.ts',
  'authorization/secret-policy.ts',
  'authorization/clock-watch.ts',
  'authorization/revocation.ts',
  'authorization/revocation-set.ts',
  'authorization/revocation-chain.ts',
  'authorization/clearance.ts',
  'authorization/uses.ts',
  'authorization/reevaluate.ts',
  'authorization/tree.ts',
  'authorization/policy/bundle.ts',
  'authorization/policy/compiled.ts',
  'authorization/policy/engine.ts',
  'authorization/policy/request.ts',
  'authorization/policy/usage.ts',
  'authorization/rehearse.ts',
  'signing/dsse.ts',
  'signing/key.ts',
  'signing/other-key.ts',
  'signing/hpke.ts',
  'encoding/json.ts',
  'encoding/text.ts',
]

/** Tests that start programs, or that try what the others do as well, many times more. */
const SLOW = /(?:openssl|tree|answer-cache|determinism|replay)\.test\.ts$/

const testsIn = (...rooms: string[]): string[] =>
  rooms
    .flatMap(room => globSync(`test/${room}/*.test.ts`, { cwd: ROOT }).sort())
    .filter(file => !SLOW.test(file))

const AUTHORIZATION = testsIn('authorization')
const SIGNING = testsIn('signing', 'encoding', 'authorization')

/** Tests of one file that are in the room of what it is for. */
const ELSEWHERE: Readonly<Record<string, readonly string[]>> = {
  'authorization/clock-watch.ts': ['test/daemon/wall-clock.test.ts'],
}

/** The tests that are run for a file. Each room answers for itself: what only a test far above notices is not noticed. */
export function roomOf(file: string): readonly string[] {
  return [...(ELSEWHERE[file] ?? []), ...(file.startsWith('authorization/') ? AUTHORIZATION : SIGNING)]
}
