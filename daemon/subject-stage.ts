import type { ObservedSubject } from '../authorization/index.ts'
import type { SubjectPath } from './launcher/types.ts'

/** With whose rights: `own` is those of an unprivileged uid that nobody else has. */
export type StageUser = 'own' | { readonly uid: number; readonly gid: number }

/** Opens and hashes what would run, and holds those bytes for the execution until they are used or let go. */
export interface SubjectStage {
  /** The first one is the program. They are opened with the rights of the user that will run them. */
  stage(executionId: string, subjects: readonly SubjectPath[], user: StageUser): Promise<ObservedSubject[]>
  abandon(executionId: string): void
}
