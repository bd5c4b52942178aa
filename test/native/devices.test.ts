import { execFileSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isRoot, newId, TestHost, type Writd } from './host.ts'

const NAME = `writ-test-${newId().slice(0, 8)}`
const node = (name: string) => `/dev/${NAME}-${name}`

/** Devices by name, on nodes that stand for accelerators: numbers of memory devices, in root's hands alone. */
describe.skipIf(!isRoot)('a device', () => {
  const host = new TestHost({
    'device.gpu': `${node('gpu*')}, ${node('dir')}/control`,
    'device.other': node('other'),
    'device.absent': node('absent*'),
    'device.disk': node('disk'),
    'device.everybodys': '/dev/null',
  })
  let writd: Writd

  beforeAll(async () => {
    const make = (name: string, kind: string, minor: number) =>
      execFileSync('mknod', ['-m', '0600', node(name), kind, '1', String(minor)])
    execFileSync('mkdir', ['-m', '0755', node('dir')])
    make('gpu0', 'c', 5) // zero
    make('gpu1', 'c', 7) // full
    make('dir/control', 'c', 5)
    make('other', 'c', 8) // random
    make('kmsg', 'c', 11) // of no class
    make('disk', 'b', 250)
    await host.start()
    writd = await host.connect()
  })
  afterAll(async () => {
    writd?.client.close()
    await host.stop()
    for (const name of ['gpu0', 'gpu1', 'dir', 'other', 'kmsg', 'disk'])
      rmSync(node(name), { recursive: true, force: true })
  })

  const read = (name: string) => `head -c 4 ${node(name)} | wc -c`

  it('is named by the launcher, so that writd can say which there are', () => {
    expect(writd.client.features.devices).toEqual(['gpu', 'other', 'absent', 'disk', 'everybodys'])
  })

  it('is opened by who was signed it, and by nobody else', async () => {
    const script = `${read('gpu0')}; ${read('dir/control')}; echo x 2>/dev/null >${node('gpu1')} || echo full`
    expect((await writd.sh(script, { devices: ['gpu'] })).stdout).toBe('4\n4\nfull\n')
    const without = await writd.sh(script)
    expect(without.stdout).toBe('0\n0\nfull\n')
    expect(without.stderr).toContain('No such file')
    const other = await writd.sh(script, { devices: ['other'] })
    expect(other.stdout).toBe('0\n0\nfull\n')
  })

  it('belongs to the execution’s own user, whoever the host’s node belongs to', async () => {
    const { stdout } = await writd.sh(`id -u; stat -c '%u %a %t:%T' ${node('gpu0')}; ls /dev`, {
      devices: ['gpu', 'everybodys'],
    })
    const [uid, ...rest] = stdout.split('\n')
    expect(rest[0]).toBe(`${uid} 600 1:5`)
    expect(rest).toContain(`${NAME}-gpu1`)
    expect(rest).not.toContain(`${NAME}-other`)
    expect(rest).not.toContain(`${NAME}-kmsg`)
  })

  it('is refused when no class has its name, or its class has no character device here', async () => {
    for (const [name, index] of [
      ['tpu', 0],
      ['absent', 0],
      ['disk', 0],
      ['../null', 0],
      ['', 0],
    ] as const)
      await expect(writd.sh('true', { devices: [name] })).rejects.toMatchObject({
        code: 'DEVICE_REFUSED',
        index,
      })
    await expect(writd.sh('true', { devices: ['gpu', 'tpu'] })).rejects.toMatchObject({ index: 1 })
    await expect(writd.sh('true', { devices: Array(17).fill('gpu') })).rejects.toMatchObject({
      code: 'DEVICE_REFUSED',
    })
  })

  it('is refused to who is to be held over a lapse: it goes on without a process that stands still', async () => {
    await expect(writd.sh('true', { devices: ['gpu'], graceNs: 1_000_000_000n })).rejects.toMatchObject({
      code: 'DEVICE_REFUSED',
    })
  })

  it('cannot be opened from the cgroup of an execution by any node (device filter)', async context => {
    if (!writd.client.features.features.includes('device-filter')) context.skip()
    // As root and outside of all other walls: what is left is the filter.
    expect(execFileSync('sh', ['-c', `(exec 3<${node('kmsg')}) && echo opened`], { encoding: 'utf8' })).toBe(
      'opened\n',
    )
    const into = async (devices: string[], name: string) => {
      const running = await writd.start(['/bin/sleep', '300'], { devices })
      const procs = join(host.cgroup, 'executions', running.executionId, 'cgroup.procs')
      const script = `echo $$ >${procs} && (exec 3<${node(name)}) && echo opened || true`
      const stdout = execFileSync('sh', ['-c', script], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      })
      writd.client.kill(running.executionId, 'TERMINATED')
      await running.ended
      return stdout
    }
    expect(await into([], 'kmsg')).toBe('')
    expect(await into(['gpu'], 'kmsg')).toBe('')
    expect(await into([], 'gpu0')).toBe('opened\n') // the number of /dev/zero, which everybody has
  })
})
