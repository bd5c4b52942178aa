import { DEFAULT_SCHEMA } from '../../../../authorization/index.ts'
import { canonicalJson } from '../../../../encoding/json.ts'
import { alice, authority, bob, carol, HOST, keyOf, NOW, OTHER_DIGEST, roots } from '../world.ts'
import { type DocumentCase, type DocumentGroup, members, withMember } from './cases.ts'

const fields = (whole: object, optional: readonly string[] = []): DocumentCase[] =>
  members(whole).flatMap(path => withMember(whole, path, optional))
const trust = (...keys: Parameters<typeof authority>[2]) =>
  canonicalJson(roots([authority('release', 1, keys)]))
const two = [keyOf(alice, 'alice'), keyOf(bob, 'bob')]
const small = (hex: string) => Buffer.from(`302a300506032b6570032100${hex}`, 'hex').toString('base64')
const asKey = (key: string) => ({ ...keyOf(alice, 'alice'), key })
const requester = keyOf(carol, 'carol', { role: 'requester' })

const TRUST: DocumentGroup = {
  file: 'trust-roots',
  kind: 'trust-roots',
  description: 'Payloads of trust roots.',
  accepted: [
    ['whole', 'one authority of two keys', trust(...two)],
    ['no authority', 'nobody may sign', canonicalJson(roots([]))],
    ['an end', 'they count until then', canonicalJson(roots([authority('release', 1, two)], NOW))],
    ['two of two', 'as many as there are', canonicalJson(roots([authority('release', 2, two)]))],
    [
      'a requester',
      'who does not approve',
      canonicalJson(roots([authority('release', 2, [...two, requester], 'required')])),
    ],
    [
      'one key for two authorities',
      'of the same holder',
      canonicalJson(roots([authority('a', 1, two), authority('b', 1, two)])),
    ],
  ],
  refused: [
    ['threshold 0', 'zero is not a threshold', canonicalJson(roots([authority('release', 0, two)]))],
    [
      'threshold 3 of two',
      'nobody can meet it',
      canonicalJson(roots([authority('release', 3, two)])),
      'cannot say',
    ],
    [
      'threshold 2 of one holder',
      'two keys of one holder are one voice',
      canonicalJson(roots([authority('release', 2, [keyOf(alice, 'alice'), keyOf(bob, 'alice')])])),
      'cannot say',
    ],
    [
      'a key twice',
      'one key, one voice',
      trust(keyOf(alice, 'alice'), keyOf(alice, 'alice', { notAfter: NOW })),
      'cannot say',
    ],
    [
      'a key of two holders',
      'one key, one voice',
      canonicalJson(
        roots([authority('a', 1, [keyOf(alice, 'alice')]), authority('b', 1, [keyOf(alice, 'bob')])]),
      ),
      'cannot say',
    ],
    [
      'an authority twice',
      'which of them',
      canonicalJson(roots([authority('a', 1, two), authority('a', 2, two)])),
      'cannot say',
    ],
    ['no keys', 'nobody could sign', trust()],
    [
      'a window that ends before it begins',
      'no instant is in it',
      trust(keyOf(alice, 'alice', { notBefore: NOW, notAfter: NOW })),
      'cannot say',
    ],
    [
      'a requester that nobody asks for',
      'a mistake',
      canonicalJson(roots([authority('release', 1, [...two, requester])])),
      'cannot say',
    ],
    [
      'a requester that is not there',
      'a mistake',
      canonicalJson(roots([authority('release', 1, two, 'required')])),
      'cannot say',
    ],
    [
      'a name with a colon',
      'host: is of the daemon',
      canonicalJson(roots([authority(`host:${HOST}`, 1, two)])),
    ],
    ['a key that is none', 'no SubjectPublicKeyInfo', trust(asKey('AAAA')), 'cannot say'],
    [
      'a key in URL-safe base64',
      'one spelling',
      trust(asKey(keyOf(alice, 'alice').key.replace('=', '')), keyOf(bob, 'bob')),
      'cannot say',
    ],
    [
      'a key of small order',
      'zero: a signature under it proves nothing',
      trust(asKey(small('00'.repeat(32)))),
      'cannot say',
    ],
    [
      'a key of small order: one',
      'the neutral point',
      trust(asKey(small(`01${'00'.repeat(31)}`))),
      'cannot say',
    ],
    [
      'a key that is not canonical',
      'y beyond 2^255-19',
      trust(asKey(small(`f0${'ff'.repeat(30)}7f`))),
      'cannot say',
    ],
    ...fields(roots([authority('release', 1, [keyOf(alice, 'alice')])])),
  ],
}

const listed = { version: 1, epoch: 3, revoke: { artifact: [OTHER_DIGEST], host: [HOST] } }
const revoking = (revoke: unknown) => canonicalJson({ ...listed, revoke })
const REVOCATION: DocumentGroup = {
  file: 'revocation',
  kind: 'revocation',
  description: 'Payloads of revocations.',
  accepted: [
    ['whole', 'an artifact and a host', canonicalJson(listed)],
    ['one thing', 'one of one kind', revoking({ execution: ['0'.repeat(32)] })],
    [
      'as many as may be',
      '2,048',
      revoking({ artifact: Array.from({ length: 2048 }, (_, n) => n.toString(16).padStart(64, '0')) }),
    ],
  ],
  refused: [
    ['nothing', 'no list', revoking({}), 'cannot say'],
    ['an empty list', 'of one kind', revoking({ artifact: [] })],
    [
      'too many of one kind',
      '2,049',
      revoking({ artifact: Array.from({ length: 2049 }, (_, n) => n.toString(16).padStart(64, '0')) }),
    ],
    [
      'too many of two kinds',
      '2,049 together',
      revoking({
        host: [HOST],
        artifact: Array.from({ length: 2048 }, (_, n) => n.toString(16).padStart(64, '0')),
      }),
      'cannot say',
    ],
    ['epoch 0', 'epochs begin with 1', canonicalJson({ ...listed, epoch: 0 })],
    ['another kind', 'of six', revoking({ user: ['1000'] })],
    ['a host that is none', 'the Name of a key', revoking({ host: [OTHER_DIGEST] })],
    ['a list of things', 'lists by their kind', revoking([{ kind: 'artifact', digest: OTHER_DIGEST }])],
    ['an end', 'what forbids does not end', canonicalJson({ ...listed, notAfter: NOW })],
    ...fields(listed, ['revoke.artifact', 'revoke.host']),
  ],
}

const labels = { version: 1, host: HOST, labels: ['prod'], notAfter: NOW }
const LABELS: DocumentGroup = {
  file: 'host-labels',
  kind: 'host-labels',
  description: "Payloads of a host's labels.",
  accepted: [
    ['whole', 'one label until an instant', canonicalJson(labels)],
    ['no label', 'the host is called nothing', canonicalJson({ ...labels, labels: [] })],
    ['no end', 'any', canonicalJson({ ...labels, notAfter: 'any' })],
  ],
  refused: [
    ['any host', 'labels are of one host', canonicalJson({ ...labels, host: 'any' })],
    ['a label twice', 'listed twice', canonicalJson({ ...labels, labels: ['a', 'a'] })],
    ['a label with a space', 'not in its alphabet', canonicalJson({ ...labels, labels: ['a b'] })],
    ['too many', '65', canonicalJson({ ...labels, labels: Array.from({ length: 65 }, (_, n) => `l${n}`) })],
    ['version 0', 'versions begin with 1', canonicalJson({ ...labels, version: 0 })],
    ...fields(labels),
  ],
}

const bundle = {
  version: 1,
  notBefore: 'any',
  notAfter: NOW,
  cedarVersion: '4.5',
  policies: { all: 'permit(principal, action, resource);' },
  schema: DEFAULT_SCHEMA,
  entities: [{ uid: { type: 'Writ::User', id: '1000' }, attrs: {}, parents: [] }],
}
const having = (change: object) => canonicalJson({ ...bundle, ...change })
const entity = (type: string, attrs: object = {}) =>
  having({ entities: [{ uid: { type, id: 'x' }, attrs, parents: [] }] })
const BUNDLE: DocumentGroup = {
  file: 'policy-bundle',
  kind: 'policy-bundle',
  description: 'Payloads of policy bundles. Whether the policies are right is for Cedar to say.',
  accepted: [
    ['whole', 'one policy', canonicalJson(bundle)],
    ['no policy', 'nothing is permitted', having({ policies: {} })],
    [
      'a policy that is called like a member of every object',
      'an ordinary id',
      having({ policies: { constructor: 'forbid(principal, action, resource);' } }),
    ],
  ],
  refused: [
    ['a policy as an object', 'text', having({ policies: { all: {} } })],
    ['an empty policy', 'text', having({ policies: { all: '' } })],
    [
      'an id with a space',
      'not in its alphabet',
      having({ policies: { 'a b': 'permit(principal, action, resource);' } }),
    ],
    [
      'nested too deep',
      '49 brackets',
      having({
        policies: {
          all: `permit(principal, action, resource) when { ${'('.repeat(49)}true${')'.repeat(49)} };`,
        },
      }),
      'cannot say',
    ],
    [
      'it ends before it begins',
      'no instant is in it',
      having({ notBefore: NOW, notAfter: NOW }),
      'cannot say',
    ],
    [
      'an entity twice',
      'which of them',
      having({ entities: [bundle.entities[0], bundle.entities[0]] }),
      'cannot say',
    ],
    ['an execution as entity', 'not for a bundle to define', entity('Writ::Execution'), 'cannot say'],
    ['an action as entity', 'not for a bundle to define', entity('Writ::Action'), 'cannot say'],
    [
      'the path of a program',
      'comes from the request',
      entity('Writ::Program', { path: '/bin/true' }),
      'cannot say',
    ],
    ['a version of Cedar that is none', 'two numbers', having({ cedarVersion: '4' })],
    ...fields(bundle, ['policies.all']).filter(
      ([name]) => !/^(?:policies|entities\.0\.attrs): an unknown/.test(name),
    ),
  ],
}

const clearance = { version: 1, host: HOST, clears: { kind: 'failure', transition: 12 } }
const CLEARANCE: DocumentGroup = {
  file: 'clearance',
  kind: 'clearance',
  description: 'Payloads of clearances.',
  accepted: [['whole', 'one failure', canonicalJson(clearance)]],
  refused: [
    ['any host', 'of one host', canonicalJson({ ...clearance, host: 'any' })],
    ['another kind', 'nothing that is cleared', canonicalJson({ ...clearance, clears: { kind: 'all' } })],
    ...fields(clearance),
  ],
}

export const OPERATOR: readonly DocumentGroup[] = [TRUST, REVOCATION, LABELS, BUNDLE, CLEARANCE]
