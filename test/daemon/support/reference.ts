import {
  captureReferenceValues,
  encodeReferenceValues,
  REFERENCE_VALUES_TYPE,
  type ReferenceDocument,
} from '../../../attestation/index.ts'
import { signDocument } from '../../../authorization/index.ts'
import type { PrivateKey } from '../../../signing/key.ts'
import { recordedHost } from '../../attestation/recorded-host.ts'

/** Signed reference values of the recorded host; `name` tells them apart. */
export function referenceEnvelope(
  name: string,
  key: PrivateKey,
  revision = 1,
  change: Partial<ReferenceDocument> = {},
): Buffer {
  const document = captureReferenceValues({
    ...recordedHost('debian13-uki'),
    name,
    revision,
    created: '2026-11-21T02:00:00.000Z',
    components: 'any',
  })
  return signDocument(REFERENCE_VALUES_TYPE, encodeReferenceValues({ ...document, ...change }), key)
}
