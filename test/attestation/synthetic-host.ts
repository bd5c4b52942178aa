import { hash } from 'node:crypto'
import {
  bootAggregates,
  captureReferenceValues,
  type Evidence,
  encodeReferenceValues,
  parseEventLog,
  parseReferenceValues,
  type ReferenceDocument,
  replayEventLog,
  type WrittenReferenceValues,
} from '../../attestation/index.ts'
import { type ImaFields, imaEntry, templateHash } from './ima-log.ts'
import { type QuoteFields, SoftwareKey } from './software-quote.ts'
import { EV_EFI_ACTION, EV_IPL, event, extend, secureBoot, separator, specId } from './tcg-log.ts'

const ZERO = Buffer.alloc(32)
export const EXTRA_DATA = Buffer.alloc(32, 0xee)

export function userspaceRecord(pcr: number, content: string): Buffer {
  const digests = [{ hashAlg: 'sha256', digest: hash('sha256', content) }]
  return Buffer.from(
    `\x1e${JSON.stringify({ pcr, digests, content_type: 'systemd', content: { string: content } })}\n`,
  )
}

/** Nothing said of keys. */
export const ANY_KEYS = { pk: 'any', kek: 'any', db: 'any', dbx: 'any', authorities: 'any' } as const

/** What a made-up host measured. Change a part, and the quote follows unless it is told not to. */
export interface Parts {
  events: Buffer[]
  userspace: { pcr: number; content: string }[]
  ima: ImaFields[]
  /** IMA entries that the quote covers; all by default. */
  quoted?: number
  extend?: 'native' | 'padded'
  /** PCRs that were extended with what no log says. */
  unlogged?: number[]
}

export const EVENTS = [
  event(0, EV_IPL, Buffer.from('firmware')),
  secureBoot(1),
  separator(7),
  event(4, EV_IPL, Buffer.from('kernel')),
  event(5, EV_EFI_ACTION, Buffer.from('Exit Boot Services Returned with Success')),
]

/** The first entry that IMA makes after these firmware events. */
export function bootAggregate(events: readonly Buffer[]): ImaFields {
  const { pcrs } = replayEventLog(parseEventLog(Buffer.concat([specId(), ...events])), 'sha256')
  const digest = bootAggregates('sha256', pcrs)[1]?.slice('sha256:'.length) ?? ''
  return { path: 'boot_aggregate', digest }
}

export function parts(): Parts {
  return {
    events: EVENTS,
    userspace: [{ pcr: 11, content: 'sysinit' }],
    ima: [bootAggregate(EVENTS), { path: '/bin/sh' }, { path: '/bin/ls' }],
  }
}

/** A host whose TPM is a key of ours: everything about it can be chosen, also what no TPM would say. */
export class SyntheticHost {
  readonly key = new SoftwareKey()
  readonly expected = { ak: this.key.ak, extraData: EXTRA_DATA }

  pcrs({
    events,
    userspace,
    ima,
    quoted = ima.length,
    extend: how = 'native',
    unlogged = [],
  }: Parts): Map<number, Buffer> {
    const { pcrs: boot } = replayEventLog(parseEventLog(Buffer.concat([specId(), ...events])), 'sha256')
    const pcrs = new Map(boot)
    for (const { pcr, content } of userspace) {
      pcrs.set(pcr, extend(pcrs.get(pcr) ?? ZERO, hash('sha256', content, 'buffer')))
    }
    const hashes = ima
      .slice(0, quoted)
      .filter(({ pcr = 10 }) => pcr === 10)
      .map(fields => templateHash(fields, how))
    pcrs.set(10, extend(ZERO, ...hashes))
    for (const pcr of unlogged) pcrs.set(pcr, extend(pcrs.get(pcr) ?? ZERO, Buffer.alloc(32, 0xbb)))
    return pcrs
  }

  evidence(of: Parts, quote: Partial<QuoteFields> = {}): Evidence {
    return {
      quote: this.key.quote(this.pcrs(of), { extraData: EXTRA_DATA, ...quote }),
      eventLog: Buffer.concat([specId(), ...of.events]),
      userspaceLog: Buffer.concat(of.userspace.map(({ pcr, content }) => userspaceRecord(pcr, content))),
      imaLog: Buffer.concat(of.ima.map(imaEntry)),
    }
  }

  document(of: Parts = parts()): ReferenceDocument {
    return captureReferenceValues({
      evidence: this.evidence(of),
      expected: this.expected,
      name: 'synthetic',
      created: '2026-11-21T02:00:00.000Z',
      components: 'any',
    })
  }

  reference(
    change: (document: ReferenceDocument) => void = () => {},
    of: Parts = parts(),
  ): WrittenReferenceValues {
    const document = this.document(of)
    change(document)
    return parseReferenceValues(encodeReferenceValues(document))
  }
}
