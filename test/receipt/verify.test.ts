import { expect, test } from 'vitest'
import { verifyReceipt } from '../../cli/receipt/verify.ts'
import { allVerified } from '../../cli/verify/property.ts'
import { collectEntries, makeReceipt } from '../../receipt/index.ts'
import { begun, sourceOf, withSigner } from './support/finished.ts'

test('entries of one host in a tree that the TPM of another signed are not verified, whoever vouches for that TPM', async () => {
  const w = await begun()
  const { id, permit } = await w.run()
  const { lineage, signer } = await withSigner(w)
  const log = sourceOf(lineage)
  const { note, size } = await lineage.checkpoint()
  const receipt = await makeReceipt(log, {
    entries: await collectEntries(log, id, permit),
    checkpoint: { note, size: BigInt(size) },
    host: {
      ...{ akPublicArea: Buffer.from(signer.ak.publicArea), akCertificate: null },
      ...{ ekCertificate: null, ekIntermediates: [] },
    },
    logKey: signer.logKey,
    grounds: true,
  })
  const hostId = Buffer.from(signer.ak.name).toString('hex')
  const { properties, tier } = await verifyReceipt(receipt, {
    ...{ operators: [], roots: null, hostId, at: new Date() },
    ...{ whole: false, evidence: null, policy: null },
  })
  const statusOf = (name: string) => properties.find(({ property }) => property === name)?.status
  expect(statusOf('TPM signature of the checkpoint')).toBe('VERIFIED')
  expect(statusOf('inclusion of each entry')).toBe('VERIFIED')
  expect(statusOf('entries of one execution')).toBe('VERIFIED')
  expect(statusOf('statement made anew from the entries')).toBe('VERIFIED')
  expect(statusOf('history before the appraisal')).toBe('VERIFIED')
  expect(statusOf('host of the entries')).toBe('FAILED')
  // Its key is not the one that the daemon's start names.
  expect(statusOf('Ed25519 signature of the checkpoint')).toBe('FAILED')
  expect(statusOf('signature of the statement')).toBe('FAILED')
  expect(allVerified(properties)).toBe(false)
  expect(tier).toBe('simulated TPM')
})
