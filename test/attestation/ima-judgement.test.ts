import { hash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { encodeReferenceValues, imaListWarnings, LogReplays } from '../../attestation/index.ts'
import { FileSigner } from './ima-signer.ts'
import { codes, host, judge } from './judged.ts'
import { CLOCK } from './software-quote.ts'
import { type Parts, parts } from './synthetic-host.ts'

const more = (...ima: Parts['ima']): Parts => ({ ...parts(), ima: [...parts().ima, ...ima] })

describe('what is excluded', () => {
  const excluding = (...exclude: string[]) =>
    host.reference(document => {
      document.ima.exclude = exclude
    })

  it('passes with a notice, also when it was changed while it was measured', () => {
    const reference = excluding('/tmp/**', '/var/*.log')
    const result = judge(more({ path: '/tmp/a/b' }, { path: '/var/x.log', violation: true }), { reference })
    expect(result).toMatchObject({
      verdict: 'pass',
      reasons: [
        { code: 'IMA_EXCLUDED', severity: 'notice', at: 'entry 3' },
        { code: 'IMA_EXCLUDED', at: 'entry 4' },
      ],
    })
    expect(codes(judge(more({ path: '/tmpx' }), { reference }))).toEqual(['IMA_ENTRY_UNKNOWN'])
    expect(codes(judge(more({ path: '/var/a/x.log' }), { reference }))).toEqual(['IMA_ENTRY_UNKNOWN'])
  })

  it('says nothing of a rule that nothing fell under', () => {
    expect(judge(parts(), { reference: excluding('/tmp/**') }).reasons).toEqual([])
  })

  it('never covers what is listed', () => {
    const changed = more({ path: '/bin/sh', digest: 'ab'.repeat(32) })
    expect(codes(judge(changed, { reference: excluding('/bin/*') }))).toEqual(['IMA_ENTRY_UNKNOWN'])
    expect(
      codes(judge(more({ path: '/bin/sh', violation: true }), { reference: excluding('/bin/*') })),
    ).toEqual(['IMA_VIOLATION'])
  })

  it('is a pattern with a bounded language', () => {
    for (const text of [
      '/**',
      '/*',
      'tmp/x',
      '/a//b',
      '/a/b**',
      '/a/',
      `/${'*a'.repeat(9)}`,
      `/${'a'.repeat(300)}`,
    ]) {
      expect(() => excluding(text), text).toThrow()
    }
    for (const text of ['/tmp/**', '/**/x', '/a/*b*/c', '/a/**/b/**'])
      expect(() => excluding(text), text).not.toThrow()
  })

  it('is told to whoever signs', () => {
    const document = host.document()
    document.ima.exclude = ['/tmp/**']
    document.ima.signers = [{ name: 'vendor', key: new FileSigner('prime256v1').spki.toString('base64') }]
    const changed = expect.stringContaining('and not which')
    expect(imaListWarnings(document.ima)).toEqual([
      changed,
      expect.stringContaining('nothing at /tmp/** is judged'),
      expect.stringContaining('whatever vendor has ever signed is accepted at any path'),
    ])
    expect(imaListWarnings(host.document().ima)).toEqual([])
    expect(imaListWarnings({ files: [], violations: ['/x'] })).toEqual([changed])
  })
})

describe('signed files', () => {
  const signer = new FileSigner('prime256v1')
  const content = Buffer.from('a program')
  const signed = {
    template: 'ima-sig',
    path: '/opt/program',
    digest: hash('sha256', content),
    signature: signer.sign(content),
  }
  const trusting = (key: FileSigner, paths?: string[]) =>
    host.reference(document => {
      document.ima.signers = [{ name: 'vendor', key: key.spki.toString('base64'), ...(paths && { paths }) }]
    })

  it('are acceptable when a listed key signed them, at the paths that it may', () => {
    expect(judge(more(signed), { reference: trusting(signer) }).verdict).toBe('pass')
    expect(judge(more(signed), { reference: trusting(signer, ['/opt/**']) }).verdict).toBe('pass')
    const elsewhere = judge(more(signed), { reference: trusting(signer, ['/usr/**']) })
    expect(codes(elsewhere)).toEqual(['IMA_ENTRY_UNKNOWN'])
  })

  it('are not when another key did, the content is another, or nobody signed', () => {
    const unknown = (entry: Parts['ima'][number]) =>
      codes(judge(more(entry), { reference: trusting(signer) }))
    const other = new FileSigner('prime256v1')
    expect(unknown({ ...signed, signature: other.sign(content) })).toEqual(['IMA_ENTRY_UNKNOWN'])
    expect(unknown({ ...signed, signature: other.sign(content, { keyId: signer.keyId }) })).toEqual([
      'IMA_ENTRY_UNKNOWN',
    ])
    expect(unknown({ ...signed, digest: hash('sha256', 'other') })).toEqual(['IMA_ENTRY_UNKNOWN'])
    expect(unknown({ ...signed, signature: Buffer.alloc(0) })).toEqual(['IMA_ENTRY_UNKNOWN'])
  })

  it('have to have a listed digest where their path is listed', () => {
    const replaced = { ...signed, path: '/bin/sh' }
    expect(codes(judge(more(replaced), { reference: trusting(signer) }))).toEqual(['IMA_ENTRY_UNKNOWN'])
  })

  it('come from keys that can be read, once each', () => {
    const document = host.document()
    const key = signer.spki.toString('base64')
    for (const signers of [
      [{ name: 'x', key: 'AAAA' }],
      [
        { name: 'x', key },
        { name: 'y', key },
      ],
    ]) {
      expect(() => encodeReferenceValues({ ...document, ima: { ...document.ima, signers } })).toThrow(
        'ima.signers',
      )
    }
  })
})

describe('a log of one boot', () => {
  const long = more({ path: '/bin/sh' }, { path: '/bin/ls' })
  const start = (): LogReplays => {
    const replays = new LogReplays()
    expect(judge(long, { replays }).verdict).toBe('pass')
    return replays
  }
  /** The log is changed on its way, and the quote is what it has to be. */
  const altered = (ima: Parts['ima'], replays: LogReplays, resetCount = 7) => {
    const quote = host.evidence(long, { clock: { ...CLOCK, resetCount } }).quote
    return judge(long, { replays, evidence: { ...host.evidence({ ...long, ima }), quote } }).reasons
  }

  it('that was rewritten fails and names the first entry that differs', () => {
    const ima = long.ima.map((entry, i) => (i === 2 || i === 4 ? { path: '/bin/other' } : entry))
    expect(altered(ima, start())).toMatchObject([
      { code: 'QUOTE_PCR_DIGEST_MISMATCH' },
      { code: 'IMA_LOG_REWRITTEN', severity: 'fail', at: 'entry 2' },
    ])
  })

  it('that is shorter than before fails and names the first entry that is gone', () => {
    expect(altered(long.ima.slice(0, 3), start())).toMatchObject([
      { code: 'QUOTE_PCR_DIGEST_MISMATCH' },
      { code: 'IMA_LOG_SHORTENED', at: 'entry 3' },
    ])
    expect(altered([], start())).toMatchObject([{}, { code: 'IMA_LOG_SHORTENED', at: 'entry 0' }])
  })

  it('is known again after a failure in between, and in another boot there is nothing to compare with', () => {
    const replays = start()
    altered(long.ima.slice(0, 3), replays)
    expect(judge(long, { replays }).verdict).toBe('pass')
    expect(altered(long.ima.slice(0, 3), replays, 8)).toMatchObject([{ code: 'QUOTE_PCR_DIGEST_MISMATCH' }])
  })

  it('may differ from before where no quote had covered it', () => {
    const replays = new LogReplays()
    expect(judge({ ...long, quoted: 3 }, { replays }).verdict).toBe('pass')
    const other = { ...long, ima: [...long.ima.slice(0, 4), { path: '/bin/sh' }] }
    expect(judge(other, { replays }).verdict).toBe('pass')
  })
})
