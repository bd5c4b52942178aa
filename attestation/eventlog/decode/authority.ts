import { derLength, describeCertificate } from './certificate.ts'
import { GUID, GUID_BYTES, guidText } from './guid.ts'
import type { Slice } from './slice.ts'
import { bytes, flag, sbat, type VariableContents } from './variable-contents.ts'

/** Sizes of the digests that an image can be allowed by. SHA-256 is the only one that firmware in use has. */
const DIGESTS: ReadonlyMap<number, string> = new Map([
  [32, 'sha256'],
  [48, 'sha384'],
  [64, 'sha512'],
])

/**
 * Reads the data of an EV_EFI_VARIABLE_AUTHORITY event (PFP 1.06, section 3.3.4.8): the entry of a database that an image was verified
 * with. Firmware logs the whole EFI_SIGNATURE_DATA; shim before 15.5 logs the certificate alone, and shim logs its own policy
 * (`SbatLevel`, `MokListTrusted`) under the same type.
 */
export function readAuthority(guid: string, name: string, slice: Slice): VariableContents {
  const { bytes: data } = slice
  if (data.length === 0) return { form: 'absent' }
  if (guid === GUID.shimLock && name.startsWith('SbatLevel')) return sbat(slice)
  if (data.length === 1) return flag(slice)
  if (derLength(data) === data.length) {
    return {
      form: 'signature',
      entry: { kind: 'certificate', owner: null, certificate: describeCertificate(data) },
    }
  }
  const alone = DIGESTS.get(data.length)
  const owned = data.length > GUID_BYTES ? data.subarray(GUID_BYTES) : null
  const algorithm = owned === null ? undefined : DIGESTS.get(owned.length)
  const owner = owned === null ? null : guidText(data.subarray(0, GUID_BYTES))
  if (owned !== null && owner !== null && derLength(owned) === owned.length) {
    return {
      form: 'signature',
      entry: { kind: 'certificate', owner, certificate: describeCertificate(owned) },
    }
  }
  // 48 and 64 bytes have two readings; firmware logs the owner, and SHA-384 and SHA-512 databases are not in use.
  if (owned !== null && owner !== null && algorithm !== undefined) {
    return {
      form: 'signature',
      entry: { kind: 'image-digest', owner, algorithm, digest: owned.toString('hex') },
    }
  }
  if (alone !== undefined) {
    return {
      form: 'signature',
      entry: { kind: 'image-digest', owner: null, algorithm: alone, digest: data.toString('hex') },
    }
  }
  return bytes(slice)
}
