import { equal, match } from 'node:assert/strict'
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

/** As {@link verified}, of a host that is FAILED: whoever has its log comes to the same. @throws AssertionError */
export async function verifiedAsFailed(bench: Bench, bundle: string): Promise<Verification> {
  const answer = await verified(bench, bundle)
  const detail = (name: string) => answer.properties.find(({ property }) => property === name)?.detail ?? ''
  match(detail('trust transitions'), /the gate is FAILED$/)
  match(detail('evidence appraised again'), /\b[1-9]\d* fail$/)
  return answer
}
