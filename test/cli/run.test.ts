import { spawn, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Site } from '../../demo/steps/serve.ts'
import { sha256Hex } from '../../encoding/digest.ts'
import { WRIT } from './cli.ts'
import { at, IS_ROOT, issueOptions, NEEDS_ROOT, startSite } from './site.ts'

describe.skipIf(!IS_ROOT)(`writ against a daemon (${NEEDS_ROOT})`, () => {
  let site: Site
  let close: () => Promise<void>
  let writ: ReturnType<typeof at>
  let counter = 0

  beforeAll(async () => {
    const started = await startSite()
    site = started.site
    close = () => started.workspace.close()
    writ = at(site)
  }, 120_000)
  afterAll(() => close?.(), 60_000)

  /** Signs an artifact for a command line and gives the arguments of `writ run` for it. */
  async function allowed(argv: readonly string[], more: readonly string[] = []): Promise<string[]> {
    const artifact = join(site.workspace.directory, `artifact-${counter++}.json`)
    const { status, stderr } = await writ([...issueOptions(site, artifact, more), ...argv])
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    return ['run', '--artifact', artifact, '--', ...argv]
  }

  test('passes bytes through as they are, more than any buffer holds', async () => {
    const bytes = randomBytes(3 << 20)
    const child = spawn(WRIT, await allowed(['/usr/bin/cat']), {
      env: { PATH: process.env.PATH, WRIT_SOCKET: site.socket },
    })
    const chunks: Buffer[] = []
    child.stdout.on('data', chunk => chunks.push(chunk))
    child.stdin.end(bytes)
    const [status] = await once(child, 'close')
    expect(status).toBe(0)
    expect(sha256Hex(Buffer.concat(chunks))).toBe(sha256Hex(bytes))
  })

  test.each([0, 1, 2, 42, 255])('gives the status %i that the program gave', async wanted => {
    const { status, stdout, stderr } = await writ(
      await allowed(['/usr/bin/sh', '-c', `echo out; echo err >&2; exit ${wanted}`]),
    )
    expect({ status, stdout, stderr }).toEqual({ status: wanted, stdout: 'out\n', stderr: 'err\n' })
  })

  test('ends by the signal that ended the program, or with 128 and its number', async () => {
    const dies = async (name: string) => {
      const { status, signal } = await writ(await allowed(['/usr/bin/sh', '-c', `kill -${name} $$`]))
      return [status, signal]
    }
    // A signal that leaves a core would leave one of the command.
    expect(await dies('ABRT')).toEqual([128 + 6, null])
    expect(await dies('KILL')).toEqual([null, 'SIGKILL'])
    expect(await dies('PIPE')).toEqual([null, 'SIGPIPE'])
  })

  test('tells the outcome in JSON behind the program’s own errors', async () => {
    const [run = '', ...rest] = await allowed(['/usr/bin/sh', '-c', 'echo err >&2'])
    const { status, stderr } = await writ([run, '--json', ...rest])
    expect(status).toBe(0)
    const [first, second = ''] = stderr.trimEnd().split('\n')
    expect(first).toBe('err')
    expect(JSON.parse(second)).toMatchObject({
      exitStatus: 0,
      started: { executionId: expect.stringMatching(/^[0-9a-f]{32}$/) },
      ended: { cause: 'EXIT', confirmedDead: true },
    })
  })

  /** Starts a command that prints something when it is ready, and waits for that. */
  async function running(argv: readonly string[]) {
    const child = spawn(WRIT, argv, { env: { PATH: process.env.PATH, WRIT_SOCKET: site.socket } })
    const seen = { stdout: '', stderr: '' }
    child.stdout.on('data', chunk => (seen.stdout += chunk))
    child.stderr.on('data', chunk => (seen.stderr += chunk))
    const closed = once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>
    await once(child.stdout, 'data')
    return { child, seen, closed }
  }

  test.each(['SIGINT', 'SIGUSR1'] as const)(
    '%s reaches the program, which dies of it, and so does the command',
    async signal => {
      const argv = await allowed(['/usr/bin/sh', '-c', 'echo up; while :; do sleep 0.05; done'])
      const { child, seen, closed } = await running(argv)
      child.kill(signal)
      expect(await closed).toEqual([null, signal])
      expect(seen.stderr).toBe('')
    },
  )

  test('a program that handles a signal goes on, and its status is the command’s', async () => {
    const script =
      'trap "echo again" HUP; trap "echo bye; exit 7" TERM; echo up; while :; do sleep 0.05; done'
    const { child, seen, closed } = await running(await allowed(['/usr/bin/sh', '-c', script]))
    child.kill('SIGHUP')
    await expect.poll(() => seen.stdout).toBe('up\nagain\n')
    child.kill('SIGTERM')
    expect(await closed).toEqual([7, null])
    expect(seen.stdout).toBe('up\nagain\nbye\n')
  })

  test('the execution ends when the command is killed', async () => {
    const { child, closed } = await running(
      await allowed(['/usr/bin/sh', '-c', 'trap "" TERM; echo up; sleep 1000']),
    )
    const live = async () => JSON.parse((await writ(['executions', '--json'])).stdout).executions.length
    expect(await live()).toBe(1)
    child.kill('SIGTERM')
    child.kill('SIGKILL')
    expect(await closed).toEqual([null, 'SIGKILL'])
    await expect.poll(live, { timeout: 10_000 }).toBe(0)
  })

  test('a program whose input is closed by itself lets go of whoever writes to it', async () => {
    const argv = await allowed(['/usr/bin/sh', '-c', 'exec <&-; sleep 1; echo end'])
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the shell’s.
    const pipeline = 'yes | "$0" "$@"; echo "${PIPESTATUS[*]}"'
    const { stdout } = spawnSync('bash', ['-c', pipeline, WRIT, ...argv], {
      encoding: 'utf8',
      env: { ...process.env, WRIT_SOCKET: site.socket },
      timeout: 30_000,
    })
    expect(stdout).toBe('end\n141 0\n')
  })

  test('a program whose output nobody reads any longer finds that out by writing, like a tail', async () => {
    const shell = (command: string, args: readonly string[]) =>
      spawnSync('bash', ['-c', `${command}; echo "\${PIPESTATUS[0]}"`, WRIT, ...args], {
        encoding: 'utf8',
        env: { ...process.env, WRIT_SOCKET: site.socket },
        timeout: 30_000,
      })
    const argv = await allowed(['/usr/bin/yes'])
    expect(shell('"$0" "$@" | head -n 1', argv)).toMatchObject({ stdout: `y\n${128 + 13}\n`, stderr: '' })
    const on = await allowed([
      '/usr/bin/sh',
      '-c',
      'trap "" PIPE; while echo y; do :; done; echo on >&2; exit 5',
    ])
    const { stdout, stderr } = shell('"$0" "$@" | head -n 1', on)
    expect(stdout).toBe('y\n5\n')
    expect(stderr).toContain('on\n')
    expect(shell('"$0" "$@" 2>&1 | :', ['run', '/usr/bin/true']).stdout).toBe('1\n')
    const tail = ['lineage', 'tail', '--follow', '--from', '0']
    expect(shell('"$0" "$@" | head -n 1', tail).stdout).toMatch(/^#.*\n0\n$/)
  }, 60_000)

  test('a denial says its codes, what they mean and what to do', async () => {
    const { status, stdout, stderr } = await writ(['run', '/usr/bin/true'])
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' })
    expect(stderr).toMatch(
      /^writ: denied: ARTIFACT_MISSING\n {6}ARTIFACT_MISSING: .*\n {6}Give --artifact FILE/,
    )
    const json = await writ(['run', '--json', '/usr/bin/true'])
    expect(JSON.parse(json.stderr).error).toMatchObject({
      code: 'DENIED',
      reasons: [{ code: 'ARTIFACT_MISSING' }],
      decisionIndex: expect.stringMatching(/^\d+$/),
    })
  })

  test('a damaged artifact is a denial, a missing file wrong use', async () => {
    const bad = join(site.workspace.directory, 'bad.json')
    writeFileSync(bad, '{"payloadType":"x"')
    const denied = await writ(['run', '--artifact', bad, '/usr/bin/true'])
    expect(denied.status).toBe(1)
    expect(denied.stderr).toContain('ARTIFACT_MALFORMED')
    expect((await writ(['run', '--artifact', `${bad}.none`, '/usr/bin/true'])).status).toBe(2)
  })

  test('status says that the TPM is simulated', async () => {
    const { status, stdout } = await writ(['status'])
    expect(status).toBe(0)
    expect(stdout).toMatch(/^gate +ATTESTED/)
    expect(stdout).toMatch(/^TPM +simulated TPM/m)
    expect(JSON.parse((await writ(['status', '--json'])).stdout)).toMatchObject({
      state: 'ATTESTED',
      tier: 'simulated TPM',
      hostId: site.hostId,
      policyDigest: site.policyDigest,
      referenceValuesDigest: site.referenceDigest,
    })
  })

  test('a report verifies offline, and only for the nonce that was asked', async () => {
    const file = join(site.workspace.directory, 'report.json')
    const nonce = randomBytes(32).toString('hex')
    expect((await writ(['report', 'create', '--nonce', nonce, '--out', file])).stdout).toContain(
      'simulated TPM',
    )
    const verify = (...more: string[]) =>
      writ([
        ...['report', 'verify', file, '--operator-key', join(site.operator, 'operator.pub')],
        ...['--ek-root', site.tpm.paths.rootCertificate, ...more],
      ])
    const all = await verify(
      '--nonce',
      nonce,
      '--host',
      site.hostId,
      '--reference',
      join(site.operator, 'reference.json'),
    )
    expect(all.stdout).not.toMatch(/FAILED|NOT CHECKED +(?!clock|lineage growth| )/)
    expect(all.stdout).toContain('simulated TPM')
    expect(all.status).toBe(0)
    const other = await verify('--nonce', '0'.repeat(64))
    expect(other.status).toBe(1)
    expect(other.stdout).toMatch(/FAILED +freshness/)
    const stranger = await writ([
      ...['report', 'verify', file, '--operator-key', join(site.operator, 'stranger.pub')],
    ])
    expect(stranger.status).toBe(1)
    expect(stranger.stdout).toMatch(/FAILED +AK certificate/)
  })

  test('the lineage can be read, followed into one entry, and proven', async () => {
    const tail = await writ(['lineage', 'tail', '--from', '0', '--json'])
    const entries = tail.stdout
      .trimEnd()
      .split('\n')
      .map(line => JSON.parse(line))
    expect(entries.map(e => e.index)).toEqual(entries.map((_, i) => i))
    expect(entries[0].event.type).toBe('daemon-start')
    const decision = entries.find(e => e.event.type === 'decision')
    const shown = await writ(['lineage', 'show', String(decision.index), '--json'])
    expect(JSON.parse(shown.stdout)).toMatchObject({ index: decision.index, event: decision.event })
    const record = await writ(['lineage', 'show', String(decision.index), '--blob', decision.event.record])
    expect(sha256Hex(Buffer.from(record.stdout))).toBe(decision.event.record)
    const proof = await writ(['lineage', 'prove', '0'])
    expect(proof.status).toBe(0)
    expect(proof.stdout).toMatch(/^c2sp\.org\/tlog-proof@v1\n/)
    expect((await writ(['lineage', 'show', '999999'])).status).toBe(2)
    expect((await writ(['lineage', 'show', 'x'])).status).toBe(2)
    const tree = await writ(['lineage', 'tree'])
    expect(tree.stdout).toMatch(
      /execution [0-9a-f]{12} {2}\/usr\/bin\/cat\n.*origin.*\n.*authorized by artifact .* issued by release/,
    )
  })

  test('a revocation takes effect, is listed, and cannot be sent by another key', async () => {
    const run = await allowed(['/usr/bin/true'])
    const artifact = run[2] ?? ''
    expect((await writ(run)).status).toBe(0)
    const stranger = await writ([
      'revoke',
      '--artifact',
      artifact,
      '--key',
      join(site.operator, 'stranger.key'),
    ])
    expect(stranger.status).not.toBe(0)
    expect((await writ(run)).status).toBe(0)
    const done = await writ([
      'revoke',
      '--artifact',
      artifact,
      '--key',
      join(site.operator, 'operator.key'),
      '--json',
    ])
    expect(JSON.parse(done.stdout)).toMatchObject({ epoch: '1' })
    const denied = await writ(run)
    expect(denied.status).toBe(1)
    expect(denied.stderr).toContain('REVOKED')
    expect((await writ(['revoke', '--list'])).stdout).toMatch(
      /^epoch 1, 1 revoked\n {2}artifact +[0-9a-f]{64}/,
    )
  })
})
