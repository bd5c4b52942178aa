import fc from 'fast-check'
import { expect, test } from 'vitest'
import { CliError } from '../../cli/error.ts'
import { summarize } from '../../cli/lineage/tree.ts'
import { printable } from '../../cli/output.ts'
import { BundleError } from '../../cli/verify/error.ts'
import { encodeHostIdentity, parseHostIdentity } from '../../cli/verify/host-identity.ts'
import { byteCount, duration, readEnvironment, readUser } from '../../cli/workload.ts'

const bytes = fc.uint8Array({ maxLength: 300 }).map(b => Buffer.from(b))

test('a host identity has one encoding, and everything else is a typed error', () => {
  const identity = fc.record({
    akPublicArea: bytes,
    ekCertificate: fc.option(bytes),
    ekIntermediates: fc.array(bytes, { maxLength: 3 }),
  })
  fc.assert(
    fc.property(identity, fc.nat(), fc.integer({ min: 1, max: 255 }), (value, at, flip) => {
      const encoded = encodeHostIdentity(value)
      expect(parseHostIdentity(encoded)).toEqual(value)
      const changed = Buffer.from(encoded)
      const where = at % changed.length
      changed.writeUInt8(changed.readUInt8(where) ^ flip, where)
      let read: unknown
      try {
        read = parseHostIdentity(changed)
      } catch (error) {
        expect(error).toBeInstanceOf(BundleError)
        return
      }
      expect(read).not.toEqual(value)
    }),
  )
  fc.assert(
    fc.property(
      fc.oneof(
        bytes,
        fc.json().map(text => Buffer.from(text)),
      ),
      input => {
        expect(() => parseHostIdentity(input)).toThrow(BundleError)
      },
    ),
  )
})

test('options are read, or refused as wrong use', () => {
  const readers = [byteCount('--x'), duration('--x'), (text: string) => readEnvironment([text]), readUser]
  fc.assert(
    fc.property(fc.string(), fc.constantFrom(...readers), (text, read) => {
      try {
        read(text)
      } catch (error) {
        expect(error).toBeInstanceOf(CliError)
      }
    }),
  )
})

test('nothing that is printed moves the cursor', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), text => {
      // biome-ignore lint/suspicious/noControlCharactersInRegex: these must not come through.
      expect(printable(text)).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e]/)
    }),
  )
})

test('a record that is none has no summary', () => {
  fc.assert(
    fc.property(bytes, bytes, (record, payload) => {
      expect(summarize(record, payload)).toBeNull()
    }),
  )
})
