// Writes the package's copyright file (copyright-format 1.0, DEP-5) to standard output: copyright.ts PACKAGES
// PACKAGES names the directories of the npm packages inside the executable, one on each line; the runtime and what is shipped beside code
// are added. Fails when the licence of anything is not known.
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type InsidePackage, packagesInside } from '../sbom/inside.ts'

/** Licences whose text every Debian system has. */
const COMMON: Readonly<Record<string, string>> = { 'Apache-2.0': '/usr/share/common-licenses/Apache-2.0' }

const [list = ''] = process.argv.slice(2)
const runtime = dirname(dirname(process.execPath))
const seen = new Set<string>()

process.stdout.write(
  `${[
    'Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/',
    'Upstream-Name: writ',
    'Comment: One executable carries the programs, the Node.js runtime and the npm packages below.',
    '',
    'Files: *',
    'Copyright: The Writ authors',
    'License: Apache-2.0',
    ...commonText('Apache-2.0'),
    ...packagesInside(list).flatMap(packageLines),
    '',
    'Files: node_modules/node-linux-*',
    'Copyright: Node.js contributors, and the holders named in the text',
    'License: Node.js',
    ...paragraph(readFileSync(join(runtime, 'LICENSE'), 'utf8')),
  ].join('\n')}\n`,
)

function packageLines({ name, version, license, author, directory }: InsidePackage): string[] {
  if (seen.has(`${name} ${version}`)) return []
  seen.add(`${name} ${version}`)
  const files = readdirSync(directory).filter(file => /^(?:licen[cs]e|copying|copyrightnotice)/i.test(file))
  const text = files.map(file => readFileSync(join(directory, file), 'utf8').trim()).join('\n\n')
  const common = license in COMMON
  if (text === '' && !common) throw new Error(`${directory} has no text of its licence`)
  const holders = text.match(/^[ \t]*(?:portions )?copyright (?:\(c\)|©|\d{4}).*$/gim) ?? [
    author ?? `The ${name} authors`,
  ]
  return [
    '',
    `Files: node_modules/${name}/*`,
    `Copyright: ${[...new Set(holders.map(line => line.trim().replace(/^copyright /i, '')))].join('\n ')}`,
    `License: ${license}`,
    ...(common ? commonText(license) : paragraph(text)),
    `Comment: ${name} ${version}`,
  ]
}

function commonText(license: string): string[] {
  return [` The full text is in ${COMMON[license]}.`]
}

/** Text as the continuation of a field: each line indented, an empty one a full stop. */
function paragraph(text: string): string[] {
  return text
    .replaceAll('\r', '')
    .trimEnd()
    .split('\n')
    .map(line => (line.trim() === '' ? ' .' : ` ${line.trimEnd()}`))
}
