import { createHash, generateKeyPairSync, randomBytes, sign } from 'node:crypto'
import { copyFile, cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DemoError, type Finished } from '../processes.ts'
import { type Screen, styled } from '../screen.ts'
import { writ } from '../writ.ts'
import type { Site } from './serve.ts'

/** The lineage as a tree; the export, verified elsewhere with nothing but two files; and what a changed bundle comes to. */
export async function audit(screen: Screen, site: Site): Promise<void> {
  screen.heading('The lineage, and what an auditor makes of it')
  screen.command('writ lineage tree')
  const tree = await writ(['lineage', 'tree', '--socket', site.socket])
  if (tree.status !== 0) throw new DemoError(`writ lineage tree failed:\n${tree.stderr}`)
  screen.quote(shorten(tree.stdout.replaceAll(`${site.workspace.directory}/`, '')))

  screen.command('writ lineage export bundle/')
  const exported = site.workspace.path('bundle')
  const done = await screen.waiting(
    'exporting',
    writ(['lineage', 'export', exported, '--state-dir', site.stateDirectory, '--socket', site.socket]),
  )
  if (done.status !== 0) throw new DemoError(`writ lineage export failed:\n${done.stderr}`)

  const auditor = new Auditor(await site.workspace.makeDirectory('auditor'))
  await auditor.receive(exported, site)
  screen.command(
    'writ verify bundle/ --operator-key operator.pub --ek-root ek-root.pem   # elsewhere, offline',
  )
  const verified = await screen.waiting('verifying', auditor.verify())
  screen.quote(shorten(verified.stdout, 160))
  screen.result('Offline verification', count(verified.stdout), verified.status === 0)

  const wrong = await screen.waiting('verifying changed bundles', auditor.tryChanges(screen))
  screen.result(
    'Changed bundles',
    `${wrong.found} of ${wrong.tried} found, and the file named`,
    wrong.found === wrong.tried,
  )
}

const CHECKPOINT = 'lineage/checkpoint'

/** What an auditor has: a copy of the bundle, the operator's public key, the root of the EK certificates. */
class Auditor {
  readonly #dir: string
  readonly #bundle: string

  constructor(dir: string) {
    this.#dir = dir
    this.#bundle = join(dir, 'bundle')
  }

  async receive(exported: string, site: Site): Promise<void> {
    await cp(exported, this.#bundle, { recursive: true })
    await copyFile(join(site.operator, 'operator.pub'), join(this.#dir, 'operator.pub'))
    await copyFile(join(site.operator, 'stranger.pub'), join(this.#dir, 'stranger.pub'))
    await copyFile(site.tpm.paths.rootCertificate, join(this.#dir, 'ek-root.pem'))
  }

  verify(bundle = this.#bundle, operator = 'operator.pub'): Promise<Finished> {
    return writ(['verify', bundle, '--operator-key', operator, '--ek-root', 'ek-root.pem'], {
      cwd: this.#dir,
    })
  }

  /** One byte of one file of each kind, then whole files. */
  async tryChanges(screen: Screen): Promise<{ tried: number; found: number }> {
    const files = await this.#oneOfEachKind()
    let found = 0
    const judge = (what: string, { status, stdout }: Finished, named: string) => {
      const good = status === 1 && stdout.includes('FAILED') && stdout.includes(named)
      if (good) found++
      const line = stdout.split('\n').find(text => text.includes('FAILED') && text.includes(named)) ?? stdout
      screen.line(
        `${good ? styled('green', '✓') : styled('red', '✗')} ${what.padEnd(44)} ${shorten(line.trim(), 90)}`,
      )
    }
    for (const file of files) {
      await this.#withChanged(file, flipped, async () =>
        judge(`a flipped byte in ${short(file)}`, await this.verify(), file),
      )
    }
    const entries = files.find(path => path.startsWith('lineage/tile/entries/')) ?? ''
    await this.#withChanged(entries, halved, async () =>
      judge('a log that was cut', await this.verify(), entries),
    )
    await this.#withChanged(CHECKPOINT, signedAgain, async () =>
      judge('a log signed again with a key of its own', await this.verify(), CHECKPOINT),
    )
    const [last = ''] = files.slice(-1)
    const kept = await readFile(join(this.#bundle, last))
    await rm(join(this.#bundle, last))
    judge(`${short(last)} is missing`, await this.verify(), last)
    await writeFile(join(this.#bundle, last), kept)
    const empty = join(this.#dir, 'empty')
    await mkdir(empty)
    judge('an empty bundle', await this.verify(empty), 'checkpoint')
    judge(
      'keys that only the bundle vouches for',
      await this.verify(this.#bundle, 'stranger.pub'),
      'operator',
    )
    return { tried: files.length + 5, found }
  }

  async #withChanged(
    file: string,
    change: (bytes: Buffer) => Buffer,
    work: () => Promise<void>,
  ): Promise<void> {
    const path = join(this.#bundle, file)
    const bytes = await readFile(path)
    await writeFile(path, change(bytes))
    try {
      await work()
    } finally {
      await writeFile(path, bytes)
    }
  }

  async #oneOfEachKind(): Promise<string[]> {
    const all = (await readdir(this.#bundle, { recursive: true, withFileTypes: true }))
      .filter(item => item.isFile())
      .map(item => join(item.parentPath, item.name).slice(this.#bundle.length + 1))
      .sort()
    const kinds = [
      'host/ak-certificate.der',
      'host/identity.json',
      CHECKPOINT,
      'lineage/tile/0/',
      'lineage/tile/entries/',
      'lineage/evidence/',
    ]
    return kinds.map(kind => {
      const file = all.find(path => path.startsWith(kind))
      if (file === undefined) throw new DemoError(`the bundle has no ${kind}`)
      return file
    })
  }
}

function flipped(bytes: Buffer): Buffer {
  const at = Math.floor(bytes.length / 2)
  const changed = Buffer.from(bytes)
  changed.writeUInt8(changed.readUInt8(at) ^ 1, at)
  return changed
}

function halved(bytes: Buffer): Buffer {
  return bytes.subarray(0, Math.floor(bytes.length / 2))
}

/**
 * The checkpoint with another root, and an Ed25519 line of its own for it in the log's name (C2SP signed-note): all that a
 * forger can do who does not have the TPM.
 */
function signedAgain(note: Buffer): Buffer {
  const [origin = '', size = '', , , , tpmLine = ''] = note.toString().split('\n')
  const text = `${[origin, size, randomBytes(32).toString('base64')].join('\n')}\n`
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const raw = publicKey.export({ format: 'der', type: 'spki' }).subarray(-32)
  const hash = createHash('sha256').update(`${origin}\n`).update(Buffer.of(1)).update(raw)
  const line = Buffer.concat([hash.digest().subarray(0, 4), sign(null, Buffer.from(text), privateKey)])
  return Buffer.from(`${text}\n— ${origin} ${line.toString('base64')}\n${tpmLine}\n`)
}

function short(path: string): string {
  return path.replace(/^lineage\//, '').replace(/([0-9a-f]{8})[0-9a-f]{50,}/, '$1…')
}

/** Long lines do not help on a screen. */
function shorten(text: string, width = 130): string {
  return text
    .split('\n')
    .map(line => (line.length > width ? `${line.slice(0, width - 1)}…` : line))
    .join('\n')
}

function count(stdout: string): string {
  const times = (word: string) => stdout.split('\n').filter(line => line.startsWith(word)).length
  return `${times('VERIFIED')} properties VERIFIED, ${times('NOT CHECKED')} NOT CHECKED, ${times('FAILED')} FAILED`
}
