import { TPM_CC } from '../constants.ts'
import { TpmError } from '../error.ts'
import { permanent, type TpmCommand } from '../marshal.ts'
import { publicAreaName } from '../structures/index.ts'
import { u32 } from '../structures/integers.ts'

/** What is public about an object in the TPM. */
export interface ObjectPublic {
  /** TPMT_PUBLIC. */
  readonly publicArea: Buffer
  readonly name: Buffer
}

/** TPM2_ReadPublic (TPM 2.0 Part 3, section 12.4). The Name is computed here and has to be the one that the TPM says. */
export function readPublicCommand(handle: number): TpmCommand<ObjectPublic> {
  return {
    title: 'TPM2_ReadPublic',
    code: TPM_CC.ReadPublic,
    handles: [permanent(handle)],
    parameters: Buffer.alloc(0),
    parse(reader) {
      const publicArea = Buffer.from(reader.sized16be('outPublic'))
      const name = Buffer.from(reader.sized16be('name'))
      reader.sized16be('qualifiedName')
      if (!publicAreaName(publicArea).equals(name)) {
        throw new TpmError('TPM_MALFORMED', 'TPM2_ReadPublic: the Name is not that of the public area')
      }
      return { publicArea, name }
    },
  }
}

/** TPM2_FlushContext (Part 3, section 28.4): frees a transient object or a session. */
export function flushContextCommand(handle: number): TpmCommand<void> {
  return {
    title: 'TPM2_FlushContext',
    code: TPM_CC.FlushContext,
    handles: [],
    parameters: u32(handle),
    parse: () => undefined,
  }
}
