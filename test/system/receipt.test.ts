import { chmodSync, chownSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readTrustedKey } from '../../cli/keys.ts'
import { verifyReceipt } from '../../cli/receipt/verify.ts'
import { allVerified } from '../../cli/verify/property.ts'
import { sha256Hex } from '../../encoding/digest.ts'
import { canonicalJsonBytes } from '../../encoding/json.ts'
import { formatNote, noteKeyId, parseNote } from '../../lineage/c2sp/note.ts'
import { rawEd25519 } from '../../lineage/c2sp/note-key.ts'
import { parseEvent } from '../../lineage/index.ts'
import { api, WritClient } from '../../proto/client.ts'
import { encodeReceipt, type ProvenEntry, parseReceipt, type Receipt } from '../../receipt/index.ts'
import { parseEnvelope, signEnvelope } from '../../signing/dsse.ts'
import { generateKey, type PrivateKey, readPrivateKey } from '../../signing/key.ts'
import { GovernedHost, NEEDS_ROOT } from './governed-host.ts'

type Property = { property: string; status: string; detail: string; asked: boolean }
type Verified = { verified: boolean; properties: Property[]; tier: string; hostId: string | null }

/** Neither root nor an auditor. */
const CALLER = 65_001
const OTHER = 65_002

describe.skipIf(NEEDS_ROOT !== null)(`a receipt (${NEEDS_ROOT ?? 'as root'})`, () => {
  let host: GovernedHost
  let artifact: string
  let mine: Receipt
  let other: Receipt
  let early: Buffer
  const greet = ['/bin/sh', '-c', 'cat; echo out; echo err >&2; exit 3']

  beforeAll(async () => {
    host = await GovernedHost.start({ enrolled: true })
    artifact = await host.issue('greet', greet)
    mkdirSync(host.path('outside'))
    chownSync(host.path('outside'), CALLER, CALLER)
    chmodSync(host.path('outside'), 0o755)
  }, 120_000)
  afterAll(() => host?.close())

  /** As somebody does it who has never seen the host. */
  async function verify(file: string, ...options: string[]): Promise<{ code: number | null } & Verified> {
    const trust = ['--operator-key', host.path('operator.pub')]
    const done = await host.writ(['receipt', 'verify', '--json', ...trust, ...options, file])
    if (done.stdout === '') throw new Error(done.stderr)
    return { code: done.code, ...JSON.parse(done.stdout) }
  }

  /** Names of the properties that are not what they would have to be. */
  async function faults(receipt: Receipt, { operators = true, whole = true } = {}): Promise<string[]> {
    const trust = {
      operators: operators ? [await readTrustedKey(host.path('operator.pub'), 'the key')] : [],
      ...{ roots: null, hostId: null, at: new Date(), whole, evidence: null, policy: null },
    }
    const { properties } = await verifyReceipt(parseReceipt(encodeReceipt(receipt)), trust)
    const bad = properties.filter(
      ({ status, asked }) => status === 'FAILED' || (status !== 'VERIFIED' && asked),
    )
    expect(allVerified(properties)).toBe(bad.length === 0)
    return bad.map(({ property }) => property)
  }

  const run = (file: string, ...options: string[]) => [
    ...['run', '--artifact', artifact, ...options, '--receipt', file, '--', ...greet],
  ]
  const entryOf = (receipt: Receipt, type: string): ProvenEntry =>
    receipt.entries.find(({ bytes }) => parseEvent(bytes).type === type) ?? expect.fail(`no ${type}`)
  const swapped = (receipt: Receipt, type: string, entry: ProvenEntry | null): Receipt => ({
    ...receipt,
    entries: [
      ...receipt.entries.filter(({ bytes }) => parseEvent(bytes).type !== type),
      ...(entry === null ? [] : [entry]),
    ].sort((a, b) => a.index - b.index),
  })
  /** The statement with something changed, signed anew. */
  const restated = (
    receipt: Receipt,
    key: PrivateKey,
    change: (statement: { predicate: { end: { exitCode: number } } }) => void,
  ): Receipt => {
    const statement = JSON.parse(receipt.statement.payload.toString())
    change(statement)
    const { payloadType } = receipt.statement
    return {
      ...receipt,
      statement: parseEnvelope(signEnvelope(payloadType, canonicalJsonBytes(statement), [key])),
    }
  }

  /** The checkpoint with one signature line that says something else. */
  const withLine = (receipt: Receipt, line: number): Receipt => {
    const { text, signatures } = parseNote(receipt.checkpoint)
    const changed = signatures.map(({ name, keyId, signature }, i) => {
      const flipped = Buffer.from(signature)
      if (i === line) flipped.writeUInt8(flipped.readUInt8(flipped.length - 1) ^ 1, flipped.length - 1)
      return { name, keyId, signature: flipped }
    })
    return { ...receipt, checkpoint: formatNote({ text, signatures: changed }) }
  }
  /** The blobs without a document that the decision was made by. */
  const without = (receipt: Receipt, name: 'policy' | 'trustRoots') => {
    const { predicate } = JSON.parse(receipt.statement.payload.toString())
    return new Map([...receipt.blobs].filter(([digest]) => digest !== predicate[name].envelope))
  }

  test('of a run, with the digests of its streams, is verified by a stranger', async () => {
    early = readFileSync(host.path('state/lineage/checkpoint'))
    const file = host.path('greet.receipt.json')
    const done = await host.writ(run(file, '--digest-streams'), { input: 'hello\n' })
    expect(done).toMatchObject({ code: 3, stdout: 'hello\nout\n', stderr: 'err\n' })
    const roots = ['--hardware-ek-root', host.tpm.paths.intermediateCertificate]
    const found = await verify(file, '--whole', ...roots)
    expect(found.properties.filter(({ status }) => status !== 'VERIFIED')).toMatchObject([
      { property: 'host that was asked for', asked: false },
    ])
    // Whatever roots somebody takes for those of hardware.
    expect(found).toMatchObject({ code: 0, verified: true, tier: 'simulated TPM', hostId: host.hostId })
    mine = parseReceipt(readFileSync(file))
    const { subject, predicate } = JSON.parse(mine.statement.payload.toString())
    expect(subject.map(({ name }: { name: string }) => name)).toEqual([
      '/bin/sh',
      'stdin',
      'stdout',
      'stderr',
    ])
    expect(subject[0].digest.sha256).toBe(sha256Hex(readFileSync('/bin/sh')))
    expect(predicate.end).toMatchObject({
      ...{ cause: 'EXITED', exitCode: 3, signal: null, confirmedDead: true },
      streams: {
        stdin: { sha256: sha256Hex(Buffer.from('hello\n')), bytes: 6 },
        stdout: { sha256: sha256Hex(Buffer.from('hello\nout\n')), bytes: 10 },
        stderr: { sha256: sha256Hex(Buffer.from('err\n')), bytes: 4 },
      },
    })
    const second = host.path('other.receipt.json')
    await host.writ(run(second))
    other = parseReceipt(readFileSync(second))
    expect(await faults(mine)).toEqual([])
    expect(await faults(other)).toEqual([])
  }, 60_000)

  test('that was tampered with is not verified', async () => {
    const logKey = readPrivateKey(readFileSync(host.path('state/identity/log.key'), 'utf8'))
    const stranger = generateKey('ed25519')
    const end = entryOf(mine, 'execution-end')
    const STORY = 'entries of one execution'
    const STATEMENT = 'statement made anew from the entries'
    const cases: [string, Receipt, string][] = [
      ['the END of another', swapped(mine, 'execution-end', entryOf(other, 'execution-end')), STORY],
      ['the permit of another', swapped(mine, 'decision', entryOf(other, 'decision')), STORY],
      ['the START of another', swapped(mine, 'execution-start', entryOf(other, 'execution-start')), STORY],
      ['no END', swapped(mine, 'execution-end', null), STORY],
      ['no appraisal', swapped(mine, 'appraisal', null), STORY],
      ['no policy, which the permit names', swapped(mine, 'policy', null), STORY],
      ['no trust roots, which the permit names', swapped(mine, 'trust-roots', null), STORY],
      ['no start of the daemon', swapped(mine, 'daemon-start', null), STORY],
      ['all entries of another', { ...other, statement: mine.statement }, STATEMENT],
      ['an older checkpoint', { ...mine, checkpoint: early }, 'inclusion of each entry'],
      [
        'another way to the root',
        swapped(mine, 'execution-end', { ...end, proof: entryOf(other, 'execution-end').proof }),
        'inclusion of each entry',
      ],
      [
        'an entry that was changed',
        swapped(mine, 'execution-end', {
          ...end,
          bytes: Buffer.from(end.bytes.toString().replace('"exitCode":3', '"exitCode":0')),
        }),
        'inclusion of each entry',
      ],
      ['another history', { ...mine, history: mine.history.slice(1) }, 'history before the appraisal'],
      [
        'another statement by another key',
        restated(mine, stranger, it => {
          it.predicate.end.exitCode = 0
        }),
        STATEMENT,
      ],
      [
        'another statement by the log’s own key',
        restated(mine, logKey, it => {
          it.predicate.end.exitCode = 0
        }),
        STATEMENT,
      ],
      [
        'the statement by another key',
        restated(mine, stranger, () => undefined),
        'signature of the statement',
      ],
      ['a checkpoint without the TPM’s word', withLine(mine, 1), 'TPM signature of the checkpoint'],
      ['a checkpoint without the log key’s word', withLine(mine, 0), 'Ed25519 signature of the checkpoint'],
      ['no quote', { ...mine, blobs: new Map() }, 'quote of the appraisal'],
      ['no artifact', { ...mine, blobs: without(mine, 'trustRoots') }, 'artifact signatures'],
      ['no policy to decide by', { ...mine, blobs: without(mine, 'policy') }, 'decision evaluated again'],
      [
        'no certificate',
        { ...mine, host: { ...mine.host, akCertificate: null } },
        'AK–EK binding, certified by the operator',
      ],
    ]
    for (const [what, receipt, property] of cases) expect(await faults(receipt), what).toContain(property)

    // The log's own key changes nothing in a statement that says what the entries say; without any it is said that nobody signed.
    expect(await faults(restated(mine, logKey, () => undefined))).toEqual([])
    expect(await faults({ ...mine, statement: { ...mine.statement, signatures: [] } })).toEqual([])
    // Nothing but the receipt proves nothing.
    expect(await faults(mine, { operators: false, whole: false })).toEqual(
      expect.arrayContaining([
        'TPM signature of the checkpoint',
        'host of the entries',
        'quote of the appraisal',
      ]),
    )
  }, 60_000)

  test('whose bytes were flipped anywhere is no receipt, or not verified', async () => {
    const bytes = encodeReceipt(mine)
    const trust = { operators: [await readTrustedKey(host.path('operator.pub'), 'the key')], roots: null }
    const every = process.env.WRIT_FLIPS === 'all' ? 1 : Math.ceil(bytes.length / 150)
    for (let at = 0; at < bytes.length; at += every) {
      const flipped = Buffer.from(bytes)
      flipped.writeUInt8(flipped.readUInt8(at) ^ 1, at)
      let receipt: Receipt
      try {
        receipt = parseReceipt(flipped)
      } catch {
        continue
      }
      const all = { ...trust, hostId: null, at: new Date(), whole: true, evidence: null, policy: null }
      const { properties } = await verifyReceipt(receipt, all)
      expect(allVerified(properties), `byte ${at}`).toBe(false)
    }
  }, 60_000)

  test('is for whom the execution is, and carries what that one may see', async () => {
    const file = host.path('outside/own.receipt.json')
    const done = await host.writ([...run(file), '--json'].toSpliced(1, 0, '--json').slice(0, -1), {
      uid: CALLER,
    })
    expect(done.code).toBe(3)
    const { started } = JSON.parse(done.stderr.slice(done.stderr.indexOf('{')))
    expect(await verify(file)).toMatchObject({ code: 0, verified: true })
    const whole = await verify(file, '--whole')
    expect(whole.code).toBe(1)
    expect(whole.properties.filter(({ status, asked }) => asked && status !== 'VERIFIED')).toMatchObject([
      { property: 'artifact signatures', status: 'NOT CHECKED' },
      { property: 'decision evaluated again', status: 'NOT CHECKED' },
    ])
    await host.ok('lineage', 'export', '--state-dir', host.path('state'), host.path('bundle'))
    expect(await verify(file, '--whole', '--evidence', host.path('bundle/lineage'))).toMatchObject({
      code: 0,
    })

    const id: string = started.executionId
    const strange = await host.writ(['receipt', 'get', id, '--out', host.path('x.json')], { uid: OTHER })
    expect(strange).toMatchObject({ code: 1, stdout: '' })
    expect(strange.stderr).toContain('not found')
    // The same file again, but for the checkpoint and the ways to its root.
    await host.ok('receipt', 'get', id, '--out', host.path('again.json'))
    const again = parseReceipt(readFileSync(host.path('again.json')))
    const first = parseReceipt(readFileSync(file))
    expect(again.statement).toEqual(first.statement)
    expect(again.blobs.size).toBeGreaterThan(first.blobs.size)

    // From files alone, the same statement, which nobody has signed.
    await host.ok('receipt', 'make', id, '--directory', host.path('bundle'), '--out', host.path('made.json'))
    const made = parseReceipt(readFileSync(host.path('made.json')))
    expect(made.statement.payload.equals(first.statement.payload)).toBe(true)
    const unsigned = await verify(host.path('made.json'), '--whole')
    expect(unsigned).toMatchObject({ code: 0, verified: true })
    expect(unsigned.properties.filter(({ status }) => status !== 'VERIFIED')).toMatchObject([
      { property: 'host that was asked for' },
      { property: 'EK certificate chain' },
      { property: 'signature of the statement', status: 'NOT CHECKED', asked: false },
    ])

    // A checkpoint that nobody has witnessed does not satisfy who asks for that.
    const key = Buffer.concat([Buffer.of(0x04), rawEd25519(generateKey('ed25519').public)])
    const id4 = noteKeyId('witness.example/w', key.subarray(0, 1), key.subarray(1)).toString('hex')
    const witness = `witness.example/w+${id4}+${key.toString('base64')}`
    writeFileSync(host.path('policy'), `witness w ${witness}\nquorum w\n`)
    const judged = await verify(file, '--policy', host.path('policy'))
    expect(judged.code).toBe(1)
    expect(
      judged.properties.filter(({ status }) => status === 'FAILED').map(({ property }) => property),
    ).toEqual(['quorum of the witness policy'])
  }, 60_000)

  test('is of what has ended, and outlasts the daemon that knew it', async () => {
    const sleep = ['/bin/sleep', '60']
    const detached = await host.issue('sleep', sleep, ['--detach'])
    const id = (await host.ok('run', '--detach', '--artifact', detached, '--', ...sleep)).trim()
    const early = await host.writ(['receipt', 'get', id, '--out', host.path('early.json')])
    expect(early).toMatchObject({ code: 1 })
    expect(early.stderr).toContain('NOT_ENDED')
    await host.ok('terminate', id)
    await host.ok('receipt', 'get', id, '--out', host.path('killed.json'))
    const killed = parseReceipt(readFileSync(host.path('killed.json')))
    const { predicate } = JSON.parse(killed.statement.payload.toString())
    expect(predicate.between).toMatchObject([{ type: 'kill-sent', cause: 'TERMINATED' }])
    expect(predicate.end).toMatchObject({ cause: 'TERMINATED', streams: null })
    expect(await faults(killed)).toEqual([])

    await host.stopDaemon()
    await host.startDaemon()
    await host.attested()
    const own = parseEvent(entryOf(mine, 'execution-end').bytes)
    const mineId = 'executionId' in own ? (own.executionId ?? '') : ''
    // Root is an auditor: for it the log is looked through.
    await host.ok('receipt', 'get', mineId, '--out', host.path('late.json'))
    const late = parseReceipt(readFileSync(host.path('late.json')))
    expect(late.statement.payload.equals(mine.statement.payload)).toBe(true)
    // The start of the daemon that now runs is not that of the one which permitted.
    const client = new WritClient(host.socket)
    await client.call(api.lineage.GetCheckpoint, { fresh: true })
    client.close()
    const now = await host.issue('true', ['/bin/true'])
    await host.ok('run', '--artifact', now, '--receipt', host.path('now.json'), '--', '/bin/true')
    const fresh = parseReceipt(readFileSync(host.path('now.json')))
    expect(await faults(fresh)).toEqual([])
    const mixed = swapped(fresh, 'daemon-start', entryOf(mine, 'daemon-start'))
    expect(await faults(mixed)).toContain('entries of one execution')
  }, 60_000)
})
