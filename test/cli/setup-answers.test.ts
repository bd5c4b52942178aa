import fc from 'fast-check'
import { parse } from 'smol-toml'
import { expect, test } from 'vitest'
import { CliError } from '../../cli/error.ts'
import { answersSchema, completeAnswers, parseAnswers } from '../../cli/setup/answers.ts'
import { ANSWER_WORDS, answersText } from '../../cli/setup/answers-text.ts'
import { setTomlKeys, TomlEditError } from '../../cli/setup/toml-edit.ts'
import { type TomlValue, tomlLine } from '../../cli/setup/toml-value.ts'
import { shippedFile } from '../../encoding/shipped.ts'

const shipped = shippedFile('daemonConfig').toString()

test('the printed answers explain every key, and mean what they print', () => {
  const sections = Object.entries(answersSchema.entries)
  expect(Object.keys(ANSWER_WORDS)).toEqual(sections.map(([name]) => name))
  for (const [name, section] of sections) {
    const keys = Object.keys((section as unknown as { wrapped: { entries: object } }).wrapped.entries)
    expect(Object.keys(ANSWER_WORDS[name as keyof typeof ANSWER_WORDS])).toEqual(keys)
  }
  const answers = completeAnswers({ tpm: { simulated: 'allow', hardware_roots: ['/a "b"\n\u007f'] } })
  expect(completeAnswers(parseAnswers(Buffer.from(answersText(answers)), 'x'))).toEqual(answers)
  // What is off becomes an answer by taking the sign away.
  const on = answersText(completeAnswers({})).replace('#trust = ""', 'trust = "/t.json"')
  expect(parseAnswers(Buffer.from(on), 'x').documents?.trust).toBe('/t.json')
})

test('the weaker choices are never the default', () => {
  const { tpm, ima, places, keys, reference } = completeAnswers({})
  expect([tpm.simulated, ima.policy, ima.less, ima.boot, places.ima_log, reference.components]).toEqual([
    'deny',
    'install',
    'refuse',
    'say',
    expect.stringContaining('/sys/kernel/security'),
    [],
  ])
  expect(keys.passphrase_file).toBeUndefined()
})

test('what is no file of answers is a typed error, whatever it is', () => {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 200 }).map(b => Buffer.from(b)),
    fc.string().map(text => Buffer.from(`[tpm]\n${text}`)),
    fc.json().map(text => Buffer.from(`x = ${text}`)),
    fc
      .tuple(fc.constantFrom(...Object.keys(ANSWER_WORDS)), fc.string({ maxLength: 9 }), fc.string())
      .map(([section, key, value]) =>
        Buffer.from(`[${section}]\n${JSON.stringify(key)} = ${JSON.stringify(value)}`),
      ),
  )
  fc.assert(
    fc.property(bytes, input => {
      try {
        completeAnswers(parseAnswers(input, 'x'))
      } catch (error) {
        expect(error).toBeInstanceOf(CliError)
      }
    }),
    { numRuns: 500 },
  )
})

test('keys are set, and every other byte stays', () => {
  const changes = new Map<string, TomlValue>([
    ['trust.governance_keys', ['/etc/writ/operator.pub']],
    ['trust.policy_bundle', '/etc/writ/policy.json'],
  ])
  const after = setTomlKeys(shipped, changes)
  const lines = new Set(after.split('\n'))
  const lost = shipped.split('\n').filter(line => !lines.has(line))
  expect(lost).toEqual(['governance_keys = ["/etc/writ/governance.pem"]'])
  // Below the remark that explains it.
  const at = after.split('\n').findIndex(line => line.startsWith('policy_bundle'))
  expect(after.split('\n')[at - 1]).toBe('#policy_bundle = "/etc/writ/policy.dsse.json"')
  expect(setTomlKeys('', changes)).toBe(
    '[trust]\ngovernance_keys = ["/etc/writ/operator.pub"]\npolicy_bundle = "/etc/writ/policy.json"\n',
  )
})

test('what cannot be changed line by line is refused, not spoilt', () => {
  for (const [text, code] of [
    ['[trust]\ngovernance_keys = [\n"/a",\n]\n', 'TOML_NOT_EDITABLE'],
    ['trust = { governance_keys = ["/a"] }\n', 'TOML_SYNTAX'],
    ['[a]\nb = """\n[trust]\ngovernance_keys = 1\n"""\n', 'TOML_NOT_EDITABLE'],
    ['[trust\n', 'TOML_SYNTAX'],
  ] as const) {
    try {
      setTomlKeys(text, new Map([['trust.governance_keys', ['/b']]]))
      expect.unreachable(text)
    } catch (error) {
      expect(error).toBeInstanceOf(TomlEditError)
      expect([text, (error as TomlEditError).code]).toEqual([text, code])
    }
  }
})

test('whatever the text, either the keys alone have changed or nothing was', () => {
  const line = fc.oneof(
    fc.constantFrom(
      '[trust]',
      '[tpm]',
      '[ "x" ]',
      '[[t]]',
      '',
      '# a',
      '#path = 1',
      'path = "a" # b',
      '"path"=2',
      'x = """',
      'l = [',
      ']',
    ),
    fc.string({ maxLength: 12 }),
    fc
      .tuple(fc.constantFrom('a', 'path', 'b.c'), fc.string())
      .map(([key, value]) => `${key} = ${JSON.stringify(value)}`),
  )
  const value = fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.array(fc.string()))
  fc.assert(
    fc.property(fc.array(line, { maxLength: 12 }), value, (lines, wanted) => {
      const text = lines.join('\n')
      let after: string
      try {
        after = setTomlKeys(text, new Map([['tpm.path', wanted]]))
      } catch (error) {
        expect(error).toBeInstanceOf(TomlEditError)
        return
      }
      const { tpm, ...others } = parse(after) as Record<string, Record<string, unknown>>
      const { tpm: tpmBefore = {}, ...othersBefore } = parse(text) as Record<string, Record<string, unknown>>
      expect(others).toEqual(othersBefore)
      expect({ ...tpm }).toEqual({ ...tpmBefore, path: wanted })
    }),
    { numRuns: 1000 },
  )
})

test('a value is written as TOML reads it', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: 'grapheme' }), fc.array(fc.string())), value => {
      expect(parse(tomlLine('k', value))).toEqual({ k: value })
    }),
  )
})
