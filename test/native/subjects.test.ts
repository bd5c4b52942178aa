import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  copyFileSync,
  mkdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { sha256Hex } from '../../encoding/digest.ts'
import { isRoot, newId, TestHost, until, type Writd } from './host.ts'

/** What runs is what was hashed, whoever changes what in between. */
describe.skipIf(!isRoot)('subjects', () => {
  const host = new TestHost({ max_staged_bytes: String(16 << 20) })
  const file = (name: string, text: string, mode = 0o755): string => {
    const path = join(host.directory, name)
    mkdirSync(join(path, '..'), { recursive: true })
    writeFileSync(path, text)
    chmodSync(path, mode)
    return path
  }
  let writd: Writd

  beforeAll(async () => {
    await host.start()
    writd = await host.connect()
  })
  afterAll(async () => {
    writd?.client.close()
    await host.stop()
  })

  it('are hashed as they are copied', async () => {
    const data = file('data', 'some bytes', 0o644)
    const empty = file('empty', '', 0o644)
    const id = newId()
    expect(await writd.client.stage(id, ['/bin/true', data, empty])).toEqual([
      {
        path: '/bin/true',
        sha256: sha256Hex(readFileSync('/bin/true')),
        size: readFileSync('/bin/true').length,
      },
      { path: data, sha256: sha256Hex(readFileSync(data)), size: 10 },
      { path: empty, sha256: sha256Hex(Buffer.alloc(0)), size: 0 },
    ])
    writd.client.abandon(id)
  })

  it('run from the copy when the file changes after staging', async () => {
    for (const change of [
      (path: string) => writeFileSync(path, '#!/bin/sh\necho changed\n'),
      (path: string) => truncateSync(path, 0),
      (path: string) => renameSync(file('other', '#!/bin/sh\necho other\n'), path),
    ]) {
      const script = file('script', '#!/bin/sh\necho original\n')
      const id = newId()
      const [first, second] = await writd.client.stage(id, [script, '/bin/sh'])
      change(script)
      const digests = [first, second].map(s => (s && 'sha256' in s ? s.sha256 : ''))
      const order = {
        executionId: id,
        parentExecution: null,
        epoch: 1n,
        env: [],
        cwd: '/',
        network: 'none' as const,
      }
      const prepared = await writd.client.prepare({
        ...order,
        ...{ digests, argv: [script], writable: [], limits: {} },
        ...{ expiryBootNs: 1n << 62n, maxEvidenceAgeNs: 60n * 1_000_000_000n },
        stdio: { stdin: 'null', stdout: 'pipe', stderr: 'null' },
      })
      await writd.client.start(id, 1n)
      let output = ''
      for await (const piece of prepared.stdout ?? []) output += piece
      expect(output).toBe('original\n')
    }
  })

  it('are refused when their digest is not the one that was authorized', async () => {
    const wrong = sha256Hex(Buffer.from('another'))
    const mismatch = { code: 'DIGEST_MISMATCH' }
    await expect(writd.run(['/bin/true'], { digests: [wrong] })).rejects.toMatchObject({
      ...mismatch,
      index: 0,
    })
    await expect(writd.run(['/bin/true'], { digests: [] })).rejects.toMatchObject({ code: 'MALFORMED' })
    const right = sha256Hex(readFileSync('/bin/true'))
    await expect(writd.run(['/bin/true'], { digests: [right, wrong] })).rejects.toMatchObject(mismatch)
    const two = { subjects: ['/bin/true', '/bin/sh'], digests: [right, right] }
    await expect(writd.run(['/bin/true'], two)).rejects.toMatchObject({ ...mismatch, index: 1 })
  })

  it('include the interpreter of a script, under the path that it names', async () => {
    const script = file('with-interpreter', '#!/bin/sh -e\necho "$0 $1"\n')
    const { stdout } = await writd.run([script, 'argument'], { subjects: [script, '/bin/sh'] })
    expect(stdout).toBe(`${script} argument\n`)
    const [alone] = await writd.client.stage(newId(), [script])
    expect(alone).toEqual({ path: script, error: 'INTERPRETER_REFUSED' })
    const [other] = await writd.client.stage(newId(), [script, '/bin/dash'])
    expect(other).toEqual({ path: script, error: 'INTERPRETER_REFUSED' })
    const nested = file('nested', `#!${script}\n`)
    const [first] = await writd.client.stage(newId(), [nested, script])
    expect(first).toEqual({ path: nested, error: 'INTERPRETER_REFUSED' })
  })

  it('run when they are static, from sealed memory', async () => {
    const program = file('static', '')
    const source = file(
      'static.c',
      '#include <unistd.h>\nint main(void) { return write(1, "static", 6) == 6 ? 5 : 1; }\n',
    )
    execFileSync('gcc', ['-static', '-o', program, source])
    const running = await writd.prepare([program])
    writeFileSync(program, 'changed')
    await writd.client.start(running.executionId, 1n)
    expect((await running.ended).exitCode).toBe(5)
    expect(await running.output).toBe('static')
  })

  it('find their neighbours by $ORIGIN where only root can change the directory', async () => {
    const { stdout } = await writd.run(['/usr/bin/readlink', '/proc/self/exe'])
    expect(stdout).toBe('/usr/bin/readlink\n')
  })

  it('are told apart by what is wrong with them', async () => {
    mkdirSync(join(host.directory, 'directory'))
    execFileSync('mkfifo', [join(host.directory, 'fifo')])
    symlinkSync('/proc/self/exe', join(host.directory, 'magic'))
    const names = ['missing', 'directory', 'fifo', 'magic'].map(name => join(host.directory, name))
    const secret = file('secret', 'for root only', 0o600)
    const staged = await writd.client.stage(newId(), [
      '/bin/true',
      ...names,
      secret,
      '/dev/null',
      '/etc/shadow',
    ])
    expect(staged.map(subject => ('error' in subject ? subject.error : 'fine'))).toEqual([
      'fine',
      'SUBJECT_OPEN (ENOENT)',
      'SUBJECT_NOT_REGULAR',
      'SUBJECT_NOT_REGULAR',
      'SUBJECT_OPEN (ELOOP)',
      'SUBJECT_OPEN (EACCES)',
      'SUBJECT_NOT_REGULAR',
      'SUBJECT_OPEN (EACCES)',
    ])
    await expect(writd.client.stage(newId(), ['relative'])).rejects.toMatchObject({ code: 'MALFORMED' })
    await expect(writd.client.stage(newId(), ['/bin/../bin/true'])).rejects.toMatchObject({
      code: 'MALFORMED',
    })
    await expect(writd.client.stage(newId(), ['/bin/true', '/bin/true'])).rejects.toMatchObject({
      code: 'MALFORMED',
    })
  })

  it('are bounded in bytes over all executions, and give them back', async () => {
    const large = file('large', 'x'.repeat(9 << 20), 0o644)
    const first = newId()
    expect((await writd.client.stage(first, [large]))[0]).toHaveProperty('sha256')
    expect((await writd.client.stage(newId(), [large]))[0]).toEqual({ path: large, error: 'CAPACITY' })
    writd.client.abandon(first)
    const third = newId()
    expect((await writd.client.stage(third, [large]))[0]).toHaveProperty('sha256')
    writd.client.abandon(third)
  })

  it('are read with the rights of the execution, and not under its real uid, by which IMA measures', async () => {
    const slow = new TestHost({ max_staged_bytes: String(256 << 20), shared_uids: '64400', groups: '64400' })
    await slow.start()
    const asked = await slow.connect()
    try {
      const large = join(slow.directory, 'large')
      writeFileSync(large, '')
      truncateSync(large, 48 << 20)
      const children = (): string[] =>
        readFileSync(`/proc/${slow.pid}/task/${slow.pid}/children`, 'utf8').split(' ').filter(Boolean)
      const uidsOfReader = async (user: 'own' | { uid: number; gid: number }): Promise<number[]> => {
        const id = newId()
        const before = new Set(children())
        const staged = asked.client.stage(id, [large], user)
        const lines: string[] = []
        await until(() => {
          for (const child of children().filter(pid => !before.has(pid))) {
            const status = readFileSync(`/proc/${child}/status`, 'utf8')
            lines.push(/^Uid:\t(.*)$/m.exec(status)?.[1] ?? '')
          }
          return lines.some(line => !/^0\t|^$/.test(line))
        })
        expect((await staged)[0]).toHaveProperty('sha256')
        asked.client.abandon(id)
        return (lines.at(-1) ?? '').split('\t').map(Number)
      }
      // Real, effective, saved, file system (proc(5)).
      const [real, ...rest] = await uidsOfReader('own')
      expect(real).toBe(65534)
      expect(new Set(rest)).toEqual(new Set([rest[0]]))
      expect(rest[0]).toBeGreaterThanOrEqual(300_000)
      expect(await uidsOfReader({ uid: 64400, gid: 64400 })).toEqual([64400, 64400, 64400, 64400])
    } finally {
      asked.client.close()
      await slow.stop()
    }
  })

  // Not below /tmp, which is private in any case: a directory that all can write to, and one that has another owner.
  it.each(['/var/tmp', '/var/lib'])(
    'keep their path when somebody swaps a directory in %s under it',
    async base => {
      const owned = join(base, `writ-swap-${newId()}`)
      execFileSync('mkdir', ['-p', join(owned, 'a')])
      try {
        writeFileSync(join(owned, 'a/script'), '#!/bin/sh\ncat "$0" >/dev/null && echo original\n', {
          mode: 0o755,
        })
        for (const path of [owned, join(owned, 'a'), join(owned, 'a/script')]) chownSync(path, 64400, 64400)
        const script = join(owned, 'a/script')
        const running = await writd.prepare([script], { subjects: [script, '/bin/sh'] })
        renameSync(join(owned, 'a'), join(owned, 'old'))
        mkdirSync(join(owned, 'a'))
        writeFileSync(script, '#!/bin/sh\necho swapped\n', { mode: 0o755 })
        await writd.client.start(running.executionId, 1n)
        expect((await running.ended).exitCode).toBe(0)
        expect(await running.output).toBe('original\n')
      } finally {
        execFileSync('rm', ['-rf', owned])
      }
    },
  )

  it('cannot be covered by a writable path', async () => {
    const directory = join(host.directory, 'covered')
    const script = file('covered/script', '#!/bin/sh\n')
    chmodSync(directory, 0o777)
    const run = writd.run([script], { subjects: [script, '/bin/sh'], writable: [directory] })
    await expect(run).rejects.toMatchObject({ code: 'SUBJECT_HIDDEN', index: 0 })
  })

  it('are not to be changed by the workload itself', async () => {
    const program = join(host.directory, 'own-sh')
    copyFileSync('/bin/sh', program)
    const { stdout, end } = await writd.run([
      program,
      '-c',
      `echo x >${program}; rm ${program}; mv ${program} /tmp/y; true`,
    ])
    expect([stdout, end.exitCode]).toEqual(['', 0])
    expect(sha256Hex(readFileSync(program))).toBe(sha256Hex(readFileSync('/bin/sh')))
  })
})
