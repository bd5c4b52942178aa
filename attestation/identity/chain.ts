import { EncodingError } from '../../encoding/error.ts'
import { type Certificate, KEY_USAGE, OID, parseCertificate } from './certificate.ts'
import { nameText } from './distinguished-name.ts'
import { IdentityError, type IdentityErrorCode } from './error.ts'
import { allowsNames, type NameConstraints } from './name-constraints.ts'
import type { Revocations } from './revocation.ts'

/** Most certificates of a list that comes with evidence; of one of the verifier's (all makers of TPMs together have some hundred); of a path. */
export const MAX_CERTIFICATES = 64
export const MAX_OWN_CERTIFICATES = 4096
export const MAX_PATH = 16
/** Most signatures checked in one search: intermediates are the sender's and may be made to loop. */
const MAX_SIGNATURE_CHECKS = 64

/** Critical extensions that are processed here or constrain nothing that is relied on; any other is refused. */
const HANDLED: ReadonlySet<string> = new Set([
  OID.basicConstraints,
  OID.keyUsage,
  OID.extendedKeyUsage,
  // Read by the profiles: TPM attributes, TPM specification (TCG EK Credential Profile 2.5, sections 3.2.9, 3.2.10).
  OID.subjectAltName,
  OID.subjectDirectoryAttributes,
  // No policy is required of a path, so any set of policies will do (RFC 5280 section 6.1.1 (c), (e)).
  OID.certificatePolicies,
  OID.policyMappings,
  OID.inhibitAnyPolicy,
  OID.nameConstraints,
])

/** NIST SP 800-57 Part 1, table 2: 112 bits. */
const MIN_RSA_BITS = 2048

export interface ChainOptions {
  /** DER trust anchors, from the person who verifies. */
  readonly roots: readonly Uint8Array[]
  /** DER intermediates, from anywhere. */
  readonly intermediates: readonly Uint8Array[]
  /** DER intermediates that the verifier keeps: no more trusted, but there may be many. */
  readonly ownIntermediates?: readonly Uint8Array[]
  readonly at: Date
  /** Extended key usage that the leaf must have, and every CA that has any (RFC 5280 section 4.2.1.12). */
  readonly purpose?: string
  readonly revocations?: Revocations
}

/** A path that verified: the leaf first, the trust anchor last. */
export interface VerifiedChain {
  readonly path: readonly Certificate[]
  readonly leaf: Certificate
  readonly root: Certificate
}

/**
 * Finds and verifies a path from the leaf to one of the roots (RFC 5280 section 6; no policy is asked for, and revocation is what
 * `revocations` knows): names chain, signatures hold, every certificate is valid at the instant, every issuer is a CA that may sign
 * certificates within its path length and its name constraints, and no critical extension is unknown. A root is held to the same
 * rules, except for its own signature; it need not be self-signed. A leaf that is itself one of the roots is a whole path.
 *
 * @throws IdentityError with the fault of the path that came furthest
 */
export function verifyChain(leafDer: Uint8Array, options: ChainOptions): VerifiedChain {
  if (Number.isNaN(options.at.getTime())) throw new TypeError('the instant of verification is not a date')
  const leaf = parseCertificate(leafDer, 'leaf certificate')
  const search = new PathSearch(
    parseRoots(options.roots),
    [
      ...parseHints(options.intermediates, MAX_CERTIFICATES),
      ...parseHints(options.ownIntermediates ?? [], MAX_OWN_CERTIFICATES),
    ],
    options,
  )
  const path = search.from([leaf])
  const root = path?.at(-1)
  if (!path || !root) throw search.failure
  return { path, leaf, root }
}

function parseRoots(list: readonly Uint8Array[]): Certificate[] {
  checkCount(list, 'root', MAX_OWN_CERTIFICATES)
  return list.map((der, i) => parseCertificate(der, `root[${i}]`))
}

/** Intermediates come from anywhere and help to find a path; one that cannot be read helps nobody. */
function parseHints(list: readonly Uint8Array[], most: number): Certificate[] {
  checkCount(list, 'intermediate', most)
  return list.flatMap(der => {
    try {
      return [parseCertificate(der, 'intermediate')]
    } catch (error) {
      if (!(error instanceof IdentityError)) throw error
      return []
    }
  })
}

function checkCount(list: readonly Uint8Array[], what: string, most: number): void {
  if (list.length > most) {
    throw new IdentityError('CERTIFICATE_MALFORMED', `${list.length} ${what} certificates, at most ${most}`)
  }
}

class PathSearch {
  readonly #roots: readonly Certificate[]
  readonly #intermediates: readonly Certificate[]
  readonly #options: ChainOptions
  #checks = 0
  #deepest = -1
  failure = new IdentityError('ISSUER_NOT_FOUND', 'no path to a root')

  constructor(roots: Certificate[], intermediates: Certificate[], options: ChainOptions) {
    this.#roots = roots
    this.#intermediates = intermediates
    this.#options = options
  }

  /** Depth first, roots before intermediates. */
  from(path: readonly Certificate[]): readonly Certificate[] | null {
    const subject = path.at(-1) as Certificate
    const depth = path.length
    if (!this.#holds(depth, () => checkCertificate(subject, depth - 1, path, this.#options))) return null
    if (depth === 1 && this.#roots.some(root => root.sha256 === subject.sha256)) return path
    const issues = (issuer: Certificate) =>
      issuer.subjectKey === subject.issuerKey && !path.some(c => c.sha256 === issuer.sha256)
    for (const root of this.#roots.filter(issues)) {
      const whole = [...path, root]
      if (!this.#holds(depth, () => this.#checkIssued(subject, root))) continue
      if (this.#holds(depth + 1, () => checkCertificate(root, depth, whole, this.#options, true)))
        return whole
    }
    for (const issuer of depth < MAX_PATH - 1 ? this.#intermediates.filter(issues) : []) {
      if (!this.#holds(depth, () => this.#checkIssued(subject, issuer))) continue
      const whole = this.from([...path, issuer])
      if (whole) return whole
    }
    this.#holds(depth, () => {
      throw new IdentityError('ISSUER_NOT_FOUND', `no issuer for the certificate at depth ${depth - 1}`)
    })
    return null
  }

  #holds(depth: number, check: () => void): boolean {
    try {
      check()
      return true
    } catch (error) {
      if (!(error instanceof IdentityError)) throw error
      if (depth > this.#deepest) {
        this.#deepest = depth
        this.failure = error
      }
      return false
    }
  }

  #checkIssued(subject: Certificate, issuer: Certificate): void {
    if (++this.#checks > MAX_SIGNATURE_CHECKS)
      throw fault('ISSUER_NOT_FOUND', subject, 'takes too many tries')
    checkSignature(subject, issuer)
    if (this.#options.revocations?.isRevoked(subject, issuer)) throw fault('REVOKED', subject, 'was revoked')
  }
}

/** Most characters of a name in a message. */
const MAX_NAME = 120

function fault(code: IdentityErrorCode, certificate: Certificate, what: string): IdentityError {
  const name = nameText(certificate.subject).slice(0, MAX_NAME)
  return new IdentityError(code, `certificate ${certificate.sha256.slice(0, 16)} (${name}) ${what}`, {
    at: certificate.sha256,
  })
}

/** That `issuer`'s key signed `subject`, with a hash that still resists collisions. */
function checkSignature(subject: Certificate, issuer: Certificate): void {
  let valid = false
  try {
    valid = subject.node.verify(issuer.publicKey)
  } catch {
    // A key that cannot be used with the signature's algorithm did not make it.
  }
  if (!valid) throw fault('SIGNATURE_INVALID', subject, 'is not signed by its issuer')
  if (subject.signatureAlgorithm === null) {
    throw fault(
      'SIGNATURE_WEAK',
      subject,
      'is signed by an algorithm that is not strong, such as one over SHA-1',
    )
  }
}

/** The rules for one certificate at `depth` (0 is the leaf) of `path`. */
function checkCertificate(
  certificate: Certificate,
  depth: number,
  path: readonly Certificate[],
  { at, purpose }: ChainOptions,
  isRoot = false,
): void {
  checkValidity(certificate, at)
  checkCriticalExtensions(certificate)
  checkKeyStrength(certificate)
  if (depth > 0) {
    checkAuthority(certificate, depth, path, isRoot)
    checkNames(certificate, depth, path)
  }
  const usages = certificate.extendedKeyUsage
  if (purpose !== undefined && (depth === 0 || usages !== null)) {
    // The leaf has to name the purpose itself; `any` is enough for those above it.
    const named = usages?.includes(purpose) || (depth > 0 && usages?.includes(OID.anyExtendedKeyUsage))
    if (!named) throw fault('KEY_USAGE', certificate, `is not for ${purpose}`)
  }
}

/** RFC 5280 section 6.1.3 (a) (2). */
export function checkValidity(certificate: Certificate, at: Date): void {
  if (at < certificate.notBefore) {
    throw fault(
      'CERTIFICATE_NOT_YET_VALID',
      certificate,
      `is valid from ${certificate.notBefore.toISOString()}`,
    )
  }
  if (at > certificate.notAfter) {
    throw fault('CERTIFICATE_EXPIRED', certificate, `was valid until ${certificate.notAfter.toISOString()}`)
  }
}

/** RFC 5280 section 4.2: a critical extension that is not processed makes the certificate unusable. */
export function checkCriticalExtensions(certificate: Certificate): void {
  for (const oid of certificate.critical) {
    if (!HANDLED.has(oid))
      throw fault('EXTENSION_UNKNOWN', certificate, `has the unknown critical extension ${oid}`)
  }
}

function checkKeyStrength(certificate: Certificate): void {
  const bits = certificate.publicKey.asymmetricKeyDetails?.modulusLength ?? MIN_RSA_BITS
  if (bits < MIN_RSA_BITS) throw fault('KEY_WEAK', certificate, `has an RSA key of ${bits} bits`)
}

/** RFC 5280 sections 6.1.3 (b), (c): the names of all below, save those of CAs that issue to themselves. */
function checkNames(issuer: Certificate, depth: number, path: readonly Certificate[]): void {
  const constraints = issuer.nameConstraints
  if (constraints === null) return
  if (constraints === 'unknown')
    throw fault('EXTENSION_UNKNOWN', issuer, 'has name constraints that are not understood')
  const below = path.slice(0, depth).filter((c, i) => i === 0 || c.subjectKey !== c.issuerKey)
  const refused = below.find(c => !isAllowed(constraints, c))
  if (refused !== undefined)
    throw fault('NAME_CONSTRAINT', refused, 'has a name that its issuer may not give')
}

function isAllowed(constraints: NameConstraints, { subject, alternatives }: Certificate): boolean {
  try {
    return allowsNames(constraints, subject, alternatives)
  } catch (error) {
    // A name that cannot be read is in no permitted subtree.
    if (error instanceof EncodingError) return false
    throw error
  }
}

/** RFC 5280 section 6.1.4 (k) to (n). */
function checkAuthority(
  issuer: Certificate,
  depth: number,
  path: readonly Certificate[],
  isRoot: boolean,
): void {
  // (k): before version 3 a certificate cannot say it; being somebody's root says it.
  const isOldRoot = isRoot && issuer.version < 3
  if (!issuer.basicConstraints?.ca && !isOldRoot) throw fault('NOT_A_CA', issuer, 'is not a CA')
  if (issuer.keyUsage !== null && !(issuer.keyUsage & KEY_USAGE.keyCertSign)) {
    throw fault('KEY_USAGE', issuer, 'may not sign certificates')
  }
  const pathLength = issuer.basicConstraints?.pathLength ?? null
  // Self-issued certificates below do not count (section 4.2.1.9).
  const below = path.slice(1, depth).filter(c => c.subjectKey !== c.issuerKey).length
  if (pathLength !== null && below > pathLength) {
    throw fault('PATH_LENGTH', issuer, `allows ${pathLength} intermediates below it, ${below} are there`)
  }
}
