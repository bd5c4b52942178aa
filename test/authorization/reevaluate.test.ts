import { beforeEach, describe, expect, it } from 'vitest'
import {
  AuthorizationError,
  type Decision,
  type DecisionInput,
  decideAfterOpen,
  MAX_ARTIFACT_BYTES,
  type ObservedSubject,
  openRevocation,
  type ParentState,
  parseRecord,
  Reevaluator,
  RevocationSet,
  signRevocation,
} from '../../authorization/index.ts'
import { sha256Hex } from '../../encoding/digest.ts'
import { canonicalJsonBytes } from '../../encoding/json.ts'
import * as world from './scenario.ts'
import { codes } from './scenario.ts'

const TOOL = sha256Hex(Buffer.from('tool'))

/** What another machine has: blobs by digest, and the governance key. */
let blobs: Map<string, Buffer>
beforeEach(() => {
  blobs = new Map()
})

function keep(bytes: Uint8Array): string {
  const digest = sha256Hex(bytes)
  blobs.set(digest, Buffer.from(bytes))
  return digest
}

function decide(
  fields: Partial<world.TestInput> = {},
  seen: ObservedSubject[] | null = world.observed(),
): Decision {
  const input: DecisionInput = world.input(fields)
  if (input.artifact !== null && input.artifact.length <= MAX_ARTIFACT_BYTES) keep(input.artifact)
  for (const document of [input.trustRoots, input.policy]) if (document !== null) keep(document.envelope)
  keep(input.revocations.manifest)
  const decision = decideAfterOpen(input, seen)
  expect(decision.references.filter(digest => !blobs.has(digest))).toEqual([])
  return decision
}

const auditor = (governance = world.governance) =>
  new Reevaluator(
    digest => {
      const found = blobs.get(digest)
      if (found === undefined) throw new Error('no such blob')
      return found
    },
    { governance: [governance.public] },
  )

async function failure(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => 'none',
    error => (error instanceof AuthorizationError ? error.code : String(error)),
  )
}

describe('a decision is made again to the same bytes', () => {
  const revocation = openRevocation(
    signRevocation(
      { version: 1, epoch: 3, revoke: [{ kind: 'program', digest: world.MODEL_DIGEST }] },
      world.governance,
    ),
    [world.governance.public],
  )
  const failing = {
    ...world.defaultPolicy,
    evaluate: () => {
      throw new Error('out of memory')
    },
  }
  const cases: [what: string, fields: () => Partial<world.TestInput>, seen?: ObservedSubject[] | null][] = [
    ['a permit', () => ({})],
    ['a denial without an artifact', () => ({ artifact: null })],
    ['a malformed artifact', () => ({ artifact: Buffer.from('{}') })],
    ['an artifact too long to keep', () => ({ artifact: Buffer.alloc(MAX_ARTIFACT_BYTES + 1) })],
    ['an expired artifact', () => ({ clock: { now: '2027-01-01T00:00:00.000Z', trusted: true } })],
    ['nothing opened', () => ({}), null],
    ['a subject that is not there', () => ({}), [{ path: world.PROGRAM, error: 'ENOENT' }]],
    [
      'a closed gate',
      () => ({ gate: { ...world.attested, state: 'FAILED', reasons: [{ code: 'X', message: 'y' }] } }),
    ],
    ['no policy and no trust roots', () => ({ policy: null, trustRoots: null })],
    ['no policy', () => ({ policy: null })],
    [
      'a revoked file',
      () => {
        keep(revocation.envelope)
        return { revocations: RevocationSet.empty.with(revocation) }
      },
    ],
    [
      'a used artifact',
      () => {
        const artifact = world.artifact()
        return { artifact, uses: world.usedBefore(artifact) }
      },
    ],
    ['a fault outside', () => ({ fault: { code: 'CAPACITY', message: 'no uid is free' } })],
    ['a fault inside', () => ({ policy: failing })],
    ['inputs that cannot be written down', () => ({ gate: { ...world.attested, epoch: Number.NaN } })],
    [
      'a request to mint',
      () => ({
        artifact: null,
        request: world.request({ operation: 'authorize' }),
        minting: { enabled: true, sessionKeySpki: world.spki(world.session) },
      }),
    ],
  ]
  for (const [what, fields, seen] of cases) {
    it(what, async () => {
      const { record, outcome } = decide(fields(), seen)
      const again = await auditor().reevaluate(record)
      expect(again.expected.toString()).toBe(record.toString())
      expect(again).toMatchObject({ same: true, record: { outcome } })
    })
  }

  it('a child and its parent', async () => {
    const parentExecution = 'f'.repeat(32)
    const parent = decide({
      artifact: world.artifact(it => {
        it.scope.children = { max: 'any', atOnce: 'any', perMinute: 'any', depth: 1, programs: 'any' }
      }),
      request: world.request({ executionId: parentExecution, children: true }),
    })
    const decisionRecord = keep(parent.record)
    const { terms } = parent
    if (terms === null) throw new Error('the parent was denied')
    const child = decide({
      artifact: world.artifact(it => {
        it.parent.execution = 'any'
      }),
      caller: world.caller({ parentExecution }),
      parent: {
        executionId: parentExecution,
        live: true,
        childrenStarted: 0,
        childrenRunning: 0,
        childrenLastMinute: 0,
        ancestors: [],
        decisionRecord,
        terms,
      },
    })
    expect(child.outcome).toBe('permit')
    expect(await auditor().reevaluate(child.record)).toMatchObject({ same: true })
    const other = keep(decide().record)
    const confused = Buffer.from(child.record.toString().replace(decisionRecord, other))
    expect(await failure(auditor().reevaluate(confused))).toBe('RECORD_INCOMPLETE')
    const denied = keep(decide({ lineage: 'broken' }).record)
    const lie = canonicalJsonBytes(JSON.parse(child.record.toString().replace(decisionRecord, denied)))
    expect(await failure(auditor().reevaluate(lie))).toBe('RECORD_INCOMPLETE')
  })

  it('a grandchild, by the records of all that is above it', async () => {
    const [top, above, asks] = ['a', 'b', 'c'].map(letter => letter.repeat(32)) as [string, string, string]
    const forbidsTop = world.policy({
      policies: {
        all: world.PERMIT_ALL,
        no: `forbid(principal, action, resource) when { context.parents.depth == 3 && context.parents.programs.contains("${TOOL}") };`,
      },
    })
    keep(forbidsTop.envelope)
    const parents: ParentState[] = []
    const permit = (executionId: string, program = world.PROGRAM_DIGEST) => {
      const [parent = null] = parents
      const decision = decide(
        {
          artifact: world.artifact(
            it => {
              it.policy.digest = 'any'
              it.parent.execution = 'any'
              it.scope.children = {
                max: 'any',
                atOnce: 'any',
                perMinute: 'any',
                depth: 4 - parents.length,
                programs: 'any',
              }
            },
            [world.alice],
            [{ name: 'infer', sha256: program }, ...world.SUBJECTS.slice(1)],
          ),
          request: world.request({ executionId, children: true }),
          caller: world.caller({ parentExecution: parent?.executionId ?? null }),
          parent,
          policy: forbidsTop,
        },
        [{ path: world.PROGRAM, sha256: program, size: 7 }, ...world.observed().slice(1)],
      )
      const { terms } = decision
      if (terms !== null)
        parents.unshift({
          executionId,
          live: true,
          childrenStarted: 0,
          childrenRunning: 0,
          childrenLastMinute: 0,
          ancestors: parents.map(it => it.executionId),
          ancestorPrograms: parents.map(it => it.terms.program.sha256),
          decisionRecord: keep(decision.record),
          terms,
        })
      return decision
    }
    for (const [id, program] of [[top, TOOL], [above], [asks]] as const)
      expect(permit(id, program).reasons).toEqual([])
    const denied = permit('d'.repeat(32))
    expect(codes(denied)).toEqual(['POLICY_DENIED'])
    expect(await auditor().reevaluate(denied.record)).toMatchObject({ same: true })
    const elsewhere = denied.record
      .toString()
      .replace(`"ancestors":["${above}"`, `"ancestors":["${'e'.repeat(32)}"`)
    expect(await failure(auditor().reevaluate(Buffer.from(elsewhere)))).toBe('RECORD_INCOMPLETE')
  })

  it('however long the record of its reasons', async () => {
    const argv = Array.from({ length: 2000 }, (_, i) => String(i))
    const { record } = decide({ request: world.request({ argv }) })
    expect(await auditor().reevaluate(record)).toMatchObject({ same: true })
  })
})

describe('a record is not believed', () => {
  const denied = () => decide({ caller: world.caller({ uid: 1001 }) }).record
  const edit = (record: Buffer, change: (it: never) => void): Buffer => {
    const it = JSON.parse(record.toString())
    change(it as never)
    return canonicalJsonBytes(it)
  }

  it('when it says another outcome, other reasons or other terms', async () => {
    const permit = decide().record
    const changes: [Buffer, (it: never) => void][] = [
      [denied(), (it: { outcome: string }) => (it.outcome = 'permit')],
      [denied(), (it: { reasons: unknown[] }) => (it.reasons = [])],
      [permit, (it: { terms: { argv: string[] } }) => it.terms.argv.push('--more')],
      [permit, (it: { use: null }) => (it.use = null)],
      [permit, (it: { inputs: { lineage: string } }) => (it.inputs.lineage = 'broken')],
    ]
    for (const [record, change] of changes) {
      expect(await auditor().reevaluate(edit(record, change))).toMatchObject({ same: false })
    }
  })

  it('when it is spelt another way', async () => {
    const spaced = Buffer.from(` ${denied().toString()}`)
    expect(await auditor().reevaluate(spaced)).toMatchObject({ same: false })
  })

  it('when what it names is missing or altered', async () => {
    const decision = decide()
    for (const digest of decision.references) {
      const bytes = blobs.get(digest) ?? Buffer.alloc(0)
      blobs.delete(digest)
      const missing = await failure(auditor().reevaluate(decision.record))
      const altered = Buffer.from(bytes)
      altered[5] = (altered[5] ?? 0) ^ 1
      blobs.set(digest, altered)
      const changed = await failure(auditor().reevaluate(decision.record))
      blobs.set(digest, bytes)
      // The empty set of revocations needs no blob.
      if (digest === RevocationSet.empty.digest) continue
      expect([missing, changed]).toEqual(['BLOB_MISSING', 'BLOB_ALTERED'])
    }
  })

  it('when its documents are signed by a key that it brings along', async () => {
    expect(await failure(auditor(world.mallory).reevaluate(decide().record))).toBe('DOCUMENT_UNSIGNED')
  })

  it('when it is empty, cut off or something else', async () => {
    for (const bytes of [Buffer.alloc(0), denied().subarray(0, -1), Buffer.from('{}'), Buffer.from('null')]) {
      expect(await failure(auditor().reevaluate(bytes))).toBe('RECORD_MALFORMED')
      expect(() => parseRecord(bytes)).toThrow(AuthorizationError)
    }
  })
})
