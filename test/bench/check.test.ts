import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join, resolve } from 'node:path'
import { text } from 'node:stream/consumers'
import { describe, expect, test } from 'vitest'
import { makeRow, missed, unmeasured } from '../../bench/measure.ts'

const HOUSE = resolve(import.meta.dirname, '../..')
const row = (name: string, ratio: number) => makeRow(name, 1.3, [1], ratio, 'what it is beside')

describe('bench --check', () => {
  test('lets no row pass that misses its goal, and none of a run that measured nothing', () => {
    const [good, edge, bad] = [row('good', 1), row('edge', 1.3), row('bad', 1.31)]
    const none = unmeasured('none', 1, 'not measured: there is no such program')
    expect(missed([good, edge])).toEqual([])
    expect(missed([good, bad, edge, none])).toEqual([bad])
    expect(missed([good, none])).toEqual([])
    expect(missed([none])).toEqual([none])
  })

  test('is what makes the exit status 1; without it a run is only told', async () => {
    const [told, checked] = await Promise.all([bench(), bench('--check')])
    expect(told).toMatchObject({ status: 0, stdout: expect.stringContaining('not measured: needs root') })
    expect(checked.status).toBe(1)
    expect(checked.stderr).toMatch(/^check: .*: not measured: needs root/m)
  })
})

/** A row that wants root, asked for by somebody who is told not to be. */
async function bench(...more: string[]) {
  const program = ['--import', 'data:text/javascript,process.getuid = () => 1', join(HOUSE, 'bench/main.ts')]
  const child = spawn(process.execPath, [...program, '--only', 'executions frozen', ...more])
  const [stdout, stderr, [status]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close'),
  ])
  return { status, stdout, stderr }
}
