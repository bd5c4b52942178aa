import fc from 'fast-check'
import { expect, test } from 'vitest'
import { CliError } from '../../cli/error.ts'
import { readExecutionId } from '../../cli/execution-id.ts'
import { readHostId } from '../../cli/host-id.ts'
import { NO_FACTS, requestFacts } from '../../cli/lineage/request-facts.ts'
import { printable } from '../../cli/output.ts'
import { BundleError } from '../../cli/verify/error.ts'
import { encodeHostIdentity, parseHostIdentity } from '../../cli/verify/host-identity.ts'
import { cut, displayWidth } from '../../cli/width.ts'
import {
  byteCount,
  duration,
  readEnvironment,
  readUser,
  readWorkload,
  workloadMessage,
} from '../../cli/workload.ts'
import { workloadOf } from '../../daemon/rpc/request.ts'
import { api } from '../../proto/client.ts'

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
  const readers = [
    ...[byteCount('--x'), duration('--x'), (text: string) => readEnvironment([text]), readUser],
    ...[readExecutionId, readHostId],
  ]
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

test('a record that is none says nothing', () =>
  fc.assert(
    fc.asyncProperty(bytes, bytes, async (record, artifact) => {
      const event = { type: 'renewal', record: 'record', artifact: 'artifact' } as never
      const blob = async (_: unknown, digest: string) => (digest === 'record' ? record : artifact)
      expect(await requestFacts(event, blob)).toEqual(NO_FACTS)
    }),
  ))

test('a text that is cut fits, and begins as it did', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), fc.nat(30), (text, width) => {
      const short = cut(text, width)
      expect(displayWidth(short)).toBeLessThanOrEqual(Math.max(width, 0))
      if (short !== text) expect(text.startsWith(short.replace(/…$/, ''))).toBe(true)
    }),
  )
})

test('an id is taken as it is, or not at all', () => {
  const hex = (length: number) => fc.stringMatching(new RegExp(`^[0-9a-f]{${length}}$`))
  fc.assert(
    fc.property(hex(32), hex(64), (id, name) => {
      expect(readExecutionId(id)).toBe(id)
      expect(readHostId(`000b${name}`)).toBe(`000b${name}`)
      for (const text of [`${id}0`, id.slice(1), `${id}\n`, ` ${id}`]) {
        expect(() => readExecutionId(text)).toThrow(CliError)
      }
    }),
  )
})

test('what is planned is what the daemon is asked for', () => {
  const some = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined })
  const number = some(fc.integer({ min: 1, max: 2 ** 31 - 1 }))
  const options = fc.record(
    {
      env: some(
        fc.uniqueArray(fc.stringMatching(/^[A-Z]{1,4}=[ -~]{0,8}$/), { selector: t => t.split('=')[0] }),
      ),
      cwd: some(fc.constantFrom('/', '/srv', 'work')),
      file: some(fc.array(fc.constantFrom('/a', 'b'))),
      user: some(fc.constantFrom('7', '8:9')),
      network: some(fc.constantFrom('none' as const, 'loopback' as const, 'host' as const)),
      seccomp: some(fc.constantFrom('default' as const, 'strict' as const)),
      writable: some(fc.array(fc.constantFrom('/tmp', 'x'))),
      device: some(fc.array(fc.constant('gpu'))),
      ...{
        cpuSeconds: number,
        memory: number,
        pids: number,
        openFiles: number,
        runTime: number,
        outputBytes: number,
        cpuPercent: number,
        fileBytes: number,
      },
      children: some(fc.boolean()),
    },
    { requiredKeys: [] },
  )
  const method = api.execution.Execute
  fc.assert(
    fc.property(options, fc.array(fc.string()), (given, rest) => {
      const asked = readWorkload('/bin/true', rest, given as Parameters<typeof readWorkload>[2])
      const bytes = method.requestSerialize({ start: { workload: workloadMessage(asked) } })
      const sorted = asked.env?.toSorted((a, b) => (a.name < b.name ? -1 : 1)) ?? null
      expect(workloadOf(method.requestDeserialize(bytes).start?.workload)).toEqual({ ...asked, env: sorted })
    }),
  )
})
