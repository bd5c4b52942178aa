import { TPM_CC, TPM_RH } from '../constants.ts'
import { TpmError } from '../error.ts'
import type { Entity, TpmCommand } from '../marshal.ts'
import { ALG, publicAreaName } from '../structures/index.ts'
import { sized, u16, u32 } from '../structures/integers.ts'

/** An object that was made outside of the TPM for one key in it: what TPM2_Import takes. */
export interface DuplicatedObject {
  /** TPMT_PUBLIC. */
  readonly publicArea: Buffer
  /** The content of a TPM2B_PRIVATE: outer HMAC and encrypted sensitive area. */
  readonly duplicate: Buffer
  /** The content of a TPM2B_ENCRYPTED_SECRET: the seed of that wrapping. */
  readonly encryptedSeed: Buffer
}

/** TPM2_Import (TPM 2.0 Part 3, section 13.3) of an object with an outer wrapper only. Gives the content of a TPM2B_PRIVATE. */
export function importCommand(parent: Entity, object: DuplicatedObject): TpmCommand<Buffer> {
  return {
    title: 'TPM2_Import',
    code: TPM_CC.Import,
    handles: [parent],
    parameters: Buffer.concat([
      u16(0), // encryptionKey: there is no inner wrapper
      sized(object.publicArea),
      sized(object.duplicate),
      sized(object.encryptedSeed),
      u16(ALG.NULL),
    ]),
    parse: reader => Buffer.from(reader.sized16be('outPrivate')),
  }
}

/** TPM2_Load (Part 3, section 12.2). The Name that the TPM says has to be that of the public area. */
export function loadCommand(parent: Entity, privateArea: Buffer, publicArea: Buffer): TpmCommand<Entity> {
  return {
    title: 'TPM2_Load',
    code: TPM_CC.Load,
    handles: [parent],
    parameters: Buffer.concat([sized(privateArea), sized(publicArea)]),
    returnsHandle: true,
    parse: (reader, handle) => loaded('TPM2_Load', publicArea, handle, reader.sized16be('name')),
  }
}

/** TPM2_LoadExternal (Part 3, section 12.3) of a public key alone, in the owner hierarchy, whose proof its tickets then have. */
export function loadExternalCommand(publicArea: Buffer): TpmCommand<Entity> {
  return {
    title: 'TPM2_LoadExternal',
    code: TPM_CC.LoadExternal,
    handles: [],
    parameters: Buffer.concat([u16(0), sized(publicArea), u32(TPM_RH.OWNER)]),
    returnsHandle: true,
    parse: (reader, handle) => loaded('TPM2_LoadExternal', publicArea, handle, reader.sized16be('name')),
  }
}

/** TPM2_Unseal (Part 3, section 12.7). */
export function unsealCommand(object: Entity): TpmCommand<Buffer> {
  return {
    title: 'TPM2_Unseal',
    code: TPM_CC.Unseal,
    handles: [object],
    parameters: Buffer.alloc(0),
    parse: reader => Buffer.from(reader.sized16be('outData')),
  }
}

function loaded(title: string, publicArea: Buffer, handle: number, said: Buffer): Entity {
  const name = publicAreaName(publicArea)
  if (!name.equals(said)) {
    throw new TpmError('TPM_MALFORMED', `${title}: the Name is not that of the public area`)
  }
  return { handle, name }
}
