import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { allDefinitions, type Definition, definitionOf } from '../../cli/definition.ts'
import { readField } from '../../cli/form.ts'
import { configurationPages } from '../../cli/manual/configuration.ts'
import { fieldLines } from '../../cli/manual/form-text.ts'
import { markdown } from '../../cli/manual/markdown.ts'
import { pages, roffText } from '../../cli/manual/roff.ts'
import { temporaryDirectory } from './cli.ts'
import { everything } from './json-form.ts'

const dir = temporaryDirectory()
const EDITION = { version: '1.2.3', date: '2026-11-21' }
let root: Definition
let commands: readonly Definition[]
beforeAll(async () => {
  root = definitionOf(await everything())
  commands = allDefinitions(root).filter(definition => definition.commands.length === 0)
})
afterAll(() => dir.remove())

test('docs/cli.md is what the definitions say; `npm run manual` makes it anew', () => {
  expect(readFileSync('docs/cli.md', 'utf8')).toBe(markdown(root))
})

describe('one grammar', () => {
  test('each command has an example that begins with it, a description that ends, and a form of its JSON', () => {
    for (const { path, examples, description, json } of commands) {
      const name = path.join(' ')
      expect({ name, examples: examples.some(line => line.startsWith(name)) }).toEqual({
        name,
        examples: true,
      })
      expect({ name, ends: /\.$/.test(description) }).toEqual({ name, ends: true })
      expect({ name, forms: json.length > 0 }).toEqual({ name, forms: true })
    }
    for (const { path, description } of allDefinitions(root)) expect(`${path}: ${description}`).toMatch(/\.$/)
  })

  test('an option that takes a value takes one everywhere, and its description is no sentence', () => {
    const takes = new Map<string, boolean>()
    for (const { path, options } of commands) {
      for (const { long, value, description } of options) {
        const before = takes.get(long) ?? value !== null
        // `writ --version` prints one; `--version <n>` of a document sets one.
        if (path.length > 1)
          expect({ path, long, value: value !== null }).toEqual({ path, long, value: before })
        takes.set(long, before)
        expect({ path, long, description }).toEqual({
          path,
          long,
          description: description.replace(/\.$/, ''),
        })
        expect({ path, long, name: /^--[a-z]+\d*(-[a-z]+)*$/.test(long) }).toEqual({ path, long, name: true })
      }
    }
  })

  test('where something is written, nothing is overwritten, and the help says so', () => {
    const outs = commands.flatMap(({ path, options }) =>
      options.filter(o => o.long === '--out').map(o => ({ path, ...o })),
    )
    expect(outs.length).toBeGreaterThan(10)
    for (const { path, description } of outs) {
      expect({ path, description }).toMatchObject({
        description: expect.stringContaining('nothing is overwritten'),
      })
    }
  })
})

describe('manual pages', () => {
  test('there is one for the program, and one for each command and group', () => {
    const files = pages(root, EDITION).map(({ file }) => file)
    expect(files).toEqual(allDefinitions(root).map(({ path }) => `${path.join('-')}.1`))
    expect(files).toContain('writ-key-trust-sign.1')
  })

  test('those of the configuration files have every key, and every word that is said of it', () => {
    const [daemon, launcher] = configurationPages(EDITION)
    expect([daemon?.file, launcher?.file]).toEqual(['writd.toml.5', 'writ-launchd.conf.5'])
    for (const [page, shipped] of [
      [daemon, 'packaging/writd.toml'],
      [launcher, 'packaging/launchd.conf'],
    ] as const) {
      const file = readFileSync(shipped, 'utf8')
      const keys = [...file.matchAll(/^#?([a-z][\w.]*) = /gm)].map(([, key = '']) => roffText(key))
      expect(keys.length).toBeGreaterThan(15)
      for (const key of keys) expect(page?.text).toContain(`\n\\fB${key}\\fR = `)
      const said = (text: string) => text.split(/\s+/).filter(word => word !== '')
      const lines = (page?.text ?? '').split('\n')
      const comments = [...file.matchAll(/^# (.*)$/gm)].flatMap(([, text = '']) => said(roffText(text)))
      const shown = new Set(lines.flatMap(said))
      // A word that comes to stand at the beginning of a line is kept from being a request.
      expect(comments.filter(word => !shown.has(word) && !shown.has(`\\&${word}`))).toEqual([])
    }
  })

  test.skipIf(spawnSync('mandoc', ['-V']).error !== undefined)('mandoc finds nothing wrong with them', () => {
    const files = [...pages(root, EDITION), ...configurationPages(EDITION)].map(({ file, text }) => {
      writeFileSync(dir.in(file), text)
      return dir.in(file)
    })
    const { status, stdout, stderr } = spawnSync('mandoc', ['-T', 'lint', '-W', 'warning', ...files], {
      encoding: 'utf8',
    })
    expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: '', stderr: '' })
    const run = execFileSync('mandoc', ['-T', 'utf8', dir.in('writ-run.1')], { encoding: 'utf8' })
    // biome-ignore lint/suspicious/noControlCharactersInRegex: overstriking makes bold and underlined text.
    const plain = run.replace(/.\u0008/g, '')
    expect(plain).toContain('run a program under an artifact')
    expect(plain).toContain('network that it sees (none, loopback, host)')
    expect(plain).toContain('writ run --artifact job.json --env LANG=C')
  })

  test.skipIf(spawnSync('mandoc', ['-V']).error !== undefined)('any text comes through as it is', () => {
    const words = fc.stringMatching(/^[!-~]{1,12}$/)
    fc.assert(
      fc.property(fc.array(words, { minLength: 1, maxLength: 5 }), list => {
        const text = list.join(' ')
        const input = `.TH A 1 2026-11-21\n.SH A\n.nf\n${roffText(text)}\n.fi\n`
        const shown = execFileSync('mandoc', ['-T', 'ascii'], { input, encoding: 'utf8' })
        expect(shown).toContain(text)
      }),
      { numRuns: 40 },
    )
  })

  test('no text becomes a request, or more than one line', () => {
    fc.assert(
      fc.property(fc.constantFrom('', '.', "'", '\\'), fc.string({ unit: 'binary' }), (first, rest) => {
        const made = roffText(`${first}${rest}`)
        expect(made).toMatch(/^[\x20-\x7e]*$/)
        expect(made).not.toMatch(/^[.']/)
        expect(made.replace(/\\(?:[e&-]|\([a-z]{2}|\[u[0-9A-F]{4,6}\])/g, '')).not.toContain('\\')
      }),
    )
  })
})

test('a field’s marks are read back', () => {
  fc.assert(
    fc.property(fc.string(), fc.constantFrom('', '?', '|null'), (name, mark) => {
      fc.pre(!name.endsWith('?') && !name.endsWith('|null'))
      expect(readField(`${name}${mark}`)).toEqual({
        name,
        optional: mark === '?',
        nullable: mark === '|null',
      })
    }),
  )
  expect(fieldLines({ 'a?': { 'b|null': [{ c: 'digest: of it' }] }, '*': 'text' })).toEqual([
    { at: 'a', kind: 'object, may be missing', about: '' },
    { at: 'a.b', kind: 'list, or null', about: '' },
    { at: 'a.b[].c', kind: 'digest', about: 'of it' },
    { at: '*', kind: 'text', about: '' },
  ])
})
