import { deepEqual, equal, match, notEqual, ok } from 'node:assert/strict'
import { join } from 'node:path'
import { eventually } from '../eventually.ts'
import { ALICE, attestedAnew, exportLineage, PROGRAMS, tryWrit, until, writ } from '../governed.ts'
import type { Guest } from '../guest.ts'
import { ofType, readEntries } from '../lineage.ts'
import { Runbook } from '../runbook.ts'
import type { Bench } from './bench.ts'
import { governedPids, longLease, mainPid, permitLong, startLong } from './long-run.ts'
import { bringUpgrade } from './runbooks/upgrade.ts'
import { verified } from './verified.ts'

/** The authValue of the lockout hierarchy, which an operator keeps elsewhere. */
const LOCKOUT_AUTH = 'lockout-of-the-guest'

/** Somebody guesses at a key of his own until the TPM has had enough. */
const GUESS = `
tpm2_changeauth -Q -c lockout ${LOCKOUT_AUTH}
tpm2_createprimary -Q -C o -G ecc -p right -c /run/guessed.ctx
for i in $(seq 40); do
  if tpm2_getcap properties-variable | grep -qE 'inLockout: +1'; then exit 0; fi
  tpm2_create -Q -C /run/guessed.ctx -P wrong -u /run/guessed.pub -r /run/guessed.priv >/dev/null 2>&1 || true
done
exit 1
`

/** The pages of docs/operations as written, where they need a service manager or a TPM of the host's own, while something governed runs. */
export async function runbooks(bench: Bench): Promise<void> {
  const { steps, machine, operator, dir } = bench
  const guest = await steps.boot('the host boots again', () => machine.boot())
  await steps.step('and is ATTESTED', () => until(guest, 'ATTESTED'))
  await guest.put('/etc/writ/operator.key', operator.read('operator.key'), '600')
  await longLease(guest)
  await permitLong(bench, guest)
  const running = await steps.step('a run is under way', async () => {
    await startLong(guest)
    return governedPids(guest)
  })
  const book = await Runbook.open(guest, '/etc/writ')

  await steps.step('monitoring.md: metrics on TCP, and more in the log for a while', async () => {
    await book.follow('monitoring.md')
    match(await journal(guest), /log level[\s\S]*log level/)
    deepEqual(await governedPids(guest), running)
  })
  await steps.step('disasters.md: the TPM is in lockout, and the host goes on meanwhile', async () => {
    await book.set('LOCKOUT_AUTH', LOCKOUT_AUTH)
    await book.follow('disasters.md', {
      lockout: async () => {
        await guest.ok(GUESS, { timeoutMs: 300_000 })
        await attestedAnew(guest)
        return undefined
      },
    })
    await attestedAnew(guest)
    deepEqual(await governedPids(guest), running)
  })
  const upgrade = await steps.step('upgrade.md, where the operator’s key is', () =>
    bringUpgrade(bench, guest),
  )
  await steps.step('upgrade.md, on the host: another writd, and the same execution goes on', async () => {
    const [before, launcher] = [
      await mainPid(guest, 'writd.service'),
      await mainPid(guest, 'writ-launchd.service'),
    ]
    const onHost = await Runbook.open(guest, '/root')
    await onHost.follow('upgrade.md', {}, upgrade.written)
    match(
      await guest.ok('dpkg --status writ'),
      new RegExp(`^Version: ${upgrade.version.replaceAll('+', '\\+')}$`, 'm'),
    )
    notEqual(await mainPid(guest, 'writd.service'), before)
    equal(await mainPid(guest, 'writ-launchd.service'), launcher)
    await attestedAnew(guest)
    deepEqual(await governedPids(guest), running)
  })
  await steps.step('clearing.md: the clock was wrong, and is right', () => clock(guest))
  const bundle = join(dir, 'bundle')
  await steps.step('the lineage has all of it, and is verified outside', async () => {
    await exportLineage(guest, bundle)
    await verified(bench, bundle)
    const events = readEntries(bundle)
    ok(ofType(events, 'appraisal').every(({ verdict }) => verdict === 'pass'))
    ok(ofType(events, 'adoption').length >= 2)
    equal(ofType(events, 'clock-trusted').at(-1)?.by, 'operator')
  })
  await steps.powerOff(guest)
}

/** The clock was an hour behind from the first day on, and is set right; from then on nothing is permitted until somebody signs for it. */
async function clock(guest: Guest): Promise<void> {
  const fault = async () => (await writ<{ clockFault: string }>(guest, ['status'])).clockFault
  const book = await Runbook.open(guest, '/etc/writ')
  await book.follow('clearing.md', {
    'the clock was wrong': async () => {
      await guest.ok("date -s '+1 hour'")
      await eventually(
        async () => (await fault()) !== '',
        120_000,
        () => journal(guest),
      )
      const run = ['run', '--artifact', '/run/long.artifact.json', '--', `${PROGRAMS}/greet`, 'long', '0']
      const done = await tryWrit(guest, [...run, '3600'], { user: ALICE })
      equal(done.status, 1)
      match(done.stderr.toString(), /CLOCK_UNTRUSTED/)
      return undefined
    },
  })
  equal(await fault(), '')
  await attestedAnew(guest)
}

function journal(guest: Guest): Promise<string> {
  return guest.ok('journalctl -b --no-pager -o cat -u writd.service')
}
