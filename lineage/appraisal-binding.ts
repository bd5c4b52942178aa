import type { CycleBinding } from '../attestation/index.ts'
import { hexToBytes } from '../encoding/text.ts'
import type { LineageEvent } from './events/index.ts'

/** What the quote of an appraisal has to be bound to, as its entry says. */
export function bindingOf({ binding }: LineageEvent & { type: 'appraisal' }): CycleBinding {
  return {
    domain: binding.domain,
    nonce: hexToBytes(binding.nonce),
    treeSize: BigInt(binding.treeSize),
    lineageRoot: hexToBytes(binding.lineageRoot),
    sessionKeySpkiDigest: hexToBytes(binding.sessionKeySpkiDigest),
    referenceValuesDigest: hexToBytes(binding.referenceValuesDigest),
  }
}
