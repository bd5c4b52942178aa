import { spawnSync } from 'node:child_process'
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import {
  lockFaults,
  settingFaults,
  versionFaults,
  workflowFaults,
} from '../../packaging/supply-chain/rules.ts'
import { HOUSE } from './built-package.ts'

const integrity = `sha512-${Buffer.alloc(64, 7).toString('base64')}`
const GOOD = { version: '1.0.0', integrity, license: 'MIT' }

describe('what comes from others', () => {
  test('is as it should be in this checkout, and the page of licences is what the lock says', () => {
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      [join(HOUSE, 'packaging/supply-chain/check.ts')],
      { encoding: 'utf8' },
    )
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect(stdout).toMatch(/^supply-chain: \d{3} packages and 1 workflows looked at, 0 faults\n$/)
  })

  test.each([
    ['names a host', { ...GOOD, resolved: 'https://example.org/a.tgz' }, 'names where it is downloaded'],
    ['has no digest', { version: '1.0.0', license: 'MIT' }, 'pinned by no SHA-512'],
    [
      'has a weak digest',
      { ...GOOD, integrity: 'sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk=' },
      'pinned by no SHA-512',
    ],
    ['is another one', { ...GOOD, name: 'b' }, 'is another package, b'],
    ['brings a script', { ...GOOD, hasInstallScript: true }, 'script for its installation'],
    ['is under another licence', { ...GOOD, license: 'AGPL-3.0' }, 'has the licence AGPL-3.0'],
    ['is under a licence for tools alone', { ...GOOD, license: 'MPL-2.0' }, 'for what is distributed'],
    ['says no licence', { version: '1.0.0', integrity }, 'has the licence (none)'],
  ])('a package in the lock that %s is found', (_, pin, fault) => {
    expect(lockFaults(new Map([['node_modules/a', pin]]))).toEqual([expect.stringContaining(fault)])
  })

  test('a tool may be under more licences, and a known script is known by its package and its version alone', () => {
    const tool = { ...GOOD, license: 'MPL-2.0', dev: true }
    const known = { ...GOOD, version: '7.6.6', hasInstallScript: true }
    expect(
      lockFaults(
        new Map([
          ['node_modules/a', GOOD],
          ['node_modules/b', tool],
          ['node_modules/x/node_modules/protobufjs', known],
        ]),
      ),
    ).toEqual([])
    expect(lockFaults(new Map([['node_modules/protobufjs/node_modules/x', known]]))).toHaveLength(1)
    expect(lockFaults(new Map([['node_modules/protobufjs', { ...known, version: '7.6.7' }]]))).toHaveLength(1)
  })

  test('a version that is none, settings that let scripts run, and actions that can be moved are found', () => {
    for (const version of ['^1.0.0', '*', 'github:a/b', 'file:../a', 'latest'])
      expect(versionFaults({ dependencies: { a: version } })).toHaveLength(1)
    expect(settingFaults('ignore-scripts=false\n')).toHaveLength(2)
    const off = 'omit-lockfile-registry-resolved=true\nignore-scripts=true\n'
    expect(settingFaults(off)).toEqual([])
    for (const more of [
      ...['ignore-scripts=false', ' ignore-scripts = false ; really', 'ignore-scripts='],
      ...['"ignore-scripts"=false', 'ignore-scripts[]=false', 'ignore-scripts', 'ignore-scripts=$' + '{OFF}'],
    ])
      expect(settingFaults(`${off}${more}\n`), more).toHaveLength(1)
    // Below a section npm takes it for a part of that.
    expect(settingFaults(`[x]\n${off}`)).toHaveLength(1)
    expect(settingFaults(`# why\n\n; that\n${off}`)).toEqual([])
    const workflow = (step: string) =>
      `permissions:\n  contents: read\njobs:\n  a:\n    steps:\n      - uses: ${step}\n`
    const hash = 'a'.repeat(40)
    expect(workflowFaults('ci.yml', workflow(`actions/checkout@${hash} # v5.0.0`))).toEqual([])
    for (const step of [
      'actions/checkout@v5',
      `actions/checkout@${hash}`,
      `actions/checkout@${hash.slice(1)} # v5.0.0`,
      './local',
      'docker://alpine:3',
    ])
      expect(workflowFaults('ci.yml', workflow(step))).toHaveLength(1)
    const good = workflow(`a/b@${hash} # v1.0.0`)
    expect(workflowFaults('ci.yml', 'on: pull_request_target\n')).toHaveLength(2)
    const ways: [string, string][] = [
      ['an action in braces', `${good}      - { uses: a/b@v1 }\n`],
      ['an action in quotes', `${good}      - "uses": a/b@v1\n`],
      ['an action by an escape', `${good}      - "\\x75ses": a/b@v1\n`],
      ['an action by a long key', `${good}      - ? uses\n        : a/b@v1\n`],
      ['a job with more rights', good.replace('  a:\n', '  a:\n    permissions: write-all\n')],
      ['a job with rights in braces', good.replace('  a:\n', '  a: { permissions: { contents: write } }\n')],
      ['more rights after an empty line', good.replace('read\n', 'read\n\n \n  actions: write\n')],
      ['a second set of rights', `${good}permissions: write-all\n`],
      ...[
        'github.event.issue.title',
        'github.head_ref',
        "github['event'].x",
        'toJSON(github)',
        'secrets.KEY',
      ].map((what): [string, string] => [what, `${good}      - run: echo \${{ ${what} }}\n`]),
      ['a branch in a command', `${good}      - run: echo \${{ github.ref }}\n`],
      ['words over lines', `${good}      - run: echo \${{\n        github.head_ref }}\n`],
      [
        'words over lines, the first harmless',
        `${good}      - run: echo \${{ github.sha\n        || github.head_ref }}\n`,
      ],
      [
        "words in a script's comment",
        `${good}      - run: |\n          # \${{ github.event.pull_request.body }}\n`,
      ],
      ['a line of another kind in a comment', `# \r      - uses: a/b@v1\n${good}`],
      ['an event by an escape', `on: ["pull_request\\u005ftarget"]\n${good}`],
      ['an event of strangers', `on: [workflow_run]\n${good}`],
    ]
    expect(workflowFaults('ci.yml', good)).toEqual([])
    for (const [way, text] of ways) expect(workflowFaults('ci.yml', text), way).not.toEqual([])
    expect(workflowFaults('ci.yml', `${good}      - run: echo \${{ github.sha }}\n`)).toEqual([])
  })
})

describe('the audit of signatures', () => {
  const dir = mkdtempSync(join(tmpdir(), 'writ-audit-'))
  afterAll(() => rmSync(dir, { recursive: true, force: true }))

  /** What it makes of an npm that says this. */
  function audit(said: string, status: number) {
    writeFileSync(join(dir, 'npm'), `#!/bin/sh\ncat <<'END'\n${said}\nEND\nexit ${status}\n`)
    chmodSync(join(dir, 'npm'), 0o755)
    return spawnSync('sh', [join(HOUSE, 'packaging/supply-chain/audit.sh')], {
      encoding: 'utf8',
      env: { PATH: `${dir}:/usr/bin:/bin` },
    })
  }

  test('passes where signatures were verified, and says so', () => {
    const result = audit('audited 205 packages in 3s\n\n205 packages have verified registry signatures', 0)
    expect(result).toMatchObject({
      status: 0,
      stdout: expect.stringContaining('205 packages have verified'),
      stderr: '',
    })
  })

  test('fails where one does not verify, also where others cannot be had', () => {
    expect(audit('1 package has an invalid registry signature:\n\na@1.0.0', 1).status).toBe(1)
    expect(
      audit(
        'npm error ENOTFOUND\n1 package has a missing registry signature but the registry is providing signing keys',
        1,
      ).status,
    ).toBe(1)
    expect(audit('npm error code EATTESTATIONVERIFY', 1).status).toBe(1)
  })

  test('is left out, with a message, where there is nobody to ask or nothing is signed', () => {
    for (const [said, status] of [
      ['npm error code ENOTFOUND', 1],
      ['npm error found no dependencies to audit that were installed from a supported registry', 1],
      ['audited 0 packages in 0s', 0],
    ] as const)
      expect(audit(said, status)).toMatchObject({
        status: 0,
        stderr: expect.stringContaining('audit: SKIPPED'),
      })
  })

  test('does not take a failure that nobody knows for one of the network', () => {
    expect(audit('npm error code EJSONPARSE', 1)).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('not known'),
    })
  })

  test('is asked of every change', () => {
    expect(readFileSync(join(HOUSE, '.github/workflows/ci.yml'), 'utf8')).toContain('npm run audit')
  })
})
