import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decideAfterOpen, Reevaluator, RevocationSet, UseTable } from '../../authorization/index.ts'
import { sha256Hex } from '../../encoding/digest.ts'
import { parseEnvelope } from '../../signing/dsse.ts'
import * as world from './scenario.ts'

type Fields = Partial<world.TestInput>

/** One artifact for all runs: issuing draws keys and signatures. */
const artifact = world.artifact()
const payload = sha256Hex(parseEnvelope(artifact).payload)
const spent = () => {
  const uses = new UseTable()
  uses.apply({ payload, issuer: 'release', id: 'job-1' }, '2027-01-01T00:00:00.000Z')
  return uses
}

/** Each of these alone turns the permit into a denial. */
const FAULTS: readonly ((fields: Fields) => Fields)[] = [
  it => ({ ...it, artifact: null }),
  it => ({ ...it, caller: null }),
  it => ({ ...it, caller: world.caller({ uid: 7 }) }),
  it => ({ ...it, host: { id: world.OTHER_HOST, enforces: { controllers: [], devices: [] } } }),
  it => ({ ...it, clock: { now: '2026-12-01T00:00:00.000Z', trusted: true } }),
  it => ({ ...it, clock: { now: it.clock?.now ?? world.NOW, trusted: false } }),
  it => ({ ...it, trustRoots: null }),
  it => ({ ...it, policy: null }),
  it => ({ ...it, lineage: 'broken' }),
  it => ({ ...it, gate: { ...(it.gate ?? world.attested), state: 'STALE' } }),
  it => ({ ...it, gate: { ...(it.gate ?? world.attested), evidenceAgeMs: 31_000 } }),
  it => ({ ...it, gate: { ...(it.gate ?? world.attested), referenceValuesDigest: null } }),
  it => ({ ...it, request: { ...(it.request ?? world.request()), argv: ['x'] } }),
  it => ({ ...it, request: { ...(it.request ?? world.request()), program: '/bin/sh' } }),
  it => ({ ...it, request: { ...(it.request ?? world.request()), devices: ['tpu'] } }),
  it => ({ ...it, uses: spent() }),
  it => ({ ...it, revocations: world.revoked({ kind: 'key', id: world.alice.public.id }) }),
  it => ({ ...it, fault: { code: 'INTERNAL', message: 'x' } }),
]
/** None of these matters to the outcome. */
const HARMLESS: readonly ((fields: Fields) => Fields)[] = [
  it => ({ ...it, gate: { ...(it.gate ?? world.attested), epoch: 99, appraisalIndex: '123' } }),
  it => ({ ...it, gate: { ...(it.gate ?? world.attested), tier: 'hardware' } }),
  it => ({ ...it, request: { ...(it.request ?? world.request()), executionId: 'd'.repeat(32) } }),
  it => ({
    ...it,
    revocations: it.revocations ?? world.revoked({ kind: 'artifact', digest: '0'.repeat(64) }),
  }),
]

const blobs = new Map<string, Buffer>()
const auditor = new Reevaluator(
  digest => {
    const found = blobs.get(digest)
    if (found === undefined) throw new Error('no such blob')
    return found
  },
  { governance: [world.governance.public] },
)
function decide(fields: Fields) {
  const input = world.input({ artifact, ...fields })
  const kept = [
    input.artifact,
    input.trustRoots?.envelope,
    input.policy?.envelope,
    input.revocations.manifest,
  ]
  for (const bytes of kept) if (bytes) blobs.set(sha256Hex(bytes), Buffer.from(bytes))
  return decideAfterOpen(input, world.observed())
}

describe('decisions', () => {
  it('are denials as soon as one thing is wrong, whatever else changes, and are made again to the same bytes', async () => {
    const changes = fc.tuple(fc.subarray([...FAULTS.keys()]), fc.subarray([...HARMLESS.keys()]))
    await fc.assert(
      fc.asyncProperty(changes, async ([faults, harmless]) => {
        let fields: Fields = {}
        for (const i of faults) fields = FAULTS[i]?.(fields) ?? fields
        for (const i of harmless) fields = HARMLESS[i]?.(fields) ?? fields
        const decision = decide(fields)
        expect(decision.outcome).toBe(faults.length === 0 ? 'permit' : 'deny')
        expect(decide(fields).record.equals(decision.record)).toBe(true)
        if (fields.revocations === undefined || fields.revocations === RevocationSet.empty) {
          expect((await auditor.reevaluate(decision.record)).same).toBe(true)
        }
      }),
      { numRuns: 60 },
    )
  })

  it('permit no artifact with another payload than the one that was signed', () => {
    const position = fc.integer({ min: 0, max: artifact.length - 1 })
    fc.assert(
      fc.property(position, fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const bytes = Buffer.from(artifact)
        bytes[at] = (bytes[at] ?? 0) ^ flip
        const decision = decideAfterOpen(world.input({ artifact: bytes }), world.observed())
        // A changed keyid, or other white space, leaves the signed bytes as they are.
        if (decision.outcome === 'permit') expect(decision.artifactDigest).toBe(payload)
      }),
      { numRuns: 150 },
    )
  })

  it('neither throw nor permit on artifacts that are anything at all', () => {
    const anything = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc.json().map(text => Buffer.from(text)),
    )
    fc.assert(
      fc.property(anything, bytes => {
        expect(decideAfterOpen(world.input({ artifact: bytes }), world.observed()).outcome).toBe('deny')
      }),
      { numRuns: 200 },
    )
  })

  it('neither throw nor permit on requests that are anything at all', () => {
    fc.assert(
      fc.property(fc.constantFrom(...Object.keys(world.request())), fc.anything(), (field, value) => {
        const request = { ...world.request(), [field]: value }
        const decision = decideAfterOpen(world.input({ request }), world.observed())
        expect(['permit', 'deny']).toContain(decision.outcome)
        if (decision.outcome === 'permit') expect(decision.terms?.argv).toEqual(world.request().argv)
      }),
      { numRuns: 200 },
    )
  })
})
