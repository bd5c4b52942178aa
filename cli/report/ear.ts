import type { Command } from 'commander'
import {
  type Appraisal,
  earFromAppraisal,
  NO_TRUST_CLAIMS,
  type ReportVerification,
  signEar,
} from '../../attestation/index.ts'
import { readVersion } from '../../encoding/version.ts'
import type { PrivateKey } from '../../signing/key.ts'
import { CliError } from '../error.ts'
import { writeDocument } from '../files.ts'
import { addPassphraseOptions, type PassphraseOptions, readSigningKey } from '../keys.ts'
import { allVerified, type PropertyResult } from '../verify/property.ts'

/** Options that ask for an EAR. */
export interface EarOptions extends PassphraseOptions {
  ear?: string
  earKey?: string
  reference?: string
}

/** How long a relying party may go by a token: as long as a person takes to hand it on. */
const LIFETIME_SECONDS = 300
/** What an appraisal's own claims speak of. Where anything else does not hold, nobody vouches for what the evidence says. */
const OF_THE_EVIDENCE: readonly string[] = ['logs', 'reference values']

/** Adds the options. */
export function addEarOptions(command: Command): void {
  command
    .option(
      '--ear <file>',
      'new file for the result as a signed EAR token (JWT), for those who read no evidence',
    )
    .option('--ear-key <file>', 'private key, Ed25519 or P-256, that signs the token')
  addPassphraseOptions(command)
}

/** The key that signs the token, null when none is asked for. @throws CliError when an option is without the other */
export async function readEarKey(options: EarOptions): Promise<PrivateKey | null> {
  const { ear, earKey, reference } = options
  if ((ear === undefined) !== (earKey === undefined))
    throw new CliError('USAGE', '--ear and --ear-key go together')
  if (earKey === undefined) return null
  if (reference === undefined)
    throw new CliError('USAGE', '--ear needs --reference: without, there is no appraisal to tell of')
  return readSigningKey(earKey, 'the key that signs the token', options)
}

/** Writes the token of a verification. What is not verified is contraindicated in it, whatever the evidence says. */
export async function writeEar(
  path: string,
  key: PrivateKey,
  found: ReportVerification,
  properties: readonly PropertyResult[],
  { nonce, at }: { readonly nonce: Uint8Array | null; readonly at: Date },
): Promise<void> {
  const { appraisal, hostId } = found
  if (appraisal === null || hostId === null)
    throw new CliError(
      'FILE_MALFORMED',
      'the report has no evidence that could be appraised: no token is written',
    )
  const issuedAt = Math.floor(at.getTime() / 1000)
  const claims = earFromAppraisal(told(appraisal, properties), {
    hostId,
    issuedAt,
    expiresAt: issuedAt + LIFETIME_SECONDS,
    ...(nonce === null ? {} : { nonce }),
    build: `writ ${readVersion()}`,
  })
  await writeDocument(path, signEar(claims, key))
}

function told(
  appraisal: Appraisal,
  properties: readonly PropertyResult[],
): Pick<Appraisal, 'verdict' | 'claims' | 'referenceValuesDigest'> {
  if (allVerified(properties)) return appraisal
  const vouched = allVerified(properties.filter(({ property }) => !OF_THE_EVIDENCE.includes(property)))
  return { ...appraisal, verdict: 'fail', claims: vouched ? appraisal.claims : NO_TRUST_CLAIMS }
}
