import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CHECKOUT } from '../executable/bundle.ts'

/** What a build makes, or has installed, beside the sources: none of it is of a commit. */
const MADE = ['node_modules', 'native/build']
/** How many differences an error names. */
const NAMED = 5

/**
 * The commit at the head of a repository, if the directory that this file lies in has exactly its files.
 *
 * Every file is read and hashed anew, in a repository of its own for which nothing is ignored, assumed or converted: what the settings of
 * `repository` hide from `git status`, or have `git archive` change, is seen.
 *
 * @returns 40 hexadecimal digits
 * @throws Error when a file is missing, another one or one more, save below {@link MADE}
 */
export function unpackedCommit(repository: string): string {
  const head = (...args: string[]) =>
    git(['--no-replace-objects', '-c', 'core.commitGraph=false', '-C', repository, 'rev-parse', ...args])
  const commit = head('--verify', 'HEAD^{commit}')
  const tree = head('--verify', `${commit}^{tree}`)
  const objects = head('--path-format=absolute', '--git-path', 'objects')
  const scratch = mkdtempSync(join(tmpdir(), 'writ-unpacked-'))
  try {
    const environment = {
      PATH: process.env.PATH,
      GIT_DIR: scratch,
      GIT_WORK_TREE: CHECKOUT,
      GIT_CONFIG_GLOBAL: '/dev/null',
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_ATTR_NOSYSTEM: '1',
      // Only to say what the difference is.
      GIT_ALTERNATE_OBJECT_DIRECTORIES: objects,
    }
    git(['init', '-q', '--bare', '--template='], { PATH: process.env.PATH, GIT_DIR: scratch })
    git(
      [
        '-c',
        'core.bare=false',
        'add',
        '--all',
        '--force',
        '--',
        '.',
        ...MADE.map(path => `:(exclude)${path}`),
      ],
      environment,
    )
    const unpacked = git(['write-tree'], environment)
    if (unpacked === tree) return commit
    const differences = git(['diff-tree', '-r', '--name-status', tree, unpacked], environment).split('\n')
    const more = differences.length > NAMED ? `, and ${differences.length - NAMED} more` : ''
    const named = differences
      .slice(0, NAMED)
      .map(line => line.replace('\t', ' '))
      .join(', ')
    throw new Error(
      `it was not built from what ${commit} has; nothing says where this comes from: ${named}${more}`,
    )
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}

/** @returns what git printed. @throws Error when it failed */
function git(args: readonly string[], env: NodeJS.ProcessEnv = process.env): string {
  const { error, status, stdout, stderr } = spawnSync('git', args, {
    cwd: CHECKOUT,
    encoding: 'utf8',
    env,
    maxBuffer: 1 << 26,
  })
  if (error !== undefined) throw error
  if (status !== 0) throw new Error(`git ${args.join(' ')}: ${stderr.trim()}`)
  return stdout.trim()
}
