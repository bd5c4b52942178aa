import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  appraise,
  ImaReplay,
  parseEventLog,
  parseReferenceValues,
  parseUserspaceLog,
  replayEventLog,
  replayImaLog,
  verifyQuote,
} from '../../attestation/index.ts'
import {
  parsePublicArea,
  parseQuoteAttest,
  parseSignature,
  publicAreaKey,
} from '../../attestation/tpm2/structures/index.ts'
import { WritError } from '../../encoding/error.ts'
import { imaEntry } from './ima-log.ts'
import { fixture, recordedHost } from './recorded-host.ts'
import { parts, SyntheticHost } from './synthetic-host.ts'
import { EV_IPL, event, secureBoot, separator, specId, startupLocality } from './tcg-log.ts'

const RUNS = { numRuns: 300 }

/** Bytes that are nearly right: some of them changed, some cut out, some put in. */
function mutated(seed: Uint8Array): fc.Arbitrary<Buffer> {
  const at = fc.nat({ max: Math.max(seed.length - 1, 0) })
  const edit = fc.oneof(
    fc.record({ at, value: fc.constantFrom(0, 1, 0x7f, 0x80, 0xff) }),
    fc.record({ at, value: fc.nat({ max: 255 }) }),
    fc.record({ at, cut: fc.nat({ max: 64 }) }),
    fc.record({ at, put: fc.uint8Array({ maxLength: 16 }) }),
  )
  return fc.array(edit, { minLength: 1, maxLength: 8 }).map(edits =>
    edits.reduce<Buffer>((bytes, e) => {
      if ('cut' in e) return Buffer.concat([bytes.subarray(0, e.at), bytes.subarray(e.at + e.cut)])
      if ('put' in e) return Buffer.concat([bytes.subarray(0, e.at), e.put, bytes.subarray(e.at)])
      const copy = Buffer.from(bytes)
      if (e.at < copy.length) copy[e.at] = e.value
      return copy
    }, Buffer.from(seed)),
  )
}

/** Any bytes give a result or a typed error. */
function survives(name: string, seed: Uint8Array, parse: (bytes: Buffer) => unknown): void {
  it(`${name}: any bytes give a result or a typed error`, () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 256 }).map(b => Buffer.from(b)),
      mutated(seed),
    )
    fc.assert(
      fc.property(bytes, input => {
        try {
          parse(input)
        } catch (error) {
          expect(error).toBeInstanceOf(WritError)
        }
      }),
      RUNS,
    )
  })
}

const host = new SyntheticHost()
const evidence = host.evidence(parts())
const recorded = recordedHost('debian13-uki')
const log = Buffer.concat([
  specId(['sha256']),
  startupLocality(3),
  event(0, EV_IPL, Buffer.from('x')),
  secureBoot(1),
  separator(7),
])
const ima = Buffer.concat([
  imaEntry(),
  imaEntry({ template: 'ima-sig', signature: Buffer.alloc(8) }),
  imaEntry({ violation: true }),
])

describe('TPM structures', () => {
  survives('TPMS_ATTEST', evidence.quote.attest, parseQuoteAttest)
  survives('TPMT_SIGNATURE', evidence.quote.signature, parseSignature)
  survives('TPMT_PUBLIC', host.key.ak.publicArea, bytes => publicAreaKey(parsePublicArea(bytes)))
  survives('a quote', evidence.quote.attest, attest =>
    verifyQuote({ attest, signature: evidence.quote.signature }, { ...host.expected, pcrSelection: [] }),
  )
})

describe('logs', () => {
  survives('a made-up event log', log, bytes => replayEventLog(parseEventLog(bytes), 'sha256'))
  survives('a recorded event log', recorded.evidence.eventLog, bytes =>
    replayEventLog(parseEventLog(bytes), 'sha256'),
  )
  survives('a user-space log', fixture('debian13-uki', 'userspace.jsonseq'), parseUserspaceLog)
  survives('an IMA log', ima, bytes => {
    const replay = replayImaLog(bytes)
    for (let i = 0; i < replay.length; i++) replay.entry(i)
  })

  it('an IMA log is the same in whatever pieces it comes', () => {
    fc.assert(
      fc.property(mutated(ima), fc.array(fc.nat({ max: 60 }), { maxLength: 20 }), (bytes, sizes) => {
        const result = (feed: (replay: ImaReplay) => void): string => {
          const replay = new ImaReplay()
          try {
            feed(replay)
          } catch (error) {
            if (!(error instanceof WritError)) throw error
            return `${error.message} after ${replay.length}`
          }
          return `${replay.length} ${replay.pendingBytes} ${replay.pcr10After(replay.length).toString('hex')}`
        }
        const pieces = result(replay => {
          let at = 0
          for (const size of sizes) {
            replay.append(bytes.subarray(at, at + size))
            at += size
          }
          replay.append(bytes.subarray(at))
        })
        expect(pieces).toBe(result(replay => replay.append(bytes)))
      }),
      RUNS,
    )
  })
})

describe('documents', () => {
  const payload = Buffer.from(JSON.stringify(host.document()))
  survives('reference values', payload, parseReferenceValues)
})

describe('appraise', () => {
  it('never throws for what a host sends, and never passes what was changed', () => {
    const reference = host.reference()
    const part = fc.constantFrom('attest', 'signature', 'eventLog', 'userspaceLog', 'imaLog')
    const whole = {
      ...evidence.quote,
      eventLog: evidence.eventLog,
      userspaceLog: evidence.userspaceLog,
      imaLog: evidence.imaLog,
    }
    const changed = part.chain(name =>
      mutated(whole[name as keyof typeof whole] ?? Buffer.alloc(0)).map(bytes => ({ name, bytes })),
    )
    fc.assert(
      fc.property(changed, ({ name, bytes }) => {
        const all = { ...whole, [name]: bytes }
        const result = appraise({
          evidence: {
            quote: { attest: all.attest, signature: all.signature },
            eventLog: all.eventLog,
            userspaceLog: all.userspaceLog,
            imaLog: all.imaLog,
          },
          reference,
          expected: host.expected,
          previous: null,
          governedDigests: new Set(),
        })
        // A signed quote cannot be changed; a log only where nothing is measured, or beyond the quote.
        if (name === 'attest' && !bytes.equals(evidence.quote.attest)) expect(result.verdict).toBe('fail')
        if (result.verdict !== 'fail') expect(result.pcrs).toEqual(appraisedPcrs)
      }),
      RUNS,
    )
  })

  const appraisedPcrs = Object.fromEntries(
    Array.from(host.pcrs(parts()), ([pcr, value]) => [String(pcr), value.toString('hex')]),
  )
})
