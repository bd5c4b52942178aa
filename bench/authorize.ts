import { generateKeyPairSync, sign } from 'node:crypto'
import { closeSync, fdatasyncSync, openSync, writeSync } from 'node:fs'
import { createRequire } from 'node:module'
import { parseEvent } from '../lineage/index.ts'
import { api } from '../proto/client.ts'
import type { EmptyRpc } from './empty-rpc.ts'
import { type Governed, policySet } from './governed.ts'
import { compare, type Part, type Row, timed } from './measure.ts'

type Cedar = typeof import('@cedar-policy/cedar-wasm/nodejs')
const cedar: Cedar = createRequire(import.meta.url)('@cedar-policy/cedar-wasm/nodejs')

const WORKLOAD = { program: '/bin/true', argv: ['/bin/true'] }

export const authorizeTitle = (policies: number): string =>
  `Authorize that mints, one connection, ${policies} policies`
const REVOKED = 100_000
export const authorizeRevokedTitle = `Authorize that mints, one connection, 10 policies, ${REVOKED} revoked`
export const judgeTitle = 'Authorize by an artifact, one connection, 10 policies'

/** A call that mints an artifact beside what it cannot do without. */
export async function authorize(governed: Governed, empty: EmptyRpc, policies: number): Promise<Row> {
  await governed.loadPolicies(policySet(policies))
  const parts = await referenceParts(governed, empty, policies)
  try {
    return await compare(
      authorizeTitle(policies),
      1.3,
      timed(() => mint(governed)),
      parts.list,
      policies > 100 ? 200 : 400,
    )
  } finally {
    parts.close()
  }
}

/** The same with 10 policies, where a hundred thousand things are revoked. */
export async function authorizeRevoked(governed: Governed, empty: EmptyRpc): Promise<Row> {
  await governed.loadPolicies(policySet(10))
  await governed.revoke(REVOKED)
  const parts = await referenceParts(governed, empty, 10)
  try {
    return await compare(
      authorizeRevokedTitle,
      1.3,
      timed(() => mint(governed)),
      parts.list,
      400,
    )
  } finally {
    parts.close()
  }
}

/** A call that says what an artifact of the caller's own would be worth: nothing is signed, two signatures' worth is verified. */
export async function judge(governed: Governed, empty: EmptyRpc): Promise<Row> {
  await governed.loadPolicies(policySet(10))
  const artifact = await governed.artifact('judged', WORKLOAD.argv)
  const parts = await referenceParts(governed, empty, 10)
  try {
    return await compare(
      judgeTitle,
      1.3,
      timed(() => governed.client.call(api.execution.Authorize, { workload: WORKLOAD, artifact })),
      parts.list,
      400,
    )
  } finally {
    parts.close()
  }
}

/** One durable permit: an artifact is made, signed, and its decision is in the lineage. */
export function mint(governed: Governed) {
  return governed.client.call(api.execution.Authorize, { workload: WORKLOAD })
}

async function referenceParts(governed: Governed, empty: EmptyRpc, policies: number) {
  const { artifact, decisionIndex } = await mint(governed)
  const recorded = Buffer.alloc(await recordedBytes(governed, decisionIndex))
  const { privateKey } = generateKeyPairSync('ed25519')
  const log = openSync(governed.host.path(`bare-${policies}`), 'a')
  const list: Part[] = [
    { name: 'empty RPC', time: timed(() => empty.call()) },
    {
      name: `write and fdatasync of ${recorded.length} bytes`,
      time: timed(() => {
        writeSync(log, recorded)
        fdatasyncSync(log)
      }),
    },
    { name: 'Ed25519 signature', time: timed(() => sign(null, artifact, privateKey)) },
    { name: 'bare Cedar', time: timed(bareCedar(policies)) },
  ]
  return { list, close: () => closeSync(log) }
}

/** Length of a decision's entry, which carries all that the decision leaves on the disk. */
async function recordedBytes({ client }: Governed, index: string): Promise<number> {
  const to = String(BigInt(index) + 1n)
  for await (const { entry } of client.read(api.lineage.ReadEntries, { from: index, to })) {
    if (parseEvent(entry).type === 'decision') return entry.length
  }
  throw new Error(`entry ${index} is no decision`)
}

/** The same policies, parsed once, and the least request that they can be evaluated for. */
function bareCedar(policies: number): () => void {
  const id = `policies-${policies}`
  const parsed = cedar.preparsePolicySet(id, { staticPolicies: policySet(policies) })
  if (parsed.type !== 'success') throw new Error('the policies do not parse')
  const call = {
    principal: { type: 'Writ::User', id: '0' },
    action: { type: 'Writ::Action', id: 'Authorize' },
    resource: { type: 'Writ::Program', id: '0' },
    context: { attestation: { ageMs: 1 }, request: { network: 'none' } },
    entities: [],
    preparsedPolicySetId: id,
    validateRequest: false,
  }
  return () => {
    const answer = cedar.statefulIsAuthorized(call)
    if (answer.type !== 'success' || answer.response.decision !== 'allow') throw new Error('Cedar denies')
  }
}
