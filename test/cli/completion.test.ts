import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Definition, definitionOf } from '../../cli/definition.ts'
import { temporaryDirectory, writ } from './cli.ts'
import { everything } from './json-form.ts'

const dir = temporaryDirectory()
let root: Definition

beforeAll(async () => {
  root = definitionOf(await everything())
  mkdirSync(dir.in('policies'))
  writeFileSync(dir.in('a file.json'), '')
  writeFileSync(dir.in('other'), '')
  for (const shell of ['bash', 'zsh', 'fish']) {
    const { status, stdout, stderr } = await writ(['completion', shell])
    expect({ shell, status, stderr }).toEqual({ shell, status: 0, stderr: '' })
    writeFileSync(dir.in(`writ.${shell}`), stdout)
  }
})
afterAll(() => dir.remove())

const has = (name: string) => spawnSync(name, ['--version']).error === undefined
const lines = (text: string) => text.split('\n').filter(line => line !== '')

/** What is offered for the last of the words, `writ` being the first. */
const SHELLS: Readonly<Record<string, (words: readonly string[]) => string[]>> = {
  bash: words => {
    const script =
      'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _writ; printf "%s\\n" "$' +
      '{COMPREPLY[@]}"'
    const args = ['--norc', '-c', script, 'bash', dir.in('writ.bash'), ...words]
    return lines(execFileSync('bash', args, { cwd: dir.path, encoding: 'utf8' }))
  },
  // The functions of zsh's completion system say what they were asked for.
  zsh: words => {
    const script = `
      compdef() { : }; compset() { : }
      _describe() { local list=\${@[-1]}; print -rl -- \${\${(P)list}%%:*} }
      compadd() { shift; print -rl -- "$@" }
      _files() { [[ $1 == -/ ]] && print -rl -- */(N:t) || print -rl -- *(N) }
      _alternative() { print -r -- "$@" }
      source "$1"; shift; words=("$@"); CURRENT=$#; _writ`
    const args = ['-f', '-c', script, 'zsh', dir.in('writ.zsh'), ...words]
    const found = lines(execFileSync('zsh', args, { cwd: dir.path, encoding: 'utf8' }))
    const typed = words.at(-1)?.replace(/^--[^=]*=/, '') ?? ''
    return found.filter(word => word.startsWith(typed))
  },
  fish: words => {
    const line = words.map(word => word.replaceAll(' ', '\\ ')).join(' ')
    const args = ['--no-config', '-c', 'source $argv[1]; complete -C $argv[2]', dir.in('writ.fish'), line]
    const env = { PATH: process.env.PATH, HOME: dir.path }
    const found = lines(execFileSync('fish', args, { cwd: dir.path, encoding: 'utf8', env }))
    return found.map(offer => (offer.split('\t')[0] ?? '').replace(/\/$/, '').replace(/^--[^=]*=/, ''))
  },
}

describe.each(['bash', 'zsh', 'fish'])('completion in %s', shell => {
  describe.skipIf(!has(shell))(`(needs ${shell})`, () => {
    const offered = (...words: string[]) =>
      (SHELLS[shell] as (w: readonly string[]) => string[])(['writ', ...words])

    test('knows every command and every option', () => {
      const all = (definition: Definition): void => {
        const words = definition.path.slice(1)
        const names = definition.commands.map(({ path }) => path.at(-1) ?? '')
        if (names.length > 0) expect(new Set(offered(...words, ''))).toEqual(new Set(names))
        expect(new Set(offered(...words, '--'))).toEqual(new Set(definition.options.map(({ long }) => long)))
        // Each shell is a process; one group below another is enough.
        for (const child of definition.commands.filter(c => c.commands.length > 0)) all(child)
      }
      all(root)
      const run = root.commands.find(({ path }) => path.at(-1) === 'run')
      expect(new Set(offered('run', '--'))).toEqual(new Set(run?.options.map(({ long }) => long)))
    })

    test('offers what begins as the word that is typed', () => {
      expect(offered('key', 'tr')).toEqual(['trust'])
      expect(offered('key', 'trust', 'si')).toEqual(['sign'])
      expect(offered('status', '--w')).toEqual(['--watch'])
      expect(new Set(offered('completion', ''))).toEqual(new Set(['bash', 'zsh', 'fish']))
    })

    test('offers the words that an option takes, also behind =', () => {
      expect(new Set(offered('key', 'new', '--algorithm', ''))).toEqual(new Set(['ed25519', 'ecdsa-p256']))
      const broken = shell === 'bash' ? ['--algorithm', '=', 'ec'] : ['--algorithm=ec']
      expect(offered('key', 'new', ...broken)).toEqual(['ecdsa-p256'])
      expect(offered('issue', '--uses', 'a')).toEqual(['any'])
      expect(offered('init', '--user', '')).toEqual([])
    })

    test('offers files and directories, with spaces in their names', () => {
      const files = ['a file.json', 'other', 'policies', 'writ.bash', 'writ.fish', 'writ.zsh']
      const unquoted = (words: string[]) => words.map(word => word.replaceAll('\\', ''))
      expect(new Set(unquoted(offered('key', 'show', '')))).toEqual(new Set(files))
      expect(unquoted(offered('run', '--artifact', 'a'))).toEqual(['a file.json'])
      expect(offered('policy', 'sign', '')).toEqual(['policies'])
    })

    test('leaves what belongs to a program to its files', () => {
      expect(offered('run', '--artifact', 'other', '--', '/bin/cat', 'oth')).toEqual(['other'])
      expect(offered('run', '/bin/cat', '--js')).toEqual([])
      expect(offered('run', '--artifact', 'other', '--', '/bin/cat', 'key', 'oth')).toEqual(['other'])
      expect(offered('run', '--', 'key', 'ot')).toEqual(['other'])
    })
  })
})

test('the script of another shell is wrong use', async () => {
  const { status, stderr } = await writ(['completion', 'csh'])
  expect(status).toBe(2)
  expect(stderr).toContain('bash, zsh, fish')
})

test('in bash, completion works as the shell itself calls it', () => {
  const script = `source "$1"; complete -p writ`
  const out = execFileSync('bash', ['--norc', '-c', script, 'bash', dir.in('writ.bash')], {
    encoding: 'utf8',
  })
  expect(out).toBe('complete -F _writ writ\n')
})
