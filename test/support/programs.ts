import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { compiledDirectory } from './compiled.ts'
import { prepared } from './prepared.ts'

export const CHECKOUT = resolve(import.meta.dirname, '../..')

/** What the programs read beside their own code. */
const READ = ['native', 'node_modules', 'package.json', 'packaging', 'proto']
/** Where `writ` keeps what Node has compiled unless it is told. */
const KEPT = /"\$\{self%\/\*\}\/node_modules\/\.cache\/writ"/
const ENTRIES = { 'cli/main.ts': 'cli', 'daemon/main.ts': 'daemon' } as const

/**
 * The programs as tests start them some thousand times: of the checkout, each with all its modules in one file, by the bundler of the
 * package. That halves what a start costs. From the sources run what the demo starts, and the tests of the starts themselves.
 *
 * @returns the directory in which `writ`, `writd`, `cli/main.ts` and `daemon/main.ts` are
 */
export async function programs(): Promise<string> {
  return (await prepared('programs', bundlePrograms)) ?? CHECKOUT
}

async function bundlePrograms(directory: string): Promise<void> {
  for (const name of READ) symlinkSync(join(CHECKOUT, name), join(directory, name))
  copyFileSync(join(CHECKOUT, 'writd'), join(directory, 'writd'))
  const writ = readFileSync(join(CHECKOUT, 'writ'), 'utf8')
  if (!KEPT.test(writ)) throw new Error('writ keeps what Node has compiled elsewhere')
  const mode = { mode: 0o755 }
  writeFileSync(join(directory, 'writ'), writ.replace(KEPT, `'${compiledDirectory()}'`), mode)
  const { bundle } = await import('../../packaging/executable/bundle.ts')
  for (const [entry, room] of Object.entries(ENTRIES)) {
    mkdirSync(join(directory, room))
    writeFileSync(join(directory, room, 'bundle.cjs'), (await bundle(entry)).text)
    writeFileSync(
      join(directory, entry),
      "import { createRequire } from 'node:module'\ncreateRequire(import.meta.url)('./bundle.cjs')\n",
    )
    // Initialises every module. Node keeps what the first process compiled, and adds nothing to it.
    execFileSync(process.execPath, [join(directory, entry), '--help'], {
      env: { PATH: process.env.PATH, NODE_COMPILE_CACHE: compiledDirectory() },
      stdio: 'pipe',
    })
  }
}
