/** What can be seen of a host, for the commands that look after one; see {@link Probes}. */
export { type Accelerator, readAccelerators } from './accelerators.ts'
export {
  type BootFacts,
  hasTcbPolicy,
  parameter,
  readBoot,
  readSecureBoot,
  type SecureBootFacts,
} from './boot.ts'
export { type BootLoader, grubHas, readBootLoader, whereToAdd } from './boot-loader.ts'
export { type CgroupFacts, lackingControllers, readCgroup } from './cgroup.ts'
export { readContainer } from './container.ts'
export { EVENT_LOG, readEventLog } from './event-log.ts'
export {
  IMA_LOG,
  IMA_POLICY,
  type ImaFacts,
  isShippedPolicy,
  readIma,
  SHIPPED_IMA_POLICY,
} from './ima.ts'
export { launcherFileWaits } from './launcher-file.ts'
export { liveFiles } from './live/files.ts'
export { type LiveOptions, liveProbes } from './live.ts'
export { type Look, lookFurther, type Seen, seen, type Unseen, unseen, valueIn } from './look.ts'
export type * from './probes.ts'
export { readUnit, settingsIn, type UnitText } from './unit-files.ts'
