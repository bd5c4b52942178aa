import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CliError } from '../../cli/error.ts'
import { openBundle } from '../../cli/explain/bundle-source.ts'
import { explainRequest } from '../../cli/explain/explain.ts'
import { parseTarget } from '../../cli/explain/find.ts'
import { EXPLAINED, explainedJson } from '../../cli/explain/form.ts'
import { jsonText } from '../../cli/output.ts'
import { allVerified } from '../../cli/verify/property.ts'
import { readTrust } from '../../cli/verify/trust.ts'
import type { Site } from '../../demo/steps/serve.ts'
import type { LineageEvent } from '../../lineage/index.ts'
import { WRIT } from './cli.ts'
import { eventsOf } from './forge.ts'
import { misfits } from './json-form.ts'
import { at, IS_ROOT, issueOptions, NEEDS_ROOT, startSite } from './site.ts'

type Decision = Extract<LineageEvent, { type: 'decision' }>
/** Like the caller's uid of the demo: somebody who is no auditor. */
const SOMEBODY = 60_123
/** A terminal would turn red, go back in the line, and read from the right to the left. */
const HOSTILE = '\u001b[31mred\r\u009b2J\u202eevil'

describe.skipIf(!IS_ROOT)(`a request explained (${NEEDS_ROOT})`, () => {
  let site: Site
  let close: () => Promise<void>
  let writ: ReturnType<typeof at>
  let bundle: string
  let events: LineageEvent[]
  let key: string[]
  let counter = 0
  const executions: Record<string, string> = {}
  const scratch = (name: string) => join(site.workspace.directory, name)

  /** Signs an artifact for a command line. */
  async function issue(argv: readonly string[], more: readonly string[] = []): Promise<string> {
    const artifact = scratch(`artifact-${counter++}.json`)
    expect((await writ([...issueOptions(site, artifact, more), ...argv])).stderr).toBe('')
    return artifact
  }
  const run = (artifact: string, ...argv: string[]) => writ(['run', '--artifact', artifact, '--', ...argv])

  /** Starts something long and gives a promise of its end; `name` keeps its execution. */
  async function long(name: string): Promise<{ artifact: string; ended: Promise<unknown> }> {
    const argv = ['/usr/bin/sh', '-c', 'echo up; sleep 1000']
    const artifact = await issue(argv)
    const child = spawn(WRIT, ['run', '--artifact', artifact, '--', ...argv], {
      env: { PATH: process.env.PATH, WRIT_SOCKET: site.socket },
    })
    const ended = once(child, 'close')
    await once(child.stdout, 'data')
    const list = await writ(['lineage', 'tail', '--count', '40', '--json'])
    const starts = list.stdout.split('\n').filter(line => line.includes('"execution-start"'))
    executions[name] = JSON.parse(starts.at(-1) ?? '').event.executionId
    return { artifact, ended }
  }

  beforeAll(async () => {
    const started = await startSite()
    site = started.site
    close = () => started.workspace.close()
    writ = at(site)
    key = ['--operator-key', join(site.operator, 'operator.pub')]
    const once = await issue(['/usr/bin/true'], ['--uses', '1'])
    expect((await run(once, '/usr/bin/true')).status).toBe(0)
    expect((await run(once, '/usr/bin/true')).stderr).toContain('REPLAYED')
    expect((await run(once, '/usr/bin/true', HOSTILE)).stderr).toContain('SCOPE_EXCEEDED')
    expect((await writ(['run', '/usr/bin/true'])).stderr).toContain('ARTIFACT_MISSING')
    const networked = await issue(['/usr/bin/true'], ['--network', 'host'])
    expect((await run(networked, '/usr/bin/true')).stderr).toContain('POLICY_DENIED')
    const hardware = await issue(['/usr/bin/true'], ['--simulated', 'deny'])
    expect((await run(hardware, '/usr/bin/true')).stderr).toContain('ENVIRONMENT_MISMATCH')

    const revoked = await long('revoked')
    await writ(['revoke', '--artifact', revoked.artifact, '--key', join(site.operator, 'operator.key')])
    await revoked.ended
    expect((await run(revoked.artifact, '/usr/bin/sh', '-c', 'echo up; sleep 1000')).stderr).toContain(
      'REVOKED',
    )

    const tampered = await long('tampered')
    const tpm = site.tpm.connect()
    await tpm.pcrExtend(14, [
      { bank: 'sha1', digest: Buffer.alloc(20, 0x66) },
      { bank: 'sha256', digest: Buffer.alloc(32, 0x66) },
    ])
    await tpm.close()
    await tampered.ended
    expect((await run(once, '/usr/bin/true')).stderr).toContain('ATTESTATION_FAILED')
    bundle = scratch('bundle')
    expect((await writ(['lineage', 'export', bundle, '--state-dir', site.stateDirectory])).stderr).toBe('')
    events = await eventsOf(bundle)
  }, 240_000)
  afterAll(() => close?.(), 60_000)

  /** Position of the first decision that fits. */
  const decision = (fits: (event: Decision) => boolean): string => {
    const index = events.findIndex(event => event.type === 'decision' && fits(event))
    return index === -1 ? expect.fail('no such decision') : String(index)
  }
  const denied = (code: string) => decision(event => event.reasons.some(reason => reason.code === code))
  const permit = () => decision(({ outcome }) => outcome === 'permit')

  /** What is said of a request, with a key, as JSON: by the bundle, and by the daemon, which have to say the same. */
  async function explained(target: string) {
    const live = await writ(['explain', target, '--json', ...key])
    expect({ status: live.status, stderr: live.stderr }).toEqual({ status: 0, stderr: '' })
    const trust = await readTrust({ operatorKey: [key[1] ?? ''] })
    const offline = await explainRequest(await openBundle(bundle, trust), parseTarget(target), trust)
    expect(allVerified(offline.properties)).toBe(true)
    const a = JSON.parse(jsonText(explainedJson(offline, false)))
    expect(misfits(EXPLAINED, a)).toEqual([])
    const b = JSON.parse(live.stdout)
    const same = ['sentence', 'reasons', 'checks', 'policy', 'evidence', 'end', 'authorization', 'request']
    for (const field of same) expect(b[field], field).toEqual(a[field])
    return a
  }
  const check = (found: { checks: { check: string; outcome: string }[] }, name: string) =>
    found.checks.find(item => item.check === name) ?? expect.fail(name)
  const outcomes = (found: { checks: { stage: string; outcome: string }[] }, stage: string) => [
    ...new Set(found.checks.filter(item => item.stage === stage).map(item => item.outcome)),
  ]

  test('a permit with its execution: every check, the policy, the evidence, the proofs', async () => {
    const found = await explained(permit())
    expect(found).toMatchObject({ outcome: 'permit', failed: false, reasons: [] })
    expect(found.sentence).toMatch(
      /^Permitted: release's artifact [0-9a-f]{12}… lets uid 0 run \/usr\/bin\/true once until \S+Z, policy run-what-release-signed permits it, and the host was attested [0-9.]+ m?s before\. It exited with status 0 [0-9.]+ m?s after its start\.$/,
    )
    for (const stage of ['artifact', 'subjects', 'integrity', 'policy', 'use']) {
      expect(outcomes(found, stage), stage).not.toContain('failed')
      expect(outcomes(found, stage), stage).not.toContain('not reached')
    }
    expect(check(found, 'uses')).toMatchObject({ found: 'used 0 times', wanted: 'less than 1' })
    expect(found.policy).toMatchObject({
      outcome: 'allow',
      determining: [{ id: 'run-what-release-signed', text: expect.stringContaining('permit (') }],
    })
    expect(found.evidence).toMatchObject({
      ...{ state: 'ATTESTED', verdict: 'pass', tier: 'simulated TPM' },
      referenceValues: site.referenceDigest,
    })
    expect(found.end).toMatchObject({ cause: 'EXITED', exitCode: 0, confirmedDead: true })
    const types = found.entries.map((entry: { type: string }) => entry.type)
    expect(types).toEqual(['appraisal', 'decision', 'execution-start', 'execution-end'])
    for (const { inclusion, hashes } of found.entries) {
      expect(inclusion).toBe('VERIFIED')
      expect(hashes.length).toBeGreaterThan(3)
    }
    expect(found.properties.filter((p: { status: string }) => p.status === 'FAILED')).toEqual([])
    const names = (status: string) =>
      found.properties
        .filter((p: { status: string }) => p.status === status)
        .map((p: { property: string }) => p.property)
    expect(names('NOT CHECKED')).toEqual([
      'host that was asked for',
      'EK certificate chain',
      'consistency with earlier checkpoints',
    ])
    expect(names('VERIFIED')).toEqual(
      expect.arrayContaining([
        'TPM signature of the checkpoint',
        'Merkle root',
        'inclusion of its entries',
        'decision evaluated again',
        'documents signed by the operator',
        'grounds of the decision',
        'quote of the evidence',
      ]),
    )
    // By its execution it is the same request.
    const byId = await explained(found.executionId)
    expect(byId.decision).toBe(Number(permit()))
  })

  test.each([
    ['ARTIFACT_MISSING', 'artifact', 'envelope', /^Denied: the request has no artifact/],
    ['SCOPE_EXCEEDED', 'subjects', 'scope.argv', /^Denied: 2 arguments, 1 are signed/],
    ['ENVIRONMENT_MISMATCH', 'integrity', 'tpm', /^Denied: the TPM is simulated/],
    [
      'ATTESTATION_FAILED',
      'integrity',
      'gate',
      /^Denied: the host failed its appraisal: QUOTE_PCR_DIGEST_MISMATCH/,
    ],
    ['POLICY_DENIED', 'policy', 'policy', /^Denied: forbidden by no-network/],
    [
      'REPLAYED',
      'use',
      'uses',
      /^Denied: its one use was consumed by decision \d+ \(execution [0-9a-f]{32}\)\.$/,
    ],
    [
      'REVOKED',
      'use',
      'revocations',
      /^Denied: the artifact [0-9a-f]{64} is revoked \(entry \d+, epoch 1\)\.$/,
    ],
  ])('a denial: %s', async (code, stage, name, sentence) => {
    const found = await explained(denied(code))
    expect(found.outcome).toBe('deny')
    expect(found.sentence).toMatch(sentence)
    expect(check(found, name)).toMatchObject({ stage, outcome: 'failed', reasons: [{ code }] })
    const stages = ['artifact', 'subjects', 'integrity', 'policy', 'use']
    for (const later of stages.slice(stages.indexOf(stage) + 1)) {
      expect(outcomes(found, later), later).toEqual(['not reached'])
    }
    expect(found.checks.flatMap((item: { reasons: unknown[] }) => item.reasons)).toEqual(found.reasons)
    expect(found.end).toBeNull()
    if (code === 'REPLAYED')
      expect(found.entries).toContainEqual(
        expect.objectContaining({ index: Number(permit()), type: 'decision', inclusion: 'VERIFIED' }),
      )
    if (code === 'POLICY_DENIED') {
      expect(found.policy.determining).toMatchObject([
        { id: 'no-network', text: expect.stringContaining('forbid') },
      ])
    }
    if (code === 'ATTESTATION_FAILED') expect(found.evidence).toMatchObject({ state: 'FAILED', entry: null })
  })

  test('an execution that a revocation ended', async () => {
    const found = await explained(executions.revoked ?? '')
    expect(found.sentence).toMatch(
      /It ended [0-9.]+ m?s after its start because the artifact [0-9a-f]{64} was revoked\.$/,
    )
    const types = found.entries.map((entry: { type: string }) => entry.type)
    expect(types.slice(0, 3)).toEqual(['appraisal', 'decision', 'execution-start'])
    // A kill waits for no entry: that of the revocation may come before it, after it, or after the end.
    expect(types.slice(3).filter((type: string) => type !== 'revocation')).toEqual([
      'kill-sent',
      'execution-end',
    ])
    expect(types.slice(3)).toContain('revocation')
    expect(found.end).toMatchObject({ cause: 'REVOKED' })
  })

  test('an execution that a failed appraisal ended', async () => {
    const found = await explained(executions.tampered ?? '')
    expect(found.sentence).toMatch(/It ended [0-9.]+ m?s after its start because an appraisal failed: .*PCR/)
    const types = found.entries.map((entry: { type: string }) => entry.type)
    expect(types).toContain('trust-transition')
    expect(types.filter((type: string) => type === 'appraisal')).toHaveLength(2)
  })

  test('for a person: one line of why, then the parts, and nothing that a terminal would act upon', async () => {
    const { stdout, status } = await writ(['explain', denied('SCOPE_EXCEEDED'), '--bundle', bundle])
    expect(status).toBe(0)
    for (const part of [
      'Checks: artifact',
      'Checks: use',
      'Policies',
      'Evidence',
      'Entries',
      'Verification',
    ]) {
      expect(stdout, part).toContain(part)
    }
    expect(stdout).toMatch(
      /✗ scope\.argv .*wanted: \["\/usr\/bin\/true"\]\n +SCOPE_EXCEEDED: 2 arguments, 1 are signed/,
    )
    expect(stdout).toContain('\\u001b[31mred')
    expect(stdout).toContain('\\u202eevil')
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what a terminal would act upon.
    expect(stdout).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e]/)
  })

  test('without a key nothing vouches for it, and it says so', async () => {
    for (const where of [[], ['--bundle', bundle]]) {
      const { status, stdout } = await writ(['explain', permit(), ...where])
      expect(status).toBe(0)
      expect(stdout).toMatch(/NOT CHECKED +TPM signature of the checkpoint/)
      expect(stdout).toMatch(/NOT CHECKED +documents signed by the operator/)
      expect(stdout).toMatch(/NOT CHECKED +grounds of the decision/)
    }
    const stranger = ['--operator-key', join(site.operator, 'stranger.pub')]
    for (const where of [[], ['--bundle', bundle]]) {
      const { status, stdout } = await writ(['explain', permit(), ...where, ...stranger])
      expect(status).toBe(1)
      expect(stdout).toMatch(/FAILED +decision evaluated again: .*no governance key signed/)
    }
  })

  test('a checkpoint that was seen before, of this log and of another', async () => {
    const seen = ['--earlier', join(bundle, 'lineage/checkpoint')]
    const { status, stdout } = await writ(['explain', permit(), ...seen])
    expect({ status, stdout }).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(/VERIFIED +consistency with earlier checkpoints/),
    })
    const note = readFileSync(join(bundle, 'lineage/checkpoint'), 'utf8').split('\n')
    note[2] = Buffer.alloc(32, 7).toString('base64')
    writeFileSync(scratch('forked'), note.join('\n'))
    const forked = await writ(['explain', permit(), '--earlier', scratch('forked')])
    expect(forked.status).toBe(1)
    expect(forked.stdout).toMatch(/FAILED +consistency with earlier checkpoints/)
  })

  test('ids that are none, and those that nobody knows', async () => {
    for (const where of [[], ['--bundle', bundle]]) {
      for (const target of ['0'.repeat(32), '4711']) {
        const { status, stderr } = await writ(['explain', target, ...where])
        expect({ target, status }).toEqual({ target, status: 2 })
        expect(stderr).toContain('writ lineage tree')
      }
      const other = String(events.findIndex(event => event.type === 'execution-end'))
      const { status, stderr } = await writ(['explain', other, ...where])
      expect(status).toBe(2)
      expect(stderr).toMatch(/is no decision, it is of type execution-end\n.*writ explain [0-9a-f]{32}/)
    }
    expect(await writ(['explain', 'x'])).toMatchObject({
      ...{ status: 2, stdout: '' },
      stderr: expect.stringMatching(/32 hexadecimal digits .*, not "x"\n.*writ lineage tree/),
    })
    for (const text of ['', '12ab', '0'.repeat(31), 'F'.repeat(32), '-1', '1'.repeat(16), '1.0', ' 1']) {
      expect(() => parseTarget(text), text).toThrow(CliError)
    }
    expect((await writ(['explain', '1', '--bundle', scratch('none')])).status).toBe(2)
    expect((await writ(['explain'])).status).toBe(2)
  })

  /** `writ` as somebody who is no auditor. */
  async function asSomebody(...args: string[]) {
    const child = spawn(WRIT, args, {
      env: { PATH: process.env.PATH, WRIT_SOCKET: site.socket },
      uid: SOMEBODY,
      gid: SOMEBODY,
    })
    let stdout = ''
    let stderr = ''
    child.stdout.on('data', chunk => (stdout += chunk))
    child.stderr.on('data', chunk => (stderr += chunk))
    const [status] = await once(child, 'close')
    return { status, stdout, stderr }
  }

  test('to a caller that is no auditor: its own request, what is missing, and nobody else’s', async () => {
    expect((await asSomebody('run', '/usr/bin/true')).stderr).toContain('ARTIFACT_MISSING')
    const own = (await eventsOfDaemon()).findLastIndex(event => event.type === 'decision')
    const { status, stdout, stderr } = await asSomebody('explain', String(own))
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect(stdout).toMatch(/^Denied: the request has no artifact/)
    expect(stdout).toMatch(
      /NOT CHECKED +decision evaluated again: the daemon shows documents and evidence to auditors only/,
    )
    expect(stdout).toMatch(/ARTIFACT_MISSING/)
    expect(stdout).not.toMatch(/^ +FAILED/m)
    const other = await asSomebody('explain', permit())
    expect({ status: other.status, stdout: other.stdout }).toEqual({ status: 2, stdout: '' })
    expect((await asSomebody('explain', executions.revoked ?? '')).status).toBe(2)
  })

  async function eventsOfDaemon(): Promise<LineageEvent[]> {
    const { stdout } = await writ(['lineage', 'tail', '--from', '0', '--json'])
    return stdout
      .trim()
      .split('\n')
      .map(line => JSON.parse(line).event)
  }
})
