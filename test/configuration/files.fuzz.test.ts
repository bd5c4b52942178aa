import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { examineConfig, parseConfig } from '../../configuration/daemon-file.ts'
import { ConfigError } from '../../configuration/problem.ts'

const SHIPPED = readFileSync(new URL('../../packaging/writd.toml', import.meta.url))

/** Either a configuration or a typed error; nothing else may come out. */
function total(bytes: Uint8Array): void {
  try {
    parseConfig(bytes)
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError)
  }
  const { config, problems } = examineConfig(bytes)
  expect(config === null).toBe(problems.length > 0)
}

describe('the configuration parser gives a configuration or a ConfigError', () => {
  it('for any bytes', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), total), { numRuns: 500 })
  })

  it('for any text made of the pieces of TOML', () => {
    const piece = fc.constantFrom(
      ...['[', ']', '[[', '=', '"', "'''", '\n', '.', ',', '{', '}', '#', ' ', 'daemon', 'trust', 'socket'],
      ...[
        'governance_keys',
        '1',
        '-0',
        '1e999',
        'nan',
        'true',
        '"/a"',
        '0x7f',
        '2026-01-01',
        '__proto__',
        '\\u0000',
      ],
    )
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 40 }), pieces => total(Buffer.from(pieces.join('')))),
      { numRuns: 2000 },
    )
  })

  it('for the shipped file with bytes changed', () => {
    const change = fc.tuple(fc.nat(SHIPPED.length - 1), fc.nat(255))
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 6 }), changes => {
        const bytes = Buffer.from(SHIPPED)
        for (const [at, value] of changes) bytes[at] = value
        total(bytes)
      }),
      { numRuns: 300 },
    )
  })

  it('for deep nesting', () => {
    total(Buffer.from(`[trust]\ngovernance_keys = ${'['.repeat(50_000)}`))
    total(Buffer.from(`a = ${'{a='.repeat(50_000)}`))
  })
})
