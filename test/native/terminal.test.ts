import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { LauncherError } from '../../daemon/launcher/error.ts'
import { isRoot, newId, TestHost, until, type Writd } from './host.ts'

describe.skipIf(!isRoot)('signals and terminals (needs root)', () => {
  const host = new TestHost()
  let writd: Writd

  beforeAll(async () => {
    await host.start()
    writd = await host.connect()
  })
  afterAll(() => host.stop())

  /** Starts a program; `seen.text` is what it has written so far. */
  async function launch(argv: string[], options: Parameters<Writd['prepare']>[1] = {}) {
    const running = await writd.prepare(argv, options)
    const seen = { text: '' }
    running.stdout?.on('data', piece => (seen.text += piece))
    await writd.client.start(running.executionId, writd.page.read().epoch)
    return { running, seen }
  }
  const sh = (script: string, options = {}) => launch(['/bin/sh', '-c', script], options)
  const onTerminal = (script: string) => sh(script, { stdio: 'terminal', env: ['TERM=dumb'] })

  describe('a signal', () => {
    it('reaches the first process, which can act on it', async () => {
      const { running, seen } = await sh(
        'trap "echo got it; exit 9" TERM; echo ready; while :; do sleep 0.02; done',
      )
      await until(() => seen.text === 'ready\n')
      await writd.client.signal(running.executionId, 'SIGTERM')
      expect(await running.ended).toMatchObject({ cause: 'EXITED', exitCode: 9, signal: null })
      // The end can be told before the last of the output is read.
      expect(await running.output).toBe('ready\ngot it\n')
    })

    it('that ends it is how it ended: by itself, not by an order', async () => {
      const { running, seen } = await sh('echo ready; while :; do sleep 0.02; done')
      await until(() => seen.text === 'ready\n')
      await writd.client.signal(running.executionId, 'SIGHUP')
      expect(await running.ended).toMatchObject({ cause: 'EXITED', exitCode: null, signal: 1 })
    })

    it('reaches the first process alone', async () => {
      const script = `
        (trap "echo child" USR1; echo one; while :; do sleep 0.02; done) &
        trap "echo parent" USR1; echo two; while :; do sleep 0.02; done`
      const { running, seen } = await sh(script)
      await until(() => /one/.test(seen.text) && /two/.test(seen.text))
      for (let i = 1; i <= 3; i++) {
        await writd.client.signal(running.executionId, 'SIGUSR1')
        await until(() => seen.text.split('parent').length > i)
      }
      expect(seen.text).not.toContain('child')
      writd.client.kill(running.executionId, 'TERMINATED')
      await running.ended
    })

    it('to what does not run, or is not there, is refused', async () => {
      const ready = await writd.prepare(['/bin/true'])
      const code = (error: unknown) => (error as LauncherError).code
      expect(await writd.client.signal(ready.executionId, 'SIGTERM').catch(code)).toBe('BAD_STATE')
      writd.client.abandon(ready.executionId)
      await ready.ended
      expect(await writd.client.signal(newId(), 'SIGTERM').catch(code)).toBe('UNKNOWN_EXECUTION')
    })

    it('in a flood blocks nobody: orders are answered, and a kill still arrives', async () => {
      const { running, seen } = await sh(
        'trap "" HUP; echo deaf; kill -STOP $$; while :; do sleep 0.02; done',
      )
      await until(() => seen.text.includes('deaf'))
      const flood = Array.from({ length: 2000 }, () =>
        writd.client.signal(running.executionId, 'SIGHUP').then(
          () => 'OK',
          error => (error as LauncherError).code,
        ),
      )
      writd.client.kill(running.executionId, 'TERMINATED')
      // The last of them can come when it is dead already, and forgotten.
      const answers = ['OK', 'CAPACITY', 'ENDED', 'UNKNOWN_EXECUTION']
      for (const answer of await Promise.all(flood)) expect(answers).toContain(answer)
      expect(await running.ended).toMatchObject({ cause: 'TERMINATED' })
    })
  })

  describe('a terminal', () => {
    it('is the controlling one of its session, with a size, in a devpts of its own, and ends with it', async () => {
      const running = await writd.prepare(
        [
          '/bin/sh',
          '-c',
          'tty; stty size; echo $(ls /dev/pts); test -t 0 -a -t 1 -a -t 2; echo $? >/dev/tty',
        ],
        {
          stdio: 'terminal',
        },
      )
      running.resize?.({ rows: 33, columns: 111 })
      await writd.client.start(running.executionId, writd.page.read().epoch)
      expect((await running.output).split('\r\n')).toEqual(['/dev/pts/0', '33 111', '0 ptmx', '0', ''])
      expect(await running.ended).toMatchObject({ cause: 'EXITED', exitCode: 0 })
    })

    it('types Ctrl-C to the foreground, and Ctrl-D at the end of input', async () => {
      const { running, seen } = await onTerminal(
        'trap "echo interrupted" INT; (echo reading; exec cat); echo "cat: $?"; cat; echo end',
      )
      await until(() => seen.text.includes('reading'))
      running.stdin?.write('\x03')
      await until(() => seen.text.includes('cat: 130'))
      running.stdin?.end('last line\n')
      expect(await running.ended).toMatchObject({ exitCode: 0 })
      expect(seen.text).toMatch(/interrupted/)
      expect(seen.text).toMatch(/last line\r\nlast line\r\nend\r\n$/)
    })

    it('tells a new size by SIGWINCH', async () => {
      const { running, seen } = await onTerminal(
        'trap "stty size" WINCH; echo ready; while :; do sleep 0.02; done',
      )
      await until(() => seen.text.includes('ready'))
      running.resize?.({ rows: 12, columns: 34 })
      await until(() => seen.text.includes('12 34'))
      writd.client.kill(running.executionId, 'TERMINATED')
      await running.ended
    })

    it('has job control: Ctrl-Z stops a job, fg goes on with it', async () => {
      const { running, seen } = await launch(['/bin/bash', '--norc', '-i'], {
        stdio: 'terminal',
        env: ['TERM=dumb', 'PS1=$ ', 'PATH=/usr/bin:/bin'],
      })
      await until(() => seen.text.includes('$ '))
      running.stdin?.write('sleep 1000\r')
      await until(() => seen.text.includes('sleep 1000'))
      await new Promise(resolve => setTimeout(resolve, 100))
      running.stdin?.write('\x1a')
      await until(() => seen.text.includes('Stopped'))
      running.stdin?.write('fg\r')
      await until(() => /fg\r\n(.*\r\n)?sleep 1000/.test(seen.text))
      await new Promise(resolve => setTimeout(resolve, 100))
      running.stdin?.write('\x03')
      await until(() => seen.text.includes('^C'))
      running.stdin?.write('exit 3\r')
      expect(await running.ended).toMatchObject({ cause: 'EXITED', exitCode: 3 })
    })

    it('that nobody reads holds the program back, and one that is not read the typist; neither holds the daemon', async () => {
      const writer = await writd.prepare(['/usr/bin/yes'], { stdio: 'terminal' })
      writer.stdout?.pause()
      await writd.client.start(writer.executionId, writd.page.read().epoch)
      const { running: deaf, seen } = await onTerminal('stty raw -echo; echo ready; exec sleep 1000')
      await until(() => seen.text.includes('ready'))
      let taken = 0
      const type = (error?: Error | null) => {
        if (!error && taken++ < 1000) deaf.stdin?.write(Buffer.alloc(4096, 'x'), type)
      }
      deaf.stdin?.on('error', () => undefined)
      type()
      await new Promise(resolve => setTimeout(resolve, 300))
      expect(taken).toBeLessThan(64)
      // This process still turns.
      const start = performance.now()
      await writd.client.list()
      expect(performance.now() - start).toBeLessThan(1000)
      for (const { executionId } of [writer, deaf]) writd.client.kill(executionId, 'TERMINATED')
      await Promise.all([writer.ended, deaf.ended])
    })

    it.each([
      ['less than anybody holds', 'echo last', /^last\r\n$/],
      ['more than that', 'seq 1 30000; echo last', /^1\r\n2\r\n.*\r\n30000\r\nlast\r\n$/s],
    ])('that is read late, when its program is gone, has shown all: %s', async (_, script, all) => {
      const running = await writd.start(['/bin/sh', '-c', script], { stdio: 'terminal', unread: true })
      const { stdout } = running
      if (script.startsWith('echo')) await running.ended
      await new Promise(resolve => setTimeout(resolve, 50))
      let text = ''
      for await (const piece of stdout ?? []) {
        text += piece
        // Slower than the program, as a caller can be.
        if (text.length < 300_000 && text.length > 150_000)
          await new Promise(resolve => setTimeout(resolve, 1))
      }
      expect(text).toMatch(all)
    })

    it('cannot be typed into by the program: TIOCSTI stays refused', async () => {
      const script = `import fcntl, termios
try:
    fcntl.ioctl(0, termios.TIOCSTI, b"x"); print("typed")
except PermissionError as e: print("refused", e.errno)`
      const running = await writd.start(['/usr/bin/python3', '-c', script], { stdio: 'terminal' })
      expect(await running.output).toBe('refused 1\r\n')
    })

    it('leaves no terminal node and no devpts where none was ordered', async () => {
      const { stdout } = await writd.sh('ls /dev; tty')
      expect(stdout).not.toMatch(/pts|ptmx|^tty$/m)
      expect(stdout).toContain('not a tty')
    })

    it('runs out alone: an execution can take a few terminals, not those of others', async () => {
      const script = `import os
n = 0
try:
    while True: os.openpty(); n += 1
except OSError: print(n)`
      const running = await writd.start(['/usr/bin/python3', '-c', script], { stdio: 'terminal' })
      expect(await running.output).toBe('15\r\n')
    })

    it('is invisible to others: its slave belongs to its uid in a place of its own', async () => {
      const { running: first, seen } = await onTerminal('echo ready; read x')
      await until(() => seen.text.includes('ready'))
      const { running: second } = await onTerminal('ls -ln /dev/pts | grep -c " 136, "')
      expect((await second.output).trim()).toBe('1')
      first.stdin?.write('\n')
      await first.ended
    })
  })
})
