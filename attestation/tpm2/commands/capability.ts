import type { ByteReader } from '../../../encoding/byte-reader.ts'
import { TPM_CAP, TPM_CC } from '../constants.ts'
import { TpmError } from '../error.ts'
import type { TpmCommand } from '../marshal.ts'
import { type PcrSelection, readPcrSelection } from '../structures/index.ts'
import { u32 } from '../structures/integers.ts'

/** One answer of TPM2_GetCapability; `more` says that the list goes on. */
export interface CapabilityPage<T> {
  readonly more: boolean
  readonly items: readonly T[]
}

/** TPM2_GetCapability (TPM 2.0 Part 3, section 30.2). */
function getCapability<T>(
  capability: number,
  property: number,
  count: number,
  items: (reader: ByteReader) => T[],
): TpmCommand<CapabilityPage<T>> {
  return {
    title: 'TPM2_GetCapability',
    code: TPM_CC.GetCapability,
    handles: [],
    parameters: Buffer.concat([u32(capability), u32(property), u32(count)]),
    parse(reader) {
      const more = reader.u8('moreData')
      const got = reader.u32be('capability')
      if (got !== capability || more > 1) {
        throw new TpmError('TPM_MALFORMED', `TPM2_GetCapability: answers capability 0x${got.toString(16)}`)
      }
      return { more: more === 1, items: items(reader) }
    },
  }
}

/** A counted list; each item takes bytes, so a count that is too large runs out of them before it costs anything. */
function list<T>(reader: ByteReader, item: () => T): T[] {
  const out: T[] = []
  for (let left = reader.u32be('count'); left > 0; left--) out.push(item())
  return out
}

/** Handles that exist, from `first` on, of the range that `first` is in. */
export function handlesCommand(first: number): TpmCommand<CapabilityPage<number>> {
  return getCapability(TPM_CAP.HANDLES, first, 254, reader => list(reader, () => reader.u32be('handle')))
}

/** Values of properties (TPM_PT), from `first` on. */
export function propertiesCommand(
  first: number,
  count: number,
): TpmCommand<CapabilityPage<{ property: number; value: number }>> {
  return getCapability(TPM_CAP.TPM_PROPERTIES, first, count, reader =>
    list(reader, () => ({ property: reader.u32be('property'), value: reader.u32be('value') })),
  )
}

/** The PCRs of each bank that the TPM has; a bank that is switched off is there with no PCRs. */
export function banksCommand(): TpmCommand<CapabilityPage<PcrSelection>> {
  return getCapability(TPM_CAP.PCRS, 0, 16, readPcrSelection)
}
