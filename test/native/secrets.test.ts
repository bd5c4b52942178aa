import { closeSync, openSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { sealedMemfd } from '../../daemon/native.ts'
import { isRoot, TestHost, type Writd } from './host.ts'

const SECRET = Buffer.from('the first secret')
const OTHER = Buffer.from('another one')

describe.skipIf(!isRoot)('secrets by descriptor (needs root)', () => {
  let host: TestHost
  let writd: Writd
  beforeAll(async () => {
    host = new TestHost()
    await host.start()
    writd = await host.connect()
  })
  afterAll(async () => {
    writd.client.close()
    await host.stop()
  })

  // 10 is where dash keeps its own output while it writes to a file.
  async function withSecrets<T>(
    secrets: readonly (readonly [Buffer, number])[],
    body: (secrets: { fd: number; descriptor: number }[]) => Promise<T>,
  ): Promise<T> {
    const open = secrets.map(([bytes, descriptor]) => ({ fd: sealedMemfd(bytes), descriptor }))
    try {
      return await body(open)
    } finally {
      for (const { fd } of open) closeSync(fd)
    }
  }

  it.each([
    [3, 4],
    [4, 3],
    [63, 9],
  ])('are found under their numbers (%i, %i), and nothing else is', async (first, second) => {
    const { stdout, stderr } = await withSecrets(
      [
        [SECRET, first],
        [OTHER, second],
      ],
      secrets =>
        writd.sh(
          `cat /proc/self/fd/${first}; echo; cat /proc/self/fd/${second}; echo; ls /proc/$$/fd >/tmp/list; grep -vx 10 /tmp/list | sort -n | tr '\\n' ' '; cat /proc/$$/environ`,
          { secrets, subjects: ['/bin/sh'] },
        ),
    )
    expect(stderr).toBe('')
    const [one, two, list] = stdout.split('\n')
    expect([one, two]).toEqual([String(SECRET), String(OTHER)])
    const numbers = [0, 1, 2, ...[first, second].sort((a, b) => a - b)]
    expect(list?.trim().split(' ').map(Number)).toEqual(numbers)
  })

  it('cannot be changed by who has them', async () => {
    const { stdout } = await withSecrets([[SECRET, 3]], secrets =>
      writd.sh(
        '(echo x >&3) 2>/dev/null || echo refused; (: >/proc/self/fd/3) 2>/dev/null || echo refused; cat <&3',
        {
          secrets,
        },
      ),
    )
    expect(stdout).toBe(`refused\nrefused\n${SECRET}`)
  })

  it('are not passed to who has none', async () => {
    const { stdout } = await writd.sh("ls /proc/$$/fd >/tmp/list; grep -vx 10 /tmp/list | tr '\\n' ' '")
    expect(stdout.trim()).toBe('0 1 2')
  })

  it('are of sealed bytes only: no file of the host, no directory, no socket', async () => {
    for (const path of ['/etc/hostname', '/root', '/dev/null']) {
      const fd = openSync(path, 'r')
      const prepared = writd.prepare(['/bin/true'], { secrets: [{ fd, descriptor: 3 }] })
      await expect(prepared).rejects.toMatchObject({ code: 'SECRET_REFUSED' })
      closeSync(fd)
    }
  })

  it.each([[[2]], [[64]], [[3, 3]]])(
    'have the numbers that there can be: %j ends the connection',
    async numbers => {
      await withSecrets(
        numbers.map(number => [SECRET, number] as const),
        async secrets => {
          await expect(writd.prepare(['/bin/true'], { secrets })).rejects.toThrow()
          writd.client.close()
          writd = await host.connect()
        },
      )
      expect((await writd.sh('echo goes on')).stdout).toBe('goes on\n')
    },
  )
})
