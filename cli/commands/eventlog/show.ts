import type { Command } from 'commander'
import {
  ANY_EVENT_LOG,
  describeEventLog,
  isQuirkName,
  MAX_EVENT_LOG_BYTES,
  MAX_USERSPACE_LOG_BYTES,
  parseEventLog,
  parseUserspaceLog,
  QUIRKS,
  type QuirkName,
} from '../../../attestation/index.ts'
import { addCommand, addNote, setAction } from '../../command.ts'
import { CliError } from '../../error.ts'
import { EVENT_LOG_FORM, eventLogJson } from '../../eventlog/json.ts'
import { eventLogLines } from '../../eventlog/lines.ts'
import { readDocument } from '../../files.ts'
import { MALFORMED, reportMalformed } from '../../malformed.ts'
import { collect } from '../../workload.ts'

interface Options {
  userspace?: string
  ccel?: boolean
  quirk?: string[]
}

export function addEventLogShow(parent: Command): void {
  const command = addCommand(
    parent,
    'show <file>',
    'Show a TCG event log: each event decoded, and the PCR values that it comes to.',
    `writ eventlog show /sys/kernel/security/tpm0/binary_bios_measurements
     writ eventlog show eventlog.bin --userspace /run/log/systemd/tpm2-measure.log --json
     writ eventlog show /sys/firmware/acpi/tables/data/CCEL --ccel`,
    [{ fields: EVENT_LOG_FORM }, { when: 'when the log is malformed', fields: MALFORMED }],
  )
    .option('--userspace <file>', "systemd's log of what it measured after the firmware")
    .option('--ccel', 'the log of a confidential VM: measurement registers instead of PCRs')
    .option('--quirk <name>', 'read the log as one of firmware with this known defect (repeatable)', collect)
  addNote(
    command,
    'Nothing in a log is true because it is in the log: only PCR values that a TPM has quoted can show that. A field is bound when a digest covers it that extends a PCR. The exit status is 1 for a log that is malformed; a rule that a well-formed one breaks is among its problems.',
  )
  addNote(command, `Quirks:\n${QUIRKS.map(({ name, what }) => `  ${name}: ${what}`).join('\n')}`)
  setAction<Options>(command, async ({ args, options, output }) => {
    const [path = ''] = args
    const quirks = readQuirks(options.quirk ?? [])
    const bytes = await readDocument(path, 'an event log', MAX_EVENT_LOG_BYTES)
    const userspaceBytes =
      options.userspace === undefined
        ? null
        : await readDocument(options.userspace, 'a user-space log', MAX_USERSPACE_LOG_BYTES)
    try {
      const log = parseEventLog(bytes, ANY_EVENT_LOG)
      const userspace = userspaceBytes === null ? [] : parseUserspaceLog(userspaceBytes).events
      const described = describeEventLog(log, {
        quirks,
        userspace,
        ...(options.ccel ? { registers: 'cc' as const } : {}),
      })
      output.result(eventLogJson(described), () => eventLogLines(described))
      return undefined
    } catch (error) {
      return reportMalformed(error, output)
    }
  })
}

function readQuirks(names: readonly string[]): QuirkName[] {
  return names.map(name => {
    if (isQuirkName(name)) return name
    const next = `The quirks are ${QUIRKS.map(quirk => quirk.name).join(', ')}.`
    throw new CliError('USAGE', `there is no quirk ${name}`, { at: '--quirk', next })
  })
}
