import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { EncodingError } from '../../../encoding/error.ts'
import { fileDescriptors, filesOf } from '../../../proto/descriptors.ts'
import { type Rig, startRig } from '../../daemon/rpc/rig.ts'
import { compileDescriptors, generatePython, NEEDS_PYTHON, python } from './python.ts'

interface Learned {
  services: string[]
  files: Record<string, string>
  status: { status: object }
  denial: { code: number; details: object[] }
}

/** The files that the API is made of, as its users name them. */
const FILES = [
  ...['attestation', 'error', 'execution', 'governance', 'lineage'].map(name => `writ/v1/${name}.proto`),
  'google/rpc/status.proto',
]

describe.skipIf(NEEDS_PYTHON !== null)('the API, learned by reflection in another language', () => {
  let dir: string
  let rig: Rig
  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'writ-reflect-'))
    generatePython(join(dir, 'generated'))
    rig = await startRig()
  })
  afterAll(async () => {
    await rig?.stop()
    rmSync(dir, { recursive: true, force: true })
  })

  const learn = async (...args: string[]): Promise<Learned> => {
    const script = 'test/proto/python/reflect.py'
    const { code, stdout, stderr } = await python(join(dir, 'generated'), script, [rig.socket, ...args])
    expect(stderr).toBe('')
    expect(code).toBe(0)
    return JSON.parse(stdout.toString())
  }

  it.each(['v1', 'v1alpha'])('%s: each symbol, linked; calls are made, a denial is read', async version => {
    const learned = await learn(version)
    expect(learned.services.sort()).toEqual([
      'grpc.health.v1.Health',
      'grpc.reflection.v1.ServerReflection',
      'grpc.reflection.v1alpha.ServerReflection',
      'writ.v1.AttestationService',
      'writ.v1.ExecutionService',
      'writ.v1.GovernanceService',
      'writ.v1.LineageService',
    ])
    expect(learned.status.status).toEqual({
      state: 'GATE_STATE_ATTESTED',
      epoch: '1',
      tier: 'TPM_TIER_SIMULATED',
    })
    expect(learned.denial).toMatchObject({
      code: 7,
      details: [
        {
          '@type': 'type.googleapis.com/writ.v1.Denial',
          reasons: [{ code: 'REASON_CODE_ARTIFACT_MISSING', message: 'no artifact came with it' }],
        },
      ],
    })
  })

  it('the descriptors are those that protoc makes', async () => {
    const learned = await learn('v1')
    const compiled = join(dir, 'compiled.binpb')
    compileDescriptors(compiled, FILES)
    const files = filesOf(readFileSync(compiled))
    expect(files).toHaveLength(FILES.length + 1)
    for (const file of files) {
      const name = nameOf(file)
      // What is given has the comments besides.
      const given = Buffer.from(learned.files[name] ?? '', 'hex')
      expect(withoutComments(given).equals(file), name).toBe(true)
      expect(given.length, name).toBeGreaterThan(file.length)
    }
  })

  it('a client that names its socket as the authority is served', async () => {
    // What newer versions of gRPC's core send for a Unix socket.
    expect((await learn('v1', '%2Frun%2Fwrit%2Fwritd.sock')).status).toBeDefined()
  })
})

describe('the descriptors beside the API', () => {
  it('are read whole, or not at all', () => {
    const whole = fileDescriptors()
    expect(whole.map(nameOf)).toEqual(expect.arrayContaining([...FILES, 'google/protobuf/any.proto']))
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), bytes => {
        try {
          const files = filesOf(Buffer.from(bytes))
          expect(files.reduce((sum, file) => sum + file.length, 0)).toBeLessThanOrEqual(bytes.length)
        } catch (error) {
          expect(error).toBeInstanceOf(EncodingError)
        }
      }),
    )
  })
})

/** Field 1 of a FileDescriptorProto. */
function nameOf(file: Buffer): string {
  expect(file[0]).toBe(0x0a)
  return file.subarray(2, 2 + (file[1] ?? 0)).toString()
}

/** The top-level fields but number 9, source_code_info (google/protobuf/descriptor.proto). */
function withoutComments(file: Buffer): Buffer {
  const kept: Buffer[] = []
  for (let at = 0; at < file.length; ) {
    const begin = at
    const field = (file[at++] ?? 0) >> 3
    let length = 0
    for (let shift = 0, more = true; more; shift += 7) {
      const byte = file[at++] ?? 0
      length |= (byte & 0x7f) << shift
      more = byte >= 0x80
    }
    at += length
    if (field !== 9) kept.push(file.subarray(begin, at))
  }
  return Buffer.concat(kept)
}
