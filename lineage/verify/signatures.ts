import type { EnrolledAk } from '../../attestation/index.ts'
import { base64ToBytes } from '../../encoding/text.ts'
import { type PublicKey, readPublicKey } from '../../signing/key.ts'
import { type Checkpoint, verifyLogSignature, verifyTpmSignature } from '../checkpoint.ts'
import type { EventCheck } from './events.ts'
import { failed, failedBy, notChecked, type PropertyResult, verified } from './result.ts'

export const TPM = 'TPM signature of the checkpoint'
export const LOG_KEY = 'Ed25519 signature of the checkpoint'
export const HOST = 'host identity'

/** The tpm2-quote line, by the attestation key that the verifier enrolled. */
export function checkTpmSignature(checkpoint: Checkpoint, ak: EnrolledAk | undefined): PropertyResult {
  if (ak === undefined) return notChecked(TPM, 'no attestation key was given')
  try {
    const { clock } = verifyTpmSignature(checkpoint, ak)
    return verified(
      TPM,
      `reset count ${clock.resetCount}, restart count ${clock.restartCount}, clock ${clock.clock} ms`,
    )
  } catch (error) {
    return failedBy(TPM, error, 'checkpoint')
  }
}

/**
 * The Ed25519 line, by a key that the verifier knows or, if the TPM signed the tree, by the one that the tree's own daemon starts name. Without
 * either the key would be one that the log brings along, which proves nothing.
 */
export function checkLogSignature(
  checkpoint: Checkpoint,
  known: PublicKey | undefined,
  treeIsSigned: boolean,
  events: EventCheck,
): PropertyResult {
  try {
    if (known !== undefined) {
      verifyLogSignature(checkpoint, known)
      return verified(LOG_KEY, `by the key that was given, ${known.id}`)
    }
    const [named, ...more] = events.logKeys
    if (named === undefined || more.length > 0) {
      return failed(LOG_KEY, `the log's starts name ${events.logKeys.size} keys, not one`, 'checkpoint')
    }
    const key = readPublicKey(base64ToBytes(named, 'logKeySpki'))
    verifyLogSignature(checkpoint, key)
    return treeIsSigned
      ? verified(LOG_KEY, `by ${key.id}, which the tree that the TPM signed names`)
      : notChecked(LOG_KEY, `it is by ${key.id}, a key that the log brings along`)
  } catch (error) {
    return failedBy(LOG_KEY, error, 'checkpoint')
  }
}

/** That every start in the log was on the host whose key signed it. */
export function checkHost(events: EventCheck, ak: EnrolledAk | undefined): PropertyResult {
  const [host, ...more] = events.hosts
  if (host === undefined || more.length > 0)
    return failed(HOST, `the log's starts name ${events.hosts.size} hosts, not one`)
  if (ak === undefined) return notChecked(HOST, `the log says ${host}; no attestation key was given`)
  return host === Buffer.from(ak.name).toString('hex')
    ? verified(HOST, `every start was on ${host}`)
    : failed(HOST, `the log is of ${host}, the attestation key of another host`)
}
