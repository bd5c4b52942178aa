import { type ChildProcess, execFile, spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { EnrolledAk } from '../../attestation/index.ts'
import { parsePublicArea, publicAreaKey } from '../../attestation/tpm2/structures/index.ts'
import { formatNoteKey } from '../../lineage/index.ts'
import { daemonStart, fill, ORIGIN, openLog, testSigner } from '../lineage/support/log.ts'
import { memoryDirectory } from '../support/memory.ts'

const here = import.meta.dirname
const python = ['/usr/bin/python3', 'python3'].find(
  name => spawnSync(name, ['-c', 'import cryptography']).status === 0,
)
if (python === undefined) console.warn('interop: left out, there is no python3 with cryptography')
/** Where Debian puts the sources of Go packages. */
const GOPATH = '/usr/share/gocode'
const go = spawnSync('go', ['list', 'golang.org/x/mod/sumdb/note'], {
  env: { ...process.env, GOPATH, GO111MODULE: 'off' },
})
if (go.status !== 0) console.warn('interop: no Go with golang.org/x/mod (golang-go, golang-golang-x-mod-dev)')

const pem = ({ publicArea }: EnrolledAk) =>
  publicAreaKey(parsePublicArea(Buffer.from(publicArea))).export({ type: 'spki', format: 'pem' })

/** More than a full tile of the second level needs, and not a multiple of 256. */
const SIZE = 70_000

describe('a log behind any web server', () => {
  const folder = mkdtempSync(join(memoryDirectory(), 'writ-http-'))
  const signer = testSigner()
  const vkey = formatNoteKey(ORIGIN, signer.logKey.public)
  const name = Buffer.from(signer.ak.name).toString('hex')
  let server: Server
  let url = ''

  beforeAll(async () => {
    const log = await openLog(join(folder, 'log'), { signer })
    await log.append(daemonStart(signer.logKey, name))
    for (let at = 1; at < SIZE; at += 4096) await fill(log, at, Math.min(SIZE, at + 4096))
    await log.checkpoint()
    await log.close()
    writeFileSync(join(folder, 'ak.pem'), pem(signer.ak))
    // What a file server does: the path is the file, nothing is known of logs.
    server = createServer((request, response) => {
      try {
        response.end(readFileSync(join(folder, new URL(request.url ?? '', 'http://log').pathname)))
      } catch {
        response.writeHead(404).end()
      }
    })
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  })
  afterAll(() => {
    server.closeAllConnections()
    server.close()
    rmSync(folder, { recursive: true, force: true })
  })

  const run = promisify(execFile)
  const reads = (log: string, ...more: string[]) =>
    run(python ?? '', ['-B', join(here, 'read_lineage.py'), `${url}/${log}`, vkey, ...more]).then(
      ({ stdout }) => stdout.trim(),
      (error: { stdout: string } & ChildProcess) => error.stdout.trim(),
    )

  it.skipIf(python === undefined)('is read and verified by a client in another language', async () => {
    const said = await reads('log', '--ak', join(folder, 'ak.pem'), name)
    expect(said).toMatch(new RegExp(`^${ORIGIN} ${SIZE} .*: 3 levels, [0-9]+ kinds of event, quoted$`))
  })

  it.skipIf(python === undefined)('and not when a byte of it is another', async () => {
    cpSync(join(folder, 'log'), join(folder, 'bad'), { recursive: true })
    for (const [path, why] of [
      ['checkpoint', /does not verify/],
      ['tile/entries/100', /another root/],
      ['tile/0/100', /tile 0\/100/],
      ['tile/1/001.p/17', /tile 1\/1/],
    ] as const) {
      const file = join(folder, 'bad', path)
      const right = readFileSync(file)
      const wrong = Buffer.from(right)
      wrong.writeUInt8(wrong.readUInt8(9) ^ 1, 9)
      writeFileSync(file, wrong)
      expect(await reads('bad'), path).toMatch(why)
      writeFileSync(file, right)
    }
    const another = testSigner().ak
    writeFileSync(join(folder, 'other.pem'), pem(another))
    expect(await reads('bad', '--ak', join(folder, 'other.pem'), name)).toMatch(/does not verify/)
  })

  it.skipIf(go.status !== 0)(
    'is read and verified by golang.org/x/mod/sumdb',
    async () => {
      const { stdout } = await run('go', ['run', join(here, 'tlog/main.go'), `${url}/log`, vkey], {
        env: { ...process.env, GOPATH, GO111MODULE: 'off' },
      })
      expect(stdout).toMatch(new RegExp(`: ${SIZE} entries, 1 signatures of known keys, 1 of others\n$`))
    },
    120_000,
  )
})
