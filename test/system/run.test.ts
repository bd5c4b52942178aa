import { copyFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { GovernedHost, NEEDS_ROOT } from './governed-host.ts'

/** Whether this machine's cgroups can hold a workload to a limit of memory. */
const LIMITS_MEMORY = ['/sys/fs/cgroup/cgroup.controllers', '/sys/fs/cgroup/unified/cgroup.controllers']
  .filter(file => existsSync(file))
  .some(file => /\bmemory\b/.test(readFileSync(file, 'utf8')))

describe.skipIf(NEEDS_ROOT !== null)(
  'a governed execution, from the command line to the kernel and back',
  () => {
    let host: GovernedHost
    beforeAll(async () => {
      host = await GovernedHost.start()
    }, 120_000)
    afterAll(() => host?.close())

    const reasons = (stderr: string): string[] =>
      [...stderr.matchAll(/\b[A-Z]+(?:_[A-Z]+)*\b/g)].map(([code]) => code)
    const run = (
      artifact: string | null,
      program: readonly string[],
      input?: Buffer,
      options: string[] = [],
    ) =>
      host.writ(
        ['run', ...(artifact === null ? [] : ['--artifact', artifact]), ...options, '--', ...program],
        input === undefined ? {} : { input },
      )

    test('runs, with the exit status and the streams of the program', async () => {
      const sh = await host.issue('sh', ['/bin/sh', '-c', 'cat; echo to-stderr >&2; exit 7'])
      const done = await run(
        sh,
        ['/bin/sh', '-c', 'cat; echo to-stderr >&2; exit 7'],
        Buffer.from('through stdin\n'),
      )
      expect(done).toMatchObject({ code: 7, stdout: 'through stdin\n' })
      expect(done.stderr).toContain('to-stderr')
    })

    test('carries 20 MB of binary through both ways unchanged', async () => {
      const cat = await host.issue('cat', ['/bin/cat'])
      const bytes = Buffer.alloc(20 << 20, Buffer.from([0, 255, 10, 13, 27]))
      const child = host.spawnWrit(['run', '--quiet', '--artifact', cat, '--', '/bin/cat'])
      const out: Buffer[] = []
      child.stdout?.on('data', piece => out.push(piece))
      child.stdin?.end(bytes)
      await new Promise(resolve => child.once('close', resolve))
      expect(Buffer.concat(out).equals(bytes)).toBe(true)
    })

    test('the environment is exactly the signed one', async () => {
      const env = await host.issue('env', ['/usr/bin/env'], ['--env', 'ONLY=this'])
      expect((await run(env, ['/usr/bin/env'], undefined, ['--env', 'ONLY=this'])).stdout).toBe('ONLY=this\n')
    })

    test('runs as a uid of the range, without capabilities, with no_new_privs and a filter, as a child of its own init', async () => {
      const command = ['/bin/sh', '-c', 'cat /proc/self/status; id -u; ls /proc/self/fd']
      const { stdout } = await run(await host.issue('status', command), command)
      expect(stdout).toMatch(/^CapEff:\s+0+$/m)
      expect(stdout).toMatch(/^CapBnd:\s+0+$/m)
      expect(stdout).toMatch(/^NoNewPrivs:\s+1$/m)
      expect(stdout).toMatch(/^Seccomp:\s+2$/m)
      expect(Number(/^(7[0-9]{4})$/m.exec(stdout)?.[1])).toBeGreaterThanOrEqual(70_000)
    })

    test('permitted, and not started: says why, and which execution it was', async () => {
      const there = ['--cwd', '/root']
      const artifact = await host.issue('root', ['/bin/true'], there)
      const told = await run(artifact, ['/bin/true'], undefined, there)
      expect(told).toMatchObject({ code: 1, stdout: '' })
      expect(told.stderr).toMatch(/^writ: permitted, but not started: START_FAILED: .*CWD_REFUSED/)
      const [, executionId = ''] = /^ +execution ([0-9a-f]{32})$/m.exec(told.stderr) ?? []
      expect(told.stderr).toContain(`\`writ explain ${executionId}\``)
      expect(await host.ok('explain', executionId)).toContain('could not be started')
      const shown = await host.ok('executions', executionId)
      expect(shown).toMatch(/^ended .*: START_FAILED, .*CWD_REFUSED/m)

      const json = await run(artifact, ['/bin/true'], undefined, [...there, '--json'])
      expect(json).toMatchObject({ code: 1, stdout: '' })
      expect(JSON.parse(json.stderr).error).toMatchObject({
        code: 'REQUEST_FAILED',
        cause: 'START_FAILED',
        message: expect.stringContaining('CWD_REFUSED'),
        executionId: expect.stringMatching(/^[0-9a-f]{32}$/),
      })
    })

    test('denied what this host cannot hold it to, before anything is consumed', async () => {
      const asked = ['--device', 'gpu', ...(LIMITS_MEMORY ? [] : ['--memory', '100M'])]
      const artifact = await host.issue('gpu', ['/bin/true'], asked)
      for (const _ of ['first', 'again']) {
        const told = await run(artifact, ['/bin/true'], undefined, asked)
        expect(told).toMatchObject({ code: 1, stdout: '' })
        expect(reasons(told.stderr)).toContain('ENVIRONMENT_MISMATCH')
        expect(told.stderr).toContain('this host has no devices that are named gpu')
        if (!LIMITS_MEMORY) expect(told.stderr).toContain('this host cannot limit memory')
      }
    })

    test('denied without an artifact', async () => {
      const done = await run(null, ['/bin/true'])
      expect(done.code).toBe(1)
      expect(reasons(done.stderr)).toContain('ARTIFACT_MISSING')
    })

    test('denied when the program was changed', async () => {
      const program = host.path('program')
      copyFileSync('/bin/true', program)
      const artifact = await host.issue('changed', [program])
      expect((await run(artifact, [program])).code).toBe(0)
      writeFileSync(program, Buffer.concat([readFileSync('/bin/true'), Buffer.from('x')]))
      const done = await run(artifact, [program])
      expect(done.code).toBe(1)
      expect(reasons(done.stderr)).toContain('SUBJECT_MISMATCH')
    })

    test('denied when an argument was changed', async () => {
      const artifact = await host.issue('argument', ['/bin/echo', 'signed'])
      const done = await run(artifact, ['/bin/echo', 'other'])
      expect(done).toMatchObject({ code: 1, stdout: '' })
      expect(reasons(done.stderr)).toContain('SCOPE_EXCEEDED')
    })

    test('denied when it was used up, also for twenty at once', async () => {
      const artifact = await host.issue('once', ['/bin/true'], ['--uses', '1'])
      const all = await Promise.all(Array.from({ length: 8 }, () => run(artifact, ['/bin/true'])))
      expect(all.filter(done => done.code === 0)).toHaveLength(1)
      const denied = all.filter(done => done.code === 1)
      expect(denied).toHaveLength(7)
      for (const done of denied) expect(reasons(done.stderr)).toContain('REPLAYED')
    })

    test('denied for another host, another signer, an artifact that is over', async () => {
      const other = `000b${'ab'.repeat(32)}`
      const wrongHost = await host.issue('other-host', ['/bin/true'], ['--host', other])
      expect(reasons((await run(wrongHost, ['/bin/true'])).stderr)).toContain('AUDIENCE_MISMATCH')

      await host.ok('key', 'new', host.path('stranger'))
      const stranger = await host.issue('stranger', ['/bin/true'], ['--key', host.path('stranger.key')])
      expect(reasons((await run(stranger, ['/bin/true'])).stderr)).toContain('SIGNER_UNTRUSTED')

      const over = await host.issue('over', ['/bin/true'], ['--valid', '1s'])
      await new Promise(resolve => setTimeout(resolve, 1200))
      expect(reasons((await run(over, ['/bin/true'])).stderr)).toContain('ARTIFACT_EXPIRED')
    })

    test('the caller is told to end: so does what it runs', async () => {
      const command = ['/bin/sleep', '30']
      const artifact = await host.issue('sleep', command)
      const child = host.spawnWrit(['run', '--artifact', artifact, '--', ...command], 65_001)
      await expect.poll(async () => (await host.status()).executions, { timeout: 10_000 }).toBe(1)
      child.kill('SIGTERM')
      await new Promise(resolve => child.once('close', resolve))
      await expect.poll(async () => (await host.status()).executions, { timeout: 10_000 }).toBe(0)
    })

    test('revoked, it is denied, and what runs under it ends', async () => {
      const command = ['/bin/sleep', '60']
      const artifact = await host.issue('revoked', command)
      const running = run(artifact, command)
      await expect.poll(async () => (await host.status()).executions, { timeout: 10_000 }).toBe(1)
      await host.ok('revoke', '--artifact', artifact, '--key', host.path('operator.key'))
      expect((await running).code).not.toBe(0)
      const again = await run(artifact, command)
      expect(again.code).toBe(1)
      expect(reasons(again.stderr)).toContain('REVOKED')
    })

    test('an ordinary user cannot revoke, even with a signed revocation', async () => {
      const out = host.path('revocation.json')
      await host.ok(
        'revoke',
        '--program',
        'ab'.repeat(32),
        '--key',
        host.path('operator.key'),
        '--epoch',
        '99',
        '--out',
        out,
      )
      const done = await host.writ(['revoke', '--send', out], { uid: 65_002 })
      expect(done).toMatchObject({ code: 1, stdout: '' })
      expect(done.stderr).toContain('may change what the daemon enforces')
      const stranger = host.path('stranger-revocation.json')
      await host.ok(
        'revoke',
        '--program',
        'cd'.repeat(32),
        '--key',
        host.path('stranger.key'),
        '--epoch',
        '99',
        '--out',
        stranger,
      )
      const unsigned = await host.writ(['revoke', '--send', stranger])
      expect(unsigned.code).toBe(1)
      expect(unsigned.stderr).toContain('DOCUMENT_UNSIGNED')
    })
  },
)
