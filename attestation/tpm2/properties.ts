import type { CapabilityPage } from './commands/capability.ts'
import { TPM_PT, TPMA_PERMANENT, TPMA_STARTUP_CLEAR } from './constants.ts'
import { TpmError } from './error.ts'

/** What a TPM says about itself. */
export interface TpmVendor {
  /** Four letters of the TCG Vendor ID Registry, for example `IFX`, `IBM`. */
  readonly manufacturer: string
  /** For example `SLB9670`, `SW   TPM`. */
  readonly vendorString: string
  readonly firmwareVersion: bigint
  /** Revision of the specification times 100, for example 164. */
  readonly revision: number
}

/** What TPM_PT_PERMANENT says about the hierarchies. */
export interface HierarchyState {
  readonly ownerAuthSet: boolean
  readonly endorsementAuthSet: boolean
  readonly lockoutAuthSet: boolean
  readonly inLockout: boolean
}

/** What a TPM allows now, for looking after it. */
export interface TpmUse {
  /** Which hierarchies can be used until the next reset; firmware can switch each off. */
  readonly enabled: { readonly platform: boolean; readonly owner: boolean; readonly endorsement: boolean }
  readonly lockout: {
    /** Failed authorizations that count now. */
    readonly failures: number
    /** As many lock the TPM. */
    readonly most: number
    /** Seconds after which one of them is forgotten; 0: never. */
    readonly intervalSeconds: number
  }
  /** NV counters that can still be made. */
  readonly countersLeft: number
}

type ReadProperties = (
  first: number,
  count: number,
) => Promise<CapabilityPage<{ property: number; value: number }>>

async function properties(
  read: ReadProperties,
  first: number,
  last: number,
): Promise<(property: number) => number> {
  const { items } = await read(first, last - first + 1)
  const values = new Map(items.map(({ property, value }) => [property, value]))
  return property => {
    const value = values.get(property)
    if (value === undefined) {
      throw new TpmError('TPM_MALFORMED', `the TPM does not say its property 0x${property.toString(16)}`)
    }
    return value
  }
}

/** Reads manufacturer, model and firmware version. */
export async function readVendor(read: ReadProperties): Promise<TpmVendor> {
  const get = await properties(read, TPM_PT.REVISION, TPM_PT.FIRMWARE_VERSION_2)
  let vendorString = ''
  for (let p: number = TPM_PT.VENDOR_STRING_1; p <= TPM_PT.VENDOR_STRING_4; p++)
    vendorString += letters(get(p))
  return {
    manufacturer: letters(get(TPM_PT.MANUFACTURER)).trim(),
    vendorString: vendorString.trim(),
    // The order that TPMS_ATTEST.firmwareVersion has (Part 2, section 10.12.12).
    firmwareVersion: (BigInt(get(TPM_PT.FIRMWARE_VERSION_1)) << 32n) | BigInt(get(TPM_PT.FIRMWARE_VERSION_2)),
    revision: get(TPM_PT.REVISION),
  }
}

/** Reads which hierarchies have an authValue. */
export async function readHierarchies(read: ReadProperties): Promise<HierarchyState> {
  const bits = (await properties(read, TPM_PT.PERMANENT, TPM_PT.PERMANENT))(TPM_PT.PERMANENT)
  return {
    ownerAuthSet: (bits & TPMA_PERMANENT.ownerAuthSet) !== 0,
    endorsementAuthSet: (bits & TPMA_PERMANENT.endorsementAuthSet) !== 0,
    lockoutAuthSet: (bits & TPMA_PERMANENT.lockoutAuthSet) !== 0,
    inLockout: (bits & TPMA_PERMANENT.inLockout) !== 0,
  }
}

/** Reads what the TPM allows now. */
export async function readUse(read: ReadProperties): Promise<TpmUse> {
  const get = await properties(read, TPM_PT.STARTUP_CLEAR, TPM_PT.LOCKOUT_INTERVAL)
  const bits = get(TPM_PT.STARTUP_CLEAR)
  return {
    enabled: {
      platform: (bits & TPMA_STARTUP_CLEAR.phEnable) !== 0,
      owner: (bits & TPMA_STARTUP_CLEAR.shEnable) !== 0,
      endorsement: (bits & TPMA_STARTUP_CLEAR.ehEnable) !== 0,
    },
    lockout: {
      failures: get(TPM_PT.LOCKOUT_COUNTER),
      most: get(TPM_PT.MAX_AUTH_FAIL),
      intervalSeconds: get(TPM_PT.LOCKOUT_INTERVAL),
    },
    countersLeft: get(TPM_PT.NV_COUNTERS_AVAIL),
  }
}

/** Four characters in a number; what is not printable ASCII is shown as `?`, and zeros end it. */
function letters(value: number): string {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
    .toString('latin1')
    .replace(/\0+$/, '')
    .replace(/[^\x20-\x7e]/g, '?')
}
