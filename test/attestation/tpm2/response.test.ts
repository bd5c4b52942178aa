import { describe, expect, it } from 'vitest'
import { EMPTY_PASSWORD, HmacSession } from '../../../attestation/tpm2/authorization.ts'
import { handlesCommand } from '../../../attestation/tpm2/commands/capability.ts'
import { readClockCommand } from '../../../attestation/tpm2/commands/clock.ts'
import { nvReadPublicCommand } from '../../../attestation/tpm2/commands/nv.ts'
import { readPublicCommand } from '../../../attestation/tpm2/commands/object.ts'
import { pcrExtendCommand, pcrReadCommand } from '../../../attestation/tpm2/commands/pcr.ts'
import { getRandomCommand } from '../../../attestation/tpm2/commands/random.ts'
import { TpmError } from '../../../attestation/tpm2/index.ts'
import { marshalCommand, parseResponse } from '../../../attestation/tpm2/marshal.ts'
import { describeResponseCode, isLostSession } from '../../../attestation/tpm2/response-code.ts'
import { publicAreaName } from '../../../attestation/tpm2/structures/index.ts'
import { sha256Hex } from '../../../encoding/digest.ts'
import { frame } from './response-frame.ts'

const clock = '0000000000000064' + '00000000000003e8' + '00000002' + '00000001' + '01'

describe('a response', () => {
  it('is read as the command defines it', () => {
    expect(parseResponse(readClockCommand(), [], frame(0x8001, 0, clock))).toEqual({
      time: 100n,
      clock: 1000n,
      resetCount: 2,
      restartCount: 1,
      safe: true,
    })
  })

  it.each([
    ['nothing', ''],
    ['half a header', '80010000'],
    ['a size beyond its end', frame(0x8001, 0, clock, 40).toString('hex')],
    ['a size before its end', frame(0x8001, 0, clock, 20).toString('hex')],
    ['bytes after its parameters', frame(0x8001, 0, `${clock}00`).toString('hex')],
    ['parameters that are cut off', frame(0x8001, 0, clock.slice(2)).toString('hex')],
    ['a session where none was used', frame(0x8002, 0, clock).toString('hex')],
    ['the tag of TPM 1.2', frame(0x00c4, 0, clock).toString('hex')],
    ['an error with a body', frame(0x8001, 0x101, '00').toString('hex')],
    ['an error with the tag of success', frame(0x8002, 0x101, '').toString('hex')],
    ['a boolean that is neither', frame(0x8001, 0, `${clock.slice(0, -2)}02`).toString('hex')],
  ])('with %s is malformed', (_what, hex) => {
    const parse = () => parseResponse(readClockCommand(), [], Buffer.from(hex, 'hex'))
    expect(parse).toThrow(TpmError)
    expect(parse).toThrow(expect.objectContaining({ code: 'TPM_MALFORMED' }))
  })

  it('that counts more handles than it has is malformed, whatever the count', () => {
    const response = frame(0x8001, 0, `00${'00000001'}${'ffffffff'}${'81000000'}`)
    expect(() => parseResponse(handlesCommand(0x81000000), [], response)).toThrow(
      expect.objectContaining({ code: 'TPM_MALFORMED' }),
    )
  })

  it('with another capability than the one asked for is malformed', () => {
    const response = frame(0x8001, 0, `00${'00000006'}${'00000000'}`)
    expect(() => parseResponse(handlesCommand(0x81000000), [], response)).toThrow(/capability 0x6/)
  })

  it('with more random bytes than asked for is malformed', () => {
    expect(() => parseResponse(getRandomCommand(2), [], frame(0x8001, 0, '0003010203'))).toThrow(/3 bytes/)
  })

  it.each([
    [
      'a value for a PCR that nobody asked for',
      `${'00000001'}000b03020000${'00000001'}0020${'00'.repeat(32)}`,
    ],
    ['a value of another size', `${'00000001'}000b03010000${'00000001'}0014${'00'.repeat(20)}`],
    ['more values than PCRs', `${'00000001'}000b03010000${'00000002'}${`0020${'00'.repeat(32)}`.repeat(2)}`],
    ['a bank that nobody knows', `${'00000001'}00ff03010000${'00000001'}0020${'00'.repeat(32)}`],
  ])('to a PCR read with %s is malformed', (_what, body) => {
    const command = pcrReadCommand([{ bank: 0x000b, pcrs: [0] }])
    const good = `${'00000001'}${'00000001'}000b03010000${'00000001'}0020${'00'.repeat(32)}`
    expect(parseResponse(command, [], frame(0x8001, 0, good)).values).toHaveLength(1)
    expect(() => parseResponse(command, [], frame(0x8001, 0, `00000001${body}`))).toThrow(
      expect.objectContaining({ code: 'TPM_MALFORMED' }),
    )
  })

  it('with a Name that is not that of the public area is malformed', () => {
    const area = `0023000b00050472000000100018000b0003001000${'20'}${'11'.repeat(32)}0020${'22'.repeat(32)}`
    const name = publicAreaName(Buffer.from(area, 'hex')).toString('hex')
    const answer = (name: string) => frame(0x8001, 0, `${sized(area)}${sized(name)}0000`)
    expect(parseResponse(readPublicCommand(0x81000001), [], answer(name)).name.toString('hex')).toBe(name)
    const wrong = `${name.slice(0, -2)}${name.endsWith('00') ? '01' : '00'}`
    expect(() => parseResponse(readPublicCommand(0x81000001), [], answer(wrong))).toThrow(/Name/)
  })

  it.each([
    ['another index', '01800002', undefined],
    ['a Name that is not its own', '01800001', `000b${'00'.repeat(32)}`],
  ])('about an NV index with %s is malformed', (_what, index, wrongName) => {
    const nv = (index: string) => `${index}000b2204001400000008`
    const nameOf = (area: string) => `000b${sha256Hex(Buffer.from(area, 'hex'))}`
    const answer = (area: string, name: string) => frame(0x8001, 0, `${sized(area)}${sized(name)}`)
    const command = nvReadPublicCommand(0x01800001)
    const right = nv('01800001')
    expect(parseResponse(command, [], answer(right, nameOf(right)))).toMatchObject({ dataSize: 8 })
    const response = answer(nv(index), wrongName ?? nameOf(nv(index)))
    expect(() => parseResponse(command, [], response)).toThrow(
      expect.objectContaining({ code: 'TPM_MALFORMED' }),
    )
  })

  it('to a password has neither nonce nor HMAC', () => {
    const command = pcrExtendCommand(16, [{ bank: 'sha256', digest: Buffer.alloc(32) }])
    parseResponse(command, [EMPTY_PASSWORD], frame(0x8002, 0, '00000000' + '0000' + '01' + '0000'))
    for (const auth of ['0000' + '01' + '0001aa', '0001aa' + '01' + '0000']) {
      const response = frame(0x8002, 0, `00000000${auth}`)
      expect(() => parseResponse(command, [EMPTY_PASSWORD], response)).toThrow(/password/)
    }
  })

  it('in a session is believed only with the HMAC of the authValue', () => {
    const command = getRandomCommand(1)
    const session = () => new HmacSession(0x02000000, Buffer.alloc(32), Buffer.alloc(32, 1))
    for (const hmac of ['0000', `0020${'00'.repeat(32)}`]) {
      const used = session()
      marshalCommand(command, [used])
      const answer = frame(0x8002, 0, `00000003${'0001aa'}${`0020${'00'.repeat(32)}`}00${hmac}`)
      expect(() => parseResponse(command, [used], answer)).toThrow(
        expect.objectContaining({ code: 'TPM_UNAUTHENTIC' }),
      )
    }
  })
})

describe('a response code', () => {
  it.each([
    [0x98e, true, 'wrong authorization value (session 1)'],
    [0x9a2, true, 'wrong authorization value (session 1)'],
    [0x18b, false, 'no such handle (handle 1)'],
    [0x1d5, false, 'wrong size (parameter 1)'],
    [0x100, false, 'the TPM has been reset and not started up'],
    [0xffff, false, 'refused by the TPM (parameter 15)'],
  ])('0x%s is told to people', (rc, authFailure, text) => {
    expect(describeResponseCode(rc)).toEqual({ text, authFailure })
  })

  it('tells a lost session from other lost handles', () => {
    expect([0x918, 0x919, 0x98b].every(isLostSession)).toBe(true)
    expect([0x18b, 0x9cb, 0x910, 0x98e, 0x917].some(isLostSession)).toBe(false)
  })
})

function sized(hex: string): string {
  return `${(hex.length / 2).toString(16).padStart(4, '0')}${hex}`
}
