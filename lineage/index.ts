/**
 * The lineage: an append-only Merkle log of everything that was decided and seen, its evidence store, its signed checkpoints, and
 * their offline verification. What it says to other rooms is exported here.
 */

export { bindingOf } from './appraisal-binding.ts'
export { archiveName, type StagedImport, stageImport } from './archive.ts'
export { blobPath, MAX_BLOB_BYTES, readBlob, readBounded } from './blob-store.ts'
export {
  type ConsistencyProof,
  formatConsistencyProof,
  parseConsistencyProof,
} from './c2sp/consistency-proof.ts'
export { type CosignatureVerifier, mergeCosignatures } from './c2sp/cosignature.ts'
export { MAX_ENTRY_BYTES } from './c2sp/entry-bundle.ts'
export { type Note, type NoteVerifier, parseNote, parseNoteSignatures, verifyNote } from './c2sp/note.ts'
export {
  formatNoteKey,
  type LogNoteKey,
  type NoteKey,
  parseNoteKey,
  type WitnessNoteKey,
} from './c2sp/note-key.ts'
export { judgeByPolicy, type PolicyJudgement, type WitnessFinding } from './c2sp/policy-judgement.ts'
export { formatTlogProof, parseTlogProof, type TlogProof } from './c2sp/tlog-proof.ts'
export { treeHeadVerifier } from './c2sp/tree-head-signature.ts'
export { MAX_POLICY_BYTES, parseWitnessPolicy, type WitnessPolicy } from './c2sp/witness-policy.ts'
export {
  type Checkpoint,
  type CheckpointSigner,
  type CheckpointText,
  type FreshCheckpoint,
  parseCheckpoint,
  parseCheckpointText,
  pcrsBlob,
  type SignedCheckpoint,
  verifyLogSignature,
  verifyTpmSignature,
} from './checkpoint.ts'
export type { IndexedEntry } from './durable-entries.ts'
export { type Beginning, beginEpoch, finishEpoch, newestAside } from './epoch/begin.ts'
export { type Carried, encodeCarried, MAX_GOVERNED, parseCarried } from './epoch/carried.ts'
export type { Fault } from './epoch/fault.ts'
export { listFiles } from './epoch/files.ts'
export { type Inspection, inspectLog } from './epoch/inspect.ts'
export { epochOrigin, parseEpochOrigin } from './epoch/origin.ts'
export { type Salvage, salvage } from './epoch/salvage.ts'
export { LineageError, type LineageErrorCode } from './error.ts'
export {
  blobsOf,
  EVENT_TYPES,
  type EventType,
  encodeEvent,
  inlineBlob,
  isEventType,
  type LineageEvent,
  MAX_INLINE_BYTES,
  parseEvent,
  peekTime,
  peekType,
} from './events/index.ts'
export { lastingBlobs, passingBlobs } from './evidence-class.ts'
export { type ExportSummary, exportLog } from './export.ts'
export { Lineage, type LineageOptions } from './lineage.ts'
export type { TimeSpan } from './locate.ts'
export { LogFiles } from './log-files.ts'
export { LogReader } from './log-reader.ts'
export { Retention, type RetentionLimits, type RetentionResult } from './retention/retention.ts'
export { SNAPSHOT_LAG, SnapshotCheck } from './snapshot/check.ts'
export { type ExecutionOwner, NOBODY } from './snapshot/executions.ts'
export { readSnapshot, readSnapshotInSteps, snapshotPieces } from './snapshot/form.ts'
export { Tally } from './snapshot/tally.ts'
export { CompactRange, leafHash, verifyConsistency, verifyInclusion } from './tree/merkle.ts'
export { proveInclusion } from './tree/proof.ts'
export {
  checkLogKeys,
  type HeadTrust,
  type HeadVerification,
  policyResults,
  verifyHead,
} from './verify/head.ts'
export {
  type DroppedEvidence,
  type LogTrust,
  type LogVerification,
  type PropertyResult,
  type PropertyStatus,
  verifyLog,
} from './verify/index.ts'
export { verifyOtherLog } from './verify/other-log.ts'
export { checkGrowth, checkInclusion } from './verify/proof-file.ts'
export { checkTiledLog, type TileReader } from './verify/tiled-log.ts'
export {
  type Found,
  type NewEpoch,
  NewEpochError,
  type NvCounter,
  type RolledBack,
  RolledBackError,
} from './writer/anchor.ts'
export { type Io, systemIo } from './writer/io.ts'
export { takeWriterLock, type WriterLock } from './writer/lock.ts'
