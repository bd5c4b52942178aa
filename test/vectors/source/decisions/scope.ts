import type { Given } from '../../form.ts'
import { asked, type Case, type Group } from '../case.ts'
import {
  artifact,
  defaults,
  MODEL,
  MODEL_DIGEST,
  OTHER_DIGEST,
  PROGRAM,
  PROGRAM_DIGEST,
  request,
} from '../world.ts'

type Scope = Parameters<Parameters<typeof artifact>[0] & object>[0]['scope']
const signing = (fields: Partial<Scope>) => ({ artifact: artifact(it => Object.assign(it.scope, fields)) })
const limits = (fields: Partial<Given['request']['limits']>) =>
  asked({ limits: { ...request.limits, ...fields } })
const sandbox = (fields: Partial<Given['request']['sandbox']>) =>
  asked({ sandbox: { ...request.sandbox, ...fields } })
const [programSeen, modelSeen] = defaults.observed as [Given['observed'][number], Given['observed'][number]]
const EXCEEDED = ['subjects', 'SCOPE_EXCEEDED'] as const
const MISMATCH = ['subjects', 'SUBJECT_MISMATCH'] as const
const shared = { uid: 2000, gid: 2000, groups: [2001, 2002] }
const stdio = (stdin: 'pipe' | 'null' | 'terminal', stdout = stdin, stderr = stdin) => ({
  stdin,
  stdout,
  stderr,
})

const subjects: Case[] = [
  ['as signed', 'each path has the bytes that are signed', {}, 'permit'],
  [
    'another program',
    'other bytes at the path of the program',
    { observed: [{ path: PROGRAM, sha256: OTHER_DIGEST, size: 7 }, modelSeen] },
    MISMATCH,
  ],
  [
    'another model',
    'other bytes at another path',
    { observed: [programSeen, { path: MODEL, sha256: OTHER_DIGEST, size: 5 }] },
    MISMATCH,
  ],
  [
    'exchanged',
    'each at the place of the other',
    {
      observed: [
        { path: PROGRAM, sha256: MODEL_DIGEST, size: 5 },
        { path: MODEL, sha256: PROGRAM_DIGEST, size: 7 },
      ],
    },
    ['subjects', 'SUBJECT_MISMATCH', 'SUBJECT_MISMATCH'],
  ],
  [
    'not there',
    'a path cannot be opened',
    { observed: [programSeen, { path: MODEL, error: 'ENOENT' }] },
    MISMATCH,
  ],
  [
    'not looked at',
    'nothing was opened',
    { observed: [] },
    ['subjects', 'SUBJECT_MISMATCH', 'SUBJECT_MISMATCH'],
  ],
  [
    'more than is signed',
    'what else was opened does not matter',
    { observed: [...defaults.observed, { path: '/etc/passwd', sha256: OTHER_DIGEST, size: 1 }] },
    'permit',
  ],
  ['another path', 'another program is asked for', asked({ program: '/opt/app/other' }), EXCEEDED],
  [
    'any path',
    'wherever it lies',
    {
      ...signing({ program: { subject: 'infer', path: 'any' } }),
      ...asked({ program: '/srv/infer' }),
      observed: [{ path: '/srv/infer', sha256: PROGRAM_DIGEST, size: 7 }, modelSeen],
    },
    'permit',
  ],
  [
    'any path, other bytes',
    'wherever it lies it is that program',
    {
      ...signing({ program: { subject: 'infer', path: 'any' } }),
      ...asked({ program: '/srv/infer' }),
      observed: [{ path: '/srv/infer', sha256: OTHER_DIGEST, size: 7 }, modelSeen],
    },
    MISMATCH,
  ],
  ['files named', 'what is signed may be named', asked({ files: [MODEL, PROGRAM] }), 'permit'],
  ['a file that is not signed', 'no other may', asked({ files: ['/etc/passwd'] }), EXCEEDED],
  [
    'bytes and scope',
    'both are said, the bytes first',
    { ...asked({ cwd: '/tmp' }), observed: [{ path: PROGRAM, sha256: OTHER_DIGEST, size: 7 }, modelSeen] },
    ['subjects', 'SUBJECT_MISMATCH', 'SCOPE_EXCEEDED'],
  ],
]

const scope: Case[] = [
  ['argv: a place left open', 'any one argument', asked({ argv: [PROGRAM, '--digits', '--all'] }), 'permit'],
  [
    'argv: empty in an open place',
    'an empty argument is one',
    asked({ argv: [PROGRAM, '--digits', ''] }),
    'permit',
  ],
  ['argv: another', 'a place that is not open', asked({ argv: [PROGRAM, '--all', '7'] }), EXCEEDED],
  ['argv: another name', 'argv[0] counts', asked({ argv: ['infer', '--digits', '7'] }), EXCEEDED],
  ['argv: one more', 'the vector has an end', asked({ argv: [PROGRAM, '--digits', '7', '8'] }), EXCEEDED],
  ['argv: one less', 'an open place is a place', asked({ argv: [PROGRAM, '--digits'] }), EXCEEDED],
  ['argv: left out where a place is open', 'nobody says what stands there', asked({ argv: null }), EXCEEDED],
  [
    'argv: left out',
    'as it is signed',
    { ...signing({ argv: [PROGRAM] }), ...asked({ argv: null }) },
    'permit',
  ],
  [
    'argv: any',
    'whatever is asked for',
    { ...signing({ argv: 'any' }), ...asked({ argv: ['x', 'y'] }) },
    'permit',
  ],
  ['env: left out', 'as it is signed', {}, 'permit'],
  ['env: said again', 'the same', asked({ env: [{ name: 'LANG', value: 'C' }] }), 'permit'],
  ['env: another value', 'not the same', asked({ env: [{ name: 'LANG', value: 'de_DE' }] }), EXCEEDED],
  [
    'env: one more',
    'exactly these variables',
    asked({
      env: [
        { name: 'LANG', value: 'C' },
        { name: 'HOME', value: '/' },
      ],
    }),
    EXCEEDED,
  ],
  ['env: none', 'one is signed and missing', asked({ env: [] }), EXCEEDED],
  [
    'env: two reasons',
    'each variable is said, those that are asked for first',
    asked({ env: [{ name: 'HOME', value: '/' }] }),
    ['subjects', 'SCOPE_EXCEEDED', 'SCOPE_EXCEEDED'],
  ],
  [
    'env: open value',
    'any value',
    {
      ...signing({ env: [{ name: 'SEED', value: { any: true } }] }),
      ...asked({ env: [{ name: 'SEED', value: '7' }] }),
    },
    'permit',
  ],
  [
    'env: open value left out',
    'nobody says what it is',
    signing({ env: [{ name: 'SEED', value: { any: true } }] }),
    EXCEEDED,
  ],
  [
    'env: any',
    'whatever is asked for',
    { ...signing({ env: 'any' }), ...asked({ env: [{ name: 'HOME', value: '/' }] }) },
    'permit',
  ],
  [
    'env: any, and a loader variable',
    'any never covers what makes a program load something else',
    { ...signing({ env: 'any' }), ...asked({ env: [{ name: 'LD_PRELOAD', value: '/tmp/x.so' }] }) },
    EXCEEDED,
  ],
  [
    'env: a loader variable that is signed',
    'by name it passes',
    { ...signing({ env: [{ name: 'PYTHONPATH', value: '/opt/lib' }] }) },
    'permit',
  ],
  ['cwd: said again', 'the same', asked({ cwd: '/' }), 'permit'],
  ['cwd: another', 'not the same', asked({ cwd: '/tmp' }), EXCEEDED],
  ['cwd: any', 'whatever is asked for', { ...signing({ cwd: 'any' }), ...asked({ cwd: '/tmp' }) }, 'permit'],
  ['user: its own', 'said again', asked({ user: 'own' }), 'permit'],
  ['user: another where its own is signed', 'not the same', asked({ user: shared }), EXCEEDED],
  [
    'user: as signed',
    'a shared user',
    { ...signing({ user: shared }), ...asked({ user: shared }) },
    'permit',
  ],
  [
    'user: fewer groups',
    'less is within',
    { ...signing({ user: shared }), ...asked({ user: { ...shared, groups: [] } }) },
    'permit',
  ],
  [
    'user: one more group',
    'more is not',
    { ...signing({ user: shared }), ...asked({ user: { ...shared, groups: [2003] } }) },
    EXCEEDED,
  ],
  [
    'user: another gid',
    'not the same',
    { ...signing({ user: shared }), ...asked({ user: { ...shared, gid: 2001 } }) },
    EXCEEDED,
  ],
  [
    'user: its own where a shared one is signed',
    'not the same',
    { ...signing({ user: shared }), ...asked({ user: 'own' }) },
    EXCEEDED,
  ],
  [
    'user: any',
    'whatever is asked for',
    { ...signing({ user: 'any' }), ...asked({ user: shared }) },
    'permit',
  ],
  [
    'user: root',
    'never',
    { ...signing({ user: 'any' }), ...asked({ user: { uid: 0, gid: 2000, groups: [] } }) },
    EXCEEDED,
  ],
  [
    "user: root's group",
    'never',
    { ...signing({ user: 'any' }), ...asked({ user: { uid: 2000, gid: 2000, groups: [0] } }) },
    EXCEEDED,
  ],
  ['stdio: less', 'nothing instead of a pipe', asked({ stdio: stdio('null') }), 'permit'],
  [
    'stdio: more',
    'pipes where nothing is signed, twice',
    { ...signing({ stdio: stdio('null', 'pipe') }), ...asked({ stdio: stdio('pipe') }) },
    ['subjects', 'SCOPE_EXCEEDED', 'SCOPE_EXCEEDED'],
  ],
  [
    'stdio: a terminal',
    'more than a pipe, three times',
    asked({ stdio: stdio('terminal') }),
    ['subjects', 'SCOPE_EXCEEDED', 'SCOPE_EXCEEDED', 'SCOPE_EXCEEDED'],
  ],
  [
    'stdio: a terminal that is signed',
    'asked for',
    { ...signing({ stdio: stdio('terminal') }), ...asked({ stdio: stdio('terminal') }) },
    'permit',
  ],
  [
    'stdio: any is any pipe',
    'a terminal is signed by name',
    { ...signing({ stdio: 'any' }), ...asked({ stdio: stdio('terminal') }) },
    ['subjects', 'SCOPE_EXCEEDED', 'SCOPE_EXCEEDED', 'SCOPE_EXCEEDED'],
  ],
  [
    'network: less',
    'none where a loopback is signed',
    {
      ...signing({ sandbox: { network: 'loopback', seccomp: 'default', writable: [] } }),
      ...sandbox({ network: 'none' }),
    },
    'permit',
  ],
  ['network: more', "the host's where none is signed", sandbox({ network: 'host' }), EXCEEDED],
  ['seccomp: less', 'strict where the default is signed', sandbox({ seccomp: 'strict' }), 'permit'],
  [
    'seccomp: more',
    'the default where strict is signed',
    {
      ...signing({ sandbox: { network: 'none', seccomp: 'strict', writable: [] } }),
      ...sandbox({ seccomp: 'default' }),
    },
    EXCEEDED,
  ],
  [
    'writable: below',
    'a directory below the one that is signed',
    sandbox({ writable: ['/var/tmp/job/a'] }),
    'permit',
  ],
  ['writable: none', 'less', sandbox({ writable: [] }), 'permit'],
  ['writable: above', 'more', sandbox({ writable: ['/var/tmp'] }), EXCEEDED],
  [
    'writable: beside',
    'the beginning of a name is not the name',
    sandbox({ writable: ['/var/tmp/job2'] }),
    EXCEEDED,
  ],
  ['limits: less', 'a lower limit', limits({ pids: 8, runTimeMs: 1 }), 'permit'],
  ['limits: the same', 'as much as is signed', limits({ pids: 16, runTimeMs: 60_000 }), 'permit'],
  [
    'limits: more',
    'each is said',
    limits({ pids: 17, runTimeMs: 60_001 }),
    ['subjects', 'SCOPE_EXCEEDED', 'SCOPE_EXCEEDED'],
  ],
  ['limits: where any is signed', 'as much as is asked for', limits({ cpuSeconds: 1_000_000 }), 'permit'],
  [
    'devices: one of two',
    'less',
    { ...signing({ devices: ['gpu', 'tpu'] }), ...asked({ devices: ['gpu'] }) },
    'permit',
  ],
  ['devices: more', 'none is signed', asked({ devices: ['gpu'] }), EXCEEDED],
  ['children: where none are signed', 'more', asked({ children: true }), EXCEEDED],
  [
    'children: where some are signed',
    'asked for',
    {
      ...signing({ children: { max: 2, atOnce: 'any', perMinute: 'any', depth: 1, programs: 'any' } }),
      ...asked({ children: true }),
    },
    'permit',
  ],
  ['detach: left out of the artifact', 'it ends with its call', asked({ detach: true }), EXCEEDED],
  [
    'detach: signed as false',
    'the same',
    { ...signing({ detach: false }), ...asked({ detach: true }) },
    EXCEEDED,
  ],
  ['detach: signed', 'asked for', { ...signing({ detach: true }), ...asked({ detach: true }) }, 'permit'],
  [
    'many at once',
    'program, arguments, environment, directory, user, streams, detach, sandbox, limits, devices, children, files: in this order',
    asked({
      program: '/opt/app/other',
      argv: ['x'],
      env: [],
      cwd: '/tmp',
      user: shared,
      stdio: stdio('pipe'),
      detach: true,
      sandbox: { network: 'host', seccomp: null, writable: ['/'] },
      limits: { ...request.limits, pids: 17 },
      devices: ['gpu'],
      children: true,
      files: ['/etc/passwd'],
    }),
    ['subjects', ...Array<'SCOPE_EXCEEDED'>(12).fill('SCOPE_EXCEEDED')],
  ],
]

export const SUBJECTS: Group = {
  file: 'subjects',
  description: 'The bytes at each path against the digests that are signed.',
  cases: subjects,
}
export const SCOPE: Group = {
  file: 'scope',
  description: 'The request against the scope that is signed: it may ask for less, never for more.',
  cases: scope,
}
