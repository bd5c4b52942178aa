import { execFileSync } from 'node:child_process'
import { createPublicKey } from 'node:crypto'
import { chmodSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { afterAll, expect, test } from 'vitest'
import { readPublicKey } from '../../signing/key.ts'
import { temporaryDirectory, writ } from './cli.ts'

const dir = temporaryDirectory()
afterAll(() => dir.remove())
const at = { cwd: dir.path }

test.each(['ed25519', 'ecdsa-p256'])(
  'makes an %s key that openssl reads, private to its owner',
  async algorithm => {
    const { status, stdout } = await writ(['key', 'new', algorithm, '--algorithm', algorithm, '--json'], at)
    expect(status).toBe(0)
    const made = JSON.parse(stdout)
    expect(made).toMatchObject({ algorithm, encrypted: false, id: expect.stringMatching(/^[0-9a-f]{64}$/) })
    expect(statSync(dir.in(`${algorithm}.key`)).mode & 0o777).toBe(0o600)
    const fromPrivate = execFileSync('openssl', ['pkey', '-in', dir.in(`${algorithm}.key`), '-pubout'])
    expect(fromPrivate.toString()).toBe(readFileSync(dir.in(`${algorithm}.pub`), 'utf8'))
    expect(readPublicKey(fromPrivate.toString()).id).toBe(made.id)
    for (const file of [`${algorithm}.key`, `${algorithm}.pub`]) {
      const shown = JSON.parse((await writ(['key', 'show', file, '--json'], at)).stdout)
      expect(shown).toMatchObject({ id: made.id, algorithm, private: file.endsWith('.key') })
    }
  },
)

test('overwrites neither half of a key', async () => {
  writeFileSync(dir.in('one.key'), 'mine')
  writeFileSync(dir.in('two.pub'), 'mine')
  for (const name of ['one', 'two']) {
    const { status, stderr } = await writ(['key', 'new', name], at)
    expect(status).toBe(2)
    expect(stderr).toContain('exists and is not overwritten')
  }
  expect(readFileSync(dir.in('one.key'), 'utf8')).toBe('mine')
  expect(readFileSync(dir.in('two.pub'), 'utf8')).toBe('mine')
  expect(readdirSync(dir.path).filter(f => f.startsWith('one') || f.startsWith('two'))).toEqual([
    'one.key',
    'two.pub',
  ])
})

test('encrypts with a passphrase from the environment or a file, and wants it back', async () => {
  writeFileSync(dir.in('pass'), 'correct horse\nsecond line\n')
  expect((await writ(['key', 'new', 'locked', '--passphrase-file', 'pass'], at)).status).toBe(0)
  expect(readFileSync(dir.in('locked.key'), 'utf8')).toContain('BEGIN ENCRYPTED PRIVATE KEY')
  const bare = await writ(['key', 'show', 'locked.key'], at)
  expect(bare.status).toBe(2)
  expect(bare.stderr).toContain('is encrypted, and no passphrase was given')
  const show = (secret: string) =>
    writ(['key', 'show', 'locked.key', '--passphrase-env', 'P'], { ...at, env: { P: secret } })
  expect((await show('wrong')).status).toBe(2)
  expect((await show('wrong')).stderr).not.toContain('wrong horse')
  expect((await show('correct horse')).status).toBe(0)
  expect((await show('')).stderr).toContain('the environment variable P is empty')
  const both = await writ(
    ['key', 'show', 'locked.key', '--passphrase-env', 'P', '--passphrase-file', 'pass'],
    at,
  )
  expect(both.stderr).toContain('not both')
})

test.each([
  ['nothing', ''],
  ['text', 'hello\n'],
  ['a broken PEM', '-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n'],
  ['DER of something else', Buffer.from('300302010a', 'hex')],
  ['an RSA key', createPublicKey(rsaKey()).export({ type: 'spki', format: 'pem' }) as string],
  ['a key of small order', Buffer.from(`302a300506032b6570032100${'00'.repeat(32)}`, 'hex')],
])('refuses %s as a key and names the file', async (_, content) => {
  writeFileSync(dir.in('bad'), content)
  const { status, stdout, stderr } = await writ(['key', 'show', 'bad'], at)
  expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
  expect(stderr).toMatch(/^writ: cannot use bad as a public key: .*\[KEY_[A-Z]+\]\n {6}.*\n$/)
})

test('names the file that cannot be used', async () => {
  writeFileSync(dir.in('large'), Buffer.alloc(20_000))
  expect((await writ(['key', 'show', 'large'], at)).stderr).toContain('large')
  expect((await writ(['key', 'show', '.'], at)).stderr).toContain('not a regular file')
  expect((await writ(['key', 'new', 'no/such/dir/key'], at)).stderr).toContain(
    'there is no directory no/such/dir',
  )
  chmodSync(dir.in('large'), 0)
  expect((await writ(['key', 'show', '/dev/zero'], at)).stderr).toContain('not a regular file')
})

function rsaKey(): string {
  return execFileSync(
    'openssl',
    ['genpkey', '-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:1024', '-quiet'],
    {
      encoding: 'utf8',
    },
  )
}
