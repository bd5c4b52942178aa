import * as v from 'valibot'
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
})
export type ImaListDocument = v.InferOutput<typeof imaListSchema>

/** The same, as the appraisal uses it. */
export interface ImaList {
  /** Acceptable digests, `algorithm:hex`, by path. */
  readonly files: ReadonlyMap<string, ReadonlySet<string>>
  readonly toleratedViolations: ReadonlySet<string>
  readonly exclude: readonly PathPattern[]
}

/**
 * Makes a list ready for use.
 *
 * @param refuse is called with what is wrong and where in the document; it throws
 */
export function readImaList(document: ImaListDocument, refuse: (what: string, at: string) => never): ImaList {
  const files = new Map(document.files.map(({ path, digests }) => [path, new Set(digests)]))
  if (files.size !== document.files.length) refuse('ima.files: something is listed twice', 'ima.files')
  const tolerated = document.violations.find(path => files.has(path))
  if (tolerated !== undefined) refuse(`ima.violations: ${tolerated} is a measured path`, 'ima.violations')
  return {
    files,
    toleratedViolations: new Set(document.violations),
    exclude: (document.exclude ?? []).map(compilePathPattern),
  }
}

/**
 * What a list leaves open, in words for whoever is about to sign it or looks at it: a line for each rule that accepts more than files with
 * known content.
 */
export function imaListWarnings(document: ImaListDocument): string[] {
  return (document.exclude ?? []).map(
    text =>
      `ima.exclude: nothing at ${text} is judged: whoever can write there can have any code run, or any configuration read, on a host that these values accept`,
  )
}
