import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'

const MAIN = join(import.meta.dirname, '../../daemon/main.ts')
const dir = mkdtempSync(join(tmpdir(), 'writ-main-'))
afterAll(() => rmSync(dir, { recursive: true, force: true }))

function writd(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, ...args], { encoding: 'utf8' })
  return { status, stdout, stderr }
}

describe('writd', () => {
  it('shows its usage when asked', () => {
    expect(writd('--help')).toEqual({
      status: 0,
      stdout: 'usage: writd [--config FILE]   (default: /etc/writ/writd.toml)\n',
      stderr: '',
    })
  })

  it('shows its usage when used wrongly', () => {
    const { status, stdout, stderr } = writd('--colour')
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
    expect(stderr).toMatch(/\nusage: writd /)
  })

  it('names the file that is wrong, in one line', () => {
    const file = join(dir, 'writd.toml')
    writeFileSync(file, '[trust]\ngovernance_keys = ["/k"]\n[daemon]\nsocket = "x"\n', { mode: 0o644 })
    expect(writd('--config', file)).toEqual({
      status: 1,
      stdout: '',
      stderr: `writd: ${file}, line 4: daemon.socket has to be an absolute path [CONFIG_BAD_VALUE]\n`,
    })
  })
})
