import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { generateKey, privateKeyToPem, publicKeyToPem } from '../../signing/key.ts'
import { GovernedHost, NEEDS_ROOT } from './governed-host.ts'

const SECRET = 'the key of the model, which nobody else has'
const PCRS = [0, 2, 4, 7]
const PROGRAM = ['/bin/sh', '-c', 'cat <&3; cat /proc/self/environ >&2']

describe.skipIf(NEEDS_ROOT !== null)('secrets sealed to a host (needs root)', () => {
  let host: GovernedHost
  let artifact: string
  let policyFile: string
  let values: Record<number, string>
  beforeAll(async () => {
    host = await GovernedHost.start({ enrolled: true })
    const ok = async (args: string[]) => {
      const done = await host.writ(args)
      expect(done.stderr + done.stdout).not.toContain(SECRET)
      expect([args, done.code, done.stderr]).toEqual([args, 0, expect.anything()])
    }
    writeFileSync(host.path('secret'), SECRET)
    const boot = generateKey('ecdsa-p256')
    writeFileSync(host.path('boot.key'), privateKeyToPem(boot))
    writeFileSync(host.path('boot.key.pub'), publicKeyToPem(boot.public))
    await ok(['secret', 'recipient', ...onHost(), '--out', host.path('recipient.json')])
    const operator = ['--operator-key', host.path('operator.pub')]
    await ok([...seal('recipient.json'), ...operator, '--out', host.path('sealed.json')])
    artifact = await host.issue('secretive', PROGRAM, ['--secret', host.path('sealed.json'), '--uses', '2'])
    values = await pcrs()
  }, 120_000)
  afterAll(() => host?.close())

  const onHost = () => ['--state-dir', host.path('state'), '--tpm', `swtpm:${host.tpm.paths.socket}`]
  const seal = (recipient: string, issuer = 'release') => [
    ...['secret', 'seal', host.path('secret'), '--name', 'model', '--descriptor', '3', '--issuer', issuer],
    ...['--reference', 'test', '--policy-key', host.path('boot.key.pub')],
    ...['--recipient', host.path(recipient)],
  ]
  async function pcrs(): Promise<Record<number, string>> {
    const tpm = host.tpm.connect()
    try {
      const read = await tpm.readPcrs([{ bank: 0x000b, pcrs: PCRS }])
      return Object.fromEntries(PCRS.map(pcr => [pcr, read.get('sha256')?.get(pcr)?.toString('hex') ?? '']))
    } finally {
      await tpm.close()
    }
  }
  async function loadPolicy(version: number, of: Record<number, string>) {
    const out = host.path(`secret-policy-${version}-${Math.random()}.json`)
    const signed = await host.writ([
      ...['secret', 'policy', 'sign', '--version', String(version), '--policy-key', host.path('boot.key')],
      ...['--reference', 'test', ...PCRS.flatMap(pcr => ['--pcr', `${pcr}=${of[pcr]}`])],
      ...['--recipient', host.path('recipient.json'), '--key', host.path('operator.key'), '--out', out],
    ])
    expect([signed.code, signed.stderr]).toEqual([0, expect.anything()])
    policyFile = out
    return host.writ(['secret', 'policy', 'load', out])
  }
  const run = () => host.writ(['run', '--artifact', artifact, '--', ...PROGRAM])

  test('nothing is sealed for a host that is not shown to be enrolled, unless that is asked for', async () => {
    const out = ['--out', host.path('other-sealed.json')]
    const silent = await host.writ([...seal('recipient.json'), ...out])
    expect([silent.code, silent.stderr]).toEqual([2, expect.stringContaining('--unproven')])
    const stranger = ['--operator-key', host.path('authority.pub')]
    const refused = await host.writ([...seal('recipient.json'), ...stranger, ...out])
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('SIGNATURE_INVALID')])
    const file = JSON.parse(readFileSync(host.path('recipient.json'), 'utf8'))
    writeFileSync(host.path('changed.json'), JSON.stringify({ ...file, counterBase: '999' }))
    const changed = await host.writ([...seal('changed.json'), '--unproven', ...out])
    expect([changed.code, changed.stderr]).toEqual([1, expect.stringContaining('QUOTE_EXTRA_DATA_MISMATCH')])
    writeFileSync(host.path('bare.json'), JSON.stringify({ ...file, akCertificate: null }))
    const taken = await host.writ([...seal('bare.json'), '--unproven', ...out, '--json'])
    expect(JSON.parse(taken.stdout)).toMatchObject({ proven: false })
    expect(readFileSync(host.path('other-sealed.json')).includes(SECRET)).toBe(false)
  })

  test('without a policy nothing opens, and no use is consumed', async () => {
    const denied = await run()
    expect(denied.code).not.toBe(0)
    expect(denied.stderr).toContain('ENVIRONMENT_MISMATCH')
  })

  test('the program reads it from its descriptor, and nothing else shows it', async () => {
    expect(await loadPolicy(1, values)).toMatchObject({ code: 0 })
    const show = async (key: string) =>
      host.writ(['secret', 'policy', 'show', policyFile, '--operator-key', host.path(key), '--json'])
    const shown = await show('operator.pub')
    const approvals = [{ host: host.hostId, counter: { notAbove: expect.stringMatching(/^[0-9]+$/) } }]
    expect(JSON.parse(shown.stdout)).toMatchObject({ version: 1, pcrs: PCRS, approvals })
    expect((await show('authority.pub')).code).not.toBe(0)
    const done = await run()
    expect(done).toMatchObject({ code: 0, stdout: SECRET })
    expect(done.stderr).not.toContain(SECRET)
    expect(host.daemonLog).not.toContain(SECRET)
    expect(readFileSync(artifact).includes(SECRET)).toBe(false)
  })

  test('nothing that was sealed for another authority is handed over', async () => {
    const file = host.path('of-board.json')
    const operator = ['--operator-key', host.path('operator.pub')]
    const sealed = await host.writ([...seal('recipient.json', 'board'), ...operator, '--out', file])
    expect(sealed.code).toBe(0)
    const taken = await host.issue('taken', PROGRAM, ['--secret', file])
    const denied = await host.writ(['run', '--artifact', taken, '--', ...PROGRAM])
    expect(denied.stdout).toBe('')
    expect(denied.stderr).toMatch(/ENVIRONMENT_MISMATCH.*not what was sealed for artifacts of release/s)
  })

  test('a version for another state of the host: the TPM refuses, also under the version before', async () => {
    const other = { ...values, 4: 'ab'.repeat(32) }
    expect(await loadPolicy(2, other)).toMatchObject({ code: 0 })
    const denied = await run()
    expect(denied.stdout).toBe('')
    expect(denied.stderr).toMatch(/ENVIRONMENT_MISMATCH.*TPM/s)
    expect((await loadPolicy(1, values)).stderr).toContain('ROLLED_BACK')
    // A new version lets the same secret through. It is the second use of two: what was denied before took none.
    expect(await loadPolicy(3, values)).toMatchObject({ code: 0 })
    expect(await run()).toMatchObject({ code: 0, stdout: SECRET })
    expect((await run()).stderr).toContain('REPLAYED')
  })

  test('a daemon that is killed while it unseals starts again, opens it, and leaves nothing in the TPM', async () => {
    artifact = await host.issue('again', PROGRAM, ['--secret', host.path('sealed.json')])
    const cutOff = Promise.all([run(), run(), run()])
    await new Promise(resolve => setTimeout(resolve, 700))
    await host.stopDaemon('SIGKILL')
    await cutOff
    await host.startDaemon()
    await host.attested()
    expect(await run()).toMatchObject({ code: 0, stdout: SECRET })
    await host.stopDaemon()
    const loaded = ['transient', 'loaded-session'].map(kind =>
      execFileSync('tpm2_getcap', [`handles-${kind}`], {
        env: { ...process.env, TPM2TOOLS_TCTI: `swtpm:path=${host.tpm.paths.socket}` },
        encoding: 'utf8',
      }),
    )
    expect(loaded).toEqual(['', ''])
  })
})
