import { hex, made } from './statement-text.ts'

export const base64 = (bytes: number): string => Buffer.alloc(bytes).toString('base64')
export const secret = (fields: object = {}) => ({
  name: 'token',
  descriptor: 3,
  payload: base64(28),
  recipients: [
    {
      host: `000b${hex(7)}`,
      publicArea: base64(40),
      duplicate: base64(40),
      encryptedSeed: base64(32),
      authValue: base64(80),
    },
  ],
  ...fields,
})
export const secrets = (...items: object[]): string => made(it => Object.assign(it, { secrets: items }))
