import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { findProgram } from './execute.ts'
import { CannotRun } from './measure.ts'

/** File systems of the host's that the two do not agree on under a hybrid cgroup mount. */
const LEFT_OUT = new Set(['/sys', '/sys/fs/cgroup'])

/** As far as they are read here. */
interface Specification {
  process: { terminal: boolean; args: string[] }
  mounts: { destination: string }[]
  linux: { resources?: unknown }
}

/**
 * The command by which an OCI runtime runs a /bin/true that is linked statically, in the runtime's own default sandbox, without limits.
 *
 * @throws CannotRun when it is not installed, or does not run on this host
 */
export function container(runtime: 'crun' | 'runc', directory: string): string[] {
  const program = findProgram(runtime)
  const bundle = join(directory, runtime)
  for (const name of ['bin', 'dev', 'proc', 'sys'])
    mkdirSync(join(bundle, 'rootfs', name), { recursive: true })
  const source = join(bundle, 'true.c')
  writeFileSync(source, 'int main(void)\n{\n  return 0;\n}\n')
  execFileSync('gcc', ['-static', '-O1', '-o', join(bundle, 'rootfs/bin/true'), source])
  execFileSync(program, ['spec'], { cwd: bundle })
  const file = join(bundle, 'config.json')
  const specification = JSON.parse(readFileSync(file, 'utf8')) as Specification
  specification.process.terminal = false
  specification.process.args = ['/bin/true']
  specification.mounts = specification.mounts.filter(({ destination }) => !LEFT_OUT.has(destination))
  delete specification.linux.resources
  writeFileSync(file, JSON.stringify(specification))
  const command = [program, 'run', '--bundle', bundle, `writ-bench-${process.pid}`]
  const { status, stderr } = spawnSync(command[0] ?? '', command.slice(1), { encoding: 'utf8' })
  if (status !== 0)
    throw new CannotRun(`${runtime} does not run on this host: ${stderr.trim().split('\n').at(-1)}`)
  return command
}
