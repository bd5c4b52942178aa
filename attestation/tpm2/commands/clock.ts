import { TPM_CC } from '../constants.ts'
import type { TpmCommand } from '../marshal.ts'
import { type ClockInfo, readClockInfo } from '../structures/index.ts'

/** TPM2_ReadClock (TPM 2.0 Part 3, section 29.1). Not signed: for status, never for a decision. */
export function readClockCommand(): TpmCommand<ClockInfo & { readonly time: bigint }> {
  return {
    title: 'TPM2_ReadClock',
    code: TPM_CC.ReadClock,
    handles: [],
    parameters: Buffer.alloc(0),
    parse(reader) {
      const time = reader.u64be('time')
      return { time, ...readClockInfo(reader) }
    },
  }
}
