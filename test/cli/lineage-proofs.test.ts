import { createHash, generateKeyPairSync } from 'node:crypto'
import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { formatNote, parseNote } from '../../lineage/c2sp/note.ts'
import {
  exportLog,
  formatNoteKey,
  LogFiles,
  parseConsistencyProof,
  parseTlogProof,
} from '../../lineage/index.ts'
import { CONFIG, daemonStart, fill, ORIGIN, openLog, testSigner } from '../lineage/support/log.ts'
import { writeTiledLog } from '../lineage/support/tiled-log.ts'
import { testLog, testWitness, withLines } from '../lineage/support/witness.ts'
import { temporaryDirectory, writ } from './cli.ts'

describe('proofs and checkpoints on the command line', () => {
  const dir = temporaryDirectory()
  const signer = testSigner()
  const vkey = formatNoteKey(ORIGIN, signer.logKey.public)
  const key = ['--log-key', vkey]
  const witness = testWitness('w.example')
  const run = (command: string, ...args: string[]) =>
    writ([...command.split(' '), ...args], { cwd: dir.path })

  beforeAll(async () => {
    const log = await openLog(dir.in('log'), { signer })
    await log.putBlob(CONFIG)
    await log.append(daemonStart(signer.logKey, Buffer.from(signer.ak.name).toString('hex')))
    await fill(log, 1, 300)
    await log.checkpoint()
    await exportLog(dir.in('log'), dir.in('before'))
    await fill(log, 300, 700)
    await log.checkpoint()
    await log.close()
    await exportLog(dir.in('log'), dir.in('after'))
    writeFileSync(dir.in('log.vkey'), `${vkey}\n`)
  })
  afterAll(() => dir.remove())

  it('prove an entry, which others verify with the log’s key', async () => {
    const made = await run('lineage prove', '77', '--directory', 'after', '--out', '77.tlog-proof')
    expect([made.status, made.stderr]).toEqual([0, ''])
    const proof = parseTlogProof(readFileSync(dir.in('77.tlog-proof')))
    expect(proof.extra).toEqual(await (await LogFiles.open(dir.in('after'))).entry(77))
    const good = await run('lineage verify', '77.tlog-proof', '--log-key', 'log.vkey')
    expect(good.stdout).toMatch(/\nentry 77: .*\nverified: .*, 700 entries\n$/)
    expect(good.status).toBe(0)
    // Without anything that vouches for it, a proof is nothing.
    const alone = await run('lineage verify', '77.tlog-proof')
    expect([alone.status, alone.stdout]).toEqual([1, expect.stringMatching('NOT CHECKED +TPM signature')])
    // On standard output it is the file itself.
    const text = await run('lineage prove', '77', '--directory', 'after')
    expect(text.stdout).toBe(readFileSync(dir.in('77.tlog-proof'), 'utf8'))
    expect(
      (await run('lineage prove', '77', '--directory', 'after', '--out', '77.tlog-proof')).stderr,
    ).toMatch('not overwritten')
  })

  it('take no byte of a proof as another', async () => {
    const bytes = readFileSync(dir.in('77.tlog-proof'))
    const { verifyLogFile } = await import('../../cli/lineage/verify-log.ts')
    const { readLogKeys } = await import('../../cli/lineage/log-keys.ts')
    const trust = {
      ...{ operators: [], roots: null, hostId: null, at: new Date(), earlier: [], identity: null },
      ...{ logKeys: await readLogKeys([vkey]), proof: undefined, entry: undefined },
    }
    const verdict = async () => {
      const { properties } = await verifyLogFile(dir.in('flipped'), trust).catch(() => ({ properties: [] }))
      return properties.length > 0 && properties.every(({ status, asked }) => status === 'VERIFIED' || !asked)
    }
    writeFileSync(dir.in('flipped'), bytes)
    expect(await verdict()).toBe(true)
    // The TPM's line alone may change: nobody looks at it who has only the log's key.
    const tpm = bytes.lastIndexOf('\u2014')
    for (let at = 0; at < tpm; at += 7) {
      const changed = Buffer.from(bytes)
      changed.writeUInt8(changed.readUInt8(at) ^ 1, at)
      writeFileSync(dir.in('flipped'), changed)
      expect(await verdict(), `byte ${at}`).toBe(false)
    }
  })

  it('leave the entry out, and take it from elsewhere', async () => {
    await run('lineage prove', '5', '--no-entry', '--directory', 'after', '--out', 'bare')
    expect(parseTlogProof(readFileSync(dir.in('bare'))).extra).toBeUndefined()
    expect((await run('lineage verify', 'bare', ...key)).stdout).toMatch(
      'NOT CHECKED  inclusion of the entry',
    )
    writeFileSync(dir.in('entry'), await (await LogFiles.open(dir.in('after'))).entry(5))
    expect((await run('lineage verify', 'bare', ...key, '--entry', 'entry')).status).toBe(0)
    expect((await run('lineage verify', 'bare', ...key, '--entry', 'log.vkey')).status).toBe(1)
  })

  it('prove growth, which others verify with the checkpoint that they kept', async () => {
    const made = await run(
      'lineage prove',
      '--consistency',
      'before/checkpoint',
      '--directory',
      'after',
      '--out',
      'growth',
    )
    expect([made.status, made.stderr]).toEqual([0, ''])
    expect(parseConsistencyProof(readFileSync(dir.in('growth'))).oldSize).toBe(300)
    const earlier = ['--earlier', 'before/checkpoint']
    expect((await run('lineage verify', 'growth', ...key, ...earlier)).status).toBe(0)
    expect((await run('lineage verify', 'growth', ...key)).status).toBe(1)
    const checkpoint = ['after/checkpoint', ...key, ...earlier]
    expect((await run('lineage verify', ...checkpoint, '--proof', 'growth')).status).toBe(0)
    expect((await run('lineage verify', ...checkpoint)).status).toBe(1)
    // The other way round it was cut.
    const cut = await run('lineage prove', '--consistency', 'after/checkpoint', '--directory', 'before')
    expect([cut.status, cut.stderr]).toEqual([1, expect.stringMatching('it was cut')])
    const other = testLog('other.example').checkpoint(3, Buffer.alloc(32))
    writeFileSync(dir.in('other'), other)
    expect((await run('lineage prove', '--consistency', 'other', '--directory', 'after')).status).toBe(1)
    const { text, signatures } = parseNote(readFileSync(dir.in('before/checkpoint')))
    const root = text.toString().split('\n')[2] ?? ''
    const forked = Buffer.from(text.toString().replace(root, Buffer.alloc(32).toString('base64')))
    writeFileSync(dir.in('forked'), formatNote({ text: forked, signatures }))
    const fork = await run('lineage prove', '--consistency', 'forked', '--directory', 'after')
    expect([fork.status, fork.stderr]).toEqual([1, expect.stringMatching('the log was forked')])
  })

  it('prove in the tree of an earlier checkpoint, if the log goes that far', async () => {
    const made = await run(
      'lineage prove',
      '77',
      '--checkpoint',
      'before/checkpoint',
      '--directory',
      'after',
      '--out',
      'old',
    )
    expect(made.status).toBe(0)
    expect((await run('lineage verify', 'old', ...key)).stdout).toMatch('300 entries')
    expect(
      (await run('lineage prove', '300', '--checkpoint', 'before/checkpoint', '--directory', 'after')).status,
    ).toBe(1)
    expect((await run('lineage prove', '77', '--size', '299', '--directory', 'after')).stderr).toMatch(
      'no checkpoint of exactly 299',
    )
    expect((await run('lineage prove', '700', '--directory', 'after')).stderr).toMatch('none of them is 700')
    expect(
      (await run('lineage prove', '0'.repeat(32), '--of', 'end', '--directory', 'after')).stderr,
    ).toMatch('no end of an execution')
  })

  it('are wrong without an entry, with two, and for what is no log', async () => {
    expect((await run('lineage prove', '--directory', 'after')).status).toBe(2)
    expect(
      (await run('lineage prove', '1', '--consistency', 'before/checkpoint', '--directory', 'after')).status,
    ).toBe(2)
    expect((await run('lineage prove', 'x', '--directory', 'after')).status).toBe(2)
    expect((await run('lineage prove', '1', '--directory', '.')).status).toBe(2)
    expect(
      (
        await run(
          'lineage prove',
          '1',
          '--size',
          '9',
          '--checkpoint',
          'before/checkpoint',
          '--directory',
          'after',
        )
      ).status,
    ).toBe(2)
    expect((await run('lineage verify', 'none')).status).toBe(2)
    expect((await run('lineage verify', 'log.vkey')).status).toBe(1)
    expect((await run('lineage verify', 'after', '--log-key', 'x')).status).toBe(2)
    expect((await run('lineage verify', 'after', '--log-key', witness.vkey)).status).toBe(2)
    expect(
      (await run('lineage verify', 'after/checkpoint', '--host', `000b${'0'.repeat(64)}`)).stderr,
    ).toMatch('--identity')
    expect((await run('lineage verify', 'log')).stderr).toMatch('the directory that a daemon writes to')
  })

  it('judge a log in files, of this project and of others', async () => {
    const own = await run('lineage verify', 'after', ...key, '--earlier', 'before/checkpoint')
    expect(own.stdout).not.toMatch('FAILED')
    expect(own.stdout).toMatch('VERIFIED     Ed25519 signature of the checkpoint: by the key that was given')
    expect(own.status).toBe(0)
    expect(own.stdout).toContain(`\nlog key ${vkey}\n`)
    const stranger = await run('lineage verify', 'after', '--log-key', testLog('other.example').vkey)
    expect([stranger.status, stranger.stdout]).toEqual([1, expect.stringMatching('FAILED +origin')])
    expect((await run('lineage verify', 'after')).status).toBe(1)
    cpSync(dir.in('after'), dir.in('damaged'), { recursive: true })
    const bundle = join(dir.in('damaged'), 'tile/entries/001')
    const bytes = readFileSync(bundle)
    bytes.writeUInt8(bytes.readUInt8(100) ^ 1, 100)
    writeFileSync(bundle, bytes)
    const damaged = await run('lineage verify', 'damaged', ...key)
    expect([damaged.status, damaged.stdout]).toEqual([1, expect.stringMatching('tile/entries/001')])
    const other = testLog('other.example')
    writeTiledLog(
      dir.in('other-log'),
      Array.from({ length: 9 }, (_, i) => Buffer.of(i)),
      other,
    )
    const good = await run('lineage verify', 'other-log', '--log-key', other.vkey)
    expect([good.status, good.stdout]).toEqual([
      0,
      expect.stringMatching('VERIFIED     tiles and entries: 9 entries'),
    ])
    expect((await run('lineage verify', 'other-log')).status).toBe(1)
    const proof = await run('lineage prove', '3', '--directory', 'other-log', '--out', '3.tlog-proof')
    expect(proof.status).toBe(0)
    expect((await run('lineage verify', '3.tlog-proof', '--log-key', other.vkey)).status).toBe(0)
  })

  it('believe a log no more for a key of its name that it did not sign with', async () => {
    // ECDSA, as logs of other makes have it.
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const spki = publicKey.export({ type: 'spki', format: 'der' })
    const id = createHash('sha256').update(spki).digest('hex').slice(0, 8)
    const ecdsa = `${ORIGIN}+${id}+${Buffer.concat([Buffer.of(2), spki]).toString('base64')}`
    for (const path of ['after', 'after/checkpoint']) {
      const found = await run('lineage verify', path, '--log-key', ecdsa)
      expect([found.status, found.stdout]).toEqual([
        1,
        expect.stringMatching('FAILED +signature by the log’s key'),
      ])
    }
  })

  it('judge by a policy', async () => {
    const note = readFileSync(dir.in('after/checkpoint'))
    writeFileSync(dir.in('cosigned'), withLines(note, witness.cosign(note)))
    writeFileSync(dir.in('policy'), `log ${vkey}\nwitness W ${witness.vkey}\nquorum W\n`)
    const good = await run('lineage verify', 'cosigned', '--policy', 'policy')
    expect([good.status, good.stdout]).toEqual([
      0,
      expect.stringMatching('quorum of the witness policy: cosigned by W'),
    ])
    const bare = await run('lineage verify', 'after/checkpoint', '--policy', 'policy')
    expect([bare.status, bare.stdout]).toEqual([
      1,
      expect.stringMatching('FAILED +quorum of the witness policy'),
    ])
    cpSync(dir.in('cosigned'), join(dir.in('after'), 'checkpoint'))
    expect((await run('lineage verify', 'after', '--policy', 'policy')).status).toBe(0)
    writeFileSync(join(dir.in('after'), 'checkpoint'), note)
    writeFileSync(dir.in('bad-policy'), `log ${vkey}\nquorum V\n`)
    const malformed = await run('lineage verify', 'cosigned', '--policy', 'bad-policy')
    expect([malformed.status, malformed.stderr]).toEqual([2, expect.stringMatching('line 2')])
  })
})
