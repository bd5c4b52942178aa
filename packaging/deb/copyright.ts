// Writes the package's copyright file (copyright-format 1.0, DEP-5) to standard output: copyright.ts PACKAGES
// PACKAGES names the directories of the npm packages inside the executable, one on each line; the runtime and what is shipped beside code
// are added. Fails when the licence of anything is not known.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { SHIPPED_FILES } from '../../encoding/shipped.ts'
import { CHECKOUT } from '../executable/bundle.ts'

interface Manifest {
  readonly name: string
  readonly version: string
  readonly license: string
  readonly author?: string | { readonly name: string }
}

/** Licences whose text every Debian system has. */
const COMMON: Readonly<Record<string, string>> = { 'Apache-2.0': '/usr/share/common-licenses/Apache-2.0' }

const [list = ''] = process.argv.slice(2)
const bundled = readFileSync(list, 'utf8').trim().split('\n')
const shipped = Object.values(SHIPPED_FILES).filter(path => path.startsWith('node_modules/'))
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
    ...[...bundled, ...shipped.map(path => packageOf(join(CHECKOUT, path)))].flatMap(packageLines),
    '',
    'Files: node_modules/node-linux-*',
    'Copyright: Node.js contributors, and the holders named in the text',
    'License: Node.js',
    ...paragraph(readFileSync(join(runtime, 'LICENSE'), 'utf8')),
  ].join('\n')}\n`,
)

/** The directory of the npm package that a file belongs to: the nearest one whose manifest has a version. */
function packageOf(path: string): string {
  for (let at = dirname(path); at !== '/'; at = dirname(at)) {
    const manifest = join(at, 'package.json')
    if (existsSync(manifest) && 'version' in JSON.parse(readFileSync(manifest, 'utf8'))) return at
  }
  throw new Error(`${path} belongs to no package`)
}

function packageLines(directory: string): string[] {
  const manifest = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8')) as Manifest
  const { name, version, license, author } = manifest
  if (seen.has(`${name} ${version}`)) return []
  seen.add(`${name} ${version}`)
  if (typeof license !== 'string') throw new Error(`${directory} does not say its licence`)
  const files = readdirSync(directory).filter(file => /^(?:licen[cs]e|copying|copyrightnotice)/i.test(file))
  const text = files.map(file => readFileSync(join(directory, file), 'utf8').trim()).join('\n\n')
  const common = license in COMMON
  if (text === '' && !common) throw new Error(`${directory} has no text of its licence`)
  const holder = typeof author === 'string' ? author : author?.name
  const holders = text.match(/^[ \t]*(?:portions )?copyright (?:\(c\)|©|\d{4}).*$/gim) ?? [
    holder ?? `The ${name} authors`,
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
