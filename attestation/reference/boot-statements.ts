import type { PcrRule } from './pcr-rule.ts'
import type {
  BootFiles,
  BootImages,
  CommandLines,
  Firmware,
  OtherEvent,
  SecureBoot,
  UkiStatement,
} from './statements.ts'

/** What a document says of a boot, apart from IMA's part. */
export interface BootStatements {
  firmware: Firmware
  secureBoot: SecureBoot
  bootImages: BootImages
  commandLines: CommandLines
  bootFiles: BootFiles
  ukis: UkiStatement[]
  events: OtherEvent[]
  pcrs: PcrRule[]
}

/** The same as the appraisal uses it. */
export interface StatedBoot {
  readonly document: BootStatements
  readonly pcrs: ReadonlyMap<number, PcrRule>
}
