import { createHash } from 'node:crypto'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { HostTestError, ok, run, tail } from './processes.ts'

/** Where images are kept between runs. */
export const CACHE = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'writ-host-test')

/** Where Debian's packages come from. */
const MIRROR = process.env.WRIT_DEBIAN_MIRROR || 'http://deb.debian.org/debian'

/**
 * What the guest consists of before the package is installed: kernel and initramfs, systemd with its stub and the tool that makes
 * unified kernel images, what a person would have at hand, and python3 as a thing that can execute a memfd.
 */
const PACKAGES = [
  ...['linux-image-amd64', 'initramfs-tools', 'zstd', 'kmod', 'udev'],
  ...['systemd', 'systemd-sysv', 'systemd-ukify', 'systemd-boot-efi', 'dbus'],
  ...['tpm2-tools', 'openssl', 'procps', 'iproute2', 'python3-minimal', 'apparmor'],
]

/** Without a login on the serial line systemd would wait 90 s for the line; timers that fetch packages have nothing to fetch. */
const MASKED = [
  'serial-getty@ttyS0.service',
  'dev-ttyS0.device',
  'getty@tty1.service',
  'apt-daily.timer',
  'apt-daily-upgrade.timer',
]

const PREPARE = `
printf '%s\\n' virtio_blk ext4 >>/etc/initramfs-tools/modules
sed -i 's/^MODULES=.*/MODULES=list/' /etc/initramfs-tools/initramfs.conf
echo '/dev/vdb / ext4 rw 0 1' >/etc/fstab
echo guest >/etc/hostname
update-initramfs -u -k all
systemctl mask -q ${MASKED.join(' ')}
# What a profile includes stays. Those of programs that the guest does not have would be compiled at its first boot, for minutes.
find /etc/apparmor.d -maxdepth 1 -type f -delete
`

/**
 * A Debian 13 root directory by debootstrap, made once for each list of packages; `also` are packages beyond the usual ones. Takes
 * minutes and the network the first time.
 *
 * @returns the directory. Nobody may change what is in it
 * @throws HostTestError
 */
export async function baseRoot(also: readonly string[], say: (line: string) => void): Promise<string> {
  const packages = [...new Set([...PACKAGES, ...also])].sort()
  const key = createHash('sha256')
    .update(JSON.stringify([MIRROR, packages, PREPARE]))
    .digest('hex')
    .slice(0, 16)
  const root = join(CACHE, `base-${key}`)
  const ready = `${root}.ready`
  if (existsSync(ready)) return root
  mkdirSync(CACHE, { recursive: true, mode: 0o755 })
  for (const name of readdirSync(CACHE))
    if (name.startsWith('base-')) rmSync(join(CACHE, name), { recursive: true, force: true })
  say(`making a Debian 13 root with ${packages.length} packages, once`)
  const strapped = await run(
    ['debootstrap', '--variant=minbase', `--include=${packages.join(',')}`, 'trixie', root, MIRROR],
    { timeoutMs: 1_200_000 },
  )
  copyAptConfiguration(root)
  // debootstrap gives up where packages need each other; apt knows how to go on.
  const install = ['chroot', root, 'apt-get', 'install', '-y', '-qq', '--no-install-recommends']
  for (const more of [['--fix-broken'], packages]) {
    const { status, stdout, stderr } = await run([...install, ...more], {
      timeoutMs: 1_200_000,
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    })
    if (status !== 0)
      throw new HostTestError(
        `no Debian root:\n${tail([strapped.stdout, strapped.stderr])}\n${tail([stdout, stderr])}`,
      )
  }
  await ok(['chroot', root, 'sh', '-euc', PREPARE], { timeoutMs: 600_000 })
  writeFileSync(ready, `${packages.join('\n')}\n`)
  return root
}

/** This machine's way to the mirror: its proxy, its resolver. */
function copyAptConfiguration(root: string): void {
  const source = '/etc/apt/apt.conf.d'
  for (const name of readdirSync(source)) {
    // What runs programs that only this machine has stays here.
    if (/Invoke|Pre-Install-Pkgs/.test(readFileSync(join(source, name), 'utf8'))) continue
    copyFileSync(join(source, name), join(root, source, name))
  }
  copyFileSync('/etc/resolv.conf', join(root, 'etc/resolv.conf'))
}
