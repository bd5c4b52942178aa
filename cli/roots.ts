import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Command } from 'commander'
import { readCertificateFile } from '../attestation/index.ts'
import { CliError } from './error.ts'
import { readAs, systemReason } from './files.ts'
import { collect } from './workload.ts'

/** Options that name the roots that EK certificates may lead to. */
export interface RootOptions {
  ekRoot?: string[]
  hardwareEkRoot?: string[]
  roots?: string
}

/** The roots of the person who verifies, in DER. */
export interface EkRoots {
  readonly hardware: readonly Buffer[]
  readonly other: readonly Buffer[]
}

/** Adds the options for EK roots. */
export function addRootOptions(command: Command): Command {
  return command
    .option(
      '--ek-root <file>',
      'root that EK certificates may lead to, which says nothing about hardware: a hypervisor, swtpm (repeatable)',
      collect,
    )
    .option('--hardware-ek-root <file>', 'root of a maker of hardware TPMs (repeatable)', collect)
    .option('--roots <directory>', 'roots of makers of hardware TPMs: every certificate in this directory')
}

/** The roots that were given; null if none was. @throws CliError */
export async function readRoots(options: RootOptions): Promise<EkRoots | null> {
  const { ekRoot = [], hardwareEkRoot = [], roots } = options
  if (ekRoot.length + hardwareEkRoot.length === 0 && roots === undefined) return null
  const listed = roots === undefined ? [] : await certificateFiles(roots)
  return { hardware: await readAll([...hardwareEkRoot, ...listed]), other: await readAll(ekRoot) }
}

async function readAll(paths: readonly string[]): Promise<Buffer[]> {
  const certificates: Buffer[] = []
  for (const path of paths)
    certificates.push(...(await readAs(path, 'an EK root', bytes => readCertificateFile(bytes))))
  return certificates
}

/** The files of a directory that are named as certificates; notes may lie beside them. @throws CliError when there is none */
async function certificateFiles(directory: string): Promise<string[]> {
  const names = await readdir(directory).catch((cause: unknown) => {
    throw new CliError('FILE_UNREADABLE', `cannot read the roots in ${directory}: ${systemReason(cause)}`, {
      at: directory,
      cause,
    })
  })
  const files = names.filter(name => /\.(?:pem|crt|cer|der)$/i.test(name)).sort()
  if (files.length === 0) {
    throw new CliError(
      'FILE_MISSING',
      `no certificate in ${directory}: files end in .pem, .crt, .cer or .der`,
      {
        at: directory,
      },
    )
  }
  return files.map(name => join(directory, name))
}
