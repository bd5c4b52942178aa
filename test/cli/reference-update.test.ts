import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { sha256Hex } from '../../encoding/digest.ts'
import { writ } from './cli.ts'

const dir = mkdtempSync(join(tmpdir(), 'writ-reference-'))
afterAll(() => rmSync(dir, { recursive: true, force: true }))
const at = (name: string): string => join(dir, name)

/** Evidence of a recorded boot, as options. */
function recorded(name: 'debian13-uki' | 'debian13-uki-secureboot'): string[] {
  const file = (part: string): string => join(import.meta.dirname, '../fixtures/hosts', name, part)
  return [
    ...['--attest', file('quote.msg'), '--signature', file('quote.sig'), '--quote-key', file('ak.pem')],
    ...['--nonce', '0011223344556677', '--cmdline', file('cmdline.txt')],
    ...['--event-log', file('eventlog.bin'), '--userspace-log', file('userspace.jsonseq')],
    ...['--ima-log', file('ima.bin')],
  ]
}
const before = recorded('debian13-uki')
const after = recorded('debian13-uki-secureboot')

async function must(...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await writ(args)
  expect(status, stderr).toBe(0)
  return stdout
}

test('an update is three commands: capture, diff, add', async () => {
  await must('key', 'new', at('operator'))
  const key = ['--operator-key', at('operator.pub')]
  const capture = ['reference', 'capture', '--component', 'any', '--name', 'web']
  await must(...capture, ...before, '--out', at('first.json'))
  const signing = ['--key', at('operator.key')]
  const warned = await writ([
    'reference',
    'sign',
    at('first.json'),
    ...signing,
    '--out',
    at('reference.json'),
  ])
  expect(warned.stderr).toContain('open: components: whatever code runs as the daemon is accepted')
  expect((await writ(['reference', 'show', at('reference.json')])).stderr).toContain('--operator-key')

  // The host fits its own values, and after the update it does not.
  const compare = ['reference', 'diff', at('reference.json'), ...key]
  expect(await must(...compare, ...before)).toBe('nothing changed\n')
  const changed = await writ([...compare, ...after])
  expect(changed.status).toBe(1)
  expect(changed.stdout).toContain('Secure Boot changed from off to on')

  await must(...capture, ...after, '--out', at('captured.json'))
  const said = await writ([...compare, at('captured.json'), '--json'])
  expect(said.status).toBe(1)
  const texts = JSON.parse(said.stdout).changes.map(({ text }: { text: string }) => text)
  expect(texts).toContain('Secure Boot changed from off to on')
  const add = ['reference', 'add', at('reference.json'), at('captured.json'), ...key]
  const added = await writ([...add, '--out', at('next.json')])
  expect(added.stderr).toContain('open now: secureBoot.enabled')
  await must('reference', 'sign', at('next.json'), ...signing, '--out', at('reference-2.json'))
  for (const host of [before, after]) {
    expect(await must('reference', 'diff', at('reference-2.json'), ...key, ...host)).toBe('nothing changed\n')
  }
  expect(JSON.parse(readFileSync(at('next.json'), 'utf8'))).toMatchObject({ name: 'web', revision: 2 })
  expect(await must('reference', 'show', at('reference-2.json'), ...key)).toContain('web, revision 2,')
}, 60_000)

test('evidence of another key, another nonce or altered logs makes no values', async () => {
  const capture = ['reference', 'capture', '--component', 'any', '--out', at('never.json')]
  const swap = (option: string, value: string): string[] =>
    before.map((word, i) => (before[i - 1] === option ? value : word))
  for (const [option, value] of [
    ['--nonce', '00'],
    ['--event-log', after[after.indexOf('--event-log') + 1] ?? ''],
    ['--ima-log', 'none'],
  ] as const) {
    expect((await writ([...capture, ...swap(option, value)])).status).toBe(1)
  }
  for (const wrong of [
    ['--quirk', 'none-such'],
    ['--revision', '0'],
    ['--report', at('x')],
  ]) {
    expect((await writ([...capture, ...wrong, ...before])).status).toBe(2)
  }
  expect((await writ(['reference', 'diff', at('first.json')])).status).toBe(2)
  expect((await writ(['reference', 'add', at('first.json'), '--out', at('x.json')])).status).toBe(2)
}, 60_000)

test("a new version's own parts are accepted beside the old where that is asked for, and not otherwise", async () => {
  const captured = JSON.parse(readFileSync(at('first.json'), 'utf8'))
  const old = `sha256:${'ab'.repeat(32)}`
  captured.components = [
    { name: 'writd', path: '/usr/lib/writ/writd', digests: [old] },
    { name: 'writ-launchd', path: '/usr/lib/writ/writ-launchd', digests: [old] },
  ]
  writeFileSync(at('parts.json'), JSON.stringify(captured))
  const unpacked = at('unpacked')
  mkdirSync(join(unpacked, 'usr/lib/writ'), { recursive: true })
  writeFileSync(join(unpacked, 'usr/lib/writ/writd'), 'the next version', { mode: 0o755 })
  const digest = `sha256:${sha256Hex(Buffer.from('the next version'))}`
  const add = ['reference', 'add', at('parts.json')]
  const files = ['--root', unpacked, '--files', unpacked]
  const digests = async (out: string, ...options: string[]) => {
    await must(...add, ...options, '--out', at(out))
    return JSON.parse(readFileSync(at(out), 'utf8')).components.map(
      (part: { digests: string[] }) => part.digests,
    )
  }
  expect(await digests('without.json', ...files)).toEqual([[old], [old]])
  expect(await digests('with.json', ...files, '--with-components')).toEqual([[digest, old].sort(), [old]])
  const usage = await writ([...add, '--live', '--with-components', '--out', at('y.json')])
  expect(usage).toMatchObject({ status: 2, stderr: expect.stringContaining('--with-components') })
  mkdirSync(at('empty'))
  const none = await writ([
    ...[...add, '--root', at('empty'), '--files', at('empty')],
    ...['--with-components', '--out', at('z.json')],
  ])
  expect(none).toMatchObject({ status: 1, stderr: expect.stringContaining('none of the') })
}, 60_000)
