import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { GivenAnswers } from '../../cli/setup/answers.ts'
import type { StepContext } from '../../cli/setup/step.ts'
import { configuration } from '../../cli/setup/steps/configuration.ts'
import { shippedFile } from '../../encoding/shipped.ts'
import { contextIn } from './setup-context.ts'

let etc: string
beforeEach(() => {
  // A name that a shell would take apart.
  etc = join(mkdtempSync(join(tmpdir(), 'writ-etc-')), 'of a $(host) "x"')
  mkdirSync(etc)
})
afterEach(() => rmSync(join(etc, '..'), { recursive: true }))

const at = (name: string) => join(etc, name)
const text = (name: string) => readFileSync(at(name), 'utf8')

/** In the stage of an image, where nothing of the host is looked at but the two files. */
function context(given: GivenAnswers): StepContext {
  return contextIn(etc, { ...given, daemon: { user: '61190:61190', ...given.daemon } }, 'image')
}

/** What state it found, once all is done. */
async function configure(given: GivenAnswers = {}): Promise<string> {
  const found = await configuration.look(context(given))
  if (found.state === 'to do') await found.carryOut()
  return found.state
}

describe('the configuration', () => {
  test("as it is shipped becomes what the answers say, the launcher's too, and then stays", async () => {
    writeFileSync(at('writd.toml'), shippedFile('daemonConfig'))
    writeFileSync(at('launchd.conf'), shippedFile('launcherConfig'))
    const given: GivenAnswers = { places: { ima_log: 'none', event_log: '/srv/events' } }
    expect(await configure(given)).toBe('to do')
    expect(text('writd.toml')).toContain(`governance_keys = [${JSON.stringify(at('operator.pub'))}]`)
    const launcher = text('launchd.conf')
    expect(launcher).toContain('\nevent_log = /srv/events\n')
    expect(launcher).toContain('\nwritd_uid = 61190\nwritd_gid = 61190\n')
    expect(launcher).not.toMatch(/^(ima_log|writd_user) =/m)
    expect(await configure(given)).toBe('done')
    expect(text('launchd.conf')).toBe(launcher)
  })

  test('of the launcher is not written with what the launcher would refuse', async () => {
    writeFileSync(at('launchd.conf'), shippedFile('launcherConfig'))
    for (const event_log of [
      '/srv/x\ncgroup = /sys/fs/cgroup/mine',
      '/srv/ends with ',
      `/${'x'.repeat(300)}`,
    ]) {
      const outcome = configure({ places: { event_log } })
      await expect(outcome, event_log).rejects.toMatchObject({ code: 'USAGE' })
    }
    expect(text('launchd.conf')).toBe(shippedFile('launcherConfig').toString())
  })

  test("of the launcher that is somebody's own is not overwritten, and not passed over", async () => {
    await configure()
    const own = text('launchd.conf').replace(/^ima_log = .*$/m, 'ima_log = /srv/ima')
    writeFileSync(at('launchd.conf'), own)
    await expect(configure()).rejects.toMatchObject({
      code: 'FILE_EXISTS',
      message: expect.stringContaining('says ima_log = /srv/ima'),
      next: expect.stringContaining('ima_log = /sys/kernel/security/ima/'),
    })
    await expect(
      configure({ places: { ima_log: '/srv/ima' }, daemon: { user: '61191:61191' } }),
    ).rejects.toMatchObject({ code: 'FILE_EXISTS', message: expect.stringContaining('writd_uid = 61190') })
    expect(text('launchd.conf')).toBe(own)
  })

  test('is written into a directory behind a link, and into none that others can write', async () => {
    symlinkSync(etc, `${etc}-link`)
    expect(await configure({ places: { etc: `${etc}-link` } })).toBe('to do')
    expect(text('writd.toml')).toContain('governance_keys')
    rmSync(at('writd.toml'))
    chmodSync(etc, 0o777)
    await expect(configure()).rejects.toMatchObject({ code: 'HOST_UNFIT' })
    expect(existsSync(at('writd.toml'))).toBe(false)
  })

  test('behind a link is changed where the link leads, with its mode; a link that leads nowhere stays', async () => {
    writeFileSync(at('real.toml'), '# mine\n')
    chmodSync(at('real.toml'), 0o640)
    symlinkSync('real.toml', at('writd.toml'))
    expect(await configure()).toBe('to do')
    expect(lstatSync(at('writd.toml')).isSymbolicLink()).toBe(true)
    expect(text('real.toml')).toMatch(/^# mine\n[\s\S]*governance_keys/)
    expect(statSync(at('real.toml')).mode & 0o777).toBe(0o640)
    rmSync(at('real.toml'))
    await expect(configure()).rejects.toMatchObject({ code: 'FILE_EXISTS' })
    expect(lstatSync(at('writd.toml')).isSymbolicLink()).toBe(true)
  })
})
