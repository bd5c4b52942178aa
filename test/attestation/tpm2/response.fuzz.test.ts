import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Authorization, EMPTY_PASSWORD, HmacSession } from '../../../attestation/tpm2/authorization.ts'
import {
  banksCommand,
  handlesCommand,
  propertiesCommand,
} from '../../../attestation/tpm2/commands/capability.ts'
import { readClockCommand } from '../../../attestation/tpm2/commands/clock.ts'
import { activateCredentialCommand } from '../../../attestation/tpm2/commands/credential.ts'
import { nvReadCommand, nvReadPublicCommand } from '../../../attestation/tpm2/commands/nv.ts'
import { readPublicCommand } from '../../../attestation/tpm2/commands/object.ts'
import { pcrReadCommand } from '../../../attestation/tpm2/commands/pcr.ts'
import { quoteCommand } from '../../../attestation/tpm2/commands/quote.ts'
import { getRandomCommand } from '../../../attestation/tpm2/commands/random.ts'
import { policySecretCommand, startAuthSessionCommand } from '../../../attestation/tpm2/commands/session.ts'
import { TpmError } from '../../../attestation/tpm2/index.ts'
import {
  marshalCommand,
  parseResponse,
  permanent,
  type TpmCommand,
} from '../../../attestation/tpm2/marshal.ts'
import { imaTemplates } from '../../../attestation/tpm2/swtpm/ima-templates.ts'
import { EncodingError } from '../../../encoding/error.ts'
import { frame } from './response-frame.ts'

const entity = permanent(0x81000001)
const selection = [{ bank: 0x000b, pcrs: [0, 1] }]
const PLAIN: readonly TpmCommand<unknown>[] = [
  handlesCommand(0x81000000),
  propertiesCommand(0x100, 8),
  banksCommand(),
  readClockCommand(),
  readPublicCommand(0x81000001),
  nvReadPublicCommand(0x01800001),
  pcrReadCommand(selection),
  getRandomCommand(16),
  startAuthSessionCommand(0),
]
const AUTHORIZED: readonly TpmCommand<unknown>[] = [
  quoteCommand(entity, Buffer.alloc(32), selection),
  nvReadCommand(entity, entity, 8, 0),
  policySecretCommand(entity, 0x03000000),
  activateCredentialCommand(entity, entity, Buffer.alloc(2), Buffer.alloc(2)),
]

/** Whatever the TPM's end of the line says, it is a value or a TpmError. */
function parsesOrRefuses(
  command: TpmCommand<unknown>,
  auths: readonly Authorization[],
  response: Uint8Array,
) {
  try {
    parseResponse(command, auths, response)
  } catch (error) {
    expect(error).toBeInstanceOf(TpmError)
  }
}

describe('responses made up by chance', () => {
  const code = fc.constantFrom(0, 0, 0, 0x100, 0x18b, 0x98e, 0x922)
  const tag = fc.constantFrom(0x8001, 0x8002, 0x00c4)
  // Small numbers and known constants get further into a structure than random ones.
  const word = fc.constantFrom(
    '0000',
    '0001',
    '0003',
    '000b',
    '0010',
    '0020',
    '8018',
    'ff54',
    '4347',
    'ffff',
    '0018',
  )
  const body = fc.oneof(
    fc.array(word, { maxLength: 80 }).map(words => words.join('')),
    fc.uint8Array({ maxLength: 200 }).map(bytes => Buffer.from(bytes).toString('hex')),
  )

  it('are values or errors for every command', () => {
    fc.assert(
      fc.property(fc.constantFrom(...PLAIN), tag, code, body, (command, tag, rc, body) => {
        parsesOrRefuses(command, [], frame(tag, rc, body))
      }),
      { numRuns: 2_000 },
    )
    fc.assert(
      fc.property(fc.constantFrom(...AUTHORIZED), tag, code, body, (command, tag, rc, body) => {
        parsesOrRefuses(command, [EMPTY_PASSWORD], frame(tag, rc, `${u32(body.length / 2)}${body}0000010000`))
        parsesOrRefuses(command, [EMPTY_PASSWORD], frame(tag, rc, body))
      }),
      { numRuns: 2_000 },
    )
  })

  it('are values or errors without a proper frame', () => {
    fc.assert(
      fc.property(fc.constantFrom(...PLAIN), fc.uint8Array({ maxLength: 64 }), (command, bytes) => {
        parsesOrRefuses(command, [], bytes)
      }),
    )
  })

  it('are never believed in a session', () => {
    fc.assert(
      fc.property(fc.constantFrom(...AUTHORIZED), tag, code, body, (command, tag, rc, body) => {
        const session = new HmacSession(0x02000000, Buffer.alloc(32), Buffer.alloc(32, 3))
        marshalCommand(command, [session])
        expect(() => parseResponse(command, [session], frame(tag, rc, body))).toThrow(TpmError)
      }),
    )
  })
})

describe('IMA logs made up by chance', () => {
  it('are walked to their end or refused', () => {
    const name = fc.constantFrom('ima', 'ima-ng', 'ima-sig', '')
    const entry = fc
      .tuple(name, fc.uint8Array({ maxLength: 60 }))
      .map(([template, data]) =>
        Buffer.concat([
          Buffer.alloc(24),
          le32(template.length),
          Buffer.from(template),
          le32(data.length),
          data,
        ]),
      )
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 5 }), fc.nat(400), (entries, cut) => {
        try {
          for (const { data } of imaTemplates(Buffer.concat(entries).subarray(0, cut)))
            expect(data).toBeDefined()
        } catch (error) {
          expect(error).toBeInstanceOf(EncodingError)
        }
      }),
    )
  })
})

function u32(value: number): string {
  return value.toString(16).padStart(8, '0')
}

function le32(value: number): Buffer {
  const out = Buffer.alloc(4)
  out.writeUInt32LE(value)
  return out
}
