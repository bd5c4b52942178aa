import { equal, notEqual, ok } from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { exportLineage, tryWrit, until } from '../governed.ts'
import type { Guest } from '../guest.ts'
import { ofType, readEntries } from '../lineage.ts'
import { ok as run } from '../processes.ts'
import { type Bench, known } from './bench.ts'
import { clear, deniedAsFailed, transitions } from './failed.ts'
import { verifiedAsFailed } from './verified.ts'

/** What root can do on a live host, one in each boot: a measurement stays until the next one. */
const TAMPERINGS: readonly [what: string, tamper: (bench: Bench, guest: Guest) => Promise<unknown>][] = [
  ['a PCR is extended by hand', (_, guest) => guest.ok(`tpm2_pcrextend 4:sha256=${'5a'.repeat(32)}`)],
  ['root executes a program that nobody listed, from ext4', (bench, guest) => execute(bench, guest, '/opt')],
  ['root executes one from tmpfs', (bench, guest) => execute(bench, guest, '/dev/shm')],
  ['root executes one from a memfd', executeMemfd],
  ['writd is changed and restarted', changeDaemon],
]

/** A host lives through a series of tamperings, each of them followed by a reboot and an operator's clearance. */
export async function tamper(bench: Bench): Promise<void> {
  const { steps, machine, dir } = bench
  let guest: Guest | undefined
  for (const [index, [what, body]] of TAMPERINGS.entries()) {
    guest = await steps.boot('the host boots', () => machine.boot())
    const booted = guest
    if (index === 0) await steps.step('and is ATTESTED', () => until(booted, 'ATTESTED'))
    else {
      await steps.step('it is FAILED still, though nothing is wrong with this boot', () =>
        until(booted, 'FAILED'),
      )
      await steps.step('an operator clears it: ATTESTED', () => clear(bench, booted, `${index}`))
    }
    await steps.step(`${what}: FAILED`, async () => {
      await body(bench, booted)
      await until(booted, 'FAILED')
    })
    await steps.step('what was permitted is denied', () => deniedAsFailed(bench, booted))
    if (index < TAMPERINGS.length - 1) await steps.powerOff(booted)
  }
  const host = guest
  if (host === undefined) return
  await steps.step('a report of the host with the changed writd is not verified outside', () =>
    refusedReport(bench, host),
  )
  const bundle = join(dir, 'bundle')
  await steps.step('the lineage is exported, and its log is verified outside', async () => {
    await exportLineage(host, bundle)
    await verifiedAsFailed(bench, bundle)
  })
  await steps.step('it tells of each failure and each clearance', async () => {
    const events = readEntries(bundle)
    equal(transitions(events).match(/ATTESTED FAILED/g)?.length, TAMPERINGS.length)
    equal(ofType(events, 'failure-cleared').length, TAMPERINGS.length - 1)
    ok(ofType(events, 'appraisal').filter(({ verdict }) => verdict === 'fail').length >= TAMPERINGS.length)
  })
  await steps.powerOff(host)
}

/** A program with a digest of its own. */
async function stranger({ operator }: Bench): Promise<Buffer> {
  const out = operator.path('stranger')
  const source = join(import.meta.dirname, '../programs/stranger.c')
  const name = `-DNAME="${randomBytes(8).toString('hex')}"`
  await run(['gcc', '-O2', '-static', name, '-o', out, source])
  return readFileSync(out)
}

async function execute(bench: Bench, guest: Guest, directory: string): Promise<void> {
  await guest.put(`${directory}/stranger`, await stranger(bench), '755')
  await guest.ok(`${directory}/stranger`)
}

async function executeMemfd(bench: Bench, guest: Guest): Promise<void> {
  const script =
    'import os, sys; f = os.memfd_create("stranger"); os.write(f, sys.stdin.buffer.read()); os.execve(f, ["stranger"], {})'
  await guest.ok(`python3 -c '${script}'`, { input: await stranger(bench) })
}

/** One more byte at the end: it runs as before. */
async function changeDaemon(_: Bench, guest: Guest): Promise<void> {
  const writd = '/usr/lib/writ/writd'
  await guest.ok(`cp -a ${writd} ${writd}.new && printf x >>${writd}.new && mv ${writd}.new ${writd}`)
  await guest.ok('systemctl restart writd.service', { timeoutMs: 600_000 })
}

async function refusedReport(bench: Bench, guest: Guest): Promise<void> {
  const { operator, machine } = bench
  const nonce = randomBytes(32).toString('hex')
  const made = await tryWrit(guest, ['report', 'create', '--nonce', nonce, '--out', '/run/failed.json'])
  equal(made.status, 0, made.stderr.toString())
  writeFileSync(operator.path('failed.json'), await guest.get('/run/failed.json'))
  const done = await operator.try(
    ...['report', 'verify', operator.path('failed.json'), '--nonce', nonce, '--host', known(bench).hostId],
    ...['--operator-key', operator.publicKey, '--reference-values', operator.path('reference.json')],
    ...['--ek-root', machine.ekRoot],
  )
  notEqual(done.status, 0)
  ok(/writd/.test(done.stdout.toString()), done.stdout.toString())
}
