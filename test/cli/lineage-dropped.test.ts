import { expect, test } from 'vitest'
import { droppedIn } from '../../cli/lineage/dropped.ts'
import { directorySource } from '../../cli/lineage/source.ts'
import { decision, digestOf, openRetention, stored } from '../lineage/support/evidence-log.ts'
import { openLog, temporaryDirectory, testSigner } from '../lineage/support/log.ts'
import { writ } from './cli.ts'

test('what was dropped is said with the entry that says so, of the entries that lost it', async () => {
  const log = await openLog(temporaryDirectory(), { signer: testSigner() })
  for (let n = 0; n < 20; n++) await decision(log, n, `record ${n}`)
  await (await openRetention(log, 10)).run()
  await decision(log, 30, 'record 3')
  await log.checkpoint()
  await log.close()
  expect(stored(log, 'record 2', 'record 3')).toEqual(['record 3'])
  const source = directorySource(log.directory)
  expect(await droppedIn(source, 2, digestOf('record 2'))).toBe(20)
  expect(await droppedIn(source, 19, digestOf('record 19'))).toBe(null)
  // That one names it again.
  expect(await droppedIn(source, 21, digestOf('record 3'))).toBe(null)
  const show = await writ([
    'lineage',
    'show',
    '2',
    '--blob',
    digestOf('record 2'),
    '--directory',
    log.directory,
  ])
  expect(show.status).not.toBe(0)
  expect(show.stderr).toContain('not kept any longer: dropped in entry 20')
})
