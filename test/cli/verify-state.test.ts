import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type ClearanceFields, type DecisionRecord, signClearance } from '../../authorization/index.ts'
import { allVerified, type PropertyResult } from '../../cli/verify/property.ts'
import { type VerifyTrust, verifyBundle } from '../../cli/verify/verify.ts'
import type { Site } from '../../demo/steps/serve.ts'
import { canonicalJsonBytes } from '../../encoding/json.ts'
import type { LineageEvent } from '../../lineage/index.ts'
import { type PrivateKey, readPrivateKey, readPublicKey } from '../../signing/key.ts'
import { forge, recordOf, withRecord } from './forge.ts'
import { at, IS_ROOT, issueOptions, NEEDS_ROOT, startSite } from './site.ts'

type EventOf<T extends LineageEvent['type']> = Extract<LineageEvent, { type: T }>
type Inputs = NonNullable<DecisionRecord['inputs']>
type PutBlob = (bytes: Buffer) => Promise<string>

const is =
  <T extends LineageEvent['type']>(type: T) =>
  (event: LineageEvent): event is EventOf<T> =>
    event.type === type
const isPermit = (event: LineageEvent): event is EventOf<'decision'> =>
  event.type === 'decision' && event.outcome === 'permit'
const isDenial = (event: LineageEvent): event is EventOf<'decision'> =>
  event.type === 'decision' && event.outcome === 'deny'
const FAILED = (text: string) => ({
  status: 'FAILED',
  detail: expect.stringMatching(new RegExp(`^entry \\d+: .*${text}`)),
})

describe.skipIf(!IS_ROOT)(`what a lying daemon writes (${NEEDS_ROOT})`, () => {
  let site: Site
  let close: () => Promise<void>
  let bundle: string
  let trust: VerifyTrust
  let operator: PrivateKey
  let counter = 0
  const scratch = (name: string) => join(site.workspace.directory, name)

  beforeAll(async () => {
    const started = await startSite()
    site = started.site
    close = () => started.workspace.close()
    const writ = at(site)
    const artifact = scratch('artifact.json')
    expect((await writ([...issueOptions(site, artifact), '/usr/bin/true'])).stderr).toBe('')
    // What happens next is far enough from the start of the daemon that no two of them could be concurrent.
    await new Promise(resolve => setTimeout(resolve, 6_000))
    expect((await writ(['run', '--artifact', artifact, '--', '/usr/bin/true'])).status).toBe(0)
    expect((await writ(['run', '/usr/bin/true'])).stderr).toContain('ARTIFACT_MISSING')
    await writ(['revoke', '--artifact', artifact, '--key', join(site.operator, 'operator.key')])
    bundle = scratch('bundle')
    await writ(['lineage', 'export', bundle, '--state-dir', site.stateDirectory])
    operator = readPrivateKey(readFileSync(join(site.operator, 'operator.key'), 'utf8'))
    const read = (name: string) => readPublicKey(readFileSync(join(site.operator, name), 'utf8'))
    trust = {
      operators: [read('stranger.pub'), read('operator.pub')],
      roots: null,
      hostId: null,
      at: new Date(),
      earlier: [],
    }
  }, 180_000)
  afterAll(() => close?.(), 60_000)

  type Change = (all: LineageEvent[], putBlob: PutBlob) => LineageEvent[] | Promise<LineageEvent[]>

  /** What the verifier says of another history, properly signed by the same TPM. */
  async function forged(
    change: Change,
    allowRecovery = false,
  ): Promise<(property: string) => PropertyResult> {
    const to = await forge(site, bundle, scratch(`forged-${counter++}`), change)
    const { properties } = await verifyBundle(to, { ...trust, allowRecovery })
    rmSync(to, { recursive: true })
    return name => properties.find(({ property }) => property === name) ?? expect.fail(name)
  }
  const decisions = async (change: Change) => (await forged(change))('decisions evaluated again')
  const transitions = async (change: Change) => (await forged(change))('trust transitions')

  /** Puts entries behind the one that is named, at its time, and moves all positions that later entries name. */
  function insertAfter(all: LineageEvent[], index: number, added: readonly LineageEvent[]): LineageEvent[] {
    const { time, bootNs } = all[index] ?? expect.fail('no such entry')
    const moved = (position: number) => (position > index ? position + added.length : position)
    const out: LineageEvent[] = []
    for (const [i, event] of all.entries()) {
      if (event.type === 'execution-start') out.push({ ...event, decision: moved(event.decision) })
      else if (event.type === 'decision') {
        const record = recordOf(event)
        const gate = record.inputs?.gate
        const appraisalIndex =
          gate?.appraisalIndex == null ? null : String(moved(Number(gate.appraisalIndex)))
        const inputs = record.inputs && { ...record.inputs, gate: { ...record.inputs.gate, appraisalIndex } }
        out.push(withRecord(event, { ...record, inputs }))
      } else out.push(event)
      if (i === index) out.push(...added.map(event => ({ ...event, time, bootNs })))
    }
    return out
  }
  /** Evidence that is younger than it was, and of the age that the configuration lets it have. */
  const younger = ({ evidenceAgeMs, deadlineInMs }: Inputs['gate']) => ({
    evidenceAgeMs: 0,
    deadlineInMs: (evidenceAgeMs ?? 0) + (deadlineInMs ?? 0),
  })
  /** A change of the configuration, right after the gate opened. */
  async function withConfig(
    all: LineageEvent[],
    putBlob: PutBlob,
    change: (config: Record<string, object>) => object,
    changed: string[],
  ): Promise<LineageEvent[]> {
    const start = all.find(is('daemon-start')) ?? expect.fail('no start')
    const blob = join(
      bundle,
      'lineage/evidence/sha256',
      start.configDigest.slice(0, 2),
      start.configDigest.slice(2),
    )
    const config: Record<string, object> = JSON.parse(readFileSync(blob, 'utf8'))
    const digest = await putBlob(canonicalJsonBytes(change(config)))
    const { time, bootNs } = start
    return insertAfter(all, opening(all), [{ v: 1, type: 'config', time, bootNs, digest, changed }])
  }
  /** Another record of one decision. */
  function rewrite(
    all: LineageEvent[],
    which: typeof isPermit,
    change: (inputs: Inputs) => Partial<Inputs>,
  ): LineageEvent[] {
    const event = all.find(which) ?? expect.fail('no such decision')
    const record = recordOf(event)
    const inputs = record.inputs && { ...record.inputs, ...change(record.inputs) }
    return all.map(e => (e === event ? withRecord(event, { ...record, inputs }) : e))
  }
  const opening = (all: LineageEvent[]) =>
    all.findIndex(event => is('trust-transition')(event) && event.to === 'ATTESTED')
  const transition = (
    all: LineageEvent[],
    from: EventOf<'trust-transition'>['from'],
    to: EventOf<'trust-transition'>['to'],
    code = 'TEST',
  ): EventOf<'trust-transition'> => {
    const last = all.at(-1) ?? expect.fail()
    const reasons = [{ code, message: '', at: null }]
    const { time, bootNs } = last
    return { v: 1, type: 'trust-transition', time, bootNs, from, to, epoch: 2, reasons }
  }

  test('what is honest verifies, with several keys of the operator', async () => {
    const { properties } = await verifyBundle(bundle, trust)
    expect(properties.filter(({ status }) => status === 'FAILED')).toEqual([])
    expect(allVerified(properties)).toBe(true)
    const without = await verifyBundle(bundle, { ...trust, operators: [] })
    expect(allVerified(without.properties)).toBe(false)
    const again = await forged(all => insertAfter(all, opening(all), []))
    expect(again('decisions evaluated again').status).toBe('VERIFIED')
  })

  test('a permit after its artifact was revoked', async () => {
    const change: Change = all => {
      const revocation = all.find(is('revocation')) ?? expect.fail()
      const rest = all.filter(event => event !== revocation)
      return insertAfter(rest, opening(rest), [revocation])
    }
    expect(await decisions(change)).toMatchObject(FAILED('does not know the revocations in force'))
  })

  test('a START after its artifact was revoked, of an execution that ran', async () => {
    const found = await forged(all => {
      const revocation = all.find(is('revocation')) ?? expect.fail()
      const rest = all.filter(event => event !== revocation)
      return insertAfter(rest, rest.findIndex(isPermit), [revocation])
    })
    expect(found('starts after a lapse')).toMatchObject(FAILED('what it runs was revoked'))
  })

  test('a permit and a START after the gate went FAILED', async () => {
    const found = await forged(all => insertAfter(all, opening(all), [transition(all, 'ATTESTED', 'FAILED')]))
    expect(found('decisions evaluated again')).toMatchObject(FAILED('the gate was FAILED'))
    expect(found('starts after a lapse')).toMatchObject(FAILED('a START, and the gate was FAILED'))
  })

  test('a permit under a policy or trust roots that were replaced', async () => {
    for (const type of ['policy', 'trust-roots'] as const) {
      const found = await decisions(all => {
        const { blob } = all.find(is('reference-values')) ?? expect.fail()
        const document = all.find(is(type)) ?? expect.fail()
        return insertAfter(all, opening(all), [{ ...document, blob }])
      })
      expect(found).toMatchObject(FAILED(`\\(${type}\\) that the log had not put in force, or had replaced`))
    }
  })

  test('a decision for another host, at another time, by another caller', async () => {
    const host = await decisions(all =>
      rewrite(all, isDenial, ({ host }) => ({ host: { ...host, id: `000b${'0'.repeat(64)}` } })),
    )
    expect(host).toMatchObject(FAILED('another host'))
    const time = await decisions(all =>
      rewrite(all, isDenial, ({ clock }) => ({
        clock: { ...clock, now: new Date(Date.parse(clock.now) - 20_000).toISOString() },
      })),
    )
    expect(time).toMatchObject(FAILED('and recorded at'))
    const caller = await decisions(all =>
      all.map(event => (isPermit(event) ? { ...event, caller: { ...event.caller, gid: 4711 } } : event)),
    )
    expect(caller).toMatchObject(FAILED('differ in the caller'))
    const reason = await decisions(all =>
      all.map(event => (isDenial(event) ? { ...event, reasons: event.reasons.slice(1) } : event)),
    )
    expect(reason).toMatchObject(FAILED('differ in the reasons'))
  })

  test('a permit on evidence that is older than it says, or is none', async () => {
    const young = await decisions(all =>
      rewrite(all, isPermit, ({ gate }) => ({
        gate: { ...gate, ...younger(gate), appraisalIndex: String(all.findIndex(is('appraisal'))) },
      })),
    )
    expect(young).toMatchObject(FAILED('its evidence was at least'))
    const none = await decisions(all =>
      rewrite(all, isPermit, ({ gate }) => ({ gate: { ...gate, appraisalIndex: '0' } })),
    )
    expect(none).toMatchObject(FAILED('no good appraisal'))
  })

  test('a permit in another epoch, on another TPM, by another session key', async () => {
    const epoch = await decisions(all =>
      all.map(event => (is('trust-transition')(event) ? { ...event, epoch: 7 } : event)),
    )
    expect(epoch).toMatchObject(FAILED('in epoch 7'))
    const tier = await decisions(all =>
      all.map(event => (is('daemon-start')(event) ? { ...event, tier: 'unknown' } : event)),
    )
    expect(tier).toMatchObject(FAILED('another kind of TPM'))
    const key = operator.public.spki.toString('base64')
    const session = (all: LineageEvent[]): LineageEvent[] =>
      all.map(event => (is('daemon-start')(event) ? { ...event, sessionKeySpki: key } : event))
    expect(await decisions(session)).toMatchObject(FAILED('another session key'))
    expect(await transitions(session)).toMatchObject(FAILED('another session key'))
  })

  test('a permit under another configuration than the one in force', async () => {
    const configured =
      (section: string, value: object, changed: string) => (all: LineageEvent[], putBlob: PutBlob) =>
        withConfig(all, putBlob, config => ({ ...config, [section]: { ...config[section], ...value } }), [
          changed,
        ])
    const minting = configured('minting', { enabled: true }, 'minting.enabled')
    expect(await decisions(minting)).toMatchObject(FAILED('another configuration'))
    const age = configured(
      'attestation',
      { maxEvidenceAgeSeconds: 7000 },
      'attestation.max_evidence_age_seconds',
    )
    expect(await decisions(age)).toMatchObject(FAILED('another configuration'))
    // Told as it is, a change that no decision depends on is one.
    const level = await forged(configured('daemon', { logLevel: 'debug' }, 'daemon.log_level'))
    expect(level('decisions evaluated again')).toMatchObject({ status: 'VERIFIED' })
    expect(level('configurations in force')).toMatchObject({ status: 'VERIFIED' })
  })

  test('a change of the configuration that names other keys, or is of nothing', async () => {
    const named = await forged((all, putBlob) =>
      withConfig(all, putBlob, config => ({ ...config, minting: { enabled: true } }), ['daemon.log_level']),
    )
    expect(named('configurations in force')).toMatchObject(
      FAILED('changes minting.enabled, and says otherwise'),
    )
    const nothing = await forged((all, putBlob) =>
      withConfig(all, putBlob, config => config, ['daemon.log_level']),
    )
    expect(nothing('configurations in force')).toMatchObject(FAILED('changes nothing'))
    const other = await forged((all, putBlob) => withConfig(all, putBlob, () => ({}), []))
    expect(other('configurations in force')).toMatchObject(FAILED('does not say what decisions depend on'))
  })

  test('a permit that does not know of an unclean stop', async () => {
    const found = await decisions(all => {
      const recovery = { ...(all[0] as LineageEvent), v: 1 as const, type: 'recovery' as const, tail: 1 }
      const { v, type, time, bootNs, tail } = recovery
      return insertAfter(all, opening(all), [{ v, type, time, bootNs, tail }])
    })
    expect(found).toMatchObject(FAILED('unclean stop'))
    const silent = await transitions(all =>
      all.map(event => (is('daemon-start')(event) ? { ...event, clean: false } : event)),
    )
    // Documents are put in force before anything else that follows a start; the appraisal comes first of what counts.
    expect(silent).toMatchObject(FAILED('which tail is in doubt'))
  })

  test('a gate that opens on nothing, does not close, or jumps', async () => {
    const early = await transitions(all => {
      const first = all.findIndex(is('appraisal'))
      return insertAfter(all, first - 1, [transition(all, 'UNATTESTED', 'ATTESTED')])
    })
    expect(early).toMatchObject(FAILED('no appraisal of this run had passed'))
    const failing = await transitions(all =>
      all.map(event => (is('appraisal')(event) ? { ...event, verdict: 'fail' as const } : event)),
    )
    expect(failing).toMatchObject(FAILED('an appraisal failed, and the gate did not'))
    expect(await transitions(all => [...all, transition(all, 'STALE', 'ATTESTED')])).toMatchObject(
      FAILED('a transition from STALE, where the gate was ATTESTED'),
    )
    expect(await transitions(all => [...all, transition(all, 'ATTESTED', 'UNATTESTED')])).toMatchObject(
      FAILED('no way leads from ATTESTED to UNATTESTED'),
    )
  })

  test('FAILED that is left: by a clearance of this failure only, or by itself where that is accepted', async () => {
    const cleared =
      (fields: (failure: number) => Partial<ClearanceFields>): Change =>
      async (all, putBlob) => {
        const failure = all.length
        const clears = { kind: 'failure' as const, transition: failure }
        const envelope = signClearance(
          { version: 1, host: site.hostId, clears, ...fields(failure) },
          operator,
        )
        const { time, bootNs } = all.at(-1) ?? expect.fail()
        const digest = '0'.repeat(64)
        return [
          ...all,
          transition(all, 'ATTESTED', 'FAILED'),
          { v: 1, type: 'failure-cleared', time, bootNs, digest, blob: await putBlob(envelope) },
          transition(all, 'FAILED', 'UNATTESTED', 'FAILURE_CLEARED'),
        ]
      }
    expect((await transitions(cleared(() => ({})))).status).toBe('VERIFIED')
    expect(
      await transitions(cleared(failure => ({ clears: { kind: 'failure', transition: failure - 1 } }))),
    ).toMatchObject(FAILED('something else than the failure in force'))
    expect(await transitions(cleared(() => ({ host: `000b${'0'.repeat(64)}` })))).toMatchObject(
      FAILED('another host'),
    )
    const left =
      (code: string): Change =>
      all => [...all, transition(all, 'ATTESTED', 'FAILED'), transition(all, 'FAILED', 'UNATTESTED', code)]
    expect(await transitions(left('FAILURE_CLEARED'))).toMatchObject(FAILED('without a clearance'))
    expect((await forged(left('RECOVERED')))('recovery from failures')).toMatchObject(
      FAILED('left without an operator'),
    )
    expect((await forged(left('RECOVERED'), true))('recovery from failures')).toEqual(
      expect.objectContaining({
        status: 'VERIFIED',
        detail: expect.stringContaining('recovered by itself 1 times, as configured'),
      }),
    )
  })
})
