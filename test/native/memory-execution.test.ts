import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { isRoot, newId, TestHost } from './host.ts'

const SETTING = '/proc/sys/vm/memfd_noexec'
/** Linux 6.3. It is a setting of each PID namespace, so that a launcher in one of its own has it without the host. */
const canSet =
  isRoot &&
  existsSync(SETTING) &&
  spawnSync('unshare', ['--pid', '--fork', '--mount-proc', 'sh', '-c', `echo 2 >${SETTING}`]).status === 0

/** Says what it was executed from, and whether that can be written to. */
const PROGRAM = `
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
int main(int count, char **arguments)
{
  char exe[4096] = {0};
  if (readlink("/proc/self/exe", exe, sizeof exe - 1) < 0)
    return 1;
  printf("%s %s", VERSION, exe);
  const char *ways[] = {"/proc/self/exe", arguments[0]};
  for (int i = 0; i < 2; i++)
    printf(" %s", open(ways[i], O_RDWR) < 0 ? strerrorname_np(errno) : "writable");
  puts("");
  fflush(stdout);
  if (count > 1)
    execl("/proc/self/exe", arguments[0], NULL);
  return 0;
}
`

describe.skipIf(!canSet)('a static program (needs root, and Linux 6.3)', () => {
  const before = canSet ? readFileSync(SETTING, 'utf8') : ''
  let host: TestHost
  afterEach(async () => {
    // PID 1 of the namespace: all that it started goes with it.
    await host.end('SIGKILL')
    await host.stop()
    expect(readFileSync(SETTING, 'utf8')).toBe(before)
  })

  it.each([
    [0, 'sealed memory', /^memfd:writ-subject \(deleted\)|^\/memfd:writ-subject \(deleted\)/],
    [1, 'sealed memory', /^\/memfd:writ-subject \(deleted\)/],
    [2, 'a copy at its path', /^\/tmp\/[^ ]+\/program (?!\(deleted\))/],
  ])('runs with vm.memfd_noexec=%i from %s, as it was hashed', async (setting, _, from) => {
    host = new TestHost()
    const build = (version: string, path: string) => {
      writeFileSync(join(host.directory, 'program.c'), PROGRAM)
      const options = ['-D_GNU_SOURCE', `-DVERSION="${version}"`, '-static', '-o', path]
      execFileSync('gcc', [...options, join(host.directory, 'program.c')])
    }
    const program = join(host.directory, 'program')
    const other = join(host.directory, 'other')
    build('signed', program)
    build('changed', other)
    const set = `echo ${setting} >${SETTING} && exec "$@"`
    await host.start(['unshare', '--pid', '--fork', '--kill-child', '--mount-proc', 'sh', '-c', set, 'sh'])
    const writd = await host.connect()
    const running = await writd.prepare([program, 'again'], {}, newId())
    // Between hash and start.
    renameSync(other, program)
    const started = writd.client.start(running.executionId, writd.page.read().epoch)
    const outcome = await started.then(
      async () => {
        await running.ended
        return running.output
      },
      (error: { code?: string }) => error.code,
    )
    const lines = outcome?.trim().split('\n') ?? []
    expect(lines).toHaveLength(2)
    for (const line of lines) {
      const [version, ...rest] = line.split(' ')
      expect(version).toBe('signed')
      expect(rest.join(' ')).toMatch(from)
      expect(line).not.toContain('writable')
    }
    writd.client.close()
  })
})
