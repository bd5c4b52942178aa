import { captureReferenceValues, encodeReferenceValues } from '../../attestation/index.ts'
import { recordedHost } from '../attestation/recorded-host.ts'

const { evidence, expected } = recordedHost('debian13-uki')

/** The payload of reference values that were captured from a recorded host. */
export const REFERENCE = encodeReferenceValues(
  captureReferenceValues({
    evidence,
    expected,
    name: 'fuzz',
    created: '2026-11-21T02:00:00.000Z',
    components: 'any',
  }),
)
