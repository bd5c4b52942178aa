import { accessSync, constants, existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { FIRMWARE_CODE } from './machine.ts'

/** What a run takes, for people. */
export const NEEDS =
  'needs: x86-64, root, 12 GB of disk below the cache directory, 3 GB of memory, a Debian mirror the first time; up to two hours'

const TOOLS = [
  ...['qemu-system-x86_64', 'swtpm', 'swtpm_setup', 'debootstrap', 'sfdisk', 'mkfs.vfat', 'mkfs.ext4'],
  ...['mmd', 'mcopy', 'sbsign', 'unshare', 'setpriv', 'openssl', 'gcc', 'dpkg-deb'],
]

/** Why the test cannot run on this machine, or nothing if it can. */
export function missing(): string | undefined {
  if (process.arch !== 'x64') return `the guest is x86-64, this machine is ${process.arch}`
  if (process.getuid?.() !== 0) return 'not root: debootstrap and the guest’s file system need it'
  const tools = TOOLS.filter(name => !installed(name))
  if (tools.length > 0) return `not installed: ${tools.join(' ')} (npm run setup -- host)`
  if (!existsSync(FIRMWARE_CODE)) return `there is no ${FIRMWARE_CODE} (package ovmf)`
  if (process.env.WRIT_HOST_TEST_ACCEL === 'kvm' && !existsSync('/dev/kvm')) return 'there is no /dev/kvm'
  return undefined
}

function installed(name: string): boolean {
  const path = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin']
  return path.some(dir => {
    try {
      accessSync(join(dir, name), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}
