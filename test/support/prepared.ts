import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Names the directory of what is prepared, for as long as one run of the tests takes. */
export const DIRECTORY = 'WRIT_TEST_PREPARED'
/** For whoever prepares what many tests begin with: some ten processes. */
const PATIENCE_MS = 120_000

/** Where it is; null outside of a run of the tests. */
export function preparedDirectory(): string | null {
  return process.env[DIRECTORY] ?? null
}

/**
 * What many tests begin with, as the real commands make it: it is made once in a run of the tests, by the first that asks.
 *
 * @param name one for each kind
 * @param make makes it in a directory that is there and empty, and leaves nothing running
 * @returns where it is; whoever asks must not change it. Null outside of such a run
 */
export async function prepared(
  name: string,
  make: (directory: string) => Promise<void>,
): Promise<string | null> {
  const all = preparedDirectory()
  if (all === null) return null
  const done = join(all, name)
  const claim = join(all, `${name}.claim`)
  const deadline = Date.now() + PATIENCE_MS
  while (!existsSync(done)) {
    if (claimed(claim)) await makeOnce(done, make)
    else if (Date.now() > deadline) throw new Error(`${name} is not prepared`)
    else await new Promise(resolve => setTimeout(resolve, 50))
  }
  return done
}

/**
 * Puts a copy of what is {@link prepared} into a directory that is there. Outside of a run of the tests it is made there.
 */
export async function putPrepared(
  name: string,
  target: string,
  make: (directory: string) => Promise<void>,
): Promise<void> {
  const from = await prepared(name, make)
  if (from === null) return make(target)
  // With owners and modes, which cpSync leaves behind.
  const { status, stderr } = spawnSync('cp', ['-a', '--', `${from}/.`, target], { encoding: 'utf8' })
  if (status !== 0) throw new Error(`cannot copy ${name}: ${stderr}`)
}

/** Whether it fell to this process to prepare it. The claim of a process that is gone is nobody's. */
function claimed(claim: string): boolean {
  try {
    writeFileSync(claim, String(process.pid), { flag: 'wx' })
    return true
  } catch {
    try {
      if (!existsSync(`/proc/${readFileSync(claim, 'utf8')}`)) rmSync(claim, { force: true })
    } catch {
      // Whoever had it is done, or gave up, just now.
    }
    return false
  }
}

async function makeOnce(done: string, make: (directory: string) => Promise<void>): Promise<void> {
  const making = `${done}.${process.pid}`
  try {
    if (existsSync(done)) return
    mkdirSync(making, { mode: 0o755 })
    await make(making)
    renameSync(making, done)
  } finally {
    rmSync(making, { recursive: true, force: true })
    rmSync(`${done}.claim`, { force: true })
  }
}
