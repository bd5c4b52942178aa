import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { GovernedHost, NEEDS_ROOT, WRITD } from './governed-host.ts'

const SECRETS = ['secrets.json', 'log.key']

/** A host as the package has it: what is secret belongs to root, and each start of the daemon is handed it. */
describe.skipIf(NEEDS_ROOT !== null)('secrets as credentials', () => {
  let host: GovernedHost
  beforeAll(async () => {
    host = await GovernedHost.start({ credentials: true })
  }, 120_000)
  afterAll(() => host?.close())

  const init = (...more: string[]) =>
    host.writ([
      ...['init', '--user', `${WRITD.uid}:${WRITD.gid}`, '--state-dir', host.path('state')],
      ...['--tpm', `swtpm:${host.tpm.paths.socket}`, '--json', ...more],
    ])

  test("are root's alone, and none is in the state directory", async () => {
    for (const name of SECRETS) {
      const { uid, mode } = statSync(host.path(`credentials/${name}`))
      expect({ uid, mode: mode & 0o777 }).toEqual({ uid: 0, mode: 0o600 })
      expect(existsSync(host.path(`state/identity/${name}`))).toBe(false)
    }
    expect(statSync(host.path('credentials')).mode & 0o777).toBe(0o700)
    expect((await host.status()).state).toBe('ATTESTED')
  })

  test('are needed both: one that was left in the state directory does not stand in for one that is missing', async () => {
    await host.stopDaemon()
    renameSync(host.path('credentials/log.key'), host.path('kept'))
    copyFileSync(host.path('kept'), host.path('state/identity/log.key'))
    await expect(host.startDaemon()).rejects.toThrow(/log\.key cannot be read/)
    rmSync(host.path('state/identity/log.key'))
    renameSync(host.path('kept'), host.path('credentials/log.key'))
  })

  test('that everybody could read are refused', async () => {
    const handed = host.path('open')
    mkdirSync(handed, { mode: 0o755 })
    for (const name of SECRETS) {
      copyFileSync(host.path(`credentials/${name}`), `${handed}/${name}`)
      chmodSync(`${handed}/${name}`, 0o444)
    }
    await expect(host.startDaemon({ CREDENTIALS_DIRECTORY: handed })).rejects.toThrow(/IDENTITY_EXPOSED/)
  })

  test('of a host that had them in its state directory are moved by the next init, and by nothing else', async () => {
    const before = SECRETS.map(name => readFileSync(host.path(`credentials/${name}`)))
    for (const name of SECRETS) {
      renameSync(host.path(`credentials/${name}`), host.path(`state/identity/${name}`))
      chownSync(host.path(`state/identity/${name}`), WRITD.uid, WRITD.gid)
    }
    // Without the option the older layout goes on.
    expect((await init()).code).toBe(0)
    expect(existsSync(host.path('credentials/log.key'))).toBe(false)
    await host.startDaemon()
    await host.attested()
    await host.stopDaemon()

    const { code, stdout } = await init('--credentials', host.path('credentials'))
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ created: false, credentials: host.path('credentials') })
    expect(SECRETS.map(name => readFileSync(host.path(`credentials/${name}`)))).toEqual(before)
    for (const name of SECRETS) expect(existsSync(host.path(`state/identity/${name}`))).toBe(false)
    await host.startDaemon()
    await host.attested()
    await host.stopDaemon()
  }, 60_000)

  test("are not taken through a link that the daemon's user left, nor over another secret", async () => {
    renameSync(host.path('credentials/log.key'), host.path('kept'))
    symlinkSync('/etc/shadow', host.path('state/identity/log.key'))
    const linked = await init('--credentials', host.path('credentials'))
    expect(linked).toMatchObject({ code: 1, stderr: expect.stringMatching(/is not a file that/) })
    expect(existsSync(host.path('credentials/log.key'))).toBe(false)

    rmSync(host.path('state/identity/log.key'))
    renameSync(host.path('kept'), host.path('credentials/log.key'))
    writeFileSync(host.path('state/identity/log.key'), 'another')
    const two = await init('--credentials', host.path('credentials'))
    expect(two).toMatchObject({ code: 1, stderr: expect.stringMatching(/two different secrets/) })
    rmSync(host.path('state/identity/log.key'))
  })
})
