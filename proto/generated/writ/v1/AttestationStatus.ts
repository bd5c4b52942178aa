// Original file: writ/v1/attestation.proto

import type { GateStateInput as _writ_v1_GateStateInput, GateState as _writ_v1_GateState } from '../../writ/v1/GateState.ts';
import type { AttestationReasonInput as _writ_v1_AttestationReasonInput, AttestationReason as _writ_v1_AttestationReason } from '../../writ/v1/AttestationReason.ts';
import type { TpmTierInput as _writ_v1_TpmTierInput, TpmTier as _writ_v1_TpmTier } from '../../writ/v1/TpmTier.ts';
import type { ConfigurationStatusInput as _writ_v1_ConfigurationStatusInput, ConfigurationStatus as _writ_v1_ConfigurationStatus } from '../../writ/v1/ConfigurationStatus.ts';
import type { PolicyStatusInput as _writ_v1_PolicyStatusInput, PolicyStatus as _writ_v1_PolicyStatus } from '../../writ/v1/PolicyStatus.ts';
import type { HostLabelsStatusInput as _writ_v1_HostLabelsStatusInput, HostLabelsStatus as _writ_v1_HostLabelsStatus } from '../../writ/v1/HostLabelsStatus.ts';
import type { RefusedDocumentInput as _writ_v1_RefusedDocumentInput, RefusedDocument as _writ_v1_RefusedDocument } from '../../writ/v1/RefusedDocument.ts';
import type { RolledBackLineageInput as _writ_v1_RolledBackLineageInput, RolledBackLineage as _writ_v1_RolledBackLineage } from '../../writ/v1/RolledBackLineage.ts';
import type { NewLineageEpochInput as _writ_v1_NewLineageEpochInput, NewLineageEpoch as _writ_v1_NewLineageEpoch } from '../../writ/v1/NewLineageEpoch.ts';
import type { EvidenceStatusInput as _writ_v1_EvidenceStatusInput, EvidenceStatus as _writ_v1_EvidenceStatus } from '../../writ/v1/EvidenceStatus.ts';
import type { TrustRootsStatusInput as _writ_v1_TrustRootsStatusInput, TrustRootsStatus as _writ_v1_TrustRootsStatus } from '../../writ/v1/TrustRootsStatus.ts';
import type { Long } from '@grpc/proto-loader';

/**
 * The trust gate and what it rests on.
 */
export interface AttestationStatusInput {
  /**
   * Whether the gate is open, and if not, why not.
   */
  'state'?: (_writ_v1_GateStateInput);
  /**
   * Why the state is what it is; may be empty when attested.
   */
  'reasons'?: (_writ_v1_AttestationReasonInput)[];
  /**
   * Raised each time the gate closes; an execution cannot outlive its epoch.
   */
  'epoch'?: (number | string | Long);
  /**
   * Name of the attestation key in hexadecimal; identifies the host.
   */
  'hostId'?: (string);
  /**
   * What kind of TPM this is.
   */
  'tier'?: (_writ_v1_TpmTierInput);
  /**
   * Manufacturer and version as the TPM says; not proven.
   */
  'tpmDescription'?: (string);
  /**
   * Milliseconds since the instant that the newest good evidence speaks of; absent if there is none.
   */
  'evidenceAgeMs'?: (number | string | Long);
  /**
   * Milliseconds until the gate closes by itself; 0 when closed.
   */
  'leaseRemainingMs'?: (number | string | Long);
  /**
   * When the newest appraisal was made; empty if none.
   */
  'appraisedTime'?: (string);
  /**
   * Appraisals since the daemon started.
   */
  'appraisals'?: (number | string | Long);
  /**
   * Digest of the reference values in force; empty if none.
   */
  'referenceValuesDigest'?: (string);
  /**
   * Digest of the policy bundle in force; empty if none.
   */
  'policyDigest'?: (string);
  /**
   * Digest of the trust roots in force; empty if none.
   */
  'trustRootsDigest'?: (string);
  /**
   * Epoch of the revocations in force.
   */
  'revocationEpoch'?: (number | string | Long);
  /**
   * Whether the firmware says that Secure Boot is on; absent if not known.
   */
  'secureBoot'?: (boolean);
  /**
   * Firmware version from the newest quote, in decimal.
   */
  'firmwareVersion'?: (string);
  /**
   * Executions that have not ended.
   */
  'executions'?: (number);
  /**
   * Entries in the lineage.
   */
  'lineageSize'?: (number | string | Long);
  /**
   * Version of the daemon.
   */
  'daemonVersion'?: (string);
  /**
   * When the daemon started.
   */
  'daemonStartedTime'?: (string);
  /**
   * Position in the lineage of the failure in force, which a clearance has to name; absent unless the state is FAILED.
   */
  'failureEntry'?: (number | string | Long);
  /**
   * Entries that the lineage had at an unclean stop that no operator has accepted; absent if there is none. Until then artifacts
   * with limited uses that were issued before are denied as REPLAYED.
   */
  'doubtfulTail'?: (number | string | Long);
  /**
   * The daemon's configuration.
   */
  'configuration'?: (_writ_v1_ConfigurationStatusInput | null);
  /**
   * The policy bundle in force; absent if there is none.
   */
  'policy'?: (_writ_v1_PolicyStatusInput | null);
  /**
   * What the operator calls this host; absent if nothing was said.
   */
  'hostLabels'?: (_writ_v1_HostLabelsStatusInput | null);
  /**
   * The newest document that was turned away, so that what was in force stays; absent once one of its kind was taken.
   */
  'refusedDocument'?: (_writ_v1_RefusedDocumentInput | null);
  /**
   * Lineage entry that says that the wall clock is not relied on, which a clearance has to name; absent if it is. Until then
   * nothing is permitted (CLOCK_UNTRUSTED).
   */
  'clockEntry'?: (number | string | Long);
  /**
   * Why it is not; empty if it is.
   */
  'clockFault'?: (string);
  /**
   * The lineage is older than the TPM's counter says: its files were put back. Everything is denied until an operator accepts them.
   */
  'rolledBack'?: (_writ_v1_RolledBackLineageInput | null);
  /**
   * The lineage took the place of one that could not go on. Everything is denied until an operator accepts it.
   */
  'newEpoch'?: (_writ_v1_NewLineageEpochInput | null);
  /**
   * The evidence store beside the lineage; absent while the daemon is not there yet.
   */
  'evidence'?: (_writ_v1_EvidenceStatusInput | null);
  /**
   * The trust roots in force; absent if there are none.
   */
  'trustRoots'?: (_writ_v1_TrustRootsStatusInput | null);
  '_evidenceAgeMs'?: "evidenceAgeMs";
  '_secureBoot'?: "secureBoot";
  '_failureEntry'?: "failureEntry";
  '_doubtfulTail'?: "doubtfulTail";
  '_clockEntry'?: "clockEntry";
}

/**
 * The trust gate and what it rests on.
 */
export interface AttestationStatus {
  /**
   * Whether the gate is open, and if not, why not.
   */
  'state': (_writ_v1_GateState);
  /**
   * Why the state is what it is; may be empty when attested.
   */
  'reasons': (_writ_v1_AttestationReason)[];
  /**
   * Raised each time the gate closes; an execution cannot outlive its epoch.
   */
  'epoch': (string);
  /**
   * Name of the attestation key in hexadecimal; identifies the host.
   */
  'hostId': (string);
  /**
   * What kind of TPM this is.
   */
  'tier': (_writ_v1_TpmTier);
  /**
   * Manufacturer and version as the TPM says; not proven.
   */
  'tpmDescription': (string);
  /**
   * Milliseconds since the instant that the newest good evidence speaks of; absent if there is none.
   */
  'evidenceAgeMs'?: (string);
  /**
   * Milliseconds until the gate closes by itself; 0 when closed.
   */
  'leaseRemainingMs': (string);
  /**
   * When the newest appraisal was made; empty if none.
   */
  'appraisedTime': (string);
  /**
   * Appraisals since the daemon started.
   */
  'appraisals': (string);
  /**
   * Digest of the reference values in force; empty if none.
   */
  'referenceValuesDigest': (string);
  /**
   * Digest of the policy bundle in force; empty if none.
   */
  'policyDigest': (string);
  /**
   * Digest of the trust roots in force; empty if none.
   */
  'trustRootsDigest': (string);
  /**
   * Epoch of the revocations in force.
   */
  'revocationEpoch': (string);
  /**
   * Whether the firmware says that Secure Boot is on; absent if not known.
   */
  'secureBoot'?: (boolean);
  /**
   * Firmware version from the newest quote, in decimal.
   */
  'firmwareVersion': (string);
  /**
   * Executions that have not ended.
   */
  'executions': (number);
  /**
   * Entries in the lineage.
   */
  'lineageSize': (string);
  /**
   * Version of the daemon.
   */
  'daemonVersion': (string);
  /**
   * When the daemon started.
   */
  'daemonStartedTime': (string);
  /**
   * Position in the lineage of the failure in force, which a clearance has to name; absent unless the state is FAILED.
   */
  'failureEntry'?: (string);
  /**
   * Entries that the lineage had at an unclean stop that no operator has accepted; absent if there is none. Until then artifacts
   * with limited uses that were issued before are denied as REPLAYED.
   */
  'doubtfulTail'?: (string);
  /**
   * The daemon's configuration.
   */
  'configuration': (_writ_v1_ConfigurationStatus | null);
  /**
   * The policy bundle in force; absent if there is none.
   */
  'policy': (_writ_v1_PolicyStatus | null);
  /**
   * What the operator calls this host; absent if nothing was said.
   */
  'hostLabels': (_writ_v1_HostLabelsStatus | null);
  /**
   * The newest document that was turned away, so that what was in force stays; absent once one of its kind was taken.
   */
  'refusedDocument': (_writ_v1_RefusedDocument | null);
  /**
   * Lineage entry that says that the wall clock is not relied on, which a clearance has to name; absent if it is. Until then
   * nothing is permitted (CLOCK_UNTRUSTED).
   */
  'clockEntry'?: (string);
  /**
   * Why it is not; empty if it is.
   */
  'clockFault': (string);
  /**
   * The lineage is older than the TPM's counter says: its files were put back. Everything is denied until an operator accepts them.
   */
  'rolledBack': (_writ_v1_RolledBackLineage | null);
  /**
   * The lineage took the place of one that could not go on. Everything is denied until an operator accepts it.
   */
  'newEpoch': (_writ_v1_NewLineageEpoch | null);
  /**
   * The evidence store beside the lineage; absent while the daemon is not there yet.
   */
  'evidence': (_writ_v1_EvidenceStatus | null);
  /**
   * The trust roots in force; absent if there are none.
   */
  'trustRoots': (_writ_v1_TrustRootsStatus | null);
  '_evidenceAgeMs'?: "evidenceAgeMs";
  '_secureBoot'?: "secureBoot";
  '_failureEntry'?: "failureEntry";
  '_doubtfulTail'?: "doubtfulTail";
  '_clockEntry'?: "clockEntry";
}
