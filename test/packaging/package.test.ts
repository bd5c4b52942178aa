import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import {
  existsSync,
  lstatSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { GovernedHost, WRITD } from '../system/governed-host.ts'
import { reflectedServices } from '../system/reflected-services.ts'
import { bomFaults } from './bom-faults.ts'
import { BuiltPackage, HOUSE, IS_ROOT, succeed, traitorLibrary } from './built-package.ts'

const shipped = (path: string): string => readFileSync(join(HOUSE, path), 'utf8')
const VERSION = JSON.parse(shipped('package.json')).version as string
const USAGE = 'usage: writd [--config FILE]   (default: /etc/writ/writd.toml)\n'

let built: BuiltPackage
beforeAll(() => {
  built = new BuiltPackage()
}, 240_000)
afterAll(() => built?.remove())

describe('the executable', () => {
  it('is the tool when it is called writ, and says nothing but what was asked', () => {
    const { stdout, stderr, status } = built.writ(['--version'])
    expect({ stdout, stderr, status }).toEqual({ stdout: `${VERSION}\n`, stderr: '', status: 0 })
  })

  it('carries what the tool reads: configuration files, API, policies', () => {
    expect(built.writ(['config', 'default']).stdout).toBe(shipped('packaging/writd.toml'))
    expect(built.writ(['config', 'default', 'launchd']).stdout).toBe(shipped('packaging/launchd.conf'))
    const status = built.writ(['status', '--socket', built.path('nothing.sock')])
    expect(status.stderr).toContain('nothing.sock')
    expect(status.status).not.toBe(0)
  })

  it('evaluates Cedar: good policies are signed, bad ones refused', () => {
    const { directory } = built
    expect(built.writ(['key', 'new', 'operator']).status).toBe(0)
    succeed('mkdir', [join(directory, 'good'), join(directory, 'bad')])
    writeFileSync(join(directory, 'good/all.cedar'), 'permit (principal, action, resource);\n')
    writeFileSync(
      join(directory, 'bad/all.cedar'),
      'permit (principal, action, resource) when { context.nothing };\n',
    )
    const sign = (from: string) =>
      built.writ([
        'policy',
        'sign',
        from,
        '--version',
        '1',
        '--valid',
        'any',
        '--key',
        'operator.key',
        '--out',
        `${from}.json`,
      ])
    expect(sign('good')).toMatchObject({ status: 0 })
    expect(built.writ(['policy', 'show', 'good.json', '--operator-key', 'operator.pub'])).toMatchObject({
      status: 0,
    })
    const refused = sign('bad')
    expect(refused.status).not.toBe(0)
    expect(refused.stderr).toContain('nothing')
  })

  it('checks a configuration', () => {
    const file = built.path('writd.toml')
    writeFileSync(file, '[daemon]\nlog_level = "loud"\n', { mode: 0o600 })
    const { stdout, stderr } = built.writ(['config', 'check', file])
    expect(stdout + stderr).toContain('log_level')
  })
})

/** What in the environment has Node, or what it links, read code or more options, or open a door to a debugger. */
describe('no code comes from outside', () => {
  const ran = () => existsSync(built.path('ran'))
  const runtime = (env: Record<string, string>) => spawnSync(process.execPath, ['--eval', '0'], { env })
  beforeAll(() => {
    const write = `require('node:fs').writeFileSync(${JSON.stringify(built.path('ran'))}, '')`
    writeFileSync(built.path('traitor.cjs'), write)
    traitorLibrary(built.directory, built.path('ran'))
    // In the forms of OpenSSL 3 (provider) and before (engine).
    writeFileSync(
      built.path('openssl.cnf'),
      [
        'nodejs_conf = all',
        'openssl_conf = all',
        '[all]',
        'providers = list',
        'engines = list',
        '[list]',
        'traitor = it',
        '[it]',
      ]
        .concat([
          'activate = 1',
          'init = 1',
          `module = ${built.path('traitor.so')}`,
          `dynamic_path = ${built.path('traitor.so')}`,
        ])
        .join('\n'),
    )
  })

  it.each([
    ['NODE_OPTIONS', () => `--require=${built.path('traitor.cjs')}`],
    ['OPENSSL_CONF', () => built.path('openssl.cnf')],
  ])('by %s, which the plain runtime obeys', (name, value) => {
    runtime({ [name]: value() })
    expect(ran()).toBe(true)
    rmSync(built.path('ran'))
    expect(built.writ(['--version'], { env: { [name]: value() } })).toMatchObject({ status: 0, stderr: '' })
    expect(ran()).toBe(false)
  })

  it('by an option', () => {
    const required = `--require=${built.path('traitor.cjs')}`
    for (const option of [required, `--node-options=${required}`]) built.writ([option, '--version'])
    expect(ran()).toBe(false)
  })

  it('by NODE_COMPILE_CACHE: nothing is looked for there, so nothing is kept there', () => {
    const cache = built.path('cache')
    expect(built.writ(['--version'], { env: { NODE_COMPILE_CACHE: cache } }).status).toBe(0)
    const kept = existsSync(cache) ? readdirSync(cache, { recursive: true, withFileTypes: true }) : []
    expect(kept.filter(entry => entry.isFile())).toEqual([])
  })

  it('by SIGUSR1, at which the plain runtime opens a debugger', async () => {
    const socket = built.path('silent.sock')
    // Both wait for an answer that does not come, and are told to stop a moment after the signal.
    const asked = ['status', '--socket', socket]
    const wait = `require('node:net').connect(${JSON.stringify(socket)})`
    for (const [program, args, opens] of [
      [process.execPath, ['--eval', wait], true],
      [join(built.root, 'usr/bin/writ'), asked, false],
    ] as const) {
      let child: ChildProcess | undefined
      const server = createServer(() => {
        child?.kill('SIGUSR1')
        setTimeout(() => child?.kill('SIGTERM'), 1000)
      }).listen(socket)
      child = spawn(program, args, { stdio: 'pipe' })
      let said = ''
      child.stderr?.on('data', piece => {
        said += piece
      })
      await new Promise(done => child?.once('close', done))
      server.close()
      expect([program, said.includes('Debugger listening')]).toEqual([program, opens])
    }
  })

  describe.skipIf(!IS_ROOT)('in the installed daemon (needs root: a mount namespace)', () => {
    it('it runs under any name but writ, with the addon of its fixed place alone', () => {
      symlinkSync('/usr/lib/writ/writd', built.path('other-name'))
      for (const name of ['/usr/sbin/writd', '/usr/lib/writ/writd', built.path('other-name')]) {
        const { stdout, stderr } = built.installed([name, '--help'], { WRIT_ADDON: built.path('traitor.so') })
        expect({ name, stdout, stderr }).toEqual({ name, stdout: USAGE, stderr: '' })
      }
      expect(built.installed(['writ', '--version']).stdout).toBe(`${VERSION}\n`)
      expect(ran()).toBe(false)
    })

    it('started from elsewhere, it does not take the addon that lies there', () => {
      // Beside it there is a writ.node that leaves a trace. It is a copy: a link would lead to the installed one.
      succeed('cp', [join(built.root, 'usr/lib/writ/writd'), built.path('copy')])
      expect(built.installed([built.path('copy'), '--help']).stdout).toBe(USAGE)
      rmSync(built.path('copy'))
      expect(ran()).toBe(false)
    })

    it('serves a host: attested, with health and reflection, governing runs that the packaged tool asks for', async () => {
      const host = await GovernedHost.start({ through: built.installedAs(WRITD) })
      try {
        expect(readlinkSync(`/proc/${host.daemonPid}/exe`)).toBe('/usr/lib/writ/writd')
        const status = built.writ(['status', '--socket', host.socket])
        expect(status).toMatchObject({ status: 0, stderr: '' })
        expect(status.stdout).toContain(VERSION)
        expect(await reflectedServices(host.socket)).toContain('writ.v1.ExecutionService')
        const artifact = await host.issue('echo', ['/bin/echo', 'governed'], ['--uses', '1'])
        const run = ['run', '--socket', host.socket, '--artifact', artifact, '--', '/bin/echo', 'governed']
        expect(built.writ(run)).toMatchObject({ status: 0, stdout: 'governed\n' })
        expect(built.writ(run).stderr).toContain('REPLAYED')
      } finally {
        await host.close()
      }
    }, 120_000)

    it('finds its configuration missing, and says so in one line', () => {
      const { stderr, status } = built.installed(['writd', '--config', '/nonexistent.toml'])
      expect(status).toBe(1)
      expect(stderr).toMatch(/^writd: .*\/nonexistent\.toml.*\n$/)
    })
  })
})

describe('the package', () => {
  const read = (path: string): string => readFileSync(join(built.root, path), 'utf8')

  it('is the same bytes wherever, whenever and by whomever it is built', () => {
    const [first, again] = [built.packed(), built.builtElsewhere()]
    expect(spawnSync('cmp', [first, again], { encoding: 'utf8' })).toMatchObject({ status: 0, stdout: '' })
    for (const path of [first, again]) rmSync(path)
  }, 240_000)

  it('has the files that it should, each root-owned in mode', () => {
    const files = built.files()
    for (const path of [
      ...['etc/writ/launchd.conf', 'etc/writ/writd.toml'],
      ...['usr/lib/writ/writ-launchd', 'usr/lib/writ/writ.node', 'usr/lib/writ/writd'],
      ...['writ-launchd.service', 'writd.service', 'writd.socket'].map(
        unit => `usr/lib/systemd/system/${unit}`,
      ),
      ...[
        'usr/lib/sysusers.d/writ.conf',
        'usr/lib/tmpfiles.d/writ.conf',
        'usr/lib/udev/rules.d/60-writ.rules',
        'usr/lib/udev/rules.d/72-writ-accelerator.rules',
      ],
      ...['usr/share/writ/ima-policy', 'usr/share/writ/proto/writ/v1/execution.proto'],
      ...['usr/share/bash-completion/completions/writ', 'usr/share/zsh/vendor-completions/_writ'],
      ...[
        'usr/share/man/man1/writ.1.gz',
        'usr/share/man/man8/writd.8.gz',
        'usr/share/man/man8/writ-launchd.8.gz',
      ],
      ...[
        'etc/apparmor.d/writd',
        'usr/share/man/man5/writd.toml.5.gz',
        'usr/share/man/man5/writ-launchd.conf.5.gz',
      ],
      ...['usr/share/doc/writ/README.md', 'usr/share/doc/writ/docs/threat-model.md'],
    ]) {
      expect(files).toContain(path)
    }
    for (const path of files)
      expect([path, lstatSync(join(built.root, path)).mode & 0o7022]).toEqual([
        path,
        lstatSync(join(built.root, path)).isSymbolicLink() ? 0o022 : 0,
      ])
    expect(readlinkSync(join(built.root, 'usr/bin/writ'))).toBe('../lib/writ/writd')
    expect(readlinkSync(join(built.root, 'usr/sbin/writd'))).toBe('../lib/writ/writd')
  })

  it('names nothing of where it was built', () => {
    const tree = join(built.root, 'usr')
    for (const place of [HOUSE, built.directory]) {
      expect(spawnSync('grep', ['-rlF', place, tree], { encoding: 'utf8' }).stdout).toBe('')
    }
  })

  it('every link in it leads to something in it', () => {
    const broken: string[] = []
    const has = (path: string) => existsSync(join(built.root, path))
    let links = 0
    for (const page of built.files().filter(path => path.endsWith('.md'))) {
      for (const [, target = ''] of read(page).matchAll(/\]\(([^)\s]+)\)/g)) {
        if (/^(?:https?:|#)/.test(target)) continue
        links++
        const [path = '', anchor] = target.split('#')
        const to = join(dirname(page), path)
        const headings = anchor === undefined || !has(to) ? [] : read(to).matchAll(/^#+ (.*)$/gm)
        const anchors = [...headings].map(([, heading = '']) =>
          heading
            .toLowerCase()
            .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
            .replaceAll(' ', '-'),
        )
        if (!has(to) || (anchor !== undefined && !anchors.includes(anchor))) broken.push(`${page}: ${target}`)
      }
    }
    const etc = built.files().filter(path => path.startsWith('etc/'))
    const units = readdirSync(join(built.root, 'usr/lib/systemd/system'))
    const texts = [
      'usr/lib/systemd/catalog/writ.catalog',
      ...units.map(unit => `usr/lib/systemd/system/${unit}`),
      ...etc,
    ]
    for (const text of texts) {
      for (const [, path = ''] of read(text).matchAll(/\bfile:\/\/(\/\S+)/g)) {
        links++
        if (!has(path)) broken.push(`${text}: file://${path}`)
      }
      for (const [, name, section] of read(text).matchAll(/\bman:([\w-]+)\((\d)\)/g)) {
        links++
        if (!has(`usr/share/man/man${section}/${name}.${section}.gz`))
          broken.push(`${text}: ${name}(${section})`)
      }
    }
    expect(broken).toEqual([])
    expect(links).toBeGreaterThan(30)
  })

  it('its units start what it has', () => {
    for (const unit of readdirSync(join(built.root, 'usr/lib/systemd/system'))) {
      for (const [, program = ''] of read(`usr/lib/systemd/system/${unit}`).matchAll(
        /^Exec\w+=[-@:+!|]*(\S+)/gm,
      )) {
        // systemd's own is there where units are.
        if (program === '/usr/bin/systemctl') continue
        expect([unit, existsSync(join(built.root, program))]).toEqual([unit, true])
      }
    }
  })

  it('everything in /etc is a configuration file, everything else has a digest', () => {
    const etc = built.files().filter(path => path.startsWith('etc/'))
    expect(read('DEBIAN/conffiles').trim().split('\n')).toEqual(etc.map(path => `/${path}`))
    const digests = read('DEBIAN/md5sums')
    for (const path of built.files()) {
      if (/^(?:etc|DEBIAN)\//.test(path) || lstatSync(join(built.root, path)).isSymbolicLink()) continue
      expect(digests).toContain(`  ${path}\n`)
    }
  })

  it('depends on what its objects link and on what it calls', () => {
    const depends = /^Depends: (.*)$/m.exec(read('DEBIAN/control'))?.[1] ?? ''
    for (const name of ['libatomic1', 'libc6', 'libstdc++6', 'tpm2-tools', 'systemd'])
      expect(depends).toMatch(new RegExp(`(^|, )${name.replaceAll('+', '\\+')} \\(>= `))
    expect(depends).toContain('libtss2-tcti-device0t64 | libtss2-tcti-device0')
    expect(read('DEBIAN/control')).not.toMatch(/@[A-Z]+@/)
  })

  it('has no texts for debconf among its control files: apt would have a file executed before the package is there', () => {
    expect(built.files().filter(path => /^DEBIAN\/(?:config|templates)$/.test(path))).toEqual([])
    expect(read('usr/share/writ/debconf.templates')).toContain('Template: writ/restart-launcher')
    expect(read('DEBIAN/postinst')).toContain('db_x_loadtemplatefile /usr/share/writ/debconf.templates writ')
  })

  it('tells the licence of everything inside', () => {
    const text = read('usr/share/doc/writ/copyright')
    for (const name of ['@grpc/grpc-js', 'protobufjs', 'pino', '@cedar-policy/cedar-wasm', 'node-linux-*']) {
      expect(text).toContain(
        name === 'node-linux-*' ? 'Files: node_modules/node-linux-*\n' : `Files: node_modules/${name}/*\n`,
      )
    }
    // Development packages are not inside.
    for (const name of ['vitest', 'rolldown', 'typescript'])
      expect(text).not.toContain(`node_modules/${name}/`)
  })

  it('its bill of materials has every package inside, each file by its digest, and no loose ends', () => {
    const bom = JSON.parse(read('usr/share/doc/writ/writ.cdx.json'))
    expect(bomFaults(bom)).toEqual([])
    const copyright = [...read('usr/share/doc/writ/copyright').matchAll(/^Comment: (\S+ \d\S*)$/gm)]
    const packages = (bom.components as { purl?: string; name: string; version: string }[])
      .filter(({ purl, name }) => purl?.startsWith('pkg:npm/') && name !== 'node')
      .map(({ name, version }) => `${name} ${version}`)
    expect(packages.toSorted()).toEqual(copyright.map(([, what = '']) => what).toSorted())
    for (const { name, version } of Object.values(JSON.parse(JSON.stringify(bom.components))) as {
      name: string
      version?: string
    }[])
      if (name === 'node') expect(version).toBe(process.versions.node)
    for (const name of readdirSync(join(built.root, 'usr/lib/writ'))) {
      const { hashes } = bom.components.find((component: { name: string }) => component.name === name)
      const sha256 = succeed('sha256sum', [join(built.root, 'usr/lib/writ', name)]).slice(0, 64)
      expect(hashes).toEqual([{ alg: 'SHA-256', content: sha256 }])
    }
    // What is listed as distributed is what may be inside, and more than that is not.
    const listed = [...shipped('docs/licences.md').matchAll(/^\| (\S+) \| (\S+) \|/gm)].map(
      ([, name, version]) => `${name} ${version}`,
    )
    expect(packages.filter(name => !listed.includes(name))).toEqual([])
  })

  it('its changelog and its manual pages can be read', () => {
    const field = (name: string) =>
      succeed('sh', [
        '-c',
        `zcat ${built.root}/usr/share/doc/writ/changelog.gz | dpkg-parsechangelog -l - -S ${name}`,
      ])
    expect(field('Version').trim()).toBe(VERSION)
    // Every point, below the heading of its group.
    const source = readFileSync(join(HOUSE, 'CHANGELOG.md'), 'utf8').split(/^## /m)[1] ?? ''
    const changes = field('Changes')
    for (const [, heading] of source.matchAll(/^### (.*)$/gm))
      expect(changes).toContain(`\n  [ ${heading} ]\n`)
    expect(changes.match(/^ {2}\* /gm)).toHaveLength(source.match(/^- /gm)?.length ?? 0)
    expect(changes).not.toMatch(/^ *#/m)
    const [, ...lines] = source.split('\n').filter(line => line !== '')
    expect(lines[0]).toMatch(/^### /)
    expect(lines.filter(line => !/^(?:- |### )/.test(line))).toEqual([])
    for (const name of ['writd', 'writ-launchd']) {
      succeed('sh', ['-c', `zcat ${built.root}/usr/share/man/man8/${name}.8.gz | mandoc -T lint -W warning`])
    }
  })
})
