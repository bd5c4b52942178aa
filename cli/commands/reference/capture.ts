import { hostname } from 'node:os'
import { type Command, Option } from 'commander'
import { addCommand, setAction } from '../../command.ts'
import { styledError } from '../../output.ts'
import {
  type CaptureOptions,
  captureDoubts,
  captureReference,
  componentNames,
} from '../../reference/capture.ts'
import { addEvidenceOptions } from '../../reference/evidence-source.ts'
import { addFileOptions } from '../../reference/listed-files.ts'
import { collect } from '../../workload.ts'

export function addReferenceCapture(parent: Command): void {
  const command = addCommand(
    parent,
    'capture',
    'Write reference values from a host as it is now: this one, one that sent a report, or one whose evidence is in files. Do it on a host that is as it should be; nobody is bound until the operator signs them.',
    `writ reference capture --packages --out captured.json
     writ reference capture --report report.json --host-id 000b… --name web --out captured.json`,
    {
      file: 'text',
      revision: 'number',
      'hostId|null': 'hex: of whom they are',
      pcrs: 'number: how many are judged',
      files: 'number: how many are accepted',
      secureBoot: 'json: true, false or "any"',
      components: 'json: "any" or the names of what has to be measured',
      imaPolicyMeasured: 'boolean: whether this boot measured /etc/ima/ima-policy',
      violations: ['text: path that was changed while it was measured, which is accepted from now on'],
    },
  )
    .addOption(
      new Option('--name <text>', 'for people: which hosts these are for').default(
        hostname(),
        "the host's name",
      ),
    )
    .option('--revision <number>', 'of values of this name; those in force have a lower one', '1')
    .option(
      '--component <name=path>',
      "code that IMA must have measured as it is now, or the host fails; without this, the packaged daemon's own parts. any: whatever runs as the daemon (repeatable)",
      collect,
    )
    .option('--quirk <name>', 'known fault of the firmware that is put up with (repeatable)', collect)
    .requiredOption('--out <file>', 'where they are written; nothing is overwritten')
  addFileOptions(command)
  addEvidenceOptions(command)
  setAction<CaptureOptions>(command, async ({ options, output }) => {
    const captured = await captureReference(options)
    const { revision, hostId, document, imaPolicyMeasured } = captured
    output.result(
      {
        file: options.out,
        revision,
        hostId,
        pcrs: document.pcrs.length,
        files: document.ima.files.length,
        secureBoot: document.secureBoot.enabled,
        components: componentNames(document),
        imaPolicyMeasured,
        violations: document.ima.violations,
      },
      () => [
        `${options.out}  ${document.pcrs.length} PCRs, ${document.ima.files.length} files, not signed yet`,
        `must be measured: ${[componentNames(document)].flat().join(', ')}`,
        'sign it: writ reference sign',
      ],
    )
    for (const line of captureDoubts(captured)) output.note(`${styledError('yellow', 'writ:')} ${line}`)
    return undefined
  })
}
