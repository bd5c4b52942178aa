import { describe, expect, test } from 'vitest'
import type { LaunchTerms } from '../../authorization/index.ts'
import { launchOrder } from '../../daemon/launch-order.ts'
import { decide, EXECUTION, MODEL_DIGEST, NOW, PROGRAM, PROGRAM_DIGEST } from '../authorization/scenario.ts'

const permitted = decide().terms ?? expect.fail()
const order = (change: Partial<LaunchTerms> = {}, nowWallMs = Date.parse(NOW)) =>
  launchOrder({
    executionId: EXECUTION,
    parentExecution: null,
    epoch: 3n,
    terms: { ...permitted, ...change },
    maxEvidenceAgeNs: 20_000_000_000n,
    nowBootNs: 1_000n,
    nowWallMs,
  })

describe('the order to the launcher', () => {
  test('is what was signed, each limit in its unit', () => {
    expect(order()).toEqual({
      executionId: EXECUTION,
      parentExecution: null,
      graceNs: null,
      epoch: 3n,
      expiryBootNs: 1_000n + 22n * 3_600n * 1_000_000_000n,
      maxEvidenceAgeNs: 20_000_000_000n,
      digests: [PROGRAM_DIGEST, MODEL_DIGEST],
      argv: [PROGRAM, '--digits', '7'],
      env: ['LANG=C'],
      cwd: '/',
      user: 'own',
      groups: [],
      network: 'none',
      seccomp: 'default',
      devices: [],
      writable: ['/var/tmp/job'],
      children: false,
      stdio: { stdin: 'pipe', stdout: 'pipe', stderr: 'pipe' },
      limits: {
        runTimeNs: 60_000_000_000n,
        cpuTimeNs: null,
        memoryBytes: 1 << 28,
        pids: 16,
        openFiles: 64,
        cpuPercent: null,
        fileBytes: null,
      },
    })
  })

  test('may be held for the grace that was signed, and for none else', () => {
    expect(order({ onLapse: { freeze: { graceMs: 90_000 } } }).graceNs).toBe(90_000_000_000n)
  })

  test('has the lesser age of evidence', () => {
    expect(order({ maxEvidenceAgeMs: 5_000 }).maxEvidenceAgeNs).toBe(5_000_000_000n)
    expect(order({ maxEvidenceAgeMs: 90_000 }).maxEvidenceAgeNs).toBe(20_000_000_000n)
    expect(order({ maxEvidenceAgeMs: null }).maxEvidenceAgeNs).toBe(20_000_000_000n)
  })

  test('of what is over has no time left, and never a time before now', () => {
    expect(order({}, Date.parse('2026-12-01T00:00:00.000Z')).expiryBootNs).toBe(1_000n)
  })

  test('has the signed user and its groups', () => {
    expect(order({ user: { uid: 5, gid: 6, groups: [7] } })).toMatchObject({ user: { uid: 5 }, groups: [7] })
  })

  test('has the signed devices and profile', () => {
    const sandbox = { ...permitted.sandbox, network: 'loopback', seccomp: 'strict' } as const
    expect(order({ devices: ['gpu'], sandbox })).toMatchObject({
      network: 'loopback',
      seccomp: 'strict',
      devices: ['gpu'],
    })
  })

  const both = { onLapse: { freeze: { graceMs: 1 } }, devices: ['gpu'] } as const
  test.each<[string, Partial<LaunchTerms>]>([['a freeze with devices', { ...both, devices: ['gpu'] }]])(
    'refuses what it cannot enforce: %s',
    (_, change) => {
      expect(() => order(change)).toThrow(expect.objectContaining({ code: 'LIMIT_UNENFORCEABLE' }))
    },
  )
})
