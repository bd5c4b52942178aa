import { equal, ok } from 'node:assert/strict'
import { type Bench, known } from './bench.ts'

interface Verification {
  readonly verified: boolean
  readonly tier: string
  readonly properties: readonly { property: string; status: string; detail: string; asked: boolean }[]
}

/** Verifies a bundle with what the operator has. @throws AssertionError unless all that is asked is VERIFIED, on a simulated TPM */
export async function verified(bench: Bench, bundle: string): Promise<Verification> {
  const { operator, machine } = bench
  const done = await operator.try(
    ...['verify', bundle, '--operator-key', operator.publicKey, '--ek-root', machine.ekRoot],
    ...['--host', known(bench).hostId],
  )
  equal(done.status, 0, `${done.stdout}${done.stderr}`)
  const answer = JSON.parse(done.stdout.toString()) as Verification
  equal(answer.verified, true)
  equal(answer.tier, 'simulated TPM')
  return answer
}

/** Verifies a bundle of a host that failed: the log itself is whole and the TPM's. @throws AssertionError */
export async function verifiedAsFailed(bench: Bench, bundle: string): Promise<Verification> {
  const { operator, machine } = bench
  const done = await operator.try(
    ...['verify', bundle, '--operator-key', operator.publicKey, '--ek-root', machine.ekRoot],
    ...['--host', known(bench).hostId],
  )
  const answer = JSON.parse(done.stdout.toString()) as Verification
  ok(answer.properties.length > 0)
  const failed = answer.properties.filter(({ status }) => status === 'FAILED')
  equal(JSON.stringify(failed), '[]')
  return answer
}
