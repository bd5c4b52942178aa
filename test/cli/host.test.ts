import { createHash } from 'node:crypto'
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  replayMeasuredBoot,
  type SimulatedTpm,
  startSimulatedTpm,
} from '../../attestation/tpm2/swtpm/index.ts'
import { type ImaFields, imaEntry, templateHash } from '../attestation/ima-log.ts'
import { writ } from './cli.ts'
import { IS_ROOT } from './site.ts'

const HOST = 'test/fixtures/hosts/debian13-uki'
const log = (name: string) => join(process.cwd(), HOST, name)

describe.skipIf(!IS_ROOT)('writ on a host with a TPM (needs root: init gives files to another user)', () => {
  const dir = mkdtempSync(join(tmpdir(), 'writ-h-'))
  const at = (name: string) => join(dir, name)
  let tpm: SimulatedTpm
  let onHost: string[]
  let init: string[]

  const boot = () => {
    const read = (name: string) => readFileSync(log(name))
    return replayMeasuredBoot(tpm, {
      eventLog: read('eventlog.bin'),
      userspaceLog: read('userspace.jsonseq'),
      imaLog: read('ima.bin'),
    })
  }
  beforeAll(async () => {
    tpm = await startSimulatedTpm({ dir: at('tpm') })
    await boot()
    onHost = ['--state-dir', at('state'), '--tpm', `swtpm:${tpm.paths.socket}`]
    init = ['init', '--user', '61190', ...onHost]
    for (const name of ['operator', 'stranger']) await writ(['key', 'new', at(name)])
  }, 60_000)
  afterAll(async () => {
    await tpm?.stop()
    rmSync(dir, { recursive: true })
  })
  const must = async (...args: string[]) => {
    const session = await writ(args)
    expect(session.stderr).toBe('')
    return session.stdout
  }

  test('before init, everything says that init is missing', async () => {
    const { status, stderr } = await writ(['reference', 'capture', ...onHost, '--out', at('x')])
    expect(status).toBe(1)
    expect(stderr).toContain('Run `writ init` first')
  })

  test('init makes an identity and gives it to the daemon’s user, closed to others, whatever the umask', async () => {
    const before = process.umask(0o077)
    const out = await must(...init).finally(() => process.umask(before))
    expect(out).toMatch(/^host +000b[0-9a-f]{64}$/m)
    expect(out).toContain('simulated TPM')
    expect(out).toMatch(/hierarchies .*owner .*no authValue.*lockout .*no authValue/)
    const modes = {
      state: 0o750,
      'state/identity': 0o700,
      'state/identity/secrets.json': 0o600,
      'state/identity/log.key': 0o600,
    }
    for (const [name, mode] of Object.entries(modes)) {
      const found = statSync(at(name))
      expect({ name, uid: found.uid, gid: found.gid, mode: found.mode & 0o777 }).toEqual({
        name,
        uid: 61190,
        gid: 61190,
        mode,
      })
    }
    expect(statSync(at('state/lineage')).uid).toBe(61190)
  })

  test('init again changes nothing', async () => {
    const before = readdirSync(at('state/identity')).map(name => [
      name,
      readFileSync(at(`state/identity/${name}`), 'hex'),
    ])
    expect(await must(...init)).toContain('has its identity already')
    const after = readdirSync(at('state/identity')).map(name => [
      name,
      readFileSync(at(`state/identity/${name}`), 'hex'),
    ])
    expect(after).toEqual(before)
  })

  test('init refuses another TPM, another user’s directory, one that is open to all, and no TPM', async () => {
    const other = await startSimulatedTpm({ dir: at('other') })
    const replaced = await writ([
      'init',
      '--user',
      '61190',
      '--state-dir',
      at('state'),
      '--tpm',
      `swtpm:${other.paths.socket}`,
    ])
    await other.stop()
    expect(replaced.status).toBe(1)
    expect(replaced.stderr).toContain('TPM_CHANGED')
    const foreign = await writ(['init', '--user', '61191', ...onHost])
    expect(foreign).toMatchObject({ status: 1, stdout: '' })
    expect(foreign.stderr).toContain('it belongs to uid 61190')
    mkdirSync(at('open'))
    chmodSync(at('open'), 0o777)
    chownSync(at('open'), 61190, 61190)
    const open = await writ([
      'init',
      '--user',
      '61190',
      '--state-dir',
      at('open'),
      '--tpm',
      `swtpm:${tpm.paths.socket}`,
    ])
    expect(open.stderr).toContain('its mode is 777')
    const none = await writ([
      'init',
      '--user',
      '61190',
      '--state-dir',
      at('none'),
      '--tpm',
      `swtpm:${at('none.sock')}`,
    ])
    expect(none.status).toBe(1)
    expect(none.stderr).toContain('TPM_UNAVAILABLE')
    expect((await writ(['init', '--user', 'no-such-user', ...onHost])).status).toBe(2)
    expect((await writ(['init', '--user', '0', '--state-dir', at('y'), '--tpm', 'usb:1'])).status).toBe(2)
  })

  test('reference values are captured from evidence that explains the quote, and from no other', async () => {
    const capture = (out: string, change: Record<string, string> = {}) => {
      const logs = {
        'event-log': log('eventlog.bin'),
        'userspace-log': log('userspace.jsonseq'),
        'ima-log': log('ima.bin'),
        ...change,
      }
      return [
        'reference',
        'capture',
        ...onHost,
        '--component',
        'any',
        '--out',
        at(out),
        ...Object.entries(logs).flatMap(([k, v]) => [`--${k}`, v]),
      ]
    }
    // The recorded host had the built-in policy alone, which is said each time.
    const mustCapture = async (...args: string[]) => {
      const { status, stdout, stderr } = await writ(args)
      expect(stderr).toMatch(/^writ: IMA measured no \/etc\/ima\/ima-policy in this boot: .*\n$/)
      expect(status).toBe(0)
      return stdout
    }
    expect(await mustCapture(...capture('captured.json'))).toMatch(/16 PCRs, \d+ files/)
    const signed = await must(
      'reference',
      'sign',
      at('captured.json'),
      '--key',
      at('operator.key'),
      '--out',
      at('reference.json'),
      '--json',
    )
    // Without the packaged daemon there has to be a word on what guards this host.
    const unsaid = capture('bad.json').filter(word => !['--component', 'any'].includes(word))
    const refused = await writ(unsaid)
    expect(refused.status).toBe(1)
    expect(refused.stderr).toContain('--component any')
    writeFileSync(at('daemon'), 'the code of the daemon')
    symlinkSync(at('daemon'), at('link'))
    const own = `sha256:${createHash('sha256').update('the code of the daemon').digest('hex')}`
    const named = (...parts: string[]) => parts.flatMap(part => ['--component', part])
    await mustCapture(
      ...unsaid.map(word => (word === at('bad.json') ? at('own.json') : word)),
      ...named(`writd=${at('link')}`),
    )
    expect(JSON.parse(readFileSync(at('own.json'), 'utf8')).components).toEqual([
      { name: 'writd', path: realpathSync(at('daemon')), digests: [own] },
    ])
    mkdirSync(at('installed/below'), { recursive: true })
    const files = { data: 0o644, program: 0o700, secret: 0o640, 'below/script': 0o755 }
    for (const [name, mode] of Object.entries(files)) writeFileSync(at(`installed/${name}`), name, { mode })
    renameSync(at('daemon'), at('installed/daemon'))
    await mustCapture(
      ...unsaid.map(word => (word === at('bad.json') ? at('all.json') : word)),
      ...named(`writd=${at('installed/daemon')}`),
      '--files',
      at('installed'),
    )
    const all = JSON.parse(readFileSync(at('all.json'), 'utf8'))
    const installed = all.ima.files.filter(({ path }: { path: string }) => path.includes('/installed/'))
    const listed = ['data', 'program', 'below/script'].map(name => ({
      path: join(realpathSync(at('installed')), name),
      digests: [`sha256:${createHash('sha256').update(name).digest('hex')}`],
    }))
    expect(installed).toHaveLength(listed.length)
    expect(installed).toEqual(expect.arrayContaining(listed))
    // A kernel that measures by another hash: what --files lists would fit none of its entries.
    const sha1 = { path: '/usr/bin/new', algorithm: 'sha1', digest: 'ab'.repeat(20) }
    const connected = tpm.connect()
    await connected.pcrExtend(10, [{ bank: 'sha256', digest: templateHash(sha1) }])
    await connected.close()
    writeFileSync(at('sha1.bin'), Buffer.concat([readFileSync(log('ima.bin')), imaEntry(sha1)]))
    const otherwise = [...capture('sha1.json', { 'ima-log': at('sha1.bin') }), '--files', at('installed')]
    expect((await writ(otherwise)).stderr).toContain('ima_hash=sha256')
    await mustCapture(...otherwise.slice(0, -2))
    await boot()
    for (const parts of [['writd'], ['=/bin/sh'], ['any', `writd=${at('installed/daemon')}`]]) {
      expect((await writ([...unsaid, ...named(...parts)])).status).toBe(2)
    }
    expect((await writ([...unsaid, ...named(`writd=${at('missing')}`)])).stderr).toContain('cannot hash')
    const show = ['reference', 'show', at('reference.json'), '--operator-key']
    expect(await must(...show, at('operator.pub'))).toContain('any: whatever code runs as the daemon')
    expect(JSON.parse(await must(...show, at('operator.pub'), '--json')).digest).toBe(
      JSON.parse(signed).digest,
    )
    expect((await writ([...show, at('stranger.pub')])).stderr).toContain('DOCUMENT_UNSIGNED')
    for (const change of [
      { 'event-log': log('userspace.jsonseq') },
      { 'ima-log': 'none' },
      { 'userspace-log': 'none' },
    ]) {
      const { status, stderr } = await writ(capture('bad.json', change))
      expect(status).toBe(1)
      expect(stderr).toContain('REFERENCE_EVIDENCE_INCONSISTENT')
    }
    expect((await writ(capture('bad.json', { 'event-log': at('none') }))).status).toBe(2)
    writeFileSync(at('broken.json'), readFileSync(at('captured.json'), 'utf8').replace('"pcrs"', '"pcr"'))
    expect(
      (await writ(['reference', 'sign', at('broken.json'), '--key', at('operator.key'), '--out', at('z')]))
        .stderr,
    ).toContain('REFERENCE_MALFORMED')
  })

  test('a capture says what whoever signs it should look at first', async () => {
    const violated = Array.from({ length: 12 }, (_, n) => ({
      path: `/var/log/${n + 10}\u001b`,
      violation: true,
    }))
    const capture = async (out: string, ima: string, ...more: string[]) => {
      const logs = ['--event-log', log('eventlog.bin'), '--userspace-log', log('userspace.jsonseq')]
      const to = ['--ima-log', ima, '--out', at(out)]
      const done = await writ(['reference', 'capture', ...onHost, ...logs, ...to, ...more])
      expect(done.status).toBe(0)
      return done
    }
    const any = ['--component', 'any']
    const json = async (...args: Parameters<typeof capture>) => {
      const { stdout, stderr } = await capture(...args)
      expect(stderr).toBe('')
      return JSON.parse(stdout)
    }
    const unloaded = await json('p0.json', log('ima.bin'), ...any, '--json')
    expect(unloaded).toMatchObject({ imaPolicyMeasured: false, violations: [] })

    const grown: Buffer[] = [readFileSync(log('ima.bin'))]
    const measure = async (...entries: ImaFields[]) => {
      const connected = tpm.connect()
      for (const entry of entries) {
        await connected.pcrExtend(10, [{ bank: 'sha256', digest: templateHash(entry) }])
        grown.push(imaEntry(entry))
      }
      await connected.close()
      writeFileSync(at('grown.bin'), Buffer.concat(grown))
    }
    await measure({ path: '/etc/ima/ima-policy' })
    expect((await capture('p1.json', at('grown.bin'), ...any)).stderr).toBe('')
    await measure(...violated.slice(0, 1))
    expect((await capture('p2.json', at('grown.bin'), ...any)).stderr).toMatch(
      /^writ: changed while measured, and accepted so from now on: \/var\/log\/10\\u001b\. Take out of "ima\.violations" .*\n$/,
    )
    await measure(...violated.slice(1))
    expect((await capture('p3.json', at('grown.bin'), ...any)).stderr).toContain('/19\\u001b and 2 more.')
    expect(await json('p4.json', at('grown.bin'), ...any, '--json')).toMatchObject({
      imaPolicyMeasured: true,
      violations: violated.map(({ path }) => path),
    })
    await boot()
  })

  test('a host is enrolled in five steps, once for each challenge', async () => {
    const root = ['--ek-root', tpm.paths.rootCertificate]
    // The intermediate certificate is not in this TPM, so it is given as a root beside it.
    const roots = [...root, '--ek-root', tpm.paths.intermediateCertificate]
    await must('key', 'enroll', 'request', '--state-dir', at('state'), '--out', at('request.json'))
    const challenge = (name: string, which = roots) => [
      ...[
        'key',
        'enroll',
        'challenge',
        at('request.json'),
        ...which,
        '--out',
        at(`${name}.challenge`),
        '--pending',
        at(`${name}.pending`),
      ],
    ]
    const strange = join(process.cwd(), 'test/fixtures/hosts/ca/swtpm-localca-rootca-cert.pem')
    expect((await writ(challenge('no', ['--ek-root', strange]))).status).not.toBe(0)
    expect((await writ(challenge('no', []))).status).toBe(2)
    expect(await must(...challenge('one'))).toContain('simulated TPM')
    expect(statSync(at('one.pending')).mode & 0o777).toBe(0o600)
    await must('key', 'enroll', 'answer', at('one.challenge'), ...onHost, '--out', at('one.answer'))
    const certify = (answer: string, name: string) => [
      ...[
        'key',
        'enroll',
        'certify',
        at(answer),
        '--pending',
        at(`${name}.pending`),
        '--key',
        at('operator.key'),
        '--out',
        at(`${name}.der`),
      ],
    ]
    await must(...challenge('two'))
    const wrong = await writ(certify('one.answer', 'two'))
    expect(wrong.status).toBe(1)
    expect(wrong.stderr).toContain('does not hold this AK')
    expect((await writ(certify('one.answer', 'two'))).status).toBe(2)
    await must(...certify('one.answer', 'one'))
    const install = (key: string) => [
      ...['key', 'enroll', 'install', at('one.der'), '--state-dir', at('state'), '--operator-key', at(key)],
    ]
    expect((await writ(install('stranger.pub'))).stderr).toContain('SIGNATURE_INVALID')
    await must(...install('operator.pub'))
    expect(statSync(at('state/identity/ak-certificate.der')).uid).toBe(61190)
  })

  test.each(['request', 'challenge', 'pending', 'answer'])('a damaged enrollment %s is named', async kind => {
    writeFileSync(at('junk'), '{"v":1}')
    const args =
      {
        request: [
          'challenge',
          at('junk'),
          '--ek-root',
          tpm.paths.rootCertificate,
          '--out',
          at('o'),
          '--pending',
          at('p'),
        ],
        challenge: ['answer', at('junk'), ...onHost, '--out', at('o')],
        pending: [
          'certify',
          at('one.answer'),
          '--pending',
          at('junk'),
          '--key',
          at('operator.key'),
          '--out',
          at('o'),
        ],
        answer: [
          'certify',
          at('junk'),
          '--pending',
          at('one.challenge'),
          '--key',
          at('operator.key'),
          '--out',
          at('o'),
        ],
      }[kind] ?? []
    const { status, stderr } = await writ(['key', 'enroll', ...args])
    expect(status).toBe(2)
    expect(stderr).toContain(at('junk'))
  })
})
