/** SLSA provenance v1 (slsa.dev/spec/v1.0/provenance), as an in-toto Statement v1. */
export const PREDICATE_TYPE = 'https://slsa.dev/provenance/v1'
/** Media type of the statement in an envelope (in-toto attestation framework, envelope.md). */
export const PAYLOAD_TYPE = 'application/vnd.in-toto+json'
/** How the package is built: packaging/deb/build.sh, as it is in the commit. */
export const BUILD_TYPE = 'https://writ.dev/build/deb/v1'
/** Who built where nobody says who: a person at a machine that nobody vouches for. */
export const LOCAL_BUILDER = 'https://writ.dev/build/local'

/** Something that went in or came out, by its digest (in-toto ResourceDescriptor). */
export interface Resource {
  readonly name?: string
  readonly uri?: string
  readonly digest: Readonly<Record<string, string>>
}

/** What is said of a build. */
export interface Build {
  /** What was built: file names without directories, with their digests. */
  readonly subjects: readonly (Resource & { readonly name: string })[]
  /** Where the sources are, as the builder knows it; `null` where they have no public place. */
  readonly source: string | null
  /** The commit that was built: 40 hexadecimal digits. */
  readonly commit: string
  readonly architecture: string
  /** Seconds since 1970 that the build is dated by. */
  readonly epoch: number
  readonly builder: string
  /** What it was built from besides the commit. */
  readonly inputs: readonly Resource[]
  /** What came out besides and is no subject. */
  readonly byproducts: readonly Resource[]
  /** Programs that built it, and their versions: not all of them are known by a digest. */
  readonly toolchain: Readonly<Record<string, string>>
}

/** The statement. The same build says the same bytes: no times and no numbers of runs are in it. */
export function provenanceStatement(build: Build): object {
  const { subjects, source, commit, architecture, epoch, builder, inputs, byproducts, toolchain } = build
  return {
    _type: 'https://in-toto.io/Statement/v1',
    subject: subjects,
    predicateType: PREDICATE_TYPE,
    predicate: {
      buildDefinition: {
        buildType: BUILD_TYPE,
        externalParameters: { commit, architecture, ...(source === null ? {} : { source }) },
        internalParameters: { SOURCE_DATE_EPOCH: epoch, toolchain },
        resolvedDependencies: [
          { name: 'sources', ...(source === null ? {} : { uri: source }), digest: { gitCommit: commit } },
          ...inputs,
        ],
      },
      runDetails: { builder: { id: builder }, byproducts },
    },
  }
}
