// Original file: writ/v1/attestation.proto

import type { TpmTierInput as _writ_v1_TpmTierInput, TpmTier as _writ_v1_TpmTier } from '../../writ/v1/TpmTier.ts';
import type { Long } from '@grpc/proto-loader';

/**
 * Evidence of this moment. Nothing in it is to be believed before it has been verified.
 */
export interface GetReportResponseInput {
  /**
   * TPMS_ATTEST.
   */
  'quoteAttest'?: (Buffer | Uint8Array | string);
  /**
   * TPMT_SIGNATURE by the attestation key.
   */
  'quoteSignature'?: (Buffer | Uint8Array | string);
  /**
   * The caller's nonce.
   */
  'nonce'?: (Buffer | Uint8Array | string);
  /**
   * Entries of the lineage that the quote binds.
   */
  'lineageSize'?: (number | string | Long);
  /**
   * Root of the lineage that the quote binds.
   */
  'lineageRoot'?: (Buffer | Uint8Array | string);
  /**
   * Digest of the session key's SubjectPublicKeyInfo that the quote binds.
   */
  'sessionKeySpkiDigest'?: (Buffer | Uint8Array | string);
  /**
   * Digest of the reference values that the quote binds.
   */
  'referenceValuesDigest'?: (Buffer | Uint8Array | string);
  /**
   * TCG event log of the firmware.
   */
  'eventLog'?: (Buffer | Uint8Array | string);
  /**
   * systemd's log of user-space measurements; empty if the host has none.
   */
  'userspaceLog'?: (Buffer | Uint8Array | string);
  /**
   * IMA's binary log; empty if the host has none.
   */
  'imaLog'?: (Buffer | Uint8Array | string);
  /**
   * TPMT_PUBLIC of the attestation key.
   */
  'akPublicArea'?: (Buffer | Uint8Array | string);
  /**
   * Certificate of the attestation key by the operator, in DER; empty if there is none.
   */
  'akCertificate'?: (Buffer | Uint8Array | string);
  /**
   * Certificate of the endorsement key, in DER; empty if the TPM has none.
   */
  'ekCertificate'?: (Buffer | Uint8Array | string);
  /**
   * Intermediate certificates of the endorsement key, in DER.
   */
  'ekIntermediates'?: (Buffer | Uint8Array | string)[];
  /**
   * TPMT_PUBLIC of the endorsement key.
   */
  'ekPublicArea'?: (Buffer | Uint8Array | string);
  /**
   * The session key's SubjectPublicKeyInfo, in DER.
   */
  'sessionKeySpki'?: (Buffer | Uint8Array | string);
  /**
   * What kind of TPM the daemon takes this for.
   */
  'tier'?: (_writ_v1_TpmTierInput);
}

/**
 * Evidence of this moment. Nothing in it is to be believed before it has been verified.
 */
export interface GetReportResponse {
  /**
   * TPMS_ATTEST.
   */
  'quoteAttest': (Buffer);
  /**
   * TPMT_SIGNATURE by the attestation key.
   */
  'quoteSignature': (Buffer);
  /**
   * The caller's nonce.
   */
  'nonce': (Buffer);
  /**
   * Entries of the lineage that the quote binds.
   */
  'lineageSize': (string);
  /**
   * Root of the lineage that the quote binds.
   */
  'lineageRoot': (Buffer);
  /**
   * Digest of the session key's SubjectPublicKeyInfo that the quote binds.
   */
  'sessionKeySpkiDigest': (Buffer);
  /**
   * Digest of the reference values that the quote binds.
   */
  'referenceValuesDigest': (Buffer);
  /**
   * TCG event log of the firmware.
   */
  'eventLog': (Buffer);
  /**
   * systemd's log of user-space measurements; empty if the host has none.
   */
  'userspaceLog': (Buffer);
  /**
   * IMA's binary log; empty if the host has none.
   */
  'imaLog': (Buffer);
  /**
   * TPMT_PUBLIC of the attestation key.
   */
  'akPublicArea': (Buffer);
  /**
   * Certificate of the attestation key by the operator, in DER; empty if there is none.
   */
  'akCertificate': (Buffer);
  /**
   * Certificate of the endorsement key, in DER; empty if the TPM has none.
   */
  'ekCertificate': (Buffer);
  /**
   * Intermediate certificates of the endorsement key, in DER.
   */
  'ekIntermediates': (Buffer)[];
  /**
   * TPMT_PUBLIC of the endorsement key.
   */
  'ekPublicArea': (Buffer);
  /**
   * The session key's SubjectPublicKeyInfo, in DER.
   */
  'sessionKeySpki': (Buffer);
  /**
   * What kind of TPM the daemon takes this for.
   */
  'tier': (_writ_v1_TpmTier);
}
