/** The names that a profile has for the claims of an EAR. */
export interface EarProfile {
  readonly verifierId: string
  readonly rawEvidence: string
  readonly status: string
  readonly vector: string
  /** `ear.appraisal-policy-id` is text, `ear_appraisal_policy_ids` a list of texts. */
  readonly policies: string
}

/** What deployed verifiers write and read (draft-fv-rats-ear-05, draft-ietf-rats-ear-00 and -01, section 3). */
export const VERAISON_PROFILE = 'tag:github.com,2023:veraison/ear'

const DOTTED: EarProfile = {
  verifierId: 'ear.verifier-id',
  rawEvidence: 'ear.raw-evidence',
  status: 'ear.status',
  vector: 'ear.trustworthiness-vector',
  policies: 'ear.appraisal-policy-id',
}

/** The names since JSON claims are written with underscores (draft-ietf-rats-ear-03, section 3). */
const UNDERSCORED: EarProfile = {
  verifierId: 'ear_verifier_id',
  rawEvidence: 'ear_raw_evidence',
  status: 'ear_status',
  vector: 'ear_trustworthiness_vector',
  policies: 'ear_appraisal_policy_ids',
}

/** The draft's own tag, with the number of its revision. */
const DRAFT_PROFILE = /^tag:ietf\.org,2026:rats\/ear#[0-9]{2}$/

/** The profile of a tag, undefined for one that is not known: its claims could mean anything. */
export function earProfile(tag: unknown): EarProfile | undefined {
  if (tag === VERAISON_PROFILE) return DOTTED
  return typeof tag === 'string' && DRAFT_PROFILE.test(tag) ? UNDERSCORED : undefined
}
