import { oneLine } from './log/journal-fields.ts'
import type { DaemonParts } from './parts.ts'

const MAX_STATUS = 300

/** What `systemctl status` shows of the daemon (STATUS= of sd_notify(3)): one line, whatever is in a reason. */
export function serviceStatus({ gate, attestor, settings, tier }: DaemonParts): string {
  const { state, reasons } = gate.snapshot()
  const [first] = state === 'ATTESTED' ? [] : [...reasons, attestor.latest.error].filter(r => r !== null)
  const why = first === undefined ? '' : `: ${first.code}, ${first.message}`
  const { refusal } = settings.report
  const file = refusal == null ? '' : `; configuration file refused: ${refusal}`
  return statusLine(`${state} (TPM: ${tier})${why}${file}`)
}

/** As the notification that carries it. */
export function statusLine(text: string): string {
  return `STATUS=${oneLine(text).slice(0, MAX_STATUS)}`
}
