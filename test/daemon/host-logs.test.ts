import { appendFileSync, chmodSync, openSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { EvidenceStore } from '../../daemon/evidence-store.ts'
import { HostLogReader, type LogKind } from '../../daemon/host-logs.ts'
import { MAX_BLOB_BYTES } from '../../lineage/index.ts'
import { openLog, temporaryDirectory } from '../lineage/support/log.ts'

const quote = { attest: Buffer.from('attest'), signature: Buffer.from('signature') }

async function setup() {
  const dir = temporaryDirectory()
  const path = (kind: LogKind) => join(dir, kind)
  const present = new Set<LogKind>(['eventlog', 'userspace', 'ima'])
  for (const kind of present) writeFileSync(path(kind), kind)
  const lineage = await openLog(join(dir, 'lineage'))
  onTestFinished(() => lineage.close())
  const reader = new HostLogReader(async kind => (present.has(kind) ? openSync(path(kind), 'r') : null))
  return { path, present, reader, lineage, store: new EvidenceStore(lineage) }
}
const descriptors = () => readdirSync('/proc/self/fd').length

describe('the logs of a host', () => {
  test('are read whole, the IMA log from where it was, and no descriptor stays open', async () => {
    const { path, reader } = await setup()
    const open = descriptors()
    expect(await reader.read()).toMatchObject({
      eventLog: Buffer.from('eventlog'),
      userspaceLog: Buffer.from('userspace'),
      imaLog: Buffer.from('ima'),
      imaNew: Buffer.from('ima'),
    })
    appendFileSync(path('ima'), 'more')
    appendFileSync(path('eventlog'), 'more')
    expect(await reader.read()).toMatchObject({
      eventLog: Buffer.from('eventlogmore'),
      imaLog: Buffer.from('imamore'),
      imaNew: Buffer.from('more'),
    })
    expect(await reader.read()).toMatchObject({ imaLog: Buffer.from('imamore'), imaNew: Buffer.alloc(0) })
    expect(descriptors()).toBe(open)
  })

  test('are read when systemd has written its record, or not for long after its writer died', async () => {
    const { path, reader } = await setup()
    chmodSync(path('userspace'), 0o1600)
    setTimeout(() => {
      appendFileSync(path('userspace'), ' and more')
      chmodSync(path('userspace'), 0o600)
    }, 50)
    expect((await reader.read()).userspaceLog?.toString()).toBe('userspace and more')
    chmodSync(path('userspace'), 0o1600)
    expect((await reader.read()).userspaceLog?.toString()).toBe('userspace and more')
  })

  test('are null where the host has none, the event log empty', async () => {
    const { present, reader } = await setup()
    present.clear()
    expect(await reader.read()).toEqual({
      eventLog: Buffer.alloc(0),
      userspaceLog: null,
      imaLog: null,
      imaNew: null,
    })
  })

  test('are read from the start when one got shorter, or after a reset', async () => {
    const { path, reader } = await setup()
    await reader.read()
    writeFileSync(path('ima'), 'x')
    expect(await reader.read()).toMatchObject({ imaLog: Buffer.from('x'), imaNew: Buffer.from('x') })
    writeFileSync(path('ima'), 'yz')
    reader.reset()
    expect(await reader.read()).toMatchObject({ imaLog: Buffer.from('yz'), imaNew: Buffer.from('yz') })
  })
})

describe('kept evidence', () => {
  test('is every byte, stored once', async () => {
    const { path, reader, store, lineage } = await setup()
    const first = await store.keep(quote, await reader.read())
    const writes: Uint8Array[] = []
    const putBlob = lineage.putBlob.bind(lineage)
    Object.assign(lineage, {
      putBlob: (bytes: Uint8Array) => {
        writes.push(bytes)
        return putBlob(bytes)
      },
    })
    expect(await store.keep(quote, await reader.read())).toEqual(first)
    expect(writes.map(String)).toEqual(['attest', 'signature'])
    appendFileSync(path('ima'), 'more')
    const next = await store.keep(quote, await reader.read())
    expect(writes.map(String).slice(2)).toEqual(['attest', 'signature', 'more'])
    expect(next.imaLog).toHaveLength(2)
    const whole = await Promise.all(next.imaLog.map(digest => lineage.getBlob(digest)))
    expect(Buffer.concat(whole).toString()).toBe('imamore')
    expect(next.imaLength).toBe(7)
  })

  test('begins anew after a piece that was read and not kept, or a log that did not go on', async () => {
    const { path, reader, store, lineage } = await setup()
    await store.keep(quote, await reader.read())
    appendFileSync(path('ima'), '-lost')
    await reader.read()
    appendFileSync(path('ima'), '-kept')
    const kept = await store.keep(quote, await reader.read())
    const bytes = await Promise.all(kept.imaLog.map(digest => lineage.getBlob(digest)))
    expect(Buffer.concat(bytes).toString()).toBe('ima-lost-kept')
    writeFileSync(path('ima'), 'new')
    const { imaLog, imaLength } = await store.keep(quote, await reader.read())
    expect((await lineage.getBlob(imaLog[0] ?? '')).toString()).toBe('new')
    expect([imaLog.length, imaLength]).toEqual([1, 3])
  })

  test('is never more pieces than an entry names', async () => {
    const { path, reader, store } = await setup()
    let most = 0
    for (let i = 0; i < 260; i++) {
      appendFileSync(path('ima'), `${i},`)
      most = Math.max(most, (await store.keep(quote, await reader.read())).imaLog.length)
    }
    expect(most).toBe(256)
  })

  test('of an IMA log beyond one blob is split', async () => {
    const { path, reader, store } = await setup()
    writeFileSync(path('ima'), Buffer.alloc(MAX_BLOB_BYTES + 5, 7))
    const { imaLog, imaLength } = await store.keep(quote, await reader.read())
    expect([imaLog.length, imaLength]).toEqual([2, MAX_BLOB_BYTES + 5])
    rmSync(path('ima'))
  })

  test('of a host without logs is the quote', async () => {
    const { present, reader, store } = await setup()
    present.clear()
    expect(await store.keep(quote, await reader.read())).toMatchObject({
      userspaceLog: null,
      imaLog: [],
      imaLength: 0,
    })
  })
})
