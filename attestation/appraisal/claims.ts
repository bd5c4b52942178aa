import type { Tier } from '../identity/tier.ts'
import type { AppraisalReason, AppraisalReasonCode } from './reason.ts'

/** The claims of an AR4SI trustworthiness vector (draft-ietf-rats-ar4si-08, section 2.3.4), by the names that an EAR has for them. */
export const TRUST_CLAIMS = [
  'instance-identity',
  'configuration',
  'executables',
  'file-system',
  'hardware',
  'runtime-opaque',
  'storage-opaque',
  'sourced-data',
] as const
export type TrustClaimName = (typeof TRUST_CLAIMS)[number]

/** What a value of -128 to 127 comes to (section 2.3.2). */
export type TrustTier = 'none' | 'affirming' | 'warning' | 'contraindicated'

/** One value of -128 to 127 for each claim; 0 where nothing is said. */
export type TrustVector = Readonly<Record<TrustClaimName, number>>

/** The values that Writ gives (section 2.3.4). */
export const TRUST_VALUE = {
  noClaim: 0,
  /** instance-identity: recognised, and not known to be compromised. */
  recognizedInstance: 2,
  unrecognizedInstance: 97,
  /** configuration: known and approved. */
  approvedConfiguration: 2,
  /** configuration: what matters to security is not available to the verifier. */
  unavailableConfiguration: 36,
  unsupportableConfiguration: 96,
  /** executables: only approved ones were loaded during the boot and after it. */
  approvedRuntime: 2,
  /** executables: only approved ones were loaded during the boot. */
  approvedBoot: 3,
  contraindicatedRuntime: 96,
  approvedFiles: 2,
  contraindicatedFiles: 96,
  genuineHardware: 2,
  unsafeHardware: 32,
  unrecognizedHardware: 97,
  /** Any claim: the evidence does not hold cryptographically. */
  validationFailed: 99,
} as const

/** What was looked at, and by what: reasons say only what was wrong with it. */
export interface AppraisedMatter {
  /** The quote is by the enrolled key and answers the challenge. */
  readonly quote: boolean
  /** The logs replay to the quote. */
  readonly logs: boolean
  /** The reference values leave no part of the configuration to `any`. */
  readonly configuration: boolean
  /** They leave no boot image, nor the firmware, to `any`. */
  readonly boot: boolean
  /** They list what IMA may have measured, and exclude nothing. */
  readonly files: boolean
  /** Derived from a verified EK certificate; undefined when that is somebody else's to look at. */
  readonly tier: Tier | undefined
}

/** The tier of one value (section 2.3.2). */
export function trustTier(value: number): TrustTier {
  if (value >= -1 && value <= 1) return 'none'
  if (value >= -32 && value <= 31) return 'affirming'
  return value >= -96 && value <= 95 ? 'warning' : 'contraindicated'
}

const RANK: readonly TrustTier[] = ['none', 'affirming', 'warning', 'contraindicated']

/** The tier of a whole vector: that of its worst claim, which is what an EAR's `ear.status` says. */
export function vectorTier(vector: TrustVector): TrustTier {
  const ranks = TRUST_CLAIMS.map(claim => RANK.indexOf(trustTier(vector[claim])))
  return RANK[Math.max(...ranks)] ?? 'none'
}

/** Which claims a reason bears on, and with which value. The first prefix that fits counts. */
const BEARINGS: readonly (readonly [prefix: string, claims: Partial<Record<TrustClaimName, number>>])[] = [
  ['QUOTE_PCR_DIGEST_MISMATCH', { configuration: 99, executables: 99, 'file-system': 99 }],
  ['QUOTE_', { 'instance-identity': TRUST_VALUE.validationFailed }],
  ['CLOCK_ROLLED_BACK', { 'instance-identity': TRUST_VALUE.unrecognizedInstance }],
  ['CLOCK_', { configuration: TRUST_VALUE.unavailableConfiguration }],
  ['TPM_FIRMWARE_UNKNOWN', { hardware: TRUST_VALUE.unrecognizedHardware }],
  ['TPM_FIRMWARE_CHANGED', { hardware: TRUST_VALUE.unsafeHardware }],
  ['FIRMWARE_', { hardware: TRUST_VALUE.unrecognizedHardware }],
  ['IMA_LOG', { 'file-system': 99, executables: 99 }],
  ['IMA_TEMPLATE', { 'file-system': 99, executables: 99 }],
  ['IMA_BOOT_AGGREGATE', { 'file-system': 99 }],
  [
    'IMA_',
    {
      'file-system': TRUST_VALUE.contraindicatedFiles,
      executables: TRUST_VALUE.contraindicatedRuntime,
    },
  ],
  ['COMPONENT_', { executables: TRUST_VALUE.contraindicatedRuntime }],
  ['BOOT_IMAGE_', { executables: TRUST_VALUE.contraindicatedRuntime }],
  ['BOOT_FILE_', { executables: TRUST_VALUE.contraindicatedRuntime }],
  ['UKI_', { executables: TRUST_VALUE.contraindicatedRuntime }],
  ['EVENT_LOG_', { configuration: 99, executables: 99 }],
  ['USERSPACE_LOG_', { configuration: 99 }],
]

/** What any other reason bears on: Secure Boot, PCR values, events, command lines. */
const OTHERWISE: Partial<Record<TrustClaimName, number>> = {
  configuration: TRUST_VALUE.unsupportableConfiguration,
}

function bearingOf(code: AppraisalReasonCode): Partial<Record<TrustClaimName, number>> {
  return BEARINGS.find(([prefix]) => code.startsWith(prefix))?.[1] ?? OTHERWISE
}

/** What is affirmed where no reason speaks against it. `any` affirms nothing. */
function affirmed(matter: AppraisedMatter): TrustVector {
  const { quote, logs, configuration, boot, files, tier } = matter
  const good = quote && logs
  const executables = boot
    ? files
      ? TRUST_VALUE.approvedRuntime
      : TRUST_VALUE.approvedBoot
    : TRUST_VALUE.noClaim
  return {
    'instance-identity': quote ? TRUST_VALUE.recognizedInstance : TRUST_VALUE.noClaim,
    configuration: good && configuration ? TRUST_VALUE.approvedConfiguration : TRUST_VALUE.noClaim,
    executables: good ? executables : TRUST_VALUE.noClaim,
    'file-system': good && files ? TRUST_VALUE.approvedFiles : TRUST_VALUE.noClaim,
    hardware: quote ? hardware(tier) : TRUST_VALUE.noClaim,
    // Nothing that a TPM quotes tells who else sees the memory, how secrets are stored, or where data comes from.
    'runtime-opaque': TRUST_VALUE.noClaim,
    'storage-opaque': TRUST_VALUE.noClaim,
    'sourced-data': TRUST_VALUE.noClaim,
  }
}

/** The keys of a TPM in software are as safe as the machine that runs it: never more than a warning. */
function hardware(tier: Tier | undefined): number {
  if (tier === 'hardware') return TRUST_VALUE.genuineHardware
  return tier === 'simulated' ? TRUST_VALUE.unsafeHardware : TRUST_VALUE.noClaim
}

/**
 * The trustworthiness vector of an appraisal. What fails it is contraindicated in at least one claim, what degrades it a warning; what
 * nobody looked at is no claim, never an affirmation.
 */
export function trustVector(reasons: readonly AppraisalReason[], matter: AppraisedMatter): TrustVector {
  const vector: Record<TrustClaimName, number> = { ...affirmed(matter) }
  for (const { code, severity } of reasons) {
    if (severity === 'notice') continue
    for (const claim of TRUST_CLAIMS) {
      const value = bearingOf(code)[claim]
      if (value === undefined) continue
      const said = severity === 'degrade' ? TRUST_VALUE.unsafeHardware : value
      const degraded =
        severity === 'degrade' && claim === 'configuration' ? TRUST_VALUE.unavailableConfiguration : said
      if (RANK.indexOf(trustTier(degraded)) > RANK.indexOf(trustTier(vector[claim]))) vector[claim] = degraded
    }
  }
  return vector
}
