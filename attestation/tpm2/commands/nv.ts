import { createHash } from 'node:crypto'
import { ByteReader } from '../../../encoding/byte-reader.ts'
import { TPM_CC } from '../constants.ts'
import { TpmError } from '../error.ts'
import { type Entity, permanent, type TpmCommand } from '../marshal.ts'
import { hashFromId } from '../structures/index.ts'
import { u16 } from '../structures/integers.ts'

/** TPMS_NV_PUBLIC (TPM 2.0 Part 2, section 13.6). */
export interface NvPublic {
  readonly index: number
  /** TPMA_NV, as an unsigned number. */
  readonly attributes: number
  readonly authPolicy: Buffer
  readonly dataSize: number
  /** nameAlg ‖ digest of TPMS_NV_PUBLIC; it changes with the first write, which sets TPMA_NV_WRITTEN. */
  readonly name: Buffer
}

/** TPM2_NV_ReadPublic (Part 3, section 31.6). */
export function nvReadPublicCommand(index: number): TpmCommand<NvPublic> {
  return {
    title: 'TPM2_NV_ReadPublic',
    code: TPM_CC.NV_ReadPublic,
    handles: [permanent(index)],
    parameters: Buffer.alloc(0),
    parse(reader) {
      const bytes = reader.sized16be('nvPublic')
      const name = Buffer.from(reader.sized16be('nvName'))
      const inner = new ByteReader(bytes, 'TPMS_NV_PUBLIC')
      const got = inner.u32be('nvIndex')
      const nameAlg = inner.u16be('nameAlg')
      const attributes = inner.u32be('attributes')
      const authPolicy = Buffer.from(inner.sized16be('authPolicy'))
      const dataSize = inner.u16be('dataSize')
      inner.end()
      const digest = createHash(hashFromId(nameAlg, 'nameAlg')).update(bytes).digest()
      if (got !== index || !Buffer.concat([u16(nameAlg), digest]).equals(name)) {
        throw new TpmError(
          'TPM_MALFORMED',
          'TPM2_NV_ReadPublic: another index, or a Name that is not its own',
        )
      }
      return { index, attributes, authPolicy, dataSize, name }
    },
  }
}

/** TPM2_NV_Read (Part 3, section 31.13). `auth` authorizes: the index itself, or the owner. */
export function nvReadCommand(auth: Entity, index: Entity, size: number, offset: number): TpmCommand<Buffer> {
  return {
    title: 'TPM2_NV_Read',
    code: TPM_CC.NV_Read,
    handles: [auth, index],
    parameters: Buffer.concat([u16(size), u16(offset)]),
    parse(reader) {
      const data = Buffer.from(reader.sized16be('data'))
      if (data.length !== size) {
        throw new TpmError('TPM_MALFORMED', `TPM2_NV_Read: ${data.length} bytes of ${size}`)
      }
      return data
    },
  }
}

/** TPM2_NV_Increment (Part 3, section 31.8). */
export function nvIncrementCommand(auth: Entity, index: Entity): TpmCommand<void> {
  return {
    title: 'TPM2_NV_Increment',
    code: TPM_CC.NV_Increment,
    handles: [auth, index],
    parameters: Buffer.alloc(0),
    parse: () => undefined,
  }
}
