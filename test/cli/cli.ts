import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CHECKOUT, programs } from '../support/programs.ts'
import { checkJson } from './json-form.ts'

/** The tool as a user starts it from a checkout. */
export const SOURCE_WRIT = join(CHECKOUT, 'writ')
/** The same, and faster. */
export const WRIT = join(await programs(), 'writ')

export interface Session {
  status: number | null
  signal: NodeJS.Signals | null
  stdout: string
  stderr: string
}

/** Runs `writ` as a process and waits for its end. What it prints with `--json` has to be of the command's form. */
export async function writ(
  args: readonly string[],
  options: Parameters<typeof start>[1] = {},
): Promise<Session> {
  const session = await start(args, options)
  const ours = args.includes('--') ? args.slice(0, args.indexOf('--')) : args
  const done = session.status === 0 || session.stdout !== ''
  if (done && ours.includes('--json') && !ours.includes('--blob')) {
    await checkJson(args, session.stdout, session.stderr)
  }
  return session
}

function start(
  args: readonly string[],
  options: { program?: string; cwd?: string; env?: Record<string, string>; input?: string | Buffer },
): Promise<Session> {
  return new Promise((resolve, reject) => {
    const child = spawn(options.program ?? WRIT, args, {
      cwd: options.cwd,
      env: { PATH: process.env.PATH, HOME: '/nonexistent', ...options.env },
    })
    let stdout = ''
    let stderr = ''
    child.stdout.on('data', chunk => {
      stdout += chunk
    })
    child.stderr.on('data', chunk => {
      stderr += chunk
    })
    // A program that does not read its input breaks the pipe.
    child.stdin.on('error', () => {})
    child.stdin.end(options.input ?? '')
    child.on('error', reject)
    child.on('close', (status, signal) => resolve({ status, signal, stdout, stderr }))
  })
}

/** A directory of the test's own, whose name has a space. */
export function temporaryDirectory(): { path: string; in: (name: string) => string; remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), 'writ cli '))
  return {
    path,
    in: name => join(path, name),
    remove: () => rmSync(path, { recursive: true, force: true }),
  }
}
