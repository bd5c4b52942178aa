import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { sha256Hex } from '../../encoding/digest.ts'
import { GovernedHost, NEEDS_ROOT } from './governed-host.ts'

const marker = String(process.pid % 100_000)

describe.skipIf(NEEDS_ROOT !== null)(`other reference values (${NEEDS_ROOT ?? 'as root'})`, () => {
  let host: GovernedHost

  beforeAll(async () => {
    host = await GovernedHost.start()
  }, 120_000)
  afterAll(() => host?.close())

  /** Signs what the host was captured as, changed, and has it put in force. */
  async function load(revision: number, change: (values: Record<string, unknown>) => void = () => undefined) {
    const values = JSON.parse(readFileSync(host.path('captured.json'), 'utf8'))
    values.revision = revision
    change(values)
    const file = host.path(`revision-${revision}.json`)
    writeFileSync(file, JSON.stringify(values))
    const signed = host.path(`revision-${revision}.signed.json`)
    await host.ok('reference', 'sign', file, '--key', host.path('operator.key'), '--out', signed)
    return host.writ(['reference', 'load', signed])
  }
  const states = async () => {
    const listed = JSON.parse(await host.ok('executions', '--json'))
    const found: readonly { executionId: string; state: string }[] = listed.executions
    return new Map(found.map(({ executionId, state }) => [executionId, state]))
  }
  const detach = async (name: string, seconds: string, options: readonly string[]) => {
    const program = ['/bin/sleep', `${seconds}.${marker}`]
    const artifact = await host.issue(name, program, ['--detach', ...options])
    const out = await host.ok('run', '--json', '--detach', '--artifact', artifact, '--', ...program)
    return JSON.parse(out).started.executionId as string
  }

  /** Lists so many made-up files more. */
  const listing = (files: number) => (values: Record<string, unknown>) => {
    const { ima } = values as { ima: { files: unknown[] } }
    for (let i = 0; i < files; i++)
      ima.files.push({
        path: `/usr/share/${'made-up/'.repeat(200)}${i}`,
        digests: [`sha256:${sha256Hex(Buffer.from(String(i)))}`],
      })
  }

  test.each([
    ['4 MiB', 2000, 4 << 20],
    ['8 MiB', 4000, 8 << 20],
  ])(
    'of more than %s are taken with the limits that are shipped',
    async (_, files, bytes) => {
      expect(await load(files, listing(files))).toMatchObject({ code: 0 })
      expect(statSync(host.path(`revision-${files}.signed.json`)).size).toBeGreaterThan(bytes)
      expect(await host.status()).toMatchObject({ state: 'ATTESTED' })
    },
    60_000,
  )

  test('that are too large for any other document do not let one in', async () => {
    const { code, stderr } = await host.writ(['policy', 'load', host.path('revision-2000.signed.json')])
    expect(code).toBe(1)
    expect(stderr).toContain('the limit is rpc.max_message_bytes = 4194304')
  })

  test('end what may not run under them, and nothing else; a host that fails by them ends everything', async () => {
    const { referenceValuesDigest: digest, epoch } = (await host.status()) as Record<string, unknown> & {
      state: string
    }
    const any = await detach('any', '100', [])
    const bound = await detach('bound', '101', ['--reference-values', String(digest)])
    expect((await load(5000)).code).toBe(0)
    const now = await host.status()
    expect(now).toMatchObject({ state: 'ATTESTED', epoch })
    expect(now.referenceValuesDigest).not.toBe(digest)
    const ended = JSON.parse((await host.writ(['wait', bound, '--json'])).stdout)
    expect(JSON.stringify(ended)).toMatch(/DENIED/)
    expect((await states()).get(any)).toBe('RUNNING')
    await load(5001, values => {
      const { secureBoot } = values as { secureBoot: { enabled: boolean } }
      secureBoot.enabled = !secureBoot.enabled
    })
    await host.until('FAILED')
    await host.writ(['wait', any])
    expect((await states()).get(any)).not.toBe('RUNNING')
  }, 60_000)
})
