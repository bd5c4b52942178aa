import { closeSync, readFileSync, readlinkSync } from 'node:fs'
import { expect } from 'vitest'
import { decodeFailure, decodeMessage, decodeStaged } from '../../daemon/launcher/decode.ts'
import { encodeOrder, encodePrepare, encodeStage, encodeStrings } from '../../daemon/launcher/encode.ts'
import type { LaunchOrder } from '../../daemon/launcher/types.ts'
import { MESSAGE } from '../../daemon/launcher/wire.ts'
import { bootTimeNs, type LeasePage, SeqpacketChannel, sealedMemfd } from '../../daemon/native.ts'
import { asUser, newId, SECOND, until, WRITD_UID } from './host.ts'

export interface Answer {
  readonly code: string
  readonly errno: number | null
  readonly body: ReturnType<typeof decodeMessage>['body']
}

/** A `writd` that says whatever it likes, in bytes of its own. */
export class Hostile {
  readonly page: LeasePage
  readonly answers = new Map<bigint, Buffer>()
  ended = false
  readonly #channel: SeqpacketChannel
  #next = 1n

  constructor(socket: string, page: LeasePage) {
    this.page = page
    this.#channel = asUser(
      WRITD_UID,
      () =>
        new SeqpacketChannel(socket, {
          message: (bytes, descriptors) => {
            for (const descriptor of descriptors) closeSync(descriptor)
            const { request, isAnswer } = decodeMessage(bytes)
            if (isAnswer) this.answers.set(request, bytes)
          },
          end: () => {
            this.ended = true
          },
        }),
    )
  }

  send(bytes: Buffer, descriptors: number[] = []): void {
    this.#channel.send(bytes, descriptors)
  }

  /** Sends one order and gives the answer to it. */
  async ask(type: number, body: Buffer, descriptors: number[] = []): Promise<Answer> {
    const request = this.#next++
    this.send(encodeOrder(type, request, body), descriptors)
    await until(() => this.answers.has(request) || this.ended)
    return this.answer(request)
  }

  answer(request: bigint): Answer {
    const bytes = this.answers.get(request)
    if (bytes === undefined) return { code: 'CUT OFF', errno: null, body: null as never }
    const message = decodeMessage(bytes)
    if (message.status === 0) return { code: 'OK', errno: null, body: message.body }
    const { code, errno } = decodeFailure(message, 'order')
    return { code, errno, body: message.body }
  }

  async greet(): Promise<this> {
    expect((await this.ask(MESSAGE.hello, Buffer.alloc(0), [this.page.fd])).code).toBe('OK')
    return this
  }

  async withTable(type: number, body: Buffer, strings: readonly string[] | Buffer): Promise<Answer> {
    const table = sealedMemfd(Buffer.isBuffer(strings) ? strings : encodeStrings(strings))
    try {
      return await this.ask(type, body, [table])
    } finally {
      closeSync(table)
    }
  }

  stage(id: string, paths: string[], user: { uid: number; gid: number } | null = null): Promise<Answer> {
    return this.withTable(
      MESSAGE.stage,
      encodeStage(
        id,
        paths.map(() => 'file' as const),
        1n << 40n,
        user,
      ),
      paths,
    )
  }

  /** Stages a program and gives what an honest order for it would be. */
  async honest(
    paths = ['/bin/sleep'],
    user: { uid: number; gid: number } | null = null,
  ): Promise<LaunchOrder> {
    const executionId = newId()
    const staged = await this.stage(executionId, paths, user)
    expect(staged.code).toBe('OK')
    return {
      executionId,
      parentExecution: null,
      epoch: this.page.read().epoch,
      expiryBootNs: bootTimeNs() + 60n * SECOND,
      maxEvidenceAgeNs: 60n * SECOND,
      digests: decodeStaged(staged.body).subjects.map(({ sha256 }) => sha256),
      argv: ['/bin/sleep', '300'],
      env: [],
      cwd: '/',
      network: 'none',
      writable: [],
      stdio: { stdin: 'null', stdout: 'null', stderr: 'null' },
      limits: {},
      ...(user === null ? {} : { user }),
    }
  }

  async prepare(order: LaunchOrder, change: (body: Buffer) => void = () => undefined): Promise<Answer> {
    const { body, strings } = encodePrepare(order)
    change(body)
    return this.withTable(MESSAGE.prepare, body, strings)
  }

  close(): void {
    this.#channel.close()
  }
}

/** Expects the baseline of a process. Gives whether there is still something to look at: some limits have it ended at once. */
export function looksClosedIn(pid: number, uid: number): boolean {
  let status: string, namespaces: string[]
  const names = ['pid', 'mnt', 'ipc', 'uts', 'cgroup']
  try {
    status = readFileSync(`/proc/${pid}/status`, 'utf8')
    namespaces = names.map(name => readlinkSync(`/proc/${pid}/ns/${name}`))
  } catch {
    return false
  }
  const field = (name: string) => new RegExp(`^${name}:\\s+(.*)$`, 'm').exec(status)?.[1]
  if (!field('State')?.startsWith('Z')) {
    expect(uid).toBeGreaterThanOrEqual(1000)
    expect(field('Uid')).toBe(Array(4).fill(uid).join('\t'))
    expect(field('Gid')).not.toMatch(/^0\b/)
    for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'])
      expect(field(set)).toBe('0'.repeat(16))
    expect(field('NoNewPrivs')).toBe('1')
    expect(field('Seccomp')).toBe('2')
    for (const [i, name] of names.entries())
      expect(namespaces[i]).not.toBe(readlinkSync(`/proc/self/ns/${name}`))
  }
  return true
}
