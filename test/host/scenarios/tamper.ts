import { equal, match, ok } from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { exportLineage, tryWrit, until } from '../governed.ts'
import type { Guest } from '../guest.ts'
import { codes, ofType, readEntries, unended } from '../lineage.ts'
import { ok as run } from '../processes.ts'
import { type Bench, known } from './bench.ts'
import { clear, deniedAsFailed, type Named, toldAsFailed } from './failed.ts'
import { nothingGoverned, permitLong, saidLong, startLong } from './long-run.ts'
import { verifiedAsFailed } from './verified.ts'

/** What root can do on a live host, and the reasons that the appraisal has to give. */
interface Tampering {
  readonly what: string
  readonly tamper: (bench: Bench, guest: Guest) => Promise<unknown>
  readonly reasons: readonly Named[]
  /** The launcher is restarted with it, which ends what runs before anybody has looked at the host. */
  readonly restarts?: boolean
}

/** What a closed gate leaves to what it ends at once: the command that tells of it is emulated too. */
const AT_ONCE_MS = 30_000

/** Where the package has the daemon's code. */
const PARTS = ['/usr/lib/writ/writd', '/usr/lib/writ/writ.node', '/usr/lib/writ/writ-launchd'] as const

/** What `writ run` says when a failed appraisal has ended what it ran. */
const ENDED_BY_FAILURE = /^writ: ended by (ATTESTATION_FAILED|LEASE_LAPSED)/m

/** One in each boot: a measurement stays until the next one. */
const TAMPERINGS: readonly Tampering[] = [
  {
    what: 'a PCR is extended by hand',
    tamper: (_, guest) => guest.ok(`tpm2_pcrextend 4:sha256=${'5a'.repeat(32)}`),
    reasons: [{ code: 'QUOTE_PCR_DIGEST_MISMATCH', names: /do not replay to the quoted PCR values/ }],
  },
  {
    what: 'root executes a program that nobody listed, from ext4',
    tamper: (bench, guest) => execute(bench, guest, '/opt'),
    reasons: [{ code: 'IMA_ENTRY_UNKNOWN', names: / of \/opt\/stranger is / }],
  },
  {
    what: 'root executes one from tmpfs',
    tamper: (bench, guest) => execute(bench, guest, '/dev/shm'),
    reasons: [{ code: 'IMA_ENTRY_UNKNOWN', names: / of \/dev\/shm\/stranger is / }],
  },
  {
    what: 'root executes one from a memfd',
    tamper: executeMemfd,
    reasons: [{ code: 'IMA_ENTRY_UNKNOWN', names: / of (\/)?memfd:stranger/ }],
  },
  {
    what: 'writd, its addon and the launcher are changed and restarted',
    tamper: (_, guest) => changeParts(guest),
    reasons: PARTS.map(path => ({
      code: 'COMPONENT_CHANGED',
      names: new RegExp(` of ${path} is not a listed digest`),
    })),
    restarts: true,
  },
]

/** A host lives through a series of tamperings, each of them followed by a reboot and an operator's clearance. */
export async function tamper(bench: Bench): Promise<void> {
  const { steps, machine, dir } = bench
  let guest: Guest | undefined
  for (const [index, { what, tamper, reasons, restarts = false }] of TAMPERINGS.entries()) {
    guest = await steps.boot('the host boots', () => machine.boot())
    const booted = guest
    if (index === 0) await steps.step('and is ATTESTED', () => until(booted, 'ATTESTED'))
    else {
      await steps.step('it is FAILED still, though nothing is wrong with this boot', () =>
        until(booted, 'FAILED'),
      )
      await steps.step('an operator clears it: ATTESTED', () => clear(bench, booted, `${index}`))
    }
    await permitLong(bench, booted)
    await steps.step('a run is under way', () => startLong(booted))
    await steps.step(
      `${what}: FAILED, and status, journal, metrics and probe give the reason that names it`,
      async () => {
        await tamper(bench, booted)
        await toldAsFailed(booted, reasons)
      },
    )
    await steps.step('the run has ended with it', async () => {
      await nothingGoverned(booted, AT_ONCE_MS)
      if (!restarts) match(await saidLong(booted), ENDED_BY_FAILURE)
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
  await steps.step(
    'it tells of each failure with its reason, each clearance, and the end of each run',
    async () => {
      const events = readEntries(bundle)
      const failures = ofType(events, 'trust-transition').filter(({ to }) => to === 'FAILED')
      equal(failures.length, TAMPERINGS.length)
      for (const [index, { what, reasons }] of TAMPERINGS.entries()) {
        const told = codes(failures[index]?.reasons ?? [])
        for (const { code = '' } of reasons) ok(told.includes(code), `${what}: ${told.join()}`)
      }
      equal(ofType(events, 'failure-cleared').length, TAMPERINGS.length - 1)
      ok(ofType(events, 'appraisal').filter(({ verdict }) => verdict === 'fail').length >= TAMPERINGS.length)
      ok(
        ofType(events, 'execution-start').length >= TAMPERINGS.length,
        `${ofType(events, 'execution-start').length} runs`,
      )
      equal(unended(events).join(), '')
    },
  )
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
