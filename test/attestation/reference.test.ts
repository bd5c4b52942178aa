import { describe, expect, it } from 'vitest'
import {
  type CaptureInput,
  captureReferenceValues,
  encodeReferenceValues,
  parseReferenceValues,
  ReferenceValuesError,
} from '../../attestation/index.ts'
import { sha256Hex } from '../../encoding/digest.ts'
import { canonicalJsonBytes } from '../../encoding/json.ts'
import { ANY_KEYS, EXTRA_DATA, parts, SyntheticHost } from './synthetic-host.ts'
import { separator } from './tcg-log.ts'

const host = new SyntheticHost()
const document = host.document()

function codeOf(step: () => unknown): string {
  try {
    step()
  } catch (error) {
    if (error instanceof ReferenceValuesError) return error.code
    throw error
  }
  return 'OK'
}
const parse = (value: unknown): string => codeOf(() => parseReferenceValues(canonicalJsonBytes(value)))

describe('parseReferenceValues', () => {
  it('gives back what was encoded, named by the digest of the payload', () => {
    const payload = encodeReferenceValues(document)
    const values = parseReferenceValues(payload)
    expect(values.document).toEqual(document)
    expect(values.digest).toBe(sha256Hex(payload))
    expect(values.pcrs.size).toBe(16)
    const shell = document.ima.files.find(({ path }) => path === '/bin/sh')
    expect(values.ima.files.size).toBe(document.ima.files.length)
    expect(values.ima.files.accepts('/bin/sh', shell?.digests[0] ?? '')).toBe(true)
  })

  const file = { path: '/bin/sh', digests: [`sha256:${'ab'.repeat(32)}`] }
  const part = { name: 'writd', path: '/usr/lib/writ/writd', digests: [`sha256:${'cd'.repeat(32)}`] }
  it('takes components, by their path', () => {
    const values = parseReferenceValues(encodeReferenceValues({ ...document, components: [part] }))
    expect([...values.components]).toEqual([[part.path, part]])
  })

  const withAny = (...pcrs: number[]) =>
    document.pcrs.map(rule => (pcrs.includes(rule.pcr) ? { pcr: rule.pcr, rule: 'any' } : rule))
  const uki = {
    name: 'x',
    image: '00'.repeat(32),
    events: [{ name: '.linux', digest: '00'.repeat(32) }],
    phases: ['ready'],
  }
  const rule = { pcr: 0, rule: 'value', values: ['00'.repeat(32)] }
  it.each([
    ['an unknown field', { ...document, more: 1 }],
    ['another version', { ...document, version: 1 }],
    ['no revision', { ...document, revision: undefined }],
    ['revision 0', { ...document, revision: 0 }],
    ['a revision that is not whole', { ...document, revision: 1.5 }],
    ['no word on the firmware', { ...document, firmware: undefined }],
    ['firmware that is not judged', { ...document, firmware: [{ name: 'x', events: [] }] }],
    ['no word on boot images', { ...document, bootImages: undefined }],
    ['boot images that are not judged', { ...document, bootImages: [] }],
    ['no word on command lines', { ...document, commandLines: undefined }],
    ['command lines that are not judged', { ...document, bootFiles: 'any', pcrs: withAny(8, 9, 12) }],
    ['boot files that are not judged', { ...document, pcrs: withAny(9) }],
    ['an event of a PCR that is judged otherwise', { ...document, pcrs: withAny(11) }],
    [
      'keys that are not judged',
      { ...document, secureBoot: { ...ANY_KEYS, enabled: true, db: [] }, pcrs: withAny(7) },
    ],
    ['a UKI that is not judged', { ...document, pcrs: withAny(11), events: [], ukis: [uki] }],
    ['a UKI without events', { ...document, ukis: [{ ...uki, events: [] }] }],
    ['a phase that is none', { ...document, ukis: [{ ...uki, phases: ['Ready'] }] }],
    ['no word on quirks', { ...document, quirks: undefined }],
    ['a quirk that there is not', { ...document, quirks: ['whatever'] }],
    ['no firmware versions', { ...document, firmwareVersions: undefined }],
    ['an empty list of firmware versions', { ...document, firmwareVersions: [] }],
    ['no word on Secure Boot', { ...document, secureBoot: undefined }],
    ['no rule', { ...document, pcrs: [] }],
    ['two rules for a PCR', { ...document, pcrs: [rule, { pcr: 0, rule: 'any' }] }],
    ['a rule for PCR 16', { ...document, pcrs: [{ pcr: 16, rule: 'any' }] }],
    ['an unknown rule', { ...document, pcrs: [{ pcr: 0, rule: 'some' }] }],
    ['IMA in another PCR', { ...document, pcrs: [{ pcr: 11, rule: 'ima' }] }],
    ['no value', { ...document, pcrs: [{ ...rule, values: [] }] }],
    ['a value in upper case', { ...document, pcrs: [{ ...rule, values: ['AA'.repeat(32)] }] }],
    ['a short value', { ...document, pcrs: [{ ...rule, values: ['aa'.repeat(31)] }] }],
    ['a field too many in a rule', { ...document, pcrs: [{ ...rule, digests: [] }] }],
    ['a path twice', { ...document, ima: { files: [file, file], violations: [] } }],
    ['a file without a digest', { ...document, ima: { files: [{ ...file, digests: [] }], violations: [] } }],
    [
      'a digest of the wrong length',
      { ...document, ima: { files: [{ ...file, digests: ['sha256:ab'] }], violations: [] } },
    ],
    [
      'a digest of an unknown hash',
      { ...document, ima: { files: [{ ...file, digests: [`md5:${'ab'.repeat(16)}`] }], violations: [] } },
    ],
    ['a measured path that may be changed', { ...document, ima: { files: [file], violations: ['/bin/sh'] } }],
    ['no word on components', { ...document, components: undefined }],
    ['an empty list of components', { ...document, components: [] }],
    ['a component without a digest', { ...document, components: [{ ...part, digests: [] }] }],
    ['a component without a path', { ...document, components: [{ ...part, path: '' }] }],
    ['a component with a field too many', { ...document, components: [{ ...part, any: true }] }],
    ['two components at one path', { ...document, components: [part, { ...part, name: 'other' }] }],
    ['two components of one name', { ...document, components: [part, { ...part, path: '/usr/bin/other' }] }],
    ['a component that is listed as a file', { ...document, components: [{ ...part, path: '/bin/sh' }] }],
    [
      'a component that may be changed while it is measured',
      { ...document, components: [part], ima: { files: [], violations: [part.path] } },
    ],
    [
      'components where nobody looks at what IMA measured',
      { ...document, components: [part], pcrs: [{ pcr: 10, rule: 'any' }] },
    ],
    ['no object', []],
  ])('refuses %s', (_, value) => {
    expect(parse(value)).toBe('REFERENCE_MALFORMED')
  })

  it('refuses a key twice, and what is no JSON', () => {
    const twice = Buffer.from(encodeReferenceValues(document).toString().replace('{', '{"version":1,'))
    expect(codeOf(() => parseReferenceValues(twice))).toBe('REFERENCE_MALFORMED')
    expect(codeOf(() => parseReferenceValues(Buffer.from('x')))).toBe('REFERENCE_MALFORMED')
  })
})

describe('captureReferenceValues', () => {
  const capture = (
    evidence = host.evidence(parts()),
    extraData = EXTRA_DATA,
    components: CaptureInput['components'] = 'any',
  ) =>
    captureReferenceValues({
      evidence,
      expected: { ...host.expected, extraData },
      name: 'x',
      created: '2026-11-21T02:00:00.000Z',
      components,
    })

  it('hands PCR 10 to IMA, describes the others, and pins those of a firmware that closes them with no separator', () => {
    expect(document.pcrs.map(({ rule }) => rule)).toEqual(
      Array.from({ length: 16 }, (_, pcr) => (pcr === 10 ? 'ima' : pcr < 7 ? 'value' : 'described')),
    )
    expect(document.secureBoot).toEqual({ ...ANY_KEYS, authorities: [], enabled: true })
    expect(document.ima.files.map(({ path }) => path)).toEqual(['/bin/ls', '/bin/sh'])
  })

  it('takes only what the quote covers', () => {
    const ahead = { ...parts(), ima: [...parts().ima, { path: '/bin/later' }], quoted: 3 }
    expect(capture(host.evidence(ahead)).ima.files).toHaveLength(2)
  })

  it('collects several digests of a path, and violations', () => {
    const ima = [
      ...parts().ima,
      { path: '/bin/sh', digest: 'ab'.repeat(32) },
      { path: '/var/log/x', violation: true },
    ]
    const captured = capture(host.evidence({ ...parts(), ima }))
    expect(captured.ima.files.find(({ path }) => path === '/bin/sh')?.digests).toHaveLength(2)
    expect(captured.ima.violations).toEqual(['/var/log/x'])
  })

  it('takes nothing from a file that was changed while it was measured', () => {
    const ima = [...parts().ima, { path: '/bin/sh', violation: true }]
    expect(codeOf(() => capture(host.evidence({ ...parts(), ima })))).toBe('REFERENCE_EVIDENCE_INCONSISTENT')
  })

  it('takes nothing from logs that the quote does not explain, or that no firmware writes', () => {
    expect(codeOf(() => capture(host.evidence({ ...parts(), unlogged: [8] })))).toBe(
      'REFERENCE_EVIDENCE_INCONSISTENT',
    )
    expect(codeOf(() => capture({ ...host.evidence(parts()), eventLog: Buffer.alloc(0) }))).toBe(
      'REFERENCE_EVIDENCE_INCONSISTENT',
    )
    const events = [...parts().events, separator(7)]
    expect(codeOf(() => capture(host.evidence({ ...parts(), events })))).toBe(
      'REFERENCE_EVIDENCE_INCONSISTENT',
    )
  })

  it('takes nothing from a quote that does not verify', () => {
    expect(() => capture(host.evidence(parts()), Buffer.alloc(32))).toThrow(/not bound to what was asked for/)
  })

  it('takes components from what was measured and from the files as they are, apart from other files', () => {
    const of = { ...parts(), ima: [...parts().ima, { path: '/usr/lib/writ/writd', digest: 'ab'.repeat(32) }] }
    const [measured, installed] = ['ab', 'cd'].map(byte => `sha256:${byte.repeat(32)}`)
    const names = (writd: string[], addon: string[]) => [
      { name: 'writd', path: '/usr/lib/writ/writd', digests: writd },
      { name: 'addon', path: '/usr/lib/writ/writ.node', digests: addon },
    ]
    const with2 = (writd: string[], addon: string[], ima = of.ima) =>
      capture(host.evidence({ ...of, ima }), EXTRA_DATA, names(writd, addon))
    const captured = with2([], [installed ?? ''])
    expect(captured.components).toEqual(names([measured ?? ''], [installed ?? '']))
    expect(captured.ima.files.map(({ path }) => path)).toEqual(['/bin/ls', '/bin/sh'])
    expect(with2([installed ?? ''], [installed ?? '']).components).toEqual(
      names([measured ?? '', installed ?? ''], [installed ?? '']),
    )
    expect(codeOf(() => with2([], []))).toBe('REFERENCE_EVIDENCE_INCONSISTENT')
    const changing = [...of.ima, { path: '/usr/lib/writ/writ.node', violation: true }]
    expect(codeOf(() => with2([], [installed ?? ''], changing))).toBe('REFERENCE_EVIDENCE_INCONSISTENT')
  })

  it('pins PCR 10 to zero where the host has no IMA log', () => {
    const evidence = { ...host.evidence({ ...parts(), quoted: 0 }), imaLog: null }
    const captured = capture(evidence)
    expect(captured.pcrs[10]).toEqual({ pcr: 10, rule: 'value', values: ['00'.repeat(32)] })
    expect(captured.ima).toEqual({ files: [], violations: [] })
  })
})
