import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'

/** The one that the system's packages belong to, whatever else is on PATH. */
const PYTHON = '/usr/bin/python3'
const ROOT = fileURLToPath(new URL('../../..', import.meta.url))
const PLUGIN = '/usr/bin/grpc_python_plugin'

const imports = spawnSync(PYTHON, ['-c', 'import grpc, google.protobuf'])
const there =
  imports.status === 0 && existsSync(PLUGIN) && existsSync('/usr/include/google/protobuf/any.proto')
/** Why tests in Python cannot run here; null if they can. */
export const NEEDS_PYTHON = there
  ? null
  : 'needs packages: protobuf-compiler protobuf-compiler-grpc libprotobuf-dev python3-grpcio python3-protobuf'

/** Makes the Python modules of the API, and of reflection, from their definitions alone. */
export function generatePython(out: string): void {
  mkdirSync(out, { recursive: true })
  const protoc = (path: string, files: readonly string[]) =>
    execFileSync('protoc', [
      `--proto_path=${join(ROOT, path)}`,
      `--python_out=${out}`,
      `--grpc_python_out=${out}`,
      `--plugin=protoc-gen-grpc_python=${PLUGIN}`,
      ...files,
    ])
  protoc('proto', ['writ/v1/execution.proto', 'writ/v1/error.proto', 'google/rpc/status.proto'])
  const reflection = ['v1', 'v1alpha'].map(version => `grpc/reflection/${version}/reflection.proto`)
  protoc('node_modules/@grpc/reflection/build/proto', reflection)
}

/** The descriptors that protoc makes of these files and of what they import: a FileDescriptorSet in this file. */
export function compileDescriptors(out: string, files: readonly string[]): void {
  const proto = `--proto_path=${join(ROOT, 'proto')}`
  execFileSync('protoc', [proto, '--include_imports', `--descriptor_set_out=${out}`, ...files])
}

/** Starts a script below the repository with the generated modules in reach. */
export function spawnPython(generated: string, script: string, args: readonly string[]): ChildProcess {
  return spawn(PYTHON, [join(ROOT, script), ...args], {
    env: { PATH: process.env.PATH, PYTHONPATH: generated, PYTHONDONTWRITEBYTECODE: '1' },
    stdio: 'pipe',
  })
}

/** Runs a script to its end, for at most a minute. */
export async function python(
  generated: string,
  script: string,
  args: readonly string[],
  input: string | Buffer = '',
): Promise<{ code: number | null; stdout: Buffer; stderr: string }> {
  const child = spawnPython(generated, script, args)
  const { stdin, stdout, stderr } = child
  if (stdin === null || stdout === null || stderr === null) throw new TypeError('no pipes')
  const timer = setTimeout(() => child.kill('SIGKILL'), 60_000)
  stdin.on('error', () => {})
  stdin.end(input)
  const closed = once(child, 'close')
  const [out, err] = await Promise.all([buffer(stdout), buffer(stderr)])
  const [code] = (await closed) as [number | null]
  clearTimeout(timer)
  return { code, stdout: out, stderr: err.toString() }
}
