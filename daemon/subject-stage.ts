import type { ObservedSubject } from '../authorization/index.ts'

/** With whose rights: `own` is those of an unprivileged uid that nobody else has. */
export type StageUser = 'own' | { readonly uid: number; readonly gid: number }

/** Opens and hashes what would run, and holds those bytes for the execution until they are used or let go. */
export interface SubjectStage {
  /** The first path is the program. They are opened with the rights of the user that will run them. */
  stage(executionId: string, paths: readonly string[], user: StageUser): Promise<ObservedSubject[]>
  abandon(executionId: string): void
}
