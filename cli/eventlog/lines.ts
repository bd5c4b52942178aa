import {
  type BankName,
  type DescribedEvent,
  type EventLogDescription,
  registerName,
  type UserspaceEvent,
} from '../../attestation/index.ts'
import { printable, styled } from '../output.ts'
import { signature, summaryOf } from './summary.ts'

/** Most characters of what an event says, unless nothing else is in the line. */
const MAX_SUMMARY = 160

/** One row: where, what, how much of it is measured, and what it says. */
type Row = readonly [index: string, register: string, type: string, bound: string, summary: string]

/** A described log for a person: its events in columns, then what it comes to. */
export function eventLogLines(described: EventLogDescription): string[] {
  const { events, userspace, registers, trustedBank } = described
  const rows = [
    ...events.map((event): Row => eventRow(event, described)),
    ...userspace.map((event): Row => userspaceRow(event, trustedBank)),
  ]
  const widths = [0, 1, 2, 3].map(i => Math.max(0, ...rows.map(row => row[i]?.length ?? 0)))
  const line = (row: Row): string => {
    const [index, register, type, bound] = row.slice(0, 4).map((cell, i) => cell.padEnd(widths[i] ?? 0))
    return `${styled('dim', index ?? '')}  ${register}  ${type}  ${styled('dim', bound ?? '')}  ${row[4]}`
  }
  return [
    ...rows.map(line),
    ...imageLines(described),
    ...valueLines(described),
    ...factLines(described),
    measures(registers),
  ]
}

function eventRow({ event, typeName, extended, decoded }: DescribedEvent, log: EventLogDescription): Row {
  const register = extended ? registerName(log.registers, event.pcr) : '-'
  return [`${event.index}`, register, typeName, decoded.measured, shortened(summaryOf(decoded))]
}

function userspaceRow(event: UserspaceEvent, trustedBank: BankName | null): Row {
  const { kind, index } = event.register
  const register =
    kind === 'pcr' ? `PCR ${index}` : kind === 'rtmr' ? `RTMR${index}` : `NV 0x${index.toString(16)}`
  const isBound = Array.from(event.bound).some(bank => bank === trustedBank)
  const type = `systemd ${event.claims.eventType ?? ''}`.trimEnd()
  return [
    `s${event.index}`,
    register,
    printable(type),
    isBound ? 'data' : 'elsewhere',
    shortened(event.content),
  ]
}

function shortened(text: string): string {
  const shown = text.length > MAX_SUMMARY ? `${text.slice(0, MAX_SUMMARY)}…` : text
  return printable(shown)
}

/** What was loaded, and what it was verified with. */
function imageLines({ secureBootFacts: { images } }: EventLogDescription): string[] {
  const lines = images.flatMap(({ event, path, digest, authority }) => [
    `  event ${event}  ${printable(path ?? '(no path)')}`,
    `    digest     ${digest}`,
    ...(authority === null
      ? []
      : [`    authority  ${authority.database}: ${printable(signature(authority.entry))}`]),
  ])
  return lines.length === 0 ? [] : ['', styled('bold', 'images'), ...lines]
}

function valueLines({ pcrs, registers }: EventLogDescription): string[] {
  return Array.from(pcrs).flatMap(([bank, values]) => [
    '',
    styled('bold', bank),
    ...Array.from(values, ([register, value]) => {
      return `  ${registerName(registers, register).padEnd(6)}  ${value.toString('hex')}`
    }),
  ])
}

function factLines(described: EventLogDescription): string[] {
  const { secureBoot, exitBootServices, startupLocality, padding, problems, quirks, secureBootFacts } =
    described
  const state = secureBoot === null ? 'not measured' : secureBoot ? 'on' : 'off'
  return [
    '',
    `secure boot         ${state}`,
    `exit boot services  ${exitBootServices ? 'measured' : 'not measured'}`,
    ...(startupLocality === 0 ? [] : [`startup locality    ${startupLocality}`]),
    ...(padding === null ? [] : [`padding             ${padding.bytes} bytes at the end`]),
    ...quirks.map(quirk => `quirk               ${quirk}`),
    ...[...problems, ...secureBootFacts.problems].map(({ message }) =>
      styled('red', `problem             ${printable(message)}`),
    ),
  ]
}

/** What the fourth column says. */
function measures(registers: string): string {
  const register = registers === 'tpm' ? 'PCR' : 'register'
  return styled(
    'dim',
    `\nWhat the ${register} was extended with: data = all that is shown, part = a part of it, elsewhere = something that the log does not have, nothing.`,
  )
}
