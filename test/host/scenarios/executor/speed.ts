import { join } from 'node:path'
import { word } from '../../governed.ts'
import type { Guest } from '../../guest.ts'
import type { Bench } from '../bench.ts'
import { launcherAddress, place } from './launcher.ts'

/** bench/ has them: they do something once for each line of input, and answer with the nanoseconds that it took. */
const SOURCES = join(import.meta.dirname, '../../../../bench/programs')
const ROUNDS = 30

/** What a launch is measured beside, where the guest has it. */
const OTHERS = {
  'systemd-run --wait --pipe': '/usr/bin/systemd-run --quiet --wait --pipe /bin/true',
  'bwrap --unshare-all':
    '/usr/bin/bwrap --ro-bind / / --proc /proc --dev /dev --unshare-all --die-with-parent /bin/true',
} as const

/** In turns: each round has every program once. */
const IN_TURNS = `
import subprocess, sys
start = lambda line: subprocess.Popen(line.split(), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
programs = [start(line) for line in sys.argv[2:]]
def once(program):
    program.stdin.write(b'\\n')
    program.stdin.flush()
    return program.stdout.readline().decode().strip() or sys.exit('a program ended')
for _ in range(int(sys.argv[1])):
    print(*map(once, programs))
`

/**
 * A launch by the launcher, from the first order to the event of its end, beside other ways to run the same program. Measured, and not
 * asserted: under emulation another part of the time is the kernel's than on a machine.
 */
export async function speed(bench: Bench, guest: Guest): Promise<void> {
  await bench.steps.step(`a launch beside others, ${ROUNDS} of each in turns`, async () => {
    const order = `${await place(bench, guest, join(SOURCES, 'order.c'), 'order')} ${await launcherAddress(guest)}`
    const spawn = await place(bench, guest, join(SOURCES, 'spawn.c'), 'spawn')
    const others: [string, string][] = []
    for (const [name, command] of Object.entries(OTHERS))
      if ((await guest.run(`test -x ${command.split(' ')[0]}`)).status === 0) others.push([name, command])
    const commands = [order, ...others.map(([, command]) => `${spawn} 1 ${command}`)]
    const rows = await guest.ok(`python3 -c ${word(IN_TURNS)} ${ROUNDS} ${commands.map(word).join(' ')}`, {
      timeoutMs: 600_000,
    })
    const times = rows.split('\n').map(row => row.split(' ').map(nanoseconds => Number(nanoseconds) / 1e6))
    const [ours = Number.NaN, ...theirs] = commands.map((_, column) =>
      median(times.map(row => row[column] ?? Number.NaN)),
    )
    for (const [index, [name]] of others.entries()) {
      const other = theirs[index] ?? Number.NaN
      console.log(
        `           measured: launch ${ours.toFixed(1)} ms, ${name} ${other.toFixed(1)} ms, ratio ${(ours / other).toFixed(2)}`,
      )
    }
  })
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN
}
