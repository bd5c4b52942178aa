import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { beforeEach, describe, expect, test } from 'vitest'
import { openPolicyBundle } from '../../authorization/index.ts'
import { makeKeyFiles } from '../../cli/key-files.ts'
import { readTrustedKey } from '../../cli/keys.ts'
import { completeAnswers, type GivenAnswers } from '../../cli/setup/answers.ts'
import { askQuestions } from '../../cli/setup/questions.ts'
import { policy } from '../../cli/setup/steps/policy.ts'
import { parseEnvelope } from '../../signing/dsse.ts'
import { Answering, contextIn, ownPlace } from './setup-context.ts'

const place = ownPlace()
const { at } = place
beforeEach(() => makeKeyFiles(at('operator'), 'ed25519', undefined))

const OWN = 'permit (principal, action, resource) when { false };\n'

/** Puts files into the directory of policies. */
function put(files: Readonly<Record<string, string>>): void {
  mkdirSync(at('policies'), { mode: 0o755 })
  for (const [name, text] of Object.entries(files))
    writeFileSync(at(`policies/${name}`), text, { mode: 0o644 })
}

/** The names of the policies that are signed then, in their order. */
async function signed(documents: GivenAnswers['documents'] = {}): Promise<string[]> {
  const found = await policy.look(contextIn(place.etc, { documents }))
  if (found.state !== 'to do') throw new Error(found.state)
  await found.carryOut()
  const operator = await readTrustedKey(at('operator.pub'), "the operator's key")
  const envelope = readFileSync(at('policy.json'))
  openPolicyBundle(envelope, [operator])
  return Object.keys(JSON.parse(parseEnvelope(envelope, 1 << 20).payload.toString()).policies)
}

const refusal = (documents?: GivenAnswers['documents']) => signed(documents).catch((error: unknown) => error)

describe('policies that are there', () => {
  test('are not signed unless somebody says so, and are said with size, owner and mode', async () => {
    put({ 'mine.cedar': OWN })
    expect(await refusal()).toMatchObject({
      code: 'FILE_EXISTS',
      lines: [
        expect.stringMatching(/policies: of uid \d+, mode 0755$/),
        expect.stringMatching(`^mine.cedar: ${OWN.length} bytes, of uid \\d+, mode 0644$`),
      ],
      next: expect.stringContaining('--policies take'),
    })
    expect(existsSync(at('policy.json'))).toBe(false)
    expect(await signed({ policies: 'take' })).toEqual(['mine'])
  })

  test('are said among what will be done where they are taken', async () => {
    put({ 'mine.cedar': OWN })
    const found = await policy.look(contextIn(place.etc, { documents: { policies: 'take' } }))
    expect(found.state === 'to do' && found.will.join('\n')).toContain('mine.cedar')
  })

  test.each<[string, () => void]>([
    ['a directory that others can write', () => chmodSync(at('policies'), 0o777)],
    ['a file that a group can write', () => chmodSync(at('policies/mine.cedar'), 0o664)],
    ['a link', () => symlinkSync(at('operator.pub'), at('policies/b.cedar'))],
    ['a directory below', () => mkdirSync(at('policies/more'))],
    ...(process.geteuid?.() === 0
      ? [["somebody's file", () => chownSync(at('policies/mine.cedar'), 1000, 1000)] as [string, () => void]]
      : []),
  ])('with %s are not signed, whatever is said', async (_, change) => {
    put({ 'mine.cedar': OWN })
    change()
    expect(await refusal({ policies: 'take' })).toMatchObject({ code: 'HOST_UNFIT' })
    expect(existsSync(at('policy.json'))).toBe(false)
  })

  test('behind a link are not signed, whatever is said', async () => {
    put({ 'mine.cedar': OWN })
    mkdirSync(at('elsewhere'))
    rmSync(at('policies'), { recursive: true })
    symlinkSync(at('elsewhere'), at('policies'))
    expect(await refusal({ policies: 'take' })).toMatchObject({ code: 'HOST_UNFIT' })
  })

  test.each<[string, Readonly<Record<string, string>>]>([
    ['an empty directory', {}],
    ['half a policy', { 'start.cedar.0123456789ab.new': 'perm' }],
  ])('that are no more than %s, as a killed run leaves it, are made', async (_, files) => {
    put(files)
    expect(await signed()).toEqual(['start'])
    expect(readdirSync(at('policies'))).toEqual(['start.cedar'])
    // And what a run made that was killed before it signed.
    rmSync(at('policy.json'))
    expect(await signed()).toEqual(['start'])
    rmSync(at('policy.json'))
    writeFileSync(at('policies/start.cedar'), OWN)
    expect(await refusal()).toMatchObject({ code: 'FILE_EXISTS' })
  })

  test('are asked for at the terminal, and only while nobody has said or signed any', async () => {
    const { probes } = contextIn(place.etc)
    const ask = (yes: boolean, documents: GivenAnswers['documents'] = {}) => {
      const person = new Answering(yes)
      const given = {
        places: { etc: place.etc },
        keys: { operator: at('operator.pub') },
        tpm: { simulated: 'allow' },
        ima: { boot: 'say' },
        documents,
      } as const
      return askQuestions(person, given, probes).then(answers => [
        answers.documents.policies,
        person.questions.length,
      ])
    }
    expect(await ask(true)).toEqual(['refuse', 0])
    put({ 'mine.cedar': OWN })
    expect(await ask(true)).toEqual(['take', 1])
    expect(await ask(false)).toEqual(['refuse', 1])
    expect(await ask(true, { policies: 'refuse' })).toEqual(['refuse', 0])
    expect(await ask(true, { policy: at('p.json') })).toEqual(['refuse', 0])
    writeFileSync(at('policy.json'), '')
    expect(await ask(true)).toEqual(['refuse', 0])
  })
})

test('without an answer nothing that is found counts', () => {
  expect(completeAnswers({}).documents.policies).toBe('refuse')
})
