import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { allDefinitions, definitionOf } from '../../cli/definition.ts'
import { ukiImage } from '../support/pe-image.ts'
import { CHECKOUT } from '../support/programs.ts'
import { GovernedHost, NEEDS_ROOT } from '../system/governed-host.ts'
import { temporaryDirectory, writ } from './cli.ts'
import { checkJson, everything, heldAgainstForm, misfits } from './json-form.ts'

describe.skipIf(NEEDS_ROOT !== null)(`the JSON of every command (${NEEDS_ROOT ?? 'as root'})`, () => {
  const dir = temporaryDirectory()
  let host: GovernedHost

  beforeAll(async () => {
    host = await GovernedHost.start({ config: { minting: 'enabled = true' } })
  }, 120_000)
  afterAll(async () => {
    dir.remove()
    await host?.close()
  }, 60_000)

  /** Runs a command with `--json`, in front of the operands. What it prints has been held against its form by `writ`. */
  async function json(command: string, ...args: string[]) {
    const words = [...command.split(' '), '--json', ...args]
    const { status, stdout, stderr } = await writ(words, { cwd: dir.path, env: { WRIT_SOCKET: host.socket } })
    if (status !== 0 && stdout === '') throw new Error(`writ ${words.join(' ')}: ${status}\n${stderr}`)
    return stdout === '' ? null : JSON.parse(stdout.split('\n{')[0] ?? '')
  }
  const signed = ['--version', '2', '--key', 'operator.key']
  const operator = ['--operator-key', 'operator.pub']
  const argv = ['--', '/bin/sh', '-c', 'exit 0']

  test('of keys, documents and artifacts', async () => {
    await json('key new', 'operator')
    await json('key new', 'alice')
    await json('key show', 'alice.pub')
    await json('key trust sign', '--authority', 'release=alice.pub', ...signed, '--out', 'trust.json')
    await json('key trust show', ...operator, 'trust.json')
    mkdirSync(dir.in('policies'))
    writeFileSync(dir.in('policies/all.cedar'), 'permit (principal, action, resource);')
    await json('policy schema')
    await json('policy sign', '--valid', '1h', ...signed, '--out', 'policy.json', 'policies')
    const labelled = ['--host', `000b${'ab'.repeat(32)}`, '--label', 'gpu', '--valid', 'any']
    await json('labels sign', ...labelled, ...signed, '--out', 'labels.json')
    await json('labels show', ...operator, 'labels.json')
    writeFileSync(dir.in('cases.json'), '{"case":[{"name":"x","expect":"permit"}]}')
    await json('policy test', 'policies', 'cases.json')
    await json('policy explain', 'policies', 'cases.json')
    await json('policy show', ...operator, 'policy.json')
    const any = [
      '--host',
      'any',
      '--uid',
      'any',
      '--uses',
      'any',
      '--policy',
      'any',
      '--reference-values',
      'any',
    ]
    const issue = ['--key', host.path('authority.key'), '--issuer', 'release', '--valid', '1h', ...any]
    await json('issue', ...issue, '--simulated', 'allow', '--out', 'job.json', ...argv)
    const approved = ['--key', 'alice.key', '--yes', '--out', 'approved.json']
    await json('approve', ...approved, '--trust', 'trust.json', ...operator, 'job.json')
    await json('plan', '--artifact', 'job.json', '--trust', 'trust.json', ...operator, ...argv)
    await json('plan', ...argv)
    await json('completion', 'fish')
    writeFileSync(dir.in('uki.efi'), ukiImage([['.linux', 'kernel']]))
    await json('uki show', 'uki.efi')
    await json('config default')
    await json('setup', '--print-answers')
    await json('setup', '--dry-run', '--socket', host.socket, '--etc', dir.path)
    await json('config show', host.path('writd.toml'))
    await json('config check', '--only-files', host.path('writd.toml'))
  }, 60_000)

  test('of what is asked of a daemon', async () => {
    await json('status')
    await json('metrics', '--from', host.path('metrics/metrics.sock'))
    await json('doctor', '--config', host.path('writd.toml'))
    await json('log-level debug', '--for', '1m')
    await json('log-level configured')
    const { hostId } = await json('status')
    await json(
      ...(['labels sign', '--host', hostId, '--label', 'x', '--valid', 'any', '--version', '1'] as const),
      ...['--key', host.path('operator.key'), '--out', 'host-labels.json'],
    )
    await json('labels load', 'host-labels.json')
    await json('status')
    await json('authorize', '--artifact', 'job.json', ...argv)
    await json('authorize', '--out', 'minted.json', ...argv)
    await json('run', '--artifact', 'job.json', ...argv)
    const [{ executionId: id }] = (await json('executions', '--all')).executions
    await json('executions', id)
    await json('executions', '--watch', id)
    const loud = ['/bin/echo', 'hello']
    await host.ok('run', '--artifact', await host.issue('loud', loud), '--', ...loud)
    const [{ executionId: spoke }] = (await json('executions', '--all')).executions
    await json('logs', spoke)
    await json('wait', id)
    await json('explain', id, '--operator-key', host.path('operator.pub'))
    await json('terminate', id)
    await json('receipt get', id, '--out', 'receipt.json')
    await json('receipt verify', '--host', hostId, 'receipt.json')
    await json('run', '--artifact', 'job.json', '--receipt', 'run.receipt.json', ...argv)
    const key = ['--key', host.path('operator.key')]
    for (const [command, file] of [
      ['key trust load', 'trust.json'],
      ['policy load', 'policy.json'],
      ['reference load', 'reference.json'],
    ] as const) {
      await json(command, host.path(file))
    }
    await json('revoke', '--execution', 'f'.repeat(32), ...key)
    await json('revoke', '--execution', 'f'.repeat(32), ...key, '--epoch', '7', '--out', 'revocation.json')
    await json('revoke', '--list')
    for (const kind of ['--failure', '--tail']) {
      await json('clear', kind, ...key, '--host', host.hostId, '--entry', '3', '--out', `${kind}.json`)
    }
    await json('report create', '--out', 'report.json')
    await json('report verify', ...operator, 'report.json')
    await json('report show', 'report.json')
    await json('lineage tail', '--from', '0')
    await json('lineage show', '0')
    await json('lineage show', id)
    await json('lineage grep', 'daemon-start')
    await json('lineage grep', '--total', 'daemon-start')
    await json('lineage tree')
    await json('lineage export', '--state-dir', host.path('state'), 'bundle')
    await json('lineage export', '--state-dir', host.path('state'), '--onto', 'bundle')
    await json('lineage prove', '0')
    await json('receipt make', id, '--directory', 'bundle', '--out', 'made.receipt.json')
    await json('lineage prove', '0', '--directory', 'bundle', '--out', '0.tlog-proof')
    const checkpoint = 'bundle/lineage/checkpoint'
    await json('lineage prove', '--consistency', checkpoint, '--out', 'growth')
    await json('lineage verify', ...operator, 'bundle')
    await json('lineage import', ...operator, '--archive', 'archive', 'bundle')
    const identity = [...operator, '--identity', 'bundle/host']
    await json('lineage verify', ...identity, '0.tlog-proof')
    await json('lineage verify', ...identity, '--earlier', checkpoint, 'growth')
    await json('verify', ...operator, 'bundle')
    await json('replay', ...operator, 'bundle')
    await json('key new', '--algorithm', 'ecdsa-p256', 'boot')
    await json(
      ...([
        'secret policy sign',
        '--policy-key',
        'boot.key',
        '--reference',
        'boot',
        '--version',
        '1',
      ] as const),
      ...['--pcr', `0=${'0'.repeat(64)}`, ...key, '--out', 'secret-policy.json'],
    )
    await json('secret policy show', '--operator-key', host.path('operator.pub'), 'secret-policy.json')
    await json('secret policy load', 'secret-policy.json')
  }, 120_000)

  test('of what is asked of a TPM', async () => {
    await host.stopDaemon()
    const state = ['--state-dir', host.path('state')]
    const tpm = ['--tpm', `swtpm:${host.tpm.paths.socket}`]
    await json('init', '--user', '64990:64990', ...state, ...tpm)
    const logs = ['event-log', 'userspace-log', 'ima-log'].flatMap((option, i) => [
      `--${option}`,
      host.path(['eventlog.bin', 'userspace.jsonseq', 'ima.bin'][i] ?? ''),
    ])
    await json('reference capture', ...state, ...tpm, ...logs, '--component', 'any', '--out', 'captured.json')
    await json('eventlog show', '--userspace', host.path('userspace.jsonseq'), host.path('eventlog.bin'))
    await json('ima show', host.path('ima.bin'))
    const recorded = (name: string) => join(CHECKOUT, 'test/fixtures/hosts', name)
    const quote = ['attest=quote.msg', 'signature=quote.sig', 'key=ak.pem'].flatMap(option => {
      const [name, file] = option.split('=')
      return [`--${name}`, recorded(`debian13-uki/${file}`)]
    })
    await json('quote verify', ...quote, '--nonce', '0011223344556677', '--pcrs-selected', 'sha256:0')
    const root = ['--roots', recorded('ca/swtpm-localca-rootca-cert.pem')]
    await json('certificate verify', '--ek', recorded('debian13-uki/ek-rsa.der'), ...root)
    await json('reference sign', '--key', 'operator.key', '--out', 'reference.json', 'captured.json')
    await json('reference show', ...operator, 'reference.json')
    await json('reference diff', ...operator, 'reference.json', 'captured.json')
    await json('reference add', ...operator, '--out', 'next.json', 'reference.json', 'captured.json')
    await json('key enroll request', ...state, '--out', 'request.json')
    const { rootCertificate, intermediateCertificate } = host.tpm.paths
    const roots = ['--ek-root', rootCertificate, '--ek-root', intermediateCertificate]
    await json('key enroll challenge', ...roots, '--out', 'c.json', '--pending', 'p.json', 'request.json')
    await json('key enroll answer', ...state, ...tpm, '--out', 'a.json', 'c.json')
    const certify = ['--pending', 'p.json', '--key', 'operator.key', '--out', 'ak.der', 'a.json']
    await json('key enroll certify', ...certify)
    await json('key enroll install', ...state, ...operator, 'ak.der')
    await json('secret recipient', ...state, ...tpm, '--out', 'recipient.json')
    const sealed = [
      '--issuer',
      'release',
      '--name',
      'model',
      '--descriptor',
      '3',
      '--policy-key',
      'boot.pub',
      '--reference',
      'boot',
    ]
    const recipient = ['--recipient', 'recipient.json', ...operator]
    await json('secret seal', ...sealed, ...recipient, '--out', 'sealed.json', 'operator.pub')
    await json('lineage recover', ...state, '--force', '--yes')
  }, 60_000)

  test('none was left out; a new command needs a session above', async () => {
    const commands = allDefinitions(definitionOf(await everything())).filter(
      ({ commands }) => commands.length === 0,
    )
    const names = commands.map(({ path }) => path.slice(1).join(' '))
    expect(names.filter(name => !heldAgainstForm.has(name))).toEqual([])
  })
})

describe('a form', () => {
  const form = { id: 'digest', 'count?': 'decimal', 'end|null': { at: 'time' }, list: ['number'] } as const
  const good = { id: 'a'.repeat(64), end: null, list: [1] }

  test.each<[string, unknown, string[]]>([
    ['what fits', good, []],
    ['what may be there', { ...good, count: '3', end: { at: '2026-11-21T02:00:00.000Z' } }, []],
    ['a missing field', { id: good.id, end: null }, ['.list: is missing']],
    ['a field that is not declared', { ...good, more: 1 }, ['.more: is not declared']],
    ['another kind', { ...good, count: 3 }, ['.count: 3 is not decimal']],
    ['null where there is none', { ...good, id: null }, ['.id: null is not digest']],
    ['a wrong item', { ...good, list: [1, 'x'] }, ['.list[1]: "x" is not number']],
    ['a list instead of an object', [good], [': is not an object']],
  ])('tells %s', (_, value, wrong) => {
    expect(misfits(form, value)).toEqual(wrong)
  })

  test('is held against the output of each session with --json', async () => {
    const shown = { id: 'a'.repeat(64), algorithm: 'ed25519', private: false, publicKey: 'PEM' }
    const check = (value: unknown) => checkJson(['key', 'show', '--json', 'x'], JSON.stringify(value), '')
    await check(shown)
    await expect(check({ ...shown, more: 1 })).rejects.toThrow('.more: is not declared')
    await expect(checkJson(['key', 'show', '--json', 'x'], 'text', '')).rejects.toThrow('is no JSON')
  })
})
