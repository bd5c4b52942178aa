import { hash } from 'node:crypto'
import type { UkiStatement } from '../../reference/statements.ts'
import { type Ledger, named } from './ledger.ts'

const UKI_PCR = 11

/**
 * What the stub of the UKI that was started measured of itself, wholly and in order, and then the phases that the boot has come to.
 *
 * @param all those that the document lists: without any, nothing accounts for PCR 11 but what is listed by itself
 * @param candidates those that PCR 4 leaves
 */
export function judgeUkis(
  ledger: Ledger,
  all: readonly UkiStatement[],
  candidates: readonly UkiStatement[],
): void {
  if (all.length === 0 || !ledger.isDescribed(UKI_PCR)) return
  const measured = ledger.take(UKI_PCR, () => true)
  // Where the image was not listed, that has been said; what its sections are is worth saying all the same.
  const judged = (candidates.length > 0 ? candidates : all).map(uki => {
    const sequence = [...uki.events, ...uki.phases.map(phaseEvent)]
    const differs = measured.findIndex(({ digest }, i) => sequence[i]?.digest !== digest)
    const agrees = differs < 0 ? measured.length : differs
    return { uki, sequence, agrees, isGood: differs < 0 && agrees >= uki.events.length }
  })
  if (judged.some(({ isGood }) => isGood)) return
  const nearest = judged.reduce((best, next) => (next.agrees > best.agrees ? next : best))
  const { uki, sequence, agrees } = nearest
  const at = measured[agrees]
  const expected = sequence[agrees]
  ledger.fail(
    'UKI_UNKNOWN',
    at === undefined
      ? `${uki.name}: ${expected?.name ?? 'a section'} was not measured`
      : `${named(at)} in PCR ${UKI_PCR} is not what ${uki.name} measures there`,
    at?.at ?? `PCR ${UKI_PCR}`,
    expected === undefined ? 'nothing more' : `${expected.name} ${expected.digest}`,
  )
}

/** systemd-pcrphase measures the word itself (src/boot/measure.c, systemd-pcrphase.service(8)). */
function phaseEvent(phase: string): { name: string; digest: string } {
  return { name: `phase ${phase}`, digest: hash('sha256', phase) }
}
