import { spawn, spawnSync } from 'node:child_process'
import { chmodSync, copyFileSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { sha256Hex } from '../../../encoding/digest.ts'
import type { WorkloadInput } from '../../../proto/generated/writ/v1/Workload.ts'
import { parseEnvelope, signEnvelope } from '../../../signing/dsse.ts'
import { type PrivateKey, readPrivateKey } from '../../../signing/key.ts'
import { type Issue, issuerLike } from '../artifacts.ts'
import { ofType, readLineage } from '../audit.ts'
import { GovernedHost, NEEDS_ROOT } from '../governed-host.ts'
import { attempt, rssMiB, Soundness } from './soundness.ts'

const IN_TOTO = 'application/vnd.in-toto+json'
const TRUE = { program: '/bin/true', argv: ['/bin/true'] }
const MIB = 1 << 20

describe.skipIf(NEEDS_ROOT !== null)('bad artifacts and requests', () => {
  let host: GovernedHost
  let sound: Soundness
  let key: PrivateKey
  let good: Buffer
  /** Any arguments and environment for /bin/true. */
  let loose: Buffer
  let issueTrue: Issue
  let rssBefore = 0
  const dir = () => host.path('programs')

  beforeAll(async () => {
    host = await GovernedHost.start({
      enrolled: true,
      // As root sends everything here, and no more than a workload of many requests is to be throttled.
      config: { quota: 'bytes_per_second = 1073741824\nbyte_burst = 1073741824' },
    })
    good = readFileSync(await host.issue('good', TRUE.argv))
    loose = readFileSync(await host.issue('loose', TRUE.argv, ['--any-arguments']))
    issueTrue = issuerLike(host, host.path('good.artifact.json'))
    key = readPrivateKey(readFileSync(host.path('authority.key'), 'utf8'))
    mkdirSync(dir())
    sound = await new Soundness(host, good).begin()
    rssBefore = rssMiB(host.daemonPid)
  }, 120_000)
  afterEach(() => sound.check())
  afterAll(async () => {
    sound?.close()
    await host?.close()
  })

  const run = (artifact: Uint8Array, workload: WorkloadInput = TRUE) =>
    attempt(sound.client, artifact, workload)

  /** The good statement, changed as text and signed as if it were right. */
  const resigned = (change: (statement: string) => string | Buffer, type = IN_TOTO): Buffer =>
    signEnvelope(type, Buffer.from(change(parseEnvelope(good).payload.toString()) as string), [key])

  /** The good envelope, changed as text. */
  const rewritten = (change: (envelope: string) => string): Buffer => Buffer.from(change(good.toString()))

  test.each<[string, () => Buffer, string, RegExp]>([
    ['of no bytes', () => Buffer.alloc(0), 'ARTIFACT_MISSING', /no artifact/],
    ['of one byte', () => Buffer.from('x'), 'ARTIFACT_MALFORMED', /JSON/],
    ['of a megabyte', () => Buffer.alloc(MIB, 0x20), 'ARTIFACT_MALFORMED', /1048576 bytes/],
    ['100,000 levels deep', () => Buffer.from('['.repeat(100_000)), 'ARTIFACT_MALFORMED', /levels|deep/],
    [
      'with a statement 50,000 levels deep',
      () => resigned(text => text.replace(/}$/, `,"x":${'['.repeat(25_000)}${']'.repeat(25_000)}}`)),
      'ARTIFACT_MALFORMED',
      /levels|deep/,
    ],
    [
      'with a key twice in the envelope',
      () => rewritten(text => text.replace('{', '{"payload":"",')),
      'ARTIFACT_MALFORMED',
      /twice|payload/,
    ],
    [
      'with a key twice in the statement',
      () => resigned(text => text.replace('{', `{"_type":"https://in-toto.io/Statement/v1",`)),
      'ARTIFACT_MALFORMED',
      /twice|_type/,
    ],
    [
      'of another payload type',
      () => resigned(text => text, 'text/plain'),
      'ARTIFACT_MALFORMED',
      /payload type/,
    ],
    [
      'of another predicate',
      () => resigned(text => text.replace('authorization/v1', 'authorization/v2')),
      'ARTIFACT_MALFORMED',
      /predicateType/,
    ],
    [
      'with 10,000 signatures',
      () => {
        const envelope = JSON.parse(good.toString())
        const short = { sig: 'AAAA' }
        return Buffer.from(JSON.stringify({ ...envelope, signatures: Array(10_000).fill(short) }))
      },
      'ARTIFACT_MALFORMED',
      /signatures|bytes/,
    ],
    [
      'with 16 signatures, none good',
      () => {
        const envelope = JSON.parse(good.toString())
        return Buffer.from(JSON.stringify({ ...envelope, signatures: Array(16).fill({ sig: 'AAAA' }) }))
      },
      'SIGNER_UNTRUSTED',
      /no key/,
    ],
    ['that is not UTF-8', () => Buffer.concat([good, Buffer.from([0xff])]), 'ARTIFACT_MALFORMED', /UTF-8/],
    [
      'with a statement that is not UTF-8',
      () => {
        const payload = Buffer.concat([parseEnvelope(good).payload, Buffer.from([0xc3])])
        return signEnvelope(IN_TOTO, payload, [key])
      },
      'ARTIFACT_MALFORMED',
      /UTF-8/,
    ],
    [
      'with an unknown field in the envelope',
      () => rewritten(text => text.replace('{', '{"more":1,')),
      'ARTIFACT_MALFORMED',
      /more/,
    ],
    [
      'with an unknown field deep in the statement',
      () => resigned(text => text.replace('"validity":{', '"validity":{"forever":true,')),
      'ARTIFACT_MALFORMED',
      /forever/,
    ],
    [
      'with a number beyond 2^53',
      () => resigned(text => text.replace('"maxUses":"any"', '"maxUses":9007199254740993')),
      'ARTIFACT_MALFORMED',
      /2\^53|number/,
    ],
    [
      'with a number out of all range',
      () => resigned(text => text.replace('"maxUses":"any"', '"maxUses":1e999')),
      'ARTIFACT_MALFORMED',
      /number|range/,
    ],
    [
      'whose payload is in URL-safe base64',
      () =>
        rewritten(text => text.replace(/"payload":"([^"]+)"/, (_, b) => `"payload":"${b.slice(0, -2)}-_"`)),
      'ARTIFACT_MALFORMED',
      /base64/,
    ],
  ])('an artifact %s', async (_, make, code, message) => {
    const { refused, message: said } = await run(make())
    expect({ refused, said }).toEqual({ refused: code, said: expect.stringMatching(message) })
    // A reason, not a copy of what was sent.
    expect(said.length).toBeLessThan(1000)
  })

  test('an artifact of 10 MB: refused before it is held, and by the command line before it is sent', async () => {
    const big = Buffer.alloc(10 * MIB, 0x20)
    const before = rssMiB(host.daemonPid)
    for (let i = 0; i < 5; i++) expect((await run(big)).refused).toBe('RESOURCE_EXHAUSTED')
    expect(rssMiB(host.daemonPid) - before).toBeLessThan(100)
    writeFileSync(host.path('big.json'), big)
    const { code, stderr } = await host.writ(['run', '--artifact', host.path('big.json'), '--', '/bin/true'])
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining('10485760 bytes') })
  })

  test.each<[string, WorkloadInput, string, RegExp]>([
    ['argv of 2 MB in one', { argv: ['/bin/true', 'x'.repeat(2 * MIB)] }, 'REQUEST_MALFORMED', /argv\[1\]/],
    [
      'argv of 2 MB in 64 KiB each',
      { argv: ['/bin/true', ...Array(32).fill('x'.repeat(1 << 16))] },
      'REQUEST_MALFORMED',
      /a request of [0-9]+ bytes/,
    ],
    ['argv of 5,000', { argv: Array(5000).fill('x') }, 'REQUEST_MALFORMED', /argv: has more than/],
    ['argv of 100,000', { argv: Array(100_000).fill('x') }, 'REQUEST_MALFORMED', /too many fields/],
    ['env of 2 MB', { env: { A: 'x'.repeat(2 * MIB) } }, 'REQUEST_MALFORMED', /env\[0\].value/],
    [
      'env of 100,000',
      { env: Object.fromEntries(Array.from({ length: 100_000 }, (_, i) => [`A${i}`, ''])) },
      'REQUEST_MALFORMED',
      /too many fields/,
    ],
    ['a NUL in argv', { argv: ['/bin/true', 'a\0b'] }, 'REQUEST_MALFORMED', /argv\[1\]: has a NUL/],
    ['a NUL in env', { env: { A: 'a\0b' } }, 'REQUEST_MALFORMED', /env\[0\].value: has a NUL/],
    ['a NUL in the program', { program: '/bin/true\0x' }, 'REQUEST_MALFORMED', /program: /],
    ['a NUL in the directory', { cwd: '/\0' }, 'REQUEST_MALFORMED', /cwd: /],
    ['= in the name of a variable', { env: { 'A=B': 'x' } }, 'REQUEST_MALFORMED', /env\[0\].name/],
    ['a relative program', { program: 'bin/true' }, 'REQUEST_MALFORMED', /program: not an absolute path/],
    [
      'a program with ..',
      { program: '/bin/../bin/true' },
      'REQUEST_MALFORMED',
      /program: not an absolute path/,
    ],
    ['no program', { program: '' }, 'REQUEST_MALFORMED', /program: not an absolute path/],
    [
      'a program path of 5,000 bytes',
      { program: `/${'x'.repeat(5000)}` },
      'REQUEST_MALFORMED',
      /program: has more/,
    ],
    ['a relative directory', { cwd: 'tmp' }, 'REQUEST_MALFORMED', /cwd: not an absolute path/],
    ['no arguments at all for a fixed list', { argv: [] }, 'ran', /.*/],
    ['300 files', { files: Array.from({ length: 300 }, (_, i) => `/f${i}`) }, 'REQUEST_MALFORMED', /files: /],
  ])('%s', async (_, change, code, message) => {
    const { refused, message: said } = await run(loose, { ...TRUE, ...change })
    expect(code.split('|')).toContain(refused ?? 'ran')
    expect(said).toMatch(message)
    expect(said.length).toBeLessThan(1000)
  })

  test('what is not a regular file is no program', async () => {
    const odd = (name: string) => join(dir(), name)
    spawnSync('mkfifo', [odd('fifo')])
    symlinkSync('/dev/null', odd('to-device'))
    symlinkSync('loop', odd('loop'))
    writeFileSync(odd('empty'), '', { mode: 0o755 })
    const { subject, predicate } = JSON.parse(parseEnvelope(good).payload.toString())
    const at = (path: string) => {
      const scope = { ...predicate.scope, program: { ...predicate.scope.program, path: 'any' }, argv: 'any' }
      const statement = {
        ...JSON.parse(parseEnvelope(good).payload.toString()),
        subject,
        predicate: { ...predicate, scope },
      }
      const artifact = signEnvelope(IN_TOTO, Buffer.from(JSON.stringify(statement)), [key])
      return run(artifact, { program: path, argv: [path] })
    }
    for (const [path, why] of [
      [dir(), /NOT_REGULAR/],
      [odd('fifo'), /NOT_REGULAR/],
      ['/dev/null', /NOT_REGULAR/],
      ['/dev/zero', /NOT_REGULAR/],
      [odd('to-device'), /NOT_REGULAR/],
      [odd('loop'), /OPEN \(ELOOP\)/],
      [odd('none'), /OPEN \(ENOENT\)/],
      ['/etc/shadow', /OPEN \(EACCES\)/],
      ['/proc/1/environ', /OPEN \(EACCES\)|READ/],
      ['/proc/self/exe', /OPEN \(ELOOP\)/],
      ['/proc/version', /sha256|digest|signed/],
      ['/proc/kmsg', /OPEN/],
      ['/proc/sysrq-trigger', /OPEN/],
      ['/sys/kernel/profiling', /OPEN|sha256|digest|signed/],
      [odd('empty'), /sha256|digest|signed/],
    ] as const) {
      const { refused, message } = await at(path)
      expect({ path, refused, message }).toEqual({
        path,
        refused: 'SUBJECT_MISMATCH',
        message: expect.stringMatching(why),
      })
    }
  })

  test('through symbolic links what was signed runs', async () => {
    const real = join(dir(), 'real')
    const link = join(dir(), 'link')
    copyFileSync('/bin/true', real)
    chmodSync(real, 0o755)
    symlinkSync(real, link)
    const artifact = readFileSync(await host.issue('linked', [link]))
    expect(await run(artifact, { program: link, argv: [link] })).toMatchObject({ refused: null, exitCode: 0 })
  })

  test('a program that changes and vanishes while it is launched: the permitted bytes run, or nothing', async () => {
    const program = join(dir(), 'racing')
    const put = (from: string) => copyFileSync(from, program)
    put('/bin/true')
    chmodSync(program, 0o755)
    const artifact = readFileSync(await host.issue('racing', [program]))
    // Truncated, overwritten in place, replaced, removed, in turn, by a process of its own until it is ended.
    const writer = spawn('/bin/sh', [
      '-c',
      `while :; do cat /bin/false > ${program}; cp /bin/true ${program}; rm -f ${program}
       cp /bin/false ${program}.new; chmod 755 ${program}.new; mv ${program}.new ${program}
       : > ${program}; cp /bin/true ${program}.new; chmod 755 ${program}.new; mv ${program}.new ${program}; sleep 0.02; done`,
    ])
    const seen = { ran: 0, refused: 0 }
    try {
      const deadline = Date.now() + 12_000
      while (Date.now() < deadline && (seen.ran < 15 || seen.refused < 15)) {
        for (const { refused, message, exitCode, cause } of await Promise.all(
          Array.from({ length: 4 }, () => run(artifact, { program, argv: [program] })),
        )) {
          if (refused === null) {
            // /bin/false would have ended with 1.
            expect({ exitCode, cause }).toEqual({ exitCode: 0, cause: 'EXIT' })
            seen.ran++
          } else {
            expect({ refused, message }).toEqual({ refused: 'SUBJECT_MISMATCH', message: expect.any(String) })
            seen.refused++
          }
        }
      }
    } finally {
      writer.kill('SIGKILL')
    }
    expect(seen.ran).toBeGreaterThan(0)
    expect(seen.refused).toBeGreaterThan(0)
    const starts = ofType(await readLineage(sound.client), 'execution-start')
    expect(new Set(starts.flatMap(({ event }) => event.subjects))).toEqual(
      new Set([sha256Hex(readFileSync('/bin/true'))]),
    )
  }, 60_000)

  test('the command line says what is wrong and what to do, with the right status', async () => {
    const of = (name: string, bytes: string | Buffer) => {
      writeFileSync(host.path(name), bytes)
      return ['run', '--artifact', host.path(name), '--', '/bin/true']
    }
    const cases: [string[], number, RegExp][] = [
      [of('empty.json', ''), 1, /ARTIFACT_MISSING[\s\S]*writ issue/],
      [of('deep.json', '['.repeat(100_000)), 1, /ARTIFACT_MALFORMED[\s\S]*Issue the artifact again/],
      [['run', '--artifact', host.path('absent.json'), '--', '/bin/true'], 2, /there is no such file/],
      [['run', '--artifact', dir(), '--', '/bin/true'], 2, /not a regular file|directory/],
      [[...of('good.json', good), 'x'.repeat(120_000)], 1, /SCOPE_EXCEEDED/],
      [
        ['run', '--artifact', host.path('good.json'), '--', dir()],
        1,
        /SCOPE_EXCEEDED[\s\S]*Run exactly what was signed/,
      ],
      [['run', '--artifact', host.path('good.json'), '--', 'no-such-program'], 2, /no-such-program/],
    ]
    for (const [args, status, message] of cases) {
      const { code, stderr } = await host.writ(args)
      expect({ args: args.at(-1)?.slice(0, 60), code, stderr }).toEqual({
        args: args.at(-1)?.slice(0, 60),
        code: status,
        stderr: expect.stringMatching(message),
      })
      expect(stderr.length).toBeLessThan(2000)
    }
  })

  test('nothing was lost, memory is bounded, the log verifies', async () => {
    // Denials beyond the rate are counted, not dropped; every one is in the log.
    expect(await attempt(sound.client, issueTrue(), TRUE)).toMatchObject({ refused: null })
    expect(rssMiB(host.daemonPid) - rssBefore).toBeLessThan(150)
    await sound.verifies('requests')
  })
})
