import { readdirSync, readFileSync } from 'node:fs'
import { type LineageEvent, parseEvent } from '../../lineage/index.ts'
import { api, type WritClient } from '../../proto/client.ts'
import type { GovernedHost } from './governed-host.ts'
import type { BootedHost } from './governed-provision.ts'

/** The TPM's maker here is one CA: the simulated TPM carries no intermediate certificates. */
const ekRoot = (host: GovernedHost): string => host.tpm.paths.intermediateCertificate

/** Has the operator certify the host's attestation key, so that an exported bundle can be verified as a whole. */
export async function enroll(host: BootedHost): Promise<void> {
  const state = ['--state-dir', host.path('state')]
  const tpm = ['--tpm', `swtpm:${host.tpm.paths.socket}`]
  const at = (name: string) => host.path(name)
  const step = (...args: string[]) => host.ok('key', 'enroll', ...args)
  await step('request', ...state, '--out', at('request.json'))
  await step(
    ...['challenge', at('request.json'), '--ek-root', host.tpm.paths.intermediateCertificate],
    ...['--out', at('challenge.json'), '--pending', at('pending.json')],
  )
  await step('answer', at('challenge.json'), ...state, ...tpm, '--out', at('answer.json'))
  await step(
    ...['certify', at('answer.json'), '--pending', at('pending.json')],
    ...['--key', at('operator.key'), '--out', at('ak-certificate.der')],
  )
  await step('install', at('ak-certificate.der'), ...state, '--operator-key', at('operator.pub'))
}

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
