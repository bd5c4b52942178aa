import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isRoot, TestHost, type Writd } from './host.ts'

/** Sets what a process passes on to what it executes to values that nobody has, and becomes its arguments. */
const ODD = `
import ctypes, os, resource, signal, sys
libc = ctypes.CDLL(None, use_errno=True)
def must(result):
    if result < 0: raise OSError(ctypes.get_errno(), sys._getframe(1).f_lineno)
libc.setsid()
os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
os.setpriority(os.PRIO_PROCESS, 0, -5)
must(libc.syscall(SYS_ioprio_set, 1, 0, (2 << 13) | 1))
must(libc.prctl(29, 12345))
must(libc.prctl(41, 1, 0, 0, 0))
must(libc.personality(0x0040000))
open('/proc/self/oom_score_adj', 'w').write('300')
open('/proc/self/coredump_filter', 'w').write('0x7f')
resource.setrlimit(resource.RLIMIT_STACK, (1 << 20, resource.RLIM_INFINITY))
try:
    resource.setrlimit(resource.RLIMIT_RTPRIO, (50, 50))
    resource.setrlimit(resource.RLIMIT_NICE, (40, 40))
except ValueError:
    print('no limit can be raised here', file=sys.stderr, flush=True)
must(libc.syscall(SYS_keyctl, 1, b'writ-odd-session'))
must(libc.syscall(SYS_add_key, b'user', b'writ-odd-key', b'secret', 6, -3))
# The C library keeps 32 and 33 to itself.
action = (ctypes.c_ulong * 4)(1, 0, 0, 0)
for number in 1, 13, 33: must(libc.syscall(SYS_rt_sigaction, number, action, 0, 8))
blocked = ctypes.c_ulong(1 << 9 | 1 << 31)
must(libc.syscall(SYS_rt_sigprocmask, 2, ctypes.byref(blocked), 0, 8))
os.umask(0o177)
os.execv(sys.argv[1], sys.argv[1:])
`
const CALLS: Record<string, Record<string, number>> = {
  x64: { ioprio_set: 251, keyctl: 250, add_key: 248, rt_sigaction: 13, rt_sigprocmask: 14 },
  arm64: { ioprio_set: 30, keyctl: 219, add_key: 217, rt_sigaction: 134, rt_sigprocmask: 135 },
}

const FILES = ['status', 'limits', 'stat', 'timerslack_ns', 'oom_score_adj', 'coredump_filter', 'personality']

interface Attributes {
  readonly [name: string]: string | undefined
}

/** What `/proc` says of a process, from these files one after another. */
function attributes(texts: readonly string[]): Attributes {
  const [status = '', limits = '', stat = '', timerSlack, oomScore, coredumpFilter, personality] = texts
  const field = (name: string): string | undefined =>
    status.match(new RegExp(`^${name}:\\s*(\\S+)`, 'm'))?.[1]
  const limit = (name: string): string | undefined => limits.match(new RegExp(`^${name}\\s+(\\S+)`, 'm'))?.[1]
  // After the name, which ends at the last bracket: proc_pid_stat(5) from its third field on.
  const rest = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return {
    umask: field('Umask'),
    blocked: field('SigBlk'),
    ignored: field('SigIgn'),
    hugePages: field('THP_enabled'),
    stack: limit('Max stack size'),
    bestNice: limit('Max nice priority'),
    realTime: limit('Max realtime priority'),
    terminal: rest[4],
    nice: rest[16],
    policy: rest[38],
    timerSlack: timerSlack?.trim(),
    oomScore: oomScore?.trim(),
    coredumpFilter: coredumpFilter?.trim(),
    personality: personality?.trim(),
  }
}

const ORDINARY: Attributes = {
  umask: '0022',
  blocked: '0000000000000000',
  ignored: '0000000000000000',
  hugePages: '1',
  stack: String(8 << 20),
  bestNice: '0',
  realTime: '0',
  terminal: '0',
  nice: '0',
  policy: '0',
  timerSlack: '50000',
  oomScore: '0',
  coredumpFilter: '00000033',
  personality: '00000000',
}

/** Whoever starts the launcher, from whatever shell or unit, a workload is an ordinary process. */
describe.skipIf(!isRoot)('a workload of an odd launcher', () => {
  const host = new TestHost()
  let writd: Writd

  beforeAll(async () => {
    const script = join(host.directory, 'odd.py')
    const numbers = Object.entries(CALLS[process.arch] ?? {}).map(
      ([name, number]) => `SYS_${name} = ${number}\n`,
    )
    writeFileSync(script, numbers.join('') + ODD)
    await host.start(['python3', script])
    writd = await host.connect()
  })
  afterAll(async () => {
    writd?.client.close()
    await host.stop()
  })

  it('has none of its attributes', async () => {
    const odd = attributes(FILES.map(file => readFileSync(`/proc/${host.pid}/${file}`, 'utf8')))
    // The launcher has set its own umask by then.
    const asUsual = new Set([
      'terminal',
      'umask',
      ...(host.log.includes('no limit') ? ['bestNice', 'realTime'] : []),
    ])
    for (const [name, value] of Object.entries(ORDINARY)) {
      if (!asUsual.has(name)) expect([name, odd[name]]).not.toEqual([name, value])
    }
    // Without a shell, which sets its own signals back.
    const seen = FILES.map(async file => (await writd.run(['/bin/cat', `/proc/self/${file}`])).stdout)
    expect(attributes(await Promise.all(seen))).toEqual(ORDINARY)
    const { stdout } = await writd.sh('ionice; cat /proc/keys')
    expect(stdout).toMatch(/^none: prio 0\n/)
    // The keys that a process may look at: none that the launcher has.
    expect(stdout).not.toContain('writ-odd')
    expect(stdout).toMatch(/keyring +_ses: empty/)
  })
})
