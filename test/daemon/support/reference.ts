import {
  captureReferenceValues,
  encodeReferenceValues,
  REFERENCE_VALUES_TYPE,
} from '../../../attestation/index.ts'
import { signDocument } from '../../../authorization/index.ts'
import type { PrivateKey } from '../../../signing/key.ts'
import { recordedHost } from '../../attestation/recorded-host.ts'

/** Signed reference values of the recorded host; `name` tells them apart. */
export function referenceEnvelope(name: string, key: PrivateKey): Buffer {
  const document = captureReferenceValues({
    ...recordedHost('debian13-uki'),
    name,
    created: '2026-11-21T02:00:00.000Z',
    components: 'any',
  })
  return signDocument(REFERENCE_VALUES_TYPE, encodeReferenceValues(document), key)
}
