import type { Area } from '../area.ts'
import { ACCELERATORS } from './accelerators.ts'
import { ACCOUNTS } from './accounts.ts'
import { BOOT } from './boot.ts'
import { CLOCK } from './clock.ts'
import { CONFIGURATION } from './configuration.ts'
import { CONFINEMENT } from './confinement.ts'
import { DAEMON } from './daemon.ts'
import { DISK } from './disk.ts'
import { FILES } from './files.ts'
import { IMA } from './ima.ts'
import { KERNEL } from './kernel.ts'
import { TPM } from './tpm.ts'
import { UNITS_AREA } from './units.ts'

const ALL = [
  TPM,
  BOOT,
  IMA,
  KERNEL,
  CLOCK,
  DISK,
  ACCOUNTS,
  FILES,
  CONFIGURATION,
  UNITS_AREA,
  CONFINEMENT,
  ACCELERATORS,
  DAEMON,
] as const

/** All that is looked at, from the hardware up. */
export const AREAS: readonly Area[] = ALL as unknown as readonly Area[]

type CodesOf<T> = T extends Area<infer Code> ? Code : never

/** Everything that can be found; closed, and stable. */
export type FindingCode = CodesOf<(typeof ALL)[number]>
