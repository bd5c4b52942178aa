import { type ChildProcess, type SpawnSyncReturns, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { HOUSE, succeed } from './built-package.ts'

/** Commands that would reach past the chroot, or that a host without a service manager does not answer: they write down how they were called. */
const RECORDED = [
  'systemd-sysusers',
  'systemd-tmpfiles',
  'udevadm',
  'deb-systemd-invoke',
  'systemctl',
  'apparmor_parser',
]

/** What a package of the test has in the place of what differs between two of them. */
export interface Variant {
  readonly version: string
  /** Added to the launcher's file. */
  readonly launcher?: string
  /** Added to the unit of the socket. */
  readonly socket?: string
}

/**
 * A whole Debian in which dpkg is run in earnest: this machine's, seen through an overlay in memory, in a mount namespace of its own. It has the
 * package's scripts, units, templates and configuration files; in the place of the programs are ones that only wait.
 */
export class DpkgHost {
  readonly #directory: string
  readonly #holder: ChildProcess
  readonly #running: ChildProcess[] = []

  private constructor(directory: string, holder: ChildProcess) {
    this.#directory = directory
    this.#holder = holder
  }

  static async start(): Promise<DpkgHost> {
    const directory = mkdtempSync(join(tmpdir(), 'writ-dpkg-'))
    const script = `
      set -e
      mount --make-rprivate / && mount -t tmpfs tmpfs "$0" && cd "$0"
      mkdir upper work root
      mount -t overlay overlay -o lowerdir=/,upperdir=upper,workdir=work root
      mount -t tmpfs tmpfs root/run && mount -t tmpfs tmpfs root/tmp
      # Databases of its own: those of a machine with many packages are read whole at every call.
      mount -t tmpfs tmpfs root/var/lib/dpkg && mkdir root/var/lib/dpkg/info root/var/lib/dpkg/updates
      : >root/var/lib/dpkg/status && mount -t tmpfs tmpfs root/var/cache/debconf
      mount --rbind /proc root/proc && mount --rbind /dev root/dev
      mkdir -p root/run/systemd/system root/run/stubs
      for name in ${RECORDED.join(' ')}; do
        printf '#!/bin/sh\\necho "\${0##*/} $*" >>/run/calls\\n' >root/run/stubs/$name
      done
      echo 'case "$*" in *MainPID*) cat /run/launcher-pid 2>/dev/null || echo 0 ;; esac' >>root/run/stubs/systemctl
      chmod 755 root/run/stubs/*
      echo ready && exec cat`
    const holder = spawn('unshare', ['--mount', 'sh', '-c', script, directory], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    const failed = once(holder, 'exit').then(() => {
      throw new Error('no mount namespace')
    })
    await Promise.race([once(holder.stdout as NodeJS.ReadableStream, 'data'), failed])
    failed.catch(() => {})
    return new DpkgHost(directory, holder)
  }

  /** Runs a command in it. */
  run(
    command: readonly string[],
    options: { input?: string; env?: Record<string, string> } = {},
  ): SpawnSyncReturns<string> {
    return spawnSync('nsenter', [...this.#inside(), ...command], {
      encoding: 'utf8',
      input: options.input ?? '',
      env: {
        PATH: '/run/stubs:/usr/sbin:/usr/bin:/sbin:/bin',
        DEBIAN_FRONTEND: 'noninteractive',
        LC_ALL: 'C.UTF-8',
        ...options.env,
      },
    })
  }

  /** Runs it in a shell, and has to succeed. */
  sh(script: string): string {
    const { status, stdout, stderr } = this.run(['sh', '-ec', script])
    if (status !== 0) throw new Error(`${script}:\n${stdout}${stderr}`)
    return stdout
  }

  /** Packages it, and hands it to dpkg. What this machine's release lacks is not what is tested. */
  install(
    variant: Variant,
    options: { input?: string; env?: Record<string, string> } = {},
  ): SpawnSyncReturns<string> {
    const copy = this.run(['sh', '-ec', 'base64 -d >/run/writ.deb'], { input: packaged(variant) })
    if (copy.status !== 0) throw new Error(copy.stderr)
    return this.dpkg(['--install', '/run/writ.deb'], options)
  }

  dpkg(
    args: readonly string[],
    options: { input?: string; env?: Record<string, string> } = {},
  ): SpawnSyncReturns<string> {
    return this.run(['dpkg', '--force-depends', '--force-downgrade', '--force-unsafe-io', ...args], options)
  }

  /** What the scripts had the service manager do since the last call, or another of the commands that are written down. */
  invoked(command = 'deb-systemd-invoke'): string[] {
    const calls = this.sh('cat /run/calls 2>/dev/null || true; rm -f /run/calls').split('\n')
    return calls.flatMap(line => (line.startsWith(`${command} `) ? line.slice(command.length + 1) : []))
  }

  /** Starts the installed launcher, which holds so many executions. */
  async startLauncher(executions: number): Promise<void> {
    // It takes nothing but the number of seconds that it waits.
    const child = spawn('nsenter', [...this.#inside(), '/usr/lib/writ/writ-launchd', '600'], {
      stdio: 'ignore',
    })
    await once(child, 'spawn')
    this.#running.push(child)
    // nsenter becomes it in place.
    this.sh(`for _ in $(seq 200); do [ "$(readlink /proc/${child.pid}/exe)" != /usr/lib/writ/writ-launchd ] || break; sleep 0.01; done
      echo ${child.pid} >/run/launcher-pid
      grep -q '^cgroup =' /etc/writ/launchd.conf || echo 'cgroup = /run/cgroup' >>/etc/writ/launchd.conf
      rm -rf /run/cgroup && mkdir -p /run/cgroup/executions`)
    for (let i = 0; i < executions; i++) {
      const id = i.toString(16).padStart(32, '0')
      this.sh(`mkdir -p /run/cgroup/executions/${id}/own`)
    }
  }

  close(): void {
    for (const child of this.#running) child.kill('SIGKILL')
    this.#holder.stdin?.end()
    this.#holder.kill('SIGKILL')
    rmSync(this.#directory, { recursive: true, force: true })
  }

  #inside(): string[] {
    return [`--mount=/proc/${this.#holder.pid}/ns/mnt`, 'chroot', join(this.#directory, 'root')]
  }
}

const made = new Map<string, string>()

/** A package with the real control files and units, as base64. */
function packaged(variant: Variant): string {
  const key = JSON.stringify(variant)
  const deb = made.get(key) ?? build(variant)
  made.set(key, deb)
  return deb
}

function build({ version, launcher = '', socket = '' }: Variant): string {
  const directory = mkdtempSync(join(tmpdir(), 'writ-deb-'))
  const root = join(directory, 'root')
  for (const path of ['usr/lib/writ', 'usr/lib/systemd', 'etc/writ', 'etc/apparmor.d'])
    mkdirSync(join(root, path), { recursive: true })
  const programs = ['writd', 'writ-launchd', 'writ.node'].map(name => join(root, 'usr/lib/writ', name))
  for (const program of programs) cpSync('/bin/sleep', program)
  appendFileSync(join(root, 'usr/lib/writ/writ-launchd'), launcher)
  for (const file of ['writd.toml', 'launchd.conf'])
    cpSync(join(HOUSE, 'packaging', file), join(root, 'etc/writ', file))
  cpSync(join(HOUSE, 'packaging/apparmor/writd'), join(root, 'etc/apparmor.d/writd'))
  mkdirSync(join(root, 'usr/share/writ'), { recursive: true })
  cpSync(join(HOUSE, 'packaging/deb/debconf.templates'), join(root, 'usr/share/writ/debconf.templates'))
  cpSync(join(HOUSE, 'packaging/systemd'), join(root, 'usr/lib/systemd/system'), { recursive: true })
  appendFileSync(join(root, 'usr/lib/systemd/system/writd.socket'), socket)
  succeed('sh', ['packaging/deb/control.sh', root, join(directory, 'built'), version, 'amd64'])
  const deb = join(directory, 'writ.deb')
  succeed('dpkg-deb', ['--root-owner-group', '-Znone', '--build', root, deb])
  const bytes = readFileSync(deb).toString('base64')
  rmSync(directory, { recursive: true })
  return bytes
}
