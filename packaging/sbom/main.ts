// Writes the bill of materials of the package to standard output (CycloneDX 1.6, JSON): main.ts ROOT PACKAGES VERSION ARCHITECTURE
// ROOT is the package's tree with the programs in it, PACKAGES what packaging/executable/build.ts wrote. Dated by SOURCE_DATE_EPOCH.
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { SHIPPED_FILES } from '../../encoding/shipped.ts'
import { CHECKOUT } from '../executable/bundle.ts'
import { billOfMaterials } from './bom.ts'
import { cratesIn } from './crates.ts'
import { packagesInside } from './inside.ts'
import { lockedPackages } from './lock.ts'

/** Where everything is that is executed or mapped. */
const PROGRAMS = 'usr/lib/writ'

const [root = '', packages = '', version = '', architecture = ''] = process.argv.slice(2)
const epoch = Number(process.env.SOURCE_DATE_EPOCH)
if (!(epoch > 0)) throw new TypeError('SOURCE_DATE_EPOCH is not set')
const manifest = JSON.parse(readFileSync(join(CHECKOUT, 'package.json'), 'utf8'))
const inside = packagesInside(packages)
/** Of each package that a compiled module is shipped of. */
const crates = new Map(
  Object.values(SHIPPED_FILES)
    .filter(path => path.endsWith('.wasm'))
    .map(path => {
      const place = inside.find(it => path.startsWith(`${it.place}/`))?.place
      if (place === undefined) throw new Error(`${path} belongs to no package that is inside`)
      return [place, cratesIn(readFileSync(join(CHECKOUT, path)))] as const
    }),
)
const bom = billOfMaterials({
  version,
  architecture,
  epoch,
  inside,
  crates,
  locked: lockedPackages(),
  direct: Object.keys(manifest.dependencies),
  runtime: { versions: process.versions, place: `node_modules/node-linux-${process.arch}` },
  files: readdirSync(join(root, PROGRAMS))
    .toSorted()
    .map(name => ({
      path: `${PROGRAMS}/${name}`,
      sha256: createHash('sha256')
        .update(readFileSync(join(root, PROGRAMS, name)))
        .digest('hex'),
    })),
})
process.stdout.write(`${JSON.stringify(bom, null, 1)}\n`)
