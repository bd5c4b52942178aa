import { readdirSync, readFileSync } from 'node:fs'
import { type LineageEvent, parseEvent } from '../../lineage/index.ts'
import { api, type WritClient } from '../../proto/client.ts'
import type { GovernedHost } from './governed-host.ts'

/** The TPM's maker here is one CA: the simulated TPM carries no intermediate certificates. */
const ekRoot = (host: GovernedHost): string => host.tpm.paths.intermediateCertificate

/** Exports the lineage and verifies it with nothing but the operator's key and the EK's root. */
export async function exportAndVerify(host: GovernedHost, name: string): Promise<string> {
  const bundle = host.path(name)
  await host.ok('lineage', 'export', bundle, '--state-dir', host.path('state'))
  return host.ok(
    ...['verify', bundle, '--operator-key', host.path('operator.pub')],
    ...['--ek-root', ekRoot(host), '--host', host.hostId],
  )
}

export interface Entry {
  readonly index: number
  readonly event: LineageEvent
}

/** The lineage from `from` to its end, as far as the caller may read it. */
export async function readLineage(daemon: WritClient, from = 0): Promise<Entry[]> {
  const entries: Entry[] = []
  for await (const { index, entry } of daemon.read(api.lineage.ReadEntries, { from })) {
    entries.push({ index: Number(index), event: parseEvent(entry) })
  }
  return entries
}

/** The entries of one type. */
export function ofType<T extends LineageEvent['type']>(
  entries: readonly Entry[],
  type: T,
): { index: number; event: Extract<LineageEvent, { type: T }> }[] {
  return entries.filter(
    (entry): entry is { index: number; event: Extract<LineageEvent, { type: T }> } =>
      entry.event.type === type,
  )
}

/** Processes of this machine whose command line ends an argument with the marker. */
export function processesWith(marker: string): number[] {
  return readdirSync('/proc')
    .filter(name => /^[0-9]+$/.test(name))
    .map(Number)
    .filter(pid => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes(`${marker}\0`)
      } catch {
        return false
      }
    })
}
