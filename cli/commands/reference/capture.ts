import { randomBytes } from 'node:crypto'
import { hostname } from 'node:os'
import { type Command, Option } from 'commander'
import {
  captureReferenceValues,
  encodeReferenceValues,
  QUOTED_SELECTION,
  QuoteError,
  type ReferenceDocument,
  ReferenceValuesError,
} from '../../../attestation/index.ts'
import { addCommand, setAction } from '../../command.ts'
import { askedComponents, isImaPolicyMeasured, readComponents, withImaPolicy } from '../../components.ts'
import { CliError } from '../../error.ts'
import { readDocument, writeDocument } from '../../files.ts'
import { readHostIdentity } from '../../host.ts'
import { measureFiles } from '../../measured-files.ts'
import { printable, styledError } from '../../output.ts'
import { addStateOptions, type StatePlaces } from '../../state-directory.ts'
import { addTpmOption, type TpmSelection, withTpm } from '../../tpm.ts'
import { collect } from '../../workload.ts'

interface Options extends TpmSelection, StatePlaces {
  eventLog: string
  userspaceLog: string
  imaLog: string
  name: string
  files?: string[]
  component?: string[]
  out: string
}

/** Most bytes of a measurement log (an IMA log of a million entries has about 130 MB). */
const MAX_LOG_BYTES = 256 << 20

export function addReferenceCapture(parent: Command): void {
  const command = addCommand(
    parent,
    'capture',
    'Write reference values from this host as it is now. Do it on a host that is as it should be; nobody is bound until the operator signs them.',
    'writ reference capture --files /usr --out captured.json',
    {
      file: 'text',
      pcrs: 'number: how many are judged',
      files: 'number: how many are accepted',
      secureBoot: 'json: true, false or "any"',
      components: 'json: "any" or the names of what has to be measured',
      imaPolicyMeasured: 'boolean: whether this boot measured /etc/ima/ima-policy',
      violations: ['text: path that was changed while it was measured, which is accepted from now on'],
    },
  )
    .option(
      '--event-log <file>',
      "firmware's event log",
      '/sys/kernel/security/tpm0/binary_bios_measurements',
    )
    .option('--userspace-log <file>', "systemd's log, or none", '/run/log/systemd/tpm2-measure.log')
    .option(
      '--ima-log <file>',
      "IMA's binary log, or none",
      '/sys/kernel/security/ima/binary_runtime_measurements',
    )
    .addOption(
      new Option('--name <text>', 'for people: which hosts these are for').default(
        hostname(),
        "the host's name",
      ),
    )
    .option(
      '--files <directory>',
      'accept every file below it as it is now, measured already or not, that all may read or somebody execute: an installed system (repeatable)',
      collect,
    )
    .option(
      '--component <name=path>',
      "code that IMA must have measured as it is now, or the host fails; without this, the packaged daemon's own parts. any: whatever runs as the daemon (repeatable)",
      collect,
    )
    .requiredOption('--out <file>', 'where they are written; nothing is overwritten')
  addStateOptions(command)
  addTpmOption(command)
  setAction<Options>(command, async ({ options, output }) => {
    const asked = askedComponents(options.component)
    const { identity, secrets } = await readHostIdentity(options)
    const components = await readComponents(asked)
    const ak = { publicArea: identity.akPublicArea, name: identity.akName }
    const extraData = randomBytes(32)
    const quote = await withTpm(options, tpm =>
      tpm.quote({
        ak: { handle: identity.akHandle, name: identity.akName, auth: secrets.akAuth },
        extraData,
        selection: QUOTED_SELECTION,
        requester: { kind: 'maintenance' },
      }),
    )
    // The logs after the quote: what they say beyond it is not captured.
    const optional = (path: string, what: string) =>
      path === 'none' ? null : readDocument(path, what, MAX_LOG_BYTES)
    const evidence = {
      quote,
      eventLog: await readDocument(options.eventLog, 'the event log', MAX_LOG_BYTES),
      userspaceLog: await optional(options.userspaceLog, "systemd's log"),
      imaLog: await optional(options.imaLog, 'the IMA log'),
    }
    try {
      const from = {
        evidence,
        expected: { ak, extraData },
        name: options.name,
        created: new Date().toISOString(),
      }
      const captured = captureReferenceValues({ ...from, components })
      // A component may be named that was not measured; without any, all that was measured is among the files.
      const imaPolicyMeasured = isImaPolicyMeasured(captureReferenceValues({ ...from, components: 'any' }))
      const document = await withFiles(withImaPolicy(captured), options.files ?? [])
      const payload = encodeReferenceValues(document)
      await writeDocument(options.out, payload)
      output.result(
        {
          file: options.out,
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
      for (const line of doubts(imaPolicyMeasured, document.ima.violations)) {
        output.note(`${styledError('yellow', 'writ:')} ${line}`)
      }
    } catch (cause) {
      if (!(cause instanceof ReferenceValuesError || cause instanceof QuoteError)) throw cause
      throw new CliError('HOST_UNFIT', `${cause.message} [${cause.code}]`, {
        at: cause.at,
        cause,
        next: 'Are these the logs of this boot and of this TPM?',
      })
    }
    return undefined
  })
}

/** Most paths that a remark names. */
const MAX_NAMED = 10

/** What whoever signs should look at first: each makes the values accept more than was meant, perhaps. */
function doubts(imaPolicyMeasured: boolean, violations: readonly string[]): string[] {
  const lines: string[] = []
  if (!imaPolicyMeasured) {
    lines.push(
      'IMA measured no /etc/ima/ima-policy in this boot: it measures less than it should, and root can give it other rules unseen. Install the policy, reboot, capture again.',
    )
  }
  if (violations.length > 0) {
    const named = violations.slice(0, MAX_NAMED).map(printable).join(', ')
    const more = violations.length > MAX_NAMED ? ` and ${violations.length - MAX_NAMED} more` : ''
    lines.push(
      `changed while measured, and accepted so from now on: ${named}${more}. Take out of "ima.violations" what need not be.`,
    )
  }
  return lines
}

function componentNames({ components }: ReferenceDocument): 'any' | string[] {
  return components === 'any' ? 'any' : components.map(({ name }) => name)
}

/** Adds what is installed and may be measured later. */
async function withFiles(
  document: ReferenceDocument,
  directories: readonly string[],
): Promise<ReferenceDocument> {
  const other = document.ima.files.find(file => file.digests.some(digest => !digest.startsWith('sha256:')))
  if (other !== undefined && directories.length > 0) {
    throw new CliError(
      'HOST_UNFIT',
      `--files lists SHA-256, and IMA here measures otherwise (${other.path})`,
      {
        next: 'Boot with ima_hash=sha256 on the kernel command line.',
      },
    )
  }
  const files = new Map(document.ima.files.map(file => [file.path, new Set(file.digests)]))
  const { components } = document
  // What may change while it is measured stays that, and a component is judged by its own digests alone.
  const apart = new Set([
    ...document.ima.violations,
    ...(components === 'any' ? [] : components.map(({ path }) => path)),
  ])
  for (const directory of directories) {
    for (const { path, digest } of await measureFiles(directory)) {
      if (!apart.has(path)) files.set(path, (files.get(path) ?? new Set()).add(digest))
    }
  }
  const listed = Array.from(files, ([path, digests]) => ({ path, digests: [...digests] }))
  return { ...document, ima: { ...document.ima, files: listed } }
}
