import { spawnSync } from 'node:child_process'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseStatement, REASON_CODES, type ReasonCode } from '../../authorization/index.ts'
import { canonicalJsonBytes, type JsonValue } from '../../encoding/json.ts'
import { WritClient } from '../../proto/client.ts'
import { parseEnvelope, signEnvelope } from '../../signing/dsse.ts'
import { generateKey, readPrivateKey } from '../../signing/key.ts'
import { ofType, readLineage } from './audit.ts'
import {
  type Draft,
  ELSEWHERE,
  expected,
  FAULTS,
  type Fault,
  neverBoth,
  POLICIES,
  WORLDS,
} from './denial-faults.ts'
import { GovernedHost, NEEDS_ROOT } from './governed-host.ts'
import { RemoteCaller } from './remote-caller.ts'

const CODES = Object.keys(FAULTS) as Fault[]
/** Each uid has as many denials at once with a record of their own (daemon/decision-log.ts); what is beyond is only counted. */
const DENIALS_PER_UID = 45
const DAY_MS = 86_400_000

describe.skipIf(NEEDS_ROOT !== null)(
  'every denial, alone and with each other, from the socket (needs root)',
  () => {
    let host: GovernedHost
    let root: WritClient
    let callers: RemoteCaller[] = []
    const templates = new Map<Draft['program'], ReturnType<typeof parseStatement>>()
    let denials = 0
    let ids = 0
    const offset = () => host.path('offset')
    const environment = () => ({ LD_PRELOAD: host.path('clock.so'), WRIT_TEST_CLOCK: offset() })

    beforeAll(async () => {
      host = await GovernedHost.start({
        // Nothing is appraised again while the matrix runs: the evidence is as old for each request.
        config: {
          attestation: 'cycle_seconds = 300\nmax_evidence_age_seconds = 900',
          execution: 'max_executions = 1',
        },
        beforeStart: async made => {
          const operator = ['--key', made.path('operator.key')]
          for (const file of ['trust.json', 'policy.json']) rmSync(made.path(file))
          await made.ok('key', 'new', made.path('second'))
          const authority = made.path('authority.pub')
          await made.ok(
            ...['key', 'trust', 'sign', '--version', '1', '--authority', `release=${authority}`],
            ...['--authority', `board:2=${authority},${made.path('second.pub')}`],
            ...[...operator, '--out', made.path('trust.json')],
          )
          for (const [file, policy] of Object.entries(POLICIES))
            writeFileSync(made.path(`policies/${file}`), `${policy}\n`)
          await made.ok(
            ...['policy', 'sign', made.path('policies'), '--version', '1', '--valid', 'any'],
            ...[...operator, '--out', made.path('policy.json')],
          )
        },
      })
      const shim = join(import.meta.dirname, 'bad-input/clock.c')
      const built = spawnSync('cc', ['-shared', '-fPIC', '-O1', '-o', host.path('clock.so'), shim], {
        encoding: 'utf8',
      })
      expect(built.stderr).toBe('')
      writeFileSync(offset(), '0')
      await host.stopDaemon()
      await host.startDaemon(environment())
      await host.attested()
      for (const program of ['/bin/true', '/bin/false'] as const) {
        const path = await host.issue(program.slice(5), [program], ['--any-arguments'])
        templates.set(program, parseStatement(parseEnvelope(readFileSync(path)).payload))
      }
      root = new WritClient(host.socket)
      callers = Array.from({ length: 8 }, (_, i) => new RemoteCaller(host.socket, 65_301 + i))
      await host.ok('revoke', '--program', '/bin/false', '--key', host.path('operator.key'))
      // Older than a second, which is what ATTESTATION_STALE takes.
      await new Promise(resolve => setTimeout(resolve, 1100))
    }, 120_000)
    afterAll(async () => {
      for (const caller of callers) caller.close()
      root?.close()
      await host?.close()
    })

    function disconnect(): void {
      for (const caller of callers) caller.close()
      root?.close()
    }

    /** Anew, where the daemon is another one. */
    function connect(): void {
      root = new WritClient(host.socket)
      callers = Array.from({ length: 8 }, (_, i) => new RemoteCaller(host.socket, 65_301 + i))
    }

    function draft(faults: readonly Fault[]): Draft {
      const made: Draft = {
        ...{
          predicate: template('/bin/true').predicate,
          subject: [],
          unknownField: false,
          signer: 'authority',
        },
        ...{ brokenSignature: false, sent: true, program: '/bin/true', argv: [], cwd: '/' },
      }
      // What it runs is decided first: the subjects are those of that program.
      const program = faults.includes('REVOKED') ? '/bin/false' : '/bin/true'
      const { subject, predicate } = structuredClone(template(program))
      Object.assign(made, { subject, predicate, program, argv: [program] })
      ids += 1
      predicate.id = `denial-${ids}`
      const day = (ms: number) => new Date(Date.now() + ms).toISOString()
      predicate.validity = { notBefore: day(-DAY_MS), notAfter: day(DAY_MS), maxUses: 1 }
      predicate.scope.cwd = '/'
      for (const fault of faults) FAULTS[fault](made)
      return made
    }

    function template(program: Draft['program']) {
      const found = templates.get(program)
      if (found === undefined) throw new Error(`no template of ${program}`)
      return found
    }

    const stranger = generateKey('ed25519')
    function sign({ predicate, subject, unknownField, signer, brokenSignature, sent }: Draft): Buffer {
      if (!sent) return Buffer.alloc(0)
      const authority = readPrivateKey(readFileSync(host.path('authority.key'), 'utf8'))
      const statement = {
        ...{
          _type: 'https://in-toto.io/Statement/v1',
          predicateType: 'https://writ.dev/authorization/v1',
          subject,
        },
        predicate: unknownField ? { ...predicate, unknown: 1 } : predicate,
      }
      const payload = canonicalJsonBytes(statement as unknown as JsonValue)
      const key = signer === 'authority' ? authority : stranger
      const envelope = signEnvelope('application/vnd.in-toto+json', payload, [key])
      if (!brokenSignature) return envelope
      const read = JSON.parse(envelope.toString()) as { signatures: { keyid: string; sig: string }[] }
      for (const item of read.signatures) Object.assign(item, { keyid: authority.public.id, sig: 'AAAA' })
      return Buffer.from(JSON.stringify(read))
    }

    /** Asks for it, and gives the reasons of the denial; none if it ran. */
    async function ask(made: Draft, artifact = sign(made)): Promise<string[]> {
      const caller = callers[Math.floor(denials / DENIALS_PER_UID) % callers.length]
      const { program, argv, cwd } = made
      const { error } = (await caller?.execute(artifact, { program, argv, cwd })) ?? {}
      if (error === undefined) return []
      denials += 1
      if (error.reasons.length === 0) throw new Error(`${error.code} ${error.status}: ${error.message}`)
      return error.reasons
    }

    /** Tries each of these lists of faults, and says what came out otherwise than it has to. */
    async function surprises(
      lists: readonly (readonly Fault[])[],
      ...worlds: ReasonCode[]
    ): Promise<string[]> {
      const out: string[] = []
      for (const faults of lists) {
        const all = [...worlds, ...faults]
        const wanted = expected(all).join()
        const found = (await ask(draft(faults))).join()
        if (found !== wanted)
          out.push(`${all.join(' + ') || 'nothing wrong'}: ${found || 'permitted'}, not ${wanted}`)
      }
      return out
    }

    const alone = (...worlds: ReasonCode[]): Fault[][] => [
      [],
      ...CODES.filter(code => worlds.every(world => neverBoth(world, code) === null)).map(code => [code]),
    ]

    test('every code has a way to be brought about, or a place where it is', () => {
      const known = new Set<string>([...CODES, ...WORLDS, ...Object.keys(ELSEWHERE)])
      expect(REASON_CODES.filter(code => !known.has(code))).toEqual([])
    })

    test('nothing wrong: permitted, and the id is taken', async () => {
      const made = draft([])
      made.predicate.id = 'taken'
      expect(await ask(made)).toEqual([])
    })

    test('each fault of a request alone', async () => {
      expect(await surprises(alone())).toEqual([])
    }, 60_000)

    test('each two of them', async () => {
      const pairs = CODES.flatMap((a, i) =>
        CODES.slice(i + 1).flatMap(b => (neverBoth(a, b) === null ? [[a, b] as const] : [])),
      )
      expect(pairs.length).toBeGreaterThan(130)
      expect(await surprises(pairs)).toEqual([])
    }, 60_000)

    test('a denial consumes nothing: what was denied is permitted once, and once only', async () => {
      for (const fault of ['SCOPE_EXCEEDED', 'POLICY_DENIED', 'POLICY_ERROR'] as const) {
        const good = draft([])
        const artifact = sign(good)
        const { cwd, argv } = draft([fault])
        const bad = { ...good, cwd, argv }
        expect([await ask(bad, artifact), await ask(bad, artifact)]).toEqual([[fault], [fault]])
        expect([await ask(good, artifact), await ask(good, artifact)]).toEqual([[], ['REPLAYED']])
      }
    }, 60_000)

    test('on a host with no room for one more', async () => {
      const sleep = await host.issue('sleep', ['/bin/sleep', '60'])
      const running = host.spawnWrit(['run', '--artifact', sleep, '--', '/bin/sleep', '60'])
      await expect.poll(async () => (await host.status()).executions, { timeout: 20_000 }).toBe(1)
      expect(await surprises(alone('CAPACITY'), 'CAPACITY')).toEqual([])
      running.kill('SIGTERM')
      await new Promise(resolve => running.once('close', resolve))
      await expect.poll(async () => (await host.status()).executions, { timeout: 20_000 }).toBe(0)
    }, 90_000)

    test('on a host that failed its appraisal, and then with a wall clock that was set back', async () => {
      disconnect()
      await host.stopDaemon()
      const tpm = host.tpm.connect()
      await tpm.pcrExtend(4, [
        { bank: 'sha1', digest: Buffer.alloc(20, 1) },
        { bank: 'sha256', digest: Buffer.alloc(32, 1) },
      ])
      await tpm.close()
      await host.startDaemon(environment())
      await host.until('FAILED', 30_000)
      connect()
      expect(await surprises(alone('ATTESTATION_FAILED'), 'ATTESTATION_FAILED')).toEqual([])
      writeFileSync(offset(), '-3600')
      const both = ['ATTESTATION_FAILED', 'CLOCK_UNTRUSTED'] as const
      expect(await surprises(alone(...both), ...both)).toEqual([])
    }, 90_000)

    test('each of these denials leads to the same bytes again', async () => {
      const entries = ofType(await readLineage(root), 'decision').filter(
        ({ event }) => event.outcome === 'deny',
      )
      expect(entries.length).toBeGreaterThan(150)
      await host.ok('lineage', 'export', host.path('bundle'), '--state-dir', host.path('state'))
      // It is about the decisions alone: nobody has certified this host, and who signed is not asked.
      await host.ok('replay', host.path('bundle'))
    }, 60_000)
  },
)
