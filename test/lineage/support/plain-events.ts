import { sha256Hex } from '../../../encoding/digest.ts'
import type { LineageEvent } from '../../../lineage/index.ts'
import type { PrivateKey } from '../../../signing/key.ts'

/** What the start of a daemon names as its configuration; has to be put into the log as a blob. */
export const CONFIG = Buffer.from('{}')

const common = { v: 1, time: '2026-11-21T02:00:00.000Z' } as const

/** An event of about `bytes` bytes that may not use the reserve. */
export function large(n: number, bytes: number): LineageEvent {
  return {
    ...common,
    type: 'execution-start',
    bootNs: String(n),
    executionId: '0'.repeat(32),
    decision: 0,
    subjects: Array.from({ length: Math.min(256, Math.max(0, Math.floor(bytes / 67))) }, () =>
      'ab'.repeat(32),
    ),
    pid: 7,
    cgroup: '/writ/x',
    epoch: 1,
    parent: null,
  }
}

export function daemonStart(logKey: PrivateKey, hostId: string): LineageEvent {
  const spki = logKey.public.spki.toString('base64')
  return {
    ...common,
    type: 'daemon-start',
    bootNs: '1',
    daemonVersion: '0.1.0',
    bootId: '01234567-89ab-cdef-0123-456789abcdef',
    configDigest: sha256Hex(CONFIG),
    sessionKeySpki: spki,
    logKeySpki: spki,
    hostId,
    clean: true,
    tier: 'simulated',
  }
}
