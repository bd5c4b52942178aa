import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { baseRoot, CACHE } from './base-root.ts'
import { ok } from './processes.ts'

/** What the guest boots from. Nobody may change the files. */
export interface GuestImage {
  /** ext4, the root file system. */
  readonly root: string
  /** Disks with an EFI system partition; they differ in the signed kernel image alone. */
  readonly boot: Readonly<Record<KernelImage, string>>
}

export type KernelImage = keyof typeof KERNEL_IMAGES

const ORDINARY =
  'root=/dev/vdb rw console=ttyS0 ima_policy=tcb ima_hash=sha256 panic=1 systemd.show_status=1 loglevel=4'
/**
 * What ukify is told of each. `other` has a command line that switches off what the operator thinks is on; `rebuilt` differs in a section that
 * nothing reads, as an image of another build does. The same key signs all of them, so that Secure Boot starts each.
 */
const KERNEL_IMAGES = {
  ordinary: `--cmdline='${ORDINARY}'`,
  other: `--cmdline='${ORDINARY} mitigations=off'`,
  rebuilt: `--cmdline='${ORDINARY}' --os-release='ID=debian BUILD_ID=another'`,
} as const

/** Debian's OVMF comes with a variable store that has this key enrolled, and with the key (README.Debian of the package ovmf). */
const SNAKEOIL = {
  key: '/usr/share/ovmf/PkKek-1-snakeoil.key',
  certificate: '/usr/share/ovmf/PkKek-1-snakeoil.pem',
}

const AGENT = join(import.meta.dirname, 'agent')

/**
 * Builds, in a mount namespace of its own, so that nothing stays mounted whatever happens. $1 the base root, $2 where the image goes.
 * The boot disks have the same identifiers, so that between them only the kernel image differs.
 */
const BUILD = `
base=$1 out=$2 root=$2/merged
mkdir -p "$out/upper" "$out/work" "$root"
mount -t overlay overlay -o "lowerdir=$base,upperdir=$out/upper,workdir=$out/work" "$root"
gcc -std=gnu17 -O2 -Wall -Wextra -Werror -static -o "$root/usr/local/sbin/writ-test-agent" "${AGENT}/agent.c"
install -m 644 "${AGENT}/writ-test-agent.service" "$root/etc/systemd/system/"
chroot "$root" systemctl enable -q writ-test-agent.service
# Where debootstrap gave up half-way (base-root.ts) it leaves what keeps services from starting; no machine that people install on has that.
rm -rf "$root/usr/sbin/policy-rc.d" "$root/debootstrap"
real=$root/usr/sbin/start-stop-daemon.REAL
if [ -e "$real" ]; then mv "$real" "\${real%.REAL}"; fi
# What this guest never reads would be hashed by whoever captures its files, and drivers of devices that it could have would be unpacked and
# verified at each boot: under emulation both take minutes.
rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/usr/share/doc/* "$root"/usr/share/locale/* "$root"/usr/share/man/*
for kernel in "$root"/usr/lib/modules/*/kernel; do
  rm -rf "$kernel/sound" "$kernel/arch"
  find "$kernel/drivers" -mindepth 1 -maxdepth 1 ! -name block ! -name char ! -name firmware ! -name virtio -exec rm -rf {} +
done
chroot "$root" depmod "$(ls "$root/usr/lib/modules" | tail -n 1)"
mount -t proc proc "$root/proc"
release=$(ls "$root/boot" | sed -n 's/^vmlinuz-//p' | tail -n 1)
openssl rsa -in ${SNAKEOIL.key} -passin pass:snakeoil -out "$out/key" 2>/dev/null
image() {
  name=$1
  shift
  chroot "$root" ukify build --linux="/boot/vmlinuz-$release" --initrd="/boot/initrd.img-$release" "$@" --output=/tmp/image.efi
  sbsign --key "$out/key" --cert ${SNAKEOIL.certificate} --output "$out/signed.efi" "$root/tmp/image.efi"
  truncate -s 96M "$out/boot-$name.img"
  printf '%s\\n' 'label: gpt' 'label-id: 5E5C4F0E-0000-4000-8000-000000000001' \\
    'start=2048, size=192512, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, uuid=5E5C4F0E-0000-4000-8000-000000000002' |
    sfdisk -q "$out/boot-$name.img"
  mkfs.vfat -F 32 -i 57524954 --offset 2048 "$out/boot-$name.img" 96256 >/dev/null
  mmd -i "$out/boot-$name.img@@1M" ::/EFI ::/EFI/BOOT
  mcopy -i "$out/boot-$name.img@@1M" "$out/signed.efi" ::/EFI/BOOT/BOOTX64.EFI
  rm "$root/tmp/image.efi" "$out/signed.efi"
}
${Object.entries(KERNEL_IMAGES)
  .map(([name, options]) => `image ${name} ${options}`)
  .join('\n')}
umount "$root/proc"
# What systemd does after an update of /usr is done already: under emulation it takes a minute.
touch "$root/etc/.updated" "$root/var/.updated"
truncate -s 4G "$out/root.img"
mkfs.ext4 -q -L guest -d "$root" "$out/root.img"
umount "$root"
rm -rf "$out/upper" "$out/work" "$root" "$out/key"
`

/**
 * Makes what the guest boots from, or takes what was made before from the same parts.
 *
 * @param packages that the package under test needs; the guest itself has no network
 * @throws HostTestError
 */
export async function guestImage(
  packages: readonly string[],
  say: (line: string) => void,
): Promise<GuestImage> {
  const base = await baseRoot(packages, say)
  const hash = createHash('sha256').update(base).update(BUILD)
  for (const name of readdirSync(AGENT).sort()) hash.update(readFileSync(join(AGENT, name)))
  const key = `image-${hash.digest('hex').slice(0, 16)}`
  const dir = join(CACHE, key)
  if (!existsSync(dir)) {
    for (const name of readdirSync(CACHE))
      if (name.startsWith('image-')) rmSync(join(CACHE, name), { recursive: true, force: true })
    say('making the disks')
    const partial = join(CACHE, `${key}.partial`)
    rmSync(partial, { recursive: true, force: true })
    mkdirSync(partial)
    await ok(
      ['unshare', '--mount', '--propagation', 'private', 'sh', '-euc', BUILD, 'build', base, partial],
      { timeoutMs: 600_000 },
    )
    renameSync(partial, dir)
  }
  return {
    root: join(dir, 'root.img'),
    boot: {
      ordinary: join(dir, 'boot-ordinary.img'),
      other: join(dir, 'boot-other.img'),
      rebuilt: join(dir, 'boot-rebuilt.img'),
    },
  }
}
