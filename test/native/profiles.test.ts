import { execFileSync } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isRoot, TestHost, type Writd } from './host.ts'

const PYTHON = '/usr/bin/python3'

/** What Python and what drives accelerators from it need: threads, processes of both kinds, shared memory, pipes, timers. */
const WORK = `
import ctypes, mmap, multiprocessing, os, select, signal, socket, subprocess, sys, tempfile, threading, time
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import shared_memory

def square(number):
    return number * number

def main():
    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(square, range(10))) == 285
    for method in ('fork', 'spawn'):
        with multiprocessing.get_context(method).Pool(2) as pool:
            assert pool.map(square, range(5)) == [0, 1, 4, 9, 16], method
    memory = shared_memory.SharedMemory(create=True, size=4096)
    memory.buf[0] = 7
    memory.close()
    memory.unlink()
    assert subprocess.run(['/bin/echo', 'child'], capture_output=True, text=True).stdout == 'child\\n'
    with mmap.mmap(-1, 1 << 20) as area:
        area.write(b'x')
    one, other = socket.socketpair()
    one.send(b'x')
    assert select.select([other], [], [], 1)[0]
    signal.signal(signal.SIGALRM, lambda *_: None)
    signal.setitimer(signal.ITIMER_REAL, 0.01)
    time.sleep(0.02)
    callback = ctypes.CFUNCTYPE(ctypes.c_int)(lambda: 42)
    assert callback() == 42
    with tempfile.TemporaryFile() as file:
        file.write(b'x')
        os.fsync(file.fileno())
    if sys.argv[1:] == ['loopback']:
        server = socket.create_server(('127.0.0.1', 0))
        socket.create_connection(server.getsockname()).close()
    print('worked')

if __name__ == '__main__':
    main()
`

/** Looks for what the strict profile has, and what it has not. */
const STRICT = `
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>
static void *thread(void *given) { return given; }
static void say(const char *name, long result) { printf("%s %s\\n", name, result >= 0 ? "done" : strerrorname_np(errno)); }
int main(void)
{
  pthread_t made;
  say("thread", pthread_create(&made, NULL, thread, NULL) == 0 && pthread_join(made, NULL) == 0 ? 0 : -1);
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) _exit(0);
  say("process", waitpid(child, NULL, 0));
  say("file", open("/tmp/strict", O_RDWR | O_CREAT | O_EXCL, 0600));
  say("memory", mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -1 : 0);
  say("unix", socket(AF_UNIX, SOCK_STREAM, 0));
  say("inet", socket(AF_INET, SOCK_STREAM, 0));
  say("netlink", socket(AF_NETLINK, SOCK_RAW, 0));
  say("shm", shmget(IPC_PRIVATE, 4096, 0600));
  say("inotify", syscall(SYS_inotify_init1, 0));
  say("keyctl", syscall(SYS_keyctl, 0, -3, 1));
  say("later", syscall(4000));
  say("ioctl", ioctl(0, TIOCSETD, &child));
  say("getcpu", syscall(SYS_getcpu, NULL, NULL, NULL));
  puts("survived");
  return 0;
}
`

describe.skipIf(!isRoot)('under a profile of system calls', () => {
  const host = new TestHost()
  const at = (name: string) => join(host.directory, name)
  let writd: Writd

  beforeAll(async () => {
    writeFileSync(at('strict.c'), STRICT)
    writeFileSync(at('work.py'), WORK)
    for (const kind of ['static', 'dynamic']) {
      const how = kind === 'static' ? ['-static'] : []
      execFileSync('gcc', [...how, '-o', at(kind), at('strict.c')])
    }
    await host.start()
    writd = await host.connect()
  })
  afterAll(async () => {
    writd?.client.close()
    await host.stop()
  })

  const python = (network: 'none' | 'loopback') =>
    writd.run([PYTHON, at('work.py'), network], { network, subjects: [PYTHON, at('work.py')] })

  it.skipIf(!existsSync(PYTHON))(
    'default: Python works, with threads, processes, shared memory',
    async () => {
      expect(await python('none')).toMatchObject({ stderr: '', stdout: 'worked\n' })
    },
  )

  it.skipIf(!existsSync(PYTHON))(
    'default: and connects to itself where it has a loopback device',
    async () => {
      expect(await python('loopback')).toMatchObject({ stderr: '', stdout: 'worked\n' })
    },
  )

  const outcome = async (kind: 'static' | 'dynamic', options: Parameters<Writd['run']>[1]) => {
    const { stdout, end } = await writd.run([at(kind)], options)
    expect(end.exitCode).toBe(0)
    return Object.fromEntries(stdout.split('\n').map(line => line.split(' ') as [string, string]))
  }
  const needed = {
    thread: 'done',
    process: 'done',
    file: 'done',
    memory: 'done',
    unix: 'done',
    getcpu: 'done',
  }

  it.each(['static', 'dynamic'] as const)(
    'strict: a %s program has what it needs and nothing else',
    async kind => {
      expect(await outcome(kind, { seccomp: 'strict' })).toMatchObject({
        ...needed,
        ...{
          inet: 'EAFNOSUPPORT',
          netlink: 'EAFNOSUPPORT',
          shm: 'ENOSYS',
          inotify: 'ENOSYS',
          keyctl: 'ENOSYS',
        },
        ...{ later: 'ENOSYS', ioctl: 'ENOTTY', survived: undefined },
      })
      // What it lost, it has otherwise: the profile is what took it.
      expect(await outcome(kind, {})).toMatchObject({
        ...needed,
        ...{ inet: 'done', netlink: 'done', shm: 'done', inotify: 'done', keyctl: 'EPERM', later: 'ENOSYS' },
      })
    },
  )

  it('strict: has sockets of a network where it has a network', async () => {
    expect(await outcome('static', { seccomp: 'strict', network: 'loopback' })).toMatchObject({
      inet: 'done',
      netlink: 'EAFNOSUPPORT',
    })
  })

  it('strict: starts ordinary programs', async () => {
    const { stdout, end } = await writd.sh('ls -d /usr/bin | sort; echo $(( 6 * 7 ))', { seccomp: 'strict' })
    expect([stdout, end.exitCode]).toEqual(['/usr/bin\n42\n', 0])
  })
})

describe.skipIf(!isRoot)('a network', () => {
  const host = new TestHost()
  let writd: Writd
  beforeAll(async () => {
    await host.start()
    writd = await host.connect()
  })
  afterAll(async () => {
    writd?.client.close()
    await host.stop()
  })
  const devices = async (network: 'none' | 'loopback' | 'host') =>
    (await writd.sh('cat /proc/net/dev /proc/net/if_inet6; cat /proc/net/fib_trie', { network })).stdout

  it('none is not even a loopback device that is up', async () => {
    const { stdout, end } = await writd.sh(
      'cat /proc/net/fib_trie | grep -c 127; cat /proc/net/dev | tail -n +3',
      {
        network: 'none',
      },
    )
    expect(stdout).toMatch(/^0\n\s+lo: +0 .*\n$/)
    expect(end.exitCode).toBe(0)
  })

  it('loopback is a device of its own, and no other', async () => {
    const shown = await devices('loopback')
    expect(shown).toContain('127.0.0.1')
    expect(shown.match(/^ *\w+: /gm)?.map(name => name.trim())).toEqual(['lo:'])
  })
})
