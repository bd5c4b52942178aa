import { copyFileSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { manufacture, simulatorPaths } from '../../attestation/tpm2/swtpm/manufacture.ts'
import { Guest } from './guest.ts'
import type { GuestImage, KernelImage } from './image.ts'
import { ok } from './processes.ts'

/** How a machine is switched on. */
export interface BootOptions {
  readonly kernelImage?: KernelImage
  readonly secureBoot?: boolean
}

const FIRMWARE = '/usr/share/OVMF'
/** The same firmware in every boot; whether Secure Boot is on depends on its variables: with keys, or in setup mode without. */
export const FIRMWARE_CODE = join(FIRMWARE, 'OVMF_CODE_4M.secboot.fd')
const VARIABLES = {
  'secure.fd': join(FIRMWARE, 'OVMF_VARS_4M.snakeoil.fd'),
  'setup.fd': join(FIRMWARE, 'OVMF_VARS_4M.fd'),
} as const

/** What a machine keeps when it is off, in one directory: its disks, its TPM, its firmware's variables. */
export class Machine {
  readonly dir: string

  private constructor(dir: string) {
    this.dir = dir
  }

  /** A machine that was never switched on, with a TPM from its maker. */
  static async make(image: GuestImage, dir: string): Promise<Machine> {
    mkdirSync(dir, { mode: 0o700 })
    await copySparse(image.root, join(dir, 'root.img'))
    for (const [name, path] of Object.entries(image.boot))
      await copySparse(path, join(dir, `boot-${name}.img`))
    for (const [name, source] of Object.entries(VARIABLES)) copyFileSync(source, join(dir, name))
    await manufacture(simulatorPaths(join(dir, 'tpm')))
    return new Machine(dir)
  }

  /** One that is in `dir` already. */
  static at(dir: string): Machine {
    return new Machine(dir)
  }

  /** Another that has all of this one, TPM and all; this one is off. One of them at a time is what a real one would be. */
  async copy(dir: string): Promise<Machine> {
    await copySparse(this.dir, dir)
    return new Machine(dir)
  }

  /** Puts the disk of another in place of its own; its TPM stays. Both are off. */
  async putBack(other: Machine): Promise<void> {
    await copySparse(join(other.dir, 'root.img'), join(this.dir, 'root.img'))
  }

  /** Takes the TPM out, and puts in another from its maker. It is off. */
  async replaceTpm(): Promise<void> {
    const dir = join(this.dir, 'tpm')
    rmSync(dir, { recursive: true })
    await manufacture(simulatorPaths(dir))
  }

  /** The certificate that the TPM's endorsement key certificate leads to; the TPM carries no other of its CA. */
  get ekRoot(): string {
    return join(this.dir, 'tpm/ca/issuercert.pem')
  }

  /** Switches it on and waits until systemd has started what it starts. @throws HostTestError */
  boot({ kernelImage = 'ordinary', secureBoot = true }: BootOptions = {}): Promise<Guest> {
    return Guest.start({
      firmware: FIRMWARE_CODE,
      variables: join(this.dir, secureBoot ? 'secure.fd' : 'setup.fd'),
      bootDisk: join(this.dir, `boot-${kernelImage}.img`),
      rootDisk: join(this.dir, 'root.img'),
      tpmState: join(this.dir, 'tpm/state'),
    })
  }
}

async function copySparse(from: string, to: string): Promise<void> {
  await ok(['cp', '-a', '--sparse=always', '--reflink=auto', from, to], { timeoutMs: 300_000 })
}
