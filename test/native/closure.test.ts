import { execFileSync, spawnSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { SubjectPath } from '../../daemon/launcher/types.ts'
import { isRoot, newId, TestHost, type Writd } from './host.ts'

const LOADER = { x64: '/lib64/ld-linux-x86-64.so.2', arm64: '/lib/ld-linux-aarch64.so.1' }[
  process.arch as 'x64' | 'arm64'
]
const SOMEBODY = 64400

/** What belongs to the bytes that are signed and what does not, shown by what runs. docs/files.md has a line for each. */
describe.skipIf(!isRoot)('the closure', () => {
  const host = new TestHost()
  host.config.store = join(host.directory, 'store')
  /** Only root can change it: what lies there beside a subject is the host's. */
  const roots = mkdtempSync('/opt/writ-closure-')
  /** Somebody else owns it: of it a workload sees its subjects and nothing else. */
  const others = mkdtempSync('/var/tmp/writ-closure-')
  const places = [roots, others]
  let writd: Writd

  const file = (path: string, text: string, mode = 0o755): string => {
    mkdirSync(join(path, '..'), { recursive: true })
    writeFileSync(path, text)
    chmodSync(path, mode)
    if (path.startsWith(others)) execFileSync('chown', ['-R', String(SOMEBODY), others])
    return path
  }
  const compile = (to: string, source: string, ...options: string[]): string => {
    const c = join(host.directory, `${newId()}.c`)
    writeFileSync(c, source)
    mkdirSync(join(to, '..'), { recursive: true })
    execFileSync('gcc', ['-o', to, c, ...options])
    if (to.startsWith(others)) execFileSync('chown', ['-R', String(SOMEBODY), others])
    return to
  }
  const library = (to: string, says: string): string =>
    compile(to, `const char *says(void) { return "${says}"; }`, '-shared', '-fPIC')
  const tree = (path: string): SubjectPath => ({ path, kind: 'tree' })
  /** What it says; how it ended, if it says nothing. */
  const says = async (
    argv: string[],
    subjects?: (string | SubjectPath)[],
    meanwhile = (): void => {},
    env: string[] = [],
  ) => {
    const running = await writd.prepare(argv, subjects === undefined ? { env } : { subjects, env })
    for (const staged of running.staged) expect(staged).toHaveProperty('sha256')
    meanwhile()
    await writd.client.start(running.executionId, 1n)
    const [{ exitCode }, output] = [await running.ended, await running.output]
    return output === '' ? `exit ${exitCode}` : output.trimEnd()
  }

  beforeAll(async () => {
    for (const place of places) chmodSync(place, 0o755)
    // Nothing of this reaches an execution; the launcher itself starts with it.
    Object.assign(process.env, {
      GLIBC_TUNABLES: 'glibc.malloc.check=3',
      LD_LIBRARY_PATH: roots,
      LD_BIND_NOW: '1',
    })
    try {
      await host.start()
    } finally {
      for (const name of ['GLIBC_TUNABLES', 'LD_LIBRARY_PATH', 'LD_BIND_NOW']) delete process.env[name]
    }
    writd = await host.connect()
  })
  afterAll(async () => {
    writd?.client.close()
    await host.stop()
    for (const place of places) rmSync(place, { recursive: true, force: true })
  })

  describe('of a dynamic program', () => {
    const MAIN = '#include <stdio.h>\nconst char *says(void);\nint main(void) { puts(says()); return 0; }'
    const build = (top: string): { program: string; lib: string } => {
      const lib = library(join(top, 'lib/libsays.so'), 'signed')
      const linked = ['-L', join(top, 'lib'), '-lsays', '-Wl,-rpath,$ORIGIN/../lib']
      return { program: compile(join(top, 'bin/program'), MAIN, ...linked), lib }
    }
    // Into the same file: what another file is renamed onto is a case of its own, below.
    const swap = (lib: string) => (): void => {
      const other = library(join(host.directory, `${newId()}.so`), 'changed')
      execFileSync('cp', [other, lib])
    }

    it('has a library by $ORIGIN when that is a subject, as it was', async () => {
      for (const place of places) {
        const { program, lib } = build(join(place, 'named'))
        expect(await says([program], [program, lib], swap(lib))).toBe('signed')
      }
    })

    it('has it when the directory is one, which the program may lie in', async () => {
      for (const place of places) {
        const top = join(place, 'tree')
        const { program, lib } = build(top)
        expect(await says([program], [program, tree(top)], swap(lib))).toBe('signed')
      }
    })

    it('has the host’s when it is no subject and only root can change it, and else none', async () => {
      const mine = build(join(roots, 'unnamed'))
      expect(await says([mine.program], undefined, swap(mine.lib))).toBe('changed')
      const theirs = build(join(others, 'unnamed'))
      expect(await says([theirs.program])).toBe('exit 127')
    })

    it('is refused when root has put another version in its place before it starts, whichever subject it is', async () => {
      const { program, lib } = build(join(roots, 'replaced'))
      const replace = (path: string) => (): void => {
        execFileSync('cp', [path, `${path}.new`])
        renameSync(`${path}.new`, path)
      }
      for (const [path, index] of [
        [program, 0],
        [lib, 1],
      ] as const) {
        const run = says([program], [program, lib], replace(path))
        await expect(run).rejects.toMatchObject({ code: 'SUBJECT_HIDDEN', index })
      }
      expect(await says([program], [program, lib])).toBe('signed')
    })

    it('can have the loader and the C library as subjects', async () => {
      const libc = execFileSync('sh', [
        '-c',
        `${LOADER} --list /bin/true | sed -n 's/.*=> \\(.*libc.so[^ ]*\\) .*/\\1/p'`,
      ])
      const subjects = ['/bin/echo', LOADER, libc.toString().trim()]
      expect(await says(['/bin/echo', 'all of it'], subjects)).toBe('all of it')
    })
  })

  describe('of a script', () => {
    it('does not have what it reads, unless that is a subject', async () => {
      for (const [place, unsigned] of [
        [roots, 'changed'],
        [others, 'exit 2'],
      ] as const) {
        const script = file(join(place, 'script/main'), '#!/bin/sh\n. "$(dirname "$0")/part"\n')
        const part = file(join(place, 'script/part'), 'echo signed\n')
        const swap = (): void => void file(part, 'echo changed\n')
        expect(await says([script], [script, '/bin/sh', part], swap)).toBe('signed')
        expect(await says([script], [script, '/bin/sh'], swap)).toBe(unsigned)
      }
    })

    it('does not have what comes as an argument: an interpreter with other arguments is another program', async () => {
      const other = file(join(roots, 'other-code'), 'echo any code\n')
      expect(await says(['/bin/sh', other])).toBe('any code')
    })
  })

  const venv = spawnSync('/usr/bin/python3', ['-c', 'import venv']).status === 0
  describe.skipIf(!venv)('of a Python environment (needs Debian’s python3 with venv)', () => {
    it.each(['--symlinks', '--copies'])(
      'is the environment as a directory, and not the Python that it points to: %j',
      async how => {
        const top = join(others, `venv${how}`)
        execFileSync('/usr/bin/python3', ['-m', 'venv', '--without-pip', how, top])
        const [version = ''] = execFileSync('ls', [join(top, 'lib')], { encoding: 'utf8' }).split('\n')
        const module = file(join(top, 'lib', version, 'site-packages/writ_says.py'), 'text = "signed"\n')
        execFileSync('chown', ['-R', String(SOMEBODY), top])
        const python = join(top, 'bin/python3')
        const code = 'import writ_says, sys; print(writ_says.text, sys.prefix)'
        const swap = (): void => void file(module, 'text = "changed"\n')
        expect(await says([python, '-c', code], [python, tree(top)], swap)).toBe(`signed ${top}`)
        // Without it the module is not there: nobody else's files are, beside the program.
        expect(await says([python, '-c', code], [python])).toBe('exit 1')
        // The standard library is the host's. As a directory of its own it is signed too.
        const standard = execFileSync(
          python,
          ['-c', 'import json, os; print(os.path.dirname(json.__file__))'],
          { encoding: 'utf8' },
        ).trim()
        const from = 'import json; print(json.__file__)'
        expect(await says([python, '-I', '-c', from], [python, tree(top), tree(standard)])).toBe(
          `${standard}/__init__.py`,
        )
      },
    )
  })

  describe('has no say of the environment of who starts it', () => {
    it('but exactly the variables that are signed', async () => {
      expect(await says(['/usr/bin/env'], undefined, undefined, ['A=1', 'LD_BIND_NOW=1'])).toBe(
        'A=1\nLD_BIND_NOW=1',
      )
      expect(await says(['/usr/bin/env'])).toBe('exit 0')
    })

    it('so LD_PRELOAD and LD_AUDIT load what is signed, if they are', async () => {
      const preload = compile(
        join(others, 'preload.so'),
        '#include <unistd.h>\n__attribute__((constructor)) static void loaded(void) { if (write(1, "loaded\\n", 7) != 7) _exit(9); }\nunsigned la_version(unsigned v) { return v; }',
        ...['-shared', '-fPIC'],
      )
      for (const name of ['LD_PRELOAD', 'LD_AUDIT']) {
        const env = [`${name}=${preload}`]
        const subjects = ['/bin/true', preload]
        const swap = (): void => void file(preload, 'no library at all')
        const kept = execFileSync('cat', [preload])
        expect(await says(['/bin/true'], subjects, swap, env)).toBe('loaded')
        writeFileSync(preload, kept)
        // That the variable is signed says nothing of the file: it is the host's, and anybody's.
        expect(await says(['/bin/true'], undefined, undefined, env)).toBe('loaded')
      }
      // What a workload makes itself cannot be loaded by its own children either.
      const { stdout } = await writd.sh(`cp ${preload} /tmp/p.so; LD_PRELOAD=/tmp/p.so /bin/true`, {
        subjects: ['/bin/sh', preload],
      })
      expect(stdout).toBe('')
    })
  })

  it('is not that of a program which the loader is told to start', async () => {
    const program = compile(
      join(roots, 'told'),
      '#include <stdio.h>\nint main(void) { puts("not hashed"); return 0; }',
    )
    // The loader is the program that is signed. What it loads is as little covered as what an interpreter reads.
    expect(await says([LOADER, program])).toBe('not hashed')
    // Nor is it a way to execute what was written.
    const { stdout, stderr } = await writd.sh(`cp ${program} /tmp/p; ${LOADER} /tmp/p; /tmp/p`)
    expect(stdout).toBe('')
    expect(stderr).toMatch(/failed to map|cannot|not permitted/)
  })

  describe('holds against links', () => {
    it('that are turned elsewhere after the look', async () => {
      const path = join(others, 'links/program')
      const real = file(join(others, 'links/real'), '#!/bin/sh\necho signed\n')
      file(join(others, 'links/evil'), '#!/bin/sh\necho changed\n')
      for (const to of ['evil', join(others, 'links/evil'), '/bin/echo', '/proc/self/exe']) {
        rmSync(path, { force: true })
        symlinkSync(real, path)
        const turn = (): void => {
          unlinkSync(path)
          symlinkSync(to, path)
        }
        expect(await says([path], [path, '/bin/sh'], turn)).toBe('signed')
        // Between STAGE and PREPARE as well.
        rmSync(path)
        symlinkSync(real, path)
        const id = newId()
        const staged = await writd.client.stage(id, [path, '/bin/sh'])
        turn()
        writd.client.abandon(id)
        expect(staged[0]).toHaveProperty('sha256')
      }
    })

    it('that lie on the way', async () => {
      const a = join(others, 'way/a')
      file(join(a, 'program'), '#!/bin/sh\necho signed\n')
      file(join(others, 'way/b/program'), '#!/bin/sh\necho changed\n')
      const link = join(others, 'way/current')
      symlinkSync('a', link)
      chownSync(others, SOMEBODY, SOMEBODY)
      const turn = (): void => {
        unlinkSync(link)
        symlinkSync('b', link)
      }
      expect(await says([join(link, 'program')], [join(link, 'program'), '/bin/sh'], turn)).toBe('signed')
      expect(readlinkSync(link)).toBe('b')
    })

    it('that take the place of any directory on the way, or of the file', async () => {
      const names = ['one', 'two', 'three', 'program']
      file(join(others, 'evil', ...names), '#!/bin/sh\necho changed\n')
      for (const [i] of names.entries()) {
        const top = join(others, `steps-${i}`)
        const path = file(join(top, ...names), '#!/bin/sh\necho signed\n')
        const turn = (): void => {
          const step = join(top, ...names.slice(0, i + 1))
          renameSync(step, join(others, `aside-${i}`))
          symlinkSync(join(others, 'evil', ...names.slice(0, i + 1)), step)
        }
        expect(await says([path], [path, '/bin/sh'], turn)).toBe('signed')
        expect(execFileSync(path, { encoding: 'utf8' })).toBe('changed\n')
      }
    })

    it('of the kernel’s own, that stand for open files and other roots', async () => {
      const link = join(others, 'magic')
      symlinkSync('/proc/self/root/bin/sh', link)
      const paths = [
        '/proc/self/exe',
        '/proc/1/exe',
        '/proc/self/root/bin/sh',
        '/proc/self/cwd/bin/sh',
        '/dev/fd/0',
        link,
      ]
      const staged = await writd.client.stage(newId(), ['/bin/true', ...paths])
      const errors = staged.slice(1).map(found => ('error' in found ? found.error : 'taken'))
      for (const error of errors) expect(error).toMatch(/^SUBJECT_OPEN \((ELOOP|EACCES|ENOENT)\)$/)
    })
  })

  it('is what /proc/self/exe is, which nobody can write to', async () => {
    const source = `#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
int main(int count, char **argv) {
  if (count == 2) return puts("again") < 0;
  for (int i = 0; i < 2; i++) {
    int fd = open("/proc/self/exe", i == 0 ? O_RDWR : O_WRONLY | O_TRUNC);
    printf("%s\\n", fd < 0 ? strerrorname_np(errno) : "open");
  }
  char copy[64], from[64];
  snprintf(from, sizeof from, "/proc/self/fd/%d", open("/proc/self/exe", O_PATH));
  int fd = open(from, O_RDWR);
  printf("%s\\n", fd < 0 ? strerrorname_np(errno) : write(fd, "x", 1) == 1 ? "written" : strerrorname_np(errno));
  fflush(stdout);
  snprintf(copy, sizeof copy, "again");
  argv[1] = copy;
  char *again[] = {argv[0], copy, NULL};
  execv("/proc/self/exe", again);
  return 7;
}`
    for (const options of [['-static'], []]) {
      const program = compile(join(roots, `self${options.length}`), source, '-D_GNU_SOURCE', ...options)
      const lines = (await says([program])).split('\n')
      expect(lines).toHaveLength(4)
      for (const line of lines.slice(0, 3)) expect(line).toMatch(/^(ETXTBSY|EROFS|EACCES|EPERM)$/)
      expect(lines[3]).toBe('again')
      expect(realpathSync(program)).toBe(program)
    }
  })
})
