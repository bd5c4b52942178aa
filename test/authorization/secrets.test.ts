import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { decryptPayload, encryptPayload, type SealedSecret } from '../../authorization/index.ts'

const key = randomBytes(32)
const sealed: SealedSecret = {
  ...{ name: 'model', descriptor: 3, recipients: [] },
  payload: encryptPayload('release', 'model', key, Buffer.from('a model key')),
}

test('a secret opens for the authority and the name that it was sealed for', () => {
  expect(decryptPayload(sealed, 'release', key).toString()).toBe('a model key')
})

test.each([
  ['an artifact of another authority', sealed, 'board'],
  ['another name', { ...sealed, name: 'token' }, 'release'],
  ['a name that is an issuer and a name', { ...sealed, name: 'release\0model' }, ''],
])('and not for %s', (_, secret, issuer) => {
  expect(() => decryptPayload(secret, issuer, key)).toThrow('not what was sealed')
})
