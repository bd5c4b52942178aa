import type { StatsFs } from 'node:fs'
import { readdir, statfs } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { bootTimeNs } from '../native.ts'
import type { DaemonParts } from '../parts.ts'
import type { Instruments } from './instruments.ts'

/** What is there before a daemon is: the state that the API tells while it waits for its TPM. */
export interface Before {
  /** Milliseconds since the epoch. */
  readonly startedMs: number
  readonly stateDirectory: string
  /** Connections and calls of the API. */
  readonly rpc: { readonly connections: number; readonly calls: number }
}

/** Looks up everything that merely is. @param parts null while there is no daemon yet */
export async function collect(
  instruments: Instruments,
  before: Before,
  parts: DaemonParts | null,
): Promise<void> {
  if (parts === null) {
    instruments.gateState.choose('UNATTESTED')
    instruments.gateSince.set(before.startedMs / 1000)
  } else {
    collectGate(instruments, parts, before)
    collectExecutions(instruments, parts)
    collectLineage(instruments, parts)
  }
  instruments.connections.set(before.rpc.connections)
  instruments.calls.set(before.rpc.calls)
  await Promise.all([collectDisk(instruments, before.stateDirectory), collectProcess(instruments, before)])
}

function collectGate(
  to: Instruments,
  { gate, clock, history, host }: DaemonParts,
  { startedMs }: Before,
): void {
  const { state, facts, deadlineNs } = gate.snapshot()
  const nowNs = bootTimeNs()
  to.gateState.choose(state)
  to.gateSince.set((gate.movedMs ?? startedMs) / 1000)
  to.evidenceAge.set(facts === null ? null : seconds(nowNs - facts.instantNs))
  to.lease.set(deadlineNs === null ? 0 : Math.max(0, seconds(deadlineNs - nowNs)))
  to.leaseLeft.set(gate.leftAtRenewalNs === null ? null : seconds(gate.leftAtRenewalNs))
  to.clockTrusted.set(clock.fault === null ? 1 : 0)
  const { policy, trustRoots, hostLabels } = history
  to.documentEnd.set(instant(policy?.notAfter), ['policy'])
  to.documentEnd.set(instant(trustRoots?.notAfter), ['trust_roots'])
  to.documentEnd.set(instant(hostLabels?.notAfter), ['host_labels'])
  to.tpmWaiting.set(host.tpm.waiting)
}

function collectExecutions(to: Instruments, { registry, executor, settings }: DaemonParts): void {
  const counts = new Map<string, number>(to.executions.labels.state?.map(state => [state, 0]))
  for (const { state } of registry.live()) counts.set(state, (counts.get(state) ?? 0) + 1)
  for (const [state, count] of counts) to.executions.set(count, [state])
  const askedNs = executor.endings.oldestAskedNs
  to.ending.set(askedNs === null ? null : seconds(bootTimeNs() - askedNs))
  to.maxExecutions.set(settings.now.execution.maxExecutions)
}

function collectLineage(to: Instruments, { lineage, settings, retention }: DaemonParts): void {
  const size = Number(lineage.size)
  to.entries.set(size)
  to.unsealed.set(size - (lineage.latestCheckpoint()?.size ?? 0))
  to.evidenceBytes.set(lineage.evidence.bytes)
  to.evidenceMax.set(settings.now.lineage.evidenceMaxBytes)
  to.evidenceOver.set(retention.overBound ? 1 : 0)
}

/** Longest wait for a file system; a scraper has less patience than a disk. */
const DISK_PATIENCE_MS = 1_000

/** The look that is under way, if one is: another one would wait in the same place, and take another of Node's few threads. */
let diskLook: Promise<StatsFs | null> | null = null

/** A file system that does not answer is told of by what else stands still; the rest of the page is there. */
export async function collectDisk(
  to: Pick<Instruments, 'diskFree' | 'diskSize' | 'inodesFree'>,
  directory: string,
  look: (path: string) => Promise<StatsFs> = statfs,
): Promise<void> {
  diskLook ??= look(directory)
    .catch(() => null)
    .finally(() => {
      diskLook = null
    })
  const found = await Promise.race([diskLook, sleep(DISK_PATIENCE_MS, null, { ref: false })])
  to.diskFree.set(found && found.bavail * found.bsize)
  to.diskSize.set(found && found.blocks * found.bsize)
  to.inodesFree.set(found === null ? null : found.ffree)
}

async function collectProcess(to: Instruments, { startedMs }: Before): Promise<void> {
  const { rss, heapUsed } = process.memoryUsage()
  const { user, system } = process.cpuUsage()
  to.resident.set(rss)
  to.heap.set(heapUsed)
  to.cpu.set((user + system) / 1e6)
  to.startTime.set(startedMs / 1000)
  to.descriptors.set(
    await readdir('/proc/self/fd').then(
      names => names.length,
      () => null,
    ),
  )
}

function seconds(ns: bigint): number {
  return Number(ns) / 1e9
}

/** Seconds since the epoch; null for a document without an end. */
function instant(time: string | null | undefined): number | null {
  const ms = time === null || time === undefined ? Number.NaN : Date.parse(time)
  return Number.isNaN(ms) ? null : ms / 1000
}
