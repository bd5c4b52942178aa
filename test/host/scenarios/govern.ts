import { equal, match, ok } from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ALICE, exportLineage, PROGRAMS, tryWrit, writ } from '../governed.ts'
import type { Guest } from '../guest.ts'
import { ofType, readEntries } from '../lineage.ts'
import { type Bench, known } from './bench.ts'
import { provision } from './provision.ts'
import { verified } from './verified.ts'

/** Provisions a host, governs a run on it, and takes its evidence out. */
export async function govern(bench: Bench): Promise<void> {
  const guest = await provision(bench)
  const { steps } = bench
  await steps.step('an artifact is issued outside', async () => {
    await guest.put('/run/greet.artifact.json', await issueGreet(bench, 'greet', ['good-day', '7'], '1'))
  })
  const run = ['run', '--artifact', '/run/greet.artifact.json', '--', `${PROGRAMS}/greet`, 'good-day', '7']
  await steps.step('an ordinary user runs the program under it', async () => {
    const done = await tryWrit(guest, run, { user: ALICE })
    match(done.stdout.toString(), /^good-day from uid 6[01]\d\d\d\n$/, done.stderr.toString())
    equal(done.status, 7)
  })
  await steps.step('and not twice: REPLAYED', async () => {
    const again = await tryWrit(guest, run, { user: ALICE })
    equal(again.status, 1)
    match(again.stderr.toString(), /REPLAYED/)
    equal(again.stdout.toString(), '')
  })
  await steps.step('a report for a nonce is verified outside', () => report(bench, guest, 'report'))
  const bundle = join(bench.dir, 'bundle')
  await steps.step('the lineage is exported', () => exportLineage(guest, bundle))
  await steps.step('and verified outside, on a simulated TPM, with exit status 0', () =>
    verified(bench, bundle),
  )
  await steps.step('it tells of the run, and of appraisals that passed alone', async () => {
    const events = readEntries(bundle)
    const ends = ofType(events, 'execution-end')
    equal(ends.length, 1)
    equal(ends[0]?.exitCode, 7)
    equal(ends[0]?.confirmedDead, true)
    const decisions = ofType(events, 'decision').map(({ outcome }) => outcome)
    equal(decisions.join(), 'permit,deny')
    ok(ofType(events, 'appraisal').every(({ verdict }) => verdict === 'pass'))
  })
  await steps.powerOff(guest)
}

/** An artifact for `greet`, for the provisioned host. */
export function issueGreet(
  bench: Bench,
  name: string,
  args: readonly string[],
  uses: string,
): Promise<Buffer> {
  const { operator } = bench
  const placed = { outside: operator.path('greet'), inGuest: `${PROGRAMS}/greet` }
  return operator.issue(name, placed, args, [
    ...['--host', known(bench).hostId, '--valid', '1d', '--uses', uses, '--uid', 'any', '--policy', 'any'],
    ...['--reference-values', 'any', '--simulated', 'allow', '--network', 'none'],
  ])
}

/** Has the host make a report, and the operator verify it. @throws AssertionError unless it is VERIFIED */
export async function report(bench: Bench, guest: Guest, name: string): Promise<void> {
  const { operator, machine } = bench
  const nonce = randomBytes(32).toString('hex')
  await writ(guest, ['report', 'create', '--nonce', nonce, '--out', `/run/${name}.json`])
  writeFileSync(operator.path(`${name}.json`), await guest.get(`/run/${name}.json`))
  const done = await operator.try(
    ...['report', 'verify', operator.path(`${name}.json`), '--nonce', nonce, '--host', known(bench).hostId],
    ...['--operator-key', operator.publicKey, '--reference', operator.path('reference.json')],
    ...['--ek-root', machine.ekRoot, '--governed', greetDigest(bench)],
  )
  equal(done.status, 0, `${done.stdout}${done.stderr}`)
  equal(JSON.parse(done.stdout.toString()).tier, 'simulated TPM')
}

function greetDigest({ operator }: Bench): string {
  return createHash('sha256')
    .update(readFileSync(operator.path('greet')))
    .digest('hex')
}
