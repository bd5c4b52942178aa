import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { allVerified, type PropertyResult } from '../../cli/verify/property.ts'
import { type VerifyTrust, verifyBundle } from '../../cli/verify/verify.ts'
import { sha256Hex } from '../../encoding/digest.ts'
import type { LineageEvent } from '../../lineage/index.ts'
import { parseEnvelope } from '../../signing/dsse.ts'
import { writ } from './cli.ts'
import { eventsOf, forge, recordOf, withRecord } from './forge.ts'
import { IS_ROOT, issueOptions, NEEDS_ROOT, type QuietSite } from './site.ts'
import { find, startVerifiedSite } from './verified-site.ts'

type EventOf<T extends LineageEvent['type']> = Extract<LineageEvent, { type: T }>

describe.skipIf(!IS_ROOT)(`another history of a host, signed by its TPM (${NEEDS_ROOT})`, () => {
  let site: QuietSite
  let bundle: string
  let trust: VerifyTrust
  const scratch = (name: string) => site.workspace.path(name)

  beforeAll(async () => {
    ;({ site, bundle, trust } = await startVerifiedSite())
  }, 180_000)
  afterAll(() => site?.workspace.close(), 60_000)

  /** Another history, properly signed by the same TPM; gives what the verifier says of one property. */
  let counter = 0
  async function forged(property: string, change: Parameters<typeof forge>[3]): Promise<PropertyResult> {
    const to = await forge(site, bundle, scratch(`forged-${counter++}`), change)
    const { properties } = await verifyBundle(to, trust)
    for (const name of ['Merkle root', 'TPM signature of the checkpoint', 'evidence', 'files']) {
      expect(find(properties, name).status, name).toBe('VERIFIED')
    }
    expect(allVerified(properties)).toBe(false)
    rmSync(to, { recursive: true })
    return find(properties, property)
  }
  const is =
    <T extends LineageEvent['type']>(type: T) =>
    (event: LineageEvent): event is EventOf<T> =>
      event.type === type
  const isPermit = (event: LineageEvent): event is EventOf<'decision'> =>
    event.type === 'decision' && event.outcome === 'permit'
  const FAILED = (text: string) => ({ status: 'FAILED', detail: expect.stringContaining(text) })

  test('the same history, signed again, verifies: what the tests below find is what they change', async () => {
    const to = await forge(site, bundle, scratch('again'), events => events)
    const { properties } = await verifyBundle(to, trust)
    // But for one: the TPM was started anew since the log that claims ATTESTED.
    expect(properties.filter(({ status, asked }) => asked && status !== 'VERIFIED')).toEqual([
      {
        property: 'PCRs of the checkpoints',
        status: 'NOT CHECKED',
        detail: expect.stringContaining('1 signed after the TPM was reset'),
        asked: true,
      },
    ])
  })

  test('a denial that is left out is seen: the quotes are bound to another history', async () => {
    const events = await eventsOf(bundle)
    const denial = events.findIndex(event => event.type === 'decision' && event.outcome === 'deny')
    expect(events.filter(is('appraisal')).some(event => event.binding.treeSize > denial)).toBe(true)
    expect(
      await forged('quotes of the evidence', all => all.filter((_, index) => index !== denial)),
    ).toMatchObject(FAILED('another history'))
  })

  test('a START without a permit', async () => {
    const found = await forged('executions', all => all.filter(event => !isPermit(event)))
    expect(found).toMatchObject(FAILED('without a permit'))
  })

  test('a START of other bytes than were permitted', async () => {
    const found = await forged('executions', all =>
      all.map(event => (is('execution-start')(event) ? { ...event, subjects: ['0'.repeat(64)] } : event)),
    )
    expect(found).toMatchObject(FAILED('other bytes'))
  })

  test('a second permit, a START under another permit, a second END', async () => {
    const found = async (change: (all: LineageEvent[]) => LineageEvent[]) =>
      (await forged('executions', change)).detail
    expect(await found(all => [...all, all.find(isPermit) ?? expect.fail()])).toContain('a second permit')
    expect(
      await found(all => all.map(e => (is('execution-start')(e) ? { ...e, decision: e.decision + 1 } : e))),
    ).toContain('names another permit')
    expect(await found(all => [...all, all.find(is('execution-end')) ?? expect.fail()])).toContain(
      'or a second one',
    )
  })

  test('an artifact that its issuer did not sign', async () => {
    const other = scratch('strange.json')
    const key = join(site.operator, 'stranger.key')
    await writ([
      ...issueOptions(site, other, ['--id', 'once']).map(o => (o.endsWith('release.key') ? key : o)),
      '/usr/bin/true',
    ])
    const found = await forged('artifact signatures', async (all, putBlob) => {
      const permit = all.find(isPermit) ?? expect.fail()
      const record = recordOf(permit)
      const envelope = readFileSync(other)
      const artifact = { digest: await putBlob(envelope), size: envelope.length }
      const changed = withRecord(permit, { ...record, inputs: { ...record.inputs, artifact } })
      const digest = sha256Hex(parseEnvelope(envelope).payload)
      return all.map(e =>
        e === permit ? { ...changed, artifact: digest, inputs: [...permit.inputs, artifact.digest] } : e,
      )
    })
    expect(found).toMatchObject(FAILED('is not signed as release has to sign'))
    const swapped = await forged('artifact signatures', all =>
      all.map(e => (isPermit(e) ? { ...e, artifact: '0'.repeat(64) } : e)),
    )
    expect(swapped).toMatchObject(FAILED('not the one that the entry names'))
  })

  test('an END that was not confirmed', async () => {
    const found = await forged('executions', all =>
      all.map(event => (is('execution-end')(event) ? { ...event, confirmedDead: false } : event)),
    )
    expect(found).toMatchObject(FAILED('not confirmed dead'))
  })

  test('a second use of an artifact with one use', async () => {
    const found = await forged('uses of artifacts', all => {
      const permit = all.find(isPermit) ?? expect.fail()
      return [...all, { ...permit, executionId: 'f'.repeat(32) }]
    })
    expect(found).toMatchObject(FAILED('use 2 of an artifact that allows 1'))
  })

  test('two artifacts under one id', async () => {
    const found = await forged('uses of artifacts', all => {
      const permit = all.find(isPermit) ?? expect.fail()
      return [...all, { ...permit, executionId: 'f'.repeat(32), artifact: '0'.repeat(64) }]
    })
    expect(found).toMatchObject(FAILED('stands for two artifacts'))
  })

  test('an entry that says something else than its record', async () => {
    for (const change of [
      { outcome: 'deny' },
      { artifact: null },
      { use: null },
      { executionId: '0'.repeat(32) },
      { unit: 'other.service' },
    ]) {
      const found = await forged('decisions evaluated again', all =>
        all.map(event => {
          if (!isPermit(event)) return event
          const { unit = event.caller.unit, ...others } = change as { unit?: string }
          return { ...event, ...others, caller: { ...event.caller, unit } }
        }),
      )
      expect(found).toMatchObject(FAILED('entry and record differ'))
    }
  })

  test('an entry that names or carries what its record does not refer to', async () => {
    const rider = Buffer.from('whatever a host wants to keep in a log')
    const digest = sha256Hex(rider)
    const carried = (event: LineageEvent & { type: 'decision' }) => ({
      ...event,
      inline: { [event.record]: event.inline[event.record] ?? '', [digest]: rider.toString('base64') },
    })
    const named = await forged('decisions evaluated again', all =>
      all.map(event => (isPermit(event) ? { ...carried(event), inputs: [...event.inputs, digest] } : event)),
    )
    expect(named).toMatchObject(FAILED('entry and record differ in the blobs'))
    const alone = await forged('decisions evaluated again', all =>
      all.map(event => (isPermit(event) && event.artifact !== null ? carried(event) : event)),
    )
    expect(alone.status).toBe('FAILED')
  })

  test.each([
    ['policy', (at: number) => at - 1, 'its link to the policy'],
    ['policy', () => null, 'its link to the policy'],
    ['trustRoots', (at: number) => at - 1, 'its link to the trust roots'],
    ['appraisal', (at: number) => at - 1, 'its link to the appraisal'],
    ['parent', () => 0, "its link to its parent's START"],
  ] as const)('a decision with another link (%s)', async (name, other, message) => {
    const found = await forged('links of decisions', all =>
      all.map(event =>
        isPermit(event)
          ? { ...event, links: { ...event.links, [name]: other(event.links[name] ?? 0) } }
          : event,
      ),
    )
    expect(found).toMatchObject(FAILED(message))
  })

  test('a denial that is rewritten as a permit', async () => {
    const found = await forged('decisions evaluated again', all => {
      const permit = all.find(isPermit) ?? expect.fail()
      const denial = all.find(
        event => event.type === 'decision' && event.outcome === 'deny' && event.artifact !== null,
      )
      if (denial?.type !== 'decision') return expect.fail()
      const record = recordOf(denial)
      const granted = recordOf(permit)
      const rewritten = {
        ...record,
        outcome: 'permit',
        stage: null,
        reasons: [],
        terms: granted.terms,
        use: granted.use,
      }
      const other = withRecord(denial, rewritten)
      return all.map(event =>
        event === denial
          ? {
              ...permit,
              time: denial.time,
              executionId: denial.executionId,
              record: other.record,
              inputs: denial.inputs,
              inline: other.inline,
            }
          : event,
      )
    })
    expect(found).toMatchObject(FAILED('the decision is another one'))
  })

  test('a permit that rests on no appraisal, or on a policy that was not in force', async () => {
    const found = await forged('decisions evaluated again', all =>
      all.map(event => (is('appraisal')(event) ? { ...event, verdict: 'fail' as const } : event)),
    )
    expect(found).toMatchObject(FAILED('no good appraisal'))
    const late = await forged('decisions evaluated again', all => {
      const policy = all.find(is('policy')) ?? expect.fail()
      // The place is kept, so that the entries that are named by their position stay where they are.
      return [
        ...all.map(event =>
          event === policy ? { ...policy, type: 'daemon-stop' as const, cause: 'x' } : event,
        ),
        policy,
      ].map(strip)
    })
    expect(late).toMatchObject(FAILED('not put in force'))
  })

  test('documents that another key signed, or that are not there', async () => {
    const other = scratch('stranger-trust.json')
    const key = join(site.operator, 'stranger.key')
    await writ([
      ...['key', 'trust', 'sign', '--authority', `release=${join(site.operator, 'release.pub')}`],
      ...['--version', '1', '--key', key, '--out', other],
    ])
    const found = await forged('documents signed by the operator', async (all, putBlob) => {
      const blob = await putBlob(readFileSync(other))
      return all.map(event => (is('trust-roots')(event) ? { ...event, blob } : event))
    })
    expect(found).toMatchObject(FAILED('no governance key signed'))
    const none = await forged('documents signed by the operator', all =>
      all.filter(event => !is('policy')(event)),
    )
    expect(none).toMatchObject(FAILED('never puts any policy in force'))
    const digest = await forged('documents signed by the operator', all =>
      all.map(event => (is('reference-values')(event) ? { ...event, digest: '0'.repeat(64) } : event)),
    )
    expect(digest).toMatchObject(FAILED('the entry names'))
  })

  test('an appraisal that comes to another verdict, or stands on other evidence', async () => {
    const verdict = await forged('evidence appraised again', all =>
      all.map(event => (is('appraisal')(event) ? { ...event, verdict: 'degraded' as const } : event)),
    )
    expect(verdict).toMatchObject(FAILED('appraised again it is pass'))
    const log = await forged('evidence appraised again', all =>
      all.map(event =>
        is('appraisal')(event) ? { ...event, evidence: { ...event.evidence, userspaceLog: null } } : event,
      ),
    )
    expect(log).toMatchObject(FAILED('appraised again it is fail'))
    const reference = await forged('evidence appraised again', all =>
      all.map(event =>
        is('appraisal')(event)
          ? { ...event, binding: { ...event.binding, referenceValuesDigest: '0'.repeat(64) } }
          : event,
      ),
    )
    expect(reference).toMatchObject(FAILED("operator's key did not sign"))
    const none = await forged('evidence appraised again', all => all.filter(event => !is('appraisal')(event)))
    expect(none).toMatchObject(FAILED('no appraisal'))
  })

  test('an appraisal with another clock than its quote has', async () => {
    const found = await forged('quotes of the evidence', all =>
      all.map(event =>
        is('appraisal')(event) && event.clock !== null
          ? { ...event, clock: { ...event.clock, clock: String(BigInt(event.clock.clock) + 1n) } }
          : event,
      ),
    )
    expect(found).toMatchObject(FAILED("the TPM's clock is not the one in its quote"))
  })

  test('a quote of another cycle', async () => {
    const found = await forged('quotes of the evidence', all => {
      const [first, second] = all.filter(is('appraisal'))
      if (first === undefined || second === undefined) return expect.fail('two appraisals are needed')
      const { attest, signature } = first.evidence
      return all.map(event =>
        event === second ? { ...second, evidence: { ...second.evidence, attest, signature } } : event,
      )
    })
    expect(found.status).toBe('FAILED')
  })

  /** A `daemon-stop` with the fields of the event whose place it takes has too many. */
  function strip(event: LineageEvent): LineageEvent {
    if (event.type !== 'daemon-stop') return event
    const { v, type, time, bootNs, cause } = event
    return { v, type, time, bootNs, cause }
  }
})
