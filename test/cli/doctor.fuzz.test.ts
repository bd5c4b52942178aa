import fc from 'fast-check'
import { expect, test } from 'vitest'
import { AREAS } from '../../cli/doctor/areas/index.ts'
import { diagnose } from '../../cli/doctor/doctor.ts'
import { Host } from '../../cli/doctor/host.ts'
import { unitFacts } from '../../cli/probe/live/services.ts'
import type { FakedFile, FakedHost } from './faked-host.ts'
import { healthyHost } from './healthy-host.ts'

const CODES = new Set(AREAS.flatMap(({ findings }) => Object.keys(findings)))

/** What becomes of a file: cut, with a byte changed, other bytes altogether, gone, or not to be read. */
const damage = fc.oneof(
  fc.record({ kind: fc.constant('cut' as const), at: fc.nat() }),
  fc.record({ kind: fc.constant('flip' as const), at: fc.nat(), flip: fc.integer({ min: 1, max: 255 }) }),
  fc.record({ kind: fc.constant('bytes' as const), bytes: fc.uint8Array({ maxLength: 200 }) }),
  fc.record({ kind: fc.constant('text' as const), text: fc.string({ maxLength: 200 }) }),
  fc.record({ kind: fc.constant('gone' as const) }),
  fc.record({ kind: fc.constant('denied' as const) }),
)

function damaged(
  file: FakedFile,
  how: typeof damage extends fc.Arbitrary<infer T> ? T : never,
): FakedFile | null {
  const content = Buffer.from((file.content ?? '') as string)
  switch (how.kind) {
    case 'cut':
      return { ...file, content: content.subarray(0, how.at % (content.length + 1)) }
    case 'flip': {
      if (content.length === 0) return file
      const at = how.at % content.length
      content.writeUInt8(content.readUInt8(at) ^ how.flip, at)
      return { ...file, content }
    }
    case 'bytes':
      return { ...file, content: Buffer.from(how.bytes) }
    case 'text':
      return { ...file, content: how.text, ...(file.link === undefined ? {} : { link: how.text }) }
    case 'gone':
      return null
    default:
      return { ...file, denied: true }
  }
}

test('whatever is in the files of a host, the doctor says of each thing what it is', async () => {
  const healthy: FakedHost = await healthyHost()
  const files = [...healthy.files]
  const several = fc.array(fc.tuple(fc.nat({ max: files.length - 1 }), damage), {
    minLength: 1,
    maxLength: 4,
  })
  await fc.assert(
    fc.asyncProperty(several, async changes => {
      healthy.files.clear()
      for (const [path, file] of files) healthy.put(path, file)
      for (const [index, how] of changes) {
        const [path = '', file = {}] = files[index] ?? []
        const made = damaged(file, how)
        if (made === null) healthy.files.delete(path)
        else healthy.put(path, made)
      }
      const { findings } = await diagnose(new Host(healthy.probes(), '/etc/writ/writd.toml'))
      expect(new Set(findings.map(({ code }) => code))).toEqual(CODES)
      for (const { severity, todo } of findings)
        if (severity === 'error' || severity === 'warning') expect(todo).not.toBeNull()
    }),
    { numRuns: 300 },
  )
}, 60_000)

test('whatever systemctl prints, it is facts of a unit', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 300 }), text => {
      const { mainPid, restarts } = unitFacts(text)
      expect(Number.isNaN(mainPid) || Number.isNaN(restarts)).toBe(false)
    }),
  )
})
