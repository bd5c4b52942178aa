import { describe, expect, it } from 'vitest'
import {
  encodeExecutions,
  encodeReport,
  parseReport,
  type Report,
  type ReportTrust,
  verifyReport,
} from '../../attestation/index.ts'
import { lineageJudge } from '../../cli/report/lineage.ts'
import { sha256 } from '../../encoding/digest.ts'
import { signCheckpoint } from '../../lineage/checkpoint.ts'
import { CompactRange, leafHash } from '../../lineage/tree/merkle.ts'
import { consistencyPath } from '../../lineage/tree/proof.ts'
import { generateKey } from '../../signing/key.ts'
import { ReportingHost } from './made-up-report.ts'
import { parts } from './synthetic-host.ts'

/** A log of so many entries of its own. */
function log(seed: number, size: number) {
  const leaves = Array.from({ length: size }, (_, i) => leafHash(Buffer.of(seed, i)))
  const root = (from = 0, to = size): Buffer => {
    const range = new CompactRange()
    for (const leaf of leaves.slice(from, to)) range.append(leaf)
    return range.root()
  }
  const proof = (from: number) =>
    consistencyPath(async (height, i) => root(i * 2 ** height, (i + 1) * 2 ** height), from, size)
  return { root, proof }
}

/** A report of a host whose log has `size` entries, the first `signed` of them under a checkpoint. */
async function reportOf(made: ReportingHost, seed: number, size = 9, signed = 5): Promise<Report> {
  const { root, proof } = log(seed, size)
  const signer = {
    logKey: generateKey('ed25519'),
    ak: made.host.key.ak,
    quote: async (extraData: Buffer) => made.host.key.quote(made.host.pcrs(parts()), { extraData }),
  }
  const head = { size: signed, root: root(0, signed) }
  const { note } = await signCheckpoint(signer, 'example.org/log', head)
  const checkpoint = { note, proof: await proof(signed) }
  return made.report({
    binding: { treeSize: BigInt(size), lineageRoot: root() },
    report: { checkpoint },
  })
}

const operator = generateKey('ed25519')
const [made, other] = await Promise.all([ReportingHost.make(operator), ReportingHost.make(operator)])
const [report, theirs] = await Promise.all([reportOf(made, 1), reportOf(other, 2)])

function verify(report: Report, over: Partial<ReportTrust> = {}): Record<string, string> {
  // Through the file: what is swapped has to be found in what is read.
  const read = parseReport(encodeReport(report))
  const { properties } = verifyReport(read, made.trust({ lineage: lineageJudge, ...over }))
  return Object.fromEntries(properties.map(({ name, status }) => [name, status]))
}

/** With what the items say of themselves in step with them: only the quote can tell. */
function withExecutions(executions: Buffer): Report {
  return { ...report, executions, binding: { ...report.binding, executionsDigest: sha256(executions) } }
}
function withSessionKey(): Report {
  const { spki } = generateKey('ed25519').public
  return {
    ...report,
    sessionKeySpki: spki,
    binding: { ...report.binding, sessionKeySpkiDigest: sha256(spki) },
  }
}

describe('a report', () => {
  it('of one host verifies whole', () => {
    const { clock, 'lineage growth': growth, ...rest } = verify(report)
    expect(new Set(Object.values(rest))).toEqual(new Set(['VERIFIED']))
    expect([clock, growth]).toEqual(['NOT CHECKED', 'NOT CHECKED'])
  })

  const { evidence } = report
  it.each<[string, Report, string[]]>([
    [
      'the quote of another host',
      { ...report, evidence: { ...evidence, quote: theirs.evidence.quote } },
      ['quote', 'logs'],
    ],
    [
      'the signature of another host',
      {
        ...report,
        evidence: { ...evidence, quote: { ...evidence.quote, signature: theirs.evidence.quote.signature } },
      },
      ['quote'],
    ],
    [
      'quote and key of another host',
      {
        ...report,
        evidence: { ...evidence, quote: theirs.evidence.quote },
        akPublicArea: theirs.akPublicArea,
      },
      ['host', 'quote', 'AK certificate'],
    ],
    [
      'all of another host but the certificates',
      { ...theirs, akCertificate: report.akCertificate, ekCertificate: report.ekCertificate },
      ['host', 'AK certificate'],
    ],
    [
      'the event log of another boot',
      { ...report, evidence: { ...evidence, eventLog: evidence.eventLog.subarray(0, -1) } },
      ['logs'],
    ],
    ['the IMA log of another', { ...report, evidence: { ...evidence, imaLog: imaOfAnother() } }, ['logs']],
    ['no IMA log', { ...report, evidence: { ...evidence, imaLog: null } }, ['logs']],
    ['no user-space log', { ...report, evidence: { ...evidence, userspaceLog: null } }, ['logs']],
    ['the checkpoint of another log', { ...report, checkpoint: theirs.checkpoint }, ['lineage checkpoint']],
    [
      'a checkpoint without the proof that the log goes on from it',
      { ...report, checkpoint: report.checkpoint && { ...report.checkpoint, proof: [] } },
      ['lineage checkpoint'],
    ],
    [
      'another tree',
      { ...report, binding: { ...report.binding, treeSize: 10n } },
      ['quote', 'lineage checkpoint'],
    ],
    [
      'executions left out',
      withExecutions(encodeExecutions({ running: 0, executions: [] })),
      ['quote', 'executions'],
    ],
    ['another session key', withSessionKey(), ['quote']],
    [
      'the nonce of another',
      { ...report, binding: { ...report.binding, nonce: Buffer.alloc(32, 9) } },
      ['freshness', 'quote'],
    ],
    ['the AK certificate of another', { ...report, akCertificate: theirs.akCertificate }, ['AK certificate']],
    [
      'the EK certificate of another TPM',
      { ...report, ekCertificate: theirs.ekCertificate, ekIntermediates: theirs.ekIntermediates },
      ['EK certificate'],
    ],
    ['no intermediates', { ...report, ekIntermediates: [] }, ['EK certificate']],
  ])('with %s fails', (_, swapped, properties) => {
    const found = verify(swapped)
    for (const name of properties) expect(found[name], name).toBe('FAILED')
  })

  function imaOfAnother(): Buffer | null {
    const more = { ...parts(), ima: [...parts().ima.slice(0, 1), { path: '/bin/other' }] }
    const log = made.report({ parts: more }).evidence.imaLog
    return log && Buffer.from(log)
  }

  it('that vouches for itself is by nobody: its own operator, and its own maker of TPMs', async () => {
    const forger = await ReportingHost.make()
    const forged = await reportOf(forger, 3)
    const found = verify(forged, { hostId: null })
    expect(found).toMatchObject({
      quote: 'VERIFIED',
      'AK certificate': 'FAILED',
      'EK certificate': 'FAILED',
    })
  })

  it('with a checkpoint that its own attestation key did not sign fails', async () => {
    const { root, proof } = log(1, 9)
    const signer = {
      logKey: generateKey('ed25519'),
      ak: other.host.key.ak,
      quote: async (extraData: Buffer) => other.host.key.quote(new Map(), { extraData }),
    }
    const { note } = await signCheckpoint(signer, 'example.org/log', { size: 5, root: root(0, 5) })
    const checkpoint = { note, proof: await proof(5) }
    expect(verify({ ...report, checkpoint })['lineage checkpoint']).toBe('FAILED')
  })

  it('with another report answered to the same nonce is told apart by its tree', () => {
    const again = made.report({ binding: { treeSize: 5n } })
    expect(verify({ ...again, checkpoint: report.checkpoint })['lineage checkpoint']).toBe('FAILED')
  })
})
