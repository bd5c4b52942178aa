import { X509Certificate } from 'node:crypto'
import { statSync } from 'node:fs'
import { MAX_REFERENCE_ENVELOPE_BYTES, readCertificateFile } from '../../attestation/index.ts'
import { openPolicyBundle, openTrustRoots } from '../../authorization/index.ts'
import type { PartialConfig } from '../../configuration/daemon-file.ts'
import { whyUnsafe } from '../../configuration/read-file.ts'
import { WritError } from '../../encoding/error.ts'
import type { PublicKey } from '../../signing/key.ts'
import { CliError } from '../error.ts'
import { MAX_DOCUMENT_BYTES, readDocument, systemReason } from '../files.ts'
import { parsePublicKey } from '../keys.ts'
import { openReferenceValues } from '../reference-values.ts'
import type { Findings } from './findings.ts'
import { type Identity, isDenied, READ, whyNoAccess } from './identity.ts'

/**
 * Looks at the keys, certificates and documents that writd's configuration names: whether its user can read them, nobody else can
 * write them, and they are what they have to be.
 *
 * @param user the daemon's user; null where nobody knows who it is
 * @returns the files that were looked at
 */
export async function checkNamedFiles(
  { trust, tpm, attestation }: PartialConfig,
  user: Identity | null,
  findings: Findings,
): Promise<string[]> {
  const look = new Look(user, findings)
  const keys: PublicKey[] = []
  for (const path of trust.governanceKeys ?? []) {
    const key = await look.at('trust.governance_keys', path, bytes => governanceKey(path, bytes))
    if (key === undefined) continue
    if (keys.some(({ id }) => id === key.id))
      findings.warn('FILE_UNUSABLE', 'trust.governance_keys', `names a key twice: ${path}`)
    keys.push(key)
  }
  for (const [name, paths] of [
    ['tpm.hardware_roots', tpm.hardwareRoots],
    ['tpm.other_roots', tpm.otherRoots],
  ] as const) {
    for (const path of paths ?? []) {
      const roots = await look.at(name, path, bytes => readCertificateFile(bytes))
      for (const root of roots ?? []) warnOfTime(root, name, path, findings)
    }
  }
  // Without a governance key nothing can be verified, which has been said.
  const verified = keys.length > 0
  const documents: [string, string | undefined, (bytes: Buffer) => unknown, number?][] = [
    [
      'attestation.reference_values',
      attestation.referenceValues,
      bytes => openReferenceValues(bytes, keys),
      MAX_REFERENCE_ENVELOPE_BYTES,
    ],
    ['trust.trust_roots', trust.trustRoots, bytes => openTrustRoots(bytes, keys)],
    ['trust.policy_bundle', trust.policyBundle, bytes => openPolicyBundle(bytes, keys)],
  ]
  for (const [name, path, open, maxBytes] of documents)
    if (path !== undefined) await look.at(name, path, bytes => (verified ? open(bytes) : undefined), maxBytes)
  return look.files
}

/** Looks at one file after the other. */
class Look {
  readonly files: string[] = []
  readonly #user: Identity | null
  readonly #findings: Findings

  constructor(user: Identity | null, findings: Findings) {
    this.#user = user
    this.#findings = findings
  }

  /** What `make` makes of the file; undefined if it is not usable, which then is a finding. */
  async at<T>(
    key: string,
    path: string,
    make: (bytes: Buffer) => T,
    maxBytes = MAX_DOCUMENT_BYTES,
  ): Promise<T | undefined> {
    this.files.push(path)
    try {
      const bytes = await readDocument(path, key, maxBytes)
      const unsafe = whyUnsafe(statSync(path), this.#user?.uid)
      if (unsafe !== null) this.#findings.error('FILE_UNSAFE', key, `${path} ${unsafe}`)
      const why = this.#user === null ? null : whyNoAccess(path, this.#user, READ)
      if (why !== null) this.#findings.error('FILE_NO_ACCESS', key, why)
      return make(bytes)
    } catch (error) {
      if (error instanceof CliError && isDenied(error.cause))
        this.#findings.warn('FILE_NO_ACCESS', key, `${path} could not be looked at from here`)
      else this.#findings.error('FILE_UNUSABLE', key, reasonOf(path, error))
      return undefined
    }
  }
}

function reasonOf(path: string, error: unknown): string {
  if (error instanceof CliError && error.cause === undefined) return error.message
  if (error instanceof CliError) return `${path}: ${systemReason(error.cause)}`
  return error instanceof WritError
    ? `${path}: ${error.message} [${error.code}]`
    : `${path}: ${systemReason(error)}`
}

/** @throws SigningError; CliError for a private key, which has nothing to do on the host */
function governanceKey(path: string, bytes: Buffer): PublicKey {
  if (bytes.includes('PRIVATE KEY'))
    throw new CliError(
      'KEY_UNUSABLE',
      `${path} holds a private key; the operator keeps that elsewhere, and its public key comes here`,
    )
  return parsePublicKey(bytes)
}

function warnOfTime(der: Buffer, key: string, path: string, findings: Findings): void {
  const { validFromDate, validToDate } = new X509Certificate(der)
  const now = Date.now()
  if (now > validToDate.getTime() || now < validFromDate.getTime()) {
    const span = `${validFromDate.toISOString()} to ${validToDate.toISOString()}`
    findings.warn('FILE_UNUSABLE', key, `${path} is valid from ${span} only`)
  }
}
