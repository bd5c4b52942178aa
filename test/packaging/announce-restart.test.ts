import { spawnSync } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'

const SCRIPT = resolve(import.meta.dirname, '../../packaging/systemd/announce-restart')

/** A daemon that says which signals it got, told of by a service manager with these jobs. */
const told = `trap 'echo announced' USR2
PATH=$1:$PATH "$2" "$3" || echo failed
PATH=$1:$PATH "$2" $$ || echo failed`

describe('announce-restart', () => {
  const dir = mkdtempSync(join(tmpdir(), 'writ-announce-'))
  afterAll(() => rmSync(dir, { recursive: true, force: true }))

  const run = (systemctl: string, other = '') => {
    writeFileSync(join(dir, 'systemctl'), `#!/bin/sh\n${systemctl}\n`)
    chmodSync(join(dir, 'systemctl'), 0o755)
    return spawnSync('/bin/sh', ['-c', told, 'daemon', dir, SCRIPT, other], { encoding: 'utf8' }).stdout
  }

  test('announces a restart, once', () => {
    expect(run('echo "12 other.service start waiting"; echo "13 writd.service restart running"')).toBe(
      'announced\n',
    )
  })

  test.each([
    ['a stop', 'echo "13 writd.service stop running"'],
    ['a restart of something else', 'echo "13 writd.service.d restart running"; echo "14 x restart running"'],
    ['no job', 'true'],
    ['a service manager that does not answer', 'exit 1'],
    ['nothing that it knows', 'echo restart; echo "13 writd.service"'],
  ])('announces nothing for %s', (_, systemctl) => {
    expect(run(systemctl)).toBe('')
  })

  test.each(['', '0', '1', '-1', '12x'])('signals nobody for the process %j', pid => {
    expect(run('echo "13 writd.service restart running"', pid)).toBe('announced\n')
  })
})
