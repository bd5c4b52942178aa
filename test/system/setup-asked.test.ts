import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { GivenAnswers } from '../../cli/setup/answers.ts'
import { WRIT } from '../cli/cli.ts'
import { GovernedHost, NEEDS_ROOT } from './governed-host.ts'
import { RECORDED } from './governed-provision.ts'
import { answersFor, measurePolicy, setup, states, writeAnswers } from './setup-host.ts'

/** Permission bits by path below a directory; of itself by the empty one. */
function modesBelow(directory: string): Record<string, string> {
  const paths = ['', ...readdirSync(directory, { recursive: true, encoding: 'utf8' })]
  return Object.fromEntries(
    paths.map(path => [path, (statSync(join(directory, path)).mode & 0o7777).toString(8)]),
  )
}

type Step = { see: string } | { type: string } | { raw: boolean }

describe.skipIf(NEEDS_ROOT !== null)(
  `writ setup, asked and told otherwise (${NEEDS_ROOT ?? 'as root'})`,
  () => {
    let host: GovernedHost

    beforeAll(async () => {
      host = await GovernedHost.booted()
      await host.ok('key', 'new', host.path('operator-elsewhere'))
      await host.ok('key', 'new', host.path('release-elsewhere'))
    }, 60_000)
    afterAll(() => host?.close(), 60_000)

    /** Answers with a directory of their own for configuration and documents. */
    const at = (name: string, more: GivenAnswers = {}) =>
      answersFor(host, {
        ...more,
        // A directory that the daemon will make.
        places: { etc: host.path(name), socket: host.path(`${name}/run/writd.sock`), ...more.places },
      })

    /** What a person sees of `writ setup`, and how it ends. */
    async function play(answers: GivenAnswers, steps: readonly Step[]) {
      const program = join(import.meta.dirname, '../cli/on-terminal.py')
      const file = writeAnswers(host, answers, 'asked.toml')
      const child = spawn('python3', [program, WRIT, 'setup', '--ask', '--answers', file], {
        env: { PATH: process.env.PATH },
      })
      const out: Buffer[] = []
      child.stdout.on('data', piece => out.push(piece))
      child.stdin.end(steps.map(step => `${JSON.stringify(step)}\n`).join(''))
      await new Promise(resolve => child.once('close', resolve))
      return JSON.parse(Buffer.concat(out).toString()) as { shown: string; status: number; restored: boolean }
    }
    const asked = () => {
      const { tpm, ...rest } = at('asked')
      return { ...rest, tpm: { where: tpm?.where ?? '' } }
    }
    const answer = (question: string, typed: string): Step[] => [
      { see: question },
      { raw: true },
      { type: `${typed}\r` },
    ]

    test('a person is asked little, told why, and shown no passphrase', async () => {
      const { shown, status, restored } = await play(asked(), [
        ...answer('Make both here? [Y/n]', ''),
        ...answer('Go on all the same, for a trial? [y/N]', 'y'),
        ...answer('Go on? [y/N]', 'y'),
        ...answer('Passphrase of the new keys', 'correct horse'),
        ...answer('The same again', 'correct hose'),
        { see: 'They differ.' },
        ...answer('Passphrase of the new keys', 'correct horse'),
        ...answer('The same again', 'correct horse'),
        { see: 'not complete yet' },
      ])
      expect(shown).toContain('SIMULATED')
      expect(shown).toContain('The host signs with a key that only its TPM has')
      expect(shown).not.toContain('horse')
      expect([status, restored]).toEqual([1 << 8, true])
      const key = readFileSync(host.path('asked/operator.key'), 'utf8')
      expect(key).toContain('ENCRYPTED PRIVATE KEY')
      await measurePolicy(host)
      const again = await play(asked(), [
        ...answer('Go on all the same, for a trial? [y/N]', 'y'),
        ...answer('Go on? [y/N]', 'y'),
        ...answer('operator.key', 'correct horse'),
        { see: 'writd --config' },
      ])
      expect(again.shown).not.toContain('horse')
      expect([again.status, again.restored]).toEqual([1 << 8, true])
      expect(existsSync(host.path('asked/reference.json'))).toBe(true)
    }, 60_000)

    test('a no, a Ctrl-C and an end of the input change nothing, and give the terminal back', async () => {
      for (const [typed, code] of [
        ['n\r', 1],
        ['\x03', 1],
        ['\x04', 1],
      ] as const) {
        const { status, restored, shown } = await play({ ...at('refused') }, [
          ...answer('Make both here? [Y/n]', ''),
          { see: 'Go on? [y/N]' },
          { raw: true },
          { type: typed },
        ])
        expect([status, restored]).toEqual([code << 8, true])
        expect(shown).toContain('stopped')
        expect(existsSync(host.path('refused'))).toBe(false)
      }
    }, 60_000)

    test('what it makes has the same modes whatever the umask', async () => {
      const modes: Record<string, string>[] = []
      for (const mask of [0o077, 0o000]) {
        const name = `masked-${mask}`
        const answers = at(name, { places: { ima_policy: host.path(`${name}-ima/new/ima-policy`) } })
        const before = process.umask(mask)
        const result = await setup(host, answers).finally(() => process.umask(before))
        expect(states(result)).toMatchObject({
          keys: 'changed',
          trust: 'changed',
          policy: 'changed',
          ima: 'waiting',
        })
        modes.push({ ...modesBelow(host.path(name)), ...modesBelow(host.path(`${name}-ima`)) })
      }
      expect(modes[0]).toEqual({
        ...{
          '': '755',
          'operator.key': '600',
          'operator.pub': '644',
          'release.key': '600',
          'release.pub': '644',
        },
        ...{ 'trust.json': '644', policies: '755', 'policies/start.cedar': '644', 'policy.json': '644' },
        ...{ new: '755', 'new/ima-policy': '644' },
      })
      expect(modes[1]).toEqual(modes[0])
    }, 60_000)

    test('a Ctrl-C at any question leaves nothing half, and gives the terminal back', async () => {
      const { tpm, ...rest } = at('stopped')
      const answers = { ...rest, tpm: { where: tpm?.where ?? '' } }
      const way: readonly (readonly [question: string, typed: string])[] = [
        ['Make both here? [Y/n]', ''],
        ['Go on all the same, for a trial? [y/N]', 'y'],
        ['Go on? [y/N]', 'y'],
        ['Passphrase of the new keys', 'correct horse'],
        ['The same again', ''],
      ]
      const stopAt = async (before: Step[], question: string) => {
        const stop = [{ see: question }, { raw: true }, { type: '\x03' }] as const
        const { status, restored, shown } = await play(answers, [...before, ...stop])
        expect([question, status, restored]).toEqual([question, 1 << 8, true])
        expect(shown).toContain('stopped; `writ setup` goes on from here')
        expect(shown).not.toContain('horse')
      }
      for (const [index, [question]] of way.entries()) {
        await stopAt(
          way.slice(0, index).flatMap(([asked, typed]) => answer(asked, typed)),
          question,
        )
        // The directory alone, once it was agreed to.
        const made = existsSync(host.path('stopped')) ? Object.keys(modesBelow(host.path('stopped'))) : []
        expect(made).toEqual(index > 2 ? [''] : [])
      }
      await stopAt(answer('Make both here? [Y/n]', 'n'), "The operator's public key (file)")
      await stopAt(
        [
          ...answer('Make both here? [Y/n]', 'n'),
          ...answer('public key (file)', host.path('operator-elsewhere.pub')),
        ],
        "The release authority's public key",
      )
    }, 60_000)

    test('with the operator elsewhere it says what is to be signed there, document by document', async () => {
      const answers = at('apart', {
        keys: { operator: host.path('operator-elsewhere.pub'), release: host.path('release-elsewhere.pub') },
      })
      const done: string[] = []
      for (let round = 0; ; round++) {
        const { waiting, code } = await setup(host, answers)
        expect(code).toBe(1)
        if (waiting?.for !== 'SIGNATURE' || round > 3) {
          expect(waiting?.for).toBe('START')
          break
        }
        // As it says, by whoever has the key.
        const words = waiting.next.replace('OPERATOR.key', host.path('operator-elsewhere.key')).split(' ')
        done.push(words.slice(1, 3).join(' '))
        await host.ok(...words.slice(1))
      }
      expect(done).toEqual(['key trust', `policy sign`, `reference sign`])
      expect(existsSync(host.path('apart/operator.key'))).toBe(false)
      expect(readFileSync(host.path('apart/operator.pub'))).toEqual(
        readFileSync(host.path('operator-elsewhere.pub')),
      )
    }, 60_000)

    test('with trust roots that come signed no release key is made, in no later run either', async () => {
      const signed = host.path('signed-elsewhere.json')
      const release = host.path('release-elsewhere.pub')
      const key = host.path('operator-elsewhere.key')
      await host.ok(
        ...['key', 'trust', 'sign', '--authority', `ci=${release}`, '--version', '1', '--key', key],
        ...['--out', signed],
      )
      const operator = host.path('operator-elsewhere.pub')
      const told = at('signed', { keys: { operator }, documents: { trust: signed } })
      const made = () => readdirSync(host.path('signed')).filter(name => name.startsWith('release'))
      // After the reboot it is run again as it says: without what was told before.
      for (const answers of [told, at('signed'), at('signed', { keys: { release: 'new' } })]) {
        const result = await setup(host, answers)
        expect([states(result).trust, result.waiting?.for, made()]).toEqual([
          expect.stringMatching(/changed/),
          'SIGNATURE',
          [],
        ])
      }
    }, 60_000)

    test('a second run asks for the release key that nobody has named, and makes none', async () => {
      const goOn = [...answer('Go on all the same, for a trial? [y/N]', 'y'), ...answer('Go on? [y/N]', 'y')]
      const { tpm, ...rest } = at('unnamed')
      const answers = { ...rest, tpm: { where: tpm?.where ?? '' } }
      const operator = host.path('operator-elsewhere.pub')
      const first = await play(answers, [
        ...answer('Make both here? [Y/n]', 'n'),
        ...answer("The operator's public key (file)", operator),
        ...answer("The release authority's public key", ''),
        ...goOn,
        { see: 'nobody is named who may sign artifacts' },
      ])
      expect(first.status).toBe(2 << 8)
      const again = await play(answers, [
        ...answer("The release authority's public key", host.path('release-elsewhere.pub')),
        ...goOn,
        { see: 'writ key trust sign' },
      ])
      expect([again.status, again.shown]).toEqual([1 << 8, expect.stringContaining('writ key trust sign')])
      expect(again.shown).not.toContain('make the release key')
      expect(existsSync(host.path('unnamed/release.key'))).toBe(false)
    }, 60_000)

    test('or a command signs for it', async () => {
      const signer = host.path('sign.sh')
      writeFileSync(
        signer,
        `#!/bin/sh\nset -e\ncat >"$1.in"\nopenssl pkeyutl -sign -rawin -inkey "$1" -in "$1.in"\n`,
        { mode: 0o755 },
      )
      const answers = at('command', {
        keys: {
          operator: host.path('operator-elsewhere.pub'),
          release: host.path('release-elsewhere.pub'),
          sign_command: `${signer} ${host.path('operator-elsewhere.key')}`,
        },
      })
      const result = await setup(host, answers)
      expect(states(result)).toMatchObject({
        trust: 'changed',
        policy: 'changed',
        reference: 'changed',
        configuration: 'changed',
      })
      expect(result.waiting?.for).toBe('START')
    })

    test('an image gets what needs no host, and the rest comes at its first boot', async () => {
      const image = at('image', {
        places: { ima_policy: host.path('image-ima/ima-policy') },
        service: { start: false },
      })
      const made = await setup(host, image, '--stage', 'image')
      expect(made).toMatchObject({ code: 2, changed: false })
      expect(made.steps.at(-1)?.error?.message).toContain('every host')
      const keys = { operator: host.path('operator-elsewhere.pub'), release: 'none' }
      const documents = Object.fromEntries(
        ['trust', 'policy', 'reference'].map(name => [name, host.path(`apart/${name}.json`)]),
      )
      const told = { ...image, keys, documents }
      const first = await setup(host, told, '--stage', 'image')
      expect(first.steps.map(({ error }) => error)).toEqual(first.steps.map(() => null))
      expect(first).toMatchObject({ code: 0, complete: true, changed: true })
      expect(states(first)).toEqual({
        ...{
          host: 'skipped',
          identity: 'skipped',
          service: 'skipped',
          attested: 'skipped',
          hello: 'skipped',
        },
        ...{
          keys: 'changed',
          trust: 'changed',
          policy: 'changed',
          ima: 'changed',
          reference: 'changed',
          configuration: 'changed',
        },
      })
      expect(statSync(host.path('image/writd.toml')).mode & 0o777).toBe(0o644)
      expect(readFileSync(host.path('image/writd.toml'), 'utf8')).toContain('# Configuration of writd')
      expect(await setup(host, told, '--stage', 'image')).toMatchObject({ code: 0, changed: false })
      // At the boot of a host of that image: the same answers, its own TPM.
      const booted = await setup(host, told, '--stage', 'first-boot')
      expect(states(booted)).toMatchObject({
        host: 'unchanged',
        identity: 'unchanged',
        reference: 'unchanged',
      })
      expect(booted).toMatchObject({ code: 0, complete: true, changed: false })
    }, 60_000)

    test('the boot loader is told only where that was asked for, by a file of its own', async () => {
      const bin = host.path('bin')
      mkdirSync(bin)
      mkdirSync(host.path('grub.d'))
      writeFileSync(
        join(bin, 'update-grub'),
        `#!/bin/sh\necho ran >>"${bin}/ran"\n[ ! -e "${bin}/broken" ]\n`,
        { mode: 0o755 },
      )
      const before = process.env.PATH
      process.env.PATH = `${bin}:${before}`
      try {
        const answers = at('grub', {
          places: {
            etc: host.path('grub'),
            ima_policy: host.path('grub-ima/ima-policy'),
            ima_log: join(RECORDED, 'ima.bin'),
          },
          ima: { boot: 'grub' },
        })
        writeFileSync(join(bin, 'broken'), '')
        const broken = await setup(host, answers)
        expect(broken.steps.at(-1)).toMatchObject({ name: 'ima', state: 'failed' })
        expect(existsSync(host.path('grub.d/50-writ.cfg'))).toBe(false)
        writeFileSync(join(bin, 'update-grub'), `#!/bin/sh\necho ran >>"${bin}/ran"\n`, { mode: 0o755 })
        const told = await setup(host, answers)
        expect(told.waiting?.for).toBe('REBOOT')
        expect(readFileSync(host.path('grub.d/50-writ.cfg'), 'utf8')).toContain(
          'GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX ima_policy=tcb ima_hash=sha256"',
        )
        expect(readFileSync(join(bin, 'ran'), 'utf8')).toBe('ran\nran\n')
      } finally {
        process.env.PATH = before
      }
    }, 60_000)
  },
)
