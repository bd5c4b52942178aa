import { hash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AsciiImaLog } from '../../attestation/ima/ascii-log.ts'
import { readAppendedSignature } from '../../attestation/ima/signature/cms.ts'
import type { FieldName } from '../../attestation/ima/template.ts'
import {
  binaryImaLog,
  compareWithQuoted,
  ImaKeyring,
  ImaLogReader,
  ImaReplay,
  readImaKeys,
  readImaLog,
  verifyEntrySignature,
} from '../../attestation/index.ts'
import { compilePathPattern, isPathPattern } from '../../attestation/reference/ima-pattern.ts'
import { WritError } from '../../encoding/error.ts'
import { digestField, type EntryOptions, kernelEntry, number, text } from './ima-entries.ts'
import { FileSigner } from './ima-signer.ts'

/** More with WRIT_FUZZ_RUNS, for a long run. */
const RUNS = { numRuns: Number(process.env.WRIT_FUZZ_RUNS ?? 150) }
const MAX_MS = 100

const signer = new FileSigner('prime256v1')
const keyring = new ImaKeyring(readImaKeys(signer.spki, 'key'))
const content = Buffer.from('content')
const signed = { 'd-ng': digestField('sha256', hash('sha256', content)), sig: signer.sign(content) }

const path = fc
  .oneof(
    fc.string({ maxLength: 24 }),
    fc.constantFrom('/bin/sh', 'a b', 'x\ny', '\n', '', 'é', 'boot_aggregate'),
  )
  .map(name => text(name.replaceAll('\0', '')))
const bytes = fc.uint8Array({ maxLength: 24 }).map(value => Buffer.from(value))
const template = fc.oneof(
  fc.constantFrom('ima-ng', 'ima-ngv2', 'ima-sig', 'ima-sigv2', 'ima-buf', 'ima-modsig', 'evm-sig', 'ima'),
  fc
    .array(
      fc.constantFrom<FieldName>('d-ng', 'd-ngv2', 'd', 'sig', 'buf', 'modsig', 'iuid', 'igid', 'imode'),
      { minLength: 1, maxLength: 5 },
    )
    .map(names => ['n-ng', ...names].join('|')),
)

/** What a kernel may write. */
function entry(fixed: EntryOptions): fc.Arbitrary<EntryOptions> {
  const fields = fc.record({
    'n-ng': path,
    n: path,
    sig: bytes,
    buf: bytes,
    modsig: bytes,
    iuid: fc.nat().map(n => number(n, fixed.bigEndian)),
  })
  return fc
    .record({ template, fields, violation: fc.boolean(), pcr: fc.constantFrom(10, 10, 10, 11) })
    .map(options => ({ ...options, violation: options.violation && options.template !== 'ima', ...fixed }))
}
const log = fc
  .record({ bigEndian: fc.boolean(), column: fc.constantFrom('sha1', 'sha1', 'sha256', 'sha512') })
  .chain(fixed => fc.array(entry(fixed as EntryOptions), { minLength: 1, maxLength: 8 }))
  .map(entries => entries.map(kernelEntry))

function pieces(whole: Buffer, cuts: readonly number[]): Buffer[] {
  const at = [0, ...cuts.map(cut => cut % (whole.length + 1)).sort((a, b) => a - b), whole.length]
  return at.slice(1).map((end, i) => whole.subarray(at[i], end))
}
const cuts = fc.array(fc.nat({ max: 4000 }), { maxLength: 6 })

describe('any split of a log gives what the whole gives', () => {
  it('in the binary form', () => {
    fc.assert(
      fc.property(log, cuts, (entries, at) => {
        const whole = Buffer.concat(entries.map(({ binary }) => binary))
        const expected = readImaLog(whole, { form: 'binary' })
        const replay = new ImaReplay()
        const reader = new ImaLogReader({ form: 'binary' })
        for (const piece of pieces(whole, at)) {
          replay.append(piece)
          reader.push(piece)
        }
        replay.finish()
        expect(replay.length).toBe(entries.length)
        for (let count = 0; count <= entries.length; count++)
          expect(replay.pcr10After(count)).toEqual(expected.pcr10After(count))
        for (let i = 0; i < entries.length; i++) {
          expect(replay.entry(i)).toEqual(expected.entry(i))
          expect(replay.entry(i).columnMatches).toBe(true)
        }
        expect(reader.end().pcr10.sha256).toBe(expected.pcr10After(entries.length).toString('hex'))
      }),
      RUNS,
    )
  })

  it('going on from any position', () => {
    fc.assert(
      fc.property(log, fc.nat({ max: 8 }), (entries, n) => {
        const whole = readImaLog(Buffer.concat(entries.map(({ binary }) => binary)), { form: 'binary' })
        // The byte order and the column are told by an entry of PCR 10 or 11 alike.
        const first = Math.min(n, entries.length)
        const rest = new ImaReplay({ from: { entries: first, pcr10: whole.pcr10After(first) } })
        rest.append(Buffer.concat(entries.slice(first).map(({ binary }) => binary)))
        rest.finish()
        expect(rest.length).toBe(entries.length)
        expect(rest.pcr10After(entries.length)).toEqual(whole.pcr10After(entries.length))
        for (let i = first; i < entries.length; i++) expect(rest.entry(i)).toEqual(whole.entry(i))
      }),
      RUNS,
    )
  })

  it('in the text form, which comes to the binary one', () => {
    fc.assert(
      fc.property(log, cuts, (entries, at) => {
        const whole = Buffer.concat(entries.map(({ ascii }) => ascii))
        const attempt = (read: () => Buffer): string => {
          try {
            return read().toString('hex')
          } catch (error) {
            expect(error).toBeInstanceOf(WritError)
            return (error as WritError).code
          }
        }
        const expected = attempt(() => Buffer.from(binaryImaLog(whole, 'ascii')))
        const split = attempt(() => {
          const ascii = new AsciiImaLog()
          return Buffer.concat([...pieces(whole, at).map(piece => ascii.push(piece)), ascii.end()])
        })
        expect(split).toBe(expected)
      }),
      RUNS,
    )
  })
})

/** Bytes that are nearly right. */
function mutated(seed: Buffer): fc.Arbitrary<Buffer> {
  const at = fc.nat({ max: seed.length })
  const edit = fc.oneof(
    fc.record({ at, value: fc.constantFrom(0, 1, 0x0a, 0x20, 0x7f, 0x80, 0xff) }),
    fc.record({ at, cut: fc.nat({ max: 64 }) }),
    fc.record({ at, put: fc.uint8Array({ maxLength: 16 }) }),
    fc.record({ at, repeat: fc.nat({ max: 200 }) }),
  )
  return fc.array(edit, { minLength: 1, maxLength: 6 }).map(edits =>
    edits.reduce<Buffer>((input, e) => {
      const [before, behind] = [input.subarray(0, e.at), input.subarray(e.at)]
      if ('cut' in e) return Buffer.concat([before, behind.subarray(e.cut)])
      if ('put' in e) return Buffer.concat([before, e.put, behind])
      if ('repeat' in e) return Buffer.concat([before, behind.subarray(0, e.repeat), behind])
      const copy = Buffer.from(input)
      if (e.at < copy.length) copy[e.at] = e.value
      return copy
    }, seed),
  )
}

/** A result or a typed error, soon. */
function survives(input: Buffer, read: (input: Buffer) => unknown): void {
  const start = process.cpuUsage()
  try {
    read(input)
  } catch (error) {
    expect(error).toBeInstanceOf(WritError)
  }
  const { user } = process.cpuUsage(start)
  expect(user / 1000).toBeLessThan(MAX_MS)
}

describe('any bytes give a result or a typed error', () => {
  const logs = (['ima-ng', 'ima-sig', 'ima-modsig', 'evm-sig', 'ima'] as const).flatMap(name =>
    [false, true].map(bigEndian => kernelEntry({ template: name, bigEndian, fields: signed })),
  )
  for (const form of ['binary', 'ascii'] as const) {
    const seeds = logs.map(of =>
      mutated(Buffer.concat([of[form], of[form], kernelEntry({ violation: true })[form]])),
    )
    it(`as a log in ${form} form`, () => {
      // The table of the key is made once.
      verifyEntrySignature(
        readImaLog(kernelEntry({ template: 'ima-sig', fields: signed }).binary).entry(0),
        keyring,
      )
      fc.assert(
        fc.property(fc.oneof(bytes, ...seeds), input =>
          survives(input, log => {
            const reader = new ImaLogReader({ onEntry: entry => verifyEntrySignature(entry, keyring) })
            reader.push(log)
            const { pcr10 } = reader.end()
            const quoted = new Map([['sha256', Buffer.from(pcr10.sha256 ?? '', 'hex')] as const])
            // Both readers understand a log alike.
            const attested = compareWithQuoted(log, quoted).attested.sha256
            expect(attested === undefined ? 0 : attested).toBeLessThanOrEqual(readImaLog(log).length)
          }),
        ),
        RUNS,
      )
    })
  }

  it('as a key, or an appended signature', () => {
    fc.assert(
      fc.property(fc.oneof(bytes, mutated(signer.spki)), input => {
        survives(input, key => readImaKeys(key, 'key'))
        survives(input, readAppendedSignature)
      }),
      RUNS,
    )
  })
})

describe('path patterns', () => {
  const segment = fc.constantFrom('a', 'b', 'ab', 'aab')
  const paths = fc.array(segment, { minLength: 1, maxLength: 6 }).map(parts => `/${parts.join('/')}`)
  const patterns = fc
    .array(fc.oneof(segment, fc.constantFrom('*', 'a*', '*b', 'a*b', '**', '*a*')), {
      minLength: 1,
      maxLength: 5,
    })
    .map(parts => `/${parts.join('/')}`)
    .filter(isPathPattern)

  it('match what the same regular expressions match', () => {
    fc.assert(
      fc.property(patterns, paths, (pattern, path) => {
        const expression = pattern
          .slice(1)
          .split('/')
          .map(part => (part === '**' ? '(?:/[^/]*)*' : `/${part.replaceAll('*', '[^/]*')}`))
          .join('')
        expect(compilePathPattern(pattern).matches(path)).toBe(new RegExp(`^${expression}$`).test(path))
      }),
      { numRuns: 5 * RUNS.numRuns },
    )
  })

  it('take no time, whatever the path', () => {
    const worst = ['/**/a/a/a/a/a/b', '/*a*a*a*a*a*b', `/${'**/a*/'.repeat(4)}z`]
    for (const pattern of worst.filter(isPathPattern)) {
      for (const path of [`/${'a/'.repeat(8000)}`, `/${'a'.repeat(16000)}`])
        survives(Buffer.alloc(0), () => compilePathPattern(pattern).matches(path))
    }
    expect(worst.every(isPathPattern)).toBe(true)
  })
})
