import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { encodeReport, reportExtraData } from '../../attestation/index.ts'
import { ReportingHost } from '../attestation/made-up-report.ts'
import { WRIT } from './cli.ts'

const TOOLS = ['tpm2_checkquote', 'tpm2_eventlog', 'openssl', 'python3']
const missing = TOOLS.filter(tool => spawnSync('sh', ['-c', `command -v ${tool}`]).status !== 0)

describe.skipIf(missing.length > 0)(`a report without writ (needs ${TOOLS.join(', ')})`, async () => {
  const made = await ReportingHost.make()
  const report = made.report()
  let dir = ''
  const at = (...path: string[]) => join(dir, ...path)
  const run = (command: string, ...args: string[]) =>
    spawnSync(command, args, { cwd: at('files'), encoding: 'utf8' })

  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'writ-report-'))
    writeFileSync(at('report.json'), encodeReport(report))
    writeFileSync(at('root.der'), made.ek.root.der)
    execFileSync(WRIT, ['report', 'show', at('report.json'), '--extract', at('files')])
  })
  afterAll(() => rmSync(dir, { recursive: true, force: true }))

  test('is unpacked by any reader of JSON to the same files', () => {
    const script = [
      'import base64, json, os, sys',
      'for name, item in json.load(open("../report.json")).items():',
      '    if name != "__cmwc_t": open("../by-hand/" + name, "wb").write(base64.urlsafe_b64decode(item[1] + "=="))',
    ].join('\n')
    execFileSync('mkdir', [at('by-hand')])
    expect(run('python3', '-c', script)).toMatchObject({ status: 0, stderr: '' })
    const names = readdirSync(at('by-hand'))
    expect(names).toContain('quote.msg')
    for (const name of names) {
      expect(readFileSync(at('by-hand', name)).equals(readFileSync(at('files', name))), name).toBe(true)
    }
    expect(
      readdirSync(at('files'))
        .filter(name => !names.includes(name))
        .sort(),
    ).toEqual(['binding.bin', 'quote.pcrs'])
  })

  test('tpm2_checkquote accepts quote, PCR values and binding, and nothing else', () => {
    const [extraData = ''] = run('sha256sum', 'binding.bin').stdout.split(' ')
    expect(extraData).toBe(reportExtraData(report).toString('hex'))
    const quote = ['-m', 'quote.msg', '-s', 'quote.sig', '-f', 'quote.pcrs']
    expect(run('tpm2_checkquote', '-u', 'ak.pem', ...quote, '-q', extraData).status).toBe(0)
    expect(run('tpm2_checkquote', '-u', 'ak.pub', ...quote, '-q', extraData).status).toBe(0)
    expect(run('tpm2_checkquote', '-u', 'ak.pem', ...quote, '-q', '00'.repeat(32)).status).not.toBe(0)
    const pcrs = readFileSync(at('files', 'quote.pcrs'))
    writeFileSync(at('files', 'other.pcrs'), pcrs.fill(0xff, 142, 143))
    const other = ['-m', 'quote.msg', '-s', 'quote.sig', '-f', 'other.pcrs']
    expect(run('tpm2_checkquote', '-u', 'ak.pem', ...other, '-q', extraData).status).not.toBe(0)
  })

  test('tpm2_eventlog reads the log, to the PCR values that the quote has', () => {
    const { status, stdout } = run('tpm2_eventlog', 'eventlog.bin')
    expect(status).toBe(0)
    const [, pcr4 = ''] = /^ {4}4 +: 0x([0-9a-f]{64})$/m.exec(stdout) ?? []
    expect(pcr4).toBe(
      made.host
        .pcrs({ ...made.parts() })
        .get(4)
        ?.toString('hex'),
    )
  })

  test('openssl reads the keys and certificates, and builds the chain of the EK', () => {
    expect(run('openssl', 'pkey', '-pubin', '-in', 'ak.pem', '-noout').status).toBe(0)
    const ofCertificate = run('openssl', 'x509', '-in', 'ak-certificate.der', '-noout', '-pubkey').stdout
    expect(ofCertificate).toBe(readFileSync(at('files', 'ak.pem'), 'utf8'))
    run('openssl', 'x509', '-in', '../root.der', '-out', '../root.pem')
    run('openssl', 'x509', '-in', 'ek-certificate.der', '-out', '../ek.pem')
    const chain = ['-CAfile', '../root.pem', '-untrusted', 'ek-intermediates.pem', '-attime', made.attime]
    expect(run('openssl', 'verify', '-ignore_critical', ...chain, '../ek.pem')).toMatchObject({ status: 0 })
    expect(
      run('openssl', 'pkey', '-pubin', '-inform', 'der', '-in', 'session-key.der', '-noout').status,
    ).toBe(0)
  })

  test('is not unpacked over anything', () => {
    const { status, stderr } = run(WRIT, 'report', 'show', at('report.json'), '--extract', at('files'))
    expect(status).toBe(2)
    expect(stderr).toContain('is not empty')
  })

  test('malformed, it is a result', () => {
    writeFileSync(at('bad.json'), '{"__cmwc_t":"x"}')
    const { status, stdout } = run(WRIT, 'report', 'show', '--json', at('bad.json'))
    expect(status).toBe(1)
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'REPORT_MALFORMED' } })
  })
})
