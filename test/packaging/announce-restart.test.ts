import { spawnSync } from 'node:child_process'
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'

const SCRIPT = resolve(import.meta.dirname, '../../packaging/systemd/announce-restart')

/** Of systemctl: the daemon has heard, and says so. */
const HEARD = '[ "$1" != show ] || exec echo a restart is announced'

/** A daemon that says which signals it got, told of by a service manager with these jobs. */
const told = `trap 'echo announced' USR2
PATH=$1:$PATH "$2" "$3" || echo failed
PATH=$1:$PATH "$2" $$ || echo failed`

describe('announce-restart', () => {
  const dir = mkdtempSync(join(tmpdir(), 'writ-announce-'))
  afterAll(() => rmSync(dir, { recursive: true, force: true }))

  const run = (systemctl: string, other = '', show = HEARD) => {
    writeFileSync(join(dir, 'systemctl'), `#!/bin/sh\n${show}\n${systemctl}\n`)
    chmodSync(join(dir, 'systemctl'), 0o755)
    return spawnSync('/bin/sh', ['-c', told, 'daemon', dir, SCRIPT, other], { encoding: 'utf8' }).stdout
  }

  test('announces a restart, once', () => {
    expect(run('echo "12 other.service start waiting"; echo "13 writd.service restart running"')).toBe(
      'announced\n',
    )
  })

  test('ends when the daemon has said that it has heard, and not before; or after two seconds', () => {
    const asked = join(dir, 'asked')
    const job = 'echo "13 writd.service restart running"'
    const begin = performance.now()
    expect(
      run(
        `[ "$1" = show ] || exec ${job}\necho x >>${asked}\n[ $(wc -l <${asked}) -lt 4 ] || echo 'a restart is announced'`,
        '',
        '',
      ),
    ).toBe('announced\n')
    expect(readFileSync(asked, 'utf8')).toBe('x\n'.repeat(4))
    expect(performance.now() - begin).toBeGreaterThan(300)
    expect(run(`[ "$1" = show ] || exec ${job}\necho x >>${asked}`, '', '')).toBe('announced\n')
    expect(readFileSync(asked, 'utf8')).toBe('x\n'.repeat(24))
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
