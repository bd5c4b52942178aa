import {
  parseClearance,
  parseHostLabels,
  parsePolicyBundle,
  parseRevocation,
  parseSealedSecret,
  parseSecretPolicy,
  parseStatement,
  parseTrustRoots,
} from '../../authorization/index.ts'
import { canonicalJsonBytes } from '../../encoding/json.ts'
import { POLICY, sealedSecret } from '../authorization/secrets-scenario.ts'
import { answer } from '../vectors/decide.ts'
import { asBytes, bytesOf } from '../vectors/form.ts'
import { DOCUMENTS } from '../vectors/source/all.ts'
import type { Kind } from '../vectors/source/documents/kind.ts'
import { defaults, payload } from '../vectors/source/world.ts'
import { jsonMembers } from './structures.ts'
import type { FuzzTarget } from './target.ts'

/** The payloads of the vectors that are right, and some that are not: each is a step from another rule. */
function seedsOf(kind: Kind): Buffer[] {
  return DOCUMENTS.filter(group => group.kind === kind)
    .flatMap(({ accepted, refused }) => [...accepted, ...refused.filter((_, i) => i % 8 === 0)])
    .map(([, , bytes]) => (Buffer.isBuffer(bytes) ? bytes : bytesOf(bytes)))
    .filter(({ length }) => length < 16 << 10)
}

const WORDS = [
  '"any"',
  '"none"',
  '"own"',
  'null',
  '[]',
  '{}',
  '{"any":true}',
  '9007199254740992',
  '-1',
  '"/"',
  '"__proto__":',
  'host:000b',
]

const target = (name: string, kind: Kind, run: (input: Buffer) => unknown): FuzzTarget => ({
  name,
  seeds: seedsOf(kind),
  structure: jsonMembers,
  words: WORDS,
  run: input => void run(input),
})

/** Whatever is sent as an artifact is decided on: with a reason, and never with INTERNAL. */
function decides(input: Buffer): void {
  const { outcome, reasons } = answer({ ...defaults, artifact: asBytes(input) })
  if (outcome === 'permit' ? reasons.length > 0 : reasons.length === 0)
    throw new Error('reasons do not fit the outcome')
  if (reasons.some(({ code }) => code === 'INTERNAL'))
    throw new Error('an artifact that cannot be decided on')
}

/** The artifact, whole and its payload, and the documents of the operator. */
export const AUTHORIZATION_TARGETS: readonly FuzzTarget[] = [
  target('statement', 'statement', parseStatement),
  target('trust-roots', 'trust-roots', parseTrustRoots),
  target('policy-bundle', 'policy-bundle', parsePolicyBundle),
  target('revocation', 'revocation', parseRevocation),
  target('host-labels', 'host-labels', parseHostLabels),
  target('clearance', 'clearance', parseClearance),
  {
    name: 'secret-policy',
    seeds: [canonicalJsonBytes(POLICY)],
    structure: jsonMembers,
    words: WORDS,
    run: input => void parseSecretPolicy(input),
  },
  {
    name: 'sealed-secret',
    seeds: [canonicalJsonBytes(sealedSecret())],
    structure: jsonMembers,
    words: WORDS,
    run: input => void parseSealedSecret(input),
  },
  {
    name: 'artifact',
    seeds: [bytesOf(defaults.artifact ?? '')],
    structure: jsonMembers,
    words: ['"payload":', '"sig":', '"keyid":', '=', '-', '_', payload().toString('base64')],
    run: decides,
  },
]
