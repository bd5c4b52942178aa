import { IMA_PCR } from '../ima/index.ts'
import { type BankValues, bankDigestMatcher, type VerifiedQuote } from '../quote/index.ts'
import type { HashAlgorithm } from '../tpm2/structures/index.ts'
import { extend, type ImaBanks, type ReplayedBanks, type ReplayedPcr, valuesOf, withPcr10 } from './replay.ts'

/** The one PCR with which the logs would be those of the quote, and what it takes. */
export interface Explanation {
  readonly pcr: number
  /** In words: which extensions of the log did not happen. */
  readonly how: string
}

/** Positions of the IMA log that are tried: a log that is read right after a quote runs ahead by a few entries. */
const IMA_POSITIONS = 16
/** Most extensions of a PCR of which each is left out in turn. */
const MAX_OMISSIONS = 256
/** Most values that are tried: some tenths of a second. */
const MAX_TRIES = 200_000

/**
 * Looks for the one PCR that keeps the logs from being those of a quote, when no values of PCRs are known: one that stands as it was
 * before the log's last extensions (what follows was logged and not measured), or without one of them. What was measured and not
 * logged cannot be found in this way: for that the values have to be known.
 *
 * @returns null when no single PCR explains it
 */
export function explainMismatch(
  quote: VerifiedQuote,
  banks: ReplayedBanks,
  ima: ImaBanks | null,
): Explanation | null {
  let tries = 0
  for (const values of startingPoints(banks, ima)) {
    for (const pcr of quotedPcrs(quote)) {
      const fits = bankDigestMatcher(quote, values, pcr)
      if (fits === null || (pcr === IMA_PCR && ima !== null)) continue
      for (const { how, at } of alternatives(banks, pcr)) {
        if (++tries > MAX_TRIES) return null
        if (fits(at)) return { pcr, how }
      }
    }
  }
  return null
}

function* startingPoints(banks: ReplayedBanks, ima: ImaBanks | null): Generator<BankValues> {
  const values = valuesOf(banks)
  if (ima === null) {
    yield values
    return
  }
  const replays = new Map(Array.from(banks.keys(), bank => [bank, ima.replay(bank, 'native')]))
  const [first] = replays.values()
  const length = first?.length ?? 0
  for (let count = length; count >= Math.max(0, length - IMA_POSITIONS); count--)
    yield withPcr10(values, bank => replays.get(bank)?.pcr10After(count) ?? Buffer.alloc(0))
}

function quotedPcrs({ pcrSelection }: VerifiedQuote): Set<number> {
  return new Set(pcrSelection.flatMap(({ pcrs }) => pcrs))
}

interface Alternative {
  readonly how: string
  readonly at: (bank: HashAlgorithm) => Buffer
}

/** What a PCR could be instead, the same in all banks. */
function* alternatives(banks: ReplayedBanks, pcr: number): Generator<Alternative> {
  const replayed = Array.from(banks, ([bank, pcrs]) => ({ bank, pcr: pcrs.get(pcr) }))
  const extensions = replayed[0]?.pcr?.extensions ?? []
  const prefixes = new Map(replayed.map(({ bank, pcr }) => [bank, prefixesOf(bank, pcr)]))
  for (const [count, { at }] of extensions.entries()) {
    const how = `the TPM was not extended with ${at} and what follows it`
    yield { how, at: bank => prefixes.get(bank)?.[count] ?? Buffer.alloc(0) }
  }
  // One omitted extension changes all that follow: a square of hashes.
  if (extensions.length > MAX_OMISSIONS) return
  for (const [omitted, { at }] of extensions.entries()) {
    const without = new Map(
      replayed.map(({ bank, pcr }) => [bank, valueWithout(bank, pcr, prefixes, omitted)]),
    )
    yield {
      how: `the TPM was not extended with ${at}`,
      at: bank => without.get(bank) ?? Buffer.alloc(0),
    }
  }
}

/** The values before each extension. */
function prefixesOf(bank: HashAlgorithm, pcr: ReplayedPcr | undefined): Buffer[] {
  const values: Buffer[] = []
  let value: Buffer = pcr?.start ?? Buffer.alloc(0)
  for (const { digest } of pcr?.extensions ?? []) {
    values.push(value)
    value = extend(bank, value, digest)
  }
  return values
}

function valueWithout(
  bank: HashAlgorithm,
  pcr: ReplayedPcr | undefined,
  prefixes: ReadonlyMap<HashAlgorithm, readonly Buffer[]>,
  omitted: number,
): Buffer {
  const before: Buffer = prefixes.get(bank)?.[omitted] ?? Buffer.alloc(0)
  return (pcr?.extensions ?? [])
    .slice(omitted + 1)
    .reduce<Buffer>((value, { digest }) => extend(bank, value, digest), before)
}
