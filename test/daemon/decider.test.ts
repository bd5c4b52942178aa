import { describe, expect, test } from 'vitest'
import { Reevaluator, signTrustRoots } from '../../authorization/index.ts'
import { DeniedError } from '../../daemon/core.ts'
import { unitOf } from '../../daemon/decider.ts'
import { LauncherError } from '../../daemon/launcher/error.ts'
import { inlineBlob } from '../../lineage/index.ts'
import {
  alice,
  artifact,
  authority,
  governance,
  held,
  LASTING,
  mallory,
  PROGRAM,
  payloadDigest,
} from '../authorization/scenario.ts'
import { faultyIo } from '../lineage/support/faulty-io.ts'
import { ofType, peer, type World, workload, world } from './support/world.ts'

const execute = (w: World, sent: Buffer | null = artifact(), fields = {}, who = peer()) =>
  w.decider.decide(who, 'execute', sent, workload(fields))

async function denied(decision: Promise<unknown>): Promise<DeniedError> {
  const error = await decision.then(
    () => expect.fail('permitted'),
    (thrown: unknown) => thrown,
  )
  if (!(error instanceof DeniedError)) throw error
  return error
}
const codes = (error: DeniedError) => error.reasons.map(({ code }) => code)
const used = (w: World, sent: Buffer) =>
  w.history.uses.view(
    { payload: payloadDigest(sent), issuer: 'release', id: 'job-1', maxUses: 1 },
    '2027-01-01T00:00:00.000Z',
  ).used

describe('a permit', () => {
  test('is in the log when it is given, is the consumption of the use, and keeps the subjects', async () => {
    const w = await world()
    const sent = artifact()
    const { input, index } = await execute(w, sent)
    expect((await w.events())[Number(index)]).toMatchObject({
      type: 'decision',
      outcome: 'permit',
      executionId: input.request.executionId,
      artifact: payloadDigest(sent),
      use: { issuer: 'release', id: 'job-1', maxUses: 1 },
    })
    expect(used(w, sent)).toBe(1)
    expect(w.stage.staged).toEqual([input.request.executionId])
    expect(w.stage.abandoned).toEqual([])
  })

  test('to authorize consumes nothing and lets the subjects go', async () => {
    const w = await world()
    const sent = artifact()
    const { input } = await w.decider.decide(peer(), 'authorize', sent, workload())
    expect(used(w, sent)).toBe(0)
    expect(w.stage.abandoned).toEqual([input.request.executionId])
  })

  test.each(['did not persist', 'did persist'] as const)(
    'whose entry is lost (%s) is a denial, keeps its use taken and lets the subjects go',
    async effect => {
      const io = faultyIo()
      const w = await world({ io })
      const sent = artifact()
      w.stage.during = () => io.fail('fdatasync', 1, effect)
      const error = await denied(execute(w, sent))
      expect(io.happened).toBe(true)
      expect(codes(error)).toEqual(['LINEAGE_UNAVAILABLE'])
      expect(used(w, sent)).toBe(1)
      expect(w.stage.abandoned).toEqual(w.stage.staged)
    },
  )

  test('whose record is too large for its entry and found no space has used its artifact up', async () => {
    const io = faultyIo()
    const w = await world({ io })
    const sent = artifact()
    const large = { argv: [PROGRAM, '--digits', '7'.repeat(16 << 10)] }
    w.stage.during = () => io.fail('open', 1, 'did not persist', 'ENOSPC')
    expect(codes(await denied(execute(w, sent, large)))).toEqual(['LINEAGE_UNAVAILABLE'])
    w.stage.during = () => undefined
    expect(codes(await denied(execute(w, sent, large)))).toEqual(['REPLAYED'])
  })

  test('for the last use goes to one of ten that race for it', async () => {
    const w = await world()
    const results = await Promise.allSettled(Array.from({ length: 10 }, () => execute(w)))
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    expect(ofType(await w.events(), 'decision').map(({ outcome }) => outcome)).toEqual(
      expect.arrayContaining(['permit', ...Array(9).fill('deny')]),
    )
    expect(w.stage.abandoned).toHaveLength(9)
  })

  test('is never given to more than there is room for, also when all ask at once', async () => {
    const w = await world({ maxExecutions: 2 })
    const many = artifact(it => {
      it.validity.maxUses = 'any'
    })
    const results = await Promise.allSettled(Array.from({ length: 6 }, () => execute(w, many)))
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(2)
    const reasons = results.flatMap(r => (r.status === 'rejected' ? codes(r.reason) : []))
    expect(reasons).toEqual(Array(4).fill('CAPACITY'))
    // What only asks needs no room.
    await expect(w.decider.decide(peer(), 'authorize', many, workload())).resolves.toBeDefined()
  })

  test('and a denial are decided again from the log to the same bytes', async () => {
    const w = await world()
    await execute(w)
    await w.revoke(1, { kind: 'key', id: 'ab'.repeat(32) })
    await denied(execute(w))
    await denied(execute(w, null))
    const decisions = ofType(await w.events(), 'decision')
    expect(decisions).toHaveLength(3)
    for (const event of decisions) {
      const blob = async (digest: string) => inlineBlob(event, digest) ?? w.lineage.getBlob(digest)
      const again = new Reevaluator(blob, { governance: [governance.public] })
      await expect(again.reevaluate(await blob(event.record))).resolves.toMatchObject({ same: true })
      for (const input of event.inputs) await expect(blob(input)).resolves.toBeDefined()
    }
  })
})

describe('a denial', () => {
  const cases: [string, (w: World) => Promise<unknown>, string[], boolean][] = [
    ['without an artifact', w => execute(w, null), ['ARTIFACT_MISSING'], false],
    [
      'of a stranger',
      w =>
        execute(
          w,
          artifact(() => {}, [mallory]),
        ),
      ['SIGNER_UNTRUSTED'],
      false,
    ],
    ['of another uid', w => execute(w, artifact(), {}, peer({ uid: 7 })), ['INITIATOR_MISMATCH'], false],
    [
      'with children that are not signed',
      w => execute(w, artifact(), { children: true }),
      ['SCOPE_EXCEEDED'],
      true,
    ],
    [
      'of a device that is not signed',
      w => execute(w, artifact(), { devices: ['gpu'] }),
      ['SCOPE_EXCEEDED'],
      true,
    ],
    [
      'of a device that this host does not have',
      w =>
        execute(
          w,
          artifact(it => {
            it.scope.devices = ['tpu']
          }),
        ),
      ['ENVIRONMENT_MISMATCH'],
      true,
    ],
    [
      'of a child of nobody',
      w => execute(w, artifact(), {}, peer({ parentExecution: 'ab'.repeat(16) })),
      ['PARENT_ENDED'],
      false,
    ],
    [
      'while the gate is shut',
      w => {
        w.gate.close('FAILED', [])
        return execute(w)
      },
      ['ATTESTATION_FAILED'],
      true,
    ],
    ['of other arguments', w => execute(w, artifact(), { argv: ['/x'] }), ['SCOPE_EXCEEDED'], true],
  ]
  test.each(cases)('%s is in the log before it is told', async (_, ask, expected, opens) => {
    const w = await world()
    const error = await denied(ask(w))
    expect(codes(error)).toEqual(expect.arrayContaining(expected))
    const entry = (await w.events())[Number(error.decisionIndex)]
    expect(entry).toMatchObject({ type: 'decision', outcome: 'deny', use: null })
    expect(ofType(entry ? [entry] : [], 'decision')[0]?.reasons.map(({ code }) => code)).toEqual(codes(error))
    expect(w.stage.staged).toHaveLength(opens ? 1 : 0)
    expect(w.stage.abandoned).toEqual(w.stage.staged)
  })

  test.each([
    [new LauncherError('CAPACITY', 'all slots are taken'), 'CAPACITY'],
    [new LauncherError('DISCONNECTED', 'gone'), 'INTERNAL'],
    [new Error('a secret path'), 'INTERNAL'],
  ])('follows when nothing can be staged: %s', async (fault, code) => {
    const w = await world()
    w.stage.during = () => {
      throw fault
    }
    const error = await denied(execute(w))
    expect(codes(error)).toEqual([code])
    expect(error.message).not.toContain('secret')
    expect((await w.events())[Number(error.decisionIndex)]).toMatchObject({ outcome: 'deny' })
    expect(w.stage.abandoned).toEqual(w.stage.staged)
  })

  test('that cannot be recorded is a denial all the same, and says so', async () => {
    const io = faultyIo()
    const w = await world({ io })
    io.fail('fdatasync', 1, 'did not persist')
    const error = await denied(execute(w, null))
    expect(codes(error)).toEqual(['ARTIFACT_MISSING', 'LINEAGE_UNAVAILABLE'])
    expect(error.decisionIndex).toBeUndefined()
  })

  test('of what is no request at all is not a decision', async () => {
    const w = await world()
    const before = w.lineage.size
    await expect(execute(w, artifact(), { program: 'relative' })).rejects.toMatchObject({
      code: 'REQUEST_MALFORMED',
    })
    expect(w.lineage.size).toBe(before)
  })
})

function passes({ time }: World, ms: number): void {
  time.wallMs += ms
  time.bootNs += BigInt(ms) * 1_000_000n
}

describe('what changes while the subjects are opened', () => {
  const changes: [string, (w: World) => unknown, string][] = [
    ['the gate closes', w => w.gate.close('STALE', []), 'ATTESTATION_STALE'],
    ['the evidence gets too old', w => passes(w, 31_000), 'ATTESTATION_STALE'],
    ['the host fails', w => w.gate.close('FAILED', []), 'ATTESTATION_FAILED'],
    [
      'the artifact is revoked',
      w => w.revoke(1, { kind: 'artifact', digest: payloadDigest(one) }),
      'REVOKED',
    ],
    ['the artifact expires', w => passes(w, 48 * 3_600_000), 'ARTIFACT_EXPIRED'],
    ['the wall clock is set back', w => (w.time.wallMs -= 3_600_000), 'CLOCK_UNTRUSTED'],
    ['the signer loses its trust', w => w.governance.loadTrustRoots(roots), 'SIGNER_UNTRUSTED'],
    [
      'another uses it up',
      w => {
        w.stage.during = () => undefined
        return execute(w, one)
      },
      'REPLAYED',
    ],
  ]
  const one = artifact()
  const roots = signTrustRoots(
    { ...LASTING, version: 2, authorities: [authority('release', held('mallory', mallory))] },
    governance,
  )
  test.each(changes)('counts: %s', async (_, change, code) => {
    const w = await world()
    w.stage.during = async () => void (await change(w))
    const error = await denied(execute(w, one))
    expect(codes(error)).toContain(code)
    expect(w.stage.abandoned).toContain(w.stage.staged[0])
  })
})

test('an artifact that was verified before is judged by the trust that is in force now', async () => {
  const w = await world()
  const many = artifact(it => {
    it.validity.maxUses = 'any'
  })
  await execute(w, many)
  await execute(w, many)
  const other = signTrustRoots(
    { ...LASTING, version: 2, authorities: [authority('release', held('mallory', mallory))] },
    governance,
  )
  await w.governance.loadTrustRoots(other)
  expect(codes(await denied(execute(w, many)))).toEqual(['SIGNER_UNTRUSTED'])
})

test('a question about an artifact is answered from one look at the program, and holds nothing', async () => {
  const w = await world()
  const ask = () => w.decider.decide(peer(), 'authorize', artifact(), workload())
  await Promise.all([ask(), ask(), ask()])
  expect(w.stage.staged).toHaveLength(1)
  expect(w.stage.abandoned).toEqual(w.stage.staged)
  await execute(w)
  expect(w.stage.staged).toHaveLength(2)
})

describe('the program of the caller', () => {
  const NODE = 'ab'.repeat(32)
  const limited = (programs: string[] | 'any', key = alice) =>
    artifact(
      it => {
        it.initiator.uids = [1000]
        it.initiator.programs = programs
      },
      [key],
    )
  const asking = async (answer: string | null) => {
    const asked: number[] = []
    const of = async ({ pid }: { pid: number }) => {
      asked.push(pid)
      return answer
    }
    return { asked, w: await world({ programs: { of } }) }
  }

  test('is asked for when the artifact limits it, once for each request, and is in the record', async () => {
    const { w, asked } = await asking(NODE)
    const sent = limited([NODE])
    for (const times of [1, 2]) {
      const { input } = await w.decider.decide(peer(), 'authorize', sent, workload())
      expect(input.caller?.program).toBe(NODE)
      expect(asked).toHaveLength(times)
    }
  })

  test.each([['00'.repeat(32)], [null]])('denies when it is another, or not known', async answer => {
    const { w } = await asking(answer)
    const error = await denied(execute(w, limited([NODE])))
    expect(error.reasons.map(({ code, at }) => [code, at])).toEqual([
      ['INITIATOR_MISMATCH', 'predicate.initiator.programs'],
    ])
    expect(w.stage.staged).toEqual([])
  })

  test('adds nothing to another denial when it is right', async () => {
    const { w } = await asking(NODE)
    const error = await denied(execute(w, limited([NODE]), {}, peer({ uid: 1001 })))
    expect(error.reasons.map(({ at }) => at)).toEqual(['predicate.initiator.uids'])
  })

  test('is nobody’s concern otherwise', async () => {
    const { w, asked } = await asking(NODE)
    expect((await execute(w, limited('any'))).input.caller?.program).toBeNull()
    await denied(execute(w, null))
    await denied(execute(w, Buffer.from('{}')))
    await denied(execute(w, limited([NODE], mallory)))
    expect(asked).toEqual([])
  })
})

test('the unit is that of the system manager, whatever a user makes below it', () => {
  const at = (path: string | null) => unitOf(path)
  expect(at('/system.slice/app.service')).toBe('app.service')
  expect(at('/user.slice/user-1000.slice/user@1000.service/app.slice/sshd.service')).toBe('user@1000.service')
  expect(at('/user.slice/session-2.scope')).toBe('session-2.scope')
  expect(at('/system.slice/evil\n.service')).toBeNull()
  expect(at('/user.slice')).toBeNull()
  expect(at('/')).toBeNull()
  expect(at(null)).toBeNull()
})
