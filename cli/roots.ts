import type { Command } from 'commander'
import { readCertificateFile } from '../attestation/index.ts'
import { readAs } from './files.ts'
import { collect } from './workload.ts'

/** Options that name the roots that EK certificates may lead to. */
export interface RootOptions {
  ekRoot?: string[]
  hardwareEkRoot?: string[]
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
}

/** The roots that were given; null if none was. @throws CliError */
export async function readRoots(options: RootOptions): Promise<EkRoots | null> {
  const { ekRoot = [], hardwareEkRoot = [] } = options
  if (ekRoot.length + hardwareEkRoot.length === 0) return null
  const read = async (paths: readonly string[]) =>
    (
      await Promise.all(paths.map(path => readAs(path, 'an EK root', bytes => readCertificateFile(bytes))))
    ).flat()
  return { hardware: await read(hardwareEkRoot), other: await read(ekRoot) }
}
