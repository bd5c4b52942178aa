import { existsSync } from 'node:fs'
import type { BootedHost } from './governed-provision.ts'

/** Has the operator certify the host's attestation key, so that an exported bundle can be verified as a whole. */
export async function enroll(host: BootedHost): Promise<void> {
  const state = ['--state-dir', host.path('state')]
  const kept = host.path('credentials')
  const secrets = existsSync(kept) ? ['--credentials', kept] : []
  const tpm = ['--tpm', `swtpm:${host.tpm.paths.socket}`]
  const at = (name: string) => host.path(name)
  const step = (...args: string[]) => host.ok('key', 'enroll', ...args)
  await step('request', ...state, '--out', at('request.json'))
  await step(
    ...['challenge', at('request.json'), '--ek-root', host.tpm.paths.intermediateCertificate],
    ...['--out', at('challenge.json'), '--pending', at('pending.json')],
  )
  await step('answer', at('challenge.json'), ...state, ...secrets, ...tpm, '--out', at('answer.json'))
  await step(
    ...['certify', at('answer.json'), '--pending', at('pending.json')],
    ...['--key', at('operator.key'), '--out', at('ak-certificate.der')],
  )
  await step('install', at('ak-certificate.der'), ...state, '--operator-key', at('operator.pub'))
}
