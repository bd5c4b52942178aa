import type { StatedBoot } from '../../reference/boot-statements.ts'
import type { AppraisalReason } from '../reason.ts'
import { judgeBootImages } from './boot-images.ts'
import { judgeBootFiles, judgeCommandLines } from './command-line.ts'
import { judgeFirmware } from './firmware.ts'
import { Ledger, named, oneOf } from './ledger.ts'
import type { MeasuredBoot } from './measured-boot.ts'
import { judgeListedEvents, judgeRoutine, judgeSeparators } from './platform.ts'
import { judgeSecureBoot } from './secure-boot.ts'
import { judgeUkis } from './ukis.ts'

/**
 * Judges the PCRs whose rule is `described` by the statements of the document. Every event that extended one of them has to be accounted for; what is
 * left fails. Pure; nothing but digests and data that a digest binds decides.
 */
export function judgeStatements(boot: MeasuredBoot, reference: StatedBoot): AppraisalReason[] {
  const { document } = reference
  const ledger = new Ledger(boot, reference)
  judgeListedEvents(ledger, document.events)
  judgeSeparators(ledger)
  judgeFirmware(ledger, document.firmware)
  judgeSecureBoot(ledger, document.secureBoot)
  const started = judgeBootImages(ledger, document)
  judgeUkis(ledger, document.ukis, started)
  judgeCommandLines(ledger, document.commandLines, document.bootFiles)
  judgeBootFiles(ledger, document.bootFiles)
  judgeRoutine(ledger)
  judgeRest(ledger, reference)
  return ledger.reasons
}

function judgeRest(ledger: Ledger, { document }: StatedBoot): void {
  for (let pcr = 0; pcr < 16; pcr++) {
    for (const event of ledger.left(pcr)) {
      ledger.fail(
        'PCR_EVENT_UNACCOUNTED',
        `${named(event)} extended PCR ${pcr}, and nothing listed accounts for it`,
        event.at,
        expectedIn(pcr, document) || 'nothing more',
      )
    }
  }
}

/** What would have been accepted in a PCR, as far as words have it. */
function expectedIn(pcr: number, document: StatedBoot['document']): string {
  const { commandLines, bootFiles, events } = document
  const names = events.filter(event => event.pcr === pcr).map(({ name }) => name)
  const lines =
    commandLines === 'any' ? [] : commandLines.map(line => ('text' in line ? line.text : line.name))
  const files = bootFiles === 'any' ? [] : bootFiles.map(({ name }) => name)
  const said = [...(pcr === 8 || pcr === 9 || pcr === 12 ? lines : []), ...(pcr === 9 ? files : []), ...names]
  return oneOf(said)
}
