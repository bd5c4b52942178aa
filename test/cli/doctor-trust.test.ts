import { describe, expect, test } from 'vitest'
import { diagnose } from '../../cli/doctor/doctor.ts'
import { Host } from '../../cli/doctor/host.ts'
import { seen, unseen } from '../../cli/probe/index.ts'
import { AT } from '../attestation/identity/certificate-forge.ts'
import { TOML } from './damaged-hosts.ts'
import type { FakedHost } from './faked-host.ts'
import { DAY_MS, daemonConfig, healthyHost, STATUS, trustRoots } from './healthy-host.ts'

/** What is said of the trust roots of a host that is healthy but for this. */
async function said(change: (host: FakedHost) => void): Promise<Record<string, string>> {
  const host = await healthyHost()
  change(host)
  const { findings } = await diagnose(new Host(host.probes(), TOML))
  const ours = findings.filter(({ code }) => code.startsWith('TRUST_'))
  return Object.fromEntries(ours.map(({ code, severity, what }) => [code, `${severity}: ${what}`]))
}

const inDays = (days: number) => new Date(AT.getTime() + days * DAY_MS).toISOString()
const tells = (change: object) => (host: FakedHost) => {
  host.status = seen({ ...STATUS, ...change })
}
const none = { trustRoots: null, trustRootsDigest: '' }

describe('trust roots in force', () => {
  test('that have ended are an error, whatever the file says', async () => {
    const ended = tells({ trustRoots: { version: '7', notAfter: inDays(-1), valid: false } })
    expect(await said(ended)).toEqual({
      TRUST_ENDS: 'not checked: no trust roots count now',
      TRUST_INVALID: `error: version 7 counted until ${inDays(-1)}`,
    })
  })

  test('that hold are good, whatever the file says', async () => {
    const found = await said(host => host.put('/etc/writ/trust.json', trustRoots(inDays(-1))))
    expect(found).toEqual({
      TRUST_ENDS: expect.stringMatching(/^ok/),
      TRUST_INVALID: expect.stringMatching(/^ok/),
    })
  })

  test('are spoken of before they end', async () => {
    expect(await said(tells({ trustRoots: { version: '7', notAfter: inDays(29), valid: true } }))).toEqual({
      TRUST_ENDS: `warning: version 7 ends at ${inDays(29)}`,
      TRUST_INVALID: expect.stringMatching(/^ok/),
    })
    const later = await said(tells({ trustRoots: { version: '7', notAfter: inDays(31), valid: true } }))
    expect(later.TRUST_ENDS).toMatch(/^ok/)
  })

  test('have to be, unless the host makes artifacts itself', async () => {
    expect((await said(tells(none))).TRUST_INVALID).toBe('error: no trust roots are in force')
    const mints = await said(host => {
      tells(none)(host)
      host.put(
        TOML,
        daemonConfig(text => `${text}[minting]\nenabled = true\n`),
      )
    })
    expect(mints.TRUST_INVALID).toMatch(/^ok/)
  })

  test('are not known of a daemon that has not begun its work', async () => {
    expect((await said(tells({ ...none, configuration: null }))).TRUST_INVALID).toMatch(/^not checked/)
  })
})

describe('where no daemon answers, the file', () => {
  const down = unseen('missing', 'there is no such socket', 'DAEMON_UNREACHABLE')
  const ofFile = (notAfter: string) =>
    said(host => {
      host.status = down
      host.put('/etc/writ/trust.json', trustRoots(notAfter))
    })

  test('is an error that has ended, and it is said that it is the file', async () => {
    expect(await ofFile(inDays(-1))).toEqual({
      TRUST_ENDS: expect.stringMatching(/^not checked/),
      TRUST_INVALID: `error: the daemon does not say what is in force (there is no such socket); those of the file counted until ${inDays(-1)}`,
    })
  })

  test('is a warning that is about to end', async () => {
    const found = await ofFile(inDays(3))
    expect(found.TRUST_ENDS).toMatch(/^warning: the daemon does not say .* those of the file end at /)
  })

  test('makes nothing good', async () => {
    const found = await ofFile('any')
    for (const code of ['TRUST_ENDS', 'TRUST_INVALID']) expect(found[code]).toMatch(/^not checked/)
  })
})
