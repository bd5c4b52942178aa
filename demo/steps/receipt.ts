import { copyFile, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DemoError } from '../processes.ts'
import type { Screen } from '../screen.ts'
import { writ, writJson } from '../writ.ts'
import type { Site } from './serve.ts'

interface Listed {
  readonly executions: readonly { readonly executionId: string; readonly end: { cause: string } | null }[]
}
interface Verified {
  readonly verified: boolean
  readonly properties: readonly { readonly status: string }[]
}

/** The receipt of the inference, verified by somebody who has one file, the operator's public key and the root of the EK certificates. */
export async function receipt(screen: Screen, site: Site): Promise<void> {
  screen.heading('One file that proves one run, to somebody who has never seen the host')
  const { executions } = await writJson<Listed>(['executions', '--all', '--socket', site.socket])
  const run = executions.find(({ end }) => end?.cause === 'EXIT')
  if (run === undefined) throw new DemoError('no execution has ended by itself')
  const dir = await site.workspace.makeDirectory('stranger')
  await copyFile(join(site.operator, 'operator.pub'), join(dir, 'operator.pub'))
  await copyFile(site.tpm.paths.rootCertificate, join(dir, 'ek-root.pem'))
  const file = join(dir, 'receipt.json')
  screen.command('writ receipt get ID --out receipt.json')
  await screen.waiting(
    'getting the receipt',
    writJson(['receipt', 'get', run.executionId, '--out', file, '--socket', site.socket]),
  )
  const trust = ['--operator-key', 'operator.pub', '--ek-root', 'ek-root.pem', '--whole']
  const verify = () => writ(['receipt', 'verify', 'receipt.json', ...trust, '--json'], { cwd: dir })
  screen.command(`writ receipt verify receipt.json ${trust.join(' ')}`)
  const { status, stdout } = await screen.waiting('verifying', verify())
  const { properties } = JSON.parse(stdout) as Verified
  const good = properties.filter(property => property.status === 'VERIFIED').length
  screen.result(
    'Receipt of the inference',
    `${good} of ${properties.length} properties VERIFIED`,
    status === 0,
  )

  const bytes = await readFile(file)
  const at = Math.floor(bytes.length / 2)
  bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at)
  await writeFile(file, bytes)
  const changed = await screen.waiting('verifying a changed one', verify())
  screen.result('A receipt with a flipped bit', `exit status ${changed.status}`, changed.status === 1)
}
