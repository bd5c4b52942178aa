import { equal, match, ok } from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { status, tryWrit, until } from '../governed.ts'
import type { Guest } from '../guest.ts'
import type { Bench } from './bench.ts'
import { patience } from './provision.ts'

/** What a person would be asked; everything else is as it comes. The TPM of the guest is simulated, which has to be said. */
const ANSWERS = `[tpm]
simulated = "allow"
[service]
attested_seconds = 300
`

interface Outcome {
  readonly changed: boolean
  readonly steps: readonly { readonly name: string; readonly state: string }[]
}

/** From the installed package to a governed host by one command, run again after the reboot that it asks for. */
export async function setup(bench: Bench): Promise<void> {
  const { steps, machine } = bench
  const first = await steps.boot('a host with the package boots', () => machine.boot())
  await first.put('/root/answers.toml', ANSWERS)
  await patience(first)
  // As it is before anybody has put it there.
  await first.ok('rm /etc/ima/ima-policy')
  await steps.step(
    'writ setup finds what there is, installs the IMA policy, and asks for a reboot',
    async () => {
      const said = await first.run('cd /root && writ setup --answers answers.toml', { timeoutMs: 600_000 })
      const text = `${said.stdout}${said.stderr}`
      equal(said.status, 1, text)
      match(text, /Secure Boot +on/)
      match(text, /reboot/i)
      equal((await first.run('systemctl is-active --quiet writd.service')).status, 3)
      await first.ok('cmp /etc/ima/ima-policy /usr/share/writ/ima-policy')
    },
  )
  await steps.powerOff(first)
  const guest = await steps.boot('it reboots', () => machine.boot())
  await steps.step(
    'writ setup goes on, and ends with a governed hello and its denied second try',
    async () => {
      const said = await guest.run('cd /root && writ setup --answers answers.toml', { timeoutMs: 900_000 })
      const text = `${said.stdout}${said.stderr}`
      equal(said.status, 0, text)
      match(text, /hello, governed/)
      match(text, /REPLAYED/)
    },
  )
  await steps.step('the host is ATTESTED, and its units are enabled', async () => {
    await until(guest, 'ATTESTED')
    for (const unit of ['writd.service', 'writd.socket', 'writ-launchd.service'])
      equal(await guest.ok(`systemctl is-enabled ${unit}`), 'enabled', unit)
  })
  await steps.step('run once more it changes nothing', async () => {
    const before = await etc(guest)
    const done = await tryWrit(guest, ['setup', '--answers', '/root/answers.toml', '--json'])
    equal(done.status, 0, done.stderr.toString())
    const outcome = JSON.parse(done.stdout.toString()) as Outcome
    equal(outcome.changed, false)
    ok(outcome.steps.length > 5)
    equal(await etc(guest), before)
    equal((await status(guest)).state, 'ATTESTED')
  })
  await steps.step('writ doctor finds no error, and warns of what a guest is', async () => {
    const done = await tryWrit(guest, ['doctor', '--json'])
    const findings = findingsOf(done.stdout.toString())
    console.log(`           ${findings.join('; ') || 'nothing'}`)
    ok(findings.includes('warning EK_UNVERIFIED'), done.stderr.toString())
    equal(findings.filter(finding => finding.startsWith('error ')).join(), '')
  })
  await steps.powerOff(guest)
}

/** What is not as it should be, or was not looked at. */
function findingsOf(json: string): string[] {
  const { findings = [] } = JSON.parse(json) as {
    findings?: readonly { code: string; severity: string; what?: string }[]
  }
  return findings
    .filter(({ severity }) => severity !== 'ok')
    .map(({ code, severity }) => `${severity} ${code}`)
}

/** What the setup has written, as one digest. */
async function etc(guest: Guest): Promise<string> {
  const all = await guest.ok('find /etc/writ /etc/ima -type f -exec sha256sum {} + | sort')
  return createHash('sha256').update(all).digest('hex')
}
