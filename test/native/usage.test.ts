import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'

const LAUNCHD = join(import.meta.dirname, '../../native/build/writ-launchd')

describe('writ-launchd', () => {
  it.each([
    ['when asked', ['--help'], 0],
    ['when used wrongly', ['--colour'], 2],
    ['when told nothing', [], 2],
  ])('shows its usage %s', (_, args, wanted) => {
    const { status, stdout, stderr } = spawnSync(LAUNCHD, args, { encoding: 'utf8' })
    const usage = 'usage: writ-launchd --config FILE [--check]\n'
    expect({ status, stdout, stderr }).toEqual({
      status: wanted,
      stdout: wanted === 0 ? usage : '',
      stderr: wanted === 0 ? '' : usage,
    })
  })
})
