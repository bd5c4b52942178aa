import { TPM_CC } from '../constants.ts'
import { TpmError } from '../error.ts'
import type { TpmCommand } from '../marshal.ts'
import { u16 } from '../structures/integers.ts'

/** TPM2_GetRandom (TPM 2.0 Part 3, section 16.1). The TPM may give fewer bytes than asked for, never more. */
export function getRandomCommand(bytes: number): TpmCommand<Buffer> {
  return {
    title: 'TPM2_GetRandom',
    code: TPM_CC.GetRandom,
    handles: [],
    parameters: u16(bytes),
    parse(reader) {
      const random = Buffer.from(reader.sized16be('randomBytes'))
      if (random.length > bytes) {
        throw new TpmError('TPM_MALFORMED', `TPM2_GetRandom: ${random.length} bytes, ${bytes} were asked for`)
      }
      return random
    },
  }
}
