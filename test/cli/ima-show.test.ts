import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { imaEntry } from '../attestation/ima-log.ts'
import { CHECKOUT } from '../support/programs.ts'
import { temporaryDirectory, writ } from './cli.ts'

const recorded = (name: string): string => join(CHECKOUT, 'test/fixtures/hosts/debian13-uki', name)
const dir = temporaryDirectory()
afterAll(() => dir.remove())

async function show(...args: string[]) {
  const { status, stdout, stderr } = await writ(['ima', 'show', '--json', ...args])
  return { status, stderr, json: stdout === '' ? null : JSON.parse(stdout) }
}

describe('writ ima show', () => {
  test('comes to the same values from both forms', async () => {
    const [binary, ascii] = await Promise.all([show(recorded('ima.bin')), show(recorded('ima.ascii'))])
    expect([binary.status, ascii.status]).toEqual([0, 0])
    expect(binary.json).toMatchObject({ form: 'binary', entries: 509, violations: 0, badEntries: 0 })
    expect(ascii.json).toEqual({ ...binary.json, form: 'ascii' })
    const { pcr10 } = binary.json
    const covered = await show('--pcr10', `sha256:${pcr10.sha256}`, '--bank', 'sha256', recorded('ima.bin'))
    expect(covered).toMatchObject({ status: 0, json: { pcr10: { sha256: pcr10.sha256 } } })
    expect(covered.json.quoted).toMatchObject({ attested: { sha256: 509 }, faults: [] })
    const not = await show('--pcr10', `sha256:${'00'.repeat(32)}`, recorded('ima.bin'))
    expect(not).toMatchObject({ status: 1, json: { quoted: { attested: {} } } })
  })

  test('lists every entry in a line', async () => {
    const { status, stdout } = await writ(['ima', 'show', '--list', '--json', recorded('ima.bin')])
    const lines = stdout.trimEnd().split('\n')
    expect([status, lines.length]).toEqual([0, 509])
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({ index: 0, path: 'boot_aggregate', bound: true })
  })

  test('names what is wrong, with exit status 1', async () => {
    writeFileSync(dir.in('cut.bin'), imaEntry().subarray(0, -1))
    const cut = await show(dir.in('cut.bin'))
    expect(cut).toMatchObject({ status: 1, json: { error: { code: 'IMA_LOG_TRUNCATED', offset: 0 } } })
    writeFileSync(dir.in('lie.bin'), Buffer.concat([imaEntry(), imaEntry({ column: Buffer.alloc(20, 1) })]))
    expect(await show(dir.in('lie.bin'))).toMatchObject({ status: 1, json: { firstBadEntry: 1 } })
    const listed = await writ(['ima', 'show', '--list', '--json', dir.in('cut.bin')])
    expect(listed.status).toBe(1)
    expect(JSON.parse(listed.stdout)).toMatchObject({ error: { code: 'IMA_LOG_TRUNCATED' } })
    expect((await show(dir.in('none'))).status).toBe(2)
    expect((await show('--pcr10', 'sha256:00', recorded('ima.bin'))).status).toBe(2)
  })
})
