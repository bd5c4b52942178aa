import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { CHECKOUT } from '../support/programs.ts'
import { temporaryDirectory, writ } from './cli.ts'

const NONCE = '0011223344556677'
const SELECTED = `sha256:${Array.from({ length: 16 }, (_, pcr) => pcr).join(',')}`

describe('writ quote verify', () => {
  const dir = temporaryDirectory()
  afterAll(() => dir.remove())
  const file = (name: string, host = 'debian13-uki') => join(CHECKOUT, 'test/fixtures/hosts', host, name)
  const logs = (host = 'debian13-uki') => [
    ...['--eventlog', file('eventlog.bin', host)],
    ...['--userspace', file('userspace.jsonseq', host)],
    ...['--ima', file('ima.bin', host)],
  ]

  async function verify(...args: string[]) {
    const given = ['--attest', file('quote.msg'), '--signature', file('quote.sig'), '--key', file('ak.pem')]
    const asked = ['--nonce', NONCE, '--pcrs-selected', SELECTED]
    const { status, stdout, stderr } = await writ(['quote', 'verify', '--json', ...given, ...asked, ...args])
    return { status, found: stdout === '' ? null : JSON.parse(stdout), stderr }
  }

  test('verifies a recorded UKI host with all of its logs, and by the values that they give', async () => {
    const { status, found } = await verify(...logs())
    expect(found.reasons).toEqual([])
    expect(status).toBe(0)
    expect(found).toMatchObject({ verified: true, safe: true, unexplained: [] })
    expect(found.imaAttestedEntries).toBeGreaterThan(100)
    expect(Object.keys(found.pcrs.sha256)).toHaveLength(16)
    writeFileSync(dir.in('pcrs.json'), JSON.stringify(found.pcrs))
    const ascii = ['--ima', file('ima.ascii'), '--pcrs', dir.in('pcrs.json')]
    expect((await verify(...logs(), ...ascii)).found).toMatchObject({ verified: true, pcrs: found.pcrs })
    // The log of another host, beside values that the quote proves.
    const other = [
      '--eventlog',
      file('eventlog.bin', 'debian13-uki-secureboot'),
      '--pcrs',
      dir.in('pcrs.json'),
    ]
    const foreign = await verify(...logs(), ...other)
    expect(foreign.status).toBe(1)
    expect(foreign.found.reasons.map((r: { at?: string }) => r.at)).toContain('PCR 7')
  })

  test('says that a bare public key leaves open whether it attests, and with none that nonce and values are open', async () => {
    const { status, found } = await verify('--nonce', 'none')
    expect(status).toBe(0)
    const open = found.properties.filter((p: { status: string }) => p.status === 'NOT CHECKED')
    expect(open.map((p: { property: string }) => p.property)).toEqual([
      'attestation key',
      'key that was enrolled',
      'nonce',
      'history',
      'PCR values',
      'reference values',
    ])
  })

  test('names the PCR that a log without values does not explain', async () => {
    const records = readFileSync(file('userspace.jsonseq'), 'latin1')
    const [first = ''] = records.split('\x1e').filter(Boolean)
    const longer = dir.in('longer.jsonseq')
    writeFileSync(longer, `${records}\x1e${first}`, 'latin1')
    const { status, found } = await verify(...logs(), '--userspace', longer)
    expect(status).toBe(1)
    expect(found.reasons).toMatchObject([{ code: 'QUOTE_PCR_DIGEST_MISMATCH', at: 'PCR 15' }])
    expect(found.reasons[0].message).toMatch(/not extended with record \d+/)
  })

  test('remembers a host: the same nonce again, and a clock that went back, are refused', async () => {
    const history = ['--history', dir.in('host.json')]
    expect((await verify(...history)).found).toMatchObject({ verified: true, clockStep: 'first' })
    const remembered = readFileSync(dir.in('host.json'), 'utf8')
    const again = await verify(...history)
    expect(again.found.reasons.map((r: { code: string }) => r.code)).toEqual(['QUOTE_NONCE_REPEATED'])
    expect(readFileSync(dir.in('host.json'), 'utf8')).toBe(remembered)

    const later = JSON.parse(remembered)
    later.nonces = []
    for (const [field, value] of [
      ['clock', String(BigInt(later.newest.clock) + 1n)],
      ['restartCount', later.newest.restartCount + 1],
      ['resetCount', later.newest.resetCount + 1],
    ] as const) {
      writeFileSync(
        dir.in('host.json'),
        JSON.stringify({ ...later, newest: { ...later.newest, [field]: value } }),
      )
      const { status, found } = await verify(...history)
      expect(status).toBe(1)
      expect(found.reasons.map((r: { code: string }) => r.code)).toEqual(['CLOCK_ROLLED_BACK'])
    }
    // Another host's file, and half a file, are errors.
    const other = ['--key', file('ak.pem', 'debian13-uki-secureboot')]
    expect(await verify(...other, ...history)).toMatchObject({ status: 2, found: null })
    writeFileSync(dir.in('host.json'), remembered.slice(0, 100))
    expect(await verify(...history)).toMatchObject({ status: 2, found: null })
  })

  test('appraises by reference values a host of which there is only the public key, as tpm2-tools write it', async () => {
    await writ(['key', 'new', dir.in('operator')])
    await writ(['key', 'new', dir.in('stranger')])
    const evidence = [
      '--attest',
      file('quote.msg'),
      '--signature',
      file('quote.sig'),
      '--quote-key',
      file('ak.pem'),
    ]
    const logged = ['--event-log', file('eventlog.bin'), '--userspace-log', file('userspace.jsonseq')]
    const captured = ['reference', 'capture', ...evidence, ...logged, '--ima-log', file('ima.bin')]
    await writ([...captured, '--name', 'web', '--component', 'any', '--out', dir.in('captured.json')])
    const values = dir.in('reference.json')
    await writ([
      'reference',
      'sign',
      dir.in('captured.json'),
      '--key',
      dir.in('operator.key'),
      '--out',
      values,
    ])
    const reference = ['--reference', values, '--operator-key', dir.in('operator.pub')]

    const good = await verify(...logs(), ...reference)
    expect(good.status).toBe(0)
    const said = { property: 'reference values', status: 'VERIFIED' }
    expect(good.found.properties).toContainEqual(expect.objectContaining(said))
    const host = 'debian13-uki-secureboot'
    const quote = ['--attest', file('quote.msg', host), '--signature', file('quote.sig', host)]
    const other = await verify(...logs(host), ...reference, ...quote, '--key', file('ak.pem', host))
    expect(other.status).toBe(1)
    expect(other.found.reasons.map((r: { code: string }) => r.code)).toContain('SECURE_BOOT_MISMATCH')

    // Whose values they are, and whether they are any, is part of the answer; what to appraise has to be there.
    const refused = await verify(...logs(), ...reference, '--operator-key', dir.in('stranger.pub'))
    expect(refused).toMatchObject({ status: 1, found: null })
    writeFileSync(dir.in('half.json'), readFileSync(values).subarray(0, 100))
    expect(await verify(...logs(), ...reference, '--reference', dir.in('half.json'))).toMatchObject({
      status: 1,
    })
    expect(await verify(...reference)).toMatchObject({ status: 2, found: null })
    const few = await verify(...logs(), ...reference, '--pcrs-selected', 'sha256:0,1')
    expect(few).toMatchObject({ status: 2, found: null })
  })

  test.each([
    [['--pcrs-selected', 'sha256:0,0']],
    [['--nonce', 'x']],
    [['--signature-format', 'dsa']],
    [['--reference', file('ak.pem')]],
  ])('takes %j for wrong use', async args => {
    expect(await verify(...args)).toMatchObject({ status: 2, found: null })
  })
})
