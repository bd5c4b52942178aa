import { access, constants, mkdir, writeFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { execa } from 'execa'
import { SimulatorError } from './error.ts'

/** Where a simulated TPM keeps its things, below one directory. */
export interface SimulatorPaths {
  readonly state: string
  readonly ca: string
  /** Raw command stream. */
  readonly socket: string
  /** swtpm's control channel, where tpm2-tss looks for it: beside the socket, with `.ctrl` added (tcti-swtpm.c). */
  readonly control: string
  readonly log: string
  /** PEM certificate of the CA's root. */
  readonly rootCertificate: string
  /** PEM certificate of the CA that issued the EK certificates. */
  readonly intermediateCertificate: string
}

/** sun_path of a sockaddr_un, without its zero byte (unix(7)). */
const MAX_SOCKET_PATH = 107

/** @throws SimulatorError `PATH_UNSUPPORTED` */
export function simulatorPaths(dir: string): SimulatorPaths {
  const paths = {
    state: join(dir, 'state'),
    ca: join(dir, 'ca'),
    socket: join(dir, 'tpm.sock'),
    control: join(dir, 'tpm.sock.ctrl'),
    log: join(dir, 'swtpm.log'),
    rootCertificate: join(dir, 'ca', 'swtpm-localca-rootca-cert.pem'),
    intermediateCertificate: join(dir, 'ca', 'issuercert.pem'),
  }
  if (!dir.startsWith('/') || /[,\r\n]/.test(dir)) {
    throw new SimulatorError('PATH_UNSUPPORTED', `not absolute, or with a comma or line break: ${dir}`)
  }
  if (Buffer.byteLength(paths.control) > MAX_SOCKET_PATH) {
    throw new SimulatorError('PATH_UNSUPPORTED', `too long for a socket: ${paths.control}`)
  }
  return paths
}

/**
 * Makes a new TPM as a manufacturer does: seeds, EKs, EK certificates from a CA of its own (root and intermediate), in
 * the NV indices that the TCG EK Credential Profile names. An older state is replaced; the CA is kept.
 *
 * @throws SimulatorError `TOOL_FAILED`
 */
export async function manufacture(paths: SimulatorPaths): Promise<void> {
  for (const dir of [paths.state, paths.ca]) await mkdir(dir, { recursive: true, mode: 0o700 })
  const conf = join(paths.ca, 'localca.conf')
  const options = join(paths.ca, 'localca.options')
  const setup = join(paths.ca, 'setup.conf')
  await writeFile(
    conf,
    `statedir = ${paths.ca}\nsigningkey = ${join(paths.ca, 'signkey.pem')}\n` +
      `issuercert = ${paths.intermediateCertificate}\ncertserial = ${join(paths.ca, 'certserial')}\n`,
  )
  await writeFile(options, '--platform-manufacturer Writ\n--platform-version 1\n--platform-model simulated\n')
  await writeFile(
    setup,
    `create_certs_tool = ${await findTool('swtpm_localca')}\ncreate_certs_tool_config = ${conf}\n` +
      `create_certs_tool_options = ${options}\nactive_pcr_banks = sha256\n`,
  )
  const flags = ['--tpm2', '--create-ek-cert', '--create-platform-cert', '--lock-nvram', '--overwrite']
  await runTool('swtpm_setup', [
    ...flags,
    '--tpmstate',
    paths.state,
    '--config',
    setup,
    '--pcr-banks',
    'sha1,sha256',
  ])
}

/** Whether there is a manufactured TPM in this directory already. */
export async function isManufactured(paths: SimulatorPaths): Promise<boolean> {
  return access(join(paths.state, 'tpm2-00.permall')).then(
    () => true,
    () => false,
  )
}

async function findTool(name: string): Promise<string> {
  for (const dir of (process.env.PATH ?? '').split(delimiter)) {
    const path = join(dir, name)
    if (
      await access(path, constants.X_OK).then(
        () => true,
        () => false,
      )
    )
      return path
  }
  throw new SimulatorError('TOOL_FAILED', `${name} is not installed`)
}

async function runTool(name: string, args: readonly string[]): Promise<void> {
  const result = await execa(name, args, { reject: false, all: true, timeout: 60_000, stdin: 'ignore' })
  if (result.failed)
    throw new SimulatorError('TOOL_FAILED', `${name} failed: ${result.all || result.message}`)
}
