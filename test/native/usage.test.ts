import { spawnSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'

const LAUNCHD = new URL('../../native/build/writ-launchd', import.meta.url).pathname

describe('writ-launchd', () => {
  it.each([
    ['when asked', ['--help'], 0],
    ['when used wrongly', ['--colour'], 2],
    ['when told nothing', [], 2],
  ])('shows its usage %s', (_, args, wanted) => {
    const { status, stdout, stderr } = spawnSync(LAUNCHD, args, { encoding: 'utf8' })
    const usage = 'usage: writ-launchd --config FILE\n'
    expect({ status, stdout, stderr }).toEqual({
      status: wanted,
      stdout: wanted === 0 ? usage : '',
      stderr: wanted === 0 ? '' : usage,
    })
  })
})
