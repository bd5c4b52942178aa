import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Channel } from './channel.ts'
import { Monitor } from './monitor.ts'
import { type Finished, HostTestError, kill, ok, start } from './processes.ts'

/** What a guest is made of. */
export interface Hardware {
  readonly firmware: string
  readonly variables: string
  /** Holds the kernel image; is not written. */
  readonly bootDisk: string
  readonly rootDisk: string
  /** swtpm's state directory. */
  readonly tpmState: string
}

/** `kvm` where nested virtualisation carries firmware in system management mode; `tcg`, emulation, works everywhere. */
const ACCELERATOR = process.env.WRIT_HOST_TEST_ACCEL || 'tcg'
/** One: with two emulated processors QEMU 7.2 crashes. */
const PROCESSORS = 1
const BOOT_MS = 600_000

/** A guest that runs. */
export class Guest {
  readonly #dir: string
  readonly #qemu: ChildProcess
  readonly #tpm: ChildProcess
  readonly #channel: Channel

  private constructor(dir: string, qemu: ChildProcess, tpm: ChildProcess, channel: Channel) {
    this.#dir = dir
    this.#qemu = qemu
    this.#tpm = tpm
    this.#channel = channel
  }

  /** Boots, and waits for systemd to have started what it starts. @throws HostTestError with the end of the console */
  static async start(hardware: Hardware): Promise<Guest> {
    // Short, because sockets are in it.
    const dir = mkdtempSync(join(tmpdir(), 'writ-guest-'))
    const log = openSync(join(dir, 'processes.log'), 'a')
    const stdio = ['ignore', log, log] as const
    const tpm = start(swtpm(hardware, dir), { stdio: [...stdio] })
    const gone = (child: ChildProcess, name: string) =>
      new Promise<never>((_, reject) => {
        const fail = () => reject(new HostTestError(`${name} ended`))
        child.once('exit', fail).once('error', fail)
      })
    const tpmGone = gone(tpm, 'swtpm')
    tpmGone.catch(() => undefined)
    let qemu: ChildProcess | undefined
    try {
      for (let i = 0; !existsSync(join(dir, 'tpm.sock')); i++) {
        if (i === 100) throw new HostTestError('swtpm has no socket')
        await Promise.race([sleep(50), tpmGone])
      }
      qemu = start(emulator(hardware, dir), { stdio: [...stdio] })
      const qemuGone = gone(qemu, 'QEMU')
      qemuGone.catch(() => undefined)
      const channel = await Promise.race([Channel.open(join(dir, 'control.sock')), qemuGone])
      const late = sleep(BOOT_MS, undefined, { ref: false }).then(() => {
        throw new HostTestError(`no boot in ${BOOT_MS / 1000} s`)
      })
      late.catch(() => undefined)
      await Promise.race([channel.greeted(), qemuGone, late])
      const guest = new Guest(dir, qemu, tpm, channel)
      await guest.run('systemctl is-system-running --wait', { timeoutMs: BOOT_MS })
      return guest
    } catch (error) {
      if (qemu) kill(qemu)
      kill(tpm)
      const message = `${(error as Error).message}\n${consoleTail(dir)}\n${lastLines(join(dir, 'processes.log'))}`
      rmSync(dir, { recursive: true, force: true })
      throw new HostTestError(message)
    } finally {
      closeSync(log)
    }
  }

  /** Runs a shell command as root, whatever comes of it. */
  run(
    command: string,
    { input = '', timeoutMs = 120_000 }: { input?: string | Buffer; timeoutMs?: number } = {},
  ): Promise<Finished> {
    return this.#channel.run(command, Buffer.from(input), timeoutMs)
  }

  /** As {@link run}. @returns standard output without the last line feed @throws HostTestError unless it exits with 0 */
  async ok(command: string, options: { input?: string | Buffer; timeoutMs?: number } = {}): Promise<string> {
    const { status, stdout, stderr } = await this.run(command, options)
    if (status !== 0)
      throw new HostTestError(`in the guest: ${command}: exit status ${status}\n${stdout}${stderr}`)
    return stdout.toString().replace(/\n$/, '')
  }

  async put(path: string, bytes: string | Buffer, mode = '644'): Promise<void> {
    await this.ok(`cat >'${path}' && chmod ${mode} '${path}'`, { input: bytes, timeoutMs: 600_000 })
  }

  async get(path: string): Promise<Buffer> {
    const { status, stdout, stderr } = await this.run(`cat '${path}'`)
    if (status !== 0) throw new HostTestError(`in the guest: ${path}: ${stderr}`)
    return stdout
  }

  /** Copies a directory of the guest into `to`, which is made. */
  async getTree(path: string, to: string): Promise<void> {
    const { status, stdout, stderr } = await this.run(`tar -C '${path}' -cf - .`, { timeoutMs: 300_000 })
    if (status !== 0) throw new HostTestError(`in the guest: ${path}: ${stderr}`)
    mkdirSync(to, { recursive: true })
    await ok(['tar', '-xf', '-', '--no-same-owner', '-C', to], { input: stdout })
  }

  /** What helps to understand a failure: the end of the console and of the journal. */
  async diagnosis(): Promise<string> {
    const journal = await this.run('journalctl -b --no-pager -n 60 -o short-monotonic', {
      timeoutMs: 60_000,
    }).then(({ stdout }) => stdout.toString())
    return `console:\n${consoleTail(this.#dir)}\njournal:\n${journal}`
  }

  /**
   * Suspends to memory, as who closes a lid would: the processor is off, the TPM loses power after it has saved its state. Wakes it after a time.
   * @throws HostTestError when it does not sleep, or does not come back
   */
  async suspend(forMs: number): Promise<void> {
    const monitor = await Monitor.open(join(this.#dir, 'monitor.sock'))
    try {
      // After the answer to this command, which would not come before the wake.
      await this.ok('echo deep >/sys/power/mem_sleep')
      await this.ok('systemd-run -q --on-active=2 sh -c "echo mem >/sys/power/state"')
      await monitor.happened('SUSPEND', 60_000)
      await sleep(forMs)
      await monitor.execute('system_wakeup')
      await monitor.happened('WAKEUP', 30_000)
    } finally {
      monitor.close()
    }
    await this.ok('true')
  }

  /** Shuts down as a person would, and waits until it is off. */
  async powerOff(): Promise<void> {
    // The guest may be gone before it has answered.
    await this.run('systemctl --no-block poweroff').catch(() => undefined)
    const off = once(this.#qemu, 'exit')
    if (this.#qemu.exitCode === null && this.#qemu.signalCode === null)
      await Promise.race([off, sleep(240_000, undefined, { ref: false })])
    const orderly = this.#qemu.exitCode === 0
    const console = consoleTail(this.#dir)
    await this.cutPower()
    if (!orderly) throw new HostTestError(`the guest did not shut down\n${console}`)
  }

  /** Ends it at once, and takes away what it needed while it ran. */
  async cutPower(): Promise<void> {
    this.#channel.close()
    for (const child of [this.#qemu, this.#tpm]) {
      if (child.exitCode !== null || child.signalCode !== null) continue
      const gone = once(child, 'exit')
      // swtpm ends by itself once QEMU has gone, after it has written its state.
      const timer = setTimeout(() => kill(child), child === this.#tpm ? 5_000 : 0)
      await gone
      clearTimeout(timer)
    }
    rmSync(this.#dir, { recursive: true, force: true })
  }
}

function swtpm({ tpmState }: Hardware, dir: string): string[] {
  const control = `type=unixio,path=${join(dir, 'tpm.sock')}`
  return ['swtpm', 'socket', '--tpm2', '--tpmstate', `dir=${tpmState}`, '--ctrl', control, '--terminate']
}

function emulator({ firmware, variables, bootDisk, rootDisk }: Hardware, dir: string): string[] {
  const argv = ['qemu-system-x86_64', '-machine', 'q35,smm=on', '-accel', ACCELERATOR]
  argv.push(
    '-cpu',
    ACCELERATOR === 'kvm' ? 'host' : 'Skylake-Client-v4',
    '-smp',
    `${PROCESSORS}`,
    '-m',
    '2048',
  )
  argv.push('-nodefaults', '-display', 'none', '-no-reboot', '-rtc', 'base=utc')
  argv.push('-global', 'driver=cfi.pflash01,property=secure,value=on')
  argv.push('-drive', `if=pflash,format=raw,readonly=on,file=${firmware}`)
  argv.push('-drive', `if=pflash,format=raw,file=${variables}`)
  // Which is vda and which vdb follows from the order here.
  argv.push('-drive', `if=none,id=boot,format=raw,readonly=on,file=${bootDisk}`)
  argv.push('-device', 'virtio-blk-pci,drive=boot,bootindex=0')
  argv.push('-drive', `if=none,id=root,format=raw,cache=unsafe,file=${rootDisk}`)
  argv.push('-device', 'virtio-blk-pci,drive=root')
  argv.push('-chardev', `socket,id=tpm,path=${join(dir, 'tpm.sock')}`)
  argv.push('-tpmdev', 'emulator,id=tpm0,chardev=tpm', '-device', 'tpm-crb,tpmdev=tpm0')
  argv.push(
    '-device',
    'virtio-serial',
    '-object',
    'rng-random,id=rng,filename=/dev/urandom',
    '-device',
    'virtio-rng-pci,rng=rng',
  )
  argv.push('-chardev', `socket,id=control,path=${join(dir, 'control.sock')},server=on,wait=off`)
  argv.push('-device', 'virtserialport,chardev=control,name=writ.test')
  argv.push('-qmp', `unix:${join(dir, 'monitor.sock')},server=on,wait=off`)
  argv.push('-serial', `file:${join(dir, 'console.log')}`)
  return argv
}

function consoleTail(dir: string): string {
  return lastLines(join(dir, 'console.log'), 40)
}

function lastLines(file: string, lines = 15): string {
  if (!existsSync(file)) return ''
  return readFileSync(file, 'latin1').trimEnd().split('\n').slice(-lines).join('\n')
}
