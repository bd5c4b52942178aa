import { type Certificate, KEY_USAGE, OID, parseCertificate } from './certificate.ts'
import { IdentityError, type IdentityErrorCode } from './error.ts'

/** Most certificates that are looked at in each list, and most certificates of a path. */
export const MAX_CERTIFICATES = 64
export const MAX_PATH = 8
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
])

const STRONG_HASHES: ReadonlySet<string> = new Set(['SHA-256', 'SHA-384', 'SHA-512'])

export interface ChainOptions {
  /** DER trust anchors, from the person who verifies. */
  readonly roots: readonly Uint8Array[]
  /** DER intermediates, from anywhere. */
  readonly intermediates: readonly Uint8Array[]
  readonly at: Date
  /** Extended key usage that the leaf must have, and every CA that has any (RFC 5280 section 4.2.1.12). */
  readonly purpose?: string
}

/** A path that verified: the leaf first, the trust anchor last. */
export interface VerifiedChain {
  readonly path: readonly Certificate[]
  readonly leaf: Certificate
  readonly root: Certificate
}

/**
 * Finds and verifies a path from the leaf to one of the roots (RFC 5280 section 6, without revocation and without
 * name constraints, which are refused when critical): names chain, signatures hold, every certificate is valid at the
 * instant, every issuer is a CA that may sign certificates within its path length, and no critical extension is unknown.
 * A root is held to the same rules, except for its own signature.
 *
 * @throws IdentityError with the fault of the path that came furthest
 */
export function verifyChain(leafDer: Uint8Array, options: ChainOptions): VerifiedChain {
  if (Number.isNaN(options.at.getTime())) throw new TypeError('the instant of verification is not a date')
  const leaf = parseCertificate(leafDer, 'leaf certificate')
  const search = new PathSearch(
    parseList(options.roots, 'root'),
    parseList(options.intermediates, 'intermediate'),
    options,
  )
  const path = search.from([leaf])
  const root = path?.at(-1)
  if (!path || !root) throw search.failure
  return { path, leaf, root }
}

function parseList(list: readonly Uint8Array[], what: string): Certificate[] {
  if (list.length > MAX_CERTIFICATES) {
    throw new IdentityError(
      'CERTIFICATE_MALFORMED',
      `${list.length} ${what} certificates, at most ${MAX_CERTIFICATES}`,
    )
  }
  return list.map((der, i) => parseCertificate(der, `${what}[${i}]`))
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
    const issues = (issuer: Certificate) =>
      issuer.subject.equals(subject.issuer) && !path.some(c => c.sha256 === issuer.sha256)
    for (const root of this.#roots.filter(issues)) {
      const whole = [...path, root]
      if (!this.#holds(depth, () => this.#checkSignature(subject, root))) continue
      if (this.#holds(depth + 1, () => checkCertificate(root, depth, whole, this.#options))) return whole
    }
    for (const issuer of depth < MAX_PATH - 1 ? this.#intermediates.filter(issues) : []) {
      if (!this.#holds(depth, () => this.#checkSignature(subject, issuer))) continue
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

  #checkSignature(subject: Certificate, issuer: Certificate): void {
    if (++this.#checks > MAX_SIGNATURE_CHECKS)
      throw fault('ISSUER_NOT_FOUND', subject, 'takes too many tries')
    checkSignature(subject, issuer)
  }
}

function fault(code: IdentityErrorCode, certificate: Certificate, what: string): IdentityError {
  return new IdentityError(code, `certificate ${certificate.sha256.slice(0, 16)} ${what}`, {
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
  if (subject.signatureHash !== null && !STRONG_HASHES.has(subject.signatureHash)) {
    throw fault('SIGNATURE_WEAK', subject, `is signed over ${subject.signatureHash}`)
  }
}

/** The rules for one certificate at `depth` (0 is the leaf) of `path`. */
function checkCertificate(
  certificate: Certificate,
  depth: number,
  path: readonly Certificate[],
  { at, purpose }: ChainOptions,
): void {
  checkValidity(certificate, at)
  checkCriticalExtensions(certificate)
  if (depth > 0) checkAuthority(certificate, depth, path)
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

/** RFC 5280 section 6.1.4 (k) to (n). */
function checkAuthority(issuer: Certificate, depth: number, path: readonly Certificate[]): void {
  if (!issuer.basicConstraints?.ca) throw fault('NOT_A_CA', issuer, 'is not a CA')
  if (issuer.keyUsage !== null && !(issuer.keyUsage & KEY_USAGE.keyCertSign)) {
    throw fault('KEY_USAGE', issuer, 'may not sign certificates')
  }
  const { pathLength } = issuer.basicConstraints
  // Self-issued certificates below do not count (section 4.2.1.9).
  const below = path.slice(1, depth).filter(c => !c.subject.equals(c.issuer)).length
  if (pathLength !== null && below > pathLength) {
    throw fault('PATH_LENGTH', issuer, `allows ${pathLength} intermediates below it, ${below} are there`)
  }
}
