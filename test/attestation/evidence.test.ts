import { createPublicKey } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  type ClockHistory,
  ImaReplay,
  judgeClock,
  matchesPcrDigest,
  type PcrSelection,
  parseEventLog,
  replayEventLog,
  replayImaLog,
  verifyQuote,
} from '../../attestation/index.ts'
import {
  type HashAlgorithm,
  hashId,
  hashName,
  parsePublicArea,
  parseQuoteAttest,
  parseSignature,
  publicAreaFromSized,
  publicAreaName,
  verifySignature,
} from '../../attestation/tpm2/structures/index.ts'
import { WritError } from '../../encoding/error.ts'
import { RECORDED_EVIDENCE } from '../support/recorded-evidence.ts'
import { readAsciiImaLog } from './ima-log.ts'

const root = RECORDED_EVIDENCE

interface Entry {
  path: string
  kind: string
  role: string
  // biome-ignore lint/suspicious/noExplicitAny: the manifest's fields differ by kind; its own first block explains them.
  expected: any
}
const entries: Entry[] =
  root === undefined ? [] : JSON.parse(readFileSync(join(root, 'manifest.json'), 'utf8')).entries
const cases = (kind: string): Entry[] => entries.filter(entry => entry.kind === kind && entry.role === 'case')
const read = (path: string): Buffer => readFileSync(join(root ?? '', path))

/** The verdict of a step: a typed error is a refusal, anything else that is thrown is a fault of ours. */
function accepted(step: () => boolean): boolean {
  try {
    return step()
  } catch (error) {
    if (error instanceof WritError) return false
    throw error
  }
}

describe.skipIf(root === undefined)('event logs with known answers', () => {
  // TPM 1.2 logs and confidential-computing logs have no SHA-256 bank of PCRs to quote.
  const agile = cases('eventlog').filter(({ expected }) => !expected.ccel && expected.format !== 'sha1')

  it.each(agile)('$path', ({ path, expected }) => {
    const verdict = accepted(() => {
      const log = parseEventLog(read(path))
      return log.banks.every(bank => {
        const replay = replayEventLog(log, bank)
        const quoted = Object.entries<string>(expected.quoted[bank] ?? {})
        const matches = quoted.every(([pcr, value]) => {
          // PCR 10 and above are extended by others as well, as far as the log says nothing about them.
          if (Number(pcr) > 15 || (Number(pcr) >= 10 && !replay.extended.has(Number(pcr)))) return true
          return replay.pcrs.get(Number(pcr))?.toString('hex') === value
        })
        return matches && replay.problems.length === 0
      })
    })
    expect(expected.verdictTolerated ?? [expected.verdict]).toContain(verdict ? 'accept' : 'reject')
    if (!verdict) return
    const log = parseEventLog(read(path))
    const replay = replayEventLog(log, log.banks[0] ?? 'sha256')
    expect(replay.secureBoot).toBe(expected.secureBoot ?? null)
    expect(replay.exitBootServices).toBe(expected.exitBootServices)
    expect(replay.startupLocality).toBe(expected.startupLocality ?? 0)
  })

  it('are there', () => {
    expect(agile.length).toBeGreaterThan(40)
  })
})

describe.skipIf(root === undefined)('TPM 1.2 and confidential-computing logs', () => {
  const other = cases('eventlog').filter(({ expected }) => expected.ccel || expected.format === 'sha1')

  it.each(other)('$path is refused with a typed error', ({ path }) => {
    expect(accepted(() => parseEventLog(read(path)).banks.length > 0)).toBe(false)
  })
})

describe.skipIf(root === undefined)('IMA logs with known answers', () => {
  /** The binary log, or a text log in the kernel's binary form, which is what Writ reads. */
  const binary = ({ path, expected }: Entry): Buffer =>
    expected.format === 'binary' ? read(path) : readAsciiImaLog(read(path).toString())
  const supported = cases('ima').filter(({ expected }) =>
    Object.keys(expected.templates ?? {}).every(template => ['ima-ng', 'ima-sig'].includes(template)),
  )

  it.each(supported)('$path', entry => {
    const { expected } = entry
    const quoted: string | undefined = expected.quotedPcr10?.sha256
    let attested: number | null = null
    const verdict = accepted(() => {
      const bytes = binary(entry)
      const replays = (['native', 'padded'] as const).map(how => replayImaLog(bytes, how))
      const [replay = new ImaReplay()] = replays
      const decoded = Array.from({ length: replay.length }, (_, index) => replay.entry(index))
      if (!decoded.every(({ columnMatches }) => columnMatches)) return false
      if (quoted === undefined) return true
      for (const candidate of replays) {
        attested ??= candidate.findPosition(pcr10 => pcr10.toString('hex') === quoted)
      }
      return attested !== null
    })
    expect(expected.verdictTolerated ?? [expected.verdict]).toContain(verdict ? 'accept' : 'reject')
    if (!verdict) return
    const replay = replayImaLog(binary(entry))
    const decoded = Array.from({ length: replay.length }, (_, index) => replay.entry(index))
    expect(decoded).toHaveLength(expected.entries)
    expect(decoded.filter(({ violation }) => violation)).toHaveLength(expected.violations)
    expect(replay.pcr10After(replay.length).toString('hex')).toBe(expected.pcr10.sha256)
    if (quoted !== undefined) expect(attested).toBe(expected.entriesAttested.sha256)
  })

  it('are there', () => {
    expect(supported.length).toBeGreaterThan(25)
  })
})

interface QuoteInputs {
  attest: string
  signature: string
  nonce?: string | null
}
interface QuoteCase extends QuoteInputs {
  signatureFormat: string
  akPublic?: string
  akPem?: string
  /** Claimed values by bank and PCR. */
  pcrs?: string
  requiredPcrs?: Record<string, number[]>
  first?: QuoteInputs
  second?: QuoteInputs
}

describe.skipIf(root === undefined)('quotes with known answers', () => {
  const quotes = cases('quote').map(entry => ({
    ...entry,
    input: JSON.parse(read(entry.path).toString()) as QuoteCase,
  }))
  const single = quotes.filter(({ input, expected }) => input.akPublic !== undefined && !('pair' in expected))
  const pairs = quotes.filter(({ expected }) => 'pair' in expected)
  const pemOnly = quotes.filter(
    ({ input, expected }) =>
      input.akPublic === undefined && input.akPem !== undefined && expected.verify !== null,
  )
  const file = ({ path }: Entry, name: string): Buffer => read(join(dirname(path), name))

  /** What a verifier asks for: what the quote covers, if that has all that is required of it. */
  function selectionOf(entry: Entry & { input: QuoteCase }): readonly PcrSelection[] {
    const covered: { hash: HashAlgorithm; pcrs: number[] }[] = entry.expected.attest?.pcrSelection ?? []
    const required = Object.entries(entry.input.requiredPcrs ?? {}).flatMap(([bank, pcrs]) =>
      pcrs.map(pcr => ({ bank, pcr })),
    )
    const all = required.every(({ bank, pcr }) =>
      covered.some(({ hash: name, pcrs }) => name === bank && pcrs.includes(pcr)),
    )
    return all ? covered.map(({ hash: name, pcrs }) => ({ bank: hashId(name), pcrs })) : []
  }

  /** The manifest gives some keys as TPM2B_PUBLIC, some as TPMT_PUBLIC. */
  function publicAreaOf(entry: Entry & { input: QuoteCase }): Buffer {
    const bytes = file(entry, entry.input.akPublic ?? '')
    return bytes.readUInt16BE() === bytes.length - 2 ? publicAreaFromSized(bytes) : bytes
  }

  function verify(entry: Entry & { input: QuoteCase }, inputs: QuoteInputs) {
    const publicArea = publicAreaOf(entry)
    const quote = { attest: file(entry, inputs.attest), signature: file(entry, inputs.signature) }
    const extraData =
      inputs.nonce == null ? parseQuoteAttest(quote.attest).extraData : Buffer.from(inputs.nonce, 'hex')
    const selection =
      inputs === entry.input ? selectionOf(entry) : parseQuoteAttest(quote.attest).pcrSelection
    return verifyQuote(quote, {
      ak: { publicArea, name: publicAreaName(publicArea) },
      extraData,
      pcrSelection: selection,
    })
  }

  it.each(single)('$path', entry => {
    const { input, expected } = entry
    const verdict = accepted(() => {
      const verified = verify(entry, input)
      const claimed: Record<string, Record<string, string>> = input.pcrs === undefined
        ? {}
        : JSON.parse(file(entry, input.pcrs).toString())
      return matchesPcrDigest(verified, bank => {
        const values = Object.entries(claimed[hashName(bank) ?? ''] ?? {})
        return new Map(values.map(([pcr, value]) => [Number(pcr), Buffer.from(value, 'hex')]))
      })
    })
    expect(verdict).toBe(expected.verify)
    if (!verdict) return
    const { clock, firmwareVersion } = verify(entry, input)
    expect([Number(clock.clock), clock.resetCount, clock.restartCount, clock.safe]).toEqual([
      expected.clock,
      expected.resetCount,
      expected.restartCount,
      expected.safe,
    ])
    expect(firmwareVersion.toString(16).padStart(16, '0')).toBe(expected.attest.firmwareVersion)
  })

  it.each(pairs)('$path', entry => {
    const { first, second } = entry.input
    if (first === undefined || second === undefined) throw new Error('a pair has two quotes')
    const [one, two] = [verify(entry, first), verify(entry, second)]
    const history: ClockHistory = { ...one.clock, firmwareVersion: one.firmwareVersion }
    const step = judgeClock(history, two.clock)
    expect(step === 'running' ? 'ok' : step).toBe(entry.expected.pair)
    // The other way round, each pair is a roll-back.
    const back = judgeClock({ ...two.clock, firmwareVersion: two.firmwareVersion }, one.clock)
    expect(back).toMatch(/^rollback-/)
  })

  it.each(pemOnly)('$path (a key without its public area: signature and structure only)', entry => {
    const key = createPublicKey(file(entry, entry.input.akPem ?? ''))
    const attest = file(entry, entry.input.attest)
    const signature = file(entry, entry.input.signature)
    const parsed =
      entry.input.signatureFormat === 'tpmt'
        ? parseSignature(signature)
        : ({ scheme: 'rsassa', hash: 'sha256', signature } as const)
    expect(verifySignature(key, attest, parsed)).toBe(entry.expected.verify)
    expect(parseQuoteAttest(attest).pcrDigest.toString('hex')).toBe(entry.expected.attest.pcrDigest)
  })

  it.each(single.filter(({ expected }) => expected.ak !== undefined))('$path: the Name of its key', entry => {
    const publicArea = publicAreaOf(entry)
    expect(publicAreaName(publicArea).toString('hex')).toBe(entry.expected.ak.name)
    const area = parsePublicArea(publicArea)
    expect(area.type).toBe(entry.expected.ak.type.startsWith('rsa') ? 'rsa' : 'ecc')
  })

  it('are there', () => {
    expect([single.length, pairs.length, pemOnly.length].every(count => count >= 3)).toBe(true)
  })
})
