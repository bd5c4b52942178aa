import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { HOUSE } from './built-package.ts'

const PROFILE = join(HOUSE, 'packaging/apparmor/writd')
/** What a kernel can do that enforces all that the profile says, in the place of the one here. */
const FEATURES = '--kernel-features=/etc/apparmor.d/abi/3.0'
const parser = spawnSync('apparmor_parser', ['--version'])

/** What the profile says with all that it includes, one rule a line; not what variables stand for. */
function rules(): string[] {
  // No kernel is asked: neither loaded nor looked up what the one here can do.
  const { stdout } = spawnSync(
    'apparmor_parser',
    ['--skip-kernel-load', '--skip-cache', '--preprocess', PROFILE],
    { encoding: 'utf8' },
  )
  const lines = stdout.split('\n').map(line => line.trim().replace(/\s+/g, ' '))
  return lines.filter(
    line => line !== '' && !line.startsWith('#') && !/^(@\{\w+\} ?\+?=|abi |profile |\})/.test(line),
  )
}

describe.skipIf(parser.error !== undefined)('the AppArmor profile of writd (needs apparmor_parser)', () => {
  test('is taken by the parser, without a warning', () => {
    const { status, stdout, stderr } = spawnSync(
      'apparmor_parser',
      ['--skip-kernel-load', '--skip-cache', '--warn=all', '--Werror', FEATURES, PROFILE],
      { encoding: 'utf8' },
    )
    const said = (stdout + stderr)
      .split('\n')
      .filter(line => line !== '' && !/interface file missing|optimization/i.test(line))
    expect({ status, said }).toEqual({ status: 0, said: [] })
  })

  test('lets it execute nothing, and map code from nowhere that it can write', () => {
    const files = rules().flatMap(rule => {
      const [, path = '', modes = ''] =
        /^(?:owner |audit )*([/@]\S*) ([a-zA-Z]+)(?: ->.*)?,$/.exec(rule) ?? []
      return path === '' ? [] : [{ path, modes }]
    })
    expect(files.length).toBeGreaterThan(25)
    expect(files.filter(({ modes }) => /x/i.test(modes))).toEqual([])
    expect(files.filter(({ modes }) => modes.includes('m') && /[wal]/.test(modes))).toEqual([])
    const mapped = files.filter(({ modes }) => modes.includes('m')).map(({ path }) => path)
    expect(mapped.toSorted()).toEqual([
      '/usr/lib/writ/writ.node',
      '/usr/lib/writ/writd',
      '/{usr/,}lib{,32,64}/{,@{multiarch}/}*.so*',
    ])
    const written = files.filter(({ modes }) => /[wal]/.test(modes)).map(({ path }) => path)
    for (const path of written)
      expect(path).toMatch(/^(\/var\/lib\/writ\/|\/tmp\/|\/dev\/(tpmrm|\{null)|@\{run\}\/)/)
  })

  test('gives it no capability, no network but Unix sockets, no way out of the profile', () => {
    const others = rules().filter(rule => !/^(?:owner |deny )*[/@]/.test(rule))
    expect(
      others.filter(rule =>
        /^(capability|mount|umount|pivot_root|change_profile|userns|ptrace|dbus)/.test(rule),
      ),
    ).toEqual([])
    expect(others.filter(rule => rule.startsWith('network'))).toEqual([
      'network unix stream,',
      'network unix dgram,',
      'network unix seqpacket,',
    ])
    expect(rules()).toContain('deny /etc/writ/credentials/{,**} rwmlk,')
  })

  test('is what the unit asks for, and does not insist on', () => {
    const unit = readFileSync(join(HOUSE, 'packaging/systemd/writd.service'), 'utf8')
    expect(unit).toMatch(/^AppArmorProfile=-writd$/m)
    expect(readFileSync(PROFILE, 'utf8')).toMatch(/^profile writd /m)
  })
})
