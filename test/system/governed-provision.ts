import { chownSync, cpSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { SimulatedTpm } from '../../attestation/tpm2/swtpm/index.ts'
import { WRITD } from './governed-config.ts'

/** The boot that the simulated TPM has seen. */
export const RECORDED = fileURLToPath(new URL('../fixtures/hosts/debian13-uki', import.meta.url))

/** A host that has booted, and no more. */
export interface BootedHost {
  readonly tpm: SimulatedTpm
  path(name: string): string
  /** Runs `writ` and gives its standard output. */
  ok(...args: string[]): Promise<string>
}

/** What the host has without Writ: the logs of its boot, and a place for the socket, which the service manager makes otherwise. */
export function furnish({ path: at }: Pick<BootedHost, 'path'>): void {
  for (const name of ['eventlog.bin', 'userspace.jsonseq', 'ima.bin']) cpSync(join(RECORDED, name), at(name))
  mkdirSync(at('run'), { mode: 0o755 })
  chownSync(at('run'), WRITD.uid, WRITD.gid)
}

/**
 * Everything up to the start of the daemons: an identity, keys, trust roots, reference values and a policy that permits all.
 *
 * @param credentials whether the secrets are kept in a directory of root's
 * @returns the host's id
 */
export async function provision(host: BootedHost, credentials: boolean): Promise<string> {
  const at = (name: string) => host.path(name)
  furnish({ path: at })
  const onHost = [
    ...['--state-dir', at('state'), '--tpm', `swtpm:${host.tpm.paths.socket}`],
    ...(credentials ? ['--credentials', at('credentials')] : []),
  ]
  const init = await host.ok('init', '--user', `${WRITD.uid}:${WRITD.gid}`, '--json', ...onHost)
  await host.ok('key', 'new', at('operator'))
  await host.ok('key', 'new', at('authority'), '--algorithm', 'ecdsa-p256')
  const operator = ['--key', at('operator.key')]
  await host.ok(
    ...['key', 'trust', 'sign', '--version', '1', '--authority', `release=${at('authority.pub')}`],
    ...[...operator, '--out', at('trust.json')],
  )
  mkdirSync(at('policies'))
  writeFileSync(at('policies/permit.cedar'), 'permit (principal, action, resource);\n')
  await host.ok(
    ...['policy', 'sign', at('policies'), '--version', '1', '--valid', 'any'],
    ...[...operator, '--out', at('policy.json')],
  )
  const logs = [
    ...['--event-log', at('eventlog.bin'), '--userspace-log', at('userspace.jsonseq')],
    ...['--ima-log', at('ima.bin')],
  ]
  await host.ok(
    ...['reference', 'capture', ...onHost, ...logs, '--component', 'any', '--out', at('captured.json')],
  )
  await host.ok('reference', 'sign', at('captured.json'), ...operator, '--out', at('reference.json'))
  return JSON.parse(init).hostId
}
