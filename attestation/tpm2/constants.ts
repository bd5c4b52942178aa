/** Structure tags (TPM 2.0 Part 2, section 6.9). */
export const TPM_ST = { NO_SESSIONS: 0x8001, SESSIONS: 0x8002 } as const

/** Command codes (Part 2, section 6.5.2). */
export const TPM_CC = {
  NV_Increment: 0x134,
  ActivateCredential: 0x147,
  NV_Read: 0x14e,
  PolicySecret: 0x151,
  Quote: 0x158,
  FlushContext: 0x165,
  NV_ReadPublic: 0x169,
  ReadPublic: 0x173,
  StartAuthSession: 0x176,
  GetCapability: 0x17a,
  GetRandom: 0x17b,
  PCR_Read: 0x17e,
  PolicyNV: 0x149,
  Import: 0x156,
  Load: 0x157,
  Unseal: 0x15e,
  LoadExternal: 0x167,
  PolicyAuthorize: 0x16a,
  PolicyAuthValue: 0x16b,
  VerifySignature: 0x177,
  PolicyPCR: 0x17f,
  PolicyGetDigest: 0x189,
  ReadClock: 0x181,
  PCR_Extend: 0x182,
  Startup: 0x144,
  Shutdown: 0x145,
} as const

/** Permanent handles (Part 2, section 7.4). */
export const TPM_RH = {
  OWNER: 0x40000001,
  NULL: 0x40000007,
  PW: 0x40000009,
  ENDORSEMENT: 0x4000000b,
} as const

/** First handle of each range (Part 2, section 7.2 and 7.5). */
export const TPM_HR = {
  NV_INDEX: 0x01000000,
  HMAC_SESSION: 0x02000000,
  SAVED_SESSION: 0x03000000,
  TRANSIENT: 0x80000000,
  PERSISTENT: 0x81000000,
} as const

/** Comparisons of TPM2_PolicyNV (Part 2, section 6.8). */
export const TPM_EO = { UNSIGNED_LE: 0x0009 } as const

/** Session types (Part 2, section 6.11). */
export const TPM_SE = { HMAC: 0x00, POLICY: 0x01 } as const

/** Capabilities (Part 2, section 6.12). */
export const TPM_CAP = { HANDLES: 0x1, PCRS: 0x5, TPM_PROPERTIES: 0x6 } as const

/** Properties (Part 2, section 6.13). */
export const TPM_PT = {
  REVISION: 0x102,
  MANUFACTURER: 0x105,
  VENDOR_STRING_1: 0x106,
  VENDOR_STRING_4: 0x109,
  FIRMWARE_VERSION_1: 0x10b,
  FIRMWARE_VERSION_2: 0x10c,
  NV_BUFFER_MAX: 0x12c,
  PERMANENT: 0x200,
  STARTUP_CLEAR: 0x201,
  NV_COUNTERS_AVAIL: 0x20b,
  LOCKOUT_COUNTER: 0x20e,
  MAX_AUTH_FAIL: 0x20f,
  LOCKOUT_INTERVAL: 0x210,
} as const

/** Bits of TPMA_PERMANENT (Part 2, section 8.6). */
export const TPMA_PERMANENT = {
  ownerAuthSet: 1 << 0,
  endorsementAuthSet: 1 << 1,
  lockoutAuthSet: 1 << 2,
  inLockout: 1 << 9,
} as const

/** Bits of TPMA_STARTUP_CLEAR (Part 2, section 8.7). */
export const TPMA_STARTUP_CLEAR = { phEnable: 1 << 0, shEnable: 1 << 1, ehEnable: 1 << 2 } as const

/** Bits of TPMA_NV (Part 2, section 13.4). */
export const TPMA_NV = {
  PPWRITE: 2 ** 0,
  OWNERWRITE: 2 ** 1,
  AUTHWRITE: 2 ** 2,
  POLICYWRITE: 2 ** 3,
  PPREAD: 2 ** 16,
  OWNERREAD: 2 ** 17,
  AUTHREAD: 2 ** 18,
  POLICYREAD: 2 ** 19,
  NO_DA: 2 ** 25,
  WRITTEN: 2 ** 29,
} as const

/** TPM_NT_COUNTER (Part 2, section 13.2), in bits 4 to 7 of TPMA_NV. */
export const TPM_NT_COUNTER = 1
