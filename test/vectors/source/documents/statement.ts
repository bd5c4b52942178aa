import type { Authorization, Statement } from '../../../../authorization/index.ts'
import { type DocumentGroup, members, withMember } from './cases.ts'
import { base64, secret, secrets } from './secret-text.ts'
import { any, hex, made, many, spelled, whole } from './statement-text.ts'

const tree = (change: (it: Authorization, whole: Statement) => unknown = () => {}): string =>
  made((it, whole) => {
    whole.subject[1] = { name: 'weights', digest: { writTreeV1: '1'.repeat(64) } }
    it.scope.files = [{ subject: 'weights', path: '/opt/app/env', role: 'tree' }]
    change(it, whole)
  })

export const STATEMENT: DocumentGroup = {
  file: 'fields',
  kind: 'statement',
  description: 'Payloads of artifacts, field by field: what is right, and each limit from both sides.',
  accepted: [
    ['whole', 'the statement that the others change', whole],
    [
      'as much as may be',
      'each list and number at its limit',
      made(it => {
        it.id = `a${'b'.repeat(127)}`
        it.audience = { hosts: many(1024, n => `000b${hex(n)}`), labels: many(64, n => `label:${n}`) }
        it.validity.maxUses = 1_000_000_000
        it.initiator = {
          uids: many(256, n => n),
          gids: [0xffff_fffe],
          units: ['a'.repeat(255)],
          cgroups: ['/'],
          programs: [hex(1)],
        }
        it.scope.limits.runTime = 3_155_760_000
        it.scope.limits.memoryBytes = Number.MAX_SAFE_INTEGER
        it.scope.limits.outputBytes = 0
        it.environment.resetCount = 0xffff_ffff
        it.scope.children = {
          max: 1_000_000,
          atOnce: 1,
          perMinute: 'any',
          depth: 16,
          programs: many(256, n => hex(n)),
        }
      }),
    ],
    [
      'nothing limited',
      'any in every place that has it',
      made(it => {
        it.audience = { hosts: 'any', labels: 'any' }
        it.validity.maxUses = 'any'
        it.initiator = { uids: 'any', gids: 'any', units: 'any', cgroups: 'any', programs: 'any' }
        Object.assign(it.scope, { argv: 'any', env: 'any', cwd: 'any', user: 'any', stdio: 'any' })
        it.scope.program.path = 'any'
        for (const name of Object.keys(it.scope.limits)) Object.assign(it.scope.limits, { [name]: 'any' })
        it.environment = {
          referenceValues: 'any',
          maxEvidenceAge: 'any',
          simulated: 'allow',
          resetCount: 'any',
        }
        it.policy.digest = 'any'
        it.parent.execution = 'any'
      }),
    ],
    ['a host as issuer', 'minted', made(it => (it.issuer = `host:000b${hex(7)}`))],
    ['frozen', 'over a lapse, for a day', made(it => (it.onLapse = { freeze: { grace: 86_400 } }))],
    ['detach', 'signed', made(it => (it.scope.detach = true))],
    ['a directory', 'a subject of the role tree', tree()],
    [
      'a terminal',
      'all three streams',
      made(it => (it.scope.stdio = { stdin: 'terminal', stdout: 'terminal', stderr: 'terminal' })),
    ],
    [
      'a leap day',
      'an instant that exists',
      made(
        it =>
          (it.validity = {
            notBefore: '2028-02-29T00:00:00.000Z',
            notAfter: '2028-03-01T00:00:00.000Z',
            maxUses: 1,
          }),
      ),
    ],
    ['secrets', 'two, under two descriptors', secrets(secret(), secret({ name: 'key', descriptor: 63 }))],
    ['white space', 'between the tokens', JSON.stringify(JSON.parse(whole), null, 2)],
    ['another order', 'of the members', JSON.stringify(JSON.parse(whole))],
    ['an escaped letter', 'is that letter', spelled('"job-1"', '"job-\\u0031"')],
    ['1 as 1.0', 'one number, spelled otherwise', spelled('"maxUses":1', '"maxUses":1.0')],
    ['1000 as 1e3', 'one number, spelled otherwise', spelled('[1000]', '[1e3]')],
    ['text beyond ASCII', 'in an argument', made(it => (it.scope.argv = ['größer', '😀']))],
    ['an empty argument', 'is an argument', made(it => (it.scope.argv = ['']))],
  ],
  refused: [
    ['id: empty', 'an id has a letter', made(it => (it.id = ''))],
    ['id: too long', '129 letters', made(it => (it.id = 'a'.repeat(129)))],
    ['id: a slash', 'not in its alphabet', made(it => (it.id = 'a/b'))],
    ['id: with a line break', 'a pattern ends where the text ends', made(it => (it.id = 'job-1\n'))],
    ['issuer: with a colon', 'an authority has none', made(it => (it.issuer = 'host:x'))],
    ['issuer: empty', 'somebody', made(it => (it.issuer = ''))],
    [
      '_type of another version',
      'Statement v0.1',
      made((_, s) => (s._type = any('https://in-toto.io/Statement/v0.1'))),
    ],
    [
      'predicateType of another version',
      'another meaning',
      made((_, s) => (s.predicateType = any('https://writ.dev/authorization/v2'))),
    ],
    ['hosts: empty', 'an empty list fits nobody', made(it => (it.audience.hosts = []))],
    ['hosts: too many', '1025', made(it => (it.audience.hosts = many(1025, n => `000b${hex(n)}`)))],
    ['hosts: in capitals', 'one spelling', made(it => (it.audience.hosts = [`000B${hex(7)}`]))],
    [
      'hosts: twice',
      'something is listed twice',
      made(it => (it.audience.hosts = [`000b${hex(7)}`, `000b${hex(7)}`])),
    ],
    ['hosts: any in a list', 'any stands alone', made(it => (it.audience.hosts = ['any']))],
    ['hosts: Any', 'any is spelled in one way', made(it => (it.audience.hosts = any('Any')))],
    ['hosts: null', 'null is not any', made(it => (it.audience.hosts = any(null)))],
    ['labels: empty', 'an empty list fits nobody', made(it => (it.audience.labels = []))],
    ['labels: too many', '65', made(it => (it.audience.labels = many(65, n => `l${n}`)))],
    ['labels: a space', 'not in their alphabet', made(it => (it.audience.labels = ['a b']))],
    [
      'ends before it begins',
      'notAfter is before notBefore',
      made(it => (it.validity.notAfter = '2026-11-19T00:00:00.000Z')),
      'cannot say',
    ],
    [
      'ends when it begins',
      'no instant is in it',
      made(it => (it.validity.notAfter = it.validity.notBefore)),
      'cannot say',
    ],
    [
      'time without milliseconds',
      'one spelling',
      made(it => (it.validity.notAfter = '2026-11-22T00:00:00Z')),
    ],
    [
      'time in another zone',
      'one spelling',
      made(it => (it.validity.notAfter = '2026-11-22T00:00:00.000+00:00')),
    ],
    [
      'time that does not exist',
      '30 February',
      made(it => (it.validity.notAfter = '2027-02-30T00:00:00.000Z')),
      'cannot say',
    ],
    [
      'leap second',
      'not among its instants',
      made(it => (it.validity.notAfter = '2026-12-31T23:59:60.000Z')),
      'cannot say',
    ],
    [
      '24 o’clock',
      'midnight has one spelling',
      made(it => (it.validity.notAfter = '2026-11-22T24:00:00.000Z')),
      'cannot say',
    ],
    ['time as a number', 'not text', made(it => (it.validity.notAfter = any(1795305600)))],
    ['maxUses: 0', 'of no use', made(it => (it.validity.maxUses = 0))],
    ['maxUses: negative', 'a number from 1 on', made(it => (it.validity.maxUses = -1))],
    ['maxUses: too many', 'a thousand millions and one', made(it => (it.validity.maxUses = 1_000_000_001))],
    ['maxUses: a fraction', 'whole numbers', made(it => (it.validity.maxUses = 1.5))],
    ['maxUses: text', 'a number is no text', made(it => (it.validity.maxUses = any('1')))],
    ['maxUses: true', 'a truth is no number', made(it => (it.validity.maxUses = any(true)))],
    ['uids: empty', 'an empty list fits nobody', made(it => (it.initiator.uids = []))],
    ['uids: too large', '2^32-1 is no user', made(it => (it.initiator.uids = [0xffff_ffff]))],
    ['uids: twice', 'something is listed twice', made(it => (it.initiator.uids = [1, 1]))],
    ['units: a slash', 'no unit is called so', made(it => (it.initiator.units = ['a/b.service']))],
    ['cgroups: relative', 'from the root', made(it => (it.initiator.cgroups = ['user.slice']))],
    [
      'programs alone',
      'advisory: never the only limit',
      made(it => {
        it.initiator.uids = 'any'
        it.initiator.programs = [hex(1)]
      }),
      'cannot say',
    ],
    [
      'program: unknown subject',
      'no subject is called so',
      made(it => (it.scope.program.subject = 'other')),
      'cannot say',
    ],
    ['program: relative path', 'from the root', made(it => (it.scope.program.path = 'bin/true'))],
    ['program: dots in its path', 'one spelling', made(it => (it.scope.program.path = '/opt/../bin/true'))],
    ['program: two slashes', 'one spelling', made(it => (it.scope.program.path = '/opt//app'))],
    ['program: slash at the end', 'one spelling', made(it => (it.scope.program.path = '/opt/app/'))],
    ['program: NUL in its path', 'no path has one', made(it => (it.scope.program.path = '/opt/\0app'))],
    ['program: path too long', '4,096 bytes', made(it => (it.scope.program.path = `/${'a'.repeat(4095)}`))],
    [
      'files: the path of the program',
      'listed again',
      made(it => (it.scope.files = [{ subject: 'weights', path: '/opt/app/infer', role: 'other' }])),
      'cannot say',
    ],
    [
      'files: a path twice',
      'with two subjects',
      made(it => it.scope.files.push({ subject: 'infer', path: '/opt/app/weights', role: 'other' })),
      'cannot say',
    ],
    [
      'files: another role',
      'of four',
      made(it => (it.scope.files = any([{ subject: 'weights', path: '/opt/app/weights', role: 'data' }]))),
    ],
    [
      'a subject that nothing uses',
      'a promise that nobody keeps',
      made((_, s) => s.subject.push({ name: 'spare', digest: { sha256: hex(1) } })),
      'cannot say',
    ],
    [
      'a subject twice',
      'two digests under one name',
      made((_, s) => s.subject.push({ name: 'infer', digest: { sha256: hex(1) } })),
      'cannot say',
    ],
    [
      'no subjects',
      'nothing to run',
      made((it, s) => {
        s.subject = []
        it.scope.files = []
      }),
    ],
    [
      'a subject with SHA-512',
      'one algorithm',
      made((_, s) => (s.subject[0] = any({ name: 'infer', digest: { sha512: 'ab'.repeat(64) } }))),
    ],
    [
      'a subject with two digests',
      'which of them',
      made((_, s) => (s.subject[0] = any({ name: 'infer', digest: { sha256: hex(1), writTreeV1: hex(1) } }))),
    ],
    [
      'a digest in capitals',
      'one spelling',
      made((_, s) => (s.subject[0] = { name: 'infer', digest: { sha256: 'AB'.repeat(32) } })),
    ],
    [
      'a short digest',
      '63 letters',
      made((_, s) => (s.subject[0] = { name: 'infer', digest: { sha256: 'a'.repeat(63) } })),
    ],
    [
      'a directory as program',
      'is none',
      tree((it, s) => {
        s.subject[0] = { name: 'infer', digest: { writTreeV1: hex(1) } }
        it.id = 'job-1'
      }),
      'cannot say',
    ],
    [
      'a directory as another file',
      'has the role tree',
      tree(it => (it.scope.files = [{ subject: 'weights', path: '/opt/app/env', role: 'other' }])),
      'cannot say',
    ],
    [
      'a file as tree',
      'has another role',
      made(it => (it.scope.files = [{ subject: 'weights', path: '/opt/app/weights', role: 'tree' }])),
      'cannot say',
    ],
    [
      'the root as tree',
      'is no subject',
      tree(it => (it.scope.files = [{ subject: 'weights', path: '/', role: 'tree' }])),
      'cannot say',
    ],
    ['argv: empty', 'it has an argv[0]', made(it => (it.scope.argv = []))],
    ['argv: too many', '257', made(it => (it.scope.argv = many(257, () => 'a')))],
    ['argv: a NUL', 'no argument has one', made(it => (it.scope.argv = ['a\0b']))],
    ['argv: any: false', 'an open place says true', made(it => (it.scope.argv = any([{ any: false }])))],
    ['argv: a number', 'text', made(it => (it.scope.argv = any([7])))],
    [
      'env: a name twice',
      'with two values',
      made(
        it =>
          (it.scope.env = [
            { name: 'A', value: '1' },
            { name: 'A', value: '2' },
          ]),
      ),
      'cannot say',
    ],
    ['env: a name with =', 'no name has one', made(it => (it.scope.env = [{ name: 'A=B', value: '1' }]))],
    ['env: an object', 'a list of names and values', made(it => (it.scope.env = any({ LANG: 'C' })))],
    ['user: root', 'never', made(it => (it.scope.user = { uid: 0, gid: 2000, groups: [] }))],
    ["user: root's group", 'never', made(it => (it.scope.user = { uid: 2000, gid: 0, groups: [] }))],
    [
      "user: root's group beside",
      'never',
      made(it => (it.scope.user = { uid: 2000, gid: 2000, groups: [0] })),
    ],
    [
      'stdio: one terminal',
      'all three or none',
      made(it => (it.scope.stdio = { stdin: 'terminal', stdout: 'pipe', stderr: 'pipe' })),
      'cannot say',
    ],
    ['network: another', 'of three', made(it => (it.scope.sandbox.network = any('bridge')))],
    ['seccomp: unconfined', 'of two', made(it => (it.scope.sandbox.seccomp = any('unconfined')))],
    ['limits: 0', 'a limit of nothing', made(it => (it.scope.limits.pids = 0))],
    ['limits: beyond 2^53', 'digits would be lost', spelled('268435456', '9007199254740993')],
    ['runTime: beyond a hundred years', 'a mistake', made(it => (it.scope.limits.runTime = 3_155_760_001))],
    ['devices: in capitals', 'no class is called so', made(it => (it.scope.devices = ['GPU']))],
    [
      'devices: frozen',
      'a device goes on without its program',
      made(it => {
        it.scope.devices = ['gpu']
        it.onLapse = { freeze: { grace: 1 } }
      }),
      'cannot say',
    ],
    ['children: any', 'they have limits', made(it => (it.scope.children = any('any')))],
    [
      'children: depth any',
      'a depth has a limit',
      made(
        it =>
          (it.scope.children = any({
            max: 'any',
            atOnce: 'any',
            perMinute: 'any',
            depth: 'any',
            programs: 'any',
          })),
      ),
    ],
    [
      'children: depth 17',
      'at most 16',
      made(it => (it.scope.children = { max: 1, atOnce: 1, perMinute: 1, depth: 17, programs: 'any' })),
    ],
    [
      'children: max 0',
      'that is none',
      made(it => (it.scope.children = { max: 0, atOnce: 1, perMinute: 1, depth: 1, programs: 'any' })),
    ],
    ['resetCount: beyond 32 bits', 'no TPM counts so far', made(it => (it.environment.resetCount = 2 ** 32))],
    ['simulated: true', 'allow or deny', made(it => (it.environment.simulated = any(true)))],
    ['maxEvidenceAge: 0', 'no evidence is so young', made(it => (it.environment.maxEvidenceAge = 0))],
    ['policy: none', 'a digest or any', made(it => (it.policy.digest = 'none'))],
    ['parent: empty', 'an id, any or none', made(it => (it.parent.execution = ''))],
    ['onLapse: continue', 'kill or freeze', made(it => (it.onLapse = any('continue')))],
    [
      'onLapse: a grace beyond a day',
      'at most a day',
      made(it => (it.onLapse = { freeze: { grace: 86_401 } })),
    ],
    ['secrets: none', 'an empty list says nothing', secrets()],
    ['secrets: a standard stream', '0 to 2 are taken', secrets(secret({ descriptor: 2 }))],
    ['secrets: a descriptor too large', 'at most 63', secrets(secret({ descriptor: 64 }))],
    [
      'secrets: a descriptor twice',
      'which of them',
      secrets(secret(), secret({ name: 'key' })),
      'cannot say',
    ],
    ['secrets: a name twice', 'which of them', secrets(secret(), secret({ descriptor: 4 })), 'cannot say'],
    ['secrets: for nobody', 'no recipient', secrets(secret({ recipients: [] }))],
    ['secrets: too short', 'no nonce', secrets(secret({ payload: base64(27) })), 'cannot say'],
    ['secrets: no base64', 'one spelling', secrets(secret({ payload: '*'.repeat(40) }))],
    ['__proto__', 'an ordinary key, and not known', spelled('"_type"', '"__proto__":{},"_type"')],
    ...members(JSON.parse(whole) as object).flatMap(path =>
      withMember(JSON.parse(whole) as object, path, ['scope.detach']),
    ),
  ],
}
