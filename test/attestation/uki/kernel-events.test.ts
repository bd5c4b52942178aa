import { hash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { type KernelEvents, predictKernelEvents, readUki } from '../../../attestation/uki/index.ts'
import { ukiImage } from '../../support/pe-image.ts'

type Parts = Parameters<typeof ukiImage>[0]
const of = (parts: Parts, stub = '257'): KernelEvents =>
  predictKernelEvents(readUki(ukiImage([['.linux', 'kernel'], ...parts], { stub })), { banks: ['sha256'] })
const initrdOf = (parts: Parts, stub?: string): string | undefined =>
  of(parts, stub).initrd?.get('sha256')?.toString('hex')
const sha256 = (...parts: (string | Buffer)[]): string =>
  hash('sha256', Buffer.concat(parts.map(part => Buffer.from(part))))

/** An archive of one file below `.extra` (kernel: Documentation/driver-api/early-userspace/buffer-format.rst). */
function extra(file: string, content: string): Buffer {
  const word = (value: number): string => value.toString(16).padStart(8, '0')
  const one = (inode: number, mode: number, name: string, data: string, links = 1): string => {
    const words = [inode, mode, 0, 0, links, 0, data.length, 0, 0, 0, 0, name.length + 1, 0]
      .map(word)
      .join('')
    const header = `070701${words}${name}\0`
    const padded = header.padEnd(Math.ceil(header.length / 4) * 4, '\0')
    return padded + data.padEnd(Math.ceil(data.length / 4) * 4, '\0')
  }
  const trailer = one(0, 0, 'TRAILER!!!', '').replace('0000000b', '0000000B')
  return Buffer.from(one(1, 0o40555, '.extra', '') + one(2, 0o100444, `.extra/${file}`, content) + trailer)
}

describe('predictKernelEvents', () => {
  it('measures the command line as UTF-16 with its zero, without space around it', () => {
    const line = of([['.cmdline', '  root=/dev/vda2\tquiet \n\0']]).commandLine
    expect(line?.text).toBe('root=/dev/vda2 quiet')
    expect(line?.digests.get('sha256')?.toString('hex')).toBe(
      sha256(Buffer.from('root=/dev/vda2 quiet\0', 'utf16le')),
    )
    expect(of([]).commandLine).toBeNull()
  })

  it('is the recorded hosts’ command line', () => {
    const text = 'root=/dev/vda2 rw console=ttyS0 ima_policy=tcb ima_hash=sha256 panic=1'
    // Event 40 of test/fixtures/hosts/debian13-uki/eventlog.bin.
    expect(
      of([['.cmdline', text]])
        .commandLine?.digests.get('sha256')
        ?.toString('hex'),
    ).toBe('0a9c843f150ee7682d86976a03cd7dd6dd1dc93d1ecece38aaa1ee56557fd218')
  })

  it('measures an initrd that is alone as it is', () => {
    expect(initrdOf([['.initrd', 'initrd']])).toBe(sha256('initrd'))
    expect(of([]).initrd).toBeNull()
  })

  it('adds microcode before, and archives of what the stub hands on behind', () => {
    const parts: Parts = [
      ['.osrel', 'ID=debian'],
      ['.initrd', 'initrd'],
      ['.ucode', 'micro'],
      ['.pcrsig', '{}'],
      ['.pcrpkey', 'key'],
    ]
    const sig = extra('tpm2-pcr-signature.json', '{}')
    const key = extra('tpm2-pcr-public-key.pem', 'key')
    const release = extra('os-release', 'ID=debian')
    expect(initrdOf(parts)).toBe(sha256('micro\0\0\0', 'initrd\0\0', sig, key, release))
    expect(initrdOf(parts, '256')).toBe(sha256('micro\0\0\0', 'initrd\0\0', sig, key))
    expect(initrdOf([['.osrel', 'ID=debian']])).toBe(sha256(release))
    const profile: Parts = [
      ['.initrd', 'initrd'],
      ['.profile', 'ID=x'],
    ]
    expect(initrdOf(profile)).toBe(sha256('initrd\0\0', extra('profile', 'ID=x')))
  })
})
