import fc from 'fast-check'
import { expect, test } from 'vitest'
import { EVENTS } from '../../../daemon/log/event.ts'
import { journalEntry } from '../../../daemon/log/journal-entry.ts'
import { journalFields, oneLine } from '../../../daemon/log/journal-fields.ts'
import { LogOutput } from '../../../daemon/log/open-log.ts'
import { readJournalEntry } from '../../support/datagrams.ts'

const names = fc.stringMatching(/^[A-Z][A-Z0-9_]{0,20}$/)
const values = fc.oneof(
  fc.uint8Array({ maxLength: 200 }),
  fc.constantFrom('', '\n', 'a\nPRIORITY=0\n', 'x\nMESSAGE_ID\n').map(text => Buffer.from(text)),
)

test('what is written is what is read, whatever the values are', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(names, values), { maxLength: 8 }), fields => {
      const read = readJournalEntry(journalEntry(fields))
      expect(read.map(([name, value]) => [name, [...value]])).toEqual(
        fields.map(([name, value]) => [name, [...value]]),
      )
    }),
  )
})

test('a name that is not ours is a mistake of ours', () => {
  for (const name of ['', '_X', 'a', 'A=', 'A\n', '0A', 'A'.repeat(65)])
    expect(() => journalEntry([[name, '']])).toThrow(RangeError)
})

test('any line of the log is an entry: one message of one line, a priority, fields that are bounded', () => {
  const odd = fc.constantFrom(
    ...[
      { toString: 1 },
      { code: 'x', message: { toString: null } },
      { code: { valueOf: 0, toString: 0 }, message: '' },
    ],
  )
  const value = fc.oneof(fc.jsonValue({ maxDepth: 3 }), odd, fc.array(odd))
  const key = fc.oneof(fc.string(), fc.constantFrom('executionId', 'reasons', 'event', 'level', 'msg', 'err'))
  fc.assert(
    fc.property(fc.dictionary(key, value), line => {
      const read = readJournalEntry(journalEntry(journalFields(line)))
      const named = (name: string) => read.filter(([found]) => found === name)
      expect(named('MESSAGE')).toHaveLength(1)
      expect(named('PRIORITY').map(String)).toEqual([expect.stringMatching(/^PRIORITY,[0-7]$/)])
      expect(named('MESSAGE')[0]?.[1].includes('\n')).toBe(false)
      expect(Object.values(EVENTS).map(String)).toEqual(
        expect.arrayContaining(named('MESSAGE_ID').map(([, value]) => value.toString())),
      )
    }),
  )
})

test('a caller that sends line breaks and escapes adds no field and moves no cursor', () => {
  const program = '/bin/x\nMESSAGE_ID=00000000000000000000000000000000\n\u001b[2J\u202e'
  const fields = journalFields({ level: 40, event: 'decision-denied', program, msg: 'denied', uid: 7 })
  expect(fields).toContainEqual(['WRIT_PROGRAM', program])
  expect(fields).toContainEqual(['WRIT_CALLER_UID', '7'])
  expect(fields.filter(([name]) => name === 'MESSAGE_ID')).toEqual([
    ['MESSAGE_ID', EVENTS['decision-denied']],
  ])
  expect(oneLine(program)).toBe(
    '/bin/x\\u000aMESSAGE_ID=00000000000000000000000000000000\\u000a\\u001b[2J\\u202e',
  )
})

test('lines that are not taken are counted, and the next that is taken says how many', () => {
  let takes = false
  const taken: string[] = []
  const output = new LogOutput(line => takes && taken.push(line) > 0)
  for (let i = 0; i < 3; i++) output.write('{"msg":"lost"}\n')
  takes = true
  output.write('{"msg":"kept"}\n')
  output.write('{"msg":"next"}\n')
  expect(taken.map(line => JSON.parse(line))).toEqual([{ dropped: 3, msg: 'kept' }, { msg: 'next' }])
})
