import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { OUTPUT_CHUNK, outputMessage } from '../../../daemon/rpc/output-message.ts'
import { api } from '../../../proto/client.ts'

describe('a piece of output', () => {
  const { responseSerialize } = api.execution.Execute
  it('is written as protobuf has it', () => {
    const lengths = fc.oneof(
      fc.constantFrom(1, 127, 128, 16_383, 16_384, OUTPUT_CHUNK),
      fc.integer({ min: 1, max: OUTPUT_CHUNK }),
    )
    const check = (stream: 'stdout' | 'stderr', length: number, fill: number) => {
      const message = { [stream]: Buffer.alloc(length, fill) }
      expect(outputMessage(message)?.equals(responseSerialize(message))).toBe(true)
    }
    fc.assert(fc.property(fc.constantFrom('stdout', 'stderr'), lengths, fc.nat(255), check), { numRuns: 50 })
  })

  it('is told from everything else', () => {
    expect(outputMessage({ started: { executionId: 'x' } })).toBeNull()
    expect(outputMessage({ stdinClosed: {} })).toBeNull()
    expect(outputMessage({ stdout: Buffer.alloc(OUTPUT_CHUNK + 1) })).toBeNull()
  })
})
