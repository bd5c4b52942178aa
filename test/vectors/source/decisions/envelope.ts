import { MAX_ARTIFACT_BYTES } from '../../../../authorization/index.ts'
import { asBytes, type Bytes } from '../../form.ts'
import type { Case, Group } from '../case.ts'
import { type Enveloped, enveloped } from '../keys.ts'
import {
  alice,
  artifact,
  authority,
  carol,
  HOST,
  keyOf,
  OTHER_HOST,
  payload,
  roots,
  tampered,
  text,
} from '../world.ts'

const whole = artifact() as string
const MALFORMED = ['artifact', 'ARTIFACT_MALFORMED'] as const

/** The text of the envelope with one spelling replaced by another. */
function spelled(from: string | RegExp, to: string): string {
  const changed = whole.replace(from, to)
  if (changed === whole) throw new Error(`nothing to replace: ${from}`)
  return changed
}

/** The members of an envelope, in any form. */
function made(change: (it: Record<string, unknown>) => unknown): Bytes {
  return tampered(it => change(it as unknown as Record<string, unknown>))
}

function signature(change: (it: Enveloped['signatures'][number]) => unknown): Bytes {
  return tampered(it => {
    for (const item of it.signatures) change(item)
  })
}

const urlSafe = (base64: string) => base64.replaceAll('+', '-').replaceAll('/', '_')

/** A payload whose base64 has the two letters that the alphabets differ in, and padding. */
function telling(): Enveloped {
  for (let n = 0; ; n++) {
    const it = enveloped(
      'application/vnd.in-toto+json',
      payload(p => (p.id = `job-${n}`)),
      [alice],
    )
    if (/=$/.test(it.payload) && /[+/]/.test(it.signatures[0]?.sig ?? '')) return it
  }
}
const marked = telling()
const with_ = (change: (it: Enveloped) => void): string => {
  const copy = structuredClone(marked)
  change(copy)
  return text(copy)
}

/** The last letter before the padding with bits set that stand for nothing (RFC 4648 section 3.5). */
function looseBits(base64: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
  return base64.replace(
    /(.)(=+)$/,
    (_, last: string, pad: string) => `${alphabet[alphabet.indexOf(last) + 1]}${pad}`,
  )
}

const cases: Case[] = [
  ['whole', 'a right artifact', {}, 'permit'],
  ['none', 'no artifact', { artifact: null }, ['artifact', 'ARTIFACT_MISSING']],
  ['empty', 'no bytes', { artifact: '' }, MALFORMED],
  ['not JSON', 'a word', { artifact: 'hello' }, MALFORMED],
  ['cut off', 'the last bytes are missing', { artifact: whole.slice(0, -4) }, MALFORMED],
  ['text behind', 'a second value after the envelope', { artifact: `${whole}{}` }, MALFORMED],
  [
    'white space',
    'white space around and within',
    { artifact: `\n ${whole.replace('{', '{\t\r\n ')} ` },
    'permit',
  ],
  ['a list', 'a list instead of an object', { artifact: `[${whole}]` }, MALFORMED],
  ['null', 'the value null', { artifact: 'null' }, MALFORMED],
  ['byte order mark', 'a byte order mark in front', { artifact: `\uFEFF${whole}` }, MALFORMED],
  [
    'not UTF-8',
    'a byte that is no UTF-8',
    {
      artifact: asBytes(
        Buffer.concat([Buffer.from(whole.trimEnd().slice(0, -1)), Buffer.from([0x22, 0xff, 0x22, 0x7d])]),
      ),
    },
    MALFORMED,
  ],
  ['UTF-16', 'the same text in UTF-16', { artifact: asBytes(Buffer.from(whole, 'utf16le')) }, MALFORMED],
  [
    'payload twice',
    'one key twice, the second with what is signed',
    { artifact: spelled('{', '{"payload":"AAAA",') },
    MALFORMED,
  ],
  [
    'signatures twice',
    'one key twice, both times the same',
    { artifact: spelled(/("signatures":.*\])\}/, '$1,$1}') },
    MALFORMED,
  ],
  [
    'escaped key',
    'a key with an escape in it is the same key',
    { artifact: spelled('"payload"', '"p\\u0061yload"') },
    'permit',
  ],
  [
    'escaped key twice',
    'the same key, once with an escape',
    { artifact: spelled('{', '{"p\\u0061yload":"AAAA",') },
    MALFORMED,
  ],
  [
    'order of members',
    'the members in another order',
    { artifact: `${JSON.stringify(Object.fromEntries(Object.entries(JSON.parse(whole)).reverse()))}` },
    'permit',
  ],
  ['no payload', 'the payload is left out', { artifact: made(it => void delete it.payload) }, MALFORMED],
  [
    'no payload type',
    'the payload type is left out',
    { artifact: made(it => void delete it.payloadType) },
    MALFORMED,
  ],
  [
    'no signatures',
    'the list of signatures is left out',
    { artifact: made(it => void delete it.signatures) },
    MALFORMED,
  ],
  [
    'empty signatures',
    'nobody signed',
    { artifact: made(it => (it.signatures = [])) },
    ['artifact', 'SIGNATURE_INVALID'],
  ],
  ['payload null', 'the payload is null', { artifact: made(it => (it.payload = null)) }, MALFORMED],
  [
    'payload an object',
    'the payload is not encoded',
    { artifact: made(it => (it.payload = JSON.parse(payload().toString()))) },
    MALFORMED,
  ],
  [
    'signatures an object',
    'one signature instead of a list',
    { artifact: made(it => (it.signatures = (it.signatures as unknown[])[0])) },
    MALFORMED,
  ],
  [
    'unknown member',
    'a field that DSSE does not have',
    { artifact: made(it => (it.notAfter = '2099-01-01T00:00:00.000Z')) },
    MALFORMED,
  ],
  [
    'unknown member of a signature',
    'a field beside sig and keyid',
    { artifact: signature(it => void Object.assign(it, { cert: 'x' })) },
    MALFORMED,
  ],
  [
    'member in capitals',
    'names are told apart by case',
    { artifact: spelled('"payload"', '"Payload"') },
    MALFORMED,
  ],
  [
    'no sig',
    'a signature without its bytes',
    { artifact: signature(it => void Reflect.deleteProperty(it, 'sig')) },
    MALFORMED,
  ],
  [
    'keyid a number',
    'a hint that is no text',
    { artifact: signature(it => void Object.assign(it, { keyid: 1 })) },
    MALFORMED,
  ],
  ['no keyid', 'the hint is left out', { artifact: signature(it => void delete it.keyid) }, 'permit'],
  ['empty keyid', 'the hint is empty', { artifact: signature(it => (it.keyid = '')) }, 'permit'],
  [
    'keyid of another',
    'the hint names another trusted key: a hint is no fact',
    { artifact: signature(it => (it.keyid = carol.public.id)) },
    'permit',
  ],
  [
    'sixteen signatures',
    'as many as are looked at',
    { artifact: made(it => (it.signatures = Array(16).fill((it.signatures as unknown[])[0]))) },
    'permit',
  ],
  [
    'seventeen signatures',
    'more than are looked at',
    { artifact: made(it => (it.signatures = Array(17).fill((it.signatures as unknown[])[0]))) },
    MALFORMED,
  ],
  [
    'another payload type',
    'signed under a type that is none of an artifact',
    { artifact: text(enveloped('application/json', payload(), [alice])) },
    MALFORMED,
  ],
  [
    'payload type exchanged',
    'the type is changed after it was signed',
    { artifact: tampered(it => (it.payloadType = 'application/json')) },
    MALFORMED,
  ],
  [
    'payload type in capitals',
    'media types are compared byte by byte',
    { artifact: text(enveloped('application/vnd.in-toto+JSON', payload(), [alice])) },
    MALFORMED,
  ],
  [
    'payload type with a parameter',
    'media types are compared as a whole',
    { artifact: text(enveloped('application/vnd.in-toto+json; charset=utf-8', payload(), [alice])) },
    MALFORMED,
  ],
  [
    'telling base64',
    'the artifact that the next ones spell in other ways',
    { artifact: text(marked) },
    'permit',
  ],
  [
    'URL-safe signature',
    'base64 has one alphabet here',
    { artifact: with_(it => (it.signatures[0] = { sig: urlSafe(it.signatures[0]?.sig ?? '') })) },
    MALFORMED,
  ],
  [
    'unpadded payload',
    'base64 has its padding here',
    { artifact: with_(it => (it.payload = it.payload.replace(/=+$/, ''))) },
    MALFORMED,
  ],
  [
    'loose bits',
    'base64 with bits set that stand for nothing',
    { artifact: with_(it => (it.payload = looseBits(it.payload))) },
    MALFORMED,
  ],
  [
    'base64 with a line break',
    'base64 without anything between its letters',
    { artifact: with_(it => (it.payload = `${it.payload.slice(0, 64)}\n${it.payload.slice(64)}`)) },
    MALFORMED,
  ],
  [
    'base64 with text behind',
    'nothing after the padding',
    { artifact: with_(it => (it.payload = `${it.payload}AAAA`)) },
    MALFORMED,
  ],
  [
    'empty payload',
    'signed, and nothing in it',
    { artifact: text(enveloped('application/vnd.in-toto+json', Buffer.alloc(0), [alice])) },
    MALFORMED,
  ],
  [
    'nested',
    'an artifact within an artifact',
    { artifact: text(enveloped('application/vnd.in-toto+json', Buffer.from(whole), [alice])) },
    MALFORMED,
  ],
  [
    'longest',
    `an envelope of ${MAX_ARTIFACT_BYTES} bytes`,
    { artifact: { text: whole, paddedTo: MAX_ARTIFACT_BYTES } },
    'permit',
  ],
  [
    'too long',
    `an envelope of ${MAX_ARTIFACT_BYTES + 1} bytes`,
    { artifact: { text: whole, paddedTo: MAX_ARTIFACT_BYTES + 1 } },
    MALFORMED,
  ],
  [
    'all of its stage',
    'one denial lists every reason of its stage, in order',
    {
      artifact: artifact(it => {
        it.issuer = 'board'
        it.audience.hosts = [OTHER_HOST]
        it.initiator.uids = [1]
        it.validity.notAfter = '2026-11-20T00:00:00.001Z'
        it.parent.execution = 'f'.repeat(32)
      }),
      clock: { now: '2026-11-21T02:00:00.000Z', trusted: false },
      lineage: 'broken',
    },
    [
      'artifact',
      'THRESHOLD_NOT_MET',
      'CLOCK_UNTRUSTED',
      'ARTIFACT_EXPIRED',
      'AUDIENCE_MISMATCH',
      'INITIATOR_MISMATCH',
      'INITIATOR_MISMATCH',
    ],
  ],
  [
    'unsigned, and wrong in other ways',
    'what is not signed is read all the same, to say what else is wrong',
    { artifact: artifact(it => (it.audience.hosts = [OTHER_HOST]), []) },
    ['artifact', 'SIGNATURE_INVALID', 'AUDIENCE_MISMATCH'],
  ],
  [
    'minted by no one',
    'an issuer that only a host may be',
    { artifact: artifact(it => (it.issuer = `host:${HOST}`)) },
    ['artifact', 'SIGNER_UNTRUSTED', 'ATTESTATION_STALE'],
  ],
  ['no trust roots', 'nobody is trusted', { trustRoots: null }, ['artifact', 'SIGNER_UNTRUSTED']],
  ['empty trust roots', 'no authority at all', { trustRoots: roots([]) }, ['artifact', 'SIGNER_UNTRUSTED']],
  [
    'authority of another name',
    'the key is trusted, for another issuer',
    { trustRoots: roots([authority('Release', 1, [keyOf(alice, 'alice')])]) },
    ['artifact', 'SIGNER_UNTRUSTED'],
  ],
]

export const ENVELOPE: Group = {
  file: 'envelope',
  description:
    'The envelope: its bytes, its JSON, its base64, its members, and which reasons are listed together.',
  cases,
}
