import type { JsonObject, JsonValue } from '../../encoding/json.ts'
import { TRUST_CLAIMS, type TrustTier, trustTier } from '../appraisal/claims.ts'
import { EarError } from './error.ts'
import { type EarProfile, earProfile } from './profile.ts'

/** What is said about one attester. */
export interface EarAppraisal {
  readonly status: TrustTier
  /** Undefined when the verifier left it out. */
  readonly vector: Readonly<Record<string, number>> | undefined
}

/** The claims of an EAR (draft-ietf-rats-ear-03 section 3). */
export interface EarClaims {
  readonly profile: string
  /** Seconds since 1970 (RFC 7519 section 2, "NumericDate"). */
  readonly issuedAt: number
  readonly expiresAt: number | undefined
  readonly notBefore: number | undefined
  readonly verifier: { readonly developer: string; readonly build: string }
  readonly nonces: readonly string[]
  /** At least one. */
  readonly submods: ReadonlyMap<string, EarAppraisal>
}

const RANK: readonly TrustTier[] = ['none', 'affirming', 'warning', 'contraindicated']
const MAX_SUBMODS = 256

function invalid(what: string, at: string): EarError {
  return new EarError('EAR_CLAIMS_INVALID', `claim ${at}: ${what}`, { at })
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return value !== null && typeof value === 'object' && !Array.isArray(value)
}

/**
 * Reads the claims of an EAR: those that are mandatory are there, all that are known have their form, and no status is better than the worst of
 * the claims it sums up. Claims that are not known are left alone: an EAR may have extensions (section 4).
 *
 * @param claims the payload, of which the signature has been verified
 * @throws EarError `EAR_CLAIMS_INVALID`, `EAR_PROFILE_UNKNOWN`
 */
export function readClaims(claims: JsonObject): EarClaims {
  const { eat_profile: tag, submods } = claims
  if (typeof tag !== 'string') throw invalid('is missing', 'eat_profile')
  const profile = earProfile(tag)
  if (profile === undefined)
    throw new EarError('EAR_PROFILE_UNKNOWN', `${tag.slice(0, 100)} is not a profile of EAR`, {
      at: 'eat_profile',
    })
  const issuedAt = readTime(claims, 'iat')
  // RFC 9711 section 4.3.1: this one is a whole number.
  if (issuedAt !== undefined && !Number.isSafeInteger(issuedAt)) throw invalid('is not a whole number', 'iat')
  if (issuedAt === undefined) throw invalid('is missing', 'iat')
  if (!isObject(submods)) throw invalid('is missing', 'submods')
  const names = Object.keys(submods)
  if (names.length === 0 || names.length > MAX_SUBMODS)
    throw invalid(`has ${names.length} entries`, 'submods')
  const appraisals = new Map(
    names.map(name => [name, readAppraisal(submods[name], profile, `submods.${name.slice(0, 100)}`)]),
  )
  checkOverallStatus(claims[profile.status], profile.status, appraisals)
  const evidence = claims[profile.rawEvidence]
  if (evidence !== undefined && typeof evidence !== 'string')
    throw invalid('is not text', profile.rawEvidence)
  return {
    profile: tag,
    issuedAt,
    expiresAt: readTime(claims, 'exp'),
    notBefore: readTime(claims, 'nbf'),
    verifier: readVerifier(claims[profile.verifierId], profile.verifierId),
    nonces: readNonces(claims.eat_nonce, 'eat_nonce'),
    submods: appraisals,
  }
}

/** RFC 7519 section 2, "NumericDate": "non-integer values can be represented". */
function readTime(claims: JsonObject, name: string): number | undefined {
  const value = claims[name]
  if (value === undefined) return undefined
  if (typeof value !== 'number' || Math.abs(value) > Number.MAX_SAFE_INTEGER)
    throw invalid('is not a number of seconds', name)
  return value
}

/** draft-ietf-rats-ar4si-08 section 3.3: who wrote the verifier, and which build it is. */
function readVerifier(value: JsonValue | undefined, at: string): EarClaims['verifier'] {
  if (!isObject(value)) throw invalid('is missing', at)
  const { developer, build } = value
  if (typeof developer !== 'string' || typeof build !== 'string')
    throw invalid('names no developer or no build', at)
  return { developer, build }
}

/** RFC 9711 section 4.1: one text of 8 to 88 characters, or a list of at least two. */
function readNonces(value: JsonValue | undefined, at: string): string[] {
  if (value === undefined) return []
  const list = Array.isArray(value) ? value : [value]
  return list.map(nonce => {
    if (typeof nonce !== 'string' || nonce.length < 8 || nonce.length > 88)
      throw invalid('is not 8 to 88 characters', at)
    return nonce
  })
}

function readStatus(value: JsonValue | undefined, at: string): TrustTier {
  const tier = RANK.find(known => known === value)
  if (tier === undefined) throw invalid('is not a trustworthiness tier', at)
  return tier
}

function readAppraisal(value: JsonValue | undefined, profile: EarProfile, at: string): EarAppraisal {
  if (!isObject(value)) throw invalid('is not an appraisal', at)
  const status = readStatus(value[profile.status], `${at}.${profile.status}`)
  const policies = value[profile.policies]
  const texts = Array.isArray(policies) ? policies : policies === undefined ? ['none'] : [policies]
  if (texts.length === 0 || texts.some(text => typeof text !== 'string'))
    throw invalid('is not text', `${at}.${profile.policies}`)
  readNonces(value.eat_nonce, `${at}.eat_nonce`)
  const vector = readVector(value[profile.vector], `${at}.${profile.vector}`)
  // Section 3.1: "a tier of no higher trust than the tier corresponding to the worst trustworthiness claim".
  for (const [name, claim] of Object.entries(vector ?? {})) {
    if (RANK.indexOf(trustTier(claim)) > RANK.indexOf(status))
      throw invalid(`${status}, while ${name} is ${trustTier(claim)}`, `${at}.${profile.status}`)
  }
  return { status, vector }
}

/** draft-ietf-rats-ar4si-08 section 2.3: the eight claims, each from -128 to 127. */
function readVector(value: JsonValue | undefined, at: string): EarAppraisal['vector'] {
  if (value === undefined) return undefined
  if (!isObject(value)) throw invalid('is not a vector', at)
  const vector: Record<string, number> = {}
  for (const [name, claim] of Object.entries(value)) {
    if (!TRUST_CLAIMS.some(known => known === name)) throw invalid('has a claim that there is not', at)
    if (typeof claim !== 'number' || !Number.isInteger(claim) || claim < -128 || claim > 127)
      throw invalid(`${name} is not from -128 to 127`, at)
    vector[name] = claim
  }
  return vector
}

/** Section 3: a status of the whole is no better than the worst of its parts. */
function checkOverallStatus(
  value: JsonValue | undefined,
  at: string,
  submods: ReadonlyMap<string, EarAppraisal>,
): void {
  if (value === undefined) return
  const overall = RANK.indexOf(readStatus(value, at))
  for (const { status } of submods.values()) {
    if (RANK.indexOf(status) > overall) throw invalid(`better than a part that is ${status}`, at)
  }
}
