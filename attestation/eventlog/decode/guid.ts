/** EFI_GUID is 16 bytes, the first three groups little-endian (UEFI 2.10, appendix A). */
export const GUID_BYTES = 16

/** The text form of an EFI_GUID, in lower case. */
export function guidText(bytes: Buffer): string {
  const h = bytes.toString('hex', 0, GUID_BYTES)
  const a = h.slice(6, 8) + h.slice(4, 6) + h.slice(2, 4) + h.slice(0, 2)
  const b = h.slice(10, 12) + h.slice(8, 10)
  const c = h.slice(14, 16) + h.slice(12, 14)
  return `${a}-${b}-${c}-${h.slice(16, 20)}-${h.slice(20)}`
}

/** Namespaces of variables, and owners of signatures. */
export const GUID = {
  /** EFI_GLOBAL_VARIABLE (UEFI 2.10, section 3.3). */
  globalVariable: '8be4df61-93ca-11d2-aa0d-00e098032b8c',
  /** EFI_IMAGE_SECURITY_DATABASE_GUID (UEFI 2.10, section 32.6.1). */
  imageSecurityDatabase: 'd719b2cb-3d3a-4596-a3bc-dad00e67656f',
  /** SHIM_LOCK_GUID (shim, include/guid.h). */
  shimLock: '605dab50-e046-4300-abb6-3dd810dd8b23',
  /** Boot loader interface (systemd, "The Boot Loader Interface"). */
  bootLoader: '4a67b082-0a4c-41cf-b6c7-440b29bb8c4f',
} as const

/** Configuration tables that firmware hands over (UEFI 2.10, section 4.6.1; edk2 MdePkg/Include/Guid). */
const TABLES: ReadonlyMap<string, string> = new Map([
  ['eb9d2d31-2d88-11d3-9a16-0090273fc14d', 'SMBIOS'],
  ['f2fd1544-9794-4a2c-992e-e5bbcf20e394', 'SMBIOS3'],
  ['eb9d2d30-2d88-11d3-9a16-0090273fc14d', 'ACPI 1.0'],
  ['8868e871-e4f1-11d3-bc22-0080c73c8881', 'ACPI 2.0'],
  ['eb9d2d2f-2d88-11d3-9a16-0090273fc14d', 'MPS'],
  ['eb9d2d32-2d88-11d3-9a16-0090273fc14d', 'SAL system table'],
  ['b1b621d5-f19c-41a5-830b-d9152c69aae0', 'Device tree'],
])

/** The name of a configuration table, null for one that is not known. */
export function configurationTableName(guid: string): string | null {
  return TABLES.get(guid) ?? null
}
