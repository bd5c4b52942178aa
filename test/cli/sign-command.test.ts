import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { commandSigner, readSignature, splitCommand } from '../../cli/sign-command.ts'
import { checkSignatures, parseEnvelope } from '../../signing/dsse.ts'
import {
  generateKey,
  privateKeyToPem,
  publicKeyToPem,
  readPublicKey,
  verifyBytes,
} from '../../signing/key.ts'
import { temporaryDirectory, writ } from './cli.ts'

const dir = temporaryDirectory()
const at = { cwd: dir.path }
const p256 = generateKey('ecdsa-p256')
const ed25519 = generateKey('ed25519')
const other = generateKey('ecdsa-p256')
const DATA = Buffer.from('DSSEv1 4 text 2 ok')

/** What a device's own tool would be: here openssl, which is asked for what it can do on a stream, and through a file else. */
const P256_TOOL = `openssl dgst -sha256 -sign '${dir.in('p256.key')}'`

beforeAll(async () => {
  for (const [name, key] of Object.entries({ p256, ed25519, other })) {
    writeFileSync(dir.in(`${name}.key`), privateKeyToPem(key))
    writeFileSync(dir.in(`${name}.pub`), publicKeyToPem(key.public))
  }
  writeFileSync(
    dir.in('ed25519 tool'),
    `#!/bin/sh\nset -e\ncat > "$2"\nopenssl pkeyutl -sign -rawin -inkey "$1" -in "$2"\n`,
  )
  writeFileSync(dir.in('base64'), `#!/bin/sh\nset -e\n${P256_TOOL} | base64 -w 20\n`)
  writeFileSync(dir.in('tty'), `#!/bin/sh\necho 'PIN?' >&2\n${P256_TOOL}\n`)
  writeFileSync(dir.in('hangs'), '#!/bin/sh\nsleep 60 2> /dev/null &\necho $! > "$1"\nwait\n')
  for (const name of ['ed25519 tool', 'base64', 'tty', 'hangs']) chmodSync(dir.in(name), 0o755)
})
afterAll(() => dir.remove())

describe('a command that signs', () => {
  test.each([
    ['ECDSA in DER', p256, () => P256_TOOL],
    ['in base64, in lines', p256, () => `'${dir.in('base64')}'`],
    [
      'Ed25519, by a path with a blank',
      ed25519,
      () => `'${dir.in('ed25519 tool')}' '${dir.in('ed25519.key')}' "${dir.in('to sign')}"`,
    ],
  ] as const)('is used: %s', (_, key, command) => {
    expect(verifyBytes(key.public, DATA, commandSigner(key.public, command()).sign(DATA))).toBe(true)
  })

  test.each<[string, () => string, RegExp]>([
    [
      'that signs with another key',
      () => `openssl dgst -sha256 -sign '${dir.in('other.key')}'`,
      /is not by the key/,
    ],
    ['that signs other bytes', () => `sh -c "echo x | ${P256_TOOL}"`, /is not by the key/],
    ['that fails', () => 'sh -c "exit 7"', /ended with status 7/],
    ['that is killed', () => `sh -c 'kill -9 $$'`, /ended by SIGKILL/],
    ['that says nothing', () => 'true', /0 bytes is no ecdsa-p256 signature/],
    ['that says too much', () => 'head -c 100000 /dev/zero', /more than 4096 bytes/],
    ['that is not there', () => `'${dir.in('nothing')}'`, /no such file/],
    ['whose answer has more behind it', () => `sh -c "${P256_TOOL}; printf x"`, /is no ecdsa-p256 signature/],
    ['that fails after it has signed', () => `sh -c "${P256_TOOL}; exit 1"`, /ended with status 1/],
  ])('is not believed: one %s', (_, command, why) => {
    expect(() => commandSigner(p256.public, command()).sign(DATA)).toThrow(why)
  })

  test('is given up after a time, whoever still holds its output', async () => {
    const began = performance.now()
    const signer = commandSigner(p256.public, `'${dir.in('hangs')}' '${dir.in('started')}'`, 500)
    expect(() => signer.sign(DATA)).toThrow('it took longer than 0.5 s')
    expect(performance.now() - began).toBeLessThan(10_000)
    process.kill(Number(readFileSync(dir.in('started'), 'utf8')), 'SIGKILL')
  })

  test('is split without a shell', () => {
    expect(splitCommand(`a  'b c' "d \\"e\\" $HOME" f\\ g '' h'i'"j"`)).toEqual([
      ...['a', 'b c', 'd "e" $HOME', 'f g', '', 'hij'],
    ])
    for (const wrong of ['', '  ', "a 'b", 'a "b', 'a \\', "''", 'a \0'])
      expect(() => splitCommand(wrong), JSON.stringify(wrong)).toThrow('--sign-command')
  })

  test('keeps every word that is quoted, whatever is in it', () => {
    const quoted = (word: string) => `'${word.replaceAll("'", `'\\''`)}'`
    const words = fc.array(
      fc.string({ unit: 'grapheme' }).filter(word => !word.includes('\0')),
      { minLength: 1 },
    )
    fc.assert(
      fc.property(words, list => {
        fc.pre(list[0] !== '')
        expect(splitCommand(list.map(quoted).join(' '))).toEqual(list)
      }),
    )
    fc.assert(
      fc.property(fc.string(), text => {
        try {
          expect(splitCommand(text).length).toBeGreaterThan(0)
        } catch (error) {
          expect(error).toMatchObject({ code: 'USAGE' })
        }
      }),
    )
  })

  test('may answer anything', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), bytes => {
        for (const key of [p256, ed25519]) readSignature(key.public, Buffer.from(bytes))
      }),
    )
  })
})

describe('--sign-command', () => {
  const issue = (out: string, ...more: string[]) => [
    ...['issue', '--issuer', 'release', '--out', out, '--host', 'any', '--valid', '1h', '--uses', '1'],
    ...['--uid', 'any', '--policy', 'any', '--reference-values', 'any', ...more, '--', '/bin/true'],
  ]
  const signersOf = (file: string) =>
    checkSignatures(
      parseEnvelope(readFileSync(dir.in(file))),
      [p256, ed25519, other].map(key => key.public),
      1,
    ).signers.map(({ id }) => id)

  test('signs for the public keys among --key, in their order; key files sign beside', async () => {
    const tool = `'${dir.in('ed25519 tool')}' ed25519.key signed`
    const keys = ['--key', 'p256.pub', '--key', 'other.key', '--key', 'ed25519.pub']
    const commands = ['--sign-command', `'${dir.in('tty')}'`, '--sign-command', tool]
    const { status, stderr } = await writ(issue('a.json', ...keys, ...commands), at)
    expect([status, stderr]).toEqual([0, 'PIN?\n'])
    expect(signersOf('a.json')).toEqual([p256, ed25519, other].map(key => key.public.id))
  })

  test('signs every document that an operator signs', async () => {
    const signed = ['--key', 'p256.pub', '--sign-command', P256_TOOL, '--out']
    mkdirSync(dir.in('policies'))
    writeFileSync(dir.in('policies/all.cedar'), 'permit (principal, action, resource);')
    const host = ['--host', `000b${'a'.repeat(64)}`]
    const secrets = ['--policy-key', 'other.key', '--reference', 'production', '--pcr', `0=${'a'.repeat(64)}`]
    const documents: Record<string, string[]> = {
      trust: ['key', 'trust', 'sign', '--version', '1', '--authority', 'release=ed25519.pub'],
      revocation: ['revoke', '--program', 'a'.repeat(64), '--epoch', '1'],
      policy: ['policy', 'sign', 'policies', '--version', '1', '--valid', 'any'],
      labels: ['labels', 'sign', ...host, '--label', 'gpu', '--version', '1', '--valid', '1d'],
      secrets: ['secret', 'policy', 'sign', '--version', '1', ...secrets],
    }
    for (const [out, command] of Object.entries(documents)) {
      const { status, stderr } = await writ([...command, ...signed, out], at)
      expect([out, status, stderr]).toEqual([out, 0, ''])
      expect(signersOf(out)).toEqual([p256.public.id])
    }
  })

  test.each<[string, string[], RegExp]>([
    ['a public key alone', ['--key', 'p256.pub'], /p256.pub is a public key, which does not sign/],
    ['a command too many', ['--key', 'p256.key', '--sign-command', 'true'], /more --sign-command than/],
    [
      'commands in the wrong order',
      ['--key', 'p256.pub', '--key', 'ed25519.pub', '--sign-command', 'true', '--sign-command', P256_TOOL],
      /true gave no signature/,
    ],
    ['a signature of another key', ['--key', 'other.pub', '--sign-command', P256_TOOL], /is not by the key/],
  ])('is refused, and nothing is written: %s', async (_, more, why) => {
    const { status, stdout, stderr } = await writ(issue('never.json', ...more), at)
    expect([status, stdout]).toEqual([2, ''])
    expect(stderr).toMatch(why)
    expect(existsSync(dir.in('never.json'))).toBe(false)
  })

  test('signs with a key that only a TPM has', async () => {
    const tpm = spawn(
      'swtpm',
      ['socket', '--tpm2', '--tpmstate', `dir=${dir.path}`, '--flags', 'startup-clear,not-need-init'].concat([
        '--server',
        `type=unixio,path=${dir.in('tpm.sock')}`,
        '--ctrl',
        `type=unixio,path=${dir.in('tpm.sock.ctrl')}`,
      ]),
      { stdio: 'ignore' },
    )
    try {
      for (let i = 0; !existsSync(dir.in('tpm.sock')) && i < 100; i++) await sleep(50)
      const env = { ...process.env, TPM2TOOLS_TCTI: `swtpm:path=${dir.in('tpm.sock')}` }
      const tool = (...args: string[]) =>
        execFileSync(args[0] ?? '', args.slice(1), { cwd: dir.path, env, stdio: 'pipe' })
      tool('tpm2_createprimary', '-C', 'o', '-G', 'ecc', '-c', 'primary.ctx', '-Q')
      const flush = () => tool('tpm2_flushcontext', '-t')
      flush()
      const attributes = 'fixedtpm|fixedparent|sensitivedataorigin|userwithauth|sign'
      tool(
        ...[
          'tpm2_create',
          '-C',
          'primary.ctx',
          '-G',
          'ecc256:ecdsa',
          '-a',
          attributes,
          '-u',
          'k.u',
          '-r',
          'k.r',
          '-Q',
        ],
      )
      flush()
      tool(...['tpm2_load', '-C', 'primary.ctx', '-u', 'k.u', '-r', 'k.r', '-c', 'k.ctx', '-Q'])
      flush()
      tool(...['tpm2_readpublic', '-c', 'k.ctx', '-f', 'pem', '-o', 'tpm.pub', '-Q'])
      writeFileSync(
        dir.in('tpm-sign'),
        `#!/bin/sh\nset -e\ncd '${dir.path}'\nexport TPM2TOOLS_TCTI='${env.TPM2TOOLS_TCTI}'\ncat > message\ntpm2_flushcontext -t\ntpm2_sign -Q -c k.ctx -g sha256 -f plain -o signature message\ncat signature\n`,
      )
      chmodSync(dir.in('tpm-sign'), 0o755)
      const { status, stderr } = await writ(
        issue('tpm.json', '--key', 'tpm.pub', '--sign-command', `'${dir.in('tpm-sign')}'`),
        at,
      )
      expect([status, stderr]).toEqual([0, ''])
      const key = readPublicKey(readFileSync(dir.in('tpm.pub'), 'utf8'))
      expect(checkSignatures(parseEnvelope(readFileSync(dir.in('tpm.json'))), [key], 1).met).toBe(true)
    } finally {
      tpm.kill()
      if (tpm.exitCode === null) await once(tpm, 'exit')
    }
  })
})
