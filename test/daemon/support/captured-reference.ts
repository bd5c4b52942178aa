import {
  captureReferenceValues,
  encodeReferenceValues,
  REFERENCE_VALUES_TYPE,
  type ReferenceDocument,
} from '../../../attestation/index.ts'
import type { Tpm } from '../../../attestation/tpm2/index.ts'
import { signDocument } from '../../../authorization/index.ts'
import { openReferenceValues, type SignedReferenceValues } from '../../../daemon/reference-values.ts'
import { recordedHost } from '../../attestation/recorded-host.ts'
import { quoteFor, type SimulatedHost } from '../../attestation/tpm2/simulated-host.ts'
import { governance } from '../../authorization/scenario.ts'

/** Signed reference values of a simulated host that has replayed the recorded boot. */
export async function capture(
  host: SimulatedHost,
  tpm: Tpm,
  name: string,
  components: ReferenceDocument['components'] = 'any',
): Promise<SignedReferenceValues> {
  const extraData = Buffer.alloc(32, 1)
  const ak = { publicArea: host.identity.akPublicArea, name: host.identity.akName }
  const document = captureReferenceValues({
    evidence: { ...recordedHost('debian13-uki').evidence, quote: await quoteFor(tpm, host.ak, extraData) },
    expected: { ak, extraData },
    name,
    created: '2026-11-21T02:00:00.000Z',
    components: 'any',
  })
  document.components = components
  const envelope = signDocument(REFERENCE_VALUES_TYPE, encodeReferenceValues(document), governance)
  return openReferenceValues(envelope, [governance.public])
}
