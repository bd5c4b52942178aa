import { spawnSync } from 'node:child_process'
import { createPublicKey } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Quote } from '../../../attestation/index.ts'
import { readQuoteKey } from '../../../attestation/index.ts'

/** Whether Debian's `tpm2_checkquote` (tpm2-tools) is here. Its version decides which of its known mistakes it makes. */
export const TOOL_VERSION = /version="(\d+)\.(\d+)/.exec(
  spawnSync('tpm2_checkquote', ['--version'], { encoding: 'utf8' }).stdout ?? '',
)
export const HAS_TOOL = TOOL_VERSION !== null

/** Whether the tool is of a version before this one. */
export function toolIsBefore(major: number, minor: number): boolean {
  const [, itsMajor = 0, itsMinor = 0] = (TOOL_VERSION ?? []).map(Number)
  return itsMajor < major || (itsMajor === major && itsMinor < minor)
}

/** What `tpm2_checkquote` says of a quote: whether it takes it. */
export function toolTakes(
  quote: Quote,
  key: Uint8Array,
  options: { nonce?: Uint8Array; hash?: string; pcrs?: Uint8Array } = {},
): boolean {
  const dir = mkdtempSync(join(tmpdir(), 'writ checkquote '))
  try {
    const file = (name: string, bytes: Uint8Array | string): string => {
      writeFileSync(join(dir, name), bytes)
      return join(dir, name)
    }
    const spki = readQuoteKey(key).object.export({ type: 'spki', format: 'der' })
    const pem = createPublicKey({ key: spki, format: 'der', type: 'spki' }).export({
      type: 'spki',
      format: 'pem',
    })
    const args = [
      '-u',
      file('ak.pem', pem),
      '-m',
      file('msg', quote.attest),
      '-s',
      file('sig', quote.signature),
    ]
    if (options.nonce !== undefined) args.push('-q', Buffer.from(options.nonce).toString('hex'))
    if (options.pcrs !== undefined) args.push('-f', file('pcrs', options.pcrs))
    const { status } = spawnSync('tpm2_checkquote', [...args, '-g', options.hash ?? 'sha256'], {
      stdio: 'ignore',
    })
    return status === 0
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}
