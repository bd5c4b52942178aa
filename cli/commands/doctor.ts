import { type Command, Option } from 'commander'
import { addCommand, addNote, setAction } from '../command.ts'
import { DEFAULT_CONFIG } from '../config/place.ts'
import { AREAS } from '../doctor/areas/index.ts'
import { diagnose } from '../doctor/doctor.ts'
import { Host } from '../doctor/host.ts'
import { diagnosisLines } from '../doctor/lines.ts'
import { placesOf } from '../doctor/places.ts'
import { CliError, EXIT } from '../error.ts'
import { liveProbes } from '../probe/index.ts'
import { addConfiguredSocketOption, type SocketOptions } from '../rpc/daemon.ts'
import { collect } from '../workload.ts'

interface Options extends Partial<SocketOptions> {
  config: string
  tpm?: string
  area?: string[]
  all?: boolean
}

export function addDoctor(program: Command): void {
  const command = addCommand(
    program,
    'doctor',
    'Look at everything that can be wrong on this host, and say what to do about it. Changes nothing.',
    `writ doctor
     writ doctor --area tpm --area boot
     writ doctor --json`,
    {
      ok: 'boolean: whether there is no error',
      errors: 'number',
      warnings: 'number',
      notChecked: 'number',
      findings: [
        {
          code: 'text: as docs/doctor.md has them',
          severity: 'text: error, warning, ok or not checked',
          area: 'text',
          what: 'text: what was found, or why it was not looked at',
          'where|null': 'text: a file, a device, a unit',
          'why|null': 'text: why it matters',
          'todo|null': 'text: what to do',
        },
      ],
    },
  )
    .option('--config <file>', "writd's configuration; the launcher's is beside it", DEFAULT_CONFIG)
    .option(
      '--tpm <where>',
      'device:PATH, or swtpm:PATH for a simulated one (default: as the configuration says)',
    )
    .addOption(
      new Option('--area <name>', 'looks at this alone (repeatable)')
        .choices(AREAS.map(({ name }) => name))
        .argParser(collect),
    )
    .option('--all', 'say what is good as well')
  addConfiguredSocketOption(command)
  addNote(
    command,
    'As root it sees everything; as another user it says what it could not look at. The exit status is 1 if there is an error.',
  )
  setAction<Options>(command, async ({ options, output }) => {
    const areas = chosen(options.area)
    const places = await placesOf(options.config)
    const probes = liveProbes({
      tpm: options.tpm ?? places.tpm,
      socket: options.socket ?? places.socket,
    })
    const diagnosis = await diagnose(new Host(probes, options.config), areas)
    output.result({ ok: diagnosis.errors === 0, ...diagnosis }, () =>
      diagnosisLines(diagnosis, areas, options.all === true),
    )
    return diagnosis.errors === 0 ? EXIT.done : EXIT.refused
  })
}

/** @throws CliError `USAGE` */
function chosen(names: readonly string[] | undefined): typeof AREAS {
  const unknown = names?.find(name => !AREAS.some(area => area.name === name))
  if (unknown !== undefined) {
    throw new CliError('USAGE', `there is no area ${JSON.stringify(unknown)}`, {
      next: `There are ${AREAS.map(({ name }) => name).join(', ')}.`,
    })
  }
  return AREAS.filter(({ name }) => names?.includes(name) ?? true)
}
