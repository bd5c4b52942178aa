import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { Finding } from '../../cli/doctor/area.ts'
import { BOOT } from '../../cli/doctor/areas/boot.ts'
import { IMA } from '../../cli/doctor/areas/ima.ts'
import { diagnose } from '../../cli/doctor/doctor.ts'
import { Host } from '../../cli/doctor/host.ts'
import { RECORDED_EVIDENCE } from '../support/recorded-evidence.ts'
import { EVENT_LOG, reference } from './damaged-hosts.ts'
import type { FakedHost } from './faked-host.ts'
import { boolean, healthyHost, IMA_LOG, SECURE_BOOT } from './healthy-host.ts'

/** What is said of a host's boot and IMA. */
async function said(host: FakedHost): Promise<readonly Finding[]> {
  const { findings } = await diagnose(new Host(host.probes(), '/etc/writ/writd.toml'), [BOOT, IMA] as never)
  return findings.filter(({ severity }) => severity !== 'ok')
}
const codes = (findings: readonly Finding[]) => findings.map(({ code }) => code)

/** A host that was booted so, and is accepted so. */
async function bootedWith(commandLine: string, accepted = commandLine): Promise<FakedHost> {
  const host = await healthyHost()
  host.put('/proc/cmdline', `${commandLine}\n`)
  reference(host, { commandLine: accepted })
  return host
}

describe.each([
  ['debian13-uki', 0],
  ['debian13-uki-secureboot', 1],
] as const)('the host %s', (name, secureBoot) => {
  const recorded = (file: string) => readFileSync(join('test/fixtures/hosts', name, file))

  test('lacks its own IMA policy, and nothing else of what was recorded', async () => {
    const host = await bootedWith(recorded('cmdline.txt').toString().trim())
    host.put(EVENT_LOG, recorded('eventlog.bin'))
    host.put(IMA_LOG, recorded('ima.bin'))
    host.put(SECURE_BOOT, boolean(secureBoot))
    host.files.delete('/etc/ima/ima-policy')
    expect(codes(await said(host)).sort()).toEqual(
      [
        ...(secureBoot === 1 ? [] : ['SECURE_BOOT_OFF']),
        ...['IMA_POLICY_ABSENT', 'IMA_POLICY_UNUSED', 'IMA_POLICY_CHANGED', ...OF_RULES],
      ].sort(),
    )
  })
})

interface Entry {
  readonly path: string
  readonly kind: string
  readonly role: string
  readonly expected: {
    readonly parse?: string
    readonly verdict?: string
    readonly format?: string
    readonly declaredBanks?: readonly string[]
    readonly bootAggregate?: { readonly alg: string } | null
  }
}

const entries: readonly Entry[] =
  RECORDED_EVIDENCE === undefined
    ? []
    : JSON.parse(readFileSync(join(RECORDED_EVIDENCE, 'manifest.json'), 'utf8')).entries
const bytesOf = ({ path }: Entry) => readFileSync(join(RECORDED_EVIDENCE ?? '', path))
const whole = entries.filter(
  ({ kind, role, path, expected }) =>
    role === 'case' &&
    expected.parse === 'ok' &&
    // Those of confidential machines without a TPM have another place.
    !/derived|ccel/.test(path) &&
    (kind === 'ima' || expected.verdict === 'accept'),
)

describe.skipIf(RECORDED_EVIDENCE === undefined)('machines of other projects (WRIT_FIXTURES)', () => {
  const logs = whole.filter(({ kind }) => kind === 'eventlog')

  test.each(logs.map(entry => [entry.path, entry] as const))('%s', async (_, entry) => {
    const log = bytesOf(entry)
    const measured = /kernel_cmdline:? ([\x20-\x7e]+)/.exec(log.toString('latin1'))?.[1]
    // What GRUB measures, and what the kernel shows then.
    const host = await (measured === undefined
      ? bootedWith('root=/dev/sda')
      : bootedWith(`BOOT_IMAGE=${measured}`, measured))
    host.put(EVENT_LOG, log)
    const found = await said(host)
    const sha256 = entry.expected.declaredBanks?.includes('sha256') ?? entry.expected.format === 'sha256'
    const tcb = measured?.includes('ima_policy=tcb') === true
    expect(codes(found)).toEqual([
      ...(sha256 ? [] : ['EVENT_LOG_NO_SHA256']),
      ...(tcb ? [] : ['IMA_BOOT_POLICY']),
    ])
    const how = found.find(({ code }) => code === 'IMA_BOOT_POLICY')?.todo
    if (!tcb) expect(how).toContain(measured === undefined ? 'unified kernel image' : 'GRUB_CMDLINE_LINUX')
  })

  const lists = whole.filter(({ kind, expected }) => kind === 'ima' && expected.bootAggregate !== undefined)
  test.each(lists.map(entry => [entry.path, entry] as const))('%s', async (_, entry) => {
    const host = await bootedWith('root=/dev/sda ima_policy=tcb')
    host.put(IMA_LOG, bytesOf(entry))
    host.files.delete('/etc/ima/ima-policy')
    const hash = entry.expected.bootAggregate?.alg
    expect(codes(await said(host))).toEqual([
      ...(hash === 'sha256' ? [] : ['IMA_HASH']),
      ...['IMA_POLICY_ABSENT', 'IMA_POLICY_UNUSED', 'IMA_POLICY_CHANGED', ...OF_RULES],
    ])
  })
  test('are there', () => {
    expect(logs.length).toBeGreaterThan(20)
    expect(lists.length).toBeGreaterThan(3)
  })
})

/** Not checked where there is no policy. */
const OF_RULES = ['IMA_POLICY_BLIND', 'IMA_POLICY_LESS', 'IMA_POLICY_UNJUDGED']
