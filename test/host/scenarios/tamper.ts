import { equal, ok } from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { AppraisalReasonCode } from '../../../attestation/index.ts'
import { exportLineage, tryWrit, until } from '../governed.ts'
import type { Guest } from '../guest.ts'
import { ofType, readEntries } from '../lineage.ts'
import { ok as run } from '../processes.ts'
import { type Bench, known } from './bench.ts'
import { clear, deniedAsFailed, transitions } from './failed.ts'
import { verifiedAsFailed } from './verified.ts'

/** What root can do on a live host, and the reasons that the appraisal has to give: a code, and what its message names. */
interface Tampering {
  readonly what: string
  readonly tamper: (bench: Bench, guest: Guest) => Promise<unknown>
  readonly reasons: readonly [code: AppraisalReasonCode, names: RegExp][]
}

/** Where the package has the daemon's code. */
const PARTS = ['/usr/lib/writ/writd', '/usr/lib/writ/writ.node', '/usr/lib/writ/writ-launchd'] as const

/** One in each boot: a measurement stays until the next one. */
const TAMPERINGS: readonly Tampering[] = [
  {
    what: 'a PCR is extended by hand',
    tamper: (_, guest) => guest.ok(`tpm2_pcrextend 4:sha256=${'5a'.repeat(32)}`),
    reasons: [['QUOTE_PCR_DIGEST_MISMATCH', /do not replay to the quoted PCR values/]],
  },
  {
    what: 'root executes a program that nobody listed, from ext4',
    tamper: (bench, guest) => execute(bench, guest, '/opt'),
    reasons: [['IMA_ENTRY_UNKNOWN', / of \/opt\/stranger is /]],
  },
  {
    what: 'root executes one from tmpfs',
    tamper: (bench, guest) => execute(bench, guest, '/dev/shm'),
    reasons: [['IMA_ENTRY_UNKNOWN', / of \/dev\/shm\/stranger is /]],
  },
  {
    what: 'root executes one from a memfd',
    tamper: executeMemfd,
    reasons: [['IMA_ENTRY_UNKNOWN', / of (\/)?memfd:stranger/]],
  },
  {
    what: 'writd, its addon and the launcher are changed and restarted',
    tamper: (_, guest) => changeParts(guest),
    reasons: PARTS.map(path => ['COMPONENT_CHANGED', new RegExp(` of ${path} is not a listed digest`)]),
  },
]

/** A host lives through a series of tamperings, each of them followed by a reboot and an operator's clearance. */
export async function tamper(bench: Bench): Promise<void> {
  const { steps, machine, dir } = bench
  let guest: Guest | undefined
  for (const [index, { what, tamper, reasons }] of TAMPERINGS.entries()) {
    guest = await steps.boot('the host boots', () => machine.boot())
    const booted = guest
    if (index === 0) await steps.step('and is ATTESTED', () => until(booted, 'ATTESTED'))
    else {
      await steps.step('it is FAILED still, though nothing is wrong with this boot', () =>
        until(booted, 'FAILED'),
      )
      await steps.step('an operator clears it: ATTESTED', () => clear(bench, booted, `${index}`))
    }
    await steps.step(`${what}: FAILED, and the reason names it`, async () => {
      await tamper(bench, booted)
      const said = await until(booted, 'FAILED')
      for (const [code, names] of reasons)
        ok(
          said.reasons.some(reason => reason.code === code && names.test(`${reason.at} ${reason.message}`)),
          `no ${code} ${names}: ${JSON.stringify(said.reasons)}`,
        )
    })
    await steps.step('what was permitted is denied', () => deniedAsFailed(bench, booted))
    if (index < TAMPERINGS.length - 1) await steps.powerOff(booted)
  }
  const host = guest
  if (host === undefined) return
  await steps.step('a report of the host with changed parts is not verified outside', () =>
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

/** One more byte at the end of each: they run as before. */
async function changeParts(guest: Guest): Promise<void> {
  for (const part of PARTS)
    await guest.ok(`cp -a ${part} ${part}.new && printf x >>${part}.new && mv ${part}.new ${part}`)
  // And with it the daemon, which is part of it.
  await guest.ok('systemctl restart writ-launchd.service', { timeoutMs: 600_000 })
}

async function refusedReport(bench: Bench, guest: Guest): Promise<void> {
  const { operator, machine } = bench
  const nonce = randomBytes(32).toString('hex')
  const made = await tryWrit(guest, ['report', 'create', '--nonce', nonce, '--out', '/run/failed.json'])
  equal(made.status, 0, made.stderr.toString())
  writeFileSync(operator.path('failed.json'), await guest.get('/run/failed.json'))
  const done = await operator.try(
    ...['report', 'verify', operator.path('failed.json'), '--nonce', nonce, '--host', known(bench).hostId],
    ...['--operator-key', operator.publicKey, '--reference', operator.path('reference.json')],
    ...['--ek-root', machine.ekRoot],
  )
  equal(done.status, 1)
  const said = done.stdout.toString()
  for (const part of PARTS) ok(said.includes(` of ${part} is not a listed digest`), said)
}
