import { describe, expect, it } from 'vitest'
import {
  decideAfterOpen,
  mintArtifact,
  type ObservedSubject,
  parseStatement,
} from '../../authorization/index.ts'
import { parseEnvelope } from '../../signing/dsse.ts'
import * as world from './scenario.ts'
import { codes } from './scenario.ts'

const minting = { enabled: true, sessionKeySpki: world.spki(world.session) }
const asked = (fields: Partial<world.TestInput> = {}) =>
  world.input({
    artifact: null,
    minting,
    request: world.request({
      operation: 'authorize',
      env: [{ name: 'LANG', value: 'C' }],
      files: [world.MODEL],
    }),
    ...fields,
  })
const mint = (input = asked(), key = world.session) =>
  mintArtifact(input, decideAfterOpen(input, world.observed()), key)
const use = (
  artifact: Buffer,
  fields: Partial<world.TestInput> = {},
  seen: ObservedSubject[] = world.observed(),
) => decideAfterOpen(world.input({ artifact, minting, ...fields }), seen)
/** An artifact as the daemon would mint it, with something else in it. */
const forged = (change: Parameters<typeof world.artifact>[0], key = world.session) =>
  world.artifact(
    it => {
      it.issuer = `host:${world.HOST}`
      it.validity.notAfter = '2026-11-21T02:00:26.000Z'
      change?.(it)
    },
    [key],
  )

describe('a minted artifact', () => {
  it('permits what was asked for, until the evidence ends', () => {
    const artifact = mint()
    const { predicate } = parseStatement(parseEnvelope(artifact).payload)
    expect(predicate.validity).toEqual({
      notBefore: world.NOW,
      notAfter: '2026-11-21T02:00:25.900Z',
      maxUses: 1,
    })
    expect(predicate.audience.hosts).toEqual([world.HOST])
    expect(use(artifact).reasons).toEqual([])
  })

  it('is no less good when the same end of the evidence, rounded again, reads a little earlier', () => {
    const { deadlineInMs } = world.attested
    const gate = { ...world.attested, deadlineInMs: (deadlineInMs ?? 0) - 2 }
    expect(use(mint(), { gate }).reasons).toEqual([])
  })

  it('permits nothing else', () => {
    const artifact = mint()
    expect(codes(use(artifact, { caller: world.caller({ uid: 1001 }) }))).toEqual(['INITIATOR_MISMATCH'])
    expect(codes(use(artifact, { request: world.request({ argv: [world.PROGRAM] }) }))).toEqual([
      'SCOPE_EXCEEDED',
    ])
    expect(codes(use(artifact, {}, world.observed().slice(1)))).toEqual(['SUBJECT_MISMATCH'])
    expect(codes(use(artifact, { clock: { now: '2026-11-21T02:00:26.000Z', trusted: true } }))).toContain(
      'ARTIFACT_EXPIRED',
    )
    expect(
      codes(use(artifact, { host: { id: world.OTHER_HOST, enforces: { controllers: [], devices: [] } } })),
    ).toContain('SIGNER_UNTRUSTED')
  })

  it('is worth nothing where nothing is minted, or under another session key', () => {
    const artifact = mint()
    expect(codes(use(artifact, { minting: { ...minting, enabled: false } }))).toEqual(['SIGNER_UNTRUSTED'])
    const other = { enabled: true, sessionKeySpki: world.spki(world.mallory) }
    expect(codes(use(artifact, { minting: other }))).toEqual(['SIGNER_UNTRUSTED'])
    expect(use(forged(() => {}, world.mallory)).outcome).toBe('deny')
    expect(codes(use(forged(() => {}, world.alice)))).toEqual(['SIGNER_UNTRUSTED'])
  })

  it('is single-use, for this host, and does not outlive the evidence', () => {
    expect(use(forged(() => {})).reasons).toEqual([])
    expect(codes(use(forged(it => (it.validity.maxUses = 2))))).toEqual(['ARTIFACT_MALFORMED'])
    expect(codes(use(forged(it => (it.audience.hosts = 'any'))))).toEqual(['AUDIENCE_MISMATCH'])
    expect(codes(use(forged(it => (it.validity.notAfter = '2026-11-21T02:00:26.001Z'))))).toEqual([
      'ATTESTATION_STALE',
    ])
  })

  it("cannot be signed by the session key for an authority's name", () => {
    expect(codes(use(world.artifact(undefined, [world.session])))).toEqual(['SIGNER_UNTRUSTED'])
  })
})

describe('minting', () => {
  it('is decided by the gate and by policy', () => {
    const closed = { ...world.attested, state: 'STALE' as const, deadlineInMs: null }
    expect(codes(decideAfterOpen(asked({ gate: closed }), world.observed()))).toEqual(['ATTESTATION_STALE'])
    const executeOnly = world.policy({
      policies: { p: 'permit(principal, action == Writ::Action::"Execute", resource);' },
    })
    expect(codes(decideAfterOpen(asked({ policy: executeOnly }), world.observed()))).toEqual([
      'POLICY_DENIED',
    ])
  })

  it('asks for the least where the request says nothing', () => {
    const { terms } = decideAfterOpen(asked(), world.observed())
    expect(terms).toMatchObject({
      user: 'own',
      sandbox: { network: 'none', seccomp: 'default', writable: [] },
      devices: [],
      children: 'none',
      onLapse: 'kill',
    })
  })

  it('refuses root, what loads other code, and children', () => {
    const request = world.request({
      operation: 'authorize',
      user: { uid: 0, gid: 0, groups: [] },
      env: [{ name: 'LD_PRELOAD', value: 'x' }],
      children: true,
    })
    const decision = decideAfterOpen(asked({ request }), world.observed())
    expect(decision.reasons.map(({ at }) => at)).toEqual(['request.user', 'request.env', 'request.children'])
  })

  it('needs a permit to mint, and the key that the decision was made under', () => {
    expect(() => mint(asked({ lineage: 'broken' }))).toThrow('no permit')
    expect(() => mint(asked(), world.mallory)).toThrow('no permit')
    const execute = world.input({ minting })
    expect(() => mintArtifact(execute, decideAfterOpen(execute, world.observed()), world.session)).toThrow(
      'no permit',
    )
  })

  it('consumes nothing', () => {
    expect(decideAfterOpen(asked(), world.observed()).use).toBeNull()
  })
})
