import { GUID, type SignatureEntry } from '../decode/index.ts'
import type { SecureBootFacts } from './facts.ts'
import { hasCertificateDigest, hasDigest, hasEntry, type KeyDatabase } from './key-database.ts'
import { problem, type SecureBootProblem } from './problem.ts'

type Facts = Omit<SecureBootFacts, 'problems'>

/** What has to hold where Secure Boot is on; nothing where it is not. */
export function judgeSecureBoot(facts: Facts): readonly SecureBootProblem[] {
  if (facts.enabled !== true) return []
  return [
    ...keysMissing(facts),
    ...authorityMissing(facts),
    ...authoritiesUnknown(facts),
    ...forbidden(facts),
  ]
}

function keysMissing(facts: Facts): SecureBootProblem[] {
  return (['pk', 'kek', 'db'] as const)
    .filter(name => (facts[name]?.lists.length ?? 0) === 0)
    .map(name => problem('SECURE_BOOT_KEYS_MISSING', `Secure Boot is on without a measured ${name}`, null))
}

function authorityMissing({ authorities }: Facts): SecureBootProblem[] {
  const what = 'Secure Boot is on and no image was verified with anything'
  return authorities.length > 0 ? [] : [problem('SECURE_BOOT_AUTHORITY_MISSING', what, null)]
}

/** What firmware and shim verify with db has to be in it. The contents of shim's own lists are not in the log. */
function authoritiesUnknown({ authorities, db }: Facts): SecureBootProblem[] {
  return authorities
    .filter(({ guid, database }) => guid === GUID.imageSecurityDatabase && database === 'db')
    .filter(({ entry }) => db === null || !hasEntry(db, entry))
    .map(({ event }) =>
      problem(
        'SECURE_BOOT_AUTHORITY_UNKNOWN',
        'an image was verified with an entry that db does not have',
        event,
      ),
    )
}

/** Digests of dbx are SHA-256 in practice, so that images show only in that bank. */
function forbidden({ authorities, images, dbx }: Facts): SecureBootProblem[] {
  if (dbx === null) return []
  const byAuthority = authorities
    .filter(({ entry }) => hasEntry(dbx, entry) || isRevoked(dbx, entry))
    .map(({ event }) => problem('SECURE_BOOT_FORBIDDEN', 'an image was verified with an entry of dbx', event))
  const byDigest = images
    .filter(({ digest }) => hasDigest(dbx, digest))
    .map(({ event }) => problem('SECURE_BOOT_FORBIDDEN', 'an image that dbx forbids was loaded', event))
  return [...byAuthority, ...byDigest]
}

function isRevoked(dbx: KeyDatabase, entry: SignatureEntry): boolean {
  return entry.kind === 'certificate' && hasCertificateDigest(dbx, entry.certificate)
}
