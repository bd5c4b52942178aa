import type { Firmware } from '../../reference/statements.ts'
import { type Ledger, named } from './ledger.ts'
import type { MeasuredEvent } from './measured-boot.ts'
import { isRoutine } from './routine.ts'

/** What a firmware measures: itself, and the drivers that it loads from cards. */
const FIRMWARE_PCRS: readonly number[] = [0, 2]

/** One of the listed firmwares, wholly: its events and no other, in its order. `any` opens all of PCR 0 and 2. */
export function judgeFirmware(ledger: Ledger, firmware: Firmware): void {
  const pcrs = FIRMWARE_PCRS.filter(pcr => ledger.isDescribed(pcr))
  const measured = pcrs.flatMap(pcr => ledger.take(pcr, ({ digest }) => !isRoutine(pcr, digest)))
  if (firmware === 'any') return
  const alternatives = firmware.map(({ name, events }) => ({
    name,
    events: pcrs.flatMap(pcr => events.filter(event => event.pcr === pcr)),
  }))
  const agreement = (expected: readonly Expected[]): number => {
    const at = expected.findIndex((event, i) => !isSame(event, measured[i]))
    return at < 0 ? expected.length : at
  }
  const isWhole = (events: readonly Expected[]): boolean =>
    agreement(events) === measured.length && events.length === measured.length
  if (pcrs.length === 0 || alternatives.some(({ events }) => isWhole(events))) return

  // The one that it agrees with longest tells the most about what is wrong.
  const nearest = alternatives.reduce((best, next) =>
    agreement(next.events) > agreement(best.events) ? next : best,
  )
  const listed = new Set(nearest.events.map(key))
  const unknown = measured.filter(event => !listed.has(key(event)))
  for (const event of unknown) {
    const next = nearest.events.filter(({ pcr }) => pcr === event.pcr).at(positionOf(event, measured))
    ledger.fail(
      'FIRMWARE_UNKNOWN',
      `${named(event)} in PCR ${event.pcr} is not of a listed firmware`,
      event.at,
      next === undefined ? 'nothing more' : `${next.name} ${next.digest} of ${nearest.name}`,
    )
  }
  if (unknown.length > 0) return
  const first = agreement(nearest.events)
  const missing = nearest.events[first]
  const at = measured[first]
  ledger.fail(
    'FIRMWARE_UNKNOWN',
    at === undefined
      ? `the firmware did not measure ${missing?.name ?? 'all of it'}`
      : `${named(at)} is not where ${nearest.name} measures it`,
    at?.at ?? `PCR ${missing?.pcr ?? 0}`,
    missing === undefined ? 'nothing more' : `${missing.name} ${missing.digest} of ${nearest.name}`,
  )
}

interface Expected {
  readonly pcr: number
  readonly name: string
  readonly digest: string
}

function isSame(expected: Expected, event: MeasuredEvent | undefined): boolean {
  return event !== undefined && key(expected) === key(event)
}

function key({ pcr, digest }: { readonly pcr: number; readonly digest: string }): string {
  return `${pcr} ${digest}`
}

/** Which of the events of its PCR an event is. */
function positionOf(event: MeasuredEvent, all: readonly MeasuredEvent[]): number {
  return all.filter(({ pcr }) => pcr === event.pcr).indexOf(event)
}
