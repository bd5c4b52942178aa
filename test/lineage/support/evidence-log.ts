import { createHash } from 'node:crypto'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Lineage, LineageEvent } from '../../../lineage/index.ts'
import { Retention, type RetentionOptions } from '../../../lineage/retention/retention.ts'

/** Noon of a day, from which entries are so many minutes. */
export const NOON_MS = Date.parse('2026-11-21T12:00:00.000Z')

const ZERO = '0'.repeat(64)

/** Bytes that take one block of the disk, told apart by a name. */
export function bytesOf(name: string): Buffer {
  return Buffer.from(`bytes of ${name}`)
}

export function digestOf(name: string): string {
  return createHash('sha256').update(bytesOf(name)).digest('hex')
}

function common(minute: number) {
  return { v: 1, time: new Date(NOON_MS + minute * 60_000).toISOString(), bootNs: '1' } as const
}

/** Puts blobs and gives their digests. */
export function put(log: Lineage, ...names: string[]): Promise<string[]> {
  return Promise.all(names.map(name => log.putBlob(bytesOf(name))))
}

/** A decision that names a record and other blobs. */
export async function decision(
  log: Lineage,
  minute: number,
  record: string,
  { inputs = [], execution = null }: { inputs?: string[]; execution?: string | null } = {},
): Promise<bigint> {
  const [digest = '', ...others] = await put(log, record, ...inputs)
  const event: LineageEvent = {
    ...common(minute),
    type: 'decision',
    outcome: execution === null ? 'deny' : 'permit',
    record: digest,
    inputs: others,
    inline: {},
    reasons: [],
    artifact: null,
    caller: { uid: 1, gid: 1, pid: 1, cgroup: null, unit: null, parent: null },
    links: { policy: null, trustRoots: null, appraisal: null, parent: null },
    executionId: execution,
    use: null,
  }
  return (await log.append(event)).index
}

/** An appraisal that passed, with evidence of its own and an event log that others may share. */
export async function appraisal(
  log: Lineage,
  minute: number,
  name: string,
  {
    eventLog = 'event log',
    verdict = 'pass' as const,
  }: { eventLog?: string; verdict?: 'pass' | 'fail' } = {},
): Promise<bigint> {
  const [attest = '', signature = '', events = ''] = await put(
    log,
    `attest ${name}`,
    `signature ${name}`,
    eventLog,
  )
  const event: LineageEvent = {
    ...common(minute),
    type: 'appraisal',
    verdict,
    evidence: { attest, signature, eventLog: events, userspaceLog: null, imaLog: [], imaLength: 0 },
    binding: {
      domain: 'writ/v1/cycle',
      nonce: ZERO,
      treeSize: 0,
      lineageRoot: ZERO,
      sessionKeySpkiDigest: ZERO,
      referenceValuesDigest: ZERO,
    },
    clock: { clock: '1', resetCount: 0, restartCount: 0, safe: true },
    reasons: [],
  }
  return (await log.append(event)).index
}

/** Puts a document of the operator's in force. */
export async function policy(log: Lineage, minute: number, name: string): Promise<bigint> {
  const [blob = ''] = await put(log, name)
  const event: LineageEvent = { ...common(minute), type: 'policy', digest: blob, version: 1, blob }
  return (await log.append(event)).index
}

export async function snapshot(log: Lineage, minute: number, name: string): Promise<bigint> {
  const [digest = ''] = await put(log, name)
  return (
    await log.append({ ...common(minute), type: 'snapshot', size: 0, digest, previous: null, horizon: null })
  ).index
}

export async function started(log: Lineage, minute: number, execution: string): Promise<bigint> {
  const event: LineageEvent = {
    ...common(minute),
    type: 'execution-start',
    executionId: execution,
    decision: 0,
    subjects: [],
    pid: 7,
    cgroup: '/writ/x',
    epoch: 1,
    parent: null,
  }
  return (await log.append(event)).index
}

export async function ended(log: Lineage, minute: number, execution: string): Promise<bigint> {
  const event: LineageEvent = {
    ...common(minute),
    type: 'execution-end',
    executionId: execution,
    decision: 0,
    cause: 'EXITED',
    exitCode: 0,
    signal: null,
    rusage: {},
    confirmedDead: true,
    streams: null,
  }
  return (await log.append(event)).index
}

/** Which of these blobs are stored. */
export function stored(log: Lineage, ...names: string[]): string[] {
  return names.filter(name => {
    const digest = digestOf(name)
    return existsSync(join(log.directory, 'evidence/sha256', digest.slice(0, 2), digest.slice(2)))
  })
}

/** How many blobs there are; each that {@link bytesOf} makes takes 4096 bytes. */
export function count(log: Lineage): number {
  return readdirSync(join(log.directory, 'evidence'), { recursive: true, withFileTypes: true }).filter(
    entry => entry.isFile(),
  ).length
}

/** A retention that keeps `blobs` small blobs, seals at once and looks at the clock some minutes after noon. */
export function openRetention(
  log: Lineage,
  blobs: number,
  {
    minutes = 1000,
    minAgeMs = 0,
    ...more
  }: { minutes?: number; minAgeMs?: number } & Partial<RetentionOptions> = {},
): Promise<Retention> {
  return Retention.open(log, {
    limits: () => ({ maxBytes: blobs * 4096, minAgeMs }),
    spared: new Set(),
    record: async event => (await log.append({ ...common(minutes), ...event })).index,
    sealed: async index => BigInt((await log.checkpoint()).size) > index,
    wallMs: () => NOON_MS + minutes * 60_000,
    pauseMs: 0,
    stop: new AbortController().signal,
    ...more,
  })
}
