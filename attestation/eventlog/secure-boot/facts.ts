import type { SbatEntry } from '../decode/index.ts'
import type { Authority, LoadedImage } from './image-authority.ts'
import type { KeyDatabase } from './key-database.ts'
import type { SecureBootProblem } from './problem.ts'

/** What a log says of Secure Boot, from events that digests bind. It is attested as far as the replay agrees with a quote. */
export interface SecureBootFacts {
  /** What firmware measured `SecureBoot` as, null when it did not: the rule of the replay. */
  readonly enabled: boolean | null
  /** These are measured by firmware that knows them. */
  readonly setupMode: boolean | null
  readonly auditMode: boolean | null
  readonly deployedMode: boolean | null
  /** Null when not measured; without entries when the variable is not set. */
  readonly pk: KeyDatabase | null
  readonly kek: KeyDatabase | null
  readonly db: KeyDatabase | null
  readonly dbx: KeyDatabase | null
  readonly dbt: KeyDatabase | null
  readonly dbr: KeyDatabase | null
  readonly authorities: readonly Authority[]
  readonly images: readonly LoadedImage[]
  /** From which generation on shim accepts what it loads, null without shim 15.3 or later. */
  readonly sbatLevel: readonly SbatEntry[] | null
  /** Whether shim trusts keys that the machine's owner enrolled. */
  readonly mokListTrusted: boolean | null
  /** Whether firmware says that it could protect memory from devices and does not. */
  readonly dmaProtectionDisabled: boolean
  readonly problems: readonly SecureBootProblem[]
}
