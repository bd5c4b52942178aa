import { spawnSync } from 'node:child_process'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { decodeFailure, decodeMessage } from '../../daemon/launcher/decode.ts'
import { encodeOrder } from '../../daemon/launcher/encode.ts'
import { MESSAGE } from '../../daemon/launcher/wire.ts'
import { isRoot, TestHost, WRITD_UID } from './host.ts'

/** Greets a launcher with one page after the other, as no program of the house would make them, and prints each answer. */
const GREET = `
import fcntl, json, os, socket, sys
where, greeting, pages = sys.argv[1], bytes.fromhex(sys.argv[2]), json.loads(sys.argv[3])
for magic, size, seals in pages:
    fd = os.memfd_create("page", os.MFD_ALLOW_SEALING)
    os.ftruncate(fd, size)
    os.pwrite(fd, magic.encode() + (1).to_bytes(8, "little"), 0)
    fcntl.fcntl(fd, 1033, seals)  # F_ADD_SEALS
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    s.connect(where)
    socket.send_fds(s, [greeting], [fd])
    print(s.recv(65536).hex(), flush=True)
    s.close()
    os.close(fd)
`
/** linux/fcntl.h. */
const SEALS = { seal: 1, shrink: 2, grow: 4, futureWrite: 16 }
const ALL = SEALS.seal | SEALS.shrink | SEALS.grow | SEALS.futureWrite

type Page = [magic: string, size: number, seals: number]
const GOOD: Page = ['WRTEASE1', 4096, ALL]

/** Supervisors read it without asking anybody: it must not shrink under them, nor be anybody's to write but the one who made it. */
describe.skipIf(!isRoot)('a lease page (needs root)', () => {
  const host = new TestHost()
  beforeAll(() => host.start())
  afterAll(() => host.stop())

  const cases: [what: string, page: Page, code: string][] = [
    ['as it has to be', GOOD, 'OK'],
    ['that could shrink', ['WRTEASE1', 4096, ALL & ~SEALS.shrink], 'BAD_LEASE'],
    ['that could grow', ['WRTEASE1', 4096, ALL & ~SEALS.grow], 'BAD_LEASE'],
    ['that others could come to write', ['WRTEASE1', 4096, ALL & ~SEALS.futureWrite], 'BAD_LEASE'],
    ['whose seals could become more', ['WRTEASE1', 4096, ALL & ~SEALS.seal], 'BAD_LEASE'],
    ['of two pages', ['WRTEASE1', 8192, ALL], 'BAD_LEASE'],
    ['of no page', ['WRTEASE1', 16, ALL], 'BAD_LEASE'],
    ['of another form', ['WRTEASE2', 4096, ALL], 'BAD_LEASE'],
    ['as it has to be, after all of these', GOOD, 'OK'],
  ]
  it('is refused unless it is sealed, one page, and of the known form', () => {
    const pages = JSON.stringify(cases.map(([, page]) => page))
    const greeting = encodeOrder(MESSAGE.hello, 1n, Buffer.alloc(0)).toString('hex')
    const { stdout, stderr } = spawnSync('/usr/bin/python3', ['-c', GREET, host.socket, greeting, pages], {
      encoding: 'utf8',
      uid: WRITD_UID,
      gid: WRITD_UID,
      timeout: 20_000,
    })
    const answers = stdout.trim().split('\n').map(codeOf)
    expect(stderr).toBe('')
    expect(cases.map(([what], i) => `${what}: ${answers[i]}`)).toEqual(
      cases.map(([what, , code]) => `${what}: ${code}`),
    )
  })
})

function codeOf(hex: string): string {
  const message = decodeMessage(Buffer.from(hex, 'hex'))
  return message.status === 0 ? 'OK' : decodeFailure(message, 'HELLO').code
}
