import { equal, match, ok } from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { until, writ } from '../governed.ts'
import type { Guest } from '../guest.ts'
import { type Bench, remember } from './bench.ts'

/** The configuration of the guest; all that is not in it is as it is shipped. */
const CONFIGURATION = `[attestation]
cycle_seconds = 2
# Emulated, a cycle can take longer than on any machine.
max_evidence_age_seconds = 60
reference_values = "/etc/writ/reference.json"
[tpm]
other_roots = ["/etc/writ/ek-root.pem"]
[trust]
governance_keys = ["/etc/writ/operator.pub"]
trust_roots = "/etc/writ/trust.json"
policy_bundle = "/etc/writ/policy.json"
`

/** A start that takes two seconds on a machine takes a minute where the emulator has a part of a processor: its loop has work for longer than the watchdog waits. */
const EMULATED = '[Service]\nWatchdogSec=5min\nTimeoutStartSec=10min\n'

/** Gives the units of a guest the patience that emulation needs. */
export async function patience(guest: Guest): Promise<void> {
  await guest.ok('mkdir -p /etc/systemd/system/writd.service.d')
  await guest.put('/etc/systemd/system/writd.service.d/emulated.conf', EMULATED)
}

/** Boots the machine that has the package, gives it identity, reference values and configuration, and starts it. It stays on. */
export async function provision(bench: Bench): Promise<Guest> {
  const { steps, machine, operator } = bench
  const guest = await steps.boot('it boots again, now under the IMA policy of the package', () =>
    machine.boot(),
  )
  await steps.step('boot, systemd and IMA have left their logs; the policy is measured', async () => {
    for (const log of [
      '/sys/kernel/security/tpm0/binary_bios_measurements',
      '/run/log/systemd/tpm2-measure.log',
    ])
      ok((await guest.get(log)).length > 500, log)
    match(
      await guest.ok('cat /sys/kernel/security/ima/ascii_runtime_measurements'),
      / \/etc\/ima\/ima-policy/,
    )
  })
  const { hostId, tier } = await steps.step('writ init', () =>
    writ<{ hostId: string; tier: string }>(guest, ['init', '--user', 'writ']),
  )
  match(hostId, /^000b[0-9a-f]{64}$/)
  remember(bench, { hostId })
  await steps.step('the operator certifies the attestation key, in five steps between here and there', () =>
    enroll(bench, guest),
  )
  await steps.step('reference values are captured from the real logs', async () => {
    const captured = await writ<{ secureBoot: unknown; components: string[] }>(guest, [
      ...['reference', 'capture', '--files', '/usr', '--files', '/etc', '--files', '/var/lib/dpkg/info'],
      ...['--out', '/run/captured.json'],
    ])
    equal(captured.secureBoot, true)
    for (const name of ['writd', 'addon', 'writ-launchd', 'ima-policy'])
      ok(captured.components.includes(name), name)
    writeFileSync(operator.path('captured.json'), await guest.get('/run/captured.json'))
  })
  await steps.step('and signed outside', () =>
    operator.writ(
      ...['reference', 'sign', operator.path('captured.json'), '--key', operator.key],
      ...['--out', operator.path('reference.json')],
    ),
  )
  await steps.step('keys, documents and configuration go in, and the check finds nothing', async () => {
    for (const name of ['operator.pub', 'trust.json', 'policy.json', 'reference.json'])
      await guest.put(`/etc/writ/${name}`, operator.read(name))
    await guest.put('/etc/writ/ek-root.pem', readFileSync(machine.ekRoot))
    await guest.put('/etc/writ/writd.toml', CONFIGURATION)
    await patience(guest)
    const { findings } = await writ<{ findings: { severity: string }[] }>(guest, ['config', 'check'])
    equal(JSON.stringify(findings.filter(({ severity }) => severity === 'error')), '[]')
  })
  await steps.step('it starts, with the units as they are shipped but for their patience', () =>
    guest.ok('systemctl enable --now writ-launchd.service writd.socket writd.service', {
      timeoutMs: 300_000,
    }),
  )
  await steps.step('and is ATTESTED', async () => {
    const now = await until(guest, 'ATTESTED')
    equal(now.hostId, hostId)
    equal(now.tier, tier)
    equal(now.secureBoot, true)
  })
  await steps.step('systemd-analyze security says at most 1.0 of writd', async () => {
    const line = await guest.ok('systemd-analyze security writd.service --no-pager | tail -n 1')
    const exposure = Number(/Overall exposure level for writd\.service: ([0-9.]+)/.exec(line)?.[1])
    ok(exposure <= 1.0, line)
  })
  return guest
}

async function enroll({ operator, machine }: Bench, guest: Guest): Promise<void> {
  const step = (...args: string[]) => writ(guest, ['key', 'enroll', ...args])
  await step('request', '--out', '/run/request.json')
  writeFileSync(operator.path('request.json'), await guest.get('/run/request.json'))
  await operator.writ(
    ...['key', 'enroll', 'challenge', operator.path('request.json'), '--ek-root', machine.ekRoot],
    ...['--out', operator.path('challenge.json'), '--pending', operator.path('pending.json')],
  )
  await guest.put('/run/challenge.json', operator.read('challenge.json'))
  await step('answer', '/run/challenge.json', '--out', '/run/answer.json')
  writeFileSync(operator.path('answer.json'), await guest.get('/run/answer.json'))
  await operator.writ(
    ...['key', 'enroll', 'certify', operator.path('answer.json'), '--pending', operator.path('pending.json')],
    ...['--key', operator.key, '--out', operator.path('ak-certificate.der')],
  )
  await guest.put('/run/ak-certificate.der', operator.read('ak-certificate.der'))
  await guest.put('/run/operator.pub', operator.read('operator.pub'))
  await step('install', '/run/ak-certificate.der', '--operator-key', '/run/operator.pub')
}
