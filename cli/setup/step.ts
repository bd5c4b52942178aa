import type { Probes } from '../probe/index.ts'
import type { Answers } from './answers.ts'
import type { Authority } from './authority.ts'
import type { SetupFiles } from './files.ts'

/** The steps, in their order. */
export const STEP_NAMES = [
  'host',
  'identity',
  'keys',
  'trust',
  'policy',
  'ima',
  'reference',
  'configuration',
  'service',
  'attested',
  'hello',
] as const
export type StepName = (typeof STEP_NAMES)[number]

/** What somebody else has to do before the setup goes on. */
export type WaitingFor =
  /** The host has to boot with what was installed. */
  | 'REBOOT'
  /** The kernel's command line has to be changed, and then the host booted. */
  | 'BOOT_OPTIONS'
  /** A document has to be signed elsewhere and brought here. */
  | 'SIGNATURE'
  /** No service manager starts the daemons here. */
  | 'START'
  /** Nothing leads from the TPM to its maker. */
  | 'HARDWARE_ROOT'

/** What a step needs to know. */
export interface StepContext {
  readonly answers: Answers
  /** `image`: nothing of the machine that this runs on is looked at, nothing is started. */
  readonly stage: 'all' | 'image' | 'first-boot'
  readonly files: SetupFiles
  readonly authority: Authority
  /** What can be seen of this host. */
  readonly probes: Probes
  /** The steps that changed something in this run. */
  readonly changed: ReadonlySet<StepName>
}

/** What a step did. */
export interface Done {
  /** For people, what is there now. */
  readonly did: readonly string[]
  /** What whoever answers for the host should know, and might not like. */
  readonly warnings?: readonly string[]
  /** What has to happen elsewhere before the next step. */
  readonly waiting?: { readonly for: WaitingFor; readonly next: string }
}

/** What a step found. Looking changes nothing. */
export type Found = {
  /** What is there, for people. */
  readonly found: readonly string[]
  readonly warnings?: readonly string[]
} & (
  | { readonly state: 'done' }
  /** Not asked for, or not of this stage. */
  | { readonly state: 'skipped' }
  | { readonly state: 'waiting'; readonly for: WaitingFor; readonly next: string }
  | {
      readonly state: 'to do'
      /** What will be done, a line each. */
      readonly will: readonly string[]
      /** Does it. Can be repeated from wherever it was interrupted. @throws CliError */
      carryOut(): Promise<Done>
    }
)

/** One step of the setup. */
export interface Step {
  readonly name: StepName
  /** A few words for a heading. */
  readonly title: string
  /** Why it is done; one sentence. */
  readonly why: string
  /** Looks at what is there. @throws CliError when nothing can be done about it here */
  look(context: StepContext): Promise<Found>
}

/** Nothing to do. */
export function done(found: readonly string[], warnings: readonly string[] = []): Found {
  return { state: 'done', found, warnings }
}

/** Not asked for, or not of this stage. */
export function skipped(...found: readonly string[]): Found {
  return { state: 'skipped', found }
}

/** @param found what is there already */
export function toDo(
  will: readonly string[],
  carryOut: () => Promise<Done>,
  found: readonly string[] = [],
  warnings: readonly string[] = [],
): Found {
  return { state: 'to do', will, carryOut, found, warnings }
}
