import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { WritError } from '../../encoding/error.ts'
import { judgeByPolicy, parseWitnessPolicy } from '../../lineage/index.ts'
import { generateKey } from '../../signing/key.ts'
import { mlDsaWitness, testLog, testWitness, withLines } from './support/witness.ts'

const root = Buffer.alloc(32, 7)
const log = testLog('example.com/log')
const note = log.checkpoint(9, root)
const x = [1, 2, 3].map(n => testWitness(`x.example/${n}`))
const y = [1, 2, 3].map(n => testWitness(`y.example/${n}`))
const read = (...lines: readonly string[]) =>
  parseWitnessPolicy(Buffer.from(lines.map(line => `${line}\n`).join('')))
const define = [
  ...x.map(({ vkey }, i) => `witness X${i + 1} ${vkey}`),
  ...y.map(({ vkey }, i) => `witness Y${i + 1} ${vkey}`),
]
/** The example of the specification. */
const EXAMPLE = [
  `log ${log.vkey}`,
  '',
  ...define.slice(0, 3),
  'group X-witnesses 2 X1 X2 X3',
  '',
  ...define.slice(3),
  'group Y-witnesses any Y1 Y2 Y3',
  '',
  'group X-and-Y all X-witnesses Y-witnesses',
  'quorum X-and-Y',
]

describe('a witness policy (C2SP tlog-policy)', () => {
  it('is read as its example has it', () => {
    const { logs, witnesses, groups, quorum } = read(...EXAMPLE)
    expect(logs.map(({ key }) => key.name)).toEqual(['example.com/log'])
    expect(witnesses.map(({ name }) => name)).toEqual(['X1', 'X2', 'X3', 'Y1', 'Y2', 'Y3'])
    expect(groups.map(({ name, threshold }) => [name, threshold])).toEqual([
      ['X-witnesses', 2],
      ['Y-witnesses', 1],
      ['X-and-Y', 2],
    ])
    expect(quorum).toBe(groups[2])
  })

  it('takes white space, comments, addresses, and names that are not ASCII', () => {
    const policy = read(
      '\t # a comment, with \u00fc',
      `  log\t${log.vkey}  https://log.example/ `,
      `witness \u212a ${x[0]?.vkey} https://witness.example/`,
      `witness K ${x[1]?.vkey}`,
      'group any any \u212a',
      'quorum any',
    )
    expect(policy.logs[0]?.url).toBe('https://log.example/')
    expect(policy.witnesses.length).toBe(2)
    expect(read('quorum none')).toEqual({ logs: [], witnesses: [], groups: [], quorum: null })
  })

  it('may use one key for a log and a witness, and any kind of cosignature', () => {
    const key = generateKey('ed25519')
    const policy = read(
      `log ${testLog('example.com/log', key).vkey}`,
      `witness W ${testWitness('example.com/log', key).vkey}`,
      `witness Q ${mlDsaWitness('q.example').vkey}`,
      'quorum W',
    )
    expect(policy.witnesses.length).toBe(2)
  })

  const w = define[0] as string
  const renamed = testLog('other.example', log.key).vkey
  it.each<[string, number, string[]]>([
    ['no quorum', 2, [w]],
    ['two quorums', 3, [w, 'quorum X1', 'quorum X1']],
    ['two quorums of none', 2, ['quorum none', 'quorum none']],
    ['a quorum that is defined later', 1, ['quorum X1', w]],
    ['a quorum of two names', 2, [w, 'quorum X1 X1']],
    ['a quorum of nothing', 1, ['quorum']],
    ['an unknown keyword', 1, ['Quorum none']],
    ['a keyword of an object', 1, ['constructor a b']],
    ['a comment behind a line', 1, ['quorum none # none']],
    ['a log without a key', 1, ['log', 'quorum none']],
    ['a log with more than an address', 1, [`log ${log.vkey} a b`]],
    ['a log with the key of a witness', 1, [`log ${x[0]?.vkey}`]],
    ['a log twice', 2, [`log ${log.vkey}`, `log ${log.vkey}`]],
    ['a log twice under two names', 2, [`log ${log.vkey}`, `log ${renamed}`]],
    ['a witness without a key', 1, ['witness X1']],
    ['a witness with the key of a log', 1, [`witness X1 ${log.vkey}`]],
    ['a witness twice under two names', 2, [w, w.replace('X1', 'X2')]],
    ['a witness whose name is taken', 2, [w, `witness X1 ${x[1]?.vkey}`]],
    ['a witness named none', 1, [w.replace('X1', 'none')]],
    ['a witness with more than an address', 1, [`${w} a b`]],
    ['a key with a wrong id', 1, [w.replace(/\+[0-9a-f]{8}\+/, '+00000000+')]],
    ['a group without members', 2, [w, 'group G any']],
    ['a group named none', 2, [w, 'group none any X1']],
    ['a group whose name is taken', 2, [w, 'group X1 any X1']],
    ['a group of itself', 2, [w, 'group G any G']],
    ['a group of what is defined later', 1, ['group G any X1', w]],
    ['a group of none', 1, ['group G any none']],
    ['a member twice', 2, [w, 'group G any X1 X1']],
    ['a member of two groups', 3, [w, 'group G any X1', 'group H any X1']],
    ['a threshold of none', 2, [w, 'group G 0 X1']],
    ['a threshold above its members', 2, [w, 'group G 2 X1']],
    ['a threshold in hexadecimal', 2, [w, 'group G 0x1 X1']],
    ['a threshold with a sign', 2, [w, 'group G +1 X1']],
    ['a carriage return', 1, ['quorum none\r']],
    ['a form feed', 1, ['quorum\fnone']],
    ['a vertical tab', 1, ['quorum\vnone']],
    ['a DEL', 1, ['# \x7f', 'quorum none']],
    ['a zero byte', 2, ['', '# \0', 'quorum none']],
  ])('is refused with %s', (_, line, lines) => {
    expect(() => read(...lines)).toThrow(
      expect.objectContaining({ code: 'POLICY_MALFORMED', at: `line ${line}` }),
    )
  })

  it('is refused when it was cut, and when it is too large', () => {
    expect(() => parseWitnessPolicy(Buffer.from('quorum none'))).toThrow('newline')
    expect(() => parseWitnessPolicy(Buffer.alloc(0))).toThrow('no quorum')
    expect(() => parseWitnessPolicy(Buffer.alloc((1 << 20) + 1, '\n'))).toThrow('at most')
    const many = Array.from({ length: 257 }, (_, i) => `witness W${i} ${testWitness('w').vkey}`)
    expect(() => read(...many, 'quorum none')).toThrow('more than 256')
    expect(read(...many.slice(1), 'group G 1 W1', 'quorum G').witnesses.length).toBe(256)
  })

  it('gives a typed error with a line for whatever is sent', () => {
    const words = fc.constantFrom(
      'log',
      'witness',
      'group',
      'quorum',
      'none',
      'any',
      'all',
      '1',
      'X1',
      'G',
      '#',
      log.vkey,
      ...define,
    )
    const line = fc
      .array(fc.oneof({ weight: 5, arbitrary: words }, fc.string()), { maxLength: 5 })
      .map(items => items.join(' '))
    fc.assert(
      fc.property(fc.array(line, { maxLength: 6 }), fc.uint8Array({ maxLength: 3 }), (lines, tail) => {
        try {
          parseWitnessPolicy(Buffer.concat([Buffer.from(lines.map(text => `${text}\n`).join('')), tail]))
        } catch (error) {
          if (!(error instanceof WritError)) throw error
          expect([error.code, error.at]).toEqual(['POLICY_MALFORMED', expect.stringMatching(/^line [1-9]/)])
        }
      }),
      { numRuns: 300 },
    )
  })
})

describe('a checkpoint judged by a policy', () => {
  const policy = read(...EXAMPLE)
  const judge = (...lines: Parameters<typeof withLines>[1][]) => {
    const { log, quorum } = judgeByPolicy(withLines(note, ...lines), policy)
    return [log, quorum]
  }
  const [x1, x2, x3] = x.map(witness => witness.cosign(note)) as [never, never, never]
  const [y1, y2, y3] = y.map(witness => witness.cosign(note)) as [never, never, never]

  it('is good enough with the quorum of the example, and with nothing less', () => {
    expect(judge(x1, x3, y2)).toEqual(['yes', 'yes'])
    expect(judge(x1, x2, x3, y1, y2, y3)).toEqual(['yes', 'yes'])
    expect(judge(x1, y1, y2, y3)).toEqual(['yes', 'no'])
    expect(judge(x1, x1, y1)).toEqual(['yes', 'no'])
    expect(judge(x1, x2, x3)).toEqual(['yes', 'no'])
    expect(judge()).toEqual(['yes', 'no'])
  })

  it('agrees with the counting of who signed', () => {
    fc.assert(
      fc.property(fc.subarray(x), fc.subarray(y), (some, others) => {
        const lines = [...some, ...others].map(witness => witness.cosign(note))
        const found = judgeByPolicy(withLines(note, ...lines), policy)
        expect(found.quorum).toBe(some.length >= 2 && others.length >= 1 ? 'yes' : 'no')
        expect(found.witnesses.filter(({ cosigned }) => cosigned === 'yes').length).toBe(lines.length)
      }),
      { numRuns: 40 },
    )
  })

  it('counts no line that does not hold, and loses none by a bad one beside it', () => {
    const other = log.checkpoint(10, root)
    const bad = x[1]?.cosign(other) as never
    expect(judge(x1, bad, y1)).toEqual(['yes', 'no'])
    expect(judge(x1, bad, x2, y1)).toEqual(['yes', 'yes'])
    const found = judgeByPolicy(withLines(note, x1, bad, y1), policy)
    expect(found.witnesses.map(({ cosigned }) => cosigned)).toEqual(['yes', 'bad', 'no', 'yes', 'no', 'no'])
    expect(found.witnesses[0]?.time).toBe(1_700_000_000n)
  })

  it('counts no stranger, no other name, and no plain signature by a witness’s key', () => {
    const key = generateKey('ed25519')
    const only = read(`log ${log.vkey}`, `witness W ${testWitness('w.example', key).vkey}`, 'quorum W')
    const quorum = (bytes: Buffer) => judgeByPolicy(bytes, only).quorum
    expect(quorum(withLines(note, testWitness('w.example', key).cosign(note)))).toBe('yes')
    expect(quorum(withLines(note, testWitness('v.example', key).cosign(note)))).toBe('no')
    expect(quorum(withLines(note, testWitness('w.example').cosign(note)))).toBe('no')
    expect(quorum(testLog('example.com/log', key).checkpoint(9, root, 'w.example'))).toBe('no')
  })

  it('says when the newest line of a witness was made', () => {
    const twice = withLines(note, ...[5n, 7n, 6n].map(time => x[0]?.cosign(note, time) as never))
    expect(judgeByPolicy(twice, policy).witnesses[0]?.time).toBe(7n)
  })

  it('has to be signed by a log of the policy, under its own origin', () => {
    const lines = [x1, x2, y1]
    const of = (bytes: Buffer) => judgeByPolicy(withLines(bytes, ...lines), policy).log
    expect(of(note)).toBe('yes')
    expect(of(testLog('example.com/log').checkpoint(9, root))).toBe('no')
    expect(of(testLog('example.com/b', log.key).checkpoint(9, root))).toBe('no')
    // A line by the log's key under its name does not make another origin its own.
    expect(of(testLog('example.com/b', log.key).checkpoint(9, root, 'example.com/log'))).toBe('no')
    const two = read(`log ${testLog('a.example').vkey}`, `log ${log.vkey}`, 'quorum none')
    expect(judgeByPolicy(note, two)).toMatchObject({ log: 'yes', quorum: 'yes', quorumAsked: false, size: 9 })
    expect(judgeByPolicy(note, read('quorum none')).log).toBe('not listed')
  })

  it('throws for what is no checkpoint', () => {
    expect(() => judgeByPolicy(Buffer.from('x'), policy)).toThrow(
      expect.objectContaining({ code: 'NOTE_MALFORMED' }),
    )
    expect(() => judgeByPolicy(Buffer.from(note.toString().replace('\n9\n', '\n09\n')), policy)).toThrow(
      expect.objectContaining({ code: 'CHECKPOINT_MALFORMED' }),
    )
  })
})
