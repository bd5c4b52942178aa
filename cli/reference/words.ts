import { imaListWarnings, type PcrRule, type ReferenceDocument } from '../../attestation/index.ts'
import { printable } from '../output.ts'

type Document = ReferenceDocument

/** Most lines of a kind that are shown to a person; `--json` has all. */
const MOST = 12

/** What reference values accept, as lines for a person. */
export function documentLines(document: Document): string[] {
  return [
    ...section('TPM', [firmwareVersions(document)]),
    ...section('firmware', firmware(document)),
    ...section('Secure Boot', secureBoot(document)),
    ...section('images', bootImages(document)),
    ...section('command line', commandLines(document)),
    ...section('boot files', bootFiles(document)),
    ...section('also', events(document)),
    ...section('components', components(document)),
    ...section('IMA', ima(document)),
    ...section('rules', rules(document)),
    ...(document.quirks.length === 0 ? [] : section('put up with', [document.quirks.join(', ')])),
  ]
}

/** What the values leave open, for whoever is about to sign them: a line for each. */
export function openings(document: Document): string[] {
  const { firmwareVersions, secureBoot, bootImages, commandLines, bootFiles, components, pcrs } = document
  const isDescribed = (pcr: number): boolean =>
    pcrs.some(rule => rule.pcr === pcr && rule.rule === 'described')
  const when = (open: boolean, text: string): string[] => (open ? [text] : [])
  return [
    ...when(firmwareVersions === 'any', 'firmwareVersions: a TPM with any firmware is accepted'),
    ...when(
      document.firmware === 'any' && isDescribed(0),
      'firmware: any firmware of the machine is accepted, also one that measures what it likes',
    ),
    ...when(
      secureBoot.enabled === 'any',
      'secureBoot.enabled: Secure Boot may be off, so that only the measured images say what was started',
    ),
    ...(['pk', 'kek', 'db', 'authorities'] as const).flatMap(field =>
      when(
        isDescribed(7) && secureBoot[field] === 'any',
        `secureBoot.${field}: any key is accepted, one of whoever owns the machine now among them`,
      ),
    ),
    ...when(
      isDescribed(7) && secureBoot.dbx === 'any',
      'secureBoot.dbx: nothing has to be forbidden, so that revoked boot loaders start',
    ),
    ...when(bootImages === 'any' && isDescribed(4), 'bootImages: any image may be started'),
    ...when(
      commandLines === 'any' && (isDescribed(8) || isDescribed(12)),
      'commandLines: any command line is accepted, and whatever else is measured into PCR 8 and 12: it can switch off IMA',
    ),
    ...when(
      bootFiles === 'any' && isDescribed(9),
      'bootFiles: any initial RAM disk is accepted, and whatever else is measured into PCR 9: it runs before IMA looks',
    ),
    ...when(
      commandLines !== 'any' && commandLines.length > 0 && bootFiles === 'any' && isDescribed(9),
      'commandLines: in PCR 9 any other command line is accepted beside a listed one: of a kernel that the firmware starts without a boot loader it is measured there alone',
    ),
    ...when(components === 'any', 'components: whatever code runs as the daemon is accepted'),
    ...pcrs
      .filter(({ rule }) => rule === 'any')
      .map(({ pcr }) => `pcrs: PCR ${pcr} is not judged: whatever it is for may change`),
    ...when(
      !pcrs.some(({ rule }) => rule === 'ima'),
      'pcrs: IMA is not judged, so that any program may have been started after the boot',
    ),
    ...document.quirks.map(name => `quirks: ${name}: a fault of the firmware is put up with`),
    ...imaListWarnings(document.ima),
  ]
}

function section(title: string, lines: readonly string[]): string[] {
  const shown = lines.length > MOST ? [...lines.slice(0, MOST), `and ${lines.length - MOST} more`] : lines
  return shown.map((line, i) => `${(i === 0 ? title : '').padEnd(13)} ${printable(line)}`)
}

function firmwareVersions({ firmwareVersions }: Document): string {
  return firmwareVersions === 'any' ? 'any firmware' : `firmware ${firmwareVersions.join(' or ')}`
}

function firmware({ firmware }: Document): string[] {
  if (firmware === 'any') return ['any']
  return firmware.map(({ name, events }) => `${name}: ${events.length} measurements`)
}

function secureBoot({ secureBoot }: Document): string[] {
  const { enabled, pk, kek, db, dbx, authorities } = secureBoot
  const names = (keys: 'any' | readonly { name: string; fingerprint: string }[]): string =>
    keys === 'any'
      ? 'any'
      : keys.map(({ name, fingerprint }) => `${name} (${fingerprint.slice(0, 16)})`).join('; ') || 'nothing'
  return [
    enabled === 'any' ? 'on or off' : enabled ? 'on' : 'off',
    `PK ${names(pk)}`,
    `KEK ${names(kek)}`,
    `db ${names(db)}`,
    dbx === 'any' ? 'dbx any' : `dbx at least these ${dbx.atLeast.length} entries`,
    `images let in by ${names(authorities)}`,
  ]
}

function bootImages({ bootImages, ukis }: Document): string[] {
  const images =
    bootImages === 'any'
      ? ['any']
      : bootImages.map(
          ({ name, digests, optional }, i) =>
            `${i + 1}. ${name} ${digests.join(' or ')}${optional ? ' (may be missing)' : ''}`,
        )
  return [
    ...images,
    ...ukis.map(
      ({ name, image, phases }) =>
        `unified kernel image ${name} ${image}${phases.length === 0 ? '' : `, then ${phases.join(', ')}`}`,
    ),
  ]
}

function commandLines({ commandLines }: Document): string[] {
  if (commandLines === 'any') return ['any']
  if (commandLines.length === 0) return ['none is measured apart from the images']
  return commandLines.map(line => ('text' in line ? line.text : `${line.name} ${line.digests.join(' or ')}`))
}

function bootFiles({ bootFiles }: Document): string[] {
  if (bootFiles === 'any') return ['any']
  return bootFiles.map(({ name, digests, optional }) => {
    return `${name} ${digests.join(' or ')}${optional ? ' (may be missing)' : ''}`
  })
}

function events({ events }: Document): string[] {
  return events.map(({ pcr, name, optional }) => `PCR ${pcr}: ${name}${optional ? ' (may be missing)' : ''}`)
}

function components({ components }: Document): string[] {
  if (components === 'any') return ['any: whatever code runs as the daemon']
  return components.map(
    ({ name, path, digests }) => `${name} at ${path}, measured as ${digests.join(' or ')}`,
  )
}

function ima({ ima }: Document): string[] {
  return [
    `${ima.files.length} files`,
    ...(ima.violations.length === 0 ? [] : [`${ima.violations.length} may change while measured`]),
    ...(ima.exclude ?? []).map(pattern => `not judged: ${pattern}`),
  ]
}

function rules({ pcrs }: Document): string[] {
  const by = Map.groupBy(pcrs, ruleText)
  return Array.from(by, ([text, rules]) => `PCR ${rules.map(({ pcr }) => pcr).join(' ')}: ${text}`)
}

function ruleText(rule: PcrRule): string {
  switch (rule.rule) {
    case 'described':
      return 'each event by what is said above'
    case 'value':
      return `exactly ${rule.values.join(' or ')}`
    case 'events':
      return `any order of ${rule.digests.length} known events`
    case 'ima':
      return 'the files that IMA measured'
    case 'any':
      return 'any'
  }
}
