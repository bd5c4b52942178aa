import { type LockedPackage, nameAt } from '../sbom/lock.ts'
import { runtimeLibraries } from '../sbom/runtime.ts'
import { isShipped, KNOWN_SCRIPTS, SHIPPED_LICENCES } from './rules.ts'

/**
 * The page of licences: what the package may have parts of, by licence. From the lock and the runtime, so that the same inputs give the same
 * page.
 */
export function licencesPage(
  packages: ReadonlyMap<string, LockedPackage>,
  versions: Readonly<Record<string, string | undefined>>,
): string {
  const shipped = [...packages].filter(([, pin]) => isShipped(pin))
  const rows = new Map(
    shipped.map(([place, { version, license = '' }]) => [
      `${nameAt(place)} ${version}`,
      { name: nameAt(place), version, license },
    ]),
  )
  const table = [...rows.values()].toSorted((a, b) =>
    a.name === b.name ? (a.version < b.version ? -1 : 1) : a.name < b.name ? -1 : 1,
  )
  return `${[
    '# Licences',
    '',
    'Made by `npm run licences`, and checked. Writ is under Apache-2.0 ([LICENSE](../LICENSE)). The executable carries code of the packages below, as',
    'far as the programs use them, and the Node.js runtime. All texts, with the holders of the rights, are in `/usr/share/doc/writ/copyright`; what a',
    'package has in it exactly, by digest, is in its bill of materials, `/usr/share/doc/writ/writ.cdx.json`.',
    '',
    `No npm package is distributed that is under another licence than these: ${[...SHIPPED_LICENCES].join(', ')}. One that is fails the`,
    'checks (`packaging/supply-chain/rules.ts`), and so does one that brings a script for its installation and is not known. Known, and never executed:',
    `${Object.entries(KNOWN_SCRIPTS)
      .map(([name, what]) => `\`${name}\` ${what}`)
      .join('; ')}.`,
    '',
    '| npm package | version | licence |',
    '|---|---|---|',
    ...table.map(({ name, version, license }) => `| ${name} | ${version} | ${license} |`),
    '',
    '## Inside the Node.js runtime',
    '',
    `Node.js ${versions.node} is under MIT, and embeds these. Their texts are those of its own \`LICENSE\`.`,
    '',
    '| library | version | licence |',
    '|---|---|---|',
    ...runtimeLibraries(versions).map(
      ({ name, version, license }) => `| ${name} | ${version ?? 'not told'} | ${license} |`,
    ),
  ].join('\n')}\n`
}
