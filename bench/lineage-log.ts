import { hash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { bindExtraData, type EnrolledAk } from '../attestation/index.ts'
import { UseTable } from '../authorization/index.ts'
import { Snapshots } from '../daemon/history/snapshots.ts'
import { type EventBody, Recorder, rfc3339 } from '../daemon/recorder.ts'
import { bindingOf, Lineage, type LineageEvent } from '../lineage/index.ts'
import { generateKey } from '../signing/key.ts'
import { SoftwareAk } from '../test/lineage/support/software-ak.ts'

export const BENCH_ORIGIN = 'bench'

/** Entries of the log; a start of ten million is what the goals are about, and takes some minutes to make ready. */
export const LOG_ENTRIES = Number(process.env.WRIT_BENCH_ENTRIES ?? 1_000_000)
/** Bytes of the record that a permit's entry carries. Those of an artifact with one policy and two signatures are some 3,000. */
const RECORD_BYTES = Number(process.env.WRIT_BENCH_RECORD_BYTES ?? 1024)
/** Where the log is kept from one run to the next; without it, it goes when the run ends. */
const KEPT = process.env.WRIT_BENCH_DIRECTORY

/** Entries from one checkpoint to the next: `lineage.checkpoint_entries` as it is when nobody sets it. */
const CHECKPOINT_ENTRIES = 1000
/** Entries from one appraisal to the next: an hour's. */
const APPRAISAL_ENTRIES = 10_000
/** Entries after which it is looked whether a snapshot is due. */
const SNAPSHOT_ENTRIES = 8192
/** One execution each second, of one of so many programs; every so many of them has its artifact in common; and one request in ten is denied. */
const STEP_MS = 1000
const PROGRAMS = 100
const USES_OF_AN_ARTIFACT = 20
const ONE_DENIED_IN = 10
/** Executions that go on at the same time. */
const RUNNING = 8
const BEGIN_MS = Date.UTC(2026, 0, 1)

/** A log as a daemon leaves it after months, and whose it is. */
export interface BenchLog {
  readonly directory: string
  readonly ak: EnrolledAk
}

/**
 * Gives a log of {@link LOG_ENTRIES} entries, written by way of `Lineage` with what the daemon itself has for snapshots: permits with their START and
 * END, denials, appraisals, checkpoints that the log tells of. Its TPM is a key in software.
 *
 * @param place for a log that is not kept
 */
export async function benchLog(place: string): Promise<BenchLog> {
  const at = join(KEPT ?? place, `log-${LOG_ENTRIES}-${RECORD_BYTES}`)
  const [directory, key] = [join(at, 'lineage'), join(at, 'ak.pem')]
  if (!existsSync(key)) {
    rmSync(at, { recursive: true, force: true })
    mkdirSync(at, { recursive: true })
    const ak = new SoftwareAk()
    // A snapshot rests in between, and no daemon is there whose other work keeps the process from its end.
    const alive = setInterval(() => undefined, 1000)
    await new Writer(ak).write(directory).finally(() => clearInterval(alive))
    // The key has its name last: without it the log is not whole.
    writeFileSync(`${key}.new`, ak.pem)
    renameSync(`${key}.new`, key)
  }
  return { directory, ak: new SoftwareAk(readFileSync(key, 'utf8')).ak }
}

/** Removes a log that is not kept. */
export function dropBenchLog({ directory }: BenchLog): void {
  if (KEPT === undefined) rmSync(join(directory, '..'), { recursive: true, force: true })
}

interface Execution {
  readonly executionId: string
  readonly decision: number
  readonly program: string
}

function digestOf(what: string, n: number): string {
  return hash('sha256', `${what} ${n}`)
}

class Writer {
  readonly #ak: SoftwareAk
  readonly #logKey = generateKey('ed25519')
  /** Milliseconds since the first entry. */
  #ms = 0
  #requests = 0
  #appraisal: number | null = null
  readonly #running: Execution[] = []

  constructor(ak: SoftwareAk) {
    this.#ak = ak
  }

  async write(directory: string): Promise<void> {
    const ak = this.#ak
    const signer = {
      ...{ logKey: this.#logKey, ak: ak.ak },
      quote: async (data: Buffer) => this.#quote(data),
      readPcrs: async () => Buffer.concat(ak.state.pcrs),
    }
    const lineage = await Lineage.open(directory, { origin: BENCH_ORIGIN, create: true, signer })
    const recorder = new Recorder(
      lineage,
      () => BigInt(this.#ms + 1) * 1_000_000n,
      () => BEGIN_MS + this.#ms,
    )
    const fail = (fields: object) => {
      throw new Error('no snapshot was written', { cause: fields })
    }
    const snapshots = new Snapshots({
      ...{ lineage, recorder, uses: new UseTable() },
      log: { warn: fail, debug: () => undefined },
    })
    lineage.onPublished = async ({ size, root, note, pcrs }) => {
      const digest = pcrs && (await lineage.putBlob(pcrs))
      const told = { size, root: root.toString('hex'), note: note.toString('base64'), pcrs: digest }
      await recorder.record({ type: 'checkpoint', ...told })
    }
    await this.#start(lineage, recorder)
    for (let batch = 1; lineage.size < LOG_ENTRIES; batch++) {
      if (batch % (APPRAISAL_ENTRIES / CHECKPOINT_ENTRIES) === 1) await this.#appraise(lineage, recorder)
      await this.#work(lineage, recorder)
      if (Number(lineage.size) % SNAPSHOT_ENTRIES < CHECKPOINT_ENTRIES * 1.1) await snapshots.make()
      await lineage.checkpoint()
    }
    await lineage.close()
  }

  #quote(data: Buffer) {
    this.#ak.state.clock = BigInt(this.#ms + 1000)
    this.#ak.signed.length = 0
    return this.#ak.quote(data)
  }

  async #start(lineage: Lineage, recorder: Recorder): Promise<void> {
    const spki = this.#logKey.public.spki.toString('base64')
    await recorder.record({
      type: 'daemon-start',
      daemonVersion: '0.1.0',
      bootId: '01234567-89ab-cdef-0123-456789abcdef',
      configDigest: await lineage.putBlob(Buffer.from('{}')),
      ...{ sessionKeySpki: spki, logKeySpki: spki },
      hostId: Buffer.from(this.#ak.ak.name).toString('hex'),
      ...{ clean: true, tier: 'simulated' },
    })
  }

  async #appraise(lineage: Lineage, recorder: Recorder): Promise<void> {
    const some = digestOf('some', 0)
    const { resetCount, restartCount, safe } = this.#ak.state
    const event: LineageEvent & { type: 'appraisal' } = {
      ...{ v: 1, type: 'appraisal', time: rfc3339(0), bootNs: '0', verdict: 'pass', reasons: [] },
      binding: {
        domain: 'writ/v1/cycle',
        nonce: some,
        treeSize: Number(lineage.size),
        lineageRoot: lineage.rootHash().toString('hex'),
        ...{ sessionKeySpkiDigest: some, referenceValuesDigest: some },
      },
      clock: { clock: String(this.#ms + 1000), resetCount, restartCount, safe },
      evidence: {
        ...{ attest: some, signature: some, userspaceLog: null, imaLog: [], imaLength: 0 },
        eventLog: await lineage.putBlob(Buffer.from('an event log')),
      },
    }
    const quote = this.#quote(bindExtraData(bindingOf(event)))
    const attest = await lineage.putBlob(quote.attest)
    const signature = await lineage.putBlob(quote.signature)
    const body: EventBody = { ...event, evidence: { ...event.evidence, attest, signature } }
    this.#appraisal = Number(await recorder.record(body))
  }

  /** As many entries as are between two checkpoints, appended as fast as they are made. */
  async #work(lineage: Lineage, recorder: Recorder): Promise<void> {
    const first = Number(lineage.size)
    const appended: Promise<bigint>[] = []
    const add = (body: EventBody): number => appended.push(recorder.record(body)) - 1 + first
    while (appended.length < CHECKPOINT_ENTRIES) {
      this.#ms += STEP_MS
      const n = this.#requests++
      if (n % ONE_DENIED_IN === 0) {
        add(this.#decision(n, 'deny'))
        continue
      }
      const execution = {
        ...{ executionId: digestOf('execution', n).slice(0, 32), program: digestOf('program', n % PROGRAMS) },
        decision: add(this.#decision(n, 'permit')),
      }
      add({
        type: 'execution-start',
        ...{ executionId: execution.executionId, decision: execution.decision, parent: null },
        ...{ subjects: [execution.program], pid: 1000 + (n % 30_000), epoch: 1 },
        cgroup: `/system.slice/writ-launchd.service/executions/${execution.executionId}`,
      })
      this.#running.push(execution)
      const ended = this.#running.length > RUNNING ? this.#running.shift() : undefined
      if (ended !== undefined) add(endOf(ended))
    }
    await Promise.all(appended)
  }

  #decision(n: number, outcome: 'permit' | 'deny'): EventBody {
    const permitted = outcome === 'permit'
    const record = Buffer.alloc(RECORD_BYTES, `{"request":${n},"decision":"${outcome}"}`)
    const digest = hash('sha256', record)
    const group = Math.floor(n / USES_OF_AN_ARTIFACT)
    return {
      type: 'decision',
      ...{ outcome, record: digest, inputs: [], inline: { [digest]: record.toString('base64') } },
      reasons: permitted ? [] : [{ code: 'POLICY_DENIED', message: 'no policy permits it', at: null }],
      artifact: digestOf('artifact', group),
      caller: {
        ...{ uid: 1000, gid: 1000, pid: 1000 + (n % 30_000), parent: null },
        ...{ cgroup: '/user.slice/user-1000.slice/session-1.scope', unit: 'session-1.scope' },
      },
      links: { policy: null, trustRoots: null, appraisal: this.#appraisal, parent: null },
      executionId: permitted ? digestOf('execution', n).slice(0, 32) : null,
      use: permitted
        ? {
            ...{ issuer: 'ops', id: `job-${group}`, maxUses: null },
            notAfter: rfc3339(BEGIN_MS + (group + 1) * USES_OF_AN_ARTIFACT * STEP_MS),
          }
        : null,
    }
  }
}

function endOf({ executionId, decision }: Execution): EventBody {
  return {
    type: 'execution-end',
    ...{ executionId, decision, cause: 'EXITED', exitCode: 0, signal: null, confirmedDead: true },
    rusage: { userMicros: 1200, systemMicros: 900, maxRssKilobytes: 4096, minorFaults: 300 },
    streams: null,
  }
}
