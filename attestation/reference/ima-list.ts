import * as v from 'valibot'
import {
  type ImaEntry,
  type ImaKey,
  ImaKeyring,
  ImaKeyringError,
  readImaKeys,
  verifyEntrySignature,
} from '../ima/index.ts'
import { FileDigests } from './file-digests.ts'
import { compilePathPattern, isPathPattern, MAX_PATTERN_CHARACTERS, type PathPattern } from './ima-pattern.ts'

/** A path as IMA logs it (`ImaEntry.path`): at most 4 KiB, each byte up to four characters. */
export const imaPath = v.pipe(v.string(), v.minLength(1), v.maxLength(4 * 4096))

/** Digest of a file's content. */
export const imaFileDigest = v.pipe(
  v.string(),
  v.regex(
    /^(?:sha1:[0-9a-f]{40}|sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128})$/,
    'not algorithm:hex',
  ),
)

/** Most patterns: more say that something else is wrong. */
const MAX_PATTERNS = 256

/** Most keys; a distribution has a few. */
const MAX_SIGNERS = 64
/** A certificate has one or two kilobytes. */
const MAX_KEY_CHARACTERS = 32 << 10

const pattern = v.pipe(
  v.string(),
  v.check(
    isPathPattern,
    `not an absolute path of at most ${MAX_PATTERN_CHARACTERS} characters with a few * or /**/ and something besides`,
  ),
)

/** What IMA may have measured: the section `ima` of reference values. */
export const imaListSchema = v.strictObject({
  files: v.array(
    v.strictObject({
      path: imaPath,
      digests: v.pipe(v.array(imaFileDigest), v.minLength(1), v.maxLength(4096)),
    }),
  ),
  /** Paths that may be changed while they are measured; never one of `files`. */
  violations: v.array(imaPath),
  /**
   * Paths that are not judged, as patterns: whatever stands there may run or be read, and be changed meanwhile. A path that `files` lists or
   * that belongs to a component is judged nevertheless.
   */
  exclude: v.exactOptional(v.pipe(v.array(pattern), v.maxLength(MAX_PATTERNS))),
  /**
   * Keys whose signature makes a file acceptable, whatever its content: everywhere, or at paths of these patterns. A path that `files` lists
   * has to have a listed digest nevertheless.
   */
  signers: v.exactOptional(
    v.pipe(
      v.array(
        v.strictObject({
          /** For people. */
          name: v.pipe(v.string(), v.minLength(1), v.maxLength(200)),
          /** Base64 of an X.509 certificate or a SubjectPublicKeyInfo, in DER. */
          key: v.pipe(v.string(), v.maxLength(MAX_KEY_CHARACTERS), v.base64('not base64')),
          paths: v.exactOptional(v.pipe(v.array(pattern), v.minLength(1), v.maxLength(MAX_PATTERNS))),
        }),
      ),
      v.maxLength(MAX_SIGNERS),
    ),
  ),
})
export type ImaListDocument = v.InferOutput<typeof imaListSchema>

/** The same, as the appraisal uses it. */
export interface ImaList {
  readonly files: FileDigests
  readonly toleratedViolations: ReadonlySet<string>
  readonly exclude: readonly PathPattern[]
  readonly keyring: ImaKeyring
  /** Where the files may be that a key signs, by the key's `spkiSha256`; null for everywhere. */
  readonly signedPaths: ReadonlyMap<string, readonly PathPattern[] | null>
}

/**
 * Makes a list ready for use.
 *
 * @param refuse is called with what is wrong and where in the document; it throws
 */
export function readImaList(document: ImaListDocument, refuse: (what: string, at: string) => never): ImaList {
  const files = new FileDigests(document.files)
  if (files.size !== document.files.length) refuse('ima.files: something is listed twice', 'ima.files')
  const tolerated = document.violations.find(path => files.has(path))
  if (tolerated !== undefined) refuse(`ima.violations: ${tolerated} is a measured path`, 'ima.violations')
  return {
    files,
    toleratedViolations: new Set(document.violations),
    exclude: (document.exclude ?? []).map(compilePathPattern),
    ...readSigners(document.signers ?? [], refuse),
  }
}

function readSigners(
  signers: NonNullable<ImaListDocument['signers']>,
  refuse: (what: string, at: string) => never,
): Pick<ImaList, 'keyring' | 'signedPaths'> {
  const keys: ImaKey[] = []
  const signedPaths = new Map<string, readonly PathPattern[] | null>()
  for (const { name, key: der, paths } of signers) {
    try {
      const [key, ...more] = readImaKeys(Buffer.from(der, 'base64'), name)
      if (key === undefined || more.length > 0)
        throw refuse(`ima.signers: ${name} is not one key`, 'ima.signers')
      if (signedPaths.has(key.spkiSha256)) throw refuse(`ima.signers: ${name} is listed twice`, 'ima.signers')
      keys.push(key)
      signedPaths.set(key.spkiSha256, paths?.map(compilePathPattern) ?? null)
    } catch (error) {
      if (!(error instanceof ImaKeyringError)) throw error
      refuse(`ima.signers: ${error.message}`, 'ima.signers')
    }
  }
  return { keyring: new ImaKeyring(keys), signedPaths }
}

/** Whether a file of this path is acceptable because one of the keys signed it. */
export function isSignedFile(entry: ImaEntry, { keyring, signedPaths }: ImaList): boolean {
  if (keyring.keys.length === 0) return false
  const { outcome, key } = verifyEntrySignature(entry, keyring)
  if (outcome !== 'valid' || key === null) return false
  const patterns = signedPaths.get(key.spkiSha256)
  if (patterns === undefined) return false
  return patterns === null || patterns.some(pattern => pattern.matches(entry.path))
}

/**
 * What a list leaves open, in words for whoever is about to sign it or looks at it: a line for each rule that accepts more than files with
 * known content.
 */
export function imaListWarnings({ exclude = [], signers = [], violations }: ImaListDocument): string[] {
  const tolerated = violations.length > 0 || exclude.length > 0
  return [
    ...(tolerated
      ? [
          'ima: PCR 10 says that a file was changed while it was measured, and not which: with paths where that is tolerated, a host can say that it was one of them',
        ]
      : []),
    ...exclude.map(
      text =>
        `ima.exclude: nothing at ${text} is judged: whoever can write there can have any code run, or any configuration read, on a host that these values accept`,
    ),
    ...signers.map(
      ({ name, paths }) =>
        `ima.signers: whatever ${name} has ever signed is accepted at ${paths?.join(', ') ?? 'any path'}, also what has a known fault and was replaced since`,
    ),
  ]
}
