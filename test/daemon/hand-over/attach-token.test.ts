import { describe, expect, it } from 'vitest'
import {
  ATTACH_TOKEN_BYTES,
  attachDigest,
  isAttachToken,
  newAttachToken,
} from '../../../daemon/hand-over/attach-token.ts'

describe('the token of an execution', () => {
  const token = newAttachToken()
  const digest = attachDigest(token)

  it('is 32 bytes, and another one each time', () => {
    expect(token).toHaveLength(ATTACH_TOKEN_BYTES)
    expect(newAttachToken()).not.toEqual(token)
    expect(digest).toMatch(/^[0-9a-f]{64}$/)
  })

  it('is known by its digest', () => {
    expect(isAttachToken(token, digest)).toBe(true)
    expect(isAttachToken(Buffer.from(token), digest)).toBe(true)
  })

  it.each([
    ['another', newAttachToken()],
    ['an empty one', Buffer.alloc(0)],
    ['one that is too short', token.subarray(1)],
    ['one that is too long', Buffer.concat([token, Buffer.alloc(1)])],
    ['the digest itself', Buffer.from(digest, 'hex')],
    ['one with another bit', Buffer.from(token.map((byte, i) => (i === 31 ? byte ^ 1 : byte)))],
  ])('is not %s', (_, other) => {
    expect(isAttachToken(other, digest)).toBe(false)
  })

  it('is nothing where nobody may attach', () => {
    expect(isAttachToken(token, null)).toBe(false)
  })
})
